// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Authorities of clients' certificates, and their revocation lists. */
#include <errno.h>

#include "certificate_lab.h"
#include "sys/certificate.h"

static struct identity first, second, server;

static int make_identities(void **state)
{
	first = identity_new(&(struct claims){ CA_CLAIMS("First"), .end = 9 * DAY });
	second = identity_new(&(struct claims){ CA_CLAIMS("Second"), .end = 5 * DAY });
	server = identity_new(&(struct claims){ .name = "Server", .issuer = &first });
	return lab_setup(state);
}

static int free_identities(void **state)
{
	identity_free(&first);
	identity_free(&second);
	identity_free(&server);
	return lab_teardown(state);
}

static struct authorities trusted(const char *path)
{
	struct authorities authorities = {};
	struct xlb_err err = {};

	if (authorities_read(path, &authorities, &err))
		fail_msg("%s", err.text);
	return authorities;
}

static void authorities(void **state)
{
	struct authorities both = trusted(write_chain("ca.pem", &first, &second, NULL));
	struct authorities one = trusted(write_chain("ca.pem", &first, NULL));

	(void)state;
	assert_int_equal(both.count, 2);
	assert_int_equal(both.expires, LAB_NOW + 5 * DAY);
	assert_int_equal(strlen(both.pem), both.size);
	assert_int_equal(one.count, 1);
	assert_int_equal(one.expires, LAB_NOW + 9 * DAY);
	assert_int_not_equal(one.hash, both.hash);
	assert_memory_equal(one.pem, both.pem, one.size);
	authorities_done(&both);
	assert_null(both.pem);
	authorities_done(&both);
	authorities_done(&one);
}

static void refused(const char *path, const char *text, const char *hint)
{
	struct authorities authorities = { .count = 77 };
	struct xlb_err err = {};

	assert_true(authorities_read(path, &authorities, &err) < 0);
	assert_int_equal(err.class, XLB_ERR_CONFIG);
	if (!strstr(err.text, text) || !strstr(err.text, path))
		fail_msg("\"%s\" is not in: %s", text, err.text);
	if (!strstr(err.hint, hint))
		fail_msg("\"%s\" is not in: %s", hint, err.hint);
	assert_int_equal(authorities.count, 77);
}

static void refuses_authorities(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	refused(lab_path("none.pem"), "No such file", "");
	refused(write_bytes("ca.pem", "", 0, 0644), "is empty", "");
	refused(write_bytes("ca.pem", "text\n", 5, 0644), "has no certificate in PEM",
		"BEGIN CERTIFICATE");
	refused(write_chain("ca.pem", &first, &server, NULL), "certificate 2 of ",
		"basicConstraints CA:TRUE");
	refused(lab_path("ca.pem"), "(\"CN=Server\") is not the certificate of a CA",
		"CAs that sign");
	i2d_X509_bio(bio, first.certificate);
	refused(write_bio("ca.pem", bio, 0644), "is not PEM", "openssl x509 -inform der -in ");
}

static struct revocations taken(const char *path, const struct authorities *of)
{
	struct revocations revocations = {};
	struct xlb_err err = {};

	if (revocations_read(path, of, &revocations, &err))
		fail_msg("%s", err.text);
	return revocations;
}

static void revocations(void **state)
{
	struct authorities both = trusted(write_chain("ca.pem", &first, &second, NULL));
	struct authorities one = trusted(write_chain("ca.pem", &second, NULL));
	const char *path = write_lists("crl.pem", list_new(&first, 7), list_new(&first, 3),
				       list_new(&second, 0), NULL);
	struct revocations lists = taken(path, &both), again = taken(path, &both);

	(void)state;
	assert_int_equal(lists.count, 3);
	assert_int_equal(lists.next_update, LAB_NOW + 3 * DAY);
	assert_int_equal(strlen(lists.pem), lists.size);
	assert_int_equal(lists.hash, again.hash);
	revocations_done(&lists);
	assert_null(lists.pem);
	revocations_done(&lists);
	lists = taken(write_lists("crl.pem", list_new(&second, 0), NULL), &one);
	assert_int_equal(lists.next_update, 0);
	assert_int_not_equal(lists.hash, again.hash);
	revocations_done(&lists);
	revocations_done(&again);
	authorities_done(&both);
	authorities_done(&one);
}

