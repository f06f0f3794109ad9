// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tls listeners to rows: what ends TLS, which is the sink's, and the host as a server in the datapath, which judges and
 * counts what it passes to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"
#include "core/content.h"
#include "core/fallback.h"
#include "core/object.h"
#include "core/scheduler.h"
#include "core/tls_text.h"

/* No name of a group or server has these. */
#define HOST_GROUP  "(host)"
#define HOST_SERVER HOST_GROUP "/tls@(host)"

#define SPLIT_PARTS 10000 /* a listener's connections are cut into */

/* --- which groups ------------------------------------------------------------------------------- */

/* Whether an enabled tls listener leads to a group with these sources; NULL: whether there is one. */
static bool has_tls(const struct model *model, const struct server_group *const *sources)
{
	const struct object *object, *child;

	TAILQ_FOREACH(object, &model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		if (!lb->enabled)
			continue;
		TAILQ_FOREACH(child, &lb->listeners, link) {
			const struct listener *listener = (const struct listener *)child;

			if (listener->enabled && listener_is_tls(listener) &&
			    (!sources || listener_leads_to(listener, sources)))
				return true;
		}
	}
	return false;
}

void note_tls(struct compiler *c)
{
	c->tls = has_tls(c->model, NULL);
}

/* --- the host in the datapath ------------------------------------------------------------------- */

static int host_ids(struct compiler *c, struct id_entry **ret_group, struct id_entry **ret_server)
{
	int r = take_id(c, ID_GROUP, HOST_GROUP, ret_group);

	return r ? r : take_id(c, ID_SERVER, HOST_SERVER, ret_server);
}

/* The table of a group that has one server. */
static int emit_alone(struct compiler *c, uint32_t group, uint32_t family, uint32_t server)
{
	size_t size = sizeof(struct schedule) + sizeof(struct maglev_server);
	struct row_maglev_key key = { .group = group, .family = family };
	AUTO_FREE struct schedule *schedule = calloc(1, size);

	if (!schedule)
		return no_memory(c);
	schedule->fill = FILL_TURNS;
	schedule->servers[0] = (struct maglev_server){ .name_hash = 1, .weight = 1, .id = server };
	return emit_recipe(c, TABLE_MAGLEV, &key, schedule, size);
}

int compile_tls_host(struct compiler *c)
{
	struct xlb_server value = {
		.mode = XLB_MODE_LOCAL,
		.family = XLB_IPV4,
		.flags = c->metered ? XLB_SERVER_METERED : 0,
	};
	struct row_group row = { .choice.by = XLB_BY_TUPLE };
	struct id_entry *group, *server;
	int r;

	if (!c->tls)
		return 0;
	r = host_ids(c, &group, &server);
	if (r)
		return r;
	server->drain = UINT64_MAX;
	memcpy(server->frozen, &value, sizeof(value));
	r = emit_alone(c, group->id, XLB_IPV4, server->id);
	if (!r)
		r = emit_alone(c, group->id, XLB_IPV6, server->id);
	if (!r)
		r = emit(c, TABLE_TLS_SETTING, &(struct row_id){ 0 },
			 &(struct row_tls_setting){ c->model->tls.max_connections,
						    c->model->tls.threads });
	if (!r)
		r = emit_server(c, server, &value);
	return r ? r : emit(c, TABLE_GROUP, &(struct row_id){ group->id }, &row);
}

/* --- files -------------------------------------------------------------------------------------- */

/* What of a listener is missing: a user is told, else the listener is left out until it is there. */
static int missing(struct compiler *c, const struct listener *listener, const char *field,
		   const struct xlb_err *why)
{
	char title[OBJECT_TITLE_MAX];

	object_title(&listener->object, title);
	if (c->world->strict) {
		object_fail(&listener->object, field, c->err, "%s: %s", title, why->text);
		if (why->hint[0])
			xlb_err_hint(c->err, "%s", why->hint);
		return -EINVAL;
	}
	fprintf(c->warnings, "%s: %s; it takes no connections until that is mended\n", title,
		why->text);
	return -ENOENT;
}

#define FILE_NAME_MAX sizeof(((struct row_tls_file_key *)NULL)->name)

