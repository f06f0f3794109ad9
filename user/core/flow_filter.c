// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/flow_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/words.h"
#include "xlb/lifetime.h"

bool flow_is_alive(uint8_t state)
{
	return state == XLB_FLOW_NEW || state == XLB_FLOW_ESTABLISHED || state == XLB_FLOW_CLOSING;
}

uint8_t flow_state_by_word(const char *word)
{
	for (uint8_t state = XLB_FLOW_NEW; state <= XLB_FLOW_TOMBSTONE; state++)
		if (!strcmp(flow_state_word(state), word))
			return state;
	return 0;
}

void flow_state_list(char *ret, size_t size)
{
	size_t used = 0;

	for (uint8_t state = XLB_FLOW_NEW; state <= XLB_FLOW_TOMBSTONE && used < size; state++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
					 flow_state_word(state));
}

static bool masked_equal(const struct xlb_addr *a, const struct xlb_addr *b,
			 const struct xlb_addr *mask)
{
	return !(((a->words[0] ^ b->words[0]) & mask->words[0]) |
		 ((a->words[1] ^ b->words[1]) & mask->words[1]) |
		 ((a->words[2] ^ b->words[2]) & mask->words[2]) |
		 ((a->words[3] ^ b->words[3]) & mask->words[3]));
}

static int parse_end_prefix(const char *text, struct flow_end *ret)
{
	static const struct xlb_addr zero;
	struct xlb_addr behind;

	if (parse_prefix(text, &ret->addr, &ret->mask))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(behind.words) / sizeof(behind.words[0]); i++)
		behind.words[i] = ~ret->mask.words[i];
	return masked_equal(&ret->addr, &zero, &behind) ? 0 : -ERANGE;
}

int flow_end_parse(const char *text, struct flow_end *ret)
{
	struct flow_end end = {};
	uint16_t port_h = 0;
	bool has_port;
	int r;

	if (strchr(text, '/')) {
		r = parse_end_prefix(text, &end);
	} else {
		r = parse_addr_port(text, &end.addr, &port_h, &has_port) ? -EINVAL : 0;
		memset(&end.mask, 0xff, sizeof(end.mask));
		end.port = htons(port_h);
	}
	if (!r)
		*ret = end;
	return r;
}

static bool end_matches(const struct flow_end *end, const struct xlb_addr *addr, __be16 port)
{
	return (!end->port || end->port == port) && masked_equal(&end->addr, addr, &end->mask);
}

/* True if some flow could fail to match. */
static bool end_is_set(const struct flow_end *end)
{
	static const struct xlb_addr zero;

	return end->port || !addr_equal(&end->mask, &zero);
}

bool flow_filter_is_set(const struct flow_filter *filter)
{
	return filter->listeners || filter->servers || filter->protocol || filter->state ||
	       end_is_set(&filter->client) || end_is_set(&filter->vip);
}

void flow_filter_done(struct flow_filter *filter)
{
	free(filter->listeners);
	free(filter->servers);
	filter->listeners = filter->servers = NULL;
}

/* Looks through the ids of a kind. */
struct resolve {
	const char *parent, *child; /* names, NULL: any */
	char end;		    /* what follows the child's name in a key */
	bool *wanted;
	bool parent_found, child_found;
};

static bool key_begins(const char *key, const char *name, char end)
{
	size_t length = strlen(name);

	return !strncmp(key, name, length) && key[length] == end;
}

static void resolve_entry(void *arg, struct id_entry *entry)
{
	struct resolve *resolve = arg;
	bool parent = !resolve->parent || key_begins(entry->key, resolve->parent, '/');
	bool child = !resolve->child || key_begins(entry->key, resolve->child, resolve->end);

	resolve->wanted[entry->id] = parent && child;
	resolve->parent_found |= parent;
	resolve->child_found |= child;
}

static int resolve_kind(struct ids *ids, enum id_kind kind, size_t limit, struct resolve *resolve,
			bool **wanted, bool *ret_found)
{
	if (!resolve->parent && !resolve->child)
		return 0;
	free(*wanted);
	*wanted = resolve->wanted = calloc(limit, sizeof(bool));
	if (!*wanted)
		return -ENOMEM;
	ids_each(ids, kind, resolve_entry, resolve);
	*ret_found &= resolve->parent_found && resolve->child_found;
	return 0;
}

int flow_filter_resolve(struct flow_filter *filter, struct ids *ids, bool *ret_found)
{
	struct resolve listeners = { .parent = filter->load_balancer, .child = filter->listener };
	struct resolve servers = { .parent = filter->group, .child = filter->server, .end = '@' };
	bool found = true;
	int r;

	r = resolve_kind(ids, ID_LISTENER, XLB_MAX_LISTENERS, &listeners, &filter->listeners,
			 &found);
	if (!r)
		r = resolve_kind(ids, ID_SERVER, XLB_MAX_SERVERS, &servers, &filter->servers,
				 &found);
	if (!r)
		*ret_found = found;
	return r;
}

bool flow_filter_matches(const struct flow_filter *filter, const struct xlb_flow_key *key,
			 const struct xlb_flow *flow, uint8_t state)
{
	return state && (!filter->alive || flow_is_alive(state)) &&
	       (!filter->state || filter->state == state) &&
	       (!filter->protocol || filter->protocol == key->protocol) &&
	       (!filter->listeners ||
		(flow->listener < XLB_MAX_LISTENERS && filter->listeners[flow->listener])) &&
	       (!filter->servers ||
		(flow->server < XLB_MAX_SERVERS && filter->servers[flow->server])) &&
	       end_matches(&filter->client, &key->client, key->client_port) &&
	       end_matches(&filter->vip, &flow->vip, key->port);
}

uint8_t flow_state(const struct xlb_flow_key *key, const struct xlb_flow *flow, uint32_t now,
		   uint32_t idle_timeout)
{
	uint32_t age = xlb_flow_age(now, flow->stamp);

	if (flow->rest ||
	    age > xlb_flow_lifetime(key->protocol, flow->state, flow->flags, idle_timeout))
		return 0;
	/* past its timeout, but not past its lifetime */
	if (age > xlb_lifetime_units(
			  xlb_flow_timeout(key->protocol, flow->state, flow->flags, idle_timeout)))
		return XLB_FLOW_TOMBSTONE;
	return flow->state;
}
