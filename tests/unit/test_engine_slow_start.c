// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which servers start slowly, how their weights rise and that this needs nobody but the engine. */
#include "engine_lab.h"

#include "base/clock.h"

/* The engine's monotonic clock: it stands still, or goes on as the kernel's does. */
static uint64_t clock_at = NS_PER_SECOND;
static bool clock_goes;

uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return clock_at +
	       (clock_goes ? (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec : 0);
}

uint64_t clock_ms(clockid_t clock)
{
	return clock_ns(clock) / NS_PER_MS;
}

static void seconds_pass(uint64_t seconds)
{
	clock_at += seconds * NS_PER_SECOND;
}

#define SLOW(time, ...) \
	LAB_INTERFACES LAB_EDGE "server_groups: {web: {scheduler: wlc, slow_start: " time \
				", servers: {" __VA_ARGS__ "}}}\n"
#define WEB1	 LAB_WEB1
#define WEB2	 LAB_WEB2
#define WEB2_OFF "web2: {address: 10.0.1.12, port: 8080, enabled: false}"
#define WEB2_0	 "web2: {address: 10.0.1.12, port: 8080, weight: 0}"
#define WEB1_ID	 "web/web1@10.0.1.11"
#define WEB2_ID	 "web/web2@10.0.1.12"

/* Groups with wlc have their weights in the servers' rows. */
static uint16_t weight_of(struct lab *lab, const char *name)
{
	struct xlb_server server;

	assert_true(
		lab_row(TABLE_SERVER, &(struct row_id){ lab_id(lab, ID_SERVER, name) }, &server));
	return server.weight;
}

/* Percent, 100 of one that does not start. */
static uint32_t part_of(struct lab *lab, const char *name)
{
	struct slow_start start = { .part = 100 };

	engine_is_starting(lab->engine, lab_id(lab, ID_SERVER, name), &start);
	return start.part;
}

static void expect_parts(struct lab *lab, uint32_t web1, uint32_t web2)
{
	bool starting = web1 < 100 || web2 < 100;

	assert_int_equal(part_of(lab, WEB1_ID), web1);
	assert_int_equal(part_of(lab, WEB2_ID), web2);
	assert_int_equal(weight_of(lab, WEB1_ID), web1 * (starting ? 100 : 1));
	assert_int_equal(weight_of(lab, WEB2_ID), web2 * (starting ? 100 : 1));
}

static void health(struct lab *lab, const char *down)
{
	lab_world.down = down;
	lab_tell_health(lab);
	lab_settle(lab);
}

/* Both have taken flows for a day. */
static void begin(struct lab *lab, const char *text)
{
	lab_apply_ok(lab, text);
	seconds_pass(86400);
}

/* What comes up, is enabled, gets a weight or is added starts; what is set otherwise meanwhile, or did so, does not. */
static void who_starts(void **state)
{
	static const struct {
		const char *before, *down, *after;
	} rows[] = {
		{ SLOW("60s", WEB1 ", " WEB2), "web2", SLOW("60s", WEB1 ", " WEB2) },
		{ SLOW("60s", WEB1 ", " WEB2_OFF), NULL, SLOW("60s", WEB1 ", " WEB2) },
		{ SLOW("60s", WEB1 ", " WEB2_0), NULL, SLOW("60s", WEB1 ", " WEB2) },
		{ SLOW("60s", WEB1), NULL, SLOW("60s", WEB1 ", " WEB2) },
	};
	struct lab *lab = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(lab, rows[i].before);
		health(lab, rows[i].down);
		lab_apply_ok(lab, rows[i].after);
		seconds_pass(3600);
		health(lab, NULL);
		if (!rows[i].down) {
			expect_parts(lab, 100, 100); /* an hour ago */
			lab_apply_ok(lab, rows[i].before);
			lab_apply_ok(lab, rows[i].after);
		}
		expect_parts(lab, 100, 10);
		/* news of the network compile everything */
		seconds_pass(20);
		lab_world.changed(lab_world.changed_arg);
		lab_settle(lab);
		expect_parts(lab, 100, 40);
		/* another weight is none of these */
		lab_apply_ok(lab, SLOW("60s", WEB1
				       ", web2: {address: 10.0.1.12, port: 8080, weight: 50}"));
		assert_int_equal(part_of(lab, WEB2_ID), 40);
		assert_int_equal(weight_of(lab, WEB2_ID), 50 * 40);
		lab_apply_ok(lab, SLOW("60s", WEB1 ", " WEB2));
		/* nor is the end of the other */
		health(lab, "web1");
		assert_int_equal(part_of(lab, WEB2_ID), 100);
		assert_int_equal(weight_of(lab, WEB2_ID), 100);
		/* which starts among those that are not far */
		health(lab, NULL);
		expect_parts(lab, 25, 100);
	}
}

