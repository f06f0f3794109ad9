// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/field.h"
#include "core/object.h"
#include "core/tree.h"
#include "xlb/lists.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* the text of DESIGN's example, as far as it is built */
static const char example[] =
	"version: 1\n"
	"interfaces:\n"
	"  eth0: {mode: native}\n"
	"load_balancers:\n"
	"  edge:\n"
	"    addresses: [198.51.100.10, \"2001:db8::10\"]\n"
	"    listeners:\n"
	"      http: {protocol: tcp, port: 80, server_group: web}\n"
	"      games: {protocol: udp, port: 10000-20000, server_group: games, idle_timeout: 90s}\n"
	"server_groups:\n"
	"  web:\n"
	"    forward: fullnat\n"
	"    scheduler: maglev\n"
	"    snat: {addresses: [10.0.1.2, 10.0.1.3]}\n"
	"    drain: {timeout: 5m}\n"
	"    health_check: {type: http, interval: 2s, timeout: 1s, path: /healthz}\n"
	"    servers:\n"
	"      web1: {address: 10.0.1.11, port: 8080, weight: 100}\n"
	"      web2: {address: [10.0.1.12, \"2001:db8:1::12\"], port: 8080, weight: 50}\n"
	"  games:\n"
	"    health_check: {type: tcp, port: 9000}\n"
	"    servers:\n"
	"      g1: {address: 10.0.1.21}\n";

static int read_text(const char *text, struct model **ret, struct xlb_err *err)
{
	AUTO(tree_free) struct tree *tree = NULL;
	int r = tree_parse("x.yaml", text, strlen(text), &tree, err);

	return r ? r : model_from_tree(tree, ret, err);
}

static struct model *model_of(const char *text)
{
	struct model *model = NULL;
	struct xlb_err err = {};

	if (read_text(text, &model, &err))
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.text);
	return model;
}

static struct object *object_at(struct model *model, const char *path)
{
	struct object *parent, *object = NULL;
	const struct type *type;
	struct xlb_err err = {};

	if (model_walk(model, path, &type, &parent, &object, &err))
		fail_msg("%s", err.text);
	assert_non_null(object);
	return object;
}

static int merge(struct model *model, const char *path, const char *body, struct xlb_err *err)
{
	AUTO(tree_free) struct tree *tree = NULL;
	int r = tree_parse("body", body, strlen(body), &tree, err);

	return r ? r : object_merge(model, object_at(model, path), tree, tree->root, err);
}

static void assert_export(const struct model *model, const char *text)
{
	AUTO_FREE char *exported = model_export(model);

	assert_string_equal(exported, text);
}

/* --- good input --------------------------------------------------------------------------------- */

static void good_example(void **state)
{
	AUTO(model_free) struct model *model = model_of(example);
	const struct listener *games =
		(struct listener *)object_at(model, "load_balancers/edge/listeners/games");
	const struct listener *http =
		(struct listener *)object_at(model, "load_balancers/edge/listeners/http");
	const struct server_group *web = model_group(model, "web");
	const struct server *web2 =
		(struct server *)object_at(model, "server_groups/web/servers/web2");

	(void)state;
	assert_true(model->has_interfaces);
	assert_int_equal(((struct interface *)object_at(model, "interfaces/eth0"))->mode,
			 XLB_ATTACH_NATIVE);
	assert_int_equal(model_lb(model, "edge")->addresses.count, 2);
	assert_true(model_lb(model, "edge")->enabled);
	assert_int_equal(games->protocol, IPPROTO_UDP);
	assert_int_equal(games->port.ranges[0].from, 10000);
	assert_int_equal(games->port.ranges[0].to, 20000);
	assert_int_equal(games->idle_timeout, 90000);
	assert_int_equal(http->idle_timeout, 900000);
	assert_int_equal(http->mss, 0);
	assert_string_equal(http->server_group.shares[0].group, "web");
	assert_int_equal(web->forward, XLB_MODE_FULLNAT);
	assert_int_equal(web->drain_timeout, 300000);
	assert_int_equal(web->snat_addresses.count, 2);
	assert_int_equal(web->snat_ports.from, 1024);
	assert_int_equal(web->health_check.type, CHECK_HTTP);
	assert_int_equal(web->health_check.unhealthy_threshold, 3);
	assert_string_equal(web->health_check.path, "/healthz");
	assert_string_equal(web->health_check.method, "GET");
	assert_null(web->health_check.host);
	assert_int_equal(web->health_check.expect.codes.ranges[0].to, 399);
	assert_int_equal(model_group(model, "games")->drain_timeout, UINT64_MAX);
	assert_int_equal(web2->address.count, 2);
	assert_int_equal(web2->weight, 50);
	assert_export(model, example);
}

