// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A server's certificate and key: do they fit each other, and can a server use them. */
#include "sys/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <string.h>

#include "sys/certificate_private.h"

#define SIGNATURE_MAX	   2048 /* bytes: RSA of 16384 bits, the largest that OpenSSL takes */
#define SECURITY_LEVEL_MIN 2	/* SSL_CTX_set_security_level(3): RSA of 2048 bits, no SHA-1 */

DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_CLEANUP(SSL_CTX, SSL_CTX_free)
DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free)

/* The files being read. */
struct files {
	const char *chain, *key;
	struct xlb_err *err;
};

static int refuse(const struct files *files, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct files *files, const char *hint, const char *format, ...)
{
	char text[sizeof(files->err->text)];
	va_list args;
	int r;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	r = xlb_err_set(files->err, XLB_ERR_CONFIG, -EINVAL, "%s", text);
	xlb_err_hint(files->err, "%s", hint);
	return r;
}

/* --- what is refused --- */

/* X509_V_OK, or why `issuer` has not issued it. */
static int check_issuer(X509 *issuer, X509 *issued)
{
	int fault = X509_check_issued(issuer, issued);

	if (fault != X509_V_OK)
		return fault;
	return X509_verify(issued, X509_get0_pubkey(issuer)) == 1 ?
		       X509_V_OK :
		       X509_V_ERR_CERT_SIGNATURE_FAILURE;
}

static int check_order(const struct files *files, STACK_OF(X509) * chain)
{
	char name[CERTIFICATE_NAME_SIZE], issued_name[CERTIFICATE_NAME_SIZE];
	char wanted[CERTIFICATE_NAME_SIZE];

	for (int i = 1; i < sk_X509_num(chain); i++) {
		X509 *issuer = sk_X509_value(chain, i), *issued = sk_X509_value(chain, i - 1);
		int fault = check_issuer(issuer, issued);

		if (fault != X509_V_OK)
			return refuse(
				files,
				"the server's own certificate comes first, then the one of its "
				"issuer, then that one's issuer",
				"certificate %d of %s (\"%.80s\") is not the issuer of certificate "
				"%d (\"%.80s\", issued by \"%.80s\"): %s",
				i + 1, files->chain, name_text(X509_get_subject_name(issuer), name),
				i, name_text(X509_get_subject_name(issued), issued_name),
				name_text(X509_get_issuer_name(issued), wanted),
				X509_verify_cert_error_string(fault));
	}
	return 0;
}

/* A CA's certificate whose usage does not forbid it is good for a server: "openssl req -x509" makes such ones. */
static int check_use(const struct files *files, X509 *own)
{
	static const char hint[] = "a server needs a certificate of its own, for the key usage "
				   "digitalSignature and, if it has an extended one, serverAuth";
	char subject[CERTIFICATE_NAME_SIZE];
	const char *why;

	if (X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) == 1)
		return 0;
	if ((X509_get_extension_flags(own) & EXFLAG_XKUSAGE) &&
	    !(X509_get_extended_key_usage(own) & XKU_SSL_SERVER))
		why = "its extended key usage lacks serverAuth";
	else if (X509_check_ca(own))
		why = "it is the certificate of a CA, for issuing others only";
	else
		why = "its key usage has neither digitalSignature nor keyEncipherment";
	return refuse(files, hint, "certificate %s (\"%s\") cannot be used by a server: %s",
		      files->chain, name_text(X509_get_subject_name(own), subject), why);
}

/* What OpenSSL would refuse when a listener is to use it. */
static int check_strength(const struct files *files, STACK_OF(X509) * chain, const char *key)
{
	static const char hint[] =
		"accepted are keys EC P-256 and larger, RSA of 2048 bits and more, "
		"Ed25519, and signatures by SHA-256 and stronger";
	AUTO(SSL_CTX_free) SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
		return certificate_no_memory(files->err);
	if (SSL_CTX_get_security_level(context) < SECURITY_LEVEL_MIN)
		SSL_CTX_set_security_level(context, SECURITY_LEVEL_MIN);
	if (SSL_CTX_use_certificate(context, sk_X509_value(chain, 0)) != 1)
		return refuse(files, hint, "certificate %s (%s) is refused by OpenSSL: %s",
			      files->chain, key, openssl_reason());
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i)) != 1)
			return refuse(files, hint, "certificate %d of %s is refused by OpenSSL: %s",
				      i + 1, files->chain, openssl_reason());
	return 0;
}

