// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The API: every path, every kind of error. */
#include "api_fixture.c" /* a test is linked from one file */

/* --- reading --- */

static void shows_every_type(void **state)
{
	static const struct {
		const char *list, *plural, *object, *name;
	} rows[] = {
		{ "interfaces", "interfaces", "interfaces/eth0", "eth0" },
		{ "load_balancers", "load_balancers", "load_balancers/edge", "edge" },
		{ "load_balancers/edge/listeners", "listeners",
		  "load_balancers/edge/listeners/http", "http" },
		{ "server_groups", "server_groups", "server_groups/web", "web" },
		{ "server_groups/web/servers", "servers", "server_groups/web/servers/web1",
		  "web1" },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer list, object;
		char path[128];

		snprintf(path, sizeof(path), "/v1/%s", rows[i].list);
		list = expect(f, 200, "GET", path, NULL);
		snprintf(path, sizeof(path), "/v1/%s", rows[i].object);
		object = expect(f, 200, "GET", path, NULL);
		assert_string_equal(text_at(&object, "name"), rows[i].name);
		assert_true(json_is_object(at(object.json, "state")));
		snprintf(path, sizeof(path), "%s.0", rows[i].plural);
		assert_true(json_equal(at(list.json, path), object.json));
		answer_done(&list);
		answer_done(&object);
	}
}

static void shows_state(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	fake_engine_set(f->engine, HEALTH_UP, 5, 0);
	a = expect(f, 200, "GET", "/v1/interfaces/eth0", NULL);
	assert_true(json_is_true(at(a.json, "state.attached")));
	assert_string_equal(text_at(&a, "state.mode"), "native");
	assert_int_equal(number_at(&a, "state.program_id"), 12);
	assert_int_equal(number_at(&a, "state.mtu"), 1500);
	assert_int_equal(number_at(&a, "state.counters.packets"), 99);
	assert_int_equal(number_at(&a, "state.drops.no_listener"), 3);
	answer_done(&a);

	a = expect(f, 200, "GET", "/v1/load_balancers/edge", NULL);
	assert_string_equal(text_at(&a, "state.addresses.0.interface"), "eth0");
	assert_true(json_is_false(at(a.json, "state.addresses.0.host")));
	assert_true(json_is_null(at(a.json, "state.addresses.1.interface")));
	assert_true(json_is_true(at(a.json, "state.addresses.1.host")));
	assert_int_equal(number_at(&a, "listeners.http.state.flows"), 5);
	assert_int_equal(number_at(&a, "listeners.http.state.counters.flows_created"), 7);
	assert_int_equal(number_at(&a, "listeners.http.ports.0.from"), 80);
	answer_done(&a);

	a = expect(f, 200, "GET", "/v1/server_groups/web", NULL);
	assert_int_equal(number_at(&a, "state.up"), 2);
	assert_int_equal(number_at(&a, "state.servers"), 2);
	assert_int_equal(number_at(&a, "state.flows"), 10);
	assert_string_equal(text_at(&a, "servers.web1.state.state"), "up");
	assert_int_equal(number_at(&a, "servers.web1.state.weight_percent"), 66);
	assert_int_equal(number_at(&a, "servers.web2.state.weight_percent"), 33);
	assert_string_equal(text_at(&a, "servers.web1.state.since"), "2023-11-14T22:13:20Z");
	assert_string_equal(text_at(&a, "servers.web1.state.addresses.0.neighbour"),
			    "52:54:00:aa:01:11");
	assert_string_equal(text_at(&a, "servers.web1.state.addresses.0.interface"), "eth0");
	assert_string_equal(text_at(&a, "servers.web1.state.addresses.0.snat.0.address"),
			    "10.0.1.2");
	assert_int_equal(number_at(&a, "servers.web1.state.addresses.0.snat.0.used"), 90);
	answer_done(&a);
}

