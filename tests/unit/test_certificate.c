// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Certificates and keys of servers, as files of every kind of goodness. */
#include <errno.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>

#include "certificate_lab.h"
#include "sys/certificate.h"

/* A root, what it has issued, and a server's certificate of that. */
static struct identity root, middle, server;

static int make_identities(void **state)
{
	root = identity_new(&(struct claims){ CA_CLAIMS("Root"), .end = 400 * DAY });
	middle = identity_new(
		&(struct claims){ CA_CLAIMS("Middle"), .issuer = &root, .end = 5 * HOUR });
	server = identity_new(
		&(struct claims){ .name = "Server",
				  .names = "DNS:a.example,DNS:*.b.example,IP:192.0.2.1,"
					   "IP:2001:db8::1,email:x@example",
				  .usage = "digitalSignature",
				  .extended_usage = "serverAuth",
				  .issuer = &middle,
				  .end = 61 * DAY,
				  .serial = 0x1234abcd });
	return lab_setup(state);
}

static int free_identities(void **state)
{
	identity_free(&root);
	identity_free(&middle);
	identity_free(&server);
	return lab_teardown(state);
}

/* --- what is taken --- */

static struct certificate taken(const char *chain, const char *key)
{
	struct certificate certificate = {};
	enum certificate_file fault;
	struct xlb_err err = {};

	if (certificate_read(chain, key, &certificate, &fault, &err))
		fail_msg("%s", err.text);
	return certificate;
}

static void whole_chain(void **state)
{
	const char *chain = write_chain("chain.pem", &server, &middle, &root, NULL);
	const char *key = write_key("key.pem", &server);
	struct certificate certificate = taken(chain, key), again = taken(chain, key);

	(void)state;
	assert_string_equal(certificate.names, "a.example, *.b.example, 192.0.2.1, 2001:db8::1");
	assert_string_equal(certificate.subject, "CN=Server");
	assert_string_equal(certificate.issuer, "CN=Middle");
	assert_string_equal(certificate.serial, "1234ABCD");
	assert_string_equal(certificate.key, "EC P-256");
	assert_int_equal(certificate.chain, 3);
	assert_int_equal(certificate.not_before, LAB_NOW - DAY);
	assert_int_equal(certificate.not_after, LAB_NOW + 61 * DAY);
	assert_int_equal(certificate.expires, LAB_NOW + 5 * HOUR);
	assert_int_equal(strlen(certificate.pem), certificate.size);
	assert_int_equal(certificate.hash, again.hash);
	assert_int_not_equal(certificate.hash, 0);
	certificate_done(&again);
	/* of the first two it is another one */
	again = taken(write_chain("chain.pem", &server, &middle, NULL), key);
	assert_int_not_equal(certificate.hash, again.hash);
	certificate_done(&again);
	certificate_done(&certificate);
	assert_null(certificate.pem);
	certificate_done(&certificate);
}

/* What is in `pem` is read back: the same certificates, then the key. */
static void one_file(void **state)
{
	const char *chain = write_chain("chain.pem", &server, &middle, NULL);
	struct certificate two = taken(chain, write_key("key.pem", &server)), one;
	const char *both = write_bytes("both.pem", two.pem, two.size, 0600);

	(void)state;
	one = taken(both, both);
	assert_string_equal(one.pem, two.pem);
	assert_true(strstr(one.pem, "BEGIN CERTIFICATE") < strstr(one.pem, "BEGIN PRIVATE KEY"));
	certificate_done(&one);
	certificate_done(&two);
}

static void key_formats(void **state)
{
	struct identity rsa =
		identity_of(EVP_RSA_gen(2048), &(struct claims){ .names = "DNS:r.example" });
	struct identity edwards = identity_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
					      &(struct claims){ .names = "DNS:e.example" });
	struct identity large =
		identity_of(EVP_EC_gen("P-384"), &(struct claims){ .names = "DNS:l.example" });
	const struct {
		struct identity *identity;
		bool traditional;
		const char *key;
	} rows[] = {
		{ &rsa, false, "RSA 2048" },	{ &rsa, true, "RSA 2048" },
		{ &large, false, "EC P-384" },	{ &large, true, "EC P-384" },
		{ &edwards, false, "Ed25519" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		struct certificate certificate;

		/* as "openssl ecparam -genkey" begins */
		if (rows[i].identity == &large && rows[i].traditional)
			BIO_puts(bio, "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n"
				      "-----END EC PARAMETERS-----\n");
		if (rows[i].traditional)
			PEM_write_bio_PrivateKey_traditional(bio, rows[i].identity->key, NULL, NULL,
							     0, NULL, NULL);
		else
			PEM_write_bio_PrivateKey(bio, rows[i].identity->key, NULL, NULL, 0, NULL,
						 NULL);
		certificate = taken(write_chain("chain.pem", rows[i].identity, NULL),
				    write_bio("key.pem", bio, 0640));
		assert_string_equal(certificate.key, rows[i].key);
		assert_string_equal(certificate.subject, "");
		assert_non_null(strstr(certificate.pem, "BEGIN PRIVATE KEY"));
		certificate_done(&certificate);
	}
	identity_free(&rsa);
	identity_free(&edwards);
	identity_free(&large);
}

