// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The engine over time: retired ids, the sweep, drains, unconfirmed attachments. */
#include "engine_lab.h"

static bool has_server(uint32_t id)
{
	struct xlb_server value;

	return lab_row(TABLE_SERVER, &(struct row_id){ id }, &value);
}

static uint32_t server_flags(uint32_t id)
{
	struct xlb_server value = { .flags = UINT32_MAX };

	lab_row(TABLE_SERVER, &(struct row_id){ id }, &value);
	return value.flags;
}

static void retired_server_stays_for_its_flows(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(2);
	lab_sweep(lab, 1);
	assert_int_equal(engine_flows(lab->engine, ID_SERVER, 2), 1);
	lab_apply_ok(lab, LAB_ONE);
	lab_world.now += 2;
	lab_sweep(lab, 4);
	assert_true(has_server(2));
	assert_int_equal(server_flags(2), 0);
	flow_delete(0);
	lab_sweep(lab, 4);
	assert_false(has_server(2));
	lab_apply_ok(lab, LAB_OTHER);
	assert_int_equal(lab_id(lab, ID_SERVER, "web/web3@10.0.1.13"), 2);
}

/* Where the client alone is heard, what it has closed counts no more, but holds the id of its server. */
static void closed_by_the_client_is_open_no_more(void **state)
{
	struct lab *lab = *state;
	struct xlb_flow *flow;

	lab_apply_ok(lab, LAB_BOTH);
	flow = lab_flow(2);
	flow->state = XLB_FLOW_CLOSING;
	lab_sweep(lab, 1);
	assert_int_equal(engine_flows(lab->engine, ID_SERVER, 2), 1);
	flow->mode = XLB_MODE_DR;
	lab_sweep(lab, 1);
	assert_int_equal(engine_flows(lab->engine, ID_SERVER, 2), 0);
	lab_apply_ok(lab, LAB_ONE);
	lab_world.now += 2;
	lab_sweep(lab, 4);
	assert_true(has_server(2));
}

/* A learned way back is known as long as a flow names it, and not much longer. */
static void way_back_stays_for_its_flows(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(1)->hop = 2;
	lab_world.hops[2] = lab_world.hops[3] = true;
	lab_sweep(lab, 5);
	assert_true(lab_world.hops[2]);
	assert_false(lab_world.hops[3]);
	/* one that is learned while it was free is given time */
	lab_world.hops[3] = true;
	lab_sweep(lab, 1);
	assert_true(lab_world.hops[3]);
	flow_delete(0);
	lab_sweep(lab, 4);
	assert_false(lab_world.hops[2]);
}

/* A flow that another CPU made while the change was still being built holds the id of a server that it removes. */
static void flow_appears_behind_the_pass(void)
{
	if (lab_world.walk_next != 1 || !lab_world.probing)
		return;
	lab_world.between = NULL;
	usleep(500000); /* the worker is done before the loop turns again, and the change before the pass */
	lab_world.flows[0].server = lab_world.flows[0].bitmap = 2;
}