static bool has_problem(const struct answer *status, const char *level, const char *needle)
{
	json_t *problem;
	size_t i;

	json_array_foreach(at(status->json, "problems"), i, problem)
		if (!strcmp(json_string_value(json_object_get(problem, "level")), level) &&
		    strstr(json_string_value(json_object_get(problem, "text")), needle))
			return true;
	return false;
}

static void status_page(void **state)
{
	struct fixture *f = *state;
	struct answer a = expect(f, 200, "GET", "/v1/status", NULL);

	assert_true(text_at(&a, "version")[0]);
	assert_string_equal(text_at(&a, "instance"), "");
	assert_int_equal(number_at(&a, "pid"), getpid());
	assert_int_equal(number_at(&a, "revision"), 1);
	assert_int_equal(number_at(&a, "max_flows"), XLB_DEFAULT_FLOWS);
	assert_int_equal(number_at(&a, "drops.no_listener"), 3);
	assert_string_equal(text_at(&a, "interfaces.0.name"), "eth0");
	assert_string_equal(text_at(&a, "load_balancers.0.listeners.http.name"), "http");
	assert_string_equal(text_at(&a, "server_groups.0.servers.web2.name"), "web2");
	assert_int_equal(json_array_size(at(a.json, "retired")), 0);
	assert_int_equal(json_array_size(at(a.json, "problems")), 0);
	answer_done(&a);

	/* the fake's SNAT pool of 100 ports is nearly full, for both servers: one problem */
	fake_engine_set(f->engine, HEALTH_UP, 90, 0);
	a = expect(f, 200, "GET", "/v1/status", NULL);
	assert_int_equal(json_array_size(at(a.json, "problems")), 1);
	assert_true(has_problem(&a, "warning", "group web: 2 of 2 servers"));
	assert_int_equal(number_at(&a, "problems.0.count"), 2);
	assert_string_equal(text_at(&a, "problems.0.kind"), "snat_full");
	assert_string_equal(text_at(&a, "problems.0.command"),
			    "xlbctl set group web --snat.addresses 10.0.1.2,ANOTHER");
	answer_done(&a);

	expect_done(f, 200, "POST", "/v1/interfaces/eth1/attach", "{mode: generic}");
	expect_done(f, 200, "POST", "/v1/interfaces/eth7/attach", "");
	fake_engine_set(f->engine, HEALTH_DOWN, 13, 42);
	a = expect(f, 200, "GET", "/v1/status", NULL);
	assert_int_equal(number_at(&a, "confirm_in"), 42);
	assert_true(
		has_problem(&a, "error", "group web: 2 of 2 servers are down: connection refused"));
	assert_true(has_problem(&a, "error", "the first is web1"));
	assert_true(has_problem(&a, "error", "FAIL-OPEN"));
	assert_true(has_problem(&a, "error", "the map is full"));
	assert_true(has_problem(&a, "error", "eth7 is configured but does not exist"));
	assert_true(has_problem(&a, "warning", "eth1 runs in generic mode"));
	assert_true(has_problem(&a, "warning", "42 s"));
	answer_done(&a);

	fake_engine_set(f->engine, HEALTH_UP, 0, 0);
	expect_done(f, 200, "PATCH", "/v1/server_groups/web", "{fail_open: false}");
	fake_engine_set(f->engine, HEALTH_DOWN, 0, 0);
	a = expect(f, 200, "GET", "/v1/status", NULL);
	assert_true(has_problem(&a, "error", "new flows are dropped (no_server)"));
	answer_done(&a);
}

