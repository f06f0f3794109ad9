// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The stream of a capture: its end, a client that is slow or leaves, what the datapath is asked for. */
#include <arpa/inet.h>

#include "api_fixture.c"

#include "core/pcapng.h"

/* A chunked answer without its head and chunk sizes. */
struct stream {
	int fd;
	char *raw, *body;
	size_t raw_length, length;
	bool ended;
};

static void stream_receive(struct stream *stream)
{
	char data[65536];
	ssize_t n = recv(stream->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n <= 0)
		return;
	stream->raw = realloc(stream->raw, stream->raw_length + (size_t)n);
	assert_non_null(stream->raw);
	memcpy(stream->raw + stream->raw_length, data, (size_t)n);
	stream->raw_length += (size_t)n;
}

/* Takes the chunks apart, as far as they are there. */
static void stream_read(struct stream *stream)
{
	char *at = memmem(stream->raw, stream->raw_length, "\r\n\r\n", 4);
	char *end = stream->raw + stream->raw_length, *line;

	free(stream->body);
	stream->body = calloc(1, stream->raw_length + 1);
	stream->length = 0;
	assert_non_null(stream->body);
	for (at = at ? at + 4 : end; (line = memmem(at, (size_t)(end - at), "\r\n", 2));) {
		size_t size = strtoul(at, NULL, 16);

		if (!size)
			stream->ended = true;
		if (!size || (size_t)(end - line) < size + 4)
			return;
		memcpy(stream->body + stream->length, line + 2, size);
		stream->length += size;
		at = line + 2 + size + 2;
	}
}

/* Turns the loop until the condition holds. */
#define turn_until(f, condition) \
	do { \
		double end_ = now_ms() + WAIT_SECONDS * 1000; \
		while (!(condition)) { \
			turn(f); \
			if (now_ms() > end_) \
				fail_msg("waited in vain for " #condition); \
		} \
	} while (0)

static bool stream_has(struct stream *stream, size_t length)
{
	stream_receive(stream);
	if (stream->raw_length)
		stream_read(stream);
	return stream->length >= length;
}

static struct stream start(struct fixture *f, const char *path)
{
	struct stream stream = { .fd = client_new(f) };

	send_request(f, stream.fd, "POST", path, NULL, "");
	turn_until(f, fake_session);
	return stream;
}

static void stream_done(struct stream *stream)
{
	close(stream->fd);
	free(stream->raw);
	free(stream->body);
}

static void event(uint8_t stage, uint32_t captured)
{
	static uint8_t data[XLB_EVENT_BYTES_MAX];
	struct xlb_event event = {
		.time = 1,
		.number = 7,
		.length = captured,
		.captured = captured,
		.slot = 1,
		.stage = stage,
		.verdict = XLB_VERDICT_DROP,
		.reason = XLB_DROP_NO_LISTENER,
	};

	fake_session->handler->event(fake_session->arg, &event, data);
}

/* Counts of blocks, and of what the statistics say was dropped. */
static uint64_t blocks(const struct stream *stream, uint32_t type, uint64_t *ret_dropped)
{
	const uint8_t *data = (const uint8_t *)stream->body;
	struct pcapng_block block;
	uint64_t count = 0, value;
	size_t at = 0;

	for (; !pcapng_read(data + at, stream->length - at, &block); at += block.length) {
		count += block.type == type;
		if (block.type != PCAPNG_STATISTICS || !ret_dropped)
			continue;
		memcpy(&value, pcapng_option(&block, PCAPNG_IF_DROPPED, 8), sizeof(value));
		*ret_dropped += value;
	}
	assert_int_equal(at, stream->length);
	return count;
}

static void what_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct stream stream = start(
		f,
		"/v1/capture?listener=edge/http&server=web/web2&protocol=udp&verdict=drop&reason=hairpin&side=after&snap=60&address=192.0.2.0/24&port=80");
	const struct xlb_watch *watch = &fake_session->wanted;

	assert_int_equal(watch->listener, engine_live_id(f->engine, ID_LISTENER, "edge/http"));
	assert_int_equal(watch->server, engine_live_id(f->engine, ID_SERVER, "web/web2@10.0.1.12"));
	assert_int_equal(watch->other_server, 0);
	assert_int_equal(watch->protocol, IPPROTO_UDP);
	assert_int_equal(watch->verdict, XLB_VERDICT_DROP);
	assert_int_equal(watch->reason, XLB_DROP_HAIRPIN);
	assert_int_equal(watch->without, 1U << XLB_EVENT_BEFORE);
	assert_int_equal(watch->snap, 60);
	assert_int_equal(watch->ends[0].mask.bytes[14], 0xff);
	assert_int_equal(watch->ends[0].mask.bytes[15], 0);
	assert_int_equal(watch->ends[0].port, 0);
	assert_int_equal(ntohs(watch->ends[1].port), 80);
	assert_int_equal(watch->set, XLB_WATCH_LISTENER | XLB_WATCH_SERVER | XLB_WATCH_PROTOCOL |
					     XLB_WATCH_VERDICT | XLB_WATCH_REASON | XLB_WATCH_ENDS);
	stream_done(&stream);
}

