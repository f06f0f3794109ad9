// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/tls.h"

#include <errno.h>
#include <string.h>

#include "base/words.h"
#include "core/object.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* --- files -------------------------------------------------------------------------------------- */

struct certificate_paths certificate_paths(const char *text)
{
	struct certificate_paths paths;
	size_t length = strcspn(text, ":");

	snprintf(paths.chain, sizeof(paths.chain), "%.*s", (int)length, text);
	snprintf(paths.key, sizeof(paths.key), "%s", text + length + (text[length] == ':'));
	return paths;
}

const char *certificate_paths_fault(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon || strchr(colon + 1, ':'))
		return "accepted are the chain's file and the key's, as {chain: FILE, key: FILE}";
	if (*text != '/' || colon[1] != '/')
		return "accepted are whole paths, as /etc/xlb/tls/edge.pem";
	return strlen(text) > 255 ? "the paths are longer than 255 characters together" : NULL;
}

/* --- policies ----------------------------------------------------------------------------------- */

#define VERSION(minor)	(1U << (minor))
#define VERSIONS_TO_1_2 (VERSION(0) | VERSION(1) | VERSION(2))

/*
 * Suites that policies may have, in the order of the system's own: the versions that have them, and whether the keys of
 * each connection are its own (ECDHE), which `strict` asks for.
 */
static const struct suite {
	const char *name;
	uint32_t versions;
	bool strict;
} suites[] = {
	{ "TLS_AES_128_GCM_SHA256", VERSION(3), true },
	{ "TLS_AES_256_GCM_SHA384", VERSION(3), true },
	{ "TLS_CHACHA20_POLY1305_SHA256", VERSION(3), true },
	{ "TLS_AES_128_CCM_SHA256", VERSION(3), true },
	{ "TLS_AES_128_CCM_8_SHA256", VERSION(3), true },
	{ "ECDHE-ECDSA-AES128-GCM-SHA256", VERSION(2), true },
	{ "ECDHE-RSA-AES128-GCM-SHA256", VERSION(2), true },
	{ "ECDHE-ECDSA-AES256-GCM-SHA384", VERSION(2), true },
	{ "ECDHE-RSA-AES256-GCM-SHA384", VERSION(2), true },
	{ "ECDHE-ECDSA-AES128-SHA256", VERSION(2), true },
	{ "ECDHE-RSA-AES128-SHA256", VERSION(2), true },
	{ "ECDHE-ECDSA-AES256-SHA384", VERSION(2), true },
	{ "ECDHE-RSA-AES256-SHA384", VERSION(2), true },
	{ "ECDHE-ECDSA-AES128-SHA", VERSIONS_TO_1_2, true },
	{ "ECDHE-RSA-AES128-SHA", VERSIONS_TO_1_2, true },
	{ "ECDHE-ECDSA-AES256-SHA", VERSIONS_TO_1_2, true },
	{ "ECDHE-RSA-AES256-SHA", VERSIONS_TO_1_2, true },
	{ "AES128-GCM-SHA256", VERSION(2), false },
	{ "AES256-GCM-SHA384", VERSION(2), false },
	{ "AES128-SHA256", VERSION(2), false },
	{ "AES256-SHA256", VERSION(2), false },
	{ "AES128-SHA", VERSIONS_TO_1_2, false },
	{ "AES256-SHA", VERSIONS_TO_1_2, false },
	{ "DES-CBC3-SHA", VERSIONS_TO_1_2, false },
};

static const struct system_policy {
	const char *name;
	uint32_t versions;
	bool strict;
} policies[] = {
	{ "tls_cipher_policy_1_0", VERSION(0) | VERSION(1) | VERSION(2), false },
	{ "tls_cipher_policy_1_1", VERSION(1) | VERSION(2), false },
	{ "tls_cipher_policy_1_2", VERSION(2), false },
	{ "tls_cipher_policy_1_2_strict", VERSION(2), true },
	{ "tls_cipher_policy_1_2_strict_with_1_3", VERSION(2) | VERSION(3), true },
};

static const char *const version_words[TLS_VERSIONS] = { "TLSv1.0", "TLSv1.1", "TLSv1.2",
							 "TLSv1.3" };

static const struct suite *find_suite(const char *name)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (!strcmp(suites[i].name, name))
			return &suites[i];
	return NULL;
}

static void add_suite(const struct suite *suite, struct tls_suites *ret)
{
	bool new = suite->versions == VERSION(3);
	char *list = new ? ret->ciphersuites : ret->ciphers;
	size_t size = new ? sizeof(ret->ciphersuites) : sizeof(ret->ciphers);
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used ? ":" : "", suite->name);
}

static void set_versions(uint32_t versions, struct tls_suites *ret)
{
	for (uint32_t i = 0; i < TLS_VERSIONS; i++) {
		if (!(versions & VERSION(i)))
			continue;
		ret->max = version_words[i];
		if (!ret->min)
			ret->min = ret->max;
	}
	/* the library refuses what is older than 1.2 above this level, whatever ciphers are named */
	if (versions & (VERSION(0) | VERSION(1)))
		strcat(ret->ciphers, ":@SECLEVEL=0");
}