/* single ports inside ranges, ranges inside any, tcp beside udp, aliases, sections without content */
static void good_texts(void **state)
{
	static const char *const texts[] = {
		"version: 1\n",
		"{\"version\": 1, \"load_balancers\": {}, \"interfaces\": {}}",
		"version: \"1\"\nload_balancers:\nserver_groups:\n  w:\n    servers:\n",
		"version: 1\nserver_groups: {w: {scheduler: Tch, health_check: {}}}\n",
		"version: 1\nserver_groups: {a: {scheduler: Sch}, b: {scheduler: wrr}, c: {scheduler: RR}, d: {scheduler: wlc}, "
		"e: {hash: source}, f: {scheduler: sch, hash: source}}\n",
		"version: 1\nserver_groups: {w: {health_check: {type: none, interval: 3s}, servers: {a: {address: 10.0.0.1}, b: "
		"{address: 10.0.0.1, port: 5}}}}\n",
		"version: 1\nserver_groups: {w: {health_check: {type: none}}}\n"
		"load_balancers:\n  e:\n    addresses: 1.2.3.4\n    listeners:\n"
		"      a: {protocol: tcp, port: any, server_group: w}\n"
		"      b: {protocol: tcp, port: 100-200, server_group: w}\n"
		"      c: {protocol: tcp, port: [150, 80], server_group: w}\n"
		"      d: {protocol: udp, port: [150, 80], server_group: w}\n"
		"      e: {protocol: udp, port: \"any\", server_group: w}\n"
		"  f:\n    addresses: 1.2.3.5\n    listeners:\n"
		"      a: {protocol: tcp, port: any, server_group: w}\n",
		/* the same server in two groups; tcp and udp behind one group with a port */
		"version: 1\nserver_groups: {w: {servers: {a: {address: 10.0.0.1, port: 53}}}, x: {servers: {a: {address: "
		"10.0.0.1, port: 53}}}}\n"
		"load_balancers: {e: {addresses: 1.2.3.4, listeners: {a: {protocol: tcp, port: 53, server_group: w}, b: "
		"{protocol: udp, port: 53, server_group: w}}}}\n",
		/* each mode with what it may have; in dr and tunnel a server may name the listener's port */
		"version: 1\nserver_groups:\n"
		"  w: {forward: nat, address_family_affinity: same, snat: {addresses: 10.0.0.2, ports: 2000-3000}}\n"
		"  x: {forward: tunnel, encapsulation: gue, address_family_affinity: none}\n"
		"  y: {forward: fullnat, address_family_affinity: same}\n"
		"  z: {forward: dr, servers: {a: {address: 10.0.0.1, port: 53}}}\n"
		"load_balancers: {e: {addresses: 1.2.3.4, listeners: {a: {protocol: tcp, port: 53, server_group: z}, b: "
		"{protocol: udp, port: 53, server_group: z}}}}\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		AUTO(model_free) struct model *model = model_of(texts[i]);
		AUTO_FREE char *exported = model_export(model);
		AUTO(model_free) struct model *again = model_of(exported);

		print_message("# %zu\n%s", i, exported);
		assert_export(again, exported);
		assert_int_equal(again->has_interfaces, model->has_interfaces);
	}
}