static void status_in_short(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	expect_done(f, 400, "GET", "/v1/status?summary=maybe", NULL);
	fake_engine_set(f->engine, HEALTH_DOWN, 13, 0);
	a = expect(f, 200, "GET", "/v1/status?summary=1", NULL);
	assert_int_equal(number_at(&a, "revision"), 1);
	assert_string_equal(text_at(&a, "interfaces.0.state.mode"), "native");
	assert_string_equal(text_at(&a, "load_balancers.0.addresses.0"), "198.51.100.10");
	assert_int_equal(number_at(&a, "load_balancers.0.listeners"), 1);
	assert_int_equal(number_at(&a, "load_balancers.0.state.servers"), 2);
	assert_int_equal(number_at(&a, "load_balancers.0.state.up"), 0);
	assert_string_equal(text_at(&a, "server_groups.0.forward"), "fullnat");
	assert_int_equal(number_at(&a, "server_groups.0.state.servers"), 2);
	assert_int_equal(number_at(&a, "server_groups.0.state.flows"), 26);
	assert_null(at(a.json, "server_groups.0.servers"));
	assert_true(has_problem(&a, "error", "FAIL-OPEN"));
	assert_true(has_problem(&a, "error", "2 of 2 servers are down"));
	/* the most serious first */
	assert_string_equal(text_at(&a, "problems.0.kind"), "fail_open");
	assert_int_equal(number_at(&a, "problem_counts.error"), 3);
	assert_int_equal(number_at(&a, "problem_counts.warning"), 0);
	answer_done(&a);
}

/* The full answer and the short one tell the same. */
static void problems_agree(void **state)
{
	struct fixture *f = *state;
	struct answer whole, brief;

	expect_done(f, 200, "POST", "/v1/interfaces/eth1/attach", "{mode: generic}");
	expect_done(f, 200, "POST", "/v1/server_groups/blue", "");
	expect_done(f, 200, "POST", "/v1/server_groups/blue/servers/b1",
		    "{address: 10.0.1.20, port: 80}");
	fake_engine_set(f->engine, HEALTH_DOWN, 13, 42);
	whole = expect(f, 200, "GET", "/v1/status", NULL);
	brief = expect(f, 200, "GET", "/v1/status?summary=1", NULL);
	assert_true(json_array_size(at(whole.json, "problems")) >= 6);
	assert_true(json_equal(at(whole.json, "problems"), at(brief.json, "problems")));
	answer_done(&whole);
	answer_done(&brief);
}

static void counters(void **state)
{
	static const struct {
		const char *view, *columns, *row;
	} rows[] = {
		{ "listeners",
		  "[\"name\",\"state\",\"flows\",\"flows_created\",\"packets_in\",\"bytes_in\",\"packets_out\",\"bytes_out\",\"drops\",\"resets\",\"ports_changed\",\"reset_flows\",\"unanswered\"]",
		  "[\"edge/http\",\"enabled\",5,7,0,0,0,1000,0,0,0,0,0]" },
		{ "servers",
		  "[\"name\",\"state\",\"flows\",\"flows_created\",\"packets_in\",\"bytes_in\",\"packets_out\",\"bytes_out\",\"drops\",\"resets\",\"ports_changed\",\"reset_flows\",\"unanswered\"]",
		  "[\"web/web1\",\"up\",5,7,0,0,0,1000,0,0,0,0,0]" },
		{ "drops", "[\"interface\",\"reason\",\"drops\"]", "[\"eth0\",\"no_listener\",3]" },
		{ "interfaces",
		  "[\"name\",\"state\",\"mtu\",\"packets\",\"bytes\",\"pass\",\"drop\",\"tx\",\"redirect\"]",
		  "[\"eth0\",\"native\",1500,99,0,0,0,0,0]" },
	};
	struct fixture *f = *state;
	size_t i;

	fake_engine_set(f->engine, HEALTH_UP, 5, 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;
		char path[64], *shown;

		snprintf(path, sizeof(path), "/v1/counters/%s", rows[i].view);
		a = expect(f, 200, "GET", path, NULL);
		assert_true(number_at(&a, "time_ns") > 0);
		shown = json_dumps(at(a.json, "columns"), JSON_COMPACT);
		assert_string_equal(shown, rows[i].columns);
		free(shown);
		shown = json_dumps(at(a.json, "rows.0"), JSON_COMPACT);
		assert_string_equal(shown, rows[i].row);
		free(shown);
		answer_done(&a);
	}
	expect_done(f, 404, "GET", "/v1/counters/widgets", NULL);
	expect_done(f, 405, "POST", "/v1/counters/servers", "");
}