/* Its row, and the name that it has. -ENOENT: the listener has to wait for it. */
static int compile_file(struct compiler *c, const struct listener *listener,
			const struct tls_file_name *name, const char *const fields[2],
			char ret[FILE_NAME_MAX])
{
	static const char *const kinds[] = {
		[TLS_FILE_CERTIFICATE] = "crt",
		[TLS_FILE_AUTHORITIES] = "ca",
		[TLS_FILE_REVOCATIONS] = "crl",
	};
	struct row_tls_file_key key = {};
	size_t before = c->rows->count;
	struct xlb_err why = {};
	struct tls_file file = {};
	struct row_hash value;
	uint64_t hash = content_hash_text(name->path);

	if (c->world->tls_file(c->world->arg, name, &file, &why))
		return missing(c, listener, fields[file.in_other], &why);
	hash ^= name->other ? content_hash_text(name->other) * 3 : 0;
	snprintf(key.name, sizeof(key.name), "%s-%016llx.pem", kinds[name->kind],
		 (unsigned long long)hash);
	memcpy(ret, key.name, sizeof(key.name));
	value.hash = content_hash(file.pem, file.size);
	if (emit_once(c, TABLE_TLS_FILE, &key, &value))
		return no_memory(c);
	/* several listeners may have it */
	if (c->rows->count == before)
		return 0;
	return rows_add_recipe(c->rows, TABLE_TLS_FILE, &key, file.pem, file.size) ? no_memory(c) :
										     0;
}

/* A listener while it is compiled. */
struct tls_listener {
	const struct listener *listener;
	struct tls_text text;
	char (*certificates)[FILE_NAME_MAX]; /* owned */
	const char **certificate_names;	     /* owned, into the above */
	char ca[FILE_NAME_MAX], crl[FILE_NAME_MAX], server_ca[FILE_NAME_MAX];
	struct tls_text_group groups[XLB_SPLIT_GROUPS * XLB_FALLBACKS];
};

static int compile_certificates(struct compiler *c, struct tls_listener *at)
{
	const struct texts *list = &at->listener->tls.certificates;
	int r = 0;

	at->certificates = calloc(list->count, sizeof(*at->certificates));
	at->certificate_names = calloc(list->count, sizeof(*at->certificate_names));
	if (!at->certificates || !at->certificate_names)
		return no_memory(c);
	for (uint32_t i = 0; !r && i < list->count; i++) {
		struct certificate_paths paths = certificate_paths(list->texts[i]);
		struct tls_file_name name = { TLS_FILE_CERTIFICATE, paths.chain, paths.key };
		char chain[48], key[48];

		snprintf(chain, sizeof(chain), "certificates/%u/chain", i);
		snprintf(key, sizeof(key), "certificates/%u/key", i);
		r = compile_file(c, at->listener, &name, (const char *const[]){ chain, key },
				 at->certificates[i]);
		at->certificate_names[i] = at->certificates[i];
	}
	at->text.certificates = at->certificate_names;
	at->text.certificate_count = list->count;
	return r;
}

static int compile_authorities(struct compiler *c, struct tls_listener *at)
{
	const struct listener_tls *tls = &at->listener->tls;
	struct tls_file_name ca = { TLS_FILE_AUTHORITIES, tls->client_auth.ca, NULL };
	struct tls_file_name crl = { TLS_FILE_REVOCATIONS, tls->client_auth.crl,
				     tls->client_auth.ca };
	struct tls_file_name servers = { TLS_FILE_AUTHORITIES, tls->server.ca, NULL };
	int r = 0;

	if (ca.path) {
		r = compile_file(c, at->listener, &ca,
				 (const char *const[]){ "client_auth.ca", "client_auth.ca" },
				 at->ca);
		at->text.ca = at->ca;
	}
	if (!r && crl.path) {
		r = compile_file(c, at->listener, &crl,
				 (const char *const[]){ "client_auth.crl", "client_auth.ca" },
				 at->crl);
		at->text.crl = at->crl;
	}
	if (r || !servers.path || !strcmp(servers.path, CA_SYSTEM))
		return r;
	at->text.server_ca = at->server_ca;
	return compile_file(c, at->listener, &servers,
			    (const char *const[]){ "server_tls.ca", "server_tls.ca" },
			    at->server_ca);
}

/* --- groups ------------------------------------------------------------------------------------- */

