/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows, read in the memory of their tables. They are ended inside the kernel, by `xlb_flow_end`, a batch a
 * call.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sys/datapath_private.h"
#include "xlb/addr.h"
#include "xlb/lifetime.h"

uint32_t datapath_stamp(void)
{
	return (uint32_t)(clock_ns(CLOCK_MONOTONIC_COARSE) >> XLB_STAMP_SHIFT) & XLB_STAMP_MASK;
}

/* --- entries ---------------------------------------------------------------------------------------- */

static uint64_t word_read(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void decode_key(const __u64 *words, uint64_t fixed, bool ipv6, struct xlb_flow_key *ret)
{
	uint64_t ports = words[0];

	memset(ret, 0, sizeof(*ret));
	if (ipv6) {
		ret->client.words[0] = (uint32_t)(words[0] >> 32);
		ret->client.words[1] = (uint32_t)words[0];
		ret->client.words[2] = (uint32_t)(words[1] >> 32);
		ret->client.words[3] = (uint32_t)words[1];
		ports = words[2];
	} else {
		xlb_addr_set_ipv4(&ret->client, (uint32_t)(words[0] >> 32));
	}
	ret->vip = (uint32_t)xlb_get(fixed, XLB_FIXED_VIP);
	ret->client_port = (__be16)(ports >> 16);
	ret->port = (__be16)ports;
	ret->protocol = xlb_get(fixed, XLB_FIXED_UDP) ? IPPROTO_UDP : IPPROTO_TCP;
	ret->family = ipv6 ? XLB_IPV6 : XLB_IPV4;
}

/* What the server of the flow says of it. */
static void decode_server(const struct datapath *dp, uint64_t fixed, const struct xlb_flow_key *key,
			  struct xlb_flow *ret)
{
	const struct xlb_server *server =
		(const struct xlb_server *)map_entry(&dp->maps[MAP_SERVERS], ret->server);
	const struct xlb_snat_pool *pool = &server->pools[xlb_get(fixed, XLB_FIXED_POOL)];

	ret->mode = xlb_flow_mode(fixed, server->mode);
	ret->server_port = server->port ? server->port : key->port;
	if (ret->mode == XLB_MODE_FULLNAT) {
		ret->snat = pool->snat;
		ret->bitmap = pool->bitmap;
	}
}

static void decode(const struct datapath *dp, uint64_t live, uint64_t fixed,
		   const struct xlb_flow_key *key, struct xlb_flow *ret)
{
	ret->live = live;
	ret->rest = xlb_get(live, XLB_LIVE_REST);
	ret->state = (uint8_t)xlb_get(live, XLB_LIVE_STATE);
	ret->flags = (uint8_t)xlb_get(live, XLB_LIVE_FLAGS);
	ret->stamp = (uint32_t)xlb_get(live, XLB_LIVE_STAMP);
	ret->created = (uint32_t)(xlb_get(live, XLB_LIVE_CREATED) |
				  xlb_get(fixed, XLB_FIXED_CREATED) << 16);
	ret->hop = (uint32_t)xlb_get(live, XLB_LIVE_HOP);
	memcpy(&ret->reply, map_entry(&dp->maps[MAP_HOPS], ret->hop), sizeof(ret->reply));
	memcpy(&ret->vip, map_entry(&dp->maps[MAP_VIP_ADDRESSES], key->vip), sizeof(ret->vip));
	ret->server = (uint32_t)xlb_get(fixed, XLB_FIXED_SERVER);
	ret->listener = (uint32_t)xlb_get(fixed, XLB_FIXED_LISTENER);
	ret->snat_port = (__be16)xlb_get(fixed, XLB_FIXED_SNAT_PORT);
	decode_server(dp, fixed, key, ret);
}

/* Reads an entry while packets change it; false if no flow lives there. */
static bool entry_read(const struct datapath *dp, const struct xlb_flow_page *page, bool ipv6,
		       struct xlb_flow_at at, struct xlb_flow_key *ret_key, struct xlb_flow *ret)
{
	const __u64 *entry = &page->word[at.word];
	uint64_t live = word_read(entry), fixed, again;
	__u64 key[3] = {};

	for (int i = 0; i < 4 && entry_lives(live); i++, live = again) {
		fixed = word_read(entry + 1);
		for (int word = 0; word < (ipv6 ? 3 : 1); word++)
			key[word] = word_read(entry + 2 + word);
		again = word_read(entry);
		if (xlb_get(live, XLB_LIVE_INCARNATION) != xlb_get(again, XLB_LIVE_INCARNATION) ||
		    !entry_lives(again))
			continue;
		decode_key(key, fixed, ipv6, ret_key);
		*ret = (struct xlb_flow){ .at = at, .ipv6 = ipv6 };
		decode(dp, again, fixed, ret_key, ret);
		return true;
	}
	return false;
}

static void key_words(const struct xlb_flow_key *key, __u64 ret[3])
{
	uint64_t ports = xlb_flow_ports(key->client_port, key->port);
	const uint32_t *words = key->client.words;

	ret[0] = key->family == XLB_IPV6 ? xlb_hash_join(words[0], words[1]) :
					   (uint64_t)words[3] << 32 | ports;
	ret[1] = xlb_hash_join(words[2], words[3]);
	ret[2] = ports;
}

static bool is_same_key(const struct xlb_flow_key *a, const struct xlb_flow_key *b)
{
	return a->vip == b->vip && a->protocol == b->protocol && a->client_port == b->client_port &&
	       a->port == b->port && xlb_addr_equal(&a->client, &b->client);
}

static bool get_in(const struct datapath *dp, uint64_t extent, const struct xlb_flow_key *key,
		   uint64_t hash, struct xlb_flow *ret)
{
	bool ipv6 = key->family == XLB_IPV6;
	struct xlb_flow_at at;
	const struct xlb_flow_page *page =
		table_page(dp, extent, xlb_flow_page_of(extent, hash), &at);
	struct xlb_flow_key found;

	for (uint32_t n = 0; page && n < XLB_CANDIDATES; n++) {
		for (uint32_t i = 0; i < xlb_bucket_entries(ipv6); i++) {
			at.word = (uint16_t)(xlb_flow_bucket(hash, n) + i * xlb_entry_words(ipv6));
			if (entry_read(dp, page, ipv6, at, &found, ret) && !ret->rest &&
			    is_same_key(&found, key))
				return true;
		}
	}
	return false;
}

int datapath_flow_get(struct datapath *dp, const struct xlb_flow_key *key, struct xlb_flow *ret)
{
	bool ipv6 = key->family == XLB_IPV6;
	const struct xlb_flow_table *table = table_row(dp, ipv6 ? XLB_TABLE_IPV6 : XLB_TABLE_IPV4);
	uint64_t identity =
		xlb_set(key->vip, (uint64_t)(key->protocol == IPPROTO_UDP), XLB_FIXED_UDP);
	__u64 words[3];
	uint64_t hash;

	key_words(key, words);
	hash = xlb_flow_hash(table->seed, words, identity, ipv6);
	return get_in(dp, table->old, key, hash, ret) || get_in(dp, table->extent, key, hash, ret) ?
		       0 :
		       -ENOENT;
}

/* --- ending ----------------------------------------------------------------------------------------- */

static int ends_run(const struct datapath *dp, struct xlb_flow_ends *ends)
{
	/* of a program of this type the kernel writes the context back to where it was */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = ends, .ctx_size_in = sizeof(*ends));

	if (!ends->count)
		return 0;
	return bpf_prog_test_run_opts(dp->flow_end_fd, &opts) ? -errno : 0;
}

