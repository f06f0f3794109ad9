// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Changes of one group alone come to the same as changes of everything. */
#include "engine_lab.h"

#include "core/object.h"

/* One server of a group, and how the group is, as a user's PATCH would have it. */
struct wish {
	struct request request;
	const char *group; /* NULL: web */
	const char *server;
	uint32_t weight, hash;
	bool no_fallback;
	const char *address;   /* NULL: as it is */
	uint32_t seen_with_lb; /* edits that were given the whole model */
	uint32_t edits;
};

static int wish_edit(void *arg, const struct model *current, struct model **ret,
		     struct xlb_err *err)
{
	struct wish *wish = arg;
	struct model *model = model_copy(current);
	struct server_group *group = model_group(model, wish->group ? wish->group : "web");
	struct server *server = (struct server *)object_find(&group->servers, wish->server);

	(void)err;
	wish->edits++;
	wish->seen_with_lb += !TAILQ_EMPTY(&current->load_balancers);
	server->weight = wish->weight;
	group->hash = wish->hash;
	if (wish->no_fallback)
		group->fallback[0] = '\0';
	if (wish->address)
		assert_int_equal(parse_addr(wish->address, &server->address.addrs[0]), 0);
	*ret = model;
	return 0;
}

static void wish_done(void *arg, int r, const struct apply_result *result,
		      const struct xlb_err *err)
{
	struct wish *wish = arg;

	request_done(&wish->request, r, result, err);
}

static int grant(struct lab *lab, struct wish *wish)
{
	struct request *request = &wish->request;

	request->done = false;
	strcpy(request->options.origin, "test");
	strcpy(request->options.group, wish->group ? wish->group : "web");
	wish->edits = wish->seen_with_lb = 0;
	engine_apply(lab->engine, &request->options, wish_edit, wish, wish_done, wish);
	lab_finish(lab, request);
	return request->r;
}

/* Compiles everything anew and finds nothing to change. */
static void assert_in_line(struct lab *lab)
{
	char *before, *after;

	lab_settle(lab);
	before = lab_snapshot(lab);
	lab_world.changed(lab_world.changed_arg);
	lab_settle(lab);
	after = lab_snapshot(lab);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void weight_is_a_part(void **state)
{
	const struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };
	struct wish wish = { .server = "web1", .weight = 7 };
	struct row_hash before, after;
	struct lab *lab = *state;
	char *file;

	lab_apply_ok(lab, LAB_BOTH);
	assert_true(lab_row(TABLE_MAGLEV, &key, &before));
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.edits, 1);
	assert_int_equal(wish.seen_with_lb, 0);
	assert_int_equal(wish.request.result.revision, 2);
	assert_int_equal(wish.request.result.changed, 1);
	assert_non_null(strstr(wish.request.changes, "server_groups.web.servers.web1.weight"));
	assert_int_equal(lab_world.groups_configured, 1);
	assert_true(lab_row(TABLE_MAGLEV, &key, &after));
	assert_true(before.hash != after.hash);
	file = lab_file(lab->paths.state_file);
	assert_non_null(strstr(file, "weight: 7"));
	assert_non_null(strstr(file, "revision: 2"));
	free(file);
	assert_in_line(lab);
	lab_stop(lab);
	lab_start(lab);
	lab_settle(lab);
	assert_in_line(lab);
}

/* Ids stay but what is known of one changes: it drains, and does so after a restart. */
static void weight_0_drains(void **state)
{
	struct wish wish = { .server = "web2" };
	struct lab *lab = *state;
	char *file;

	lab_apply_ok(lab, LAB_BOTH);
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 0);
	assert_true(ids_by_id(engine_ids(lab->engine), ID_SERVER, 2)->draining);
	file = lab_file(lab->paths.state_file);
	assert_non_null(strstr(file, "draining: true"));
	free(file);
	assert_in_line(lab);
	wish.weight = 1;
	assert_int_equal(grant(lab, &wish), 0);
	assert_false(ids_by_id(engine_ids(lab->engine), ID_SERVER, 2)->draining);
	assert_in_line(lab);
}

/* Without a server in the table of a family, or with another address, everything is compiled. */
static void what_is_more_is_a_whole(void **state)
{
	struct wish wish = { .server = "web1", .weight = 100, .address = "10.0.1.77" };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 1);
	assert_int_equal(ids_by_id(engine_ids(lab->engine), ID_SERVER, 1)->live, false);
	assert_in_line(lab);
	wish = (struct wish){ .server = "web1" };
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 0);
	wish = (struct wish){ .server = "web2" };
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 1);
	assert_int_equal(lab_count(TABLE_MAGLEV), 0);
	assert_in_line(lab);
	wish.weight = 5;
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(lab_count(TABLE_MAGLEV), 2); /* one for clients of each family */
	assert_in_line(lab);
}

static void refused_as_a_whole_would_be(void **state)
{
	struct wish wish = { .server = "web1", .weight = 3, .address = "198.51.100.10" };
	struct lab *lab = *state;
	char *before, *after;

	lab_apply_ok(lab, LAB_BOTH);
	before = lab_snapshot(lab);
	assert_int_equal(grant(lab, &wish), -EINVAL);
	assert_non_null(strstr(wish.request.err.text, "load balancer edge"));
	wish.address = NULL;
	wish.request.options.if_revision = 9;
	assert_int_equal(grant(lab, &wish), -ESTALE);
	wish.request.options.if_revision = 0;
	wish.request.options.dry_run = true;
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.request.result.changed, 1);
	after = lab_snapshot(lab);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Whatever operation fails, all is as before, and the next change is made from that. */