static void flow_of_the_last_moment_holds_its_id(void **state)
{
	static const char text[] = LAB_INTERFACES
		"load_balancers: {edge: {addresses: [198.51.100.10, 198.51.100.11], listeners: "
		"{http: {protocol: tcp, port: 80, server_group: web}}}}\n" LAB_GROUP(LAB_WEB1);
	struct request request = { .options = { .yes = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	while (lab_world.flow_count < LAB_FLOWS)
		lab_flow(1);
	lab_sweep(lab, 1);
	lab_run(lab, 800);
	lab_world.one_by_one = true;
	lab_world.between = flow_appears_behind_the_pass;
	lab_world.probe_ms = 400;
	lab_begin(lab, &request, text);
	lab_world.now += 2; /* the next pass begins in a later second than the change */
	lab_finish(lab, &request);
	assert_int_equal(request.r, 0);
	assert_null(lab_world.between);
	lab_sweep(lab, 1);
	assert_true(has_server(2));
	lab_sweep(lab, 3);
	assert_true(has_server(2));
}

/* An expired flow that a packet revives before it can be deleted still holds its ids. */
static void revived_flow_holds_its_id(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(2)->stamp = 1000 - 100;
	lab_world.flows[0].state = XLB_FLOW_CLOSED;
	lab_world.keeps_deleted = true;
	lab_apply_ok(lab, LAB_ONE);
	lab_world.now += 2;
	lab_sweep(lab, 4);
	assert_true(has_server(2));
	lab_world.keeps_deleted = false;
	lab_sweep(lab, 4);
	assert_false(has_server(2));
}

/* A walk that breaks off in the middle has not seen all. */
static void broken_walk_frees_nothing(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(2);
	lab_flow(1);
	lab_flow(1);
	lab_sweep(lab, 1);
	lab_world.one_by_one = true;
	lab_world.walk_fail_at = 1;
	lab_apply_ok(lab, LAB_ONE);
	lab_world.now += 2;
	lab_sweep(lab, 3);
	assert_true(has_server(2));
}

/* A record that moves within the table (a closed flow laid to rest) is missed by the pass under way. */
static void move_first_to_seen(void)
{
	struct xlb_flow *seen = &lab_world.flows[0], *next = &lab_world.flows[1];

	if (lab_world.walk_next == 1 && next->server == 2) {
		struct xlb_flow moved = *next;

		*next = *seen;
		*seen = moved;
		lab_world.between = NULL;
	}
}

static void moved_flow_holds_its_id(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(1);
	lab_flow(2);
	lab_apply_ok(lab, LAB_ONE);
	lab_world.now += 2;
	lab_world.one_by_one = true;
	lab_world.between = move_first_to_seen;
	lab_sweep(lab, 4);
	assert_null(lab_world.between);
	assert_true(has_server(2));
}

static void drain_ends_with_reset(void **state)
{
	static const char text[] = LAB_INTERFACES LAB_EDGE
		"server_groups: {web: {drain: {timeout: 5s}, servers: {" LAB_WEB1
		", web2: {address: 10.0.1.12, port: 8080, weight: 0}}}}\n";
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(2);
	lab_apply_ok(lab, text);
	lab_sweep(lab, 1);
	assert_int_equal(server_flags(2), 0);
	lab_world.now += 5;
	lab_sweep(lab, 2);
	assert_int_equal(server_flags(2), XLB_SERVER_RESET);
	lab_sweep(lab, 1);
	assert_int_equal(lab_world.flows[0].state, XLB_FLOW_TOMBSTONE);
	assert_int_equal(engine_flows(lab->engine, ID_SERVER, 2), 0);
	lab_apply_ok(lab, LAB_BOTH);
	assert_int_equal(server_flags(2), 0);
}

static void removed_server_is_reset_in_time(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(2);
	lab_apply_ok(lab, LAB_ONE);
	assert_int_equal(server_flags(2), 0);
	lab_stop(lab);
	lab_start(lab); /* the deadline survives */
	lab_settle(lab);
	assert_int_equal(server_flags(2), 0);
	lab_world.now += 5;
	lab_sweep(lab, 2);
	assert_int_equal(server_flags(2), XLB_SERVER_RESET);
}

/* A server that comes back while a pass runs is not judged by what the pass noted at its start. */
static void slowly(void)
{
	usleep(5000);
}

static void server_that_returns_is_not_cut(void **state)
{
	static const char text[] = LAB_INTERFACES LAB_EDGE
		"server_groups: {web: {drain: {timeout: 5s}, servers: {" LAB_WEB1
		", web2: {address: 10.0.1.12, port: 8080, weight: 0}}}}\n";
	struct request request = {};
	struct lab *lab = *state;
	struct xlb_flow *flow = NULL;

	lab_apply_ok(lab, LAB_BOTH);
	lab_apply_ok(lab, text);
	lab_world.now += 5;
	lab_sweep(lab, 2);
	assert_int_equal(server_flags(2), XLB_SERVER_RESET);
	while (lab_world.flow_count < LAB_FLOWS)
		flow = lab_flow(1);
	lab_world.one_by_one = true;
	lab_world.between = slowly;
	while (lab_world.walk_next != 1)
		event_base_loop(lab->base, EVLOOP_ONCE);
	lab_begin(lab, &request, LAB_BOTH);
	while (!request.done)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_in_range(lab_world.walk_next, 1, LAB_FLOWS - 1);
	assert_non_null(flow);
	flow->server = 2; /* a new one: the pass comes to it next */
	lab_sweep(lab, 2);
	assert_int_equal(flow->state, XLB_FLOW_ESTABLISHED);
}

/* The first change after a restart finds what the state file does not hold: how long a drain may take. */
static void first_change_after_a_restart_cuts_nothing(void **state)
{
	struct request request = { .options = { .yes = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_stop(lab);
	lab_start(lab);
	assert_int_equal(lab_apply(lab, &request, LAB_ONE), 0);
	assert_int_equal(server_flags(2), 0);
}

/* An id that goes to another server in the same step as its old row would go. */
static void reused_id_counts_from_zero(void **state)
{
	struct request request = { .options = { .yes = true } };
	struct lab *lab = *state;
	uint32_t i, pass;
	bool cleared = false;

	lab_apply_ok(lab, LAB_BOTH);
	lab_apply_ok(lab, LAB_ONE);
	lab_world.now += 2;
	lab_world.cleared_count = 0;
	for (i = 0; i < 1000 && ids_by_id(engine_ids(lab->engine), ID_SERVER, 2); i++) {
		pass = lab_world.passes;
		while (pass == lab_world.passes)
			event_base_loop(lab->base, EVLOOP_ONCE);
	}
	assert_true(has_server(2));
	assert_int_equal(lab_apply(lab, &request, LAB_OTHER), 0);
	assert_int_equal(lab_id(lab, ID_SERVER, "web/web3@10.0.1.13"), 2);
	for (i = 0; i < lab_world.cleared_count; i++)
		cleared |= lab_world.cleared[i] == 2;
	assert_true(cleared);
}

static void now_cuts_at_once(void **state)
{
	struct request request = { .options = { .yes = true, .now = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(1);
	lab_flow(2);
	assert_int_equal(lab_apply(lab, &request, LAB_ONE), 0);
	assert_int_equal(server_flags(2), XLB_SERVER_RESET);
	assert_int_equal(lab_apply(lab, &request, LAB_INTERFACES "load_balancers: {}\n"), 0);
	lab_sweep(lab, 2);
	assert_int_equal(lab_world.flow_count, 0);
}

static void now_cuts_the_flows_of_a_listener(void **state)
{
	struct request request = { .options = { .yes = true, .now = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(1);
	assert_int_equal(
		lab_apply(lab, &request,
			  LAB_INTERFACES
			  "load_balancers: {edge: {addresses: [198.51.100.10]}}\n" LAB_GROUP(
				  LAB_WEB1 ", " LAB_WEB2)),
		0);
	lab_sweep(lab, 1);
	assert_int_equal(lab_world.flows[0].state, XLB_FLOW_TOMBSTONE);
	assert_int_equal(lab_count(TABLE_VIP_ADDR), 1);
}

static void now_cuts_a_server_that_is_disabled(void **state)
{
	static const char text[] = LAB_INTERFACES LAB_EDGE
		"server_groups: {web: {drain: {timeout: 5s}, servers: {" LAB_WEB1
		", web2: {address: 10.0.1.12, port: 8080, enabled: false}}}}\n";
	struct request request = { .options = { .yes = true, .now = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	assert_int_equal(lab_apply(lab, &request, text), 0);
	assert_int_equal(server_flags(2), XLB_SERVER_RESET);
	lab_settle(lab);
	assert_int_equal(server_flags(2), XLB_SERVER_RESET);
}

/* --- the guard --- */

#define LAB_EMPTY "version: 1\ninterfaces: {}\n"

static void attach_guarded(struct lab *lab)
{
	struct request request = { .options = { .confirm = 1 } };

	assert_int_equal(lab_apply(lab, &request, LAB_INTERFACES), 0);
	lab_settle(lab);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 2);
	assert_int_equal(engine_confirm_left(lab->engine), 1);
}

static bool state_knows(const struct lab *lab, const char *word)
{
	char *file = lab_file(lab->paths.state_file), *ids = strstr(file, "\nids:");
	bool known;

	if (ids)
		*ids = '\0';
	known = strstr(file, word) != NULL;
	free(file);
	return known;
}

static void unconfirmed_attach_is_undone(void **state)
{
	struct lab *lab = *state;

	attach_guarded(lab);
	assert_false(state_knows(lab, "eth0"));
	lab_run(lab, 1300);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 0);
	assert_false(state_knows(lab, "eth0"));
	assert_string_equal(engine_origin(lab->engine), "attach not confirmed");
}

static void unconfirmed_attach_dies_with_a_crash(void **state)
{
	struct lab *lab = *state;

	attach_guarded(lab);
	lab_stop(lab);
	lab_start(lab);
	lab_settle(lab);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 0);
}

static void confirmed_attach_stays(void **state)
{
	struct lab *lab = *state;
	struct xlb_err err;

	attach_guarded(lab);
	assert_int_equal(engine_confirm(lab->engine, &err), 0);
	assert_int_equal(engine_confirm(lab->engine, &err), -ENOENT);
	lab_run(lab, 1300);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 2);
	assert_true(state_knows(lab, "eth0"));
}

/* Confirmed while a change of health is on its way. */
static void confirmation_is_saved_beside_a_change(void **state)
{
	struct request request = { .options = { .confirm = 1 } };
	struct row_vip_addr_key key = { .ifname = "eth0" };
	struct row row = { .table = TABLE_VIP_ADDR };
	struct lab *lab = *state;
	struct xlb_err err;

	assert_int_equal(lab_apply(lab, &request, LAB_BOTH), 0);
	lab_settle(lab);
	parse_addr("198.51.100.10", &key.addr);
	memcpy(row.key, &key, sizeof(key));
	/* the VIP vanished: a change that needs the worker */
	sink_fake_sink(lab_world.host)->del(sink_fake_sink(lab_world.host), &row, &err);
	lab_world.changed(lab_world.changed_arg);
	usleep(15000);
	event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(engine_confirm(lab->engine, &err), 0);
	lab_settle(lab);
	assert_int_equal(lab_count(TABLE_VIP_ADDR), 1);
	assert_true(state_knows(lab, "eth0"));
}

/* Detached by hand, then attached again without a guard: the old guard has nothing to say about it. */
static void guard_ends_with_a_detach(void **state)
{
	struct lab *lab = *state;
	struct xlb_err err;

	attach_guarded(lab);
	lab_apply_ok(lab, LAB_EMPTY);
	assert_int_equal(engine_confirm_left(lab->engine), 0);
	lab_apply_ok(lab, LAB_INTERFACES);
	assert_true(state_knows(lab, "eth0"));
	assert_int_equal(engine_confirm(lab->engine, &err), -ENOENT);
	lab_run(lab, 1300);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 2);
}

/* An undoing that fails is tried again: what nobody confirmed does not become permanent. */
static void guard_goes_on_until_it_is_undone(void **state)
{
	struct lab *lab = *state;
	char temp[128];

	attach_guarded(lab);
	snprintf(temp, sizeof(temp), "%s.new", lab->paths.state_file);
	assert_int_equal(mkdir(temp, 0700), 0);
	lab_run(lab, 1300);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 2);
	assert_int_equal(rmdir(temp), 0);
	lab_run(lab, 5600);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 0);
}

/* --- closing --- */

static void pins_stay_while_something_is_configured(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_INTERFACES);
	lab_stop(lab);
	assert_int_equal(lab_world.unpinned, 0);
	lab_start(lab);
	lab_apply_ok(lab, LAB_EMPTY);
	lab_stop(lab);
	assert_int_equal(lab_world.unpinned, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(retired_server_stays_for_its_flows),
		TEST(closed_by_the_client_is_open_no_more),
		TEST(way_back_stays_for_its_flows),
		TEST(flow_of_the_last_moment_holds_its_id),
		TEST(revived_flow_holds_its_id),
		TEST(broken_walk_frees_nothing),
		TEST(moved_flow_holds_its_id),
		TEST(drain_ends_with_reset),
		TEST(removed_server_is_reset_in_time),
		TEST(server_that_returns_is_not_cut),
		TEST(first_change_after_a_restart_cuts_nothing),
		TEST(reused_id_counts_from_zero),
		TEST(now_cuts_at_once),
		TEST(now_cuts_the_flows_of_a_listener),
		TEST(now_cuts_a_server_that_is_disabled),
		TEST(unconfirmed_attach_is_undone),
		TEST(unconfirmed_attach_dies_with_a_crash),
		TEST(confirmed_attach_stays),
		TEST(confirmation_is_saved_beside_a_change),
		TEST(guard_ends_with_a_detach),
		TEST(guard_goes_on_until_it_is_undone),
		TEST(pins_stay_while_something_is_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
