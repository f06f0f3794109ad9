// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/drops. */
#include "api_fixture.c" /* a test is linked from one file */

#include "base/words.h"
#include "core/packet.h"

static struct xlb_drop_sample sample_of_frame(uint64_t age_ns)
{
	struct packet_info packet = { .family = XLB_IPV4,
				      .protocol = 6,
				      .tcp_flags = PACKET_SYN,
				      .has_ports = true,
				      .source_port_h = 51000,
				      .destination_port_h = 81 };
	static const uint8_t mac[6] = { 2 };
	struct xlb_drop_sample sample = { .slot = 1, .listener = 1 };
	uint8_t frame[PACKET_FRAME_MAX];
	struct timespec now;

	parse_addr("203.0.113.9", &packet.source);
	parse_addr("198.51.100.10", &packet.destination);
	sample.length = sample.captured = (uint32_t)packet_build(&packet, mac, mac, frame);
	memcpy(sample.data, frame, sample.captured);
	clock_gettime(CLOCK_MONOTONIC, &now);
	sample.time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - age_ns;
	return sample;
}

static void tells_reason_and_last(void **state)
{
	struct xlb_drop_sample sample = sample_of_frame(3500000000ULL);
	struct fixture *f = *state;
	struct answer a;

	fake_engine_sample(f->engine, &sample);
	a = expect(f, 200, "GET", "/v1/drops", NULL);
	assert_true(json_is_null(at(a.json, "uncounted")));
	assert_int_equal(strlen(text_at(&a, "time")), strlen("2026-11-22T10:00:00Z"));
	assert_int_equal(json_array_size(at(a.json, "drops")), 1);
	assert_string_equal(text_at(&a, "drops.0.reason"), "no_listener");
	assert_string_equal(text_at(&a, "drops.0.meaning"), reason_meaning(XLB_DROP_NO_LISTENER));
	assert_string_equal(text_at(&a, "drops.0.advice"), reason_advice(XLB_DROP_NO_LISTENER));
	assert_int_equal(number_at(&a, "drops.0.total"), 3);
	assert_true(json_is_null(at(a.json, "drops.0.rate"))); /* not looked at twice */
	assert_int_equal(number_at(&a, "drops.0.interfaces.eth0"), 3);
	assert_string_equal(text_at(&a, "drops.0.last.packet"),
			    "203.0.113.9:51000 > 198.51.100.10:81 tcp SYN");
	assert_string_equal(text_at(&a, "drops.0.last.interface"), "eth0");
	assert_string_equal(text_at(&a, "drops.0.last.listener"), "edge/http");
	assert_true(json_is_null(at(a.json, "drops.0.last.server")));
	assert_int_equal(number_at(&a, "drops.0.last.length"), sample.length);
	assert_int_equal(strlen(text_at(&a, "drops.0.last.bytes")), 2 * sample.captured);
	assert_memory_equal(text_at(&a, "drops.0.last.bytes"), "020000000000", 12);
	assert_true(json_real_value(at(a.json, "drops.0.last.age")) >= 3.5);
	assert_true(json_real_value(at(a.json, "drops.0.last.age")) < 3.5 + WAIT_SECONDS);
	answer_done(&a);
}

/* A frame lost after its verdict leaves no bytes, a clock read too early no negative age. */
static void sample_without_bytes(void **state)
{
	struct xlb_drop_sample sample = sample_of_frame(0);
	struct fixture *f = *state;
	struct answer a;

	sample.time += 3600000000000ULL;
	sample.captured = sample.length = sample.listener = 0;
	fake_engine_sample(f->engine, &sample);
	a = expect(f, 200, "GET", "/v1/drops", NULL);
	assert_true(json_is_null(at(a.json, "drops.0.last.packet")));
	assert_true(json_is_null(at(a.json, "drops.0.last.listener")));
	assert_string_equal(text_at(&a, "drops.0.last.bytes"), "");
	assert_true(json_real_value(at(a.json, "drops.0.last.age")) == 0);
	answer_done(&a);
}

