// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The engine: applies that succeed, fail, wait, restart and crash. */
#include "engine_lab.h"

static void applies_and_saves(void **state)
{
	struct lab *lab = *state;
	struct request request = {};
	char *file;

	assert_int_equal(lab_apply(lab, &request, LAB_BOTH), 0);
	assert_int_equal(request.result.revision, 1);
	assert_int_equal(engine_revision(lab->engine), 1);
	assert_int_equal(request.result.removed, 0);
	assert_string_equal(engine_origin(lab->engine), "test");
	assert_int_equal(lab_count(TABLE_SERVER), 2);
	assert_int_equal(lab_count(TABLE_VIP_ADDR), 1);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 2);
	assert_int_equal(lab_id(lab, ID_SERVER, "web/web1@10.0.1.11"), 1);
	file = lab_file(lab->paths.state_file);
	assert_non_null(strstr(file, "revision: 1\n"));
	assert_non_null(strstr(file, "web/web2@10.0.1.12"));
	free(file);
	assert_string_equal(engine_trouble(lab->engine), "");
}

static void sinks_fail(uint32_t first, uint32_t last)
{
	sink_fake_fail(lab_world.datapath, first, last);
	sink_fake_fail(lab_world.host, 0, 0);
}

/* Every operation of a change on both sinks fails once; nothing may be different after it. */
static void failing_applies_leave_everything(void **state)
{
	static const char wide[] = LAB_INTERFACES
		"load_balancers: {edge: {addresses: [198.51.100.10, 198.51.100.11], listeners: {http: {protocol: "
		"tcp, port: 80, server_group: web}, alt: {protocol: tcp, port: 81, server_group: web}, dns: {protocol: udp, port: 53, server_group: dns}}}}\n"
		"server_groups: {web: {servers: {" LAB_WEB1 ", " LAB_WEB3
		"}}, dns: {health_check: {type: none}, "
		"servers: {d1: {address: 10.0.1.21, port: 53}}}}\n";
	struct sink_fake *sinks[] = { lab_world.datapath, lab_world.host };
	struct lab *lab = *state;
	uint32_t n, s, failed = 0;

	lab_apply_ok(lab, LAB_BOTH);
	for (s = 0; s < 2; s++) {
		for (n = 1; n < 100; n++) {
			char *before = lab_snapshot(lab), *after;
			struct request request = { .options = { .yes = true } };

			sink_fake_fail(sinks[s], n, n);
			if (!lab_apply(lab, &request, wide)) {
				free(before);
				break;
			}
			failed++;
			after = lab_snapshot(lab);
			assert_string_equal(before, after);
			assert_non_null(strstr(request.err.text, "cannot "));
			assert_non_null(strstr(request.err.text, "failed as asked"));
			free(before);
			free(after);
			sink_fake_fail(sinks[s], 0, 0);
			lab_settle(lab);
		}
		sink_fake_fail(sinks[s], 0, 0);
		lab_apply_ok(lab, LAB_BOTH);
		lab_sweep(lab, 4); /* nothing retired is left */
	}
	assert_true(failed > 15);
}

/* Like lab_settle, but until it has been done well: after a failure it is tried again a few seconds later. */
static void recover(struct lab *lab)
{
	int i;

	for (i = 0; i < 4000 && (engine_is_pending(lab->engine) || engine_trouble(lab->engine)[0]);
	     i++)
		lab_run(lab, 5);
	assert_string_equal(engine_trouble(lab->engine), "");
}

/* What could not be undone is looked at again, not believed to be as before. */
static void failed_undo_is_repaired(void **state)
{
	struct lab *lab = *state;
	struct request request = { .options = { .yes = true } };
	char *good, *now;

	lab_apply_ok(lab, LAB_BOTH);
	good = sink_fake_dump(lab_world.datapath);
	sinks_fail(4, 9);
	assert_int_not_equal(lab_apply(lab, &request, LAB_OTHER), 0);
	sinks_fail(0, 0);
	recover(lab);
	now = sink_fake_dump(lab_world.datapath);
	assert_string_equal(good, now);
	free(good);
	free(now);
}

static void restart_adopts(void **state)
{
	struct lab *lab = *state;
	char *before, *after;

	lab_apply_ok(lab, LAB_BOTH);
	before = lab_snapshot(lab);
	lab_stop(lab);
	sink_fake_fail(lab_world.datapath, 0, 0);
	sink_fake_fail(lab_world.host, 0, 0);
	lab_start(lab);
	lab_settle(lab);
	assert_int_equal(sink_fake_operations(lab_world.datapath), 0);
	assert_int_equal(sink_fake_operations(lab_world.host), 0);
	after = sink_fake_dump(lab_world.datapath);
	assert_non_null(strstr(before, after));
	assert_int_equal(engine_revision(lab->engine), 1);
	free(before);
	free(after);
}

