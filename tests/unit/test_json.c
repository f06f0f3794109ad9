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

/* every field, with the same type whatever its value */
static void objects(void **state)
{
	AUTO(model_free) struct model *model = model_of_text();

	(void)state;
	assert_json(
		object_json(&model_lb(model, "edge")->object),
		"{\"addresses\":[\"2001:db8::10\"],\"address_management\":\"xlb\",\"enabled\":true,\"listeners\":{"
		"\"http\":{\"protocol\":\"tcp\",\"ports\":[{\"from\":80,\"to\":80},{\"from\":1000,\"to\":2000}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}],\"idle_timeout\":\"15m\",\"enabled\":true},"
		"\"rest\":{\"protocol\":\"udp\",\"ports\":[{\"from\":1,\"to\":65535}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}],\"idle_timeout\":\"90s\",\"enabled\":true}}}");
	assert_json(
		object_json(&model_group(model, "web")->object),
		"{\"forward\":\"fullnat\",\"scheduler\":\"maglev\",\"fail_open\":true,"
		"\"snat\":{\"addresses\":[],\"ports\":\"1024-65535\"},\"drain\":{\"timeout\":null},\"on_down\":\"keep\","
		"\"health_check\":{\"type\":\"http\",\"port\":80,\"interval\":\"5s\",\"timeout\":\"2s\","
		"\"healthy_threshold\":2,\"unhealthy_threshold\":3,\"method\":\"GET\",\"path\":\"/healthz\","
		"\"host\":null,\"expect\":[\"200-299\",\"301\"]},\"servers\":{\"web1\":{\"address\":[\"10.0.1.11\"],"
		"\"port\":0,\"weight\":0,\"enabled\":true}}}");
}

/* what was given, nothing else */
static void whole_model(void **state)
{
	AUTO(model_free) struct model *model = model_of_text();

	(void)state;
	assert_json(
		model_json(model),
		"{\"version\":1,\"load_balancers\":{\"edge\":{\"addresses\":[\"2001:db8::10\"],\"listeners\":{"
		"\"http\":{\"protocol\":\"tcp\",\"ports\":[{\"from\":80,\"to\":80},{\"from\":1000,\"to\":2000}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}]},"
		"\"rest\":{\"protocol\":\"udp\",\"ports\":[{\"from\":1,\"to\":65535}],"
		"\"server_groups\":[{\"group\":\"web\",\"weight\":100}]}}}},"
		"\"server_groups\":{\"web\":{\"health_check\":{\"type\":\"http\",\"port\":80,\"path\":\"/healthz\","
		"\"expect\":[\"200-299\",\"301\"]},\"servers\":{\"web1\":{\"address\":[\"10.0.1.11\"],\"weight\":0}}}}}");
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
		cmocka_unit_test(objects),
		cmocka_unit_test(whole_model),
		cmocka_unit_test(problems),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