/* As "openssl req -x509" makes them, with a common name only; and names that mean mischief. */
static void names(void **state)
{
	const struct {
		struct claims claims;
		const char *names, *subject;
	} rows[] = {
		{ { .name = "www.example.com", .constraints = "critical,CA:TRUE" },
		  "www.example.com",
		  "CN=www.example.com" },
		{ { .name = "x", .names = "email:x@example" }, "x", "CN=x" },
		{ { .name = "a\x1b[2J, b\xc3\xbc" }, "a?[2J? b??", "CN=a\\1B[2J\\, b\\C3\\BC" },
		{ { .name = "old.example", .end = -HOUR }, "old.example", "CN=old.example" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity identity = identity_new(&rows[i].claims);
		struct certificate certificate = taken(write_chain("chain.pem", &identity, NULL),
						       write_key("key.pem", &identity));

		assert_string_equal(certificate.names, rows[i].names);
		assert_string_equal(certificate.subject, rows[i].subject);
		certificate_done(&certificate);
		identity_free(&identity);
	}
}

/* --- what is refused --- */

static void refused(const char *chain, const char *key, enum certificate_file fault,
		    const char *text, const char *hint)
{
	struct certificate certificate = { .chain = 77 };
	enum certificate_file ret_fault = CERTIFICATE_CHAIN;
	struct xlb_err err = {};
	int r = certificate_read(chain, key, &certificate, &ret_fault, &err);

	if (!r)
		fail_msg("taken, instead of: %s", text);
	assert_true(r < 0);
	assert_int_equal(err.class, XLB_ERR_CONFIG);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" is not in: %s", text, err.text);
	if (!strstr(err.hint, hint))
		fail_msg("\"%s\" is not in: %s", hint, err.hint);
	assert_non_null(strstr(err.text, fault == CERTIFICATE_KEY ? key : chain));
	assert_int_equal(ret_fault, fault);
	assert_int_equal(certificate.chain, 77);
}

static const char *write_der(const char *name, const struct identity *identity, bool key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (key)
		i2d_PrivateKey_bio(bio, identity->key);
	else
		i2d_X509_bio(bio, identity->certificate);
	return write_bio(name, bio, 0600);
}

static const char *write_store(const char *name, const struct identity *identity)
{
	PKCS12 *store = PKCS12_create("secret", NULL, identity->key, identity->certificate, NULL, 0,
				      0, 0, 0, 0);
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(i2d_PKCS12_bio(bio, store), 1);
	PKCS12_free(store);
	return write_bio(name, bio, 0600);
}

static void refuses_files(void **state)
{
	const char *chain = write_chain("chain.pem", &server, &middle, NULL);
	const char *key = write_key("key.pem", &server), *odd = lab_path("odd.pem");
	char *large = calloc(1, CERTIFICATE_FILE_MAX + 1);

	(void)state;
	unlink(odd);
	refused(odd, key, CERTIFICATE_CHAIN, "No such file or directory", "");
	refused(chain, odd, CERTIFICATE_KEY, "No such file or directory", "");
	assert_int_equal(symlink(chain, odd), 0);
	refused(odd, key, CERTIFICATE_CHAIN, "is a symbolic link", "");
	refused(chain, lab_dir, CERTIFICATE_KEY, "is not a regular file", "");
	write_bytes("odd.pem", "", 0, 0600);
	refused(odd, key, CERTIFICATE_CHAIN, "is empty", "");
	refused(chain, odd, CERTIFICATE_KEY, "is empty", "");
	write_bytes("odd.pem", large, CERTIFICATE_FILE_MAX + 1, 0600);
	refused(odd, key, CERTIFICATE_CHAIN, "is larger than 1 MiB", "");
	write_bytes("odd.pem", large, CERTIFICATE_FILE_MAX, 0600);
	refused(odd, key, CERTIFICATE_CHAIN, "has no certificate in PEM", "BEGIN CERTIFICATE");
	assert_int_equal(chmod(odd, 0620), 0);
	refused(odd, key, CERTIFICATE_CHAIN, "can be written to by others than root", "");
	free(large);
}

