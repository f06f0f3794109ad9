// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the engine tells of: changes, NICs, next hops, health, counters, trouble. */
#include "engine_lab.h"

/* The events since the last look, as "kind text" lines. */
static char *events_since(struct lab *lab, uint64_t *from)
{
	struct events *events = engine_events(lab->engine);
	const struct event_record *record;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (; (record = events_at(events, *from)); (*from)++)
		fprintf(out, "%s %s\n", event_kind_word(record->kind), record->text);
	fclose(out);
	return text;
}

static void check_events(struct lab *lab, uint64_t *from, const char *wanted)
{
	char *text = events_since(lab, from);

	assert_string_equal(text, wanted);
	free(text);
}

static void forget_events(struct lab *lab, uint64_t *from)
{
	free(events_since(lab, from));
}

/* The member of the last event of that name. */
static const struct event_member *last_member(struct lab *lab, const char *name)
{
	struct events *events = engine_events(lab->engine);
	const struct event_record *record = events_at(events, events_next(events) - 1);
	size_t i;

	for (i = 0; i < record->member_count; i++)
		if (!strcmp(record->members[i].name, name))
			return &record->members[i];
	fail_msg("no member %s", name);
	return NULL;
}

static void apply(struct lab *lab, const char *text)
{
	lab_apply_ok(lab, text);
	lab_settle(lab);
}

static void network_changes(struct lab *lab)
{
	lab_world.changed(lab_world.changed_arg);
	lab_settle(lab);
}

static void tells_of_changes(void **state)
{
	struct lab *lab = *state;
	struct request request = { .options = { .dry_run = true } };
	uint64_t from = 1;

	check_events(lab, &from, "start xlbd " XLB_VERSION ", r0\n");
	apply(lab, LAB_BOTH);
	check_events(lab, &from,
		     "config r1 test: + interfaces.eth0: {mode: native} (and 6 more)\n"
		     "interface eth0 attached, native\n"
		     "interface eth1 attached, native\n"
		     "interface eth0 VIP 198.51.100.10 added\n");
	assert_int_equal(lab_apply(lab, &request, LAB_ONE), 0);
	request.options.dry_run = false;
	assert_int_equal(lab_apply(lab, &request, LAB_BOTH), 0);
	check_events(lab, &from, ""); /* nothing has changed */
	apply(lab, LAB_ONE);
	check_events(lab, &from, "config r2 test: - server_groups.web.servers.web2\n");
	assert_int_equal(last_member(lab, "revision")->number, 2);
	assert_int_equal(last_member(lab, "removed")->number, 1);
	assert_string_equal(last_member(lab, "origin")->text, "test");
	apply(lab, "version: 1\ninterfaces: {}\n");
	lab_sweep(lab, 3);
	check_events(lab, &from,
		     "config r3 test: - interfaces.eth0 (and 5 more)\n"
		     "interface eth0 VIP 198.51.100.10 removed\n"
		     "interface eth0 detached\n"
		     "interface eth1 detached\n");
}

static void tells_of_links(void **state)
{
	struct lab *lab = *state;
	uint64_t from = 1;

	apply(lab, LAB_BOTH);
	forget_events(lab, &from);
	network_changes(lab);
	check_events(lab, &from, "");
	lab_world.unplugged = "eth1";
	network_changes(lab);
	check_events(lab, &from, "interface eth1 up -> down\n");
	lab_world.unplugged = NULL;
	network_changes(lab);
	check_events(lab, &from, "interface eth1 down -> up\n");
	lab_world.missing = "eth1";
	network_changes(lab);
	check_events(lab, &from, "interface eth1 up -> absent\ninterface eth1 detached\n");
	assert_string_equal(last_member(lab, "interface")->text, "eth1");
	lab_world.missing = NULL;
	network_changes(lab);
	check_events(lab, &from, "interface eth1 absent -> up\ninterface eth1 attached, native\n");
	/* news that come before the maps follow are not lost: down and up again */
	lab_world.unplugged = "eth0";
	lab_world.changed(lab_world.changed_arg);
	lab_world.unplugged = NULL;
	network_changes(lab);
	check_events(lab, &from, "interface eth0 up -> down\ninterface eth0 down -> up\n");
}

static void tells_of_neighbours(void **state)
{
	struct lab *lab = *state;
	uint64_t from = 1;

	apply(lab, LAB_ONE);
	forget_events(lab, &from);
	lab_world.mac_byte = 7;
	network_changes(lab);
	check_events(lab, &from,
		     "neighbour 10.0.1.11 on eth1 moved: 02:00:00:00:00:0b -> 02:00:00:00:07:0b\n");
	assert_string_equal(last_member(lab, "from")->text, "02:00:00:00:00:0b");
	assert_string_equal(last_member(lab, "interface")->text, "eth1");
	assert_string_equal(last_member(lab, "address")->text, "10.0.1.11");
	lab_world.mac_byte = 1;
	network_changes(lab);
	check_events(lab, &from, "neighbour 10.0.1.11 on eth1 lost, was 02:00:00:00:07:0b\n");
	assert_string_equal(last_member(lab, "to")->text, "");
	lab_world.mac_byte = 0;
	network_changes(lab);
	check_events(lab, &from, "neighbour 10.0.1.11 on eth1 resolved: 02:00:00:00:00:0b\n");
}

