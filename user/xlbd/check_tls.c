// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/check_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "core/model.h"
#include "sys/safe_file.h"

#define CA_MAX_BYTES (1 << 20)

struct tls {
	char *ca; /* owned; NULL: anybody is trusted */
	unsigned int users;
	SSL_CTX *context;   /* NULL until it is wanted */
	struct stat status; /* of the file when it was read */
	LIST_ENTRY(tls) link;
};

/* Used by the loop's thread alone; empty when nothing is checked. */
static LIST_HEAD(, tls) all = LIST_HEAD_INITIALIZER(all);

static int no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

static int add_certificates(SSL_CTX *context, const char *path, struct stat *ret_status,
			    struct xlb_err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	AUTO_FREE char *text = NULL;
	unsigned int count = 0;
	X509 *certificate;
	size_t size;
	BIO *file;
	int r = safe_file_read(path, CA_MAX_BYTES, &text, &size, ret_status, err);

	if (r)
		return r;
	if (!size)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s is empty", path);
	file = BIO_new_mem_buf(text, (int)size);
	if (!file)
		return no_memory(err);
	while ((certificate = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
		count += X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
	}
	BIO_free(file);
	ERR_clear_error();
	/* a server's own certificate is as good as the one that it is signed by */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return count ? 0 :
		       xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				   "%s has no certificate: it must have one or more in PEM", path);
}

static int trust(SSL_CTX *context, const char *ca, struct stat *ret_status, struct xlb_err *err)
{
	SSL_CTX_set_verify(context, ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
	if (!ca)
		return 0;
	if (strcmp(ca, CHECK_CA_SYSTEM) != 0)
		return add_certificates(context, ca, ret_status, err);
	return SSL_CTX_set_default_verify_paths(context) == 1 ?
		       0 :
		       xlb_err_set(err, XLB_ERR_CONFIG, -ENOENT,
				   "the host has no certificates to trust");
}

static int make_context(const char *ca, SSL_CTX **ret, struct stat *ret_status, struct xlb_err *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int r = context ? trust(context, ca, ret_status, err) : no_memory(err);

	if (r)
		SSL_CTX_free(context);
	else
		*ret = context;
	return r;
}

int tls_try(const char *ca, struct xlb_err *err)
{
	struct stat status;
	SSL_CTX *context;
	int r = make_context(ca, &context, &status, err);

	if (!r)
		SSL_CTX_free(context);
	return r;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

struct tls *tls_take(const char *ca)
{
	struct tls *tls;

	LIST_FOREACH(tls, &all, link) {
		if (!same_text(tls->ca, ca))
			continue;
		tls->users++;
		return tls;
	}
	tls = calloc(1, sizeof(*tls));
	if (!tls)
		return NULL;
	tls->ca = ca ? strdup(ca) : NULL;
	if (ca && !tls->ca) {
		free(tls);
		return NULL;
	}
	tls->users = 1;
	LIST_INSERT_HEAD(&all, tls, link);
	return tls;
}

void tls_drop(struct tls *tls)
{
	if (!tls || --tls->users)
		return;
	LIST_REMOVE(tls, link);
	SSL_CTX_free(tls->context);
	free(tls->ca);
	free(tls);
}

static bool has_changed(const struct tls *tls)
{
	const struct stat *then = &tls->status;
	struct stat now;

	if (!tls->ca || *tls->ca != '/')
		return false;
	return lstat(tls->ca, &now) || now.st_ino != then->st_ino || now.st_dev != then->st_dev ||
	       now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}

struct ssl_ctx_st *tls_context(struct tls *tls, struct xlb_err *err)
{
	SSL_CTX *context;

	if (tls->context && !has_changed(tls))
		return tls->context;
	if (make_context(tls->ca, &context, &tls->status, err))
		return NULL;
	SSL_CTX_free(tls->context);
	tls->context = context;
	return context;
}
