// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files in PEM, block by block: OpenSSL's readers of single things would ask for passphrases and hide damage. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "sys/certificate_private.h"
#include "sys/safe_file.h"

struct block {
	char *name, *header;
	unsigned char *data; /* wiped when freed: it may be a key */
	long size;
};

/* One block being taken, for the errors that it may cause. */
struct source {
	const char *path;
	unsigned int number; /* of the block among those of its kind, from 1 */
	struct xlb_err *err;
};

struct kind {
	const char *what;
	const char *command; /* of openssl, which reads it */
	const char *hint;    /* what a file that has none must have */
	bool (*is)(const char *name);
	int (*take)(const struct block *block, const struct source *source, struct pem *pem);
};

int certificate_no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason ? reason : "no reason given";
}

const char *name_text(const X509_NAME *name, char ret[CERTIFICATE_NAME_SIZE])
{
	AUTO(BIO_free) BIO *text = BIO_new(BIO_s_mem());
	int n = 0;

	if (text && X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(text, ret, CERTIFICATE_NAME_SIZE - 1);
	ret[n > 0 ? n : 0] = '\0';
	return ret;
}

bool time_value(const ASN1_TIME *value, int64_t *ret)
{
	struct tm parts;

	if (!value || ASN1_TIME_to_tm(value, &parts) != 1)
		return false;
	*ret = timegm(&parts);
	return true;
}

int64_t earliest_end(STACK_OF(X509) * certificates)
{
	int64_t earliest = INT64_MAX, end;

	for (int i = 0; i < sk_X509_num(certificates); i++)
		if (time_value(X509_get0_notAfter(sk_X509_value(certificates, i)), &end) &&
		    end < earliest)
			earliest = end;
	return earliest;
}

/* --- the kinds --- */

static int damaged(const char *what, const struct source *source, const char *reason)
{
	return xlb_err_set(source->err, XLB_ERR_CONFIG, -EINVAL, "%s %u in %s is damaged: %s", what,
			   source->number, source->path, reason);
}

static bool is_certificate(const char *name)
{
	return !strcmp(name, PEM_STRING_X509) || !strcmp(name, PEM_STRING_X509_OLD) ||
	       !strcmp(name, PEM_STRING_X509_TRUSTED);
}

/* What later code relies on. NULL, or what is wrong. */
static const char *fault_of(X509 *certificate)
{
	int64_t when;

	if (X509_get_extension_flags(certificate) & EXFLAG_INVALID)
		return "it has an extension that makes no sense";
	if (!X509_get0_pubkey(certificate))
		return "its public key is of no known kind";
	if (!time_value(X509_get0_notBefore(certificate), &when) ||
	    !time_value(X509_get0_notAfter(certificate), &when))
		return "its dates make no sense";
	return NULL;
}

static int take_certificate(const struct block *block, const struct source *source, struct pem *pem)
{
	const unsigned char *data = block->data;
	X509 *certificate = d2i_X509(NULL, &data, block->size);
	const char *fault = certificate ? fault_of(certificate) : openssl_reason();

	if (fault) {
		X509_free(certificate);
		return damaged("certificate", source, fault);
	}
	if (!pem->certificates)
		pem->certificates = sk_X509_new_null();
	if (sk_X509_push(pem->certificates, certificate) > 0)
		return 0;
	X509_free(certificate);
	return certificate_no_memory(source->err);
}

static bool is_key(const char *name)
{
	static const char end[] = "PRIVATE KEY";
	size_t length = strlen(name);

	return length >= sizeof(end) - 1 && !strcmp(name + length - (sizeof(end) - 1), end);
}

static int take_key(const struct block *block, const struct source *source, struct pem *pem)
{
	const unsigned char *data = block->data;
	int r;

	if (source->number > 1)
		return 0;
	if (!strcmp(block->name, PEM_STRING_PKCS8) || strstr(block->header, "ENCRYPTED")) {
		r = xlb_err_set(source->err, XLB_ERR_CONFIG, -EINVAL,
				"the private key in %s is encrypted: it must have no passphrase",
				source->path);
		xlb_err_hint(source->err,
			     "openssl pkey -in %s -out NEW, and let only root read the new file",
			     source->path);
		return r;
	}
	pem->key = d2i_AutoPrivateKey(NULL, &data, block->size);
	if (pem->key)
		return 0;
	r = xlb_err_set(source->err, XLB_ERR_CONFIG, -EINVAL,
			"the private key in %s cannot be read: %s", source->path, openssl_reason());
	xlb_err_hint(source->err,
		     "accepted are keys in PKCS#8, SEC1 (EC) and PKCS#1 (RSA); openssl pkey -in %s "
		     "-check says more",
		     source->path);
	return r;
}

static bool is_list(const char *name)
{
	return !strcmp(name, PEM_STRING_X509_CRL);
}

static int take_list(const struct block *block, const struct source *source, struct pem *pem)
{
	const unsigned char *data = block->data;
	X509_CRL *list = d2i_X509_CRL(NULL, &data, block->size);

	if (!list)
		return damaged("revocation list", source, openssl_reason());
	if (!pem->lists)
		pem->lists = sk_X509_CRL_new_null();
	if (sk_X509_CRL_push(pem->lists, list) > 0)
		return 0;
	X509_CRL_free(list);
	return certificate_no_memory(source->err);
}

static const struct kind kinds[] = {
	[PEM_KIND_CERTIFICATE] = { "certificate", "x509",
				   "it must have one or more blocks -----BEGIN CERTIFICATE-----",
				   is_certificate, take_certificate },
	[PEM_KIND_KEY] = { "private key", "pkey",
			   "it must have a block -----BEGIN PRIVATE KEY-----", is_key, take_key },
	[PEM_KIND_LIST] = { "revocation list", "crl",
			    "it must have one or more blocks -----BEGIN X509 CRL-----", is_list,
			    take_list },
};

/* --- the file --- */

static void block_done(struct block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	OPENSSL_clear_free(block->data, (size_t)block->size);
}

/* 1: a block, 0: there is no more, -EINVAL with err filled: it is damaged. */
static int next_block(BIO *bio, const char *path, struct block *ret, struct xlb_err *err)
{
	unsigned long error;

	*ret = (struct block){};
	if (PEM_read_bio(bio, &ret->name, &ret->header, &ret->data, &ret->size) == 1)
		return 1;
	error = ERR_peek_last_error();
	if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s is damaged: %s", path,
			   openssl_reason());
}