/* A key may be damaged in its private part alone: only its use shows that. */
static bool is_pair(EVP_PKEY *private, EVP_PKEY *public)
{
	static const unsigned char text[] = "any text";
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *sign = EVP_MD_CTX_new();
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *verify = EVP_MD_CTX_new();
	unsigned char signature[SIGNATURE_MAX];
	size_t size = sizeof(signature);

	return sign && verify && EVP_DigestSignInit(sign, NULL, NULL, NULL, private) == 1 &&
	       EVP_DigestSign(sign, signature, &size, text, sizeof(text)) == 1 &&
	       EVP_DigestVerifyInit(verify, NULL, NULL, NULL, public) == 1 &&
	       EVP_DigestVerify(verify, signature, size, text, sizeof(text)) == 1;
}

static int check_pair(const struct files *files, EVP_PKEY *private, X509 *own)
{
	if (X509_check_private_key(own, private) != 1)
		return refuse(files,
			      "give the key that the certificate was requested with, and the "
			      "certificate that was last issued for it",
			      "key %s does not match certificate %s", files->key, files->chain);
	if (!is_pair(private, X509_get0_pubkey(own)))
		return refuse(files, "restore it from where it was made",
			      "the private key in %s is damaged: certificate %s does not confirm "
			      "what it signs",
			      files->key, files->chain);
	return 0;
}

/* --- what is told --- */

static const char *key_text(EVP_PKEY *key, char ret[24])
{
	int type = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);
	char group[16] = "";
	const char *nist;

	EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	nist = EC_curve_nid2nist(OBJ_sn2nid(group));
	if (type == EVP_PKEY_EC)
		snprintf(ret, 24, "EC %s", nist ? nist : group);
	else if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS)
		snprintf(ret, 24, "RSA%s %d", type == EVP_PKEY_RSA ? "" : "-PSS", bits);
	else if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448)
		snprintf(ret, 24, "Ed%s", type == EVP_PKEY_ED25519 ? "25519" : "448");
	else
		snprintf(ret, 24, "%s", OBJ_nid2sn(type));
	return ret;
}

static void serial_text(X509 *own, char *ret, size_t size)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(own), NULL);
	char *text = number ? BN_bn2hex(number) : NULL;

	snprintf(ret, size, "%s", text ? text : "");
	OPENSSL_free(text);
	BN_free(number);
}

static void put_separator(FILE *out)
{
	if (ftell(out))
		fputs(", ", out);
}

static void put_text(FILE *out, const ASN1_STRING *string)
{
	unsigned char *text = NULL;
	int length = ASN1_STRING_to_UTF8(&text, string);

	if (length > 0)
		put_separator(out);
	for (int i = 0; i < length; i++)
		putc(text[i] >= 0x20 && text[i] < 0x7f && text[i] != ',' ? text[i] : '?', out);
	OPENSSL_free(text);
}

static void put_address(FILE *out, const ASN1_OCTET_STRING *address)
{
	char text[INET6_ADDRSTRLEN];
	int length = ASN1_STRING_length(address);

	if (length != 4 && length != 16)
		return;
	put_separator(out);
	fputs(inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text,
			sizeof(text)),
	      out);
}