static void write_config(const struct fixture *f, const char *source)
{
	FILE *out = fopen(f->paths.config_file, "we");

	assert_non_null(out);
	fputs(source, out);
	assert_int_equal(fclose(out), 0);
}

static void check_differs(struct fixture *f, bool differs)
{
	static const char *const paths[] = { "/v1/status?summary=1", "/v1/status" };
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct answer a = expect(f, 200, "GET", paths[i], NULL);

		assert_int_equal(json_is_true(at(a.json, "file_differs")), differs);
		assert_int_equal(has_problem(&a, "info", "xlb.yaml differs from"), differs);
		answer_done(&a);
	}
}

/* Each look after a change of the file or of the configuration tells how it is now. */
static void config_file(void **state)
{
	struct fixture *f = *state;
	char bare[sizeof(text) + 16];

	check_differs(f, false); /* there is none */
	write_config(f, text);
	check_differs(f, false);
	expect_done(f, 200, "PATCH", "/v1/server_groups/web/servers/web1", "{weight: 7}");
	check_differs(f, true);
	expect_done(f, 200, "PATCH", "/v1/server_groups/web/servers/web1", "{weight: 100}");
	check_differs(f, false);
	write_config(f, "version: 1\nload_balancers: {}\n");
	check_differs(f, true);
	write_config(f, "version: 1\nload_balancers: {edge: \n");
	check_differs(f, true);

	/* without interfaces it leaves alone those that run, whichever they are */
	snprintf(bare, sizeof(bare), "version: 1\n%s", strstr(text, "load_balancers:"));
	write_config(f, bare);
	check_differs(f, false);
	expect_done(f, 200, "POST", "/v1/interfaces/eth1/attach", "{mode: native}");
	check_differs(f, false);
	expect_done(f, 200, "POST", "/v1/interfaces/eth1/detach?yes=1", "");
	check_differs(f, false);
	expect_done(f, 200, "POST", "/v1/interfaces/eth1/attach", "{mode: native}");
	write_config(f, text);
	check_differs(f, true);

	assert_int_equal(unlink(f->paths.config_file), 0);
	check_differs(f, false);
}

/* --- changing --- */

static void adds_sets_removes(void **state)
{
	static const struct {
		const char *path, *add, *set, *member, *value;
	} rows[] = {
		{ "interfaces/eth1", "{\"mode\": \"generic\"}", "mode: native", "mode", "native" },
		{ "load_balancers/two", "addresses: [198.51.100.11]",
		  "{\"addresses\": [\"198.51.100.12\"]}", "addresses.0", "198.51.100.12" },
		{ "load_balancers/edge/listeners/dns",
		  "{protocol: udp, port: 53, server_group: dns}", "{idle_timeout: 30s}",
		  "idle_timeout", "30s" },
		{ "server_groups/blue", "", "drain: {timeout: 5m}", "drain.timeout", "5m" },
		{ "server_groups/web/servers/web3", "{\"address\": \"10.0.1.13\", \"port\": 8080}",
		  "{\"address\": \"10.0.1.14\"}", "address", "10.0.1.14" },
	};
	struct fixture *f = *state;
	size_t i;

	expect_done(f, 200, "POST", "/v1/server_groups/dns",
		    "{health_check: {type: tcp, port: 53}}");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;
		char path[128];

		snprintf(path, sizeof(path), "/v1/%s", rows[i].path);
		a = expect(f, 200, "POST", path, rows[i].add);
		assert_true(number_at(&a, "added") >= 1);
		assert_true(json_is_false(at(a.json, "dry_run")));
		assert_string_equal(text_at(&a, "warnings.1"), "second");
		assert_int_equal(text_at(&a, "changes.0")[0], '+');
		answer_done(&a);
		a = expect(f, 412, "POST", path, rows[i].add);
		check_problem(&a, "conflict");
		answer_done(&a);
		a = expect(f, 200, "PATCH", path, rows[i].set);
		assert_int_equal(number_at(&a, "changed"), 1);
		answer_done(&a);
		a = expect(f, 200, "GET", path, NULL);
		if (json_is_array(at(a.json, rows[i].member)))
			assert_string_equal(
				json_string_value(json_array_get(at(a.json, rows[i].member), 0)),
				rows[i].value);
		else
			assert_string_equal(text_at(&a, rows[i].member), rows[i].value);
		answer_done(&a);
		a = expect(f, 200, "DELETE", path, NULL);
		assert_true(number_at(&a, "removed") >= 1);
		answer_done(&a);
		expect_done(f, 404, "GET", path, NULL);
		expect_done(f, 404, "DELETE", path, NULL);
		expect_done(f, 404, "PATCH", path, rows[i].set);
	}
}