static void ends_add(struct xlb_flow_ends *ends, struct xlb_flow_at at, uint64_t live, bool ipv6,
		     enum flow_action action)
{
	uint32_t i = ends->count++;

	ends->flow[i].at = at;
	ends->flow[i].seen = live;
	ends->flow[i].ipv6 = ipv6;
	ends->flow[i].action = action == FLOW_DELETE ? XLB_END_DELETE : XLB_END_TOMBSTONE;
}

int datapath_flow_end(struct datapath *dp, const struct xlb_flow *flow, enum flow_action action)
{
	struct xlb_flow_ends ends = {};
	int r;

	ends_add(&ends, flow->at, flow->live, flow->ipv6, action);
	r = ends_run(dp, &ends);
	return r ? r : ends.flow[0].result;
}

void datapath_hop_forget(struct datapath *dp, uint32_t hop)
{
	__atomic_store_n(map_entry(&dp->maps[MAP_HOPS], hop), 0, __ATOMIC_RELEASE);
}

bool datapath_hop_is_known(const struct datapath *dp, uint32_t hop)
{
	return __atomic_load_n(map_entry(&dp->maps[MAP_HOPS], hop), __ATOMIC_ACQUIRE) != 0;
}

/* --- the walk --------------------------------------------------------------------------------------- */

#define PAGE_COST 8 /* of a page without flows, in visits */

#define WALK_END (1ULL << 30)

/*
 * A walk goes by the hash, whose upper bits name the page in both extents of a table: so it meets each flow once,
 * wherever it is moved to.
 */
struct flow_walk {
	struct datapath *dp;
	enum xlb_flow_table_id table; /* where it is */
	uint64_t at;		      /* page bits of the hash, WALK_END: behind the last */
	struct xlb_flow_ends ends;
};

struct flow_walk *flow_walk_new(struct datapath *dp)
{
	struct flow_walk *walk = calloc(1, sizeof(*walk));

	if (walk)
		walk->dp = dp;
	return walk;
}

struct flow_walk *flow_walk_free(struct flow_walk *walk)
{
	free(walk);
	return NULL;
}

