// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the API says of the state of a server. */
#include "api_fixture.c" /* a test is linked from one file */

/* A server that starts slowly: what of its weight counts, what that is of the new flows, and for how long. */
static void slow_start(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	fake_engine_set(f->engine, HEALTH_UP, 5, 0);
	a = expect(f, 200, "GET", "/v1/server_groups/web", NULL);
	assert_int_equal(number_at(&a, "servers.web2.state.effective_weight"), 50);
	assert_true(json_is_null(at(a.json, "servers.web2.state.slow_start_left")));
	answer_done(&a);
	fake_engine_starts(f->engine, 40, 35001);
	a = expect(f, 200, "GET", "/v1/server_groups/web", NULL);
	assert_int_equal(number_at(&a, "servers.web1.state.effective_weight"), 100);
	assert_int_equal(number_at(&a, "servers.web2.weight"), 50);
	assert_int_equal(number_at(&a, "servers.web2.state.effective_weight"), 20);
	assert_int_equal(number_at(&a, "servers.web2.state.slow_start_left"), 36);
	assert_int_equal(number_at(&a, "servers.web1.state.weight_percent"), 83);
	assert_int_equal(number_at(&a, "servers.web2.state.weight_percent"), 16);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/status", NULL);
	assert_int_equal(number_at(&a, "server_groups.0.servers.web2.state.slow_start_left"), 36);
	assert_non_null(strstr(
		a.body,
		"group web: server web2 starts slowly: it has 40 % of its weight, all of it in 36 s"));
	answer_done(&a);
}

static void server_state_words(void **state)
{
	static const struct {
		enum health health;
		uint64_t flows;
		const char *fields, *word;
	} rows[] = {
		{ HEALTH_UP, 0, "{enabled: true}", "up" },
		{ HEALTH_DOWN, 3, "{enabled: true}", "down" },
		{ HEALTH_INITIAL, 0, "{enabled: true}", "initial" },
		{ HEALTH_UP, 0, "{weight: 0}", "up" },
		{ HEALTH_UP, 3, "{weight: 0}", "draining" },
		{ HEALTH_DOWN, 3, "{enabled: false}", "draining" },
		{ HEALTH_DOWN, 0, "{enabled: false}", "disabled" },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;

		fake_engine_set(f->engine, rows[i].health, 0, 0);
		expect_done(f, 200, "PATCH", "/v1/server_groups/web/servers/web1?yes=1",
			    rows[i].fields);
		fake_engine_set(f->engine, rows[i].health, rows[i].flows, 0);
		a = expect(f, 200, "GET", "/v1/server_groups/web/servers/web1", NULL);
		assert_string_equal(text_at(&a, "state.state"), rows[i].word);
		assert_string_equal(text_at(&a, "state.health"), health_word(rows[i].health));
		answer_done(&a);
		expect_done(f, 200, "PATCH", "/v1/server_groups/web/servers/web1?yes=1",
			    "{\"weight\": null, \"enabled\": null}");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(server_state_words, setup),
		WITH(slow_start, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api_server", tests, NULL, NULL);
}
