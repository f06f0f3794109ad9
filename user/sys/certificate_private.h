/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files certificate*.c share. */
#ifndef XLB_SYS_CERTIFICATE_PRIVATE_H
#define XLB_SYS_CERTIFICATE_PRIVATE_H

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "sys/certificate.h"

DEFINE_CLEANUP(BIO, BIO_free)

enum pem_kind { PEM_KIND_CERTIFICATE, PEM_KIND_KEY, PEM_KIND_LIST };

/* What was asked for of a file; to be given to pem_done, also when reading failed. Starts as zeroes. */
struct pem {
	STACK_OF(X509) * certificates;
	EVP_PKEY *key; /* the first one */
	STACK_OF(X509_CRL) * lists;
};

/*
 * Reads what is of the kind; at least one, or it is an error. `path` is what errors call the text. A key is taken only
 * from a file that not everybody can read. 0 or -errno with err filled.
 */
int pem_read(const char *path, enum pem_kind kind, struct pem *ret, struct xlb_err *err);
int pem_parse(const char *text, size_t size, const char *path, enum pem_kind kind, struct pem *ret,
	      struct xlb_err *err);
void pem_done(struct pem *pem);

/* What was written to `bio` as a text with a NUL behind, which the caller owns. `written`: all writes succeeded. */
int pem_store(BIO *bio, bool written, char **ret, size_t *ret_size, uint64_t *ret_hash,
	      struct xlb_err *err);
bool pem_write_certificates(BIO *bio, STACK_OF(X509) * certificates);

int certificate_no_memory(struct xlb_err *err);
/* Why OpenSSL failed last, in its words, which never quote data. Forgets it. */
const char *openssl_reason(void);
/* Printable ASCII. Returns ret. */
const char *name_text(const X509_NAME *name, char ret[CERTIFICATE_NAME_SIZE]);
/* Seconds since the epoch; false if it is no time. */
bool time_value(const ASN1_TIME *time, int64_t *ret);
/* The earliest not_after. */
int64_t earliest_end(STACK_OF(X509) * certificates);

#endif