static void whole_configurations(void **state)
{
	struct fixture *f = *state;
	struct answer a, b;
	char *export, without[sizeof(text)];

	a = expect(f, 200, "GET", "/v1/export", NULL);
	assert_non_null(strcasestr(a.data, "Content-Type: text/yaml"));
	export = strdup(a.body);
	answer_done(&a);
	a = expect(f, 200, "POST", "/v1/check", export);
	assert_true(json_is_true(at(a.json, "ok")));
	answer_done(&a);
	a = expect(f, 200, "POST", "/v1/diff", export);
	assert_int_equal(json_array_size(at(a.json, "changes")), 0);
	answer_done(&a);

	/* without interfaces: they stay, and are no difference */
	snprintf(without, sizeof(without), "version: 1\n%s", strstr(text, "load_balancers:"));
	a = expect(f, 200, "POST", "/v1/diff", without);
	if (json_array_size(at(a.json, "changes")))
		fail_msg("%s", a.body);
	answer_done(&a);
	a = expect(f, 200, "POST", "/v1/diff", "version: 1\nserver_groups: {blue: {}}\n");
	assert_int_equal(number_at(&a, "added"), 1);
	assert_true(number_at(&a, "removed") >= 2);
	answer_done(&a);

	a = expect(f, 200, "POST", "/v1/apply?dry_run=1",
		   "version: 1\nserver_groups: {blue: {}}\n");
	assert_true(json_is_true(at(a.json, "dry_run")));
	assert_int_equal(number_at(&a, "revision"), 1);
	answer_done(&a);
	b = expect(f, 200, "GET", "/v1/export", NULL);
	assert_string_equal(b.body, export);
	answer_done(&b);
	a = expect(f, 200, "POST", "/v1/apply", "version: 1\nserver_groups: {blue: {}}\n");
	assert_int_equal(number_at(&a, "revision"), 2);
	answer_done(&a);
	expect_done(f, 200, "GET", "/v1/server_groups/blue", NULL);
	expect_done(f, 404, "GET", "/v1/server_groups/web", NULL);
	free(export);
}

static void checks_of_an_interface(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	json_t *check;
	bool seen = false;
	size_t i;

	a = expect(f, 200, "GET", "/v1/interfaces/eth1/check",
		   NULL); /* it need not be configured */
	assert_string_equal(text_at(&a, "interface"), "eth1");
	assert_int_equal(number_at(&a, "failures"), 2); /* lro, capabilities */
	json_array_foreach(at(a.json, "checks"), i, check) {
		assert_true(json_is_string(json_object_get(check, "check")));
		assert_true(json_is_string(json_object_get(check, "text")));
		if (strcmp(json_string_value(json_object_get(check, "check")), "lro"))
			continue;
		seen = true;
		assert_string_equal(json_string_value(json_object_get(check, "level")), "fail");
		assert_string_equal(json_string_value(json_object_get(check, "fix")),
				    "ethtool -K eth1 lro off");
		assert_string_equal(json_string_value(json_object_get(check, "setting")), "lro");
	}
	assert_true(seen);
	answer_done(&a);
	a = expect(f, 404, "GET", "/v1/interfaces/eth9/check", NULL);
	check_problem(&a, "not-found");
	answer_done(&a);
}

