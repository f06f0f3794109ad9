// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Random models: what is exported reads back as the same model, as YAML and as JSON; copies and diffs agree. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/field.h"
#include "core/json.h"
#include "core/object.h"
#include "core/tree.h"
#include "xlb/lists.h"

#define ROUNDS 300

static uint32_t seed;

static uint32_t pick(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* --- making ------------------------------------------------------------------------------------- */

static void random_address(char *text, size_t size, uint32_t number, bool v6)
{
	if (v6)
		snprintf(text, size, "2001:db8::%x:%x", number >> 16, number & 0xffff);
	else
		snprintf(text, size, "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255,
			 number & 255);
}

/* A valid text for the field, or NULL for the kinds that need care. */
static const char *random_text(const struct field *field, char *text, size_t size)
{
	uint64_t span = field->max - field->min + 1;
	size_t words = 0;

	while (field->words && field->words[words].word)
		words++;
	switch (field->kind) {
	case FIELD_BOOL:
		return pick(2) ? "true" : "false";
	case FIELD_WORD:
		return field->words[pick((uint32_t)words)].word;
	case FIELD_WORDS:
		snprintf(text, size, "%s,%s", field->words[0].word,
			 field->words[1 + pick((uint32_t)words - 1)].word);
		return text;
	case FIELD_UINT:
		snprintf(text, size, "%lu", (unsigned long)(field->min + pick((uint32_t)span)));
		return text;
	case FIELD_RATE:
		snprintf(text, size, "%lu%s", (unsigned long)(field->min + pick(100000)),
			 pick(2) ? "k" : "");
		return text;
	case FIELD_TIME:
		span = field->max < 3600000 ? field->max : 3600000;
		snprintf(text, size, "%lums",
			 (unsigned long)(field->min + pick((uint32_t)(span - field->min))));
		return text;
	case FIELD_TEXTS:
		snprintf(text, size, "/%c,\"%u", 'a' + (int)pick(26), pick(1000));
		return text;
	case FIELD_TEXT:
		if (field->flags & FIELD_BYTES) {
			snprintf(text, size, "a \"\\x%02x\\r\\\\#", pick(256));
			return text;
		}
		snprintf(text, size, words ? "GET" : "/%c\"\\x:#{%u", 'a' + (int)pick(26),
			 pick(1000));
		return text;
	case FIELD_RANGE:
		snprintf(text, size, "%u-%u", 1024 + pick(1000), 3000 + pick(60000));
		return text;
	case FIELD_EXPECT:
		snprintf(text, size, "%u,%u-%u", 100 + pick(100), 200 + pick(100), 300 + pick(200));
		return text;
	default:
		return NULL;
	}
}

static void set(struct object *object, const char *field, const char *text)
{
	struct xlb_err err = {};

	if (field_set(object, field_find(object->type, field), text, &err))
		fail_msg("%s", err.text);
}

static struct object *add(struct model *model, const struct type *type, struct object *parent,
			  const char *name)
{
	struct object *object = NULL;
	struct xlb_err err = {};

	if (object_add(model, type, parent, name, &object, &err))
		fail_msg("%s", err.text);
	return object;
}

/* Fields that any value suits, each with a chance of one half. */
static void set_some(struct object *object, const char *const *except)
{
	for (size_t i = 0; i < object->type->field_count; i++) {
		const struct field *field = &object->type->fields[i];
		const char *const *name = except;
		char buffer[64];
		const char *text;

		while (*name && strcmp(*name, field->name) != 0)
			name++;
		text = random_text(field, buffer, sizeof(buffer));
		if (!*name && text && pick(2))
			set(object, field->name, text);
	}
}

static void random_check(struct object *group)
{
	static const char *const words[] = { "http", "https", "udp", "exec", "none" };
	const char *type = words[pick(5)];

	set(group, "health_check.type", type);
	set(group, "health_check.port", "80");
	if (!strncmp(type, "http", 4)) {
		set(group, "health_check.path", pick(2) ? "/healthz" : "/x?y=\"z\"\\#&{}");
		set(group, "health_check.host", pick(2) ? "null" : "[2001:db8::1]:80");
		set(group, "health_check.expect", "200,300-399");
	}
	if (!strcmp(type, "https") && pick(2))
		set(group, "health_check.verify", "false");
	else if (!strcmp(type, "https"))
		set(group, "health_check.ca", pick(2) ? "system" : "/etc/xlb/a.pem");
	if (!strcmp(type, "udp")) {
		set(group, "health_check.request", "a \"\\x00\\r\\\\: #");
		set(group, "health_check.expect", pick(2) ? "200" : "'\\xff ");
	}
	if (!strcmp(type, "exec"))
		set(group, "health_check.command",
		    pick(2) ? "/bin/true" : "/a b,- \"c\",null,#x: y");
}

/* What the group's mode may have. */
static void random_mode_fields(struct object *group)
{
	uint32_t check = ((struct server_group *)group)->health_check.type;
	uint32_t mode = ((struct server_group *)group)->forward;
	char text[64];

	if (pick(2))
		set(group, "health_check.via",
		    xlb_mode_has(mode, XLB_MODE_DIRECT) && check != CHECK_EXEC && pick(2) ?
			    "datapath" :
			    "address");
	if (xlb_mode_has(mode, XLB_MODE_ENCAP) && pick(2))
		set(group, "encapsulation", pick(2) ? "ipip" : "gue");
	if (pick(2))
		set(group, "address_family_affinity",
		    xlb_mode_has(mode, XLB_MODE_FAMILY) && pick(2) ? "none" : "same");
	if (xlb_mode_has(mode, XLB_MODE_SNAT) && pick(2)) {
		random_address(text, sizeof(text), 1 + pick(1000), false);
		set(group, "snat.addresses", text);
		snprintf(text, sizeof(text), "%u-%u", 1024 + pick(1000), 3000 + pick(60000));
		set(group, "snat.ports", text);
	}
}

/* What new flows are chosen by; true: servers may have ids there. */
static bool random_hash_fields(struct object *group)
{
	bool quic = pick(2);
	char text[16];

	if (pick(2))
		set(group, "scheduler", "maglev");
	if (quic || pick(2))
		set(group, "hash", quic ? "quic" : "tuple");
	snprintf(text, sizeof(text), "%u", 4 + pick(17));
	if (quic && pick(2))
		set(group, "quic.id_length", text);
	if (quic && pick(2))
		set(group, "quic.config", pick(2) ? "any" : "3");
	return quic;
}

/* One that goes by connection ids no more than the group does. */
static void random_fallback(struct model *model, struct object *group, uint32_t number)
{
	const struct server_group *other;
	char text[16];

	snprintf(text, sizeof(text), "g%u", number - 1);
	other = number % XLB_FALLBACKS ? model_group(model, text) : NULL;
	if (!other || other->hash == HASH_QUIC || ((struct server_group *)group)->hash == HASH_QUIC)
		return;
	set(group, "fallback", text);
	snprintf(text, sizeof(text), "%u%s", 1 + pick(100), pick(2) ? "%" : "");
	if (pick(2))
		set(group, "min_healthy", text);
}

static void random_passive(struct object *group)
{
	const struct server_group *of = (const struct server_group *)group;

	if (xlb_mode_has(of->forward, XLB_MODE_DIRECT) || of->health_check.type == CHECK_NONE ||
	    pick(2))
		return;
	set(group, "passive.failures", "7");
	if (pick(2))
		set(group, "passive.window", "30s");
	if (pick(2))
		set(group, "passive.max_ejected", pick(2) ? "3" : "25%");
}

static void random_group(struct model *model, uint32_t number)
{
	static const char *const except[] = { "health_check.method",
					      "health_check.path",
					      "health_check.host",
					      "health_check.expect",
					      "health_check.request",
					      "health_check.verify",
					      "health_check.ca",
					      "health_check.sni",
					      "health_check.command",
					      "encapsulation",
					      "address_family_affinity",
					      "snat.ports",
					      "health_check.via",
					      "scheduler",
					      "hash",
					      "quic.id_length",
					      "quic.config",
					      "min_healthy",
					      "passive.failures",
					      "passive.window",
					      "passive.max_ejected",
					      NULL };
	static const char *const server_except[] = { "port", "quic_id", NULL };
	char text[128];
	struct object *group;
	bool quic;

	snprintf(text, sizeof(text), "g%u", number);
	group = add(model, &type_server_group, NULL, text);
	set_some(group, except);
	random_check(group);
	random_mode_fields(group);
	quic = random_hash_fields(group);
	random_fallback(model, group, number);
	random_passive(group);
	for (uint32_t i = 0, n = pick(5); i < n; i++) {
		struct object *server;
		char v4[64], v6[64];

		snprintf(text, sizeof(text), "%us.%u", i, number);
		server = add(model, &type_server, group, text);
		random_address(v4, sizeof(v4), 0x20000 + number * 256 + i, false);
		random_address(v6, sizeof(v6), 0x20000 + number * 256 + i, true);
		snprintf(text, sizeof(text), "%s,%s", v4, v6);
		set(server, "address", pick(3) ? (pick(2) ? v4 : v6) : text);
		snprintf(text, sizeof(text), "%02x0a", i);
		if (quic && pick(2))
			set(server, "quic_id", text);
		set_some(server, server_except);
	}
}

/* What a listener has that ends TLS. */
static void random_tls(struct object *listener)
{
	set(listener, "certificates",
	    pick(2) ? "/etc/xlb/a.pem:/etc/xlb/a.key" :
		      "/etc/xlb/a.pem:/etc/xlb/a.key,/etc/xlb/b c.pem:/etc/xlb/b c.pem");
	set(listener, "protocol", "tls");
	if (pick(2))
		set(listener, "tls_policy", pick(2) ? "mine" : "tls_cipher_policy_1_2");
	if (pick(2))
		set(listener, "alpn", "http2-only");
	if (pick(2)) {
		set(listener, "client_auth.ca", "/etc/xlb/ca.pem");
		set(listener, "client_auth.mode", pick(2) ? "require" : "optional");
	}
	if (pick(2))
		set(listener, "proxy_protocol", "v2");
	if (pick(2))
		set(listener, pick(2) ? "server_tls.ca" : "server_tls.name",
		    pick(2) ? "system" : "/etc/xlb/servers.pem");
	if (((struct listener *)listener)->tls.server.name)
		set(listener, "server_tls.verify", "false");
}

static bool may_be_tls(const struct model *model, const struct listener *listener)
{
	const struct server_group *group =
		model_group(model, listener->server_group.shares[0].group);

	return listener->protocol == IPPROTO_TCP && !listener->port.any &&
	       !xlb_mode_has(group->forward, XLB_MODE_DIRECT) && !*group->fallback;
}

static void random_listener(struct model *model, struct object *lb, uint32_t number,
			    uint32_t groups)
{
	static const char *const except[] = { "protocol",
					      "mss",
					      "certificates",
					      "tls_policy",
					      "alpn",
					      "client_auth.mode",
					      "client_auth.ca",
					      "client_auth.crl",
					      "proxy_protocol",
					      "server_tls.ca",
					      "server_tls.verify",
					      "server_tls.name",
					      NULL };
	char text[128];
	struct object *listener;
	uint32_t port = number * 100 + 1;

	snprintf(text, sizeof(text), "L-%u", number);
	listener = add(model, &type_listener, lb, text);
	set(listener, "protocol", pick(2) ? "tcp" : "udp");
	if (pick(2))
		snprintf(text, sizeof(text), "%u-%u", port, port + 1 + pick(90));
	else
		snprintf(text, sizeof(text), "%u,%u", port, port + 1 + pick(90));
	set(listener, "port", !number && pick(2) ? "any" : text);
	snprintf(text, sizeof(text), "g%u", pick(groups));
	set(listener, "server_group", text);
	snprintf(text, sizeof(text), "%u", 88 + pick(9000));
	if (((struct listener *)listener)->protocol == IPPROTO_TCP && pick(2))
		set(listener, "mss", text);
	if (may_be_tls(model, (const struct listener *)listener) && pick(2))
		random_tls(listener);
	set_some(listener, except);
}

static struct model *random_model(void)
{
	static const char *const none[] = { NULL };
	struct model *model = model_new();
	uint32_t groups = 1 + pick(4);
	char text[128], addr[64];
	struct xlb_err err = {};
	struct object *policy;

	for (uint32_t i = 0; i < groups; i++)
		random_group(model, i);
	set_some(&model->flow_table.object, none);
	set_some(&model->tls.object, none);
	policy = add(model, &type_tls_policy, NULL, "mine");
	set(policy, "versions", "TLSv1.2,TLSv1.3");
	set(policy, "ciphers", "TLS_AES_128_GCM_SHA256,ECDHE-RSA-AES128-GCM-SHA256");
	model->has_interfaces = pick(2);
	for (uint32_t i = 0, n = model->has_interfaces ? pick(3) : 0; i < n; i++) {
		snprintf(text, sizeof(text), "eth0.%u", i);
		set_some(add(model, &type_interface, NULL, text), none);
	}
	for (uint32_t i = 0, n = pick(4); i < n; i++) {
		struct object *lb;

		snprintf(text, sizeof(text), "lb%u", i);
		lb = add(model, &type_load_balancer, NULL, text);
		random_address(addr, sizeof(addr), 0xff0000 + i, i & 1);
		set(lb, "addresses", addr);
		set_some(lb, none);
		for (uint32_t j = 0, m = pick(5); j < m; j++)
			random_listener(model, lb, j, groups);
	}
	if (model_check(model, &err))
		fail_msg("%s", err.text);
	return model;
}

/* --- comparing ---------------------------------------------------------------------------------- */

static struct model *read_back(const char *text)
{
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;
	struct xlb_err err = {};

	if (tree_parse("x", text, strlen(text), &tree, &err) || model_from_tree(tree, &model, &err))
		fail_msg("%u:%u %s\n%s", err.line, err.column, err.text, text);
	return model;
}

/* Same text, same flags, no difference. */
static void assert_same(const struct model *a, const struct model *b)
{
	AUTO_FREE char *x = model_export(a), *y = model_export(b);
	struct model_changes changes = {};

	assert_string_equal(x, y);
	assert_int_equal(a->has_interfaces, b->has_interfaces);
	assert_int_equal(model_diff(a, b, &changes), 0);
	assert_string_equal(changes.lines, "");
	assert_int_equal(changes.added + changes.changed + changes.removed, 0);
	free(changes.lines);
}

static void round_trips(void **state)
{
	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		uint32_t before = seed;
		AUTO(model_free) struct model *model = random_model();
		AUTO(model_free) struct model *copy = model_copy(model);
		AUTO_FREE char *text = model_export(model);
		AUTO(model_free) struct model *from_yaml = read_back(text);
		AUTO_FREE char *json_text = model_json(model);
		AUTO(model_free) struct model *from_json = read_back(json_text);

		assert_same(model, copy);
		assert_same(model, from_yaml);
		assert_same(model, from_json);
		seed = before;
	}
}

