// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which flows a filter means, and the state that a record stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "core/flow_filter.h"
#include "xlb/lifetime.h"

#define NOW  100000
#define IDLE 900

static unsigned int bits_of(const struct xlb_addr *mask)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < sizeof(mask->bytes); i++)
		bits += (unsigned int)__builtin_popcount(mask->bytes[i]);
	return bits;
}

static void ends_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *addr;
		unsigned int prefix;
		uint16_t port;
	} rows[] = {
		{ "203.0.113.9", 0, "203.0.113.9", 128, 0 },
		{ "203.0.113.9:51000", 0, "203.0.113.9", 128, 51000 },
		{ "203.0.113.0/24", 0, "203.0.113.0", 120, 0 },
		{ "0.0.0.0/0", 0, "0.0.0.0", 96, 0 },
		{ "2001:db8::9", 0, "2001:db8::9", 128, 0 },
		{ "[2001:db8::9]:443", 0, "2001:db8::9", 128, 443 },
		{ "2001:db8::/33", 0, "2001:db8::", 33, 0 },
		{ "::/0", 0, "::", 0, 0 },
		{ "203.0.113.9/24", -ERANGE, NULL, 0, 0 },
		{ "2001:db8:8000::/32", -ERANGE, NULL, 0, 0 },
		{ "203.0.113.0/33", -EINVAL, NULL, 0, 0 },
		{ "203.0.113.0/", -EINVAL, NULL, 0, 0 },
		{ "/24", -EINVAL, NULL, 0, 0 },
		{ "203.0.113.9:0", -EINVAL, NULL, 0, 0 },
		{ "203.0.113.9:70000", -EINVAL, NULL, 0, 0 },
		{ "203.0.113.0/24:80", -EINVAL, NULL, 0, 0 },
		{ "client.example", -EINVAL, NULL, 0, 0 },
		{ "", -EINVAL, NULL, 0, 0 },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64", -EINVAL, NULL, 0,
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_end end = { .port = 77 };
		char addr[ADDR_TEXT_MAX];
		int r = flow_end_parse(rows[i].text, &end);

		if (r != rows[i].r)
			fail_msg("'%s': %d instead of %d", rows[i].text, r, rows[i].r);
		if (r) {
			assert_int_equal(end.port, 77); /* untouched */
			continue;
		}
		format_addr(&end.addr, addr);
		assert_string_equal(addr, rows[i].addr);
		assert_int_equal(bits_of(&end.mask), rows[i].prefix);
		assert_int_equal(ntohs(end.port), rows[i].port);
	}
}

static void make_flow(struct xlb_flow_key *key, struct xlb_flow *flow)
{
	*key = (struct xlb_flow_key){ .vip = 1,
				      .client_port = htons(51000),
				      .port = htons(80),
				      .protocol = IPPROTO_TCP,
				      .family = XLB_IPV4 };
	*flow = (struct xlb_flow){
		.stamp = NOW, .state = XLB_FLOW_ESTABLISHED, .server = 2, .listener = 2
	};
	assert_int_equal(parse_addr("203.0.113.9", &key->client), 0);
	assert_int_equal(parse_addr("198.51.100.10", &flow->vip), 0);
}

/* True if a client (and a VIP) of the text is met by the flow above. */
static bool client_meets(const char *client, const char *vip)
{
	struct flow_filter filter = {};
	struct xlb_flow_key key;
	struct xlb_flow flow;

	make_flow(&key, &flow);
	if (client)
		assert_int_equal(flow_end_parse(client, &filter.client), 0);
	if (vip)
		assert_int_equal(flow_end_parse(vip, &filter.vip), 0);
	return flow_filter_matches(&filter, &key, &flow, flow.state);
}

static void ends_are_met(void **state)
{
	(void)state;
	assert_true(client_meets(NULL, NULL));
	assert_true(client_meets("203.0.113.9", NULL));
	assert_true(client_meets("203.0.113.9:51000", NULL));
	assert_true(client_meets("203.0.113.8/31", NULL));
	assert_true(client_meets("203.0.0.0/9", NULL));
	assert_false(client_meets("203.128.0.0/9", NULL));
	assert_true(client_meets("203.0.112.0/22", "198.51.100.10:80"));
	assert_true(client_meets("0.0.0.0/0", NULL));
	assert_true(client_meets("::/0", NULL));
	assert_false(client_meets("2000::/3", NULL));
	assert_false(client_meets("203.0.113.10", NULL));
	assert_false(client_meets("203.0.113.9:51001", NULL));
	assert_false(client_meets("203.0.113.10/31", NULL));
	assert_false(client_meets(NULL, "198.51.100.10:81"));
	assert_false(client_meets(NULL, "198.51.100.11"));
}

static void words_are_met(void **state)
{
	struct flow_filter filter = {};
	struct xlb_flow_key key;
	struct xlb_flow flow;
	char list[80];

	(void)state;
	make_flow(&key, &flow);
	filter.protocol = IPPROTO_UDP;
	assert_false(flow_filter_matches(&filter, &key, &flow, XLB_FLOW_ESTABLISHED));
	filter.protocol = IPPROTO_TCP;
	filter.state = flow_state_by_word("established");
	assert_true(flow_filter_matches(&filter, &key, &flow, XLB_FLOW_ESTABLISHED));
	assert_false(flow_filter_matches(&filter, &key, &flow, XLB_FLOW_CLOSED));
	assert_false(flow_filter_matches(&filter, &key, &flow, 0));
	filter.state = 0;
	filter.alive = true;
	for (uint8_t i = 0; i <= XLB_FLOW_TOMBSTONE; i++)
		assert_int_equal(flow_filter_matches(&filter, &key, &flow, i),
				 i >= XLB_FLOW_NEW && i <= XLB_FLOW_CLOSING);
	assert_int_equal(flow_state_by_word("dead"), 0);
	flow_state_list(list, sizeof(list));
	assert_string_equal(list, "new, established, closing, closed, tombstone");
}