/* Killed between the state file and the maps: the next start brings the maps in line. */
static void crash_before_the_maps(void **state)
{
	struct lab *lab = *state, *second;
	char *file, *wanted, *now;
	void *other;
	FILE *out;

	lab_apply_ok(lab, LAB_BOTH);
	lab_apply_ok(lab, LAB_OTHER);
	file = lab_file(lab->paths.state_file);
	wanted = sink_fake_dump(lab_world.datapath);
	lab_teardown(state);

	lab_setup(&other);
	second = other;
	lab_apply_ok(second, LAB_BOTH);
	lab_stop(second);
	out = fopen(second->paths.state_file, "we");
	fputs(file, out);
	fclose(out);
	lab_start(second);
	lab_settle(second);
	now = sink_fake_dump(lab_world.datapath);
	assert_string_equal(wanted, now);
	assert_int_equal(engine_revision(second->engine), 2);
	free(file);
	free(wanted);
	free(now);
	*state = second;
}

static void another_revision_is_a_conflict(void **state)
{
	struct request request = { .options = { .if_revision = 7 } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	assert_int_equal(lab_apply(lab, &request, LAB_ONE), -ESTALE);
	assert_int_equal(request.err.class, XLB_ERR_CONFLICT);
	assert_int_equal(lab_count(TABLE_SERVER), 2);
	request.options.if_revision = 1;
	request.options.yes = true;
	assert_int_equal(lab_apply(lab, &request, LAB_ONE), 0);
}

static void dry_run_changes_nothing(void **state)
{
	struct request request = { .options = { .dry_run = true } };
	struct lab *lab = *state;
	char *before, *after;

	lab_apply_ok(lab, LAB_BOTH);
	before = lab_snapshot(lab);
	lab_flow(2);
	lab_sweep(lab, 1);
	assert_int_equal(lab_apply(lab, &request, LAB_INTERFACES LAB_EDGE LAB_GROUP(LAB_WEB1)), 0);
	assert_int_equal(request.result.revision, 1);
	assert_int_equal(request.result.removed, 1);
	assert_int_equal(request.result.flows_affected, 1);
	assert_non_null(strstr(request.changes, "web2"));
	after = lab_snapshot(lab);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void removal_with_flows_wants_consent(void **state)
{
	struct request request = {};
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(1);
	lab_sweep(lab, 1);
	assert_int_equal(lab_apply(lab, &request, LAB_INTERFACES "load_balancers: {}\n"),
			 -ECANCELED);
	assert_int_equal(request.err.class, XLB_ERR_CONFIRM);
	assert_int_equal(request.result.flows_affected, 1);
	assert_int_equal(engine_revision(lab->engine), 1);
	request.options.yes = true;
	assert_int_equal(lab_apply(lab, &request, LAB_INTERFACES "load_balancers: {}\n"), 0);
	assert_int_equal(lab_count(TABLE_VIP_ADDR), 1); /* its flow is not over */
	assert_int_equal(lab_count(TABLE_PORT_SET), 0);
}

/* Weight 0 with time to drain is peaceful; without it flows are cut, and the user is asked. */
static void closing_a_server_at_once_wants_consent(void **state)
{
	static const char closed[] = LAB_INTERFACES LAB_EDGE
		"server_groups: {web: {drain: {timeout: %s}, servers: {"
		"web1: {address: 10.0.1.11, port: 8080, weight: 0}, " LAB_WEB2 "}}}\n";
	struct request request = {};
	struct lab *lab = *state;
	char text[1024];

	lab_apply_ok(lab, LAB_BOTH);
	lab_flow(1);
	lab_sweep(lab, 1);
	snprintf(text, sizeof(text), closed, "0s");
	assert_int_equal(lab_apply(lab, &request, text), -ECANCELED);
	assert_int_equal(request.err.class, XLB_ERR_CONFIRM);
	snprintf(text, sizeof(text), closed, "5s");
	assert_int_equal(lab_apply(lab, &request, text), 0);
	assert_int_equal(request.result.flows_affected, 1);
}

static void vip_of_another_host_is_refused(void **state)
{
	struct request request = {};
	struct lab *lab = *state;

	lab_world.probe_busy = true;
	assert_int_equal(lab_apply(lab, &request, LAB_BOTH), -EADDRINUSE);
	assert_non_null(strstr(request.err.text, "02:02:02:02:02:02"));
	assert_int_equal(lab_count(TABLE_SERVER), 0);
	request.options.force = true;
	assert_int_equal(lab_apply(lab, &request, LAB_BOTH), 0);
}

static void health_moves_the_schedule(void **state)
{
	const struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };
	struct xlb_server server;
	struct lab *lab = *state;
	struct row_hash both, one, back;

	lab_apply_ok(lab, LAB_BOTH);
	assert_true(lab_row(TABLE_MAGLEV, &key, &both));
	lab_world.down = "web2";
	lab_tell_health(lab);
	lab_settle(lab);
	assert_true(lab_row(TABLE_MAGLEV, &key, &one));
	assert_true(both.hash != one.hash);
	assert_true(lab_row(TABLE_SERVER, &(struct row_id){ 2 }, &server));
	assert_int_equal(server.flags, XLB_SERVER_DOWN);
	lab_world.down = NULL;
	lab_tell_health(lab);
	lab_settle(lab);
	assert_true(lab_row(TABLE_MAGLEV, &key, &back));
	assert_true(both.hash == back.hash);
	assert_int_equal(engine_revision(lab->engine), 1);
}

/* A VIP that the host refuses must not keep a dead server in the schedule. */
static void health_goes_on_when_the_host_refuses(void **state)
{
	struct lab *lab = *state;
	struct xlb_server server;
	struct xlb_err err;
	struct row row = { .table = TABLE_VIP_ADDR };
	struct row_vip_addr_key key = { .ifname = "eth0" };

	lab_apply_ok(lab, LAB_BOTH);
	parse_addr("198.51.100.10", &key.addr);
	memcpy(row.key, &key, sizeof(key));
	assert_int_equal(
		sink_fake_sink(lab_world.host)->del(sink_fake_sink(lab_world.host), &row, &err), 0);
	sink_fake_fail(lab_world.host, 1, 1000000);
	lab_world.changed(lab_world.changed_arg);
	lab_world.down = "web2";
	lab_tell_health(lab);
	lab_settle(lab);
	assert_non_null(strstr(engine_trouble(lab->engine), "vip_addr 198.51.100.10"));
	assert_true(lab_row(TABLE_SERVER, &(struct row_id){ 2 }, &server));
	assert_int_equal(server.flags, XLB_SERVER_DOWN);
	sink_fake_fail(lab_world.host, 0, 0);
	lab_world.changed(lab_world.changed_arg);
	recover(lab);
	assert_int_equal(lab_count(TABLE_VIP_ADDR), 1);
}

/* Failing again and again, with the host telling of each try, is no reason to burn the CPU. */
static void trouble_is_retried_in_peace(void **state)
{
	struct lab *lab = *state;
	uint32_t i, tries = 0;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.missing = "eth1";
	sink_fake_fail(lab_world.datapath, 1, 1000000);
	for (i = 0; i < 40; i++) {
		lab_world.changed(lab_world.changed_arg);
		lab_run(lab, 20);
	}
	tries = sink_fake_operations(lab_world.datapath);
	assert_in_range(tries, 1, 12);
	sink_fake_fail(lab_world.datapath, 0, 0);
}

/* Notifications that never stop do not put the change off for ever. */
static void bursts_do_not_starve(void **state)
{
	struct lab *lab = *state;
	struct xlb_server server;
	uint32_t i;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.down = "web2";
	for (i = 0; i < 30; i++) {
		lab_world.changed(lab_world.changed_arg);
		lab_run(lab, 4);
	}
	assert_true(lab_row(TABLE_SERVER, &(struct row_id){ 2 }, &server));
	assert_int_equal(server.flags, XLB_SERVER_DOWN);
}

static void queued_changes_see_each_other(void **state)
{
	struct request first = { .options = { .yes = true } },
		       second = { .options = { .yes = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	second.options.if_revision = 2;
	lab_begin(lab, &first, LAB_OTHER);
	lab_begin(lab, &second, LAB_BOTH);
	assert_false(second.done);
	lab_finish(lab, &first);
	lab_finish(lab, &second);
	assert_int_equal(first.r, 0);
	assert_int_equal(second.r, 0);
	assert_int_equal(second.result.revision, 3);
	assert_non_null(strstr(second.changes, "web3"));
}

static void closing_ends_the_change_in_the_worker(void **state)
{
	struct request first = {}, second = {};
	struct lab *lab = *state;
	char *file;

	lab_world.probe_ms = 100;
	lab_begin(lab, &first, LAB_BOTH);
	lab_begin(lab, &second, LAB_ONE);
	assert_false(first.done);
	lab_stop(lab);
	assert_int_equal(first.r, -ESHUTDOWN);
	assert_int_equal(second.r, -ESHUTDOWN);
	assert_int_equal(lab_count(TABLE_SERVER), 0);
	file = lab_file(lab->paths.state_file);
	assert_null(strstr(file, "web1"));
	free(file);
}

static void missing_interface_is_waited_for(void **state)
{
	struct lab *lab = *state;
	struct xlb_server server;
	uint32_t id;

	lab_apply_ok(lab, LAB_BOTH);
	id = lab_id(lab, ID_SERVER, "web/web1@10.0.1.11");
	lab_stop(lab);
	lab_world.missing = "eth1";
	lab_start(lab);
	lab_settle(lab);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 1);
	assert_non_null(strstr(engine_warnings(lab->engine), "eth1 is missing"));
	lab_world.missing = NULL;
	lab_world.changed(lab_world.changed_arg);
	lab_settle(lab);
	assert_int_equal(lab_count(TABLE_ATTACHMENT), 2);
	assert_int_equal(lab_id(lab, ID_SERVER, "web/web1@10.0.1.11"), id);
	assert_true(lab_row(TABLE_SERVER, &(struct row_id){ id }, &server));
	assert_int_not_equal(server.nexthop, 0);
}

/* The state file cannot be written: refused, and as before once it can be. */
static void state_that_cannot_be_written(void **state)
{
	struct request request = { .options = { .yes = true } };
	struct lab *lab = *state;
	char *before, *after, temp[128];

	lab_apply_ok(lab, LAB_BOTH);
	before = lab_snapshot(lab);
	snprintf(temp, sizeof(temp), "%s.new", lab->paths.state_file);
	assert_int_equal(mkdir(temp, 0700), 0);
	assert_int_not_equal(lab_apply(lab, &request, LAB_OTHER), 0);
	assert_int_equal(rmdir(temp), 0);
	lab_settle(lab);
	after = lab_snapshot(lab);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void break_state(void *arg)
{
	struct lab *lab = arg;
	char temp[128];

	snprintf(temp, sizeof(temp), "%s.new", lab->paths.state_file);
	mkdir(temp, 0700);
}

static struct lab *breaking;

static int put_that_breaks_the_disk(struct sink *sink, const struct row *row, const void *content,
				    size_t size, struct xlb_err *err)
{
	(void)sink;
	(void)row;
	(void)content;
	(void)size;
	break_state(breaking);
	return xlb_err_set(err, XLB_ERR_FAILED, -EIO, "failed as asked");
}

/* The new state is on disk, the maps fail, and the old state cannot be written back at once: later, then. */
static void write_back_is_tried_again(void **state)
{
	struct sink *sink = sink_fake_sink(lab_world.datapath), saved = *sink;
	struct request request = { .options = { .yes = true } };
	struct lab *lab = *state;
	char *before, *after, temp[128];

	lab_apply_ok(lab, LAB_BOTH);
	before = lab_snapshot(lab);
	breaking = lab;
	sink->put = put_that_breaks_the_disk;
	assert_int_not_equal(lab_apply(lab, &request, LAB_OTHER), 0);
	*sink = saved;
	snprintf(temp, sizeof(temp), "%s.new", lab->paths.state_file);
	assert_int_equal(rmdir(temp), 0);
	lab_run(lab, 5600);
	after = lab_snapshot(lab);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void first_start_applies_the_file(void **state)
{
	struct lab *lab = *state;
	char *file;
	FILE *out;

	lab_stop(lab);
	unlink(lab->paths.state_file);
	out = fopen(lab->paths.config_file, "we");
	fputs(LAB_BOTH, out);
	fclose(out);
	lab_start(lab);
	lab_settle(lab);
	assert_int_equal(engine_revision(lab->engine), 1);
	assert_int_equal(lab_count(TABLE_SERVER), 2);
	file = lab_file(lab->paths.state_file);
	assert_non_null(strstr(file, "revision: 1\n"));
	free(file);
}

/* The file of a first start gets no port that the host uses either. */
static void first_start_spares_the_hosts_ports(void **state)
{
	static const char text[] = LAB_INTERFACES
		"load_balancers: {edge: {addresses: [198.51.100.1], listeners: {http: {protocol: tcp, port: 80, "
		"server_group: web}}}}\n" LAB_GROUP(LAB_WEB1);
	struct lab *lab = *state;
	struct xlb_err err = {};
	FILE *out;

	lab_stop(lab);
	unlink(lab->paths.state_file);
	out = fopen(lab->paths.config_file, "we");
	fputs(text, out);
	fclose(out);
	lab_world.busy_port = "198.51.100.1";
	lab->engine = NULL;
	assert_int_equal(engine_open(lab->base, &lab->paths, 0, &lab->engine, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "sshd"));
	assert_null(lab->engine);
	lab_world.busy_port = NULL;
	lab_start(lab);
}

static void removed_vip_is_announced_no_more(void **state)
{
	struct lab *lab = *state;
	uint32_t before;

	lab_apply_ok(lab, LAB_BOTH);
	lab_apply_ok(lab, LAB_INTERFACES "load_balancers: {}\n");
	lab_sweep(lab, 3);
	assert_int_equal(lab_count(TABLE_VIP_ADDR), 0);
	before = lab_world.announced;
	lab_apply_ok(lab, LAB_BOTH);
	lab_world.missing = "eth0";
	lab_world.changed(lab_world.changed_arg);
	lab_settle(lab);
	assert_int_equal(lab_world.announced, before + 2); /* eth0, then eth1: each at once */
	lab_run(lab, 2200);
	assert_int_equal(lab_world.announced, before + 4); /* the second and third only of eth1 */
}

/* The lab's NICs have gro on: generic mode is refused, unless xlb is to turn it off. */
static void generic_mode_wants_gro_off(void **state)
{
	struct lab *lab = *state;
	struct request request = {};
	struct row_setting_key key = { .ifname = "eth0", .setting = XLB_SETTING_GRO };
	uint32_t value = 9;

	assert_int_equal(lab_apply(lab, &request,
				   "version: 1\ninterfaces: {eth0: {mode: generic}}\n"),
			 -EOPNOTSUPP);
	assert_string_equal(request.err.pointer, "/interfaces/eth0");
	assert_string_equal(request.err.hint, "run: ethtool -K eth0 gro off, or attach with --fix");
	lab_apply_ok(lab, "version: 1\ninterfaces: {eth0: {mode: generic, fix: [gro]}}\n");
	assert_int_equal(lab_count(TABLE_SETTING), 1);
	assert_true(lab_row(TABLE_SETTING, &key, &value));
	assert_int_equal(value, 0);
	lab_apply_ok(lab, "version: 1\ninterfaces: {}\n");
	assert_int_equal(lab_count(TABLE_SETTING), 0);
}

static int edit_fixed(void *arg, const struct model *current, struct model **ret,
		      struct xlb_err *err)
{
	struct model *next = model_copy(current);
	struct interface *interface = (struct interface *)object_find(&next->interfaces, "eth0");

	(void)err;
	interface->mode = XLB_ATTACH_GENERIC;
	interface->fix = engine_fixable(arg, interface, false);
	interface->object.set |= 3;
	*ret = next;
	return 0;
}

/* attach --fix takes what helps, and again what others have changed: the host is listed anew. */
static void fixing_takes_what_helps(void **state)
{
	struct lab *lab = *state;
	struct apply_options options = { .origin = "test" };
	struct request request = {};

	lab_apply_ok(lab, LAB_BOTH);
	lab_run(lab, 60);
	engine_apply(lab->engine, &options, edit_fixed, lab->engine, request_done, &request);
	lab_finish(lab, &request);
	assert_int_equal(request.r, 0);
	assert_int_equal(lab_world.released, 1);
	assert_int_equal(lab_count(TABLE_SETTING), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(applies_and_saves),
		TEST(failing_applies_leave_everything),
		TEST(failed_undo_is_repaired),
		TEST(restart_adopts),
		TEST(crash_before_the_maps),
		TEST(another_revision_is_a_conflict),
		TEST(dry_run_changes_nothing),
		TEST(removal_with_flows_wants_consent),
		TEST(closing_a_server_at_once_wants_consent),
		TEST(vip_of_another_host_is_refused),
		TEST(health_moves_the_schedule),
		TEST(health_goes_on_when_the_host_refuses),
		TEST(trouble_is_retried_in_peace),
		TEST(bursts_do_not_starve),
		TEST(queued_changes_see_each_other),
		TEST(closing_ends_the_change_in_the_worker),
		TEST(missing_interface_is_waited_for),
		TEST(state_that_cannot_be_written),
		TEST(write_back_is_tried_again),
		TEST(first_start_applies_the_file),
		TEST(first_start_spares_the_hosts_ports),
		TEST(removed_vip_is_announced_no_more),
		TEST(generic_mode_wants_gro_off),
		TEST(fixing_takes_what_helps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