static void put_names(FILE *out, X509 *own)
{
	AUTO(GENERAL_NAMES_free)
	GENERAL_NAMES *names = X509_get_ext_d2i(own, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(own);
	int last = -1, at;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			put_text(out, name->d.dNSName);
		else if (name->type == GEN_IPADD)
			put_address(out, name->d.iPAddress);
	}
	if (ftell(out))
		return;
	/* the last one is the most specific */
	while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0)
		last = at;
	if (last >= 0)
		put_text(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

static int describe_names(const struct files *files, X509 *own, char **ret)
{
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return certificate_no_memory(files->err);
	put_names(out, own);
	if (fclose(out))
		return certificate_no_memory(files->err);
	return size ? 0 :
		      refuse(files,
			     "have it issued for the DNS names that clients use: subject "
			     "alternative names, as DNS:www.example.com",
			     "certificate %s is for no name: it has neither a DNS name or address "
			     "nor a common name",
			     files->chain);
}

static int describe(const struct files *files, const struct pem *chain, const struct pem *key,
		    struct certificate *ret)
{
	AUTO(BIO_free) BIO *bio = BIO_new(BIO_s_mem());
	X509 *own = sk_X509_value(chain->certificates, 0);
	bool written;
	int r;

	time_value(X509_get0_notBefore(own), &ret->not_before);
	time_value(X509_get0_notAfter(own), &ret->not_after);
	ret->expires = earliest_end(chain->certificates);
	ret->chain = (unsigned int)sk_X509_num(chain->certificates);
	name_text(X509_get_subject_name(own), ret->subject);
	name_text(X509_get_issuer_name(own), ret->issuer);
	serial_text(own, ret->serial, sizeof(ret->serial));
	key_text(X509_get0_pubkey(own), ret->key);
	r = describe_names(files, own, &ret->names);
	if (r)
		return r;
	written = bio && pem_write_certificates(bio, chain->certificates) &&
		  PEM_write_bio_PKCS8PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL) == 1;
	return pem_store(bio, written, &ret->pem, &ret->size, &ret->hash, files->err);
}

/* --- the two files --- */

static int read_chain(const struct files *files, struct pem *ret)
{
	int r = pem_read(files->chain, PEM_KIND_CERTIFICATE, ret, files->err);
	char text[24];
	X509 *own;

	if (!r)
		r = check_order(files, ret->certificates);
	if (r)
		return r;
	own = sk_X509_value(ret->certificates, 0);
	r = check_strength(files, ret->certificates, key_text(X509_get0_pubkey(own), text));
	return r ? r : check_use(files, own);
}

static int read_key(const struct files *files, const struct pem *chain, struct pem *ret)
{
	int r = pem_read(files->key, PEM_KIND_KEY, ret, files->err);

	return r ? r : check_pair(files, ret->key, sk_X509_value(chain->certificates, 0));
}

int certificate_read(const char *chain, const char *key, struct certificate *ret,
		     enum certificate_file *ret_fault, struct xlb_err *err)
{
	const struct files files = { chain, key, err };
	enum certificate_file reading = CERTIFICATE_CHAIN;
	struct certificate certificate = {};
	struct pem certificates = {}, private = {};
	int r = read_chain(&files, &certificates);

	if (!r) {
		reading = CERTIFICATE_KEY;
		r = read_key(&files, &certificates, &private);
	}
	if (!r) {
		reading = CERTIFICATE_CHAIN;
		r = describe(&files, &certificates, &private, &certificate);
	}
	ERR_clear_error();
	pem_done(&certificates);
	pem_done(&private);
	if (r) {
		certificate_done(&certificate);
		*ret_fault = reading;
		return r;
	}
	*ret = certificate;
	return 0;
}

void certificate_done(struct certificate *certificate)
{
	if (certificate->pem)
		OPENSSL_cleanse(certificate->pem, certificate->size);
	free(certificate->pem);
	free(certificate->names);
	*certificate = (struct certificate){};
}

const char *certificate_days(int64_t expires, int64_t now, char ret[32])
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	bool past = expires < now;
	int64_t left = past ? now - expires : expires - now;
	size_t i = 0;

	while (i < 3 && left < units[i].seconds)
		i++;
	snprintf(ret, 32, past ? "expired %" PRId64 "%c ago" : "in %" PRId64 "%c",
		 left / units[i].seconds, units[i].letter);
	return ret;
}
