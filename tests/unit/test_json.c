// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/tree.h"

static const char text[] =
	"version: 1\n"
	"load_balancers:\n"
	"  edge:\n"
	"    addresses: \"2001:db8::10\"\n"
	"    listeners:\n"
	"      http: {protocol: tcp, port: [80, 1000-2000], server_group: web}\n"
	"      rest: {protocol: udp, port: any, server_group: web}\n"
	"server_groups:\n"
	"  web:\n"
	"    health_check: {type: http, port: 80, path: /healthz, expect: [200-299, 301]}\n"
	"    servers:\n"
	"      web1: {address: 10.0.1.11, weight: 0}\n";

#define NO_RATES \
	"\"new_connections_per_second\":null,\"connections\":null,\"bits_per_second\":null,\"packets_per_second\":null"
#define NO_TLS \
	"\"certificates\":[],\"tls_policy\":null,\"alpn\":\"none\",\"client_auth\":{\"mode\":\"none\",\"ca\":null,\"crl\":null}," \
	"\"proxy_protocol\":\"none\",\"server_tls\":{\"ca\":null,\"verify\":true,\"name\":null},"
#define NO_LIMITS "\"limits\":{" NO_RATES ",\"per_source\":{" NO_RATES "}},"

static struct model *model_of_text(void)
{
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;
	struct xlb_err err = {};

	if (tree_parse("x", text, strlen(text), &tree, &err) || model_from_tree(tree, &model, &err))
		fail_msg("%s", err.text);
	return model;
}

static void assert_json(json_t *json, const char *expected)
{
	AUTO_FREE char *dumped = json_dumps(json, JSON_PRESERVE_ORDER | JSON_COMPACT);

	json_decref(json);
	assert_string_equal(dumped, expected);
}