static uint32_t id_of(struct ids *ids, enum id_kind kind, const char *key)
{
	const struct id_entry *entry = ids_get(ids, kind, key);

	assert_non_null(entry);
	return entry->id;
}

/* The ids 1.. of servers or listeners that the filter wants, as bits. */
static unsigned int wanted(const bool *ids)
{
	unsigned int bits = 0;

	for (unsigned int i = 1; i < 8; i++)
		bits |= (unsigned int)ids[i] << i;
	return bits;
}

static void names_become_ids(void **state)
{
	struct flow_filter filter = {};
	struct ids *ids = ids_new();
	struct xlb_flow_key key;
	struct xlb_flow flow;
	bool found;

	(void)state;
	assert_int_equal(id_of(ids, ID_LISTENER, "edge/http"), 1);
	assert_int_equal(id_of(ids, ID_LISTENER, "edge/https"), 2);
	assert_int_equal(id_of(ids, ID_LISTENER, "edge2/http"), 3);
	assert_int_equal(id_of(ids, ID_SERVER, "web/web1@10.0.1.11 port 80"), 1);
	assert_int_equal(id_of(ids, ID_SERVER, "web/web1@10.0.1.11 port 81"), 2);
	assert_int_equal(id_of(ids, ID_SERVER, "web/web11@10.0.1.12 port 80"), 3);
	assert_int_equal(id_of(ids, ID_SERVER, "webx/web1@10.0.1.12 port 80"), 4);

	assert_int_equal(flow_filter_resolve(&filter, ids, &found), 0);
	assert_true(found);
	assert_null(filter.listeners);
	assert_null(filter.servers);
	filter.load_balancer = "edge";
	filter.server = "web/web1"; /* all its ids: that of before a change of port too */
	assert_int_equal(flow_filter_resolve(&filter, ids, &found), 0);
	assert_true(found);
	assert_int_equal(wanted(filter.listeners), 1 << 1 | 1 << 2);
	assert_int_equal(wanted(filter.servers), 1 << 1 | 1 << 2);
	make_flow(&key, &flow);
	assert_true(flow_filter_matches(&filter, &key, &flow, flow.state));
	flow.server = 3;
	assert_false(flow_filter_matches(&filter, &key, &flow, flow.state));
	flow.server = 2;
	flow.listener = 3;
	assert_false(flow_filter_matches(&filter, &key, &flow, flow.state));
	flow.listener = UINT32_MAX;
	assert_false(flow_filter_matches(&filter, &key, &flow, flow.state));

	filter.load_balancer = NULL;
	filter.listener = "edge/http";
	filter.server = NULL;
	filter.group = "web";
	ids_release(ids, ID_SERVER, 1);
	assert_int_equal(flow_filter_resolve(&filter, ids, &found), 0);
	assert_true(found);
	assert_int_equal(wanted(filter.listeners), 1 << 1);
	assert_int_equal(wanted(filter.servers), 1 << 2 | 1 << 3);
	filter.listener = "edge/http1";
	assert_int_equal(flow_filter_resolve(&filter, ids, &found), 0);
	assert_false(found);
	assert_int_equal(wanted(filter.listeners), 0);
	flow_filter_done(&filter);
	ids_free(ids);
}

/* What a record is that was silent for so many seconds. */
static uint8_t state_after(uint8_t protocol, uint8_t state, uint8_t flags, uint32_t seconds)
{
	struct xlb_flow_key key;
	struct xlb_flow flow;

	make_flow(&key, &flow);
	key.protocol = protocol;
	flow.state = state;
	flow.flags = flags;
	return flow_state(&key, &flow, NOW + xlb_lifetime_units(seconds) + 1, IDLE);
}

static void silence_ends_flows(void **state)
{
	struct xlb_flow_key key;
	struct xlb_flow flow;

	(void)state;
	assert_int_equal(state_after(IPPROTO_TCP, XLB_FLOW_ESTABLISHED, 0, IDLE - 10),
			 XLB_FLOW_ESTABLISHED);
	assert_int_equal(state_after(IPPROTO_TCP, XLB_FLOW_ESTABLISHED, 0, IDLE),
			 XLB_FLOW_TOMBSTONE);
	assert_int_equal(
		state_after(IPPROTO_TCP, XLB_FLOW_ESTABLISHED, 0, IDLE + XLB_TIMEOUT_TOMBSTONE), 0);
	assert_int_equal(state_after(IPPROTO_UDP, XLB_FLOW_ESTABLISHED, 0, IDLE - 10),
			 XLB_FLOW_ESTABLISHED);
	assert_int_equal(state_after(IPPROTO_UDP, XLB_FLOW_ESTABLISHED, 0, IDLE), 0);
	assert_int_equal(state_after(IPPROTO_TCP, XLB_FLOW_CLOSING, XLB_FLOW_RST_CLIENT, 1),
			 XLB_FLOW_CLOSING);
	assert_int_equal(state_after(IPPROTO_TCP, XLB_FLOW_CLOSING, XLB_FLOW_RST_CLIENT,
				     XLB_TIMEOUT_RST),
			 0);
	make_flow(&key, &flow);
	flow.rest = true;
	assert_int_equal(flow_state(&key, &flow, NOW, IDLE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_are_parsed),    cmocka_unit_test(ends_are_met),
		cmocka_unit_test(words_are_met),      cmocka_unit_test(names_become_ids),
		cmocka_unit_test(silence_ends_flows),
	};

	return cmocka_run_group_tests_name("flow_filter", tests, NULL, NULL);
}