int tls_policy_suites(const struct model *model, const char *name, struct tls_suites *ret)
{
	const struct tls_policy *own =
		(const struct tls_policy *)object_find(&model->tls_policies, name);
	const struct system_policy *system = NULL;

	*ret = (struct tls_suites){};
	for (size_t i = 0; i < COUNT(policies); i++)
		if (!strcmp(policies[i].name, name))
			system = &policies[i];
	if (!system && !own)
		return -ENOENT;
	for (size_t i = 0; system && i < COUNT(suites); i++)
		if (suites[i].versions & system->versions && (suites[i].strict || !system->strict))
			add_suite(&suites[i], ret);
	for (uint32_t i = 0; !system && i < own->ciphers.count; i++)
		add_suite(find_suite(own->ciphers.texts[i]), ret);
	set_versions(system ? system->versions : own->versions, ret);
	return 0;
}

int tls_finish_policy(struct object *object, struct xlb_err *err)
{
	const struct tls_policy *policy = (const struct tls_policy *)object;
	uint32_t served = 0, lowest = policy->versions & -policy->versions;

	if ((policy->versions + lowest) & policy->versions)
		return object_fail(
			object, "versions", err,
			"versions: there is a gap between them: name all from the oldest "
			"to the newest");
	for (uint32_t i = 0; i < policy->ciphers.count; i++) {
		const struct suite *suite = find_suite(policy->ciphers.texts[i]);
		const char *names[COUNT(suites)], *nearest;

		for (size_t j = 0; j < COUNT(suites); j++)
			names[j] = suites[j].name;
		if (!suite) {
			object_fail(
				object, "ciphers", err,
				"ciphers: \"%.64s\" is not known: docs/tls.md has those that are",
				policy->ciphers.texts[i]);
			nearest = nearest_word(policy->ciphers.texts[i], names, COUNT(suites));
			if (nearest)
				xlb_err_hint(err, "did you mean \"%s\"?", nearest);
			return -EINVAL;
		}
		if (!(suite->versions & policy->versions))
			return object_fail(object, "ciphers", err,
					   "ciphers: none of the versions has %s: remove it",
					   suite->name);
		served |= suite->versions;
	}
	for (uint32_t i = 0; i < TLS_VERSIONS; i++)
		if (policy->versions & ~served & VERSION(i))
			return object_fail(
				object, "versions", err,
				"versions: %s has none of the ciphers: add one, or remove "
				"the version",
				version_words[i]);
	return 0;
}

void tls_policies_markdown(FILE *out)
{
	fputs("| suite |", out);
	for (size_t i = 0; i < COUNT(policies); i++)
		fprintf(out, " %s |", policies[i].name + strlen("tls_cipher_policy_"));
	fputs("\n|---|", out);
	for (size_t i = 0; i < COUNT(policies); i++)
		fputs("---|", out);
	fputs("\n| versions |", out);
	for (size_t i = 0; i < COUNT(policies); i++) {
		for (uint32_t j = 0; j < TLS_VERSIONS; j++)
			if (policies[i].versions & VERSION(j))
				fprintf(out, " 1.%u", j);
		fputs(" |", out);
	}
	for (size_t i = 0; i < COUNT(suites); i++) {
		fprintf(out, "\n| %s |", suites[i].name);
		for (size_t j = 0; j < COUNT(policies); j++)
			fputs(suites[i].versions & policies[j].versions &&
					      (suites[i].strict || !policies[j].strict) ?
				      " yes |" :
				      " |",
			      out);
	}
	fputc('\n', out);
}

/* --- listeners ---------------------------------------------------------------------------------- */

const char *tls_alpn(uint32_t alpn)
{
	static const char *const lists[] = {
		[ALPN_HTTP1_ONLY] = "http/1.1,http/1.0",
		[ALPN_HTTP2_ONLY] = "h2",
		[ALPN_HTTP2_OPTIONAL] = "http/1.1,http/1.0,h2",
		[ALPN_HTTP2_PREFERRED] = "h2,http/1.1,http/1.0",
	};

	return alpn < COUNT(lists) ? lists[alpn] : NULL;
}

bool tls_encrypts_to_servers(const struct listener *listener)
{
	return listener->tls.server.ca || !listener->tls.server.verify;
}

static int refuse_elsewhere(struct object *object, struct xlb_err *err)
{
	static const char *const fields[] = {
		"certificates",	     "tls_policy",	"alpn",		  "client_auth.mode",
		"client_auth.ca",    "client_auth.crl", "proxy_protocol", "server_tls.ca",
		"server_tls.verify", "server_tls.name",
	};
	const struct listener *listener = (const struct listener *)object;

	for (size_t i = 0; i < COUNT(fields); i++)
		if (object_given(object, fields[i]))
			return object_fail(
				object, fields[i], err,
				"%s has no meaning with protocol: %s, only with tls: remove it",
				fields[i], listener->protocol == IPPROTO_UDP ? "udp" : "tcp");
	return 0;
}