static void refuses_formats(void **state)
{
	const char *chain = write_chain("chain.pem", &server, &middle, NULL);
	const char *key = write_key("key.pem", &server);

	(void)state;
	refused(key, key, CERTIFICATE_CHAIN, "has no certificate in PEM", "BEGIN CERTIFICATE");
	refused(chain, chain, CERTIFICATE_KEY, "has no private key in PEM", "BEGIN PRIVATE KEY");
	refused(write_der("odd.pem", &server, false), key, CERTIFICATE_CHAIN, "is not PEM",
		"openssl x509 -inform der -in ");
	refused(chain, write_der("odd.pem", &server, true), CERTIFICATE_KEY, "is not PEM",
		"openssl pkey -inform der -in ");
	refused(write_store("odd.pem", &server), key, CERTIFICATE_CHAIN,
		"is not PEM, it looks like PKCS#12", "openssl pkcs12 -nodes -in ");
}

static void refuses_keys(void **state)
{
	const char *chain = write_chain("chain.pem", &server, &middle, NULL);
	char pass[] = "secret";
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	PEM_write_bio_PKCS8PrivateKey(bio, server.key, EVP_aes_256_cbc(), pass, 6, NULL, NULL);
	refused(chain, write_bio("key.pem", bio, 0600), CERTIFICATE_KEY,
		"is encrypted: it must have no passphrase", "openssl pkey -in");
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey_traditional(bio, server.key, EVP_aes_256_cbc(),
					     (unsigned char *)pass, 6, NULL, NULL);
	refused(chain, write_bio("key.pem", bio, 0600), CERTIFICATE_KEY,
		"is encrypted: it must have no passphrase", "openssl pkey -in");
	refused(chain, write_key("key.pem", &middle), CERTIFICATE_KEY,
		"does not match certificate ", "requested with");
	write_key("key.pem", &server);
	assert_int_equal(chmod(lab_path("key.pem"), 0644), 0);
	refused(chain, lab_path("key.pem"), CERTIFICATE_KEY,
		"has a private key that everybody can read (mode 0644)", "chmod o-rwx ");
}

/* An encrypted key that is labelled as a plain one asks nobody for a passphrase either. */
static void never_asks(void **state)
{
	const char *chain = write_chain("chain.pem", &server, &middle, NULL);
	BIO *der = BIO_new(BIO_s_mem()), *bio = BIO_new(BIO_s_mem());
	char pass[] = "secret", *data;
	long size;

	(void)state;
	i2d_PKCS8PrivateKey_bio(der, server.key, EVP_aes_256_cbc(), pass, 6, NULL, NULL);
	size = BIO_get_mem_data(der, &data);
	PEM_write_bio(bio, "PRIVATE KEY", "", (unsigned char *)data, size);
	BIO_free(der);
	refused(chain, write_bio("key.pem", bio, 0600), CERTIFICATE_KEY,
		"cannot be read: ", "PKCS#8");
}

static void refuses_chains(void **state)
{
	const char *key = write_key("key.pem", &server);
	struct identity forged = identity_new(&(struct claims){ CA_CLAIMS("Middle") });

	(void)state;
	refused(write_chain("chain.pem", &middle, &server, NULL), key, CERTIFICATE_CHAIN,
		"(\"CN=Server\") is not the issuer of certificate 1 (\"CN=Middle\", issued by "
		"\"CN=Root\"): ",
		"the server's own certificate comes first");
	refused(write_chain("chain.pem", &server, &root, NULL), key, CERTIFICATE_CHAIN,
		"certificate 2 of ", "comes first");
	refused(write_chain("chain.pem", &server, &middle, &server, NULL), key, CERTIFICATE_CHAIN,
		"certificate 3 of ", "comes first");
	refused(write_chain("chain.pem", &server, &forged, NULL), key, CERTIFICATE_CHAIN,
		"is not the issuer of certificate 1", "comes first");
	identity_free(&forged);
}

static void refuses_uses(void **state)
{
	const struct {
		struct claims claims;
		const char *text, *hint;
	} rows[] = {
		{ { CA_CLAIMS("Root"), .names = "DNS:a.example" },
		  "it is the certificate of a CA, for issuing others only",
		  "certificate of its own" },
		{ { .names = "DNS:a.example", .extended_usage = "clientAuth" },
		  "its extended key usage lacks serverAuth",
		  "serverAuth" },
		{ { .names = "DNS:a.example", .usage = "nonRepudiation" },
		  "its key usage has neither digitalSignature nor keyEncipherment",
		  "digitalSignature" },
		{ {}, "is for no name", "DNS:www.example.com" },
		{ { .names = "email:x@example" }, "is for no name", "DNS:www.example.com" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity identity = identity_new(&rows[i].claims);

		refused(write_chain("chain.pem", &identity, NULL), write_key("key.pem", &identity),
			CERTIFICATE_CHAIN, rows[i].text, rows[i].hint);
		identity_free(&identity);
	}
}

static void refuses_weakness(void **state)
{
	const struct claims plain = { .name = "weak" };
	struct identity small = identity_of(EVP_RSA_gen(1024), &plain);
	struct identity curve = identity_of(EVP_EC_gen("prime192v1"), &plain);
	struct identity digest = identity_new(
		&(struct claims){ .name = "weak", .issuer = &root, .digest = EVP_sha1() });
	struct identity *rows[] = { &small, &curve, &digest };
	const char *texts[] = { "(RSA 1024) is refused by OpenSSL: ",
				"(EC P-192) is refused by OpenSSL: ",
				"(EC P-256) is refused by OpenSSL: " };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		refused(write_chain("chain.pem", rows[i], NULL), write_key("key.pem", rows[i]),
			CERTIFICATE_CHAIN, texts[i], "RSA of 2048 bits and more");
		identity_free(rows[i]);
	}
}