static void attach_fixes(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	expect_done(f, 200, "POST", "/v1/interfaces/eth0/attach?fix=1", "{fix: [rp_filter]}");
	a = expect(f, 200, "GET", "/v1/interfaces/eth0", NULL);
	assert_string_equal(text_at(&a, "fix.0"), "lro");
	assert_string_equal(text_at(&a, "fix.1"), "rp_filter");
	assert_string_equal(text_at(&a, "state.settings.0.setting"), "lro");
	assert_int_equal(number_at(&a, "state.settings.0.was"), 1);
	assert_int_equal(number_at(&a, "state.settings.0.now"), 0);
	answer_done(&a);
	expect_done(f, 400, "POST", "/v1/interfaces/eth0/attach?fix=yes", "");
	expect_done(f, 400, "POST", "/v1/interfaces/eth0/detach?fix=1", "");
}

static void actions(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	a = expect(f, 200, "POST", "/v1/interfaces/eth1/attach?confirm=60&force=1",
		   "{\"mode\": \"generic\"}");
	answer_done(&a);
	assert_int_equal(fake_engine_last_options(f->engine)->confirm, 60);
	assert_true(fake_engine_last_options(f->engine)->force);
	assert_false(fake_engine_last_options(f->engine)->yes);
	a = expect(f, 200, "POST", "/v1/interfaces/eth1/attach", "{mode: native}");
	assert_int_equal(number_at(&a, "changed"), 1);
	answer_done(&a);
	fake_engine_set(f->engine, HEALTH_UP, 5, 0);
	a = expect(f, 409, "POST", "/v1/interfaces/eth1/detach", "");
	check_problem(&a, "needs-confirmation");
	answer_done(&a);
	expect_done(f, 200, "POST", "/v1/interfaces/eth1/detach?yes=1", NULL);
	expect_done(f, 404, "POST", "/v1/interfaces/eth1/detach?yes=1", NULL);

	a = expect(f, 404, "POST", "/v1/confirm", "");
	check_problem(&a, "not-found");
	answer_done(&a);
	fake_engine_set(f->engine, HEALTH_UP, 0, 30);
	a = expect(f, 200, "POST", "/v1/confirm", "");
	assert_int_equal(number_at(&a, "revision"), 4);
	answer_done(&a);

	expect_done(f, 200, "POST", "/v1/server_groups/web/servers/web1/drain?now=1", "");
	assert_true(fake_engine_last_options(f->engine)->now);
	a = expect(f, 200, "GET", "/v1/server_groups/web/servers/web1", NULL);
	assert_true(json_is_false(at(a.json, "enabled")));
	answer_done(&a);
	expect_done(f, 404, "POST", "/v1/server_groups/web/servers/web9/drain", "");
}

static void origins(void **state)
{
	static const struct {
		const char *header, *origin;
	} rows[] = {
		{ "", "PATCH server_groups/web" },
		{ "X-XLB-Origin: conf/xlb.yaml\r\n", "conf/xlb.yaml" },
		{ "X-XLB-Origin: caf\xc3\xa9\x1b[2J\x7f\r\n", "caf???[2J?" },
	};
	char header[512], expected[256];
	struct fixture *f = *state;
	struct answer a;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = client_new(f);
		send_request(f, fd, "PATCH", "/v1/server_groups/web", rows[i].header,
			     "{fail_open: true}");
		a = client_receive(f, fd);
		assert_int_equal(a.status, 200);
		assert_string_equal(fake_engine_last_options(f->engine)->origin, rows[i].origin);
		answer_done(&a);
		close(fd);
	}
	memset(expected, 'x', 200);
	expected[200] = '\0';
	snprintf(header, sizeof(header), "X-XLB-Origin: %syyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
		 expected);
	fd = client_new(f);
	send_request(f, fd, "POST", "/v1/apply", header, "version: 1\nfoo: 1\n");
	a = client_receive(f, fd);
	assert_int_equal(a.status, 422);
	assert_string_equal(text_at(&a, "file"), expected);
	assert_int_equal(number_at(&a, "line"), 2);
	assert_string_equal(text_at(&a, "source"), "foo: 1");
	answer_done(&a);
	close(fd);
}

