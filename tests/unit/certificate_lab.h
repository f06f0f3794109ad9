/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Makes certificates, keys and revocation lists, and writes them to files of a temporary directory. */
#ifndef XLB_TESTS_CERTIFICATE_LAB_H
#define XLB_TESTS_CERTIFICATE_LAB_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define LAB_NOW INT64_C(1800000000) /* what validity counts from: no test asks the clock */
#define HOUR	3600
#define DAY	(24 * HOUR)

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

/* What a certificate says; NULL: nothing. Extensions are in the words of openssl.cnf. */
struct claims {
	const char *name; /* the common name */
	const char *names;
	const char *constraints, *usage, *extended_usage;
	const struct identity *issuer; /* NULL: itself */
	const EVP_MD *digest;	       /* NULL: SHA-256 */
	long end;		       /* seconds from LAB_NOW; 0: a day */
	long serial;		       /* 0: 1 */
};

#define CA_CLAIMS(text) \
	.name = (text), .constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign,cRLSign"

static char lab_dir[] = "/tmp/xlbt-certificate-XXXXXX";

static inline void add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension;

	if (!value)
		return;
	extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static inline void set_name(X509_NAME *name, const char *text)
{
	if (text)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text,
					   -1, -1, 0);
}

/* Takes the key. */
static inline struct identity identity_of(EVP_PKEY *key, const struct claims *claims)
{
	struct identity identity = { key, X509_new() };
	const struct identity *issuer = claims->issuer ? claims->issuer : &identity;
	int id = EVP_PKEY_get_base_id(issuer->key);
	const EVP_MD *digest = claims->digest ? claims->digest : EVP_sha256();
	X509 *certificate = identity.certificate;

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), claims->serial ? claims->serial : 1);
	ASN1_TIME_set(X509_getm_notBefore(certificate), LAB_NOW - DAY);
	ASN1_TIME_set(X509_getm_notAfter(certificate), LAB_NOW + (claims->end ? claims->end : DAY));
	set_name(X509_get_subject_name(certificate), claims->name);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
	X509_set_pubkey(certificate, key);
	add_extension(certificate, NID_subject_alt_name, claims->names);
	add_extension(certificate, NID_basic_constraints, claims->constraints);
	add_extension(certificate, NID_key_usage, claims->usage);
	add_extension(certificate, NID_ext_key_usage, claims->extended_usage);
	assert_true(X509_sign(certificate, issuer->key, id == EVP_PKEY_ED25519 ? NULL : digest) >
		    0);
	return identity;
}

static inline struct identity identity_new(const struct claims *claims)
{
	return identity_of(EVP_EC_gen("P-256"), claims);
}

static inline void identity_free(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

/* The path of a file of the directory, one and the same text for a name. */
static inline const char *lab_path(const char *name)
{
	static char paths[8][128];
	char path[128];
	size_t i = 0;

	snprintf(path, sizeof(path), "%s/%s", lab_dir, name);
	while (*paths[i] && strcmp(paths[i], path) != 0)
		assert_true(++i < sizeof(paths) / sizeof(paths[0]));
	return strcpy(paths[i], path);
}

/* Writes a file anew; its path. */
static inline const char *write_bytes(const char *name, const void *data, size_t size, mode_t mode)
{
	const char *path = lab_path(name);
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* Writes what is in the BIO, and frees it. */
static inline const char *write_bio(const char *name, BIO *bio, mode_t mode)
{
	const char *path;
	char *text;
	long size = BIO_get_mem_data(bio, &text);

	path = write_bytes(name, text, (size_t)size, mode);
	BIO_free(bio);
	return path;
}

/* The certificates, up to a NULL. */
static inline const char *write_chain(const char *name, const struct identity *first, ...)
{
	BIO *bio = BIO_new(BIO_s_mem());
	va_list others;

	va_start(others, first);
	for (; first; first = va_arg(others, const struct identity *))
		PEM_write_bio_X509(bio, first->certificate);
	va_end(others);
	return write_bio(name, bio, 0644);
}

static inline const char *write_key(const char *name, const struct identity *identity)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL);
	return write_bio(name, bio, 0600);
}

/* A list without entries, good for `days` from LAB_NOW; 0: it does not say. */
static inline X509_CRL *list_new(const struct identity *issuer, long days)
{
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *time = ASN1_TIME_set(NULL, LAB_NOW);

	X509_CRL_set_version(list, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->certificate));
	X509_CRL_set1_lastUpdate(list, time);
	ASN1_TIME_set(time, LAB_NOW + days * DAY);
	if (days)
		X509_CRL_set1_nextUpdate(list, time);
	ASN1_TIME_free(time);
	assert_true(X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0);
	return list;
}

/* Writes the lists and frees them; up to a NULL. */
static inline const char *write_lists(const char *name, X509_CRL *first, ...)
{
	BIO *bio = BIO_new(BIO_s_mem());
	va_list others;

	va_start(others, first);
	for (; first; first = va_arg(others, X509_CRL *)) {
		PEM_write_bio_X509_CRL(bio, first);
		X509_CRL_free(first);
	}
	va_end(others);
	return write_bio(name, bio, 0644);
}

static inline int lab_setup(void **state)
{
	(void)state;
	return !mkdtemp(lab_dir) || chmod(lab_dir, 0755);
}

static inline int lab_teardown(void **state)
{
	DIR *dir = opendir(lab_dir);
	struct dirent *entry;

	(void)state;
	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(lab_dir);
}

#endif