/* --- what is damaged --- */

/* The file is refused with a text that has nothing of it, or taken for what it is. Returns whether it was taken. */
static bool judge(const char *path, const char *data, size_t size, const char *secret)
{
	struct certificate certificate = {};
	enum certificate_file fault;
	struct xlb_err err = {};
	int r;

	write_bytes("damaged.pem", data, size, 0600);
	r = certificate_read(path, path, &certificate, &fault, &err);
	assert_int_equal(r != 0, err.class != XLB_ERR_NONE);
	assert_int_equal(r != 0, *err.text != 0);
	assert_null(strstr(err.text, secret));
	assert_null(strstr(err.hint, secret));
	if (r)
		return false;
	assert_int_equal(strlen(certificate.pem), certificate.size);
	assert_non_null(strstr(certificate.pem, "BEGIN PRIVATE KEY"));
	assert_true(*certificate.names && certificate.chain);
	certificate_done(&certificate);
	return true;
}

static void damage(void **state)
{
	struct certificate whole = taken(write_chain("chain.pem", &server, &middle, NULL),
					 write_key("key.pem", &server));
	const char *path = lab_path("damaged.pem");
	char secret[17], *data = whole.pem;
	const char *key = strstr(data, "BEGIN PRIVATE KEY");
	unsigned int truncated = 0, changed = 0;

	(void)state;
	snprintf(secret, sizeof(secret), "%s", strchr(key, '\n') + 60);
	for (size_t size = 0; size < whole.size; size++)
		truncated += judge(path, data, size, secret);
	/* the last line end may be missing */
	assert_int_equal(truncated, 1);
	for (size_t at = 0; at < whole.size; at++) {
		data[at] ^= 1;
		changed += judge(path, data, whole.size, secret);
		data[at] ^= 1;
	}
	assert_true(judge(path, data, whole.size, secret));
	assert_true(changed < whole.size / 8);
	certificate_done(&whole);
}

/* The public half of the key is whole: only what it signs tells. */
static void damaged_secret(void **state)
{
	unsigned char *der = NULL;
	int size = i2d_PrivateKey(server.key, &der);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	/* SEC1: SEQUENCE, version 1, OCTET STRING of 32 bytes */
	assert_int_equal(der[5], 0x04);
	der[20] ^= 0x10;
	PEM_write_bio(bio, "EC PRIVATE KEY", "", der, size);
	OPENSSL_free(der);
	refused(write_chain("chain.pem", &server, &middle, NULL), write_bio("key.pem", bio, 0600),
		CERTIFICATE_KEY, "is damaged: ", "restore it");
}

static void days(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(certificate_days(LAB_NOW + 61 * DAY + 5, LAB_NOW, text), "in 61d");
	assert_string_equal(certificate_days(LAB_NOW + DAY, LAB_NOW, text), "in 1d");
	assert_string_equal(certificate_days(LAB_NOW + DAY - 1, LAB_NOW, text), "in 23h");
	assert_string_equal(certificate_days(LAB_NOW + 61, LAB_NOW, text), "in 1m");
	assert_string_equal(certificate_days(LAB_NOW, LAB_NOW, text), "in 0s");
	assert_string_equal(certificate_days(LAB_NOW, LAB_NOW + 1, text), "expired 1s ago");
	assert_string_equal(certificate_days(LAB_NOW, LAB_NOW + 3 * DAY, text), "expired 3d ago");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_chain),	    cmocka_unit_test(one_file),
		cmocka_unit_test(key_formats),	    cmocka_unit_test(names),
		cmocka_unit_test(refuses_files),    cmocka_unit_test(refuses_formats),
		cmocka_unit_test(refuses_keys),	    cmocka_unit_test(never_asks),
		cmocka_unit_test(refuses_chains),   cmocka_unit_test(refuses_uses),
		cmocka_unit_test(refuses_weakness), cmocka_unit_test(damage),
		cmocka_unit_test(damaged_secret),   cmocka_unit_test(days),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("certificate", tests, make_identities, free_identities);
}
