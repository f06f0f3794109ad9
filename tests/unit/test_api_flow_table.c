// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The API of what there is one of: an object without a name, which is always there. */
#include "api_fixture.c" /* a test is linked from one file */

static void gets_and_sets(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	a = expect(f, 200, "GET", "/v1/flow_table", NULL);
	assert_true(json_is_null(at(a.json, "max")));
	assert_null(at(a.json, "name"));
	assert_true(json_is_object(at(a.json, "state")));
	answer_done(&a);
	a = expect(f, 200, "PATCH", "/v1/flow_table", "{\"max\": 2000000}");
	assert_int_equal(number_at(&a, "revision"), 2);
	assert_int_equal(number_at(&a, "changed"), 1);
	assert_string_equal(text_at(&a, "changes.0"), "~ flow_table.max: none -> 2000000");
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/flow_table", NULL);
	assert_int_equal(number_at(&a, "max"), 2000000);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/export", NULL);
	assert_non_null(strstr(a.body, "\nflow_table: {max: 2000000}\n"));
	answer_done(&a);

	/* it belongs to the text: a text without it means the default */
	a = expect(f, 200, "POST", "/v1/diff", text);
	assert_string_equal(text_at(&a, "changes.0"), "~ flow_table.max: 2000000 -> none");
	assert_int_equal(json_array_size(at(a.json, "changes")), 1);
	answer_done(&a);
	expect_done(f, 200, "PATCH", "/v1/flow_table", "{\"max\": null}");
	assert_int_equal(engine_model(f->engine)->flow_table.max, 0);
}

static void refuses(void **state)
{
	static const struct {
		int status;
		const char *type, *method, *path, *body;
	} rows[] = {
		{ 400, "usage", "POST", "/v1/flow_table", "{max: 5000}" },
		{ 400, "usage", "POST", "/v1/flow_table/x", "{max: 5000}" },
		{ 400, "usage", "DELETE", "/v1/flow_table", NULL },
		{ 404, "not-found", "GET", "/v1/flow_table/x", NULL },
		{ 422, "config-invalid", "PATCH", "/v1/flow_table", "{max: 5}" },
		{ 422, "config-invalid", "PATCH", "/v1/flow_table", "{name: x}" },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a =
			expect(f, rows[i].status, rows[i].method, rows[i].path, rows[i].body);

		check_problem(&a, rows[i].type);
		answer_done(&a);
	}
	assert_int_equal(engine_revision(f->engine), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(gets_and_sets, setup),
		WITH(refuses, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api_flow_table", tests, NULL, NULL);
}
