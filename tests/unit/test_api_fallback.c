// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A group whose new flows another group takes: what the API, status and a scrape tell of it. */
#include "api_fixture.c" /* a test is linked from one file */

static void stand_in(struct fixture *f)
{
	expect_done(f, 200, "POST", "/v1/server_groups/spare", "");
	expect_done(f, 200, "PATCH", "/v1/server_groups/web",
		    "{fallback: spare, min_healthy: 50%, fail_open: false}");
}

static void shows_who_takes_flows(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	stand_in(f);
	a = expect(f, 200, "GET", "/v1/server_groups/web", NULL);
	assert_string_equal(text_at(&a, "fallback"), "spare");
	assert_string_equal(text_at(&a, "min_healthy"), "50%");
	assert_true(json_is_null(at(a.json, "state.taken_by.ipv4")));
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/server_groups/spare", NULL);
	assert_true(json_is_null(at(a.json, "fallback")));
	assert_string_equal(text_at(&a, "min_healthy"), "1");
	answer_done(&a);
	fake_engine_set(f->engine, HEALTH_DOWN, 0, 0);
	a = expect(f, 200, "GET", "/v1/server_groups/web", NULL);
	assert_string_equal(text_at(&a, "state.taken_by.ipv4"), "spare");
	assert_string_equal(text_at(&a, "state.taken_by.ipv6"), "spare");
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/server_groups/web/servers/web1", NULL);
	assert_int_equal(number_at(&a, "state.weight_percent"), 0);
	answer_done(&a);
}

/* As a warning of its own, not as flows that are dropped. */
static void status_warns(void **state)
{
	struct fixture *f = *state;
	bool warned = false;
	json_t *problem;
	struct answer a;
	size_t i;

	stand_in(f);
	fake_engine_set(f->engine, HEALTH_DOWN, 0, 0);
	a = expect(f, 200, "GET", "/v1/status", NULL);
	json_array_foreach(at(a.json, "problems"), i, problem) {
		const char *kind = json_string_value(json_object_get(problem, "kind"));

		assert_string_not_equal(kind, "no_server");
		if (strcmp(kind, "fallback") != 0)
			continue;
		warned = true;
		assert_string_equal(json_string_value(json_object_get(problem, "level")),
				    "warning");
		assert_string_equal(
			json_string_value(json_object_get(problem, "text")),
			"group web: new flows go to spare: 0 of 2 servers are up, min_healthy is 50%");
	}
	assert_true(warned);
	answer_done(&a);
}

static char *scrape(struct fixture *f)
{
	int fd = client_new(f);
	struct answer answer;
	char *body;

	send_request(f, fd, "GET", "/metrics", NULL, NULL);
	answer = client_receive(f, fd);
	close(fd);
	body = strdup(answer.body);
	answer_done(&answer);
	return body;
}

static void metrics_tell(void **state)
{
	struct fixture *f = *state;
	char *body = scrape(f);

	assert_null(strstr(body, "xlb_server_group_fallback{"));
	free(body);
	stand_in(f);
	body = scrape(f);
	assert_non_null(strstr(
		body, "\nxlb_server_group_fallback{server_group=\"web\",family=\"ipv4\"} 0\n"));
	assert_null(strstr(body, "xlb_server_group_fallback{server_group=\"spare\""));
	free(body);
	fake_engine_set(f->engine, HEALTH_DOWN, 0, 0);
	body = scrape(f);
	assert_non_null(strstr(
		body, "\nxlb_server_group_fallback{server_group=\"web\",family=\"ipv6\"} 1\n"));
	free(body);
}

/* Refused, and nothing has changed. */
static void nonsense(void **state)
{
	static const struct {
		const char *path, *body, *words;
	} rows[] = {
		{ "/v1/server_groups/web", "{fallback: web}", "is its own fallback" },
		{ "/v1/server_groups/web", "{fallback: nobody}", "does not exist" },
		{ "/v1/server_groups/web", "{min_healthy: 101%}", "accepted are" },
		{ "/v1/server_groups/spare", "{fallback: web}", "in a circle" },
	};
	struct fixture *f = *state;
	struct answer a, before;

	stand_in(f);
	before = expect(f, 200, "GET", "/v1/server_groups", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = expect(f, 422, "PATCH", rows[i].path, rows[i].body);
		check_problem(&a, "config-invalid");
		assert_non_null(strstr(a.body, rows[i].words));
		answer_done(&a);
	}
	expect_done(f, 422, "DELETE", "/v1/server_groups/spare", NULL);
	a = expect(f, 200, "GET", "/v1/server_groups", NULL);
	assert_true(json_equal(a.json, before.json));
	answer_done(&a);
	answer_done(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(shows_who_takes_flows, setup),
		WITH(status_warns, setup),
		WITH(metrics_tell, setup),
		WITH(nonsense, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api_fallback", tests, NULL, NULL);
}