/* The lines of a diff say how many objects come, change and go; there and back they mirror each other. */
static void diffs_mirror(void **state)
{
	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		uint32_t before = seed;
		AUTO(model_free) struct model *a = random_model();
		AUTO(model_free) struct model *b = random_model();
		struct model_changes there = {}, back = {};
		uint32_t plus = 0, minus = 0;

		a->has_interfaces = b->has_interfaces = true;
		assert_int_equal(model_diff(a, b, &there), 0);
		assert_int_equal(model_diff(b, a, &back), 0);
		assert_int_equal(there.added, back.removed);
		assert_int_equal(there.removed, back.added);
		assert_int_equal(there.changed, back.changed);
		for (const char *p = there.lines; *p; p = strchr(p, '\n') + 1) {
			plus += *p == '+';
			minus += *p == '-';
			assert_non_null(strchr("+-~", *p));
		}
		assert_int_equal(plus, there.added);
		assert_int_equal(minus, there.removed);
		free(there.lines);
		free(back.lines);
		seed = before;
	}
}

static void diff_lines(void **state)
{
	AUTO(model_free)
	struct model *a = read_back(
		"version: 1\ninterfaces: {eth0: {mode: native}}\nserver_groups:\n"
		"  web:\n    drain: {timeout: 5m}\n    servers:\n"
		"      web1: {address: 10.0.1.11, port: 8080}\n      web2: {address: 10.0.1.12, port: 8080}\n"
		"load_balancers:\n  edge:\n    addresses: 1.2.3.4\n    listeners:\n"
		"      http: {protocol: tcp, port: 80, server_group: web}\n");
	AUTO(model_free)
	struct model *b = read_back(
		"version: 1\nserver_groups:\n  web:\n    servers:\n"
		"      web3: {address: 10.0.1.13, port: 8080, weight: 50}\n"
		"      web1: {address: [10.0.1.11, \"2001:db8::1\"], port: 8080, weight: 10}\n");
	struct model_changes changes = {};

	(void)state;
	assert_int_equal(model_diff(a, b, &changes), 0);
	assert_string_equal(
		changes.lines,
		"- load_balancers.edge\n"
		"- load_balancers.edge.listeners.http\n"
		"~ server_groups.web.drain.timeout: 5m -> none\n"
		"~ server_groups.web.servers.web1.address: 10.0.1.11 -> [10.0.1.11, \"2001:db8::1\"]\n"
		"~ server_groups.web.servers.web1.weight: 100 -> 10\n"
		"- server_groups.web.servers.web2\n"
		"+ server_groups.web.servers.web3: {address: 10.0.1.13, port: 8080, weight: 50}\n");
	assert_int_equal(changes.added, 1);
	assert_int_equal(changes.changed, 2);
	assert_int_equal(changes.removed, 3);
	free(changes.lines);

	/* written or not, a default is a default */
	b->has_interfaces = true;
	assert_int_equal(model_diff(b, b, &changes), 0);
	assert_string_equal(changes.lines, "");
	free(changes.lines);
	assert_int_equal(model_diff(a, b, &changes), 0);
	assert_memory_equal(changes.lines, "- interfaces.eth0\n", 18);
	free(changes.lines);
}