static int add_servers(struct compiler *c, struct tls_text_group *to)
{
	const struct object *object;
	uint32_t n = 0;

	TAILQ_FOREACH(object, &to->group->servers, link)
		n += ((const struct server *)object)->address.count;
	to->servers = calloc(n + 1, sizeof(*to->servers));
	if (!to->servers)
		return no_memory(c);
	TAILQ_FOREACH(object, &to->group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (uint32_t i = 0; i < server->address.count; i++) {
			const struct xlb_addr *addr = &server->address.addrs[i];
			const struct id_entry *id = find_server_id(c, to->group, server, addr);

			if (id)
				to->servers[to->server_count++] =
					(struct tls_text_server){ id->id, addr, server };
		}
	}
	return 0;
}

/* A group and its fallbacks, each once. */
static int add_groups(struct compiler *c, struct tls_listener *at, const char *name)
{
	const struct server_group *group = model_group(c->model, name);
	struct id_entry *id;
	int r = 0;

	for (uint32_t depth = 0; !r && group && depth < XLB_FALLBACKS; depth++) {
		struct tls_text_group *to = &at->groups[at->text.group_count];

		for (uint32_t i = 0; i < at->text.group_count; i++)
			if (at->groups[i].group == group)
				return 0;
		r = take_id(c, ID_GROUP, group->object.name, &id);
		if (r)
			return r;
		*to = (struct tls_text_group){ .id = id->id, .group = group };
		at->text.group_count++;
		r = add_servers(c, to);
		group = *group->fallback ? model_group(c->model, group->fallback) : NULL;
	}
	return r;
}

/* Which part of the connections each of the listener's groups gets. */
static int emit_split(struct compiler *c, const struct listener *listener, uint32_t id)
{
	const struct share_list *list = &listener->server_group;
	size_t size = sizeof(struct content_tls_split) + list->count * 2 * sizeof(uint32_t);
	AUTO_FREE struct content_tls_split *split = calloc(1, size);
	uint64_t sum = 0, part = 0;
	struct id_entry *group;
	int r = 0;

	if (!split)
		return no_memory(c);
	split->sum = SPLIT_PARTS;
	for (uint32_t i = 0; i < list->count; i++)
		sum += list->shares[i].weight;
	for (uint32_t i = 0; !r && i < list->count; i++) {
		if (!list->shares[i].weight)
			continue;
		part += list->shares[i].weight;
		r = take_id(c, ID_GROUP, list->shares[i].group, &group);
		if (r)
			break;
		split->parts[split->count].group = group->id;
		split->parts[split->count++].to = (uint32_t)(part * SPLIT_PARTS / sum) - 1;
	}
	return r ? r :
		   emit_recipe(c, TABLE_TLS_SPLIT, &(struct row_id){ id }, split,
			       sizeof(*split) + split->count * sizeof(split->parts[0]));
}

/* --- a listener --------------------------------------------------------------------------------- */

/* Clients come in by interfaces that are attached, and by no others: nobody would judge them there. */
static struct content_tls_listener *make_content(const struct compiler *c,
						 const struct tls_listener *at, const char *text,
						 size_t *ret_size)
{
	struct content_tls_listener *content = NULL;
	struct tls_binds binds = {};
	size_t size;

	if (compile_tls_binds(c, at->text.lb, at->listener, &binds))
		goto out;
	size = sizeof(*content) + binds.count * sizeof(binds.binds[0]);
	content = calloc(1, size + strlen(text) + 1);
	if (!content)
		goto out;
	content->bind_count = binds.count;
	for (uint32_t i = 0; i < binds.count; i++)
		content->binds[i] = binds.binds[i];
	content->text_size = (uint32_t)strlen(text) + 1;
	memcpy(&content->binds[binds.count], text, content->text_size);
	*ret_size = size + content->text_size;
out:
	free(binds.binds);
	return content;
}

static int emit_listener(struct compiler *c, struct tls_listener *at)
{
	AUTO_FREE struct content_tls_listener *content = NULL;
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return no_memory(c);
	at->text.groups = at->groups;
	tls_text_write(out, &at->text);
	if (fclose(out))
		return no_memory(c);
	content = make_content(c, at, text, &size);
	if (!content)
		return no_memory(c);
	return emit_recipe(c, TABLE_TLS_LISTENER, &(struct row_id){ at->text.id }, content, size);
}