/* --- errors --- */

static void errors_of_captures(void **state)
{
	static const struct {
		int status;
		const char *type, *method, *path, *body;
	} rows[] = {
		{ 400, "usage", "POST", "/v1/capture?port=0", "" },
		{ 400, "usage", "POST", "/v1/capture?port=65536", "" },
		{ 400, "usage", "POST", "/v1/capture?address=192.0.2.1/33", "" },
		{ 400, "usage", "POST", "/v1/capture?address=::1&address=::2&address=::3", "" },
		{ 400, "usage", "POST", "/v1/capture?protocol=icmp", "" },
		{ 400, "usage", "POST", "/v1/capture?verdict=none", "" },
		{ 400, "usage", "POST", "/v1/capture?reason=no_lisener", "" },
		{ 400, "usage", "POST", "/v1/capture?side=left", "" },
		{ 400, "usage", "POST", "/v1/capture?format=pcap", "" },
		{ 400, "usage", "POST", "/v1/capture?snap=4097", "" },
		{ 400, "usage", "POST", "/v1/capture?seconds=1h", "" },
		{ 400, "usage", "POST", "/v1/capture?listener=edge", "" },
		{ 400, "usage", "POST", "/v1/capture?server=web/web1/x", "" },
		{ 400, "usage", "POST", "/v1/capture?servers=web/web1", "" },
		{ 404, "not-found", "POST", "/v1/capture?interface=eth7", "" },
		{ 404, "not-found", "POST", "/v1/capture?listener=edge/htp", "" },
		{ 404, "not-found", "POST", "/v1/capture?server=web/web9", "" },
		{ 404, "not-found", "POST", "/v1/capture/nobody/stop", "" },
		{ 405, "usage", "GET", "/v1/capture", NULL },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a =
			expect(f, rows[i].status, rows[i].method, rows[i].path, rows[i].body);

		check_problem(&a, rows[i].type);
		answer_done(&a);
	}
}

