// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/tls_files.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "core/object.h"
#include "core/tls.h"
#include "sys/certificate.h"

static int read_certificate(const struct tls_file_name *name, struct tls_file_read *ret,
			    struct xlb_err *err)
{
	struct certificate certificate = {};
	enum certificate_file fault = CERTIFICATE_CHAIN;
	struct tls_file_facts *facts = &ret->facts;
	int r = certificate_read(name->path, name->other, &certificate, &fault, err);

	ret->in_other = fault == CERTIFICATE_KEY;
	if (r)
		return r;
	facts->not_before = certificate.not_before;
	facts->expires = certificate.expires;
	snprintf(facts->names, sizeof(facts->names), "%.255s", certificate.names);
	snprintf(facts->subject, sizeof(facts->subject), "%s", certificate.subject);
	snprintf(facts->issuer, sizeof(facts->issuer), "%s", certificate.issuer);
	snprintf(facts->serial, sizeof(facts->serial), "%s", certificate.serial);
	snprintf(facts->key, sizeof(facts->key), "%s", certificate.key);
	ret->size = certificate.size;
	ret->pem = TAKE(certificate.pem);
	certificate.size = 0;
	certificate_done(&certificate);
	return 0;
}

static int read_authorities(const char *path, struct tls_file_read *ret, struct xlb_err *err)
{
	struct authorities authorities = {};
	int r = authorities_read(path, &authorities, err);

	if (r)
		return r;
	ret->facts.expires = authorities.expires;
	ret->size = authorities.size;
	ret->pem = TAKE(authorities.pem);
	authorities_done(&authorities);
	return 0;
}

static int read_revocations(const struct tls_file_name *name, struct tls_file_read *ret,
			    struct xlb_err *err)
{
	struct authorities authorities = {};
	struct revocations revocations = {};
	int r = authorities_read(name->other, &authorities, err);

	ret->in_other = r;
	if (!r)
		r = revocations_read(name->path, &authorities, &revocations, err);
	authorities_done(&authorities);
	if (r)
		return r;
	ret->facts.expires = revocations.next_update;
	ret->size = revocations.size;
	ret->pem = TAKE(revocations.pem);
	revocations_done(&revocations);
	return 0;
}

static bool lies_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && path[length] == '/' && !strstr(path, "/../");
}

static int check_places(const char *directory, const struct tls_file_name *name,
			struct tls_file_read *ret, struct xlb_err *err)
{
	const char *const paths[] = { name->path, name->other };

	for (int i = 0; i < 2; i++) {
		if (!paths[i] || lies_below(paths[i], directory))
			continue;
		ret->in_other = i;
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s: the file must lie below %s",
				   paths[i], directory);
	}
	return 0;
}

int tls_file_read(const char *directory, const struct tls_file_name *name,
		  struct tls_file_read *ret, struct xlb_err *err)
{
	int r = check_places(directory, name, ret, err);

	if (r)
		return r;
	switch (name->kind) {
	case TLS_FILE_CERTIFICATE:
		return read_certificate(name, ret, err);
	case TLS_FILE_AUTHORITIES:
		return read_authorities(name->path, ret, err);
	case TLS_FILE_REVOCATIONS:
		return read_revocations(name, ret, err);
	}
	return -EINVAL;
}

int tls_file_check_dates(const struct tls_file_name *name, const struct tls_file_facts *facts,
			 struct xlb_err *err)
{
	int64_t now = (int64_t)time(NULL);
	char when[32];

	if (facts->not_before > now) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s is not valid yet, but %s", name->path,
			    certificate_days(facts->not_before, now, when));
		xlb_err_hint(err, "look at this machine's clock, too");
		return -EINVAL;
	}
	if (!facts->expires || facts->expires > now)
		return 0;
	if (name->kind == TLS_FILE_REVOCATIONS)
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    "%s is out of date: its next update was due (%s)", name->path,
			    certificate_days(facts->expires, now, when));
	else
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s has %s", name->path,
			    certificate_days(facts->expires, now, when));
	xlb_err_hint(err, "get a new one");
	return -EINVAL;
}

/* --- without being taken ------------------------------------------------------------------------ */

struct looking {
	const char *directory;
	const struct listener *listener;
	struct xlb_err *err;
};

/* `fields`: of the file, and of the other one. */
static int look_at(const struct looking *looking, const struct tls_file_name *name,
		   const char *field, const char *other_field)
{
	struct tls_file_read fresh = {};
	struct xlb_err why = {};
	char title[OBJECT_TITLE_MAX];
	int r = tls_file_read(looking->directory, name, &fresh, &why);

	if (!r)
		r = tls_file_check_dates(name, &fresh.facts, &why);
	if (fresh.pem)
		explicit_bzero(fresh.pem, fresh.size);
	free(fresh.pem);
	if (!r)
		return 0;
	object_fail(&looking->listener->object, fresh.in_other ? other_field : field, looking->err,
		    "%s: %s", object_title(&looking->listener->object, title), why.text);
	if (why.hint[0])
		xlb_err_hint(looking->err, "%s", why.hint);
	return -EINVAL;
}

static int look_at_listener(const struct looking *looking)
{
	const struct listener_tls *tls = &looking->listener->tls;
	char field[48], other[48];
	int r = 0;

	for (uint32_t i = 0; !r && i < tls->certificates.count; i++) {
		struct certificate_paths paths = certificate_paths(tls->certificates.texts[i]);

		snprintf(field, sizeof(field), "certificates/%u/chain", i);
		snprintf(other, sizeof(other), "certificates/%u/key", i);
		r = look_at(looking,
			    &(struct tls_file_name){ TLS_FILE_CERTIFICATE, paths.chain, paths.key },
			    field, other);
	}
	if (!r && tls->client_auth.ca)
		r = look_at(looking,
			    &(struct tls_file_name){ TLS_FILE_AUTHORITIES, tls->client_auth.ca,
						     NULL },
			    "client_auth.ca", "client_auth.ca");
	if (!r && tls->client_auth.crl)
		r = look_at(looking,
			    &(struct tls_file_name){ TLS_FILE_REVOCATIONS, tls->client_auth.crl,
						     tls->client_auth.ca },
			    "client_auth.crl", "client_auth.ca");
	if (!r && tls->server.ca && strcmp(tls->server.ca, CA_SYSTEM) != 0)
		r = look_at(looking,
			    &(struct tls_file_name){ TLS_FILE_AUTHORITIES, tls->server.ca, NULL },
			    "server_tls.ca", "server_tls.ca");
	return r;
}

int tls_files_check(const struct model *model, const char *directory, struct xlb_err *err)
{
	const struct object *lb, *object;
	int r = 0;

	TAILQ_FOREACH(lb, &model->load_balancers, link)
		TAILQ_FOREACH(object, &((const struct load_balancer *)lb)->listeners, link) {
			const struct listener *listener = (const struct listener *)object;

			if (!r && listener_is_tls(listener))
				r = look_at_listener(&(struct looking){ directory, listener, err });
		}
	return r;
}