static void ends_after_a_count(void **state)
{
	struct fixture *f = *state;
	struct stream stream = start(f, "/v1/capture?count=3&snap=10");

	turn_until(f, stream_has(&stream, 28));
	for (int i = 0; i < 5; i++)
		event(XLB_EVENT_BEFORE, 100);
	turn_until(f, (stream_has(&stream, 0), stream.ended));
	assert_int_equal(blocks(&stream, PCAPNG_PACKET, NULL), 3);
	assert_null(fake_session);
	stream_done(&stream);
}

static void stops_when_told(void **state)
{
	struct fixture *f = *state;
	struct stream stream = start(f, "/v1/capture?name=mine&format=json");

	turn_until(f, strstr(stream.raw_length ? stream.raw : "", "200 OK") ||
			      (stream_receive(&stream), false));
	event(XLB_EVENT_BEFORE, 0);
	expect_done(f, 412, "POST", "/v1/capture?name=mine", "");
	expect_done(f, 404, "POST", "/v1/capture/other/stop", "");
	expect_done(f, 200, "POST", "/v1/capture/mine/stop", "");
	turn_until(f, (stream_has(&stream, 0), stream.ended));
	assert_non_null(strstr(stream.body, "\"reason\":\"no_listener\""));
	assert_non_null(strstr(stream.body, "\"stage\":\"end\",\"packets\":1,\"skipped\":0}"));
	expect_done(f, 404, "POST", "/v1/capture/mine/stop", "");
	stream_done(&stream);
}

/* All that matched is in the file or counted, whoever was too slow; the end comes once the client reads. */
static void slow_client(void **state)
{
	struct fixture *f = *state;
	struct stream stream = start(f, "/v1/capture?name=slow");
	uint64_t dropped = 0, packets;

	turn_until(f, stream_has(&stream, 28));
	fake_skipped = 5;
	for (int i = 0; i < 2000; i++) {
		event(XLB_EVENT_BEFORE, XLB_EVENT_BYTES_MAX);
		turn(f);
	}
	expect_done(f, 200, "POST", "/v1/capture/slow/stop", "");
	turn_until(f, (stream_has(&stream, 0), stream.ended));
	fake_skipped = 0;
	packets = blocks(&stream, PCAPNG_PACKET, &dropped);
	assert_true(packets > 200 && packets < 2000);
	assert_int_equal(packets + dropped, 2000 + 5);
	stream_done(&stream);
}

static void client_leaves(void **state)
{
	struct fixture *f = *state;
	struct stream stream = start(f, "/v1/capture");

	turn_until(f, stream_has(&stream, 28));
	stream_done(&stream);
	turn_until(f, !fake_session);
}

static void program_not_loaded(void **state)
{
	struct fixture *f = *state;
	struct answer answer;

	xlb_err_set(&fake_ready_err, XLB_ERR_FAILED, -1, "the verifier says no");
	answer = expect(f, 500, "POST", "/v1/capture", "");
	check_problem(&answer, "failed");
	answer_done(&answer);
	fake_ready_err = (struct xlb_err){};
	assert_null(fake_session);
}

/* The daemon ends while captures run: nothing is left behind. */
static void daemon_ends(void **state)
{
	struct fixture *f = *state;
	struct stream stream = start(f, "/v1/capture");

	turn_until(f, stream_has(&stream, 28));
	f->api = api_close(f->api);
	assert_null(fake_session);
	stream_done(&stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_asked_for), TEST(ends_after_a_count), TEST(stops_when_told),
		TEST(slow_client),	 TEST(client_leaves),	   TEST(program_not_loaded),
		TEST(daemon_ends),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
