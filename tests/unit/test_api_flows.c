// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/flows and POST /v1/flows/kill on a flow table in memory. */
#include "api_fixture.c" /* a test is linked from one file */

#define MANY 100000

static void add_flows(struct fixture *f, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++)
		fake_engine_add_flow(f->engine, n);
}

static void shows_a_flow(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	fake_engine_add_flow(f->engine, 10);
	a = expect(f, 200, "GET", "/v1/flows", NULL);
	assert_int_equal(number_at(&a, "matched"), 1);
	assert_int_equal(number_at(&a, "scanned"), 1);
	assert_string_equal(text_at(&a, "flows.0.client"), "203.0.113.0:1034");
	assert_string_equal(text_at(&a, "flows.0.vip"), "198.51.100.10:80");
	assert_string_equal(text_at(&a, "flows.0.protocol"), "tcp");
	assert_string_equal(text_at(&a, "flows.0.load_balancer"), "edge");
	assert_string_equal(text_at(&a, "flows.0.listener"), "http");
	assert_string_equal(text_at(&a, "flows.0.server_group"), "web");
	assert_string_equal(text_at(&a, "flows.0.server"), "web1");
	assert_string_equal(text_at(&a, "flows.0.server_address"), "10.0.1.11:8080");
	assert_string_equal(text_at(&a, "flows.0.snat"), "10.0.1.2:40000");
	assert_string_equal(text_at(&a, "flows.0.state"), "established");
	assert_string_equal(text_at(&a, "flows.0.interface"), "eth0");
	assert_string_equal(text_at(&a, "flows.0.mac"), "02:00:00:00:00:09");
	assert_int_equal(number_at(&a, "flows.0.age"), 10); /* 10.7 s */
	assert_true(json_is_false(at(a.json, "flows.0.retired")));
	assert_null(at(a.json, "flows.0.packets"));
	answer_done(&a);
	/* ids that nobody knows any more */
	fake_engine_flow(f->engine, 0)->flow.listener = 77;
	fake_engine_flow(f->engine, 0)->flow.server = 77;
	a = expect(f, 200, "GET", "/v1/flows", NULL);
	assert_true(json_is_null(at(a.json, "flows.0.listener")));
	assert_true(json_is_null(at(a.json, "flows.0.server")));
	assert_true(json_is_true(at(a.json, "flows.0.retired")));
	answer_done(&a);
}

static void orders_and_limits(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	add_flows(f, 500);
	for (uint32_t n = 0; n < 500; n++)
		fake_engine_flow(f->engine, n)->flow.stamp -= 499 - n;
	a = expect(f, 200, "GET", "/v1/flows", NULL);
	assert_int_equal(number_at(&a, "matched"), 500);
	assert_int_equal(json_array_size(at(a.json, "flows")), 100);
	assert_string_equal(text_at(&a, "flows.0.client"), "203.0.113.0:1523");
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/flows?by=age&order=asc&limit=2", NULL);
	assert_int_equal(json_array_size(at(a.json, "flows")), 2);
	assert_string_equal(text_at(&a, "flows.1.client"), "203.0.113.0:1025");
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/flows?by=idle&limit=1", NULL);
	assert_string_equal(text_at(&a, "flows.0.client"), "203.0.113.0:1024");
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/flows?client=203.0.113.0:1100&server=web/web1", NULL);
	assert_int_equal(number_at(&a, "matched"), 1);
	assert_int_equal(number_at(&a, "scanned"), 500);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/flows?server=web/web2", NULL);
	assert_int_equal(number_at(&a, "matched"), 0);
	assert_int_equal(json_array_size(at(a.json, "flows")), 0);
	answer_done(&a);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		int status;
		const char *query, *says;
	} rows[] = {
		{ 400, "client=nowhere", "ADDRESS:PORT" },
		{ 400, "vip=10.0.0.1/8", "behind the prefix" },
		{ 400, "protocol=sctp", "tcp or udp" },
		{ 400, "state=dead", "tombstone" },
		{ 400, "by=size", "packets" },
		{ 400, "order=up", "asc" },
		{ 400, "limit=0", "1-100000" },
		{ 400, "limit=100001", "1-100000" },
		{ 400, "for=5", "by=packets" },
		{ 400, "by=bytes&for=61", "1-60" },
		{ 400, "listener=http", "lb/listener" },
		{ 400, "all=1", "is not one of" },
		{ 404, "server=web/web9", "web1" },
		{ 404, "listener=edge/smtp", "http" },
		{ 404, "load_balancer=nobody", "edge" },
		{ 404, "group=nobody", "web" },
	};
	struct fixture *f = *state;
	char path[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;

		snprintf(path, sizeof(path), "/v1/flows?%s", rows[i].query);
		a = expect(f, rows[i].status, "GET", path, NULL);
		if (!strstr(text_at(&a, "title"), rows[i].says))
			fail_msg("%s: '%s' does not say %s", rows[i].query, text_at(&a, "title"),
				 rows[i].says);
		answer_done(&a);
	}
	expect_done(f, 405, "GET", "/v1/flows/kill", NULL);
}