static void no_sample(void **state)
{
	struct xlb_drop_sample elsewhere = sample_of_frame(0);
	struct fixture *f = *state;
	struct answer a = expect(f, 200, "GET", "/v1/drops", NULL);

	assert_true(json_is_null(at(a.json, "drops.0.last")));
	answer_done(&a);
	/* of a slot that is nobody's any more */
	elsewhere.slot = 9;
	fake_engine_sample(f->engine, &elsewhere);
	a = expect(f, 200, "GET", "/v1/drops", NULL);
	assert_true(json_is_null(at(a.json, "drops.0.last")));
	answer_done(&a);
}

static void every_reason(void **state)
{
	struct fixture *f = *state;
	struct answer a = expect(f, 200, "GET", "/v1/drops?all=1", NULL);
	char path[64];

	assert_int_equal(json_array_size(at(a.json, "drops")), XLB_DROP_COUNT - 1);
	for (uint32_t reason = 1; reason < XLB_DROP_COUNT; reason++) {
		snprintf(path, sizeof(path), "drops.%u.reason", reason - 1);
		assert_string_equal(text_at(&a, path), reason_word(reason));
		snprintf(path, sizeof(path), "drops.%u.advice", reason - 1);
		assert_true(strlen(text_at(&a, path)) > 0);
		snprintf(path, sizeof(path), "drops.%u.total", reason - 1);
		assert_int_equal(number_at(&a, path), reason == XLB_DROP_NO_LISTENER ? 3 : 0);
	}
	answer_done(&a);
}

static void filters(void **state)
{
	struct fixture *f = *state;
	struct answer a = expect(f, 200, "GET", "/v1/drops?reason=hairpin", NULL);

	assert_int_equal(json_array_size(at(a.json, "drops")), 1);
	assert_string_equal(text_at(&a, "drops.0.reason"), "hairpin");
	assert_int_equal(number_at(&a, "drops.0.total"), 0);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/drops?interface=eth0", NULL);
	assert_int_equal(json_array_size(at(a.json, "drops")), 1);
	answer_done(&a);
	a = expect(f, 404, "GET", "/v1/drops?interface=eth9", NULL);
	check_problem(&a, "not-found");
	assert_non_null(strstr(text_at(&a, "title"), "eth9"));
	assert_non_null(strstr(text_at(&a, "title"), "eth0"));
	answer_done(&a);
	a = expect(f, 400, "GET", "/v1/drops?reason=bad_luck", NULL);
	check_problem(&a, "usage");
	assert_non_null(strstr(text_at(&a, "title"), "bad_luck"));
	assert_non_null(strstr(text_at(&a, "title"), reason_word(XLB_DROP_COUNT - 1)));
	answer_done(&a);
	expect_done(f, 400, "GET", "/v1/drops?colour=red", NULL);
	expect_done(f, 405, "DELETE", "/v1/drops", NULL);
}

/* That losses after the verdict are not counted is told here and in the status. */
static void uncounted(void **state)
{
	struct fixture *f = *state;
	bool told = false;
	struct answer a;
	json_t *problem;
	size_t i;

	fake_engine_uncounted(f->engine, true);
	a = expect(f, 200, "GET", "/v1/drops", NULL);
	assert_string_equal(text_at(&a, "uncounted"), "no tracefs");
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/status", NULL);
	json_array_foreach(at(a.json, "problems"), i, problem) {
		if (strcmp(json_string_value(at(problem, "kind")), "lost_uncounted"))
			continue;
		told = true;
		assert_string_equal(json_string_value(at(problem, "level")), "warning");
		assert_non_null(strstr(json_string_value(at(problem, "text")), "no tracefs"));
	}
	assert_true(told);
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_reason_and_last, setup, teardown),
		cmocka_unit_test_setup_teardown(sample_without_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(no_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(every_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(filters, setup, teardown),
		cmocka_unit_test_setup_teardown(uncounted, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