static void diff_of_the_flow_table(void **state)
{
	static const struct {
		const char *from, *to, *lines;
	} rows[] = {
		{ "version: 1\n", "version: 1\nflow_table: {}\n", "" },
		{ "version: 1\nflow_table: {max: 2000}\n", "version: 1\nflow_table: {max: 2000}\n",
		  "" },
		{ "version: 1\nflow_table: {max: 1000000}\n",
		  "version: 1\nflow_table: {max: 2000000}\n",
		  "~ flow_table.max: 1000000 -> 2000000\n" },
		{ "version: 1\n", "version: 1\nflow_table: {max: 2000000}\n",
		  "~ flow_table.max: none -> 2000000\n" },
		{ "version: 1\nflow_table: {max: 1000000}\n", "version: 1\n",
		  "~ flow_table.max: 1000000 -> none\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO(model_free) struct model *from = read_back(rows[i].from);
		AUTO(model_free) struct model *to = read_back(rows[i].to);
		struct model_changes changes = {};

		assert_int_equal(model_diff(from, to, &changes), 0);
		assert_string_equal(changes.lines, rows[i].lines);
		assert_int_equal(changes.changed, *rows[i].lines != 0);
		assert_int_equal(changes.added + changes.removed, 0);
		free(changes.lines);
	}
}

/* A field changed by hand, without saying so, is exported too; what follows from others is not. */
static void changed_by_hand(void **state)
{
	AUTO(model_free)
	struct model *model =
		read_back("version: 1\nserver_groups: {w: {servers: {a: {address: 10.0.0.1, "
			  "port: 80}}}}\n");
	struct server *server = (struct server *)TAILQ_FIRST(&model_group(model, "w")->servers);
	AUTO_FREE char *text = NULL;

	(void)state;
	server->enabled = false;
	text = model_export(model);
	assert_string_equal(text, "version: 1\nserver_groups:\n  w:\n    servers:\n"
				  "      a: {address: 10.0.0.1, port: 80, enabled: false}\n");
}

static void interfaces_of_none(void **state)
{
	AUTO(model_free) struct model *model = read_back("version: 1\ninterfaces: {}\n");
	AUTO_FREE char *text = model_export(model);

	(void)state;
	assert_string_equal(text, "version: 1\ninterfaces: {}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),	   cmocka_unit_test(diffs_mirror),
		cmocka_unit_test(diff_lines),	   cmocka_unit_test(diff_of_the_flow_table),
		cmocka_unit_test(changed_by_hand), cmocka_unit_test(interfaces_of_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