static void measured_flows(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	add_flows(f, 10);
	fake_traffic_count = 3;
	for (uint32_t i = 0; i < 3; i++)
		fake_traffic[i] = (struct flow_traffic){
			.key = fake_engine_flow(f->engine, i + 4)->key,
			.traffic = { .packets = 10 + i, .bytes = 9000 - 1000 * i }
		};
	fake_traffic[1].key.port = 0; /* gone since */
	a = expect(f, 200, "GET", "/v1/flows?by=packets&for=2", NULL);
	assert_int_equal(fake_measured_ms, 2000);
	assert_int_equal(number_at(&a, "seconds"), 2);
	assert_int_equal(number_at(&a, "matched"), 2);
	assert_string_equal(text_at(&a, "flows.0.client"), "203.0.113.0:1030");
	assert_int_equal(number_at(&a, "flows.0.packets"), 12);
	assert_int_equal(number_at(&a, "flows.1.bytes"), 9000);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/flows?by=bytes", NULL);
	assert_string_equal(text_at(&a, "flows.0.client"), "203.0.113.0:1028");
	answer_done(&a);
	xlb_err_set(&fake_measure_err, XLB_ERR_UNSUPPORTED, -1, "this kernel cannot");
	expect_done(f, 501, "GET", "/v1/flows?by=bytes", NULL);
	fake_measure_err.class = XLB_ERR_NONE;
}

/* Reads a chunked answer to its end and puts it together; *ret_chunks counts its pieces. */
static json_t *receive_pieces(struct fixture *f, int fd, int *ret_chunks)
{
	char *data = NULL, *body, *end;
	size_t size = 0, got = 0, length;
	json_t *json;

	do {
		ssize_t n;

		if (size - got < 65536)
			data = realloc(data, size += 1 << 20);
		assert_non_null(data);
		n = recv(fd, data + got, size - got - 1, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		data[got] = '\0';
		if (n < 0)
			turn(f);
	} while (got < 7 || strcmp(data + got - 7, "\r\n0\r\n\r\n"));
	body = strstr(data, "\r\n\r\n") + 4;
	*ret_chunks = 0;
	for (end = body; (length = strtoul(body, &body, 16)); ++*ret_chunks) {
		memmove(end, body + 2, length);
		end += length;
		body += 2 + length + 2;
	}
	json = json_loadb(data + (strstr(data, "\r\n\r\n") + 4 - data),
			  (size_t)(end - (strstr(data, "\r\n\r\n") + 4)), 0, NULL);
	free(data);
	return json;
}

static void long_lists_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = client_new(f), chunks;
	json_t *json;

	add_flows(f, 20000);
	f->longest_turn = 0;
	send_request(f, fd, "GET", "/v1/flows?limit=100000", NULL, NULL);
	json = receive_pieces(f, fd, &chunks);
	assert_int_equal(json_array_size(json_object_get(json, "flows")), 20000);
	assert_true(chunks > 5);
	json_decref(json);
	close(fd);
}

/* Lists that nobody reads, and lists whose clients leave, make room for others. */
static void few_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	int fds[4];

	add_flows(f, MANY);
	for (size_t i = 0; i < 4; i++) {
		fds[i] = client_new(f);
		send_request(f, fds[i], "GET", "/v1/flows?limit=100000", NULL, NULL);
		for (int turns = 0; turns < 20; turns++)
			turn(f);
	}
	a = expect(f, 503, "GET", "/v1/flows", NULL);
	assert_non_null(strstr(text_at(&a, "title"), "try again"));
	answer_done(&a);
	expect_done(f, 503, "POST", "/v1/flows/kill?all=1&yes=1", NULL);
	close(fds[0]);
	for (int turns = 0; turns < 100; turns++)
		turn(f);
	expect_done(f, 200, "GET", "/v1/flows?limit=1", NULL);
	for (size_t i = 1; i < 4; i++)
		close(fds[i]);
}