static void walk_end(struct flow_walk *walk, struct xlb_flow_at at, uint64_t live,
		     enum flow_action action, int *r)
{
	if (action != FLOW_KEEP)
		ends_add(&walk->ends, at, live, walk->table == XLB_TABLE_IPV6, action);
	if (walk->ends.count < XLB_END_BATCH)
		return;
	*r = ends_run(walk->dp, &walk->ends);
	walk->ends.count = 0;
}

/* An entry that is being made or taken apart, by nobody any more. */
static bool is_abandoned(uint64_t live, uint32_t now)
{
	return xlb_get(live, XLB_LIVE_STATE) && !entry_lives(live) &&
	       xlb_flow_age(now, (uint32_t)xlb_get(live, XLB_LIVE_STAMP)) > XLB_FLOW_ABANDONED;
}

struct walk_visit {
	flow_visit visit;
	void *arg;
	uint32_t budget; /* left */
	int r;
};

/* Visits the entries of a page whose hash is in the range from walk->at on; `whole`: all are. */
static void walk_page(struct flow_walk *walk, const struct xlb_flow_page *page,
		      struct xlb_flow_at at, uint64_t until, bool whole, struct walk_visit *visit)
{
	const struct xlb_flow_table *table = table_row(walk->dp, walk->table);
	bool ipv6 = walk->table == XLB_TABLE_IPV6;
	uint32_t now = datapath_stamp();
	struct xlb_flow_key key;
	struct xlb_flow flow;

	for (uint32_t n = 0; n < page_entries(ipv6) && !visit->r; n++) {
		uint64_t live, hash;

		at.word = entry_word(n, ipv6);
		live = word_read(&page->word[at.word]);
		if (is_abandoned(live, now))
			walk_end(walk, at, live, FLOW_DELETE, &visit->r);
		if (!entry_lives(live) || !entry_read(walk->dp, page, ipv6, at, &key, &flow))
			continue;
		hash = whole ? 0 : entry_hash(table, &page->word[at.word], ipv6);
		if (!whole && (xlb_get(hash, XLB_HASH_PAGE) < walk->at ||
			       xlb_get(hash, XLB_HASH_PAGE) >= until))
			continue;
		walk_end(walk, at, flow.live, visit->visit(visit->arg, &key, &flow), &visit->r);
		visit->budget -= visit->budget > 0;
	}
}

/* The pages of an extent that the range from walk->at on lies in. */
static void walk_extent(struct flow_walk *walk, uint64_t extent, uint64_t until,
			struct walk_visit *visit)
{
	uint64_t page = walk->at * xlb_get(extent, XLB_EXTENT_PAGES) >> 30;

	for (; extent && !visit->r && xlb_flow_page_first(extent, page) < until; page++) {
		struct xlb_flow_at at = {};
		const struct xlb_flow_page *words = table_page(walk->dp, extent, page, &at);
		bool whole = xlb_flow_page_first(extent, page) >= walk->at &&
			     xlb_flow_page_first(extent, page + 1) <= until;

		walk_page(walk, words, at, until, whole, visit);
		visit->budget -= visit->budget < PAGE_COST ? visit->budget : PAGE_COST;
	}
}

/* The range of one page: of the extent with the smaller ones. */
static void walk_range(struct flow_walk *walk, struct walk_visit *visit)
{
	const struct xlb_flow_table *table = table_row(walk->dp, walk->table);
	uint64_t fine = table->extent, pages, until;

	if (xlb_get(table->old, XLB_EXTENT_PAGES) > xlb_get(fine, XLB_EXTENT_PAGES))
		fine = table->old;
	pages = xlb_get(fine, XLB_EXTENT_PAGES);
	until = xlb_flow_page_first(fine, (walk->at * pages >> 30) + 1);
	walk_extent(walk, table->old, until, visit);
	walk_extent(walk, table->extent, until, visit);
	walk->at = until;
}

int flow_walk_next(struct flow_walk *walk, uint32_t budget, flow_visit visit, void *arg,
		   bool *ret_done, struct xlb_err *err)
{
	struct walk_visit visits = { .visit = visit, .arg = arg, .budget = budget };
	int r;

	while (visits.budget && !visits.r && walk->table != XLB_TABLE_REPLIES) {
		if (walk->at < WALK_END) {
			walk_range(walk, &visits);
			continue;
		}
		walk->table++;
		walk->at = 0;
	}
	r = visits.r ? visits.r : ends_run(walk->dp, &walk->ends);
	walk->ends.count = 0;
	if (r)
		return datapath_err(err, r, "cannot end flows");
	*ret_done = walk->table == XLB_TABLE_REPLIES;
	if (*ret_done)
		walk->table = XLB_TABLE_IPV4;
	return 0;
}

double flow_walk_share(const struct flow_walk *walk, enum xlb_flow_table_id id)
{
	if (walk->table != id)
		return walk->table > id ? 1 : 0;
	return (double)walk->at / WALK_END;
}