/* The fields as an object of their own. */
static json_t *fields_json(const struct object *object, bool nested)
{
	AUTO_FREE char *written = NULL;
	size_t size;
	struct json_out out = { .file = open_memstream(&written, &size) };
	json_t *json;

	out_open(&out, NULL, '{');
	object_fields_json(&out, object, nested);
	out_close(&out, '}');
	assert_int_equal(fclose(out.file), 0);
	json = json_loads(written, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	return json;
}

static json_t *given_json(const struct model *model)
{
	AUTO_FREE char *written = model_json(model);
	json_t *json = json_loads(written, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	return json;
}

/* what people and files call things goes through unharmed, and what is no text does not break the answer */
static void texts_and_numbers(void **state)
{
	AUTO_FREE char *written = NULL;
	size_t size;
	struct json_out out = { .file = open_memstream(&written, &size) };

	(void)state;
	out_open(&out, NULL, '[');
	out_text(&out, NULL, "a \"b\" \\ \t \xc3\xa9 \xff\x7f");
	out_text(&out, NULL, "");
	out_text(&out, NULL, NULL);
	out_uint(&out, NULL, 0);
	out_uint(&out, NULL, UINT64_MAX);
	out_real(&out, NULL, 100.0 / 3);
	out_real(&out, NULL, 100);
	out_open(&out, NULL, '{');
	out_close(&out, '}');
	out_bool(&out, NULL, false);
	out_close(&out, ']');
	assert_int_equal(fclose(out.file), 0);
	assert_string_equal(written, "[\"a \\\"b\\\" \\\\ \\u0009 \xc3\xa9 ?\x7f\",\"\",null,0,"
				     "18446744073709551615,33.3333,100.0,{},false]");
}

static void put_sample(struct json_out *out)
{
	out_open(out, NULL, '{');
	out_text(out, "name", "web1");
	out_open(out, "ports", '[');
	out_open(out, NULL, '{');
	out_uint(out, "from", 80);
	out_close(out, '}');
	out_close(out, ']');
	out_open(out, "state", '{');
	out_uint(out, "flows", 5);
	out_open(out, "counters", '{');
	out_real(out, "drops", 0.5);
	out_close(out, '}');
	out_open(out, "none", '[');
	out_close(out, ']');
	out_open_map(out, "drops");
	out_uint(out, "no_flow", 1);
	out_close(out, '}');
	out_text(out, "since", NULL);
	out_close(out, '}');
	out_bool(out, "enabled", true);
	out_close(out, '}');
}

/* The same object as members, and as a row: as many columns as values, in the same order. */
static void rows(void **state)
{
	static const char *const forms[] = {
		[OUT_MEMBERS] =
			"{\"name\":\"web1\",\"ports\":[{\"from\":80}],\"state\":{\"flows\":5,"
			"\"counters\":{\"drops\":0.5},\"none\":[],\"drops\":{\"no_flow\":1},\"since\":null},\"enabled\":true}",
		[OUT_COLUMNS] =
			"\"name\",\"ports\",\"state.flows\",\"state.counters.drops\",\"state.none\","
			"\"state.drops\",\"state.since\",\"enabled\"",
		[OUT_VALUES] = "\"web1\",[{\"from\":80}],5,0.5,[],{\"no_flow\":1},null,true",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		AUTO_FREE char *written = NULL;
		size_t size;
		struct json_out out = { .file = open_memstream(&written, &size),
					.form = (enum out_form)i };

		put_sample(&out);
		assert_int_equal(fclose(out.file), 0);
		assert_string_equal(written, forms[i]);
	}
}

/* every field, with the same type whatever its value */
static void objects(void **state)
{
	AUTO(model_free) struct model *model = model_of_text();
	const struct object_list *listeners = &model_lb(model, "edge")->listeners;
	const struct object *group = &model_group(model, "web")->object;

	(void)state;
	assert_json(fields_json(&model_lb(model, "edge")->object, true),
		    "{\"addresses\":[\"2001:db8::10\"],\"address_management\":\"xlb\","
		    "\"security_groups\":[]," NO_LIMITS "\"enabled\":true}");
	assert_json(
		fields_json(object_find(listeners, "http"), true),
		"{\"protocol\":\"tcp\",\"ports\":[{\"from\":80,\"to\":80},{\"from\":1000,\"to\":2000}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}],\"idle_timeout\":\"15m\",\"mss\":0,\"security_groups\":[]," NO_LIMITS
			NO_TLS "\"enabled\":true}");
	assert_json(
		fields_json(object_find(listeners, "rest"), true),
		"{\"protocol\":\"udp\",\"ports\":[{\"from\":1,\"to\":65535}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}],\"idle_timeout\":\"90s\",\"mss\":0,\"security_groups\":[]," NO_LIMITS
			NO_TLS "\"enabled\":true}");
	assert_json(
		fields_json(group, true),
		"{\"forward\":\"fullnat\",\"encapsulation\":null,\"address_family_affinity\":\"none\",\"scheduler\":\"maglev\",\"hash\":\"tuple\",\"quic\":{\"id_length\":8,\"config\":\"any\"},\"affinity\":{\"timeout\":null},\"slow_start\":null,\"fail_open\":true,\"fallback\":null,\"min_healthy\":\"1\","
		"\"snat\":{\"addresses\":[],\"ports\":\"1024-65535\"},\"drain\":{\"timeout\":null},\"on_down\":\"keep\","
		"\"health_check\":{\"type\":\"http\",\"port\":80,\"via\":\"address\",\"interval\":\"5s\",\"timeout\":\"2s\","
		"\"healthy_threshold\":2,\"unhealthy_threshold\":3,\"method\":\"GET\",\"path\":\"/healthz\","
		"\"host\":null,\"request\":null,\"expect\":[\"200-299\",\"301\"],\"verify\":true,\"ca\":null,"
		"\"sni\":null,\"command\":[]},\"passive\":{\"failures\":null,\"window\":\"10s\",\"max_ejected\":\"50%\"}}");
	assert_json(
		fields_json(group, false),
		"{\"forward\":\"fullnat\",\"encapsulation\":null,\"address_family_affinity\":\"none\",\"scheduler\":\"maglev\",\"hash\":\"tuple\",\"slow_start\":null,\"fail_open\":true,\"fallback\":null,\"min_healthy\":\"1\",\"on_down\":\"keep\"}");
	assert_json(
		fields_json(object_find(&model_group(model, "web")->servers, "web1"), true),
		"{\"address\":[\"10.0.1.11\"],\"port\":0,\"weight\":0,\"enabled\":true,\"quic_id\":null}");
}

/* what was given, nothing else */
static void whole_model(void **state)
{
	AUTO(model_free) struct model *model = model_of_text();

	(void)state;
	assert_json(
		given_json(model),
		"{\"version\":1,\"load_balancers\":{\"edge\":{\"addresses\":[\"2001:db8::10\"],\"listeners\":{"
		"\"http\":{\"protocol\":\"tcp\",\"ports\":[{\"from\":80,\"to\":80},{\"from\":1000,\"to\":2000}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}]},"
		"\"rest\":{\"protocol\":\"udp\",\"ports\":[{\"from\":1,\"to\":65535}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}]}}}},"
		"\"server_groups\":{\"web\":{\"health_check\":{\"type\":\"http\",\"port\":80,\"path\":\"/healthz\","
		"\"expect\":[\"200-299\",\"301\"]},\"servers\":{\"web1\":{\"address\":[\"10.0.1.11\"],\"weight\":0}}}},\"security_groups\":{},\"tls_policies\":{}}");
}

static void problems(void **state)
{
	struct xlb_err err = {};

	(void)state;
	xlb_err_set(&err, XLB_ERR_CONFIG, -1, "bad \"port\"");
	assert_json(err_json(&err),
		    "{\"type\":\"config-invalid\",\"title\":\"bad \\\"port\\\"\",\"status\":422}");
	xlb_err_hint(&err, "do");
	strcpy(err.pointer, "/a/b");
	strcpy(err.file, "x.yaml");
	strcpy(err.source, "a: \xff");
	err.line = 1;
	err.column = 4;
	err.length = 2;
	assert_json(
		err_json(&err),
		"{\"type\":\"config-invalid\",\"title\":\"bad \\\"port\\\"\",\"status\":422,"
		"\"hint\":\"do\",\"pointer\":\"/a/b\",\"file\":\"x.yaml\",\"line\":1,\"column\":4,"
		"\"length\":2,\"source\":\"(not UTF-8)\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_and_numbers), cmocka_unit_test(rows),
		cmocka_unit_test(objects),	     cmocka_unit_test(whole_model),
		cmocka_unit_test(problems),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