/* Weights rise by themselves, and then all is as it was before. */
static void rises_by_itself(void **state)
{
	struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };
	struct lab *lab = *state;
	struct row_hash before, after;
	struct slow_start start;
	uint32_t last = 10;
	int i;

	clock_goes = true;
	begin(lab, SLOW("20s", WEB1 ", " WEB2));
	assert_true(lab_row(TABLE_MAGLEV, &key, &before));
	health(lab, "web2");
	health(lab, NULL);
	expect_parts(lab, 100, 10);
	assert_true(engine_is_starting(lab->engine, lab_id(lab, ID_SERVER, WEB2_ID), &start));
	assert_in_range(start.left_ms, 19000, 20000);
	for (i = 0; part_of(lab, WEB2_ID) == last && i < 1000; i++)
		lab_run(lab, 10);
	lab_settle(lab);
	last = part_of(lab, WEB2_ID);
	assert_in_range(last, 11, 99);
	expect_parts(lab, 100, last);
	seconds_pass(20);
	for (i = 0; part_of(lab, WEB2_ID) == last && i < 1000; i++)
		lab_run(lab, 10);
	lab_settle(lab);
	expect_parts(lab, 100, 100);
	assert_false(engine_is_starting(lab->engine, lab_id(lab, ID_SERVER, WEB2_ID), &start));
	assert_true(lab_row(TABLE_MAGLEV, &key, &after));
	assert_true(before.hash == after.hash);
	/* and nothing is compiled any more for this */
	last = (uint32_t)engine_stats(lab->engine)->reconciles;
	lab_run(lab, 1500);
	assert_int_equal(engine_stats(lab->engine)->reconciles, last);
	clock_goes = false;
}

/* All that take flows from one moment on, and those that xlbd finds up when it starts, have all of their weight. */
static void who_does_not(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, SLOW("60s", WEB1 ", " WEB2));
	expect_parts(lab, 100, 100);
	seconds_pass(3600);
	lab_world.down = "web2";
	health(lab, "web2");
	health(lab, NULL);
	expect_parts(lab, 100, 10);
	lab_stop(lab);
	lab_start(lab);
	lab_settle(lab);
	expect_parts(lab, 100, 100);
	/* down when xlbd started */
	lab_world.down = "web2";
	lab_stop(lab);
	lab_start(lab);
	lab_settle(lab);
	health(lab, NULL);
	expect_parts(lab, 100, 10);
}

/* Nothing of what only might have been is remembered. */
static void tries_change_nothing(void **state)
{
	struct request request = { .options = { .dry_run = true } };
	struct lab *lab = *state;

	begin(lab, SLOW("60s", WEB1 ", " WEB2_OFF));
	assert_int_equal(lab_apply(lab, &request, SLOW("60s", WEB1 ", " WEB2)), 0);
	seconds_pass(3600);
	sink_fake_fail(lab_world.datapath, 1, 1);
	request.options.dry_run = false;
	assert_true(lab_apply(lab, &request, SLOW("60s", WEB1 ", " WEB2)) < 0);
	sink_fake_fail(lab_world.datapath, 0, 0);
	lab_settle(lab);
	seconds_pass(3600);
	lab_apply_ok(lab, SLOW("60s", WEB1 ", " WEB2));
	expect_parts(lab, 100, 10);
	/* a group that wants it no longer, or shorter */
	seconds_pass(10);
	lab_apply_ok(lab, SLOW("15s", WEB1 ", " WEB2));
	expect_parts(lab, 100, 70);
	lab_apply_ok(lab, LAB_BOTH);
	assert_int_equal(part_of(lab, WEB2_ID), 100);
}

static char *slow_start_events(struct lab *lab, uint64_t *from)
{
	struct events *events = engine_events(lab->engine);
	const struct event_record *record;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (; (record = events_at(events, *from)); (*from)++)
		if (record->kind == EVENT_SLOW_START)
			fprintf(out, "%s\n", record->text);
	fclose(out);
	return text;
}

static void expect_events(struct lab *lab, uint64_t *from, const char *wanted)
{
	char *text = slow_start_events(lab, from);

	assert_string_equal(text, wanted);
	free(text);
}

/* Its beginning and its end are told, once; not that one is over because the server is down again. */
static void is_told(void **state)
{
	struct lab *lab = *state;
	uint64_t from = 1;

	begin(lab, SLOW("60s", WEB1 ", " WEB2));
	health(lab, "web2");
	health(lab, NULL);
	expect_events(lab, &from,
		      "web/web2 10.0.1.12 starts with 10 % of its weight, all of it in 60 s\n");
	seconds_pass(30);
	health(lab, NULL);
	health(lab, "web2");
	expect_events(lab, &from, "");
	health(lab, NULL);
	expect_events(lab, &from,
		      "web/web2 10.0.1.12 starts with 10 % of its weight, all of it in 60 s\n");
	seconds_pass(60);
	health(lab, NULL);
	expect_events(lab, &from, "web/web2 10.0.1.12 has all of its weight\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
		TEST(who_starts),	    TEST(rises_by_itself), TEST(who_does_not),
		TEST(tries_change_nothing), TEST(is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
