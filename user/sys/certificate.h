/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Certificates, authorities and revocation lists (RFC 5280) from files in PEM (RFC 7468), checked as far as can be done
 * without a client. All of these read safe files (safe_file.h) of at most 1 MiB, and are not for the loop. Errors are of
 * class CONFIG: the text names the file and what is wrong, the hint says what to do; no byte of a key is ever in them.
 */
#ifndef XLB_SYS_CERTIFICATE_H
#define XLB_SYS_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CERTIFICATE_FILE_MAX  (1U << 20) /* bytes */
#define CERTIFICATE_NAME_SIZE 128	 /* of a text of a name, with its NUL */

/* What a server shows to its clients, and its secret. Times are seconds since the epoch. */
struct certificate {
	char *pem; /* the chain, then the key (PKCS#8), as HAProxy wants them in one file; owned, wiped when freed */
	size_t size;
	uint64_t hash;		       /* of pem; never 0 */
	int64_t not_before, not_after; /* of the server's own certificate */
	int64_t expires;	       /* the earliest not_after of the chain */
	/*
	 * "a.example, *.b.example, 192.0.2.1": the DNS names and addresses of its subject alternative name, the common
	 * name if it has none; owned. Printable ASCII: what else is in a name is '?'.
	 */
	char *names;
	char subject[CERTIFICATE_NAME_SIZE], issuer[CERTIFICATE_NAME_SIZE]; /* RFC 4514, cut */
	char serial[48];						    /* hexadecimal */
	char key[24];	    /* "EC P-256", "RSA 2048", "Ed25519" */
	unsigned int chain; /* certificates in it, the server's own among them */
};

/* Which of the two files an error is about. */
enum certificate_file { CERTIFICATE_CHAIN, CERTIFICATE_KEY };

/*
 * Reads a server's certificate, followed by its issuers in order, and its private key (PKCS#8, SEC1 or PKCS#1, without
 * a passphrase), which may be in the same file. It must be usable by a server and have a name; whether it is valid now is
 * the caller's to judge by its dates. On success *ret is to be given to certificate_done; on failure it is untouched,
 * and *ret_fault says which file is to blame. 0 or -errno.
 */
int certificate_read(const char *chain, const char *key, struct certificate *ret,
		     enum certificate_file *ret_fault, struct xlb_err *err);
/* Wipes the key and frees; of a struct of zeroes, nothing. */
void certificate_done(struct certificate *certificate);

/* Who signs the certificates of clients. */
struct authorities {
	char *pem; /* owned */
	size_t size;
	uint64_t hash; /* of pem; never 0 */
	unsigned int count;
	int64_t expires; /* the earliest not_after; seconds since the epoch */
};

/* One or more certificates of CAs. *ret is to be given to authorities_done, untouched on failure. 0 or -errno. */
int authorities_read(const char *path, struct authorities *ret, struct xlb_err *err);
void authorities_done(struct authorities *authorities);

/* What authorities have revoked. */
struct revocations {
	char *pem; /* owned */
	size_t size;
	uint64_t hash; /* of pem; never 0 */
	unsigned int count;
	int64_t next_update; /* the earliest one; seconds since the epoch; 0: none said */
};

/*
 * One or more revocation lists. Each must be signed by one of the authorities, and each of these must have one: without
 * it, no certificate that it signed is taken. Their dates are the caller's to judge. *ret is to be given to
 * revocations_done, untouched on failure. 0 or -errno.
 */
int revocations_read(const char *path, const struct authorities *of, struct revocations *ret,
		     struct xlb_err *err);
void revocations_done(struct revocations *revocations);

/* "in 61d", "in 5h", "expired 3d ago": the largest of days, hours, minutes, seconds, rounded down. Returns ret. */
const char *certificate_days(int64_t expires, int64_t now, char ret[32]);

#endif