static int check_ports(struct object *object, struct xlb_err *err)
{
	const struct listener *listener = (const struct listener *)object;

	return listener->port.count <= TLS_SOCKETS_MAX ?
		       0 :
		       object_fail(
			       object, "port", err,
			       "port: a tls listener has at most %u ports and ranges, not %u: each "
			       "takes a socket: write ports that are neighbours as one range",
			       TLS_SOCKETS_MAX, listener->port.count);
}

static int check_path(struct object *object, const char *field, const char *path,
		      struct xlb_err *err)
{
	return !path || *path == '/' ?
		       0 :
		       object_fail(
			       object, field, err,
			       "%s \"%.100s\": accepted is a whole path, as /etc/xlb/tls/ca.pem",
			       field, path);
}

static int check_client_auth(struct object *object, struct xlb_err *err)
{
	const struct listener_tls *tls = &((const struct listener *)object)->tls;
	bool wanted = tls->client_auth.mode != CLIENT_AUTH_NONE;
	int r;

	if (wanted && !tls->client_auth.ca)
		return object_fail(object, "client_auth.mode", err,
				   "client_auth: nobody's certificates are good without ca: add "
				   "client_auth.ca, a file of those who sign them");
	if (!wanted && (tls->client_auth.ca || tls->client_auth.crl))
		return object_fail(object,
				   tls->client_auth.ca ? "client_auth.ca" : "client_auth.crl", err,
				   "client_auth: no client is asked for a certificate: add "
				   "client_auth.mode: require or optional");
	r = check_path(object, "client_auth.ca", tls->client_auth.ca, err);
	return r ? r : check_path(object, "client_auth.crl", tls->client_auth.crl, err);
}

static int check_server_tls(struct object *object, struct xlb_err *err)
{
	const struct listener *listener = (const struct listener *)object;
	const struct listener_tls *tls = &listener->tls;

	if (tls->server.ca && !tls->server.verify)
		return object_fail(
			object, "server_tls.ca", err,
			"server_tls: with verify: false no certificate is looked at: remove "
			"ca or verify");
	if (!tls_encrypts_to_servers(listener) &&
	    (tls->server.name || object_given(object, "server_tls.verify")))
		return object_fail(
			object, tls->server.name ? "server_tls.name" : "server_tls.verify", err,
			"server_tls: no server is trusted without ca: add server_tls.ca, a "
			"file or system, or verify: false");
	/* a server would choose one of them by itself, whatever the client has agreed on */
	if (tls_encrypts_to_servers(listener) &&
	    (tls->alpn == ALPN_HTTP2_OPTIONAL || tls->alpn == ALPN_HTTP2_PREFERRED))
		return object_fail(
			object, "alpn", err,
			"alpn: with server_tls it must be one protocol: servers cannot be "
			"told which of two the client has agreed on: accepted are none, "
			"http1-only, http2-only");
	if (tls->server.ca && !strcmp(tls->server.ca, CA_SYSTEM))
		return 0;
	return check_path(object, "server_tls.ca", tls->server.ca, err);
}

int tls_finish_listener(struct object *object, struct xlb_err *err)
{
	const struct listener *listener = (const struct listener *)object;
	int r;

	if (!listener_is_tls(listener))
		return refuse_elsewhere(object, err);
	if (!listener->tls.certificates.count)
		return object_fail(
			object, "protocol", err,
			"protocol: tls wants certificates: add certificates: [{chain: FILE, "
			"key: FILE}]");
	r = check_ports(object, err);
	if (!r)
		r = check_client_auth(object, err);
	return r ? r : check_server_tls(object, err);
}

static int check_policy(const struct model *model, const struct listener *listener,
			struct xlb_err *err)
{
	const char *candidates[64], *nearest;
	const struct object *object;
	struct tls_suites suites_of;
	char names[300];
	size_t n = 0;

	if (!listener->tls.policy || !tls_policy_suites(model, listener->tls.policy, &suites_of))
		return 0;
	for (; n < COUNT(policies); n++)
		candidates[n] = policies[n].name;
	TAILQ_FOREACH(object, &model->tls_policies, link)
		if (n < COUNT(candidates))
			candidates[n++] = object->name;
	object_names(&model->tls_policies, names, sizeof(names));
	object_fail(&listener->object, "tls_policy", err,
		    "tls_policy \"%.64s\" does not exist: there are those of the system, "
		    "tls_cipher_policy_1_0, _1_1, _1_2, _1_2_strict, _1_2_strict_with_1_3, and of "
		    "tls_policies %s",
		    listener->tls.policy, names);
	nearest = nearest_word(listener->tls.policy, candidates, n);
	if (nearest)
		xlb_err_hint(err, "did you mean \"%s\"?", nearest);
	return -EINVAL;
}

int check_tls(const struct model *model, struct xlb_err *err)
{
	const struct object *lb, *object;

	TAILQ_FOREACH(lb, &model->load_balancers, link)
		TAILQ_FOREACH(object, &((const struct load_balancer *)lb)->listeners, link) {
			const struct listener *listener = (const struct listener *)object;
			int r = listener_is_tls(listener) ? check_policy(model, listener, err) : 0;

			if (r)
				return r;
		}
	return 0;
}