static void kills_one(void **state)
{
	struct fixture *f = *state;
	struct xlb_addr web1;
	struct answer a;

	add_flows(f, 3);
	fake_poke_count = 0;
	a = expect(f, 200, "POST", "/v1/flows/kill?client=203.0.113.0:1025", NULL);
	assert_int_equal(number_at(&a, "matched"), 1);
	assert_int_equal(number_at(&a, "killed"), 1);
	assert_int_equal(number_at(&a, "not_told"), 0);
	answer_done(&a);
	assert_int_equal(fake_engine_flow(f->engine, 0)->flow.state, XLB_FLOW_ESTABLISHED);
	assert_int_equal(fake_engine_flow(f->engine, 1)->flow.state, XLB_FLOW_TOMBSTONE);
	/* each end hears from the other one */
	assert_int_equal(fake_poke_count, 2);
	assert_true(addr_equal(&fake_pokes[0].from, &fake_engine_flow(f->engine, 1)->flow.vip));
	assert_int_equal(ntohs(fake_pokes[0].from_port), 80);
	assert_true(addr_equal(&fake_pokes[0].to, &fake_engine_flow(f->engine, 1)->key.client));
	assert_int_equal(ntohs(fake_pokes[0].to_port), 1025);
	parse_addr("10.0.1.11", &web1);
	assert_int_equal(ntohs(fake_pokes[1].from_port), 40000);
	assert_true(addr_equal(&fake_pokes[1].to, &web1));
	assert_int_equal(ntohs(fake_pokes[1].to_port), 8080);
	/* and is not killed again */
	a = expect(f, 200, "POST", "/v1/flows/kill?client=203.0.113.0:1025", NULL);
	assert_int_equal(number_at(&a, "matched"), 0);
	answer_done(&a);
}

static void many_want_agreement(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	add_flows(f, 3);
	a = expect(f, 400, "POST", "/v1/flows/kill?yes=1", NULL);
	assert_non_null(strstr(text_at(&a, "hint"), "all=1"));
	answer_done(&a);
	a = expect(f, 409, "POST", "/v1/flows/kill?server=web/web1", NULL);
	check_problem(&a, "needs-confirmation");
	assert_non_null(strstr(text_at(&a, "title"), "3 flows"));
	answer_done(&a);
	a = expect(f, 200, "POST", "/v1/flows/kill?all=1&dry_run=1&yes=1", NULL);
	assert_int_equal(number_at(&a, "matched"), 3);
	assert_int_equal(number_at(&a, "killed"), 0);
	answer_done(&a);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fake_engine_flow(f->engine, i)->flow.state, XLB_FLOW_ESTABLISHED);
	a = expect(f, 200, "POST", "/v1/flows/kill?all=1&yes=1", NULL);
	assert_int_equal(number_at(&a, "killed"), 3);
	answer_done(&a);
}

static void each_kind_ends_in_its_way(void **state)
{
	struct fixture *f = *state;
	struct fake_flow *flow;
	struct answer a;

	add_flows(f, 6);
	fake_poke_count = 0;
	fake_engine_flow(f->engine, 0)->flow.state = XLB_FLOW_NEW;
	fake_engine_flow(f->engine, 1)->key.protocol = IPPROTO_UDP;
	fake_engine_flow(f->engine, 2)->flow.state = XLB_FLOW_CLOSED;
	fake_engine_flow(f->engine, 3)->flow.state = XLB_FLOW_CLOSING;
	fake_engine_flow(f->engine, 4)->changes = 5; /* packets keep coming */
	flow = fake_engine_flow(f->engine, 5);
	flow->changes = 1000;
	a = expect(f, 500, "POST", "/v1/flows/kill?client=203.0.113.0:1029", NULL);
	answer_done(&a);
	flow->changes = 0;
	a = expect(f, 200, "POST", "/v1/flows/kill?all=1&yes=1", NULL);
	assert_int_equal(number_at(&a, "matched"), 5);
	assert_int_equal(number_at(&a, "killed"), 5);
	answer_done(&a);
	assert_int_equal(fake_engine_flow(f->engine, 0)->flow.state, XLB_FLOW_FREE);
	assert_int_equal(fake_engine_flow(f->engine, 1)->flow.state, XLB_FLOW_FREE);
	assert_int_equal(fake_engine_flow(f->engine, 2)->flow.state, XLB_FLOW_CLOSED);
	assert_int_equal(fake_engine_flow(f->engine, 3)->flow.state, XLB_FLOW_TOMBSTONE);
	assert_int_equal(fake_engine_flow(f->engine, 4)->flow.state, XLB_FLOW_TOMBSTONE);
	assert_int_equal(fake_poke_count, 2 * 3); /* TCP that was open */
}

static void what_cannot_be_poked_is_counted(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	add_flows(f, FAKE_POKES);
	fake_poke_count = 0;
	a = expect(f, 200, "POST", "/v1/flows/kill?all=1&yes=1", NULL);
	assert_int_equal(number_at(&a, "killed"), FAKE_POKES);
	assert_int_equal(number_at(&a, "not_told"), FAKE_POKES / 2);
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(shows_a_flow, setup),
		WITH(orders_and_limits, setup),
		WITH(says_what_is_wrong, setup),
		WITH(measured_flows, setup),
		WITH(long_lists_come_in_pieces, setup),
		WITH(few_at_a_time, setup),
		WITH(kills_one, setup),
		WITH(many_want_agreement, setup),
		WITH(each_kind_ends_in_its_way, setup),
		WITH(what_cannot_be_poked_is_counted, setup),
	};

	return cmocka_run_group_tests_name("api_flows", tests, NULL, NULL);
}