/* Absent as a section or as a key, it is 0; a section that says nothing is not exported. */
static void flow_table(void **state)
{
	static const struct {
		const char *text;
		uint32_t max;
		const char *exported;
	} rows[] = {
		{ "version: 1\n", 0, "version: 1\n" },
		{ "version: 1\nflow_table:\n", 0, "version: 1\n" },
		{ "version: 1\nflow_table: {}\n", 0, "version: 1\n" },
		{ "version: 1\nflow_table: {max: 1024}\n", 1024,
		  "version: 1\nflow_table: {max: 1024}\n" },
		{ "server_groups: {w: {}}\nflow_table:\n  max: \"268435456\"\nversion: 1\n",
		  268435456,
		  "version: 1\nflow_table: {max: 268435456}\nserver_groups:\n  w: {}\n" },
		{ "{\"version\": 1, \"flow_table\": {\"max\": 100000000}}", 100000000,
		  "version: 1\nflow_table: {max: 100000000}\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(model_free) struct model *model = model_of(rows[i].text);
		AUTO(model_free) struct model *copy = model_copy(model);

		print_message("# %s\n", rows[i].text);
		assert_int_equal(model->flow_table.max, rows[i].max);
		assert_export(model, rows[i].exported);
		assert_int_equal(copy->flow_table.max, rows[i].max);
		assert_export(copy, rows[i].exported);
	}
}

static void any_is_every_port(void **state)
{
	AUTO(model_free)
	struct model *model = model_of(
		"version: 1\nserver_groups: {w: {health_check: {type: none}}}\n"
		"load_balancers: {e: {addresses: 1.2.3.4, listeners: {h: {protocol: tcp, ports: [{from: 1, to: "
		"65535}], server_group: w}}}}\n");
	const struct listener *listener =
		(struct listener *)object_at(model, "load_balancers/e/listeners/h");
	AUTO_FREE char *port = field_print(&listener->object, field_find(&type_listener, "port"));

	(void)state;
	assert_true(listener->port.any);
	assert_int_equal(listener->port.count, 1);
	assert_string_equal(port, "any");
}

static void presets_are_valid(void **state)
{
	(void)state;
	for (const struct type *const *type = types; *type; type++) {
		AUTO(object_free) struct object *object = object_new(*type, "x");

		assert_non_null(object);
		assert_int_equal(object->set, 0);
		assert_true((*type)->field_count <= 64);
		assert_ptr_equal(type_find((*type)->plural), *type);
		assert_ptr_equal(type_find((*type)->singular), *type);
		assert_ptr_equal(type_find((*type)->cli), *type);
		for (size_t i = 0; i < (*type)->field_count; i++) {
			const struct field *field = &(*type)->fields[i];
			AUTO_FREE char *before = field_print(object, field);
			AUTO_FREE char *after = NULL;
			struct xlb_err err = {};

			print_message("# %s.%s\n", (*type)->singular, field->name);
			assert_true(field->help && *field->help);
			if (!field->preset)
				continue;
			assert_int_equal(field_set(object, field, field->preset, &err), 0);
			after = field_print(object, field);
			assert_string_equal(before, after);
			assert_string_equal(after, field->preset);
		}
	}
	assert_null(type_find("nothing"));
	assert_null(field_find(&type_server, "nothing"));
}

/* --- changes ------------------------------------------------------------------------------------ */

static void text_from_the_command_line(void **state)
{
	static const struct {
		const char *path, *field, *text, *printed; /* printed NULL: refused */
	} rows[] = {
		{ "server_groups/web/servers/web1", "address", "10.0.1.13:9090", "10.0.1.13" },
		{ "server_groups/web/servers/web1", "port", "9090", "9090" },
		{ "server_groups/web/servers/web1", "address", "10.0.1.13:80,[2001:db8::1]:80",
		  "[10.0.1.13, \"2001:db8::1\"]" },
		{ "server_groups/web/servers/web1", "address", "10.0.1.13:80,[2001:db8::1]:81",
		  NULL },
		{ "server_groups/web/servers/web1", "address", "web1:80", NULL },
		{ "server_groups/web/servers/web1", "address", "", NULL },
		{ "server_groups/web/servers/web1", "weight", "10", "10" },
		{ "server_groups/web/servers/web1", "weight", "10,11", NULL },
		{ "server_groups/web/servers/web1", "enabled", "false", "false" },
		{ "load_balancers/edge/listeners/http", "port", "80, 443,1000-2000",
		  "[80, 443, 1000-2000]" },
		{ "load_balancers/edge/listeners/http", "port", "80,,443", NULL },
		{ "load_balancers/edge/listeners/http", "port", "80 90", NULL },
		{ "load_balancers/edge/listeners/http", "port", " 80 , 90 ", "[80, 90]" },
		{ "load_balancers/edge", "addresses", "198.51.100.10,2001:db8::10",
		  "[198.51.100.10, \"2001:db8::10\"]" },
		{ "server_groups/web", "health_check.expect", "200-299,301", "[200-299, 301]" },
		{ "server_groups/web", "health_check.expect", "a, b ", "\"a, b \"" },
		{ "server_groups/web", "health_check.command", "/a, b c", "[/a, \"b c\"]" },
		{ "server_groups/web", "health_check.method", "head", "HEAD" },
		{ "server_groups/web", "health_check.host", "a\"b", "\"a\\\"b\"" },
		{ "server_groups/web", "health_check.interval", "120s", "2m" },
		{ "interfaces/eth0", "fix", "rp_filter,lro", "[lro, rp_filter]" },
		{ "interfaces/eth0", "fix", "gro", "[gro]" },
		{ "interfaces/eth0", "fix", "gro,gro", NULL },
		{ "interfaces/eth0", "fix", "gr0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(model_free) struct model *model = model_of(example);
		struct object *object = object_at(model, rows[i].path);
		const struct field *field = field_find(object->type, rows[i].field);
		AUTO_FREE char *before = field_print(object, field);
		AUTO_FREE char *after = NULL;
		struct xlb_err err = {};
		int r = field_set(object, field, rows[i].text, &err);

		print_message("# %s %s: %s\n", rows[i].field, rows[i].text, err.text);
		after = field_print(object, field);
		assert_string_equal(after, rows[i].printed ? rows[i].printed : before);
		assert_int_equal(r, rows[i].printed ? 0 : -EINVAL);
	}
}

static void too_many_items(void **state)
{
	AUTO(model_free) struct model *model = model_of(example);
	struct object *http = object_at(model, "load_balancers/edge/listeners/http");
	AUTO_FREE char *text = NULL, *body = NULL;
	struct xlb_err err = {};
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	for (int i = 1; i <= VALUE_ITEMS_MAX + 1; i++)
		fprintf(out, "%s%d", i > 1 ? "," : "", i);
	fclose(out);
	assert_int_equal(field_set(http, field_find(&type_listener, "port"), text, &err), -EINVAL);
	assert_string_equal(err.text, "port has more than 1024 values");
	assert_true(asprintf(&body, "{port: [%s]}", text) > 0);
	assert_int_equal(merge(model, "load_balancers/edge/listeners/http", body, &err), -EINVAL);
	assert_string_equal(err.text, "port has 1025 values: at most 1024 are accepted");
}

static void address_sets_port(void **state)
{
	AUTO(model_free) struct model *model = model_of(example);
	struct server *server = (struct server *)object_at(model, "server_groups/web/servers/web1");
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(field_set(&server->object, field_find(&type_server, "address"),
				   "10.0.1.13:9090", &err),
			 0);
	assert_int_equal(server->port, 9090);
	assert_int_equal(field_set(&server->object, field_find(&type_server, "address"),
				   "10.0.1.14", &err),
			 0);
	assert_int_equal(server->port, 9090);
}

static void merging(void **state)
{
	AUTO(model_free) struct model *model = model_of(example);
	struct server_group *web = model_group(model, "web"), *games = model_group(model, "games");
	struct listener *http =
		(struct listener *)object_at(model, "load_balancers/edge/listeners/http");
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(merge(model, "server_groups/web/servers/web1", "{\"weight\": 7}", &err),
			 0);
	assert_int_equal(
		((struct server *)object_at(model, "server_groups/web/servers/web1"))->weight, 7);
	assert_int_equal(merge(model, "server_groups/web/servers/web1", "{\"weight\": null}", &err),
			 0);
	assert_int_equal(
		((struct server *)object_at(model, "server_groups/web/servers/web1"))->weight, 100);
	assert_int_equal(merge(model, "server_groups/web/servers/web1",
			       "{\"address\": \"10.0.1.99,2001:db8::5\"}", &err),
			 0);

	/* a nested map leaves its other members alone, null resets all of them */
	assert_int_equal(merge(model, "server_groups/web", "{health_check: {interval: 3s}}", &err),
			 0);
	assert_int_equal(web->health_check.interval, 3000);
	assert_string_equal(web->health_check.path, "/healthz");
	assert_int_equal(merge(model, "server_groups/web",
			       "{health_check: null, drain: {timeout: null}}", &err),
			 0);
	assert_int_equal(web->health_check.interval, 5000);
	assert_int_equal(web->health_check.type, CHECK_DEFAULT);
	assert_string_equal(web->health_check.path, "/");
	assert_int_equal(web->drain_timeout, UINT64_MAX);
	assert_int_equal(merge(model, "server_groups/web", "health_check: {port: 81}", &err), 0);
	assert_int_equal(web->health_check.type, CHECK_TCP);

	/* encapsulation and families follow from the mode */
	assert_int_equal(games->encapsulation, XLB_ENCAPSULATION_NONE);
	assert_int_equal(merge(model, "server_groups/games", "forward: tunnel", &err), 0);
	assert_int_equal(games->encapsulation, XLB_ENCAPSULATION_IPIP);
	assert_int_equal(games->affinity, AFFINITY_NONE);
	assert_int_equal(merge(model, "server_groups/games", "forward: nat", &err), 0);
	assert_int_equal(games->encapsulation, XLB_ENCAPSULATION_NONE);
	assert_int_equal(games->affinity, AFFINITY_SAME);
	assert_int_equal(merge(model, "server_groups/games", "{forward: null, snat: null}", &err),
			 0);
	assert_int_equal(games->affinity, AFFINITY_NONE);

	/* JSON's shapes; what follows from a field follows its change */
	assert_int_equal(
		merge(model, "load_balancers/edge/listeners/http",
		      "{\"protocol\": \"udp\", \"ports\": [{\"from\": 53, \"to\": 53}, {\"from\": 60, \"to\": 70}],"
		      "\"server_groups\": [{\"group\": \"games\", \"weight\": 100}]}",
		      &err),
		0);
	assert_int_equal(http->idle_timeout, 90000);
	assert_int_equal(http->port.count, 2);
	assert_string_equal(http->server_group.shares[0].group, "games");

	/* children: added, changed, removed */
	assert_int_equal(
		merge(model, "server_groups/web",
		      "{servers: {web1: null, web2: {weight: 3}, web3: {address: 10.0.1.13, port: 8080}}}",
		      &err),
		0);
	assert_null(object_find(&web->servers, "web1"));
	assert_int_equal(
		((struct server *)object_at(model, "server_groups/web/servers/web2"))->weight, 3);
	assert_int_equal(
		((struct server *)object_at(model, "server_groups/web/servers/web3"))->port, 8080);
	assert_int_equal(merge(model, "server_groups/web", "{}", &err), 0);

	assert_int_equal(merge(model, "flow_table", "{\"max\": 5000}", &err), 0);
	assert_int_equal(model->flow_table.max, 5000);
	assert_int_equal(merge(model, "flow_table", "{max: null}", &err), 0);
	assert_int_equal(model->flow_table.max, 0);
	assert_int_equal(model->flow_table.object.set, 0);
}

static void merging_a_listener(void **state)
{
	static const char path[] = "load_balancers/edge/listeners/http";
	AUTO(model_free) struct model *model = model_of(example);
	struct listener *http = (struct listener *)object_at(model, path);
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(merge(model, path, "{\"mss\": 1400}", &err), 0);
	assert_int_equal(http->mss, 1400);
	assert_int_equal(merge(model, path, "{mss: 0}", &err), 0);
	assert_int_equal(http->mss, 0);
	assert_int_equal(merge(model, path, "{mss: 65495}", &err), 0);
	assert_int_equal(merge(model, path, "{mss: null}", &err), 0);
	assert_int_equal(http->mss, 0);
}

static void merging_refuses(void **state)
{
	static const struct {
		const char *path, *body, *words, *pointer;
		uint32_t column;
	} rows[] = {
		{ "server_groups/web/servers/web1", "{\"weight\": 101}", "accepted are 0-100",
		  "/server_groups/web/servers/web1/weight", 12 },
		{ "server_groups/web/servers/web1", "{\"wieght\": 1}", "unknown key \"wieght\"",
		  "/server_groups/web/servers/web1/wieght", 2 },
		{ "server_groups/web/servers/web1", "{\"address\": null}",
		  "server web/web1 cannot be without address",
		  "/server_groups/web/servers/web1/address", 13 },
		{ "server_groups/web/servers/web1", "[1]",
		  "expected a map of its fields, found a list", "/server_groups/web/servers/web1",
		  1 },
		{ "server_groups/web", "{servers: {web9: {weight: 1}}}",
		  "server web/web9 has no address", "/server_groups/web/servers/web9", 12 },
		{ "server_groups/web", "{health_check: {type: tcp}}",
		  "health_check.path is for checks of type http",
		  "/server_groups/web/health_check/path", 2 },
		{ "server_groups/web", "{encapsulation: gue}",
		  "encapsulation has no meaning with forward: fullnat",
		  "/server_groups/web/encapsulation", 17 },
		{ "server_groups/web", "{forward: dr}",
		  "snat.addresses has no meaning with forward: dr",
		  "/server_groups/web/snat/addresses", 1 },
		{ "server_groups/web", "{forward: dr, address_family_affinity: none, snat: null}",
		  "forward: dr cannot serve", "/server_groups/web/address_family_affinity", 40 },
		{ "load_balancers/edge/listeners/games", "{mss: 1400}",
		  "mss has no meaning with protocol: udp",
		  "/load_balancers/edge/listeners/games/mss", 7 },
		{ "load_balancers/edge/listeners/games", "{idle_timeout: 2d}",
		  "accepted are 1s-24h", "/load_balancers/edge/listeners/games/idle_timeout", 16 },
		{ "load_balancers/edge/listeners/games",
		  "{server_groups: [{group: web, weight: 0}]}", "the weights sum to 0",
		  "/load_balancers/edge/listeners/games/server_group", 2 },
		{ "flow_table", "{max: 5}", "max \"5\": accepted are 1024-268435456",
		  "/flow_table/max", 7 },
		{ "load_balancers/edge/listeners/games", "{ports: [{from: 1}]}",
		  "port: expected a value, found a map",
		  "/load_balancers/edge/listeners/games/port", 10 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(model_free) struct model *model = model_of(example);
		struct xlb_err err = {};

		print_message("# %s\n", rows[i].body);
		assert_int_equal(merge(model, rows[i].path, rows[i].body, &err), -EINVAL);
		print_message("# %u:%u %s %s\n", err.line, err.column, err.pointer, err.text);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_string_equal(err.pointer, rows[i].pointer);
		if (strcmp(rows[i].body, "{\"address\": null}") != 0)
			assert_int_equal(err.column, rows[i].column);
	}
}

static void adding_and_removing(void **state)
{
	AUTO(model_free) struct model *model = model_of(example);
	struct object *web = object_at(model, "server_groups/web"), *object = NULL;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(object_add(model, &type_server, web, "web1", &object, &err), -EEXIST);
	assert_int_equal(err.class, XLB_ERR_CONFLICT);
	assert_string_equal(err.text, "server web/web1 exists already");
	assert_int_equal(object_add(model, &type_server, web, "web 3", &object, &err), -EINVAL);
	assert_int_equal(object_add(model, &type_server, web, "web3", &object, &err), 0);
	assert_ptr_equal(object->parent, web);
	assert_int_equal(merge(model, "server_groups/web/servers/web3", "{}", &err), -EINVAL);
	assert_string_equal(err.pointer, "/server_groups/web/servers/web3");
	assert_int_equal(merge(model, "server_groups/web/servers/web3",
			       "{address: 10.0.1.13, port: 80}", &err),
			 0);
	assert_int_equal(model_check(model, &err), 0);

	/* a group that is still named cannot go */
	object_remove(model, web);
	assert_int_equal(model_check(model, &err), -EINVAL);
	assert_string_equal(
		err.text,
		"listener edge/http: server group \"web\" does not exist: there is games");
	assert_string_equal(err.pointer, "/load_balancers/edge/listeners/http/server_group");
	assert_int_equal(err.line, 0);
	object_remove(model, object_at(model, "load_balancers/edge"));
	assert_int_equal(model_check(model, &err), 0);
}

static void walking(void **state)
{
	AUTO(model_free) struct model *model = model_of(example);
	struct object *parent, *object;
	const struct type *type;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(model_walk(model, "server_groups", &type, &parent, &object, &err), 0);
	assert_ptr_equal(type, &type_server_group);
	assert_null(parent);
	assert_null(object);
	assert_int_equal(
		model_walk(model, "/server_groups/web/servers", &type, &parent, &object, &err), 0);
	assert_ptr_equal(type, &type_server);
	assert_string_equal(parent->name, "web");
	assert_null(object);
	assert_int_equal(model_walk(model, "server_groups/web/servers/web2", &type, &parent,
				    &object, &err),
			 0);
	assert_string_equal(object->name, "web2");

	assert_int_equal(model_walk(model, "server_groups/wbe", &type, &parent, &object, &err),
			 -ENOENT);
	assert_int_equal(err.class, XLB_ERR_NOT_FOUND);
	assert_string_equal(err.text, "no server group \"wbe\": there is web, games");
	assert_int_equal(model_walk(model, "server_groups/web/servers/x", &type, &parent, &object,
				    &err),
			 -ENOENT);
	assert_string_equal(err.text, "no server \"x\" in web: there is web1, web2");
	assert_int_equal(model_walk(model, "groups", &type, &parent, &object, &err), -ENOENT);
	assert_string_equal(
		err.text,
		"there is no \"groups\": there is interfaces, flow_table, load_balancers, server_groups, "
		"security_groups, tls_policies, tls");
	assert_int_equal(model_walk(model, "flow_table", &type, &parent, &object, &err), 0);
	assert_ptr_equal(type, &type_flow_table);
	assert_ptr_equal(object, &model->flow_table);
	assert_null(parent);
	assert_int_equal(model_walk(model, "flow_table/x", &type, &parent, &object, &err), -ENOENT);
	assert_string_equal(err.text, "there is no \"x\" below a flow_table: there is nothing");
	assert_int_equal(model_walk(model, "server_groups/web/listeners", &type, &parent, &object,
				    &err),
			 -ENOENT);
	assert_int_equal(model_walk(model, "interfaces/eth0/x", &type, &parent, &object, &err),
			 -ENOENT);
	assert_int_equal(model_walk(model, "", &type, &parent, &object, &err), -ENOENT);
	assert_int_equal(
		model_walk(
			model,
			"server_groups/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			&type, &parent, &object, &err),
		-ENOENT);
}

static void many_names(void **state)
{
	AUTO(model_free) struct model *model = model_new();
	struct object *object;
	struct xlb_err err = {};
	char name[32], names[60];

	(void)state;
	object_names(&model->server_groups, names, sizeof(names));
	assert_string_equal(names, "none");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "group%03d", i);
		assert_int_equal(object_add(model, &type_server_group, NULL, name, &object, &err),
				 0);
	}
	object_names(&model->server_groups, names, sizeof(names));
	assert_string_equal(names, "group000, group001, group002, group003 and 996 more");
}

static void parts_of_another_tree(void **state)
{
	static const char text[] =
		"revision: 5\nmodel:\n  version: 1\n  server_groups: {w: {servers: {a: {address: x}}}}\n";
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(tree_parse("state", text, strlen(text), &tree, &err), 0);
	assert_int_equal(model_from_node(tree, node_get(tree->root, "model"), &model, &err),
			 -EINVAL);
	assert_int_equal(err.line, 4);
	assert_string_equal(err.pointer, "/server_groups/w/servers/a/address");
	assert_int_equal(model_from_node(tree, node_get(tree->root, "revision"), &model, &err),
			 -EINVAL);
	assert_int_equal(model_from_node(tree, NULL, &model, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_example),
		cmocka_unit_test(good_texts),
		cmocka_unit_test(flow_table),
		cmocka_unit_test(any_is_every_port),
		cmocka_unit_test(presets_are_valid),
		cmocka_unit_test(text_from_the_command_line),
		cmocka_unit_test(too_many_items),
		cmocka_unit_test(address_sets_port),
		cmocka_unit_test(merging),
		cmocka_unit_test(merging_a_listener),
		cmocka_unit_test(merging_refuses),
		cmocka_unit_test(adding_and_removing),
		cmocka_unit_test(walking),
		cmocka_unit_test(many_names),
		cmocka_unit_test(parts_of_another_tree),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