static void error_statuses(void **state)
{
	static const struct {
		int status;
		const char *type, *method, *path, *body;
	} rows[] = {
		{ 404, "not-found", "GET", "/", NULL },
		{ 404, "not-found", "GET", "/v2/status", NULL },
		{ 404, "not-found", "GET", "/v1/", NULL },
		{ 404, "not-found", "GET", "/v1/statu", NULL },
		{ 404, "not-found", "GET", "/v1/%00status", NULL },
		{ 404, "not-found", "GET", "/v1/server_groups/nope", NULL },
		{ 404, "not-found", "GET", "/v1/server_groups/web/cows", NULL },
		{ 404, "not-found", "GET", "/v1/server_groups/web/servers/web1/x", NULL },
		{ 404, "not-found", "POST", "/v1/server_groups/nope/servers/a",
		  "{address: 10.0.0.9}" },
		{ 404, "not-found", "POST", "/v1/aply", "" },
		{ 405, "usage", "PUT", "/v1/server_groups/web", "{}" },
		{ 405, "usage", "PUT", "/v1/status", "{}" },
		{ 405, "usage", "POST", "/v1/status", "{}" },
		{ 405, "usage", "GET", "/v1/apply", NULL },
		{ 405, "usage", "GET", "/v1/interfaces/eth0/attach", NULL },
		{ 405, "usage", "POST", "/v1/interfaces/eth0/check", "" },
		{ 405, "usage", "DELETE", "/v1/server_groups/web/servers/web1/drain", NULL },
		{ 400, "usage", "POST", "/v1/server_groups", "{}" },
		{ 400, "usage", "PATCH", "/v1/server_groups", "{}" },
		{ 400, "usage", "DELETE", "/v1/server_groups/web/servers", NULL },
		{ 400, "usage", "GET", "/v1/status", "{}" },
		{ 400, "usage", "DELETE", "/v1/server_groups/web", "{}" },
		{ 400, "usage", "POST", "/v1/apply?dryrun=1", "version: 1" },
		{ 400, "usage", "POST", "/v1/apply?dry_run=maybe", "version: 1" },
		{ 400, "usage", "POST", "/v1/apply?dry_run", "version: 1" },
		{ 400, "usage", "POST", "/v1/apply?if_revision=x", "version: 1" },
		{ 400, "usage", "POST", "/v1/apply?confirm=0", "version: 1" },
		{ 400, "usage", "POST", "/v1/apply?confirm=4000", "version: 1" },
		{ 412, "conflict", "POST", "/v1/apply?if_revision=7", "version: 1" },
		{ 422, "config-invalid", "POST", "/v1/apply", "version: 1\nfoo: {}\n" },
		{ 422, "config-invalid", "POST", "/v1/check", "version: 1\nfoo: {}\n" },
		{ 422, "config-invalid", "POST", "/v1/diff", "version: 1\nfoo: {}\n" },
		{ 422, "config-invalid", "POST", "/v1/check", "{\"version\": 1" },
		{ 422, "config-invalid", "PATCH", "/v1/server_groups/web/servers/web1",
		  "{\"weight\": 101}" },
		{ 422, "config-invalid", "PATCH", "/v1/server_groups/web/servers/web1",
		  "{\"wait\": 1}" },
		{ 422, "config-invalid", "PATCH", "/v1/server_groups/web/servers/web1", "[1]" },
		{ 422, "config-invalid", "PATCH", "/v1/server_groups/web/servers/web1",
		  "{\"weight\": 1" },
		{ 422, "config-invalid", "POST", "/v1/server_groups/web/servers/web3", "{}" },
		{ 422, "config-invalid", "POST", "/v1/server_groups/-x", "{}" },
		{ 422, "config-invalid", "DELETE", "/v1/server_groups/web", NULL },
	};
	struct fixture *f = *state;
	struct answer a;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = expect(f, rows[i].status, rows[i].method, rows[i].path, rows[i].body);
		check_problem(&a, rows[i].type);
		answer_done(&a);
	}
	assert_int_equal(engine_revision(f->engine), 1);
	a = expect(f, 405, "PUT", "/v1/interfaces/eth0", "");
	assert_non_null(strstr(a.data, "Allow: GET, POST, PATCH, DELETE\r\n"));
	answer_done(&a);
	a = expect(f, 405, "GET", "/v1/check", NULL);
	assert_non_null(strstr(a.data, "Allow: POST\r\n"));
	answer_done(&a);
	a = expect(f, 400, "POST", "/v1/apply?dry_rum=1", "version: 1");
	assert_non_null(strstr(text_at(&a, "hint"), "dry_run"));
	answer_done(&a);
	/* the body of one object has no position, but a pointer */
	a = expect(f, 422, "PATCH", "/v1/server_groups/web/servers/web1", "{\"weight\": 101}");
	assert_null(at(a.json, "line"));
	assert_non_null(strstr(text_at(&a, "pointer"), "weight"));
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(shows_every_type, setup),
		WITH(shows_state, setup),
		WITH(status_page, setup),
		WITH(status_in_short, setup),
		WITH(problems_agree, setup),
		WITH(counters, setup),
		WITH(config_file, setup),
		WITH(adds_sets_removes, setup),
		WITH(whole_configurations, setup),
		WITH(actions, setup),
		WITH(checks_of_an_interface, setup),
		WITH(attach_fixes, setup),
		WITH(origins, setup),
		WITH(errors_of_captures, setup),
		WITH(error_statuses, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