static void tells_of_health(void **state)
{
	struct check_transition transition = { .group = "web",
					       .server = "web1",
					       .from = HEALTH_UP,
					       .to = HEALTH_DOWN,
					       .reason = "http 503 from /healthz",
					       .results = 3 };
	struct lab *lab = *state;
	uint64_t from = 1;

	parse_addr("10.0.1.11", &transition.addr);
	apply(lab, LAB_ONE);
	forget_events(lab, &from);
	lab_world.transition(lab_world.transition_arg, &transition);
	check_events(lab, &from,
		     "health web/web1 up -> down  http 503 from /healthz (3 of 3 failed)\n");
	assert_int_equal(last_member(lab, "results")->number, 3);
	assert_string_equal(last_member(lab, "address")->text, "10.0.1.11");
	transition.several = true;
	transition.from = HEALTH_DOWN;
	transition.to = HEALTH_UP;
	transition.reason = "";
	transition.results = 2;
	lab_world.transition(lab_world.transition_arg, &transition);
	check_events(lab, &from, "health web/web1 10.0.1.11 down -> up (2 of 2 passed)\n");
}

/* The counters are looked at once a second. */
static void wait_for_event(struct lab *lab, uint64_t number)
{
	int i;

	for (i = 0; i < 1000 && events_next(engine_events(lab->engine)) <= number; i++)
		lab_run(lab, 10);
	assert_int_equal(events_next(engine_events(lab->engine)), number + 1);
}

static void tells_of_counters(void **state)
{
	struct lab *lab = *state;
	uint64_t from = 1;

	apply(lab, LAB_ONE);
	/* what was counted before this run is no news of it */
	lab_world.evictions = 1000;
	lab_world.exhausted = 500;
	lab_stop(lab);
	lab_start(lab);
	lab_run(lab, 1200);
	check_events(lab, &from, "start xlbd " XLB_VERSION ", r1 (test)\n");
	lab_world.evictions += 3;
	wait_for_event(lab, from);
	check_events(lab, &from, "eviction 3 closed flows gave up the SNAT port early\n");
	lab_world.exhausted += 1; /* on each of two interfaces */
	wait_for_event(lab, from);
	check_events(lab, &from, "drop snat_exhausted: 2 packets dropped\n");
}

static void tells_of_trouble(void **state)
{
	struct lab *lab = *state;
	uint64_t from = 1;

	apply(lab, LAB_ONE);
	forget_events(lab, &from);
	lab_world.mac_byte = 9;
	sink_fake_fail(lab_world.datapath, 1, 1000);
	network_changes(lab);
	assert_true(engine_trouble(lab->engine)[0]);
	assert_int_equal(events_next(engine_events(lab->engine)), from + 1);
	assert_int_equal(events_at(engine_events(lab->engine), from)->kind, EVENT_PROBLEM);
	assert_string_equal(last_member(lab, "reason")->text, engine_trouble(lab->engine));
	forget_events(lab, &from);
	sink_fake_fail(lab_world.datapath, 0, 0);
	network_changes(lab);
	check_events(lab, &from,
		     "neighbour 10.0.1.11 on eth1 moved: 02:00:00:00:00:0b -> 02:00:00:00:09:0b\n"
		     "problem in line again\n");
}

static void tells_of_an_attach_undone(void **state)
{
	static const char more[] =
		"version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}, eth2: {mode: native}}\n";
	struct request request = { .options = { .confirm = 1 } };
	struct lab *lab = *state;
	uint64_t from = 1;
	int i;

	apply(lab, LAB_INTERFACES);
	assert_int_equal(lab_apply(lab, &request, more), 0);
	lab_settle(lab);
	forget_events(lab, &from);
	for (i = 0; i < 1000 && events_next(engine_events(lab->engine)) < from + 3; i++)
		lab_run(lab, 10);
	check_events(lab, &from,
		     "interface eth2: attach not confirmed, detaching\n"
		     "config r3 attach not confirmed: - interfaces.eth2\n"
		     "interface eth2 detached\n");
}

#define LAB_TEST(test) cmocka_unit_test_setup_teardown(test, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(tells_of_changes),	     LAB_TEST(tells_of_links),
		LAB_TEST(tells_of_neighbours),	     LAB_TEST(tells_of_health),
		LAB_TEST(tells_of_counters),	     LAB_TEST(tells_of_trouble),
		LAB_TEST(tells_of_an_attach_undone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("engine_events", tests, NULL, NULL);
}
