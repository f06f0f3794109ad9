// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whom a listener trusts to sign certificates of clients, and what they have revoked. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "sys/certificate_private.h"

static int check_authorities(const char *path, STACK_OF(X509) * certificates, struct xlb_err *err)
{
	char name[CERTIFICATE_NAME_SIZE];
	int r;

	for (int i = 0; i < sk_X509_num(certificates); i++) {
		X509 *certificate = sk_X509_value(certificates, i);

		if (X509_check_ca(certificate))
			continue;
		r = xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				"certificate %d of %s (\"%s\") is not the certificate of a CA",
				i + 1, path, name_text(X509_get_subject_name(certificate), name));
		xlb_err_hint(err, "give the certificates of the CAs that sign those of clients; "
				  "a CA's has basicConstraints CA:TRUE");
		return r;
	}
	return 0;
}

int authorities_read(const char *path, struct authorities *ret, struct xlb_err *err)
{
	AUTO(BIO_free) BIO *bio = BIO_new(BIO_s_mem());
	struct authorities authorities = {};
	struct pem pem = {};
	int r = pem_read(path, PEM_KIND_CERTIFICATE, &pem, err);

	if (!r)
		r = check_authorities(path, pem.certificates, err);
	if (!r)
		r = pem_store(bio, bio && pem_write_certificates(bio, pem.certificates),
			      &authorities.pem, &authorities.size, &authorities.hash, err);
	if (!r) {
		authorities.count = (unsigned int)sk_X509_num(pem.certificates);
		authorities.expires = earliest_end(pem.certificates);
		*ret = authorities;
	}
	ERR_clear_error();
	pem_done(&pem);
	return r;
}

void authorities_done(struct authorities *authorities)
{
	free(authorities->pem);
	*authorities = (struct authorities){};
}

/* --- revocation lists --- */

enum issued { ISSUED_NOT, ISSUED_NAME, ISSUED_FORBIDDEN, ISSUED };

/* Whether the authority has issued the list, or what keeps it from being taken for that. */
static enum issued issued_by(X509_CRL *list, X509 *authority)
{
	if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(authority)) != 0)
		return ISSUED_NOT;
	if (X509_CRL_verify(list, X509_get0_pubkey(authority)) != 1)
		return ISSUED_NAME;
	/* all bits, if it has no key usage */
	return X509_get_key_usage(authority) & KU_CRL_SIGN ? ISSUED : ISSUED_FORBIDDEN;
}

static int check_list(const char *path, X509_CRL *list, int number, STACK_OF(X509) * authorities,
		      struct xlb_err *err)
{
	static const char *const faults[] = {
		[ISSUED_NOT] = "no authority that clients are checked against has this name",
		[ISSUED_NAME] = "the authority of this name has not signed it",
		[ISSUED_FORBIDDEN] =
			("the key usage of this authority does not allow it to sign revocation "
			 "lists (cRLSign)"),
	};
	char name[CERTIFICATE_NAME_SIZE];
	enum issued best = ISSUED_NOT, issued;
	int r;

	for (int i = 0; i < sk_X509_num(authorities); i++) {
		issued = issued_by(list, sk_X509_value(authorities, i));
		best = issued > best ? issued : best;
	}
	if (best == ISSUED)
		return 0;
	r = xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "revocation list %d of %s is by \"%s\": %s",
			number, path, name_text(X509_CRL_get_issuer(list), name), faults[best]);
	xlb_err_hint(err,
		     "give the lists of the CAs whose certificates are trusted, and only these");
	return r;
}

/* OpenSSL refuses all that an authority has signed when it has no list of it. */
static int check_complete(const char *path, const struct pem *pem, STACK_OF(X509) * authorities,
			  struct xlb_err *err)
{
	char name[CERTIFICATE_NAME_SIZE];
	int r;

	for (int i = 0; i < sk_X509_num(authorities); i++) {
		X509 *authority = sk_X509_value(authorities, i);
		bool found = false;

		for (int j = 0; !found && j < sk_X509_CRL_num(pem->lists); j++)
			found = issued_by(sk_X509_CRL_value(pem->lists, j), authority) == ISSUED;
		if (found)
			continue;
		r = xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				"%s has no revocation list of \"%s\": every client that this "
				"authority has signed would be refused",
				path, name_text(X509_get_subject_name(authority), name));
		xlb_err_hint(err,
			     "add its list (also one that revokes nothing), or trust it no more");
		return r;
	}
	return 0;
}

static int check_lists(const char *path, const struct pem *pem, STACK_OF(X509) * authorities,
		       struct xlb_err *err)
{
	int r = 0;

	for (int i = 0; !r && i < sk_X509_CRL_num(pem->lists); i++)
		r = check_list(path, sk_X509_CRL_value(pem->lists, i), i + 1, authorities, err);
	return r ? r : check_complete(path, pem, authorities, err);
}

static int64_t earliest_update(STACK_OF(X509_CRL) * lists)
{
	int64_t earliest = 0, next;

	for (int i = 0; i < sk_X509_CRL_num(lists); i++)
		if (time_value(X509_CRL_get0_nextUpdate(sk_X509_CRL_value(lists, i)), &next) &&
		    (!earliest || next < earliest))
			earliest = next;
	return earliest;
}

static int store_lists(const struct pem *pem, struct revocations *ret, struct xlb_err *err)
{
	AUTO(BIO_free) BIO *bio = BIO_new(BIO_s_mem());
	bool written = bio;

	for (int i = 0; written && i < sk_X509_CRL_num(pem->lists); i++)
		written = PEM_write_bio_X509_CRL(bio, sk_X509_CRL_value(pem->lists, i)) == 1;
	ret->count = (unsigned int)sk_X509_CRL_num(pem->lists);
	ret->next_update = earliest_update(pem->lists);
	return pem_store(bio, written, &ret->pem, &ret->size, &ret->hash, err);
}

int revocations_read(const char *path, const struct authorities *of, struct revocations *ret,
		     struct xlb_err *err)
{
	struct revocations revocations = {};
	struct pem pem = {}, trusted = {};
	int r = pem_parse(of->pem, of->size, "the authorities", PEM_KIND_CERTIFICATE, &trusted,
			  err);

	if (!r)
		r = pem_read(path, PEM_KIND_LIST, &pem, err);
	if (!r)
		r = check_lists(path, &pem, trusted.certificates, err);
	if (!r)
		r = store_lists(&pem, &revocations, err);
	if (!r)
		*ret = revocations;
	ERR_clear_error();
	pem_done(&pem);
	pem_done(&trusted);
	return r;
}

void revocations_done(struct revocations *revocations)
{
	free(revocations->pem);
	*revocations = (struct revocations){};
}