static int take_all(BIO *bio, const struct kind *kind, struct source *source, struct pem *ret)
{
	struct block block;
	int r;

	while ((r = next_block(bio, source->path, &block, source->err)) > 0) {
		if (kind->is(block.name)) {
			source->number++;
			r = kind->take(&block, source, ret);
		}
		block_done(&block);
		if (r < 0)
			break;
	}
	return r;
}

static bool is_pkcs12(const char *text, size_t size)
{
	const unsigned char *data = (const unsigned char *)text;
	PKCS12 *store = d2i_PKCS12(NULL, &data, (long)size);
	bool found = store;

	PKCS12_free(store);
	return found;
}

/* There is nothing of the kind: is it in another format? */
static int fail_without(const struct kind *kind, const char *path, const char *text, size_t size,
			struct xlb_err *err)
{
	bool is_der = size && *text == 0x30; /* the tag of a sequence */
	bool is_store = is_der && is_pkcs12(text, size);
	int r = xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    is_der ? "%s is not PEM, it looks like %s" : "%s has no %s in PEM",
			    path,
			    is_store ? "PKCS#12" :
			    is_der   ? "DER" :
				       kind->what);

	if (is_store)
		xlb_err_hint(err, "openssl pkcs12 -nodes -in %s -out NEW makes PEM of it", path);
	else if (is_der)
		xlb_err_hint(err, "openssl %s -inform der -in %s -out NEW makes PEM of it",
			     kind->command, path);
	else
		xlb_err_hint(err, "%s", kind->hint);
	return r;
}

int pem_parse(const char *text, size_t size, const char *path, enum pem_kind kind, struct pem *ret,
	      struct xlb_err *err)
{
	AUTO(BIO_free) BIO *bio = BIO_new_mem_buf(text, (int)size);
	struct source source = { .path = path, .err = err };
	int r = bio ? take_all(bio, &kinds[kind], &source, ret) : certificate_no_memory(err);

	if (!r && !source.number)
		r = fail_without(&kinds[kind], path, text, size, err);
	ERR_clear_error();
	return r;
}

static int check_secret(const char *path, const struct stat *status, struct xlb_err *err)
{
	int r;

	if (!(status->st_mode & S_IROTH))
		return 0;
	r = xlb_err_set(err, XLB_ERR_CONFIG, -EACCES,
			"%s has a private key that everybody can read (mode %04o)", path,
			status->st_mode & 07777);
	xlb_err_hint(err, "chmod o-rwx %s; whoever may have read it makes a new key advisable",
		     path);
	return r;
}

int pem_read(const char *path, enum pem_kind kind, struct pem *ret, struct xlb_err *err)
{
	AUTO_FREE char *text = NULL;
	struct stat status;
	size_t size = 0;
	int r = safe_file_read(path, CERTIFICATE_FILE_MAX, &text, &size, &status, err);

	if (!r && !size)
		r = xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s is empty", path);
	if (!r)
		r = pem_parse(text, size, path, kind, ret, err);
	if (!r && kind == PEM_KIND_KEY)
		r = check_secret(path, &status, err);
	if (text)
		OPENSSL_cleanse(text, size);
	return r;
}

void pem_done(struct pem *pem)
{
	sk_X509_pop_free(pem->certificates, X509_free);
	sk_X509_CRL_pop_free(pem->lists, X509_CRL_free);
	EVP_PKEY_free(pem->key);
	*pem = (struct pem){};
}

bool pem_write_certificates(BIO *bio, STACK_OF(X509) * certificates)
{
	for (int i = 0; i < sk_X509_num(certificates); i++)
		if (PEM_write_bio_X509(bio, sk_X509_value(certificates, i)) != 1)
			return false;
	return true;
}

/* Of a hash that tells nothing about a key. */
static bool hash_text(const char *text, size_t size, uint64_t *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	uint64_t hash = 0;

	if (EVP_Digest(text, size, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	for (size_t i = 0; i < sizeof(hash); i++)
		hash = hash << 8 | digest[i];
	*ret = hash ? hash : 1;
	return true;
}

int pem_store(BIO *bio, bool written, char **ret, size_t *ret_size, uint64_t *ret_hash,
	      struct xlb_err *err)
{
	char *text, *copy;
	long size = BIO_get_mem_data(bio, &text);

	if (!written || size <= 0 || !hash_text(text, (size_t)size, ret_hash))
		return xlb_err_set(err, XLB_ERR_FAILED, -EIO, "cannot be written as PEM: %s",
				   openssl_reason());
	copy = strndup(text, (size_t)size);
	if (!copy)
		return certificate_no_memory(err);
	*ret = copy;
	*ret_size = (size_t)size;
	return 0;
}
