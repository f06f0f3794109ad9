// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The flow table of the fake engine, and the pokes of flows that are killed; part of fake_engine.c. */
struct fake_flow *fake_engine_add_flow(struct engine *engine, uint32_t n)
{
	size_t capacity = engine->flow_capacity ? engine->flow_capacity * 2 : 64;
	struct fake_flow *made;

	if (engine->flow_count == engine->flow_capacity) {
		made = reallocarray(engine->flow_table, capacity, sizeof(*made));
		if (!made)
			abort();
		engine->flow_table = made;
		engine->flow_capacity = capacity;
	}
	made = &engine->flow_table[engine->flow_count];
	*made = (struct fake_flow){
		.key = { .client_port = htons((uint16_t)(1024 + n % 60000)),
			 .vip = 1,
			 .port = htons(80),
			 .protocol = IPPROTO_TCP,
			 .family = XLB_IPV4 },
		.flow = { .at = { .chunk = (uint32_t)engine->flow_count++ },
			  .stamp = FAKE_NOW,
			  .created = FAKE_NOW - n,
			  .state = XLB_FLOW_ESTABLISHED,
			  .server = 1,
			  .listener = 1,
			  .snat = 1,
			  .snat_port = htons(40000),
			  .server_port = htons(8080),
			  .reply = { .mac = { 2, [5] = 9 }, .interface = 1 } },
	};
	xlb_addr_set_ipv4(&made->key.client, htonl(0xcb007100 + n / 60000)); /* 203.0.113.0 */
	parse_addr("198.51.100.10", &made->flow.vip);
	return made;
}

struct fake_flow *fake_engine_flow(struct engine *engine, size_t at)
{
	return &engine->flow_table[at];
}

struct flow_walk {
	struct engine *engine;
	size_t next;
};

struct flow_walk *flow_walk_new(struct datapath *dp)
{
	struct flow_walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		abort();
	walk->engine = (struct engine *)dp;
	return walk;
}

struct flow_walk *flow_walk_free(struct flow_walk *walk)
{
	free(walk);
	return NULL;
}

int flow_walk_next(struct flow_walk *walk, uint32_t budget, flow_visit visit, void *arg,
		   bool *ret_done, struct xlb_err *err)
{
	(void)err;
	for (; budget && walk->next < walk->engine->flow_count; budget--) {
		const struct fake_flow *at = &walk->engine->flow_table[walk->next++];

		if (visit(arg, &at->key, &at->flow) != FLOW_KEEP)
			abort(); /* lists and kills end flows by themselves */
	}
	*ret_done = walk->next == walk->engine->flow_count;
	return 0;
}

static struct fake_flow *flow_find(struct datapath *dp, const struct xlb_flow_key *key)
{
	struct engine *engine = (struct engine *)dp;
	size_t i;

	for (i = 0; i < engine->flow_count; i++)
		if (!memcmp(&engine->flow_table[i].key, key, sizeof(*key)))
			return &engine->flow_table[i];
	return NULL;
}

int datapath_flow_get(struct datapath *dp, const struct xlb_flow_key *key, struct xlb_flow *ret)
{
	const struct fake_flow *found = flow_find(dp, key);

	if (!found)
		return -ENOENT;
	*ret = found->flow;
	return 0;
}

int datapath_flow_end(struct datapath *dp, const struct xlb_flow *flow, enum flow_action action)
{
	struct fake_flow *found = &((struct engine *)dp)->flow_table[flow->at.chunk];

	if (found->changes) { /* a packet comes first */
		found->changes--;
		found->flow.live++;
	}
	if (found->flow.live != flow->live)
		return -EAGAIN;
	found->flow.state = action == FLOW_DELETE ? XLB_FLOW_FREE : XLB_FLOW_TOMBSTONE;
	return 0;
}

uint32_t datapath_stamp(void)
{
	return FAKE_NOW;
}

uint32_t engine_idle_timeout(const struct engine *engine, uint32_t listener)
{
	(void)engine;
	(void)listener;
	return 900;
}

struct poke fake_pokes[FAKE_POKES];
size_t fake_poke_count;

int poker_open(struct poker **ret, struct xlb_err *err)
{
	(void)err;
	*ret = NULL;
	return 0;
}

struct poker *poker_close(struct poker *poker)
{
	(void)poker;
	return NULL;
}

int poker_poke(const struct poker *poker, const struct xlb_addr *from, __be16 from_port,
	       const struct xlb_addr *to, __be16 to_port)
{
	(void)poker;
	if (fake_poke_count == FAKE_POKES)
		return -ENOBUFS;
	fake_pokes[fake_poke_count++] = (struct poke){ *from, *to, from_port, to_port };
	return 0;
}