static int compile_parts_of(struct compiler *c, struct tls_listener *at)
{
	const struct share_list *list = &at->listener->server_group;
	struct xlb_err why = {};
	int r = 0;

	if (c->world->strict && c->world->tls_engine(c->world->arg, &why))
		r = missing(c, at->listener, "protocol", &why);
	if (!r)
		r = compile_certificates(c, at);
	if (!r)
		r = compile_authorities(c, at);
	for (uint32_t i = 0; !r && i < list->count; i++)
		r = add_groups(c, at, list->shares[i].group);
	if (!r && at->text.group_count > 1)
		r = emit_split(c, at->listener, at->text.id);
	return r ? r : emit_listener(c, at);
}

int compile_tls_listener(struct compiler *c, const struct load_balancer *lb,
			 const struct listener *listener, uint32_t id, struct xlb_listener *value)
{
	const char *policy = listener->tls.policy ? listener->tls.policy : TLS_POLICY_DEFAULT;
	AUTO_FREE struct tls_listener *at = calloc(1, sizeof(*at));
	struct id_entry *group, *server;
	int r;

	if (!at)
		return no_memory(c);
	r = host_ids(c, &group, &server);
	if (r)
		return r;
	value->group = group->id;
	at->listener = listener;
	at->text.lb = lb;
	at->text.listener = listener;
	at->text.id = id;
	at->text.by_source = shares_by_source(c->model, &listener->server_group);
	tls_policy_suites(c->model, policy, &at->text.suites);
	/* nobody judges what comes in, or nobody comes */
	if (c->attached_count)
		r = compile_parts_of(c, at);
	free(at->certificates);
	free(at->certificate_names);
	for (uint32_t i = 0; i < at->text.group_count; i++)
		free(at->groups[i].servers);
	return r == -ENOENT ? 0 : r;
}

/* --- servers' shares ---------------------------------------------------------------------------- */

/* A server's weight, of which it has a part while it starts. */
static uint32_t weight_of(const struct server_group *group, const struct endpoint *endpoint,
			  bool open)
{
	uint32_t weight = scheduler_weight(group, endpoint->server);
	uint32_t part = open || !endpoint->part ? 100 : endpoint->part;

	return weight * part / 100 ? weight * part / 100 : 1;
}

/* A proxy serves clients of either family by servers of either: the group stays while it can serve some. */
static bool takes_itself(const struct server_group *group, const struct takers *takers)
{
	return takers->ipv4 == group || takers->ipv6 == group;
}

int compile_tls_group(struct compiler *c, const struct server_group *group, uint32_t group_id,
		      const struct endpoint *endpoints, uint32_t count, const struct takers *takers)
{
	AUTO_FREE const struct server_group **sources = NULL;
	bool ever_up = c->world->group_ever_up(c->world->arg, group->object.name);
	bool open = group->fail_open || !takes_itself(group, takers);
	const struct server_group *taker = takes_itself(group, takers) ? group : takers->ipv4;
	const struct server *last = NULL;
	struct id_entry *id;
	int r = 0;

	if (!c->tls)
		return 0;
	sources = fallback_sources(c->model, group->object.name);
	if (!sources)
		return no_memory(c);
	if (!has_tls(c->model, sources))
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (endpoints[i].takes_flows && is_fit(endpoints[i].health, ever_up))
			open = false;
	for (uint32_t i = 0; !r && i < count; i++) {
		const struct endpoint *endpoint = &endpoints[i];
		struct row_tls_server_key key = { group_id, endpoint->entry->id };
		struct row_tls_server row = { .cut = !!(endpoint->value.flags & XLB_SERVER_RESET) };

		/* a server counts once, by the first of its addresses that can be used */
		if (endpoint->takes_flows && endpoint->server != last &&
		    (open || is_fit(endpoint->health, ever_up))) {
			row.weight = weight_of(group, endpoint, open);
			last = endpoint->server;
		}
		r = emit(c, TABLE_TLS_SERVER, &key, &row);
	}
	if (!r)
		r = take_id(c, ID_GROUP, taker->object.name, &id);
	return r ? r :
		   emit(c, TABLE_TLS_TAKER, &(struct row_id){ group_id },
			&(struct row_id){ id->id });
}