static void every_failure_is_undone(void **state)
{
	struct lab *lab = *state;
	char *before, *after;
	uint32_t n;

	lab_apply_ok(lab, LAB_BOTH);
	for (n = 1; n < 100; n++) {
		struct wish wish = { .server = "web2" };

		before = lab_snapshot(lab);
		sink_fake_fail(lab_world.datapath, n, n);
		if (!grant(lab, &wish)) {
			free(before);
			break;
		}
		sink_fake_fail(lab_world.datapath, 0, 0);
		assert_int_equal(wish.seen_with_lb, 0);
		lab_settle(lab);
		after = lab_snapshot(lab);
		assert_string_equal(before, after);
		free(before);
		free(after);
	}
	assert_in_range(n, 2, 99);
	sink_fake_fail(lab_world.datapath, 0, 0);
	assert_int_equal(engine_revision(lab->engine), 2);
	assert_in_line(lab);
}

/* Health of a group is a part as well, until somebody is to be warned. */
static void health_comes_to_the_same(void **state)
{
	struct wish wish = { .server = "web1", .weight = 50 };
	struct lab *lab = *state;
	char *up, *again;

	lab_apply_ok(lab, LAB_BOTH);
	up = lab_snapshot(lab);
	lab_world.down = "web2";
	lab_tell_health(lab);
	assert_in_line(lab);
	lab_world.down = NULL;
	lab_tell_health(lab);
	assert_in_line(lab);
	again = lab_snapshot(lab);
	assert_string_equal(up, again);
	free(up);
	free(again);
	lab_apply_ok(lab, LAB_ONE);
	lab_world.down = "web1";
	lab_tell_health(lab);
	lab_settle(lab);
	assert_non_null(strstr(engine_warnings(lab->engine), "FAIL-OPEN"));
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 1);
	lab_world.down = NULL;
	lab_tell_health(lab);
	lab_settle(lab);
	assert_string_equal(engine_warnings(lab->engine), "");
	assert_in_line(lab);
}

#define FALLBACK \
	LAB_INTERFACES LAB_EDGE \
		"server_groups:\n" \
		"  web: {fallback: spare, servers: {" LAB_WEB1 "}}\n" \
		"  spare: {fail_open: false, servers: {s1: {address: 10.0.1.31, port: 80}, " \
		"s2: {address: 10.0.1.32, port: 80}}}\n"

static struct xlb_instead instead_of_web(void)
{
	struct row_group row;

	assert_true(lab_row(TABLE_GROUP, &(struct row_id){ 1 }, &row));
	return row.instead;
}

static const char *last_event(struct lab *lab)
{
	struct events *events = engine_events(lab->engine);

	return events_at(events, events_next(events) - 1)->text;
}

/* A fallback comes and goes with the health of the group, and of itself, each time by one word of a part. */
static void fallback_is_a_part(void **state)
{
	struct lab *lab = *state;
	uint32_t spare;
	char *up, *again;

	lab_apply_ok(lab, FALLBACK);
	spare = ids_find(engine_ids(lab->engine), ID_GROUP, "spare")->id;
	assert_int_equal(instead_of_web().ipv4, 0);
	assert_int_equal(instead_of_web().fallback, spare);
	up = lab_snapshot(lab);
	lab_world.down = "web1";
	lab_tell_group(lab, "web");
	assert_int_equal(instead_of_web().ipv4, spare);
	assert_int_equal(instead_of_web().ipv6, spare);
	assert_string_equal(last_event(lab), "web: new flows go to spare");
	assert_string_equal(engine_warnings(lab->engine), "");
	assert_in_line(lab);
	lab_world.down = NULL;
	lab_tell_group(lab, "web");
	assert_int_equal(instead_of_web().ipv4, 0);
	assert_string_equal(last_event(lab), "web: new flows go again to web");
	again = lab_snapshot(lab);
	assert_string_equal(up, again);
	assert_in_line(lab);
	free(up);
	free(again);
}

/* What becomes of the fallback concerns the group that it stands in for. */
static void fallback_goes_down_too(void **state)
{
	struct wish wish = { .group = "spare", .server = "s1", .weight = 100 };
	struct lab *lab = *state;

	lab_apply_ok(lab, FALLBACK);
	lab_world.down = "web1";
	lab_tell_group(lab, "web");
	assert_true(instead_of_web().ipv4);
	wish.weight = 0;
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 0);
	assert_true(instead_of_web().ipv4);
	wish.server = "s2";
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(instead_of_web().ipv4, 0);
	assert_non_null(strstr(engine_warnings(lab->engine), "FAIL-OPEN"));
	assert_in_line(lab);
	wish.weight = 1;
	assert_int_equal(grant(lab, &wish), 0);
	assert_true(instead_of_web().ipv4);
	assert_string_equal(engine_warnings(lab->engine), "");
	assert_in_line(lab);
}

/* Fields of a group that others go by are no part. */
static void hash_and_fallback_are_a_whole(void **state)
{
	struct wish wish = { .server = "web1", .weight = 100, .hash = HASH_SOURCE };
	struct lab *lab = *state;

	lab_apply_ok(lab, FALLBACK);
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 1);
	wish.no_fallback = true;
	assert_int_equal(grant(lab, &wish), 0);
	assert_int_equal(wish.seen_with_lb, 1);
	assert_int_equal(instead_of_web().fallback, 0);
	assert_in_line(lab);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
		TEST(weight_is_a_part),
		TEST(weight_0_drains),
		TEST(what_is_more_is_a_whole),
		TEST(refused_as_a_whole_would_be),
		TEST(every_failure_is_undone),
		TEST(health_comes_to_the_same),
		TEST(fallback_is_a_part),
		TEST(fallback_goes_down_too),
		TEST(hash_and_fallback_are_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