/* A CA's renewed certificate has the same name and key: one list is both's. */
static void one_list_for_two(void **state)
{
	struct identity renewed;
	struct authorities both;
	struct revocations lists;

	(void)state;
	assert_int_equal(EVP_PKEY_up_ref(first.key), 1);
	renewed = identity_of(first.key, &(struct claims){ CA_CLAIMS("First"), .serial = 2 });
	both = trusted(write_chain("ca.pem", &first, &renewed, NULL));
	lists = taken(write_lists("crl.pem", list_new(&first, 7), NULL), &both);
	assert_int_equal(lists.count, 1);
	revocations_done(&lists);
	authorities_done(&both);
	identity_free(&renewed);
}

static void lists_refused(const char *path, const struct authorities *of, const char *text,
			  const char *hint)
{
	struct revocations revocations = { .count = 77 };
	struct xlb_err err = {};

	assert_true(revocations_read(path, of, &revocations, &err) < 0);
	assert_int_equal(err.class, XLB_ERR_CONFIG);
	if (!strstr(err.text, text) || !strstr(err.text, path))
		fail_msg("\"%s\" is not in: %s", text, err.text);
	if (!strstr(err.hint, hint))
		fail_msg("\"%s\" is not in: %s", hint, err.hint);
	assert_int_equal(revocations.count, 77);
}

static void refuses_lists(void **state)
{
	struct identity forged = identity_new(&(struct claims){ CA_CLAIMS("First") });
	struct identity silent = identity_new(&(struct claims){
		.name = "Silent", .constraints = "CA:TRUE", .usage = "keyCertSign" });
	struct authorities both = trusted(write_chain("ca.pem", &first, &second, NULL));
	struct authorities mute = trusted(write_chain("ca.pem", &silent, NULL));
	X509_CRL *list = list_new(&first, 7);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	lists_refused(lab_path("none.pem"), &both, "No such file", "");
	lists_refused(lab_path("ca.pem"), &both, "has no revocation list in PEM", "BEGIN X509 CRL");
	i2d_X509_CRL_bio(bio, list);
	X509_CRL_free(list);
	lists_refused(write_bio("crl.pem", bio, 0644), &both, "is not PEM",
		      "openssl crl -inform der -in ");
	lists_refused(write_lists("crl.pem", list_new(&first, 7), NULL), &both,
		      "has no revocation list of \"CN=Second\"", "trust it no more");
	lists_refused(write_lists("crl.pem", list_new(&first, 7), list_new(&silent, 7), NULL),
		      &both, "by \"CN=Silent\": no authority", "only these");
	lists_refused(write_lists("crl.pem", list_new(&forged, 7), NULL), &both,
		      "by \"CN=First\": the authority of this name has not signed it",
		      "only these");
	lists_refused(write_lists("crl.pem", list_new(&silent, 7), NULL), &mute, "(cRLSign)", "");
	authorities_done(&both);
	authorities_done(&mute);
	identity_free(&forged);
	identity_free(&silent);
}

/* Cut or changed anywhere, a file is refused or taken for what it is. */
static void damage(void **state)
{
	struct authorities one = trusted(write_chain("ca.pem", &first, NULL)), less;
	struct revocations whole = taken(write_lists("crl.pem", list_new(&first, 7), NULL), &one);
	struct revocations lists;
	unsigned int cut = 0;
	struct xlb_err err = {};

	(void)state;
	for (size_t size = 0; size < whole.size; size++)
		if (!revocations_read(write_bytes("crl.pem", whole.pem, size, 0644), &one, &lists,
				      &err)) {
			assert_string_equal(lists.pem, whole.pem);
			revocations_done(&lists);
			cut++;
		}
	assert_int_equal(cut, 1);
	for (size_t at = 0; at < one.size; at++) {
		one.pem[at] ^= 1;
		if (!authorities_read(write_bytes("ca.pem", one.pem, one.size, 0644), &less,
				      &err)) {
			assert_int_equal(less.count, 1);
			authorities_done(&less);
		}
		one.pem[at] ^= 1;
	}
	revocations_done(&whole);
	authorities_done(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities),	 cmocka_unit_test(refuses_authorities),
		cmocka_unit_test(revocations),	 cmocka_unit_test(one_list_for_two),
		cmocka_unit_test(refuses_lists), cmocka_unit_test(damage),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("certificate_authorities", tests, make_identities,
					   free_identities);
}
