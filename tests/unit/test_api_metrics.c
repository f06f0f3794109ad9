// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Scrapes, their two formats and scopes; the metrics address; brief lists beside whole ones. */
#include <netinet/in.h>

#include "api_fixture.c" /* a test is linked from one file */
#include "core/metrics.h"

static struct answer scrape(struct fixture *f, const char *path, const char *headers)
{
	int fd = client_new(f);
	struct answer answer;

	send_request(f, fd, "GET", path, headers, NULL);
	answer = client_receive(f, fd);
	close(fd);
	assert_int_equal(answer.status, 200);
	return answer;
}

static void assert_line(const struct answer *answer, const char *line)
{
	AUTO_FREE char *wanted = NULL;

	assert_true(asprintf(&wanted, "\n%s\n", line) > 0);
	if (!strstr(answer->body, wanted))
		fail_msg("no line %s in\n%s", line, answer->body);
}

static void assert_no(const struct answer *answer, const char *text_)
{
	if (strstr(answer->body, text_))
		fail_msg("%s in\n%s", text_, answer->body);
}

static void samples(void **state)
{
	static const char *const lines[] = {
		"# TYPE xlb_drops_total counter",
		"xlb_config_revision 1",
		"xlb_config_last_apply_success 0",
		"xlb_config_last_apply_timestamp_seconds 1700000001",
		"xlb_operations_total{type=\"change\",result=\"success\"} 3",
		"xlb_operations_total{type=\"change\",result=\"failure\"} 2",
		"xlb_interface_attached{interface=\"eth0\",mode=\"native\"} 1",
		"xlb_interface_up{interface=\"eth0\"} 1",
		"xlb_interface_mtu_bytes{interface=\"eth0\"} 1500",
		"xlb_drops_total{interface=\"eth0\",reason=\"no_listener\"} 3",
		"xlb_load_balancer_address_present{load_balancer=\"edge\",address=\"198.51.100.10\"} 1",
		"xlb_listener_flows{load_balancer=\"edge\",listener=\"http\"} 5",
		"xlb_listener_flows_created_total{load_balancer=\"edge\",listener=\"http\"} 7",
		"xlb_listener_bytes_total{load_balancer=\"edge\",listener=\"http\",direction=\"out\"} 1000",
		"xlb_server_group_servers{server_group=\"web\"} 2",
		"xlb_server_group_servers_up{server_group=\"web\"} 2",
		"xlb_server_up{server_group=\"web\",server=\"web1\"} 1",
		"xlb_server_state{server_group=\"web\",server=\"web1\",state=\"up\"} 1",
		"xlb_server_state{server_group=\"web\",server=\"web1\",state=\"down\"} 0",
		"xlb_server_weight{server_group=\"web\",server=\"web2\"} 50",
		"xlb_server_effective_weight{server_group=\"web\",server=\"web2\"} 50",
		"xlb_server_share_ratio{server_group=\"web\",server=\"web2\",kind=\"want\"} 0.3333333333",
		"xlb_server_bytes_total{server_group=\"web\",server=\"web2\",direction=\"out\"} 2000",
		"xlb_neighbour_up{server_group=\"web\",server=\"web1\"} 1",
		"xlb_health_checks_total{server_group=\"web\",server=\"web1\",result=\"passed\"} 31",
		"xlb_health_transitions_total{server_group=\"web\",server=\"web1\",to=\"down\"} 34",
		"xlb_health_last_change_timestamp_seconds{server_group=\"web\",server=\"web1\"} 1700000000",
		"xlb_health_check_duration_seconds_bucket{server_group=\"web\",le=\"0.0005\"} 4",
		"xlb_health_check_duration_seconds_bucket{server_group=\"web\",le=\"5.0\"} 4",
		"xlb_health_check_duration_seconds_bucket{server_group=\"web\",le=\"+Inf\"} 5",
		"xlb_health_check_duration_seconds_sum{server_group=\"web\"} 6.001000",
		"xlb_health_check_duration_seconds_count{server_group=\"web\"} 5",
		"xlb_snat_ports_used{server_group=\"web\",server=\"web1\",address=\"10.0.1.2\"} 90",
		"xlb_snat_ports{server_group=\"web\",server=\"web1\",address=\"10.0.1.2\"} 100",
		"xlb_flow_expired_total{reason=\"cut\"} 13",
		"xlb_map_entries{map=\"flows_ipv4\"} 5",
		"xlb_map_entries{map=\"servers\"} 2",
	};
	struct fixture *f = *state;
	struct answer a;
	size_t i;

	fake_engine_set(f->engine, HEALTH_UP, 5, 0);
	a = scrape(f, "/metrics", NULL);
	assert_non_null(strstr(a.data, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_line(&a, lines[i]);
	assert_no(&a, "# EOF");
	answer_done(&a);
}

/* Whatever lists.h and metric_list.h hold is in a scrape, once, and nothing else. */
static void every_family_once(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	const struct metric *families;
	size_t count, i, heads = 0;
	const char *p;

	/* some are of tls listeners alone, one of groups with a fallback */
	expect_done(f, 200, "POST", "/v1/load_balancers/edge/listeners/https",
		    "{\"protocol\": \"tls\", \"port\": 443, \"server_group\": \"web\", "
		    "\"certificates\": [{\"chain\": \"/a\", \"key\": \"/a\"}]}");
	expect_done(f, 200, "POST", "/v1/server_groups/spare", "");
	expect_done(f, 200, "PATCH", "/v1/server_groups/web", "{\"fallback\": \"spare\"}");
	a = scrape(f, "/v1/metrics", NULL);
	families = metrics(&count);
	for (i = 0; i < count; i++) {
		AUTO_FREE char *head = NULL;

		assert_true(asprintf(&head, "# HELP %s %s\n# TYPE %s ", families[i].name,
				     families[i].help, families[i].name) > 0);
		p = strstr(a.body, head);
		if (!p || strstr(p + 1, head))
			fail_msg("%s is not there once", families[i].name);
		/* nothing that needs an escape */
		assert_null(strpbrk(families[i].help, "\"\\\n"));
	}
	for (p = a.body; (p = strstr(p, "# TYPE ")); p++)
		heads++;
	assert_int_equal(heads, count);
#define X(name, word, meaning) \
	assert_non_null( \
		strstr(a.body, "xlb_drops_total{interface=\"eth0\",reason=\"" #word "\"} "));
	XLB_REASONS(X)
#undef X
	answer_done(&a);
}

static void counters_have_families(void **state)
{
	size_t count, i;
	const struct metric *families = metrics(&count);

	(void)state;
	for (i = 0; i < XLB_COUNT_MAX; i++) {
		const struct metric_counter *counter = metric_listener_counter((int)i);

		assert_int_equal(families[counter->family].kind, METRIC_COUNTER);
		assert_int_equal(families[counter->family].scope, SCOPE_LISTENER);
		assert_int_equal(families[metric_server_counter((int)i)->family].scope,
				 SCOPE_SERVER);
	}
	assert_string_equal(families[metric_listener_counter(XLB_COUNT_PACKETS_IN)->family].name,
			    "xlb_listener_packets_total");
	assert_string_equal(metric_listener_counter(XLB_COUNT_PACKETS_IN)->value, "in");
	assert_int_equal(metric_listener_counter(XLB_COUNT_PACKETS_IN)->family,
			 metric_listener_counter(XLB_COUNT_PACKETS_OUT)->family);
	assert_null(metric_interface_counter(XLB_IFCOUNT_PACKETS));
	assert_string_equal(metric_interface_counter(XLB_IFCOUNT_TX)->value, "tx");
}

static void open_metrics(void **state)
{
	struct fixture *f = *state;
	struct answer a = scrape(f, "/metrics",
				 "Accept: application/openmetrics-text;version=1.0.0,"
				 "text/plain;version=0.0.4;q=0.5\r\n");

	assert_non_null(
		strstr(a.data,
		       "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
	assert_line(&a, "# TYPE xlb_drops counter");
	assert_line(&a, "# TYPE process_cpu_seconds counter");
	assert_non_null(strstr(a.body, "# TYPE xlb_build info\nxlb_build_info{"));
	assert_string_equal(a.body + strlen(a.body) - 7, "\n# EOF\n");
	answer_done(&a);
}

static void scopes(void **state)
{
	struct fixture *f = *state;
	struct answer a = scrape(f, "/metrics?scope=drops,listener", NULL);
	const struct metric *families;
	size_t count, i;

	families = metrics(&count);
	for (i = 0; i < count; i++) {
		bool wanted = families[i].scope == SCOPE_DROPS ||
			      families[i].scope == SCOPE_LISTENER;
		AUTO_FREE char *head = NULL;

		assert_true(asprintf(&head, "# TYPE %s ", families[i].name) > 0);
		if (wanted != !!strstr(a.body, head))
			fail_msg("%s is %s", families[i].name, wanted ? "missing" : "there");
	}
	answer_done(&a);
	a = expect(f, 400, "GET", "/metrics?scope=drops,listner", NULL);
	check_problem(&a, "usage");
	assert_string_equal(text_at(&a, "hint"), "did you mean listener?");
	answer_done(&a);
	expect_done(f, 400, "GET", "/metrics?scope=", NULL);
	expect_done(f, 400, "GET", "/metrics?brief=1", NULL);
	expect_done(f, 405, "POST", "/metrics", "");
	expect_done(f, 404, "GET", "/metrics/", NULL);
}

static int tcp_client(struct fixture *f, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	turn(f);
	return fd;
}

static struct answer tcp_ask(struct fixture *f, uint16_t port, const char *method, const char *path,
			     const char *body)
{
	int fd = tcp_client(f, port);
	struct answer answer;

	send_request(f, fd, method, path, NULL, body);
	answer = client_receive(f, fd);
	close(fd);
	return answer;
}

/* A port of the loopback that was free a moment ago. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* the address serves one path, whatever else the API has */
static void metrics_address(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
	} refused[] = {
		{ "GET", "/v1/status", NULL, 404 },
		{ "GET", "/v1/metrics", NULL, 404 },
		{ "GET", "/v1/export", NULL, 404 },
		{ "GET", "/", NULL, 404 },
		{ "POST", "/metrics", "", 501 },
		{ "POST", "/v1/apply", "version: 1", 501 },
		{ "DELETE", "/v1/server_groups/web", NULL, 501 },
	};
	struct fixture *f = *state;
	uint16_t port = free_port();
	struct xlb_err err = {};
	char address[32];
	struct answer a;
	size_t i;

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	if (api_listen_metrics(f->api, address, &err))
		fail_msg("%s", err.text);
	a = tcp_ask(f, port, "GET", "/metrics", NULL);
	assert_int_equal(a.status, 200);
	assert_line(&a, "xlb_config_revision 1");
	answer_done(&a);
	a = tcp_ask(f, port, "GET", "/metrics?scope=config", NULL);
	assert_no(&a, "xlb_server_up");
	answer_done(&a);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		a = tcp_ask(f, port, refused[i].method, refused[i].path, refused[i].body);
		assert_int_equal(a.status, refused[i].status);
		answer_done(&a);
	}
	assert_int_equal(engine_revision(f->engine), 1);
}

static void bad_addresses(void **state)
{
	static const char *const texts[] = {
		"",	    "127.0.0.1",      "9100",	     ":9100",
		"::1:9100", "localhost:9100", "127.0.0.1:0", "127.0.0.1:70000"
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct xlb_err err = {};

		assert_int_equal(api_listen_metrics(f->api, texts[i], &err), -EINVAL);
		assert_int_equal(err.class, XLB_ERR_USAGE);
	}
}

/* --- brief lists --- */

/* A value by the key of its column. */
static json_t *cell(const json_t *table, size_t row, const char *key)
{
	json_t *name;
	size_t i;

	json_array_foreach(json_object_get(table, "columns"), i, name)
		if (!strcmp(json_string_value(name), key))
			return json_array_get(json_array_get(json_object_get(table, "rows"), row),
					      i);
	return NULL;
}

/* Every value of a row is that of the whole object; children are counted. */
static void assert_within(const json_t *table, size_t row, json_t *whole)
{
	json_t *name, *values = json_array_get(json_object_get(table, "rows"), row);
	json_t *names = json_object_get(table, "columns");
	size_t i;

	assert_int_equal(json_array_size(values), json_array_size(names));
	json_array_foreach(names, i, name) {
		json_t *value = json_array_get(values, i),
		       *other = at(whole, json_string_value(name));

		if (json_is_integer(value) && json_is_object(other))
			assert_int_equal(json_integer_value(value), json_object_size(other));
		else if (!json_equal(value, other))
			fail_msg("%s differs", json_string_value(name));
	}
}

static void brief_lists(void **state)
{
	/* what tables show */
	static const struct {
		const char *path, *members[10];
	} rows[] = {
		{ "interfaces",
		  { "name", "state.mode", "state.attached", "state.program_tag", "state.mtu",
		    "state.counters.packets", "state.drops" } },
		{ "load_balancers", { "name", "addresses", "listeners", "state.flows" } },
		{ "load_balancers/edge/listeners",
		  { "name", "protocol", "ports", "server_groups", "state.flows",
		    "state.counters.flows_created", "state.counters.bytes_in" } },
		{ "server_groups",
		  { "name", "forward", "scheduler", "state.up", "state.servers", "state.flows" } },
		{ "server_groups/web/servers",
		  { "name", "address", "weight", "state.weight_percent", "state.effective_weight",
		    "state.state", "state.flows", "state.since" } },
	};
	struct fixture *f = *state;
	char path[128];
	size_t i, j;

	fake_engine_set(f->engine, HEALTH_UP, 5, 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer whole, brief;
		const char *plural = strrchr(rows[i].path, '/');
		json_t *object;

		plural = plural ? plural + 1 : rows[i].path;
		snprintf(path, sizeof(path), "/v1/%s", rows[i].path);
		whole = expect(f, 200, "GET", path, NULL);
		snprintf(path, sizeof(path), "/v1/%s?brief=1", rows[i].path);
		brief = expect(f, 200, "GET", path, NULL);
		assert_int_equal(json_array_size(at(at(brief.json, plural), "rows")),
				 json_array_size(at(whole.json, plural)));
		json_array_foreach(at(whole.json, plural), j, object)
			assert_within(at(brief.json, plural), j, object);
		for (j = 0; rows[i].members[j]; j++)
			if (!cell(at(brief.json, plural), 0, rows[i].members[j]))
				fail_msg("no %s in %s", rows[i].members[j], brief.body);
		answer_done(&whole);
		answer_done(&brief);
	}
	expect_done(f, 400, "GET", "/v1/server_groups?brief=yes", NULL);
	expect_done(f, 400, "GET", "/v1/status?brief=1", NULL);
}

static void children_of_brief(void **state)
{
	struct fixture *f = *state;
	struct answer a = expect(f, 200, "GET", "/v1/server_groups?brief=1", NULL);

	assert_int_equal(json_integer_value(cell(at(a.json, "server_groups"), 0, "servers")), 2);
	answer_done(&a);
	expect_done(f, 200, "POST", "/v1/server_groups/blue", "");
	expect_done(f, 200, "POST", "/v1/server_groups/blue/servers/b1",
		    "{address: 10.0.1.20, port: 80}");
	a = expect(f, 200, "GET", "/v1/server_groups?brief=1&children=true", NULL);
	assert_int_equal(json_array_size(at(a.json, "servers.rows")), 3);
	assert_string_equal(text_at(&a, "servers.columns.0"), "parent");
	assert_string_equal(text_at(&a, "servers.rows.0.0"), "web");
	assert_string_equal(text_at(&a, "servers.rows.2.0"), "blue");
	assert_string_equal(json_string_value(cell(at(a.json, "servers"), 2, "name")), "b1");
	assert_null(cell(at(a.json, "servers"), 2, "state.addresses"));
	answer_done(&a);
	fake_engine_set(f->engine, HEALTH_DOWN, 0, 0);
	a = expect(f, 200, "GET", "/v1/server_groups/web/servers?brief=1", NULL);
	assert_string_equal(json_string_value(cell(at(a.json, "servers"), 0, "state.reason")),
			    "connection refused");
	answer_done(&a);
	expect_done(f, 400, "GET", "/v1/server_groups/web/servers?brief=1&children=1", NULL);
	expect_done(f, 200, "DELETE", "/v1/server_groups/blue/servers/b1", NULL);
	a = expect(f, 200, "GET", "/v1/server_groups/blue/servers?brief=1", NULL);
	assert_int_equal(json_array_size(at(a.json, "servers.rows")), 0);
	assert_int_equal(json_array_size(at(a.json, "servers.columns")), 0);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/server_groups/web?brief=1", NULL);
	assert_int_equal(number_at(&a, "servers"), 2);
	assert_int_equal(number_at(&a, "state.servers"), 2);
	answer_done(&a);
}

static void version(void **state)
{
	struct fixture *f = *state;
	struct answer a = expect(f, 200, "GET", "/v1/version", NULL);

	assert_string_equal(text_at(&a, "version"), XLB_VERSION);
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(samples, setup),
		WITH(every_family_once, setup),
		WITH(counters_have_families, setup),
		WITH(open_metrics, setup),
		WITH(scopes, setup),
		WITH(metrics_address, setup),
		WITH(bad_addresses, setup),
		WITH(brief_lists, setup),
		WITH(children_of_brief, setup),
		WITH(version, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api_metrics", tests, NULL, NULL);
}
