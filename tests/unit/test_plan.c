// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/content.h"
#include "core/plan.h"
#include "sys/sink_fake.h"

static void put_id(struct rows *rows, enum table_id table, uint32_t id, uint8_t fill)
{
	uint8_t value[ROW_VALUE_MAX];

	memset(value, fill, sizeof(value));
	assert_int_equal(rows_add(rows, table, &id, value), 0);
}

/* A recipe of two servers. */
struct pair {
	uint32_t fill, pad; /* of struct schedule */
	struct maglev_server servers[2];
};

static void put_maglev(struct rows *rows, uint32_t group, uint32_t first_id, uint32_t weight)
{
	struct row_maglev_key key = { .group = group, .family = XLB_IPV4 };
	struct pair pair = { .servers = { { 11, weight, first_id }, { 22, 10, first_id + 1 } } };
	struct row_hash hash = { .hash = content_hash(&pair, sizeof(pair)) };

	assert_int_equal(rows_add_recipe(rows, TABLE_MAGLEV, &key, &pair, sizeof(pair)), 0);
	assert_int_equal(rows_add(rows, TABLE_MAGLEV, &key, &hash), 0);
}

static void put_port_set(struct rows *rows, uint32_t vip, uint16_t port, uint32_t listener)
{
	struct row_port_set_key key = { .vip = vip, .protocol = IPPROTO_TCP };
	struct port_rule rule = { port, port, PORT_EXACT, listener };
	struct row_hash hash = { .hash = content_hash(&rule, sizeof(rule)) };

	assert_int_equal(rows_add_recipe(rows, TABLE_PORT_SET, &key, &rule, sizeof(rule)), 0);
	assert_int_equal(rows_add(rows, TABLE_PORT_SET, &key, &hash), 0);
}

static void put_vip(struct rows *rows, uint32_t id, uint8_t last, const char *ifname)
{
	struct row_vip_addr_key key = {
		.addr = { .bytes = { [10] = 0xff, 0xff, 198, 51, 100, last } }
	};
	struct xlb_address role = { .vip = id };

	strcpy(key.ifname, ifname);
	put_id(rows, TABLE_VIP, id, 0);
	assert_int_equal(rows_add(rows, TABLE_ADDRESS, &key.addr, &role), 0);
	assert_int_equal(rows_add(rows, TABLE_VIP_ADDR, &key, &(struct row_flags){ 0 }), 0);
}

/* One load balancer with two servers. */
static void first_world(struct rows *rows)
{
	struct row_neighbour_key neighbour = { .addr = { .bytes = { 1 } }, .ifindex = 3 };
	struct row_attachment_key attachment = { .ifname = "eth0" };

	put_vip(rows, 1, 10, "eth0");
	put_port_set(rows, 1, 80, 1);
	put_id(rows, TABLE_LISTENER, 1, 1);
	put_maglev(rows, 1, 1, 10);
	put_id(rows, TABLE_SERVER, 1, 1);
	put_id(rows, TABLE_SERVER, 2, 1);
	put_id(rows, TABLE_SNAT, 1, 1);
	put_id(rows, TABLE_BITMAP, 1, 1);
	put_id(rows, TABLE_NEXTHOP, 1, 1);
	put_id(rows, TABLE_INTERFACE, 1, 1);
	assert_int_equal(rows_add(rows, TABLE_NEIGHBOUR, &neighbour, &(struct row_flags){ 0 }), 0);
	assert_int_equal(
		rows_add(rows, TABLE_ATTACHMENT, &attachment, &(struct row_attachment){ 1 }), 0);
	assert_int_equal(rows_sort(rows), 0);
}

/* Every kind of change against the first: rows new, changed, gone, the same; contents too. */
static void second_world(struct rows *rows)
{
	put_vip(rows, 2, 20, "eth1");
	put_vip(rows, 1, 10, "eth1");
	put_port_set(rows, 1, 81, 1);
	put_port_set(rows, 2, 80, 2);
	put_id(rows, TABLE_LISTENER, 1, 2);
	put_id(rows, TABLE_LISTENER, 2, 1);
	put_maglev(rows, 1, 1, 99);
	put_maglev(rows, 2, 3, 10);
	put_id(rows, TABLE_SERVER, 1, 1);
	put_id(rows, TABLE_SERVER, 3, 1);
	put_id(rows, TABLE_SERVER, 4, 1);
	put_id(rows, TABLE_SNAT, 1, 1);
	put_id(rows, TABLE_BITMAP, 2, 1);
	put_id(rows, TABLE_NEXTHOP, 1, 2);
	put_id(rows, TABLE_INTERFACE, 1, 1);
	assert_int_equal(rows_sort(rows), 0);
}

/* Both worlds with a fake that already holds the first. */
struct change {
	struct rows before, wanted;
	struct sink_fake *fake;
	struct sink *sinks[SINK_COUNT];
	struct plan plan;
	struct xlb_err err;
};

static void make_plan(struct change *c, const struct rows *wanted, const struct rows *present)
{
	plan_done(&c->plan);
	assert_int_equal(plan_make(wanted, present, &c->plan, &c->err), 0);
	assert_int_equal(plan_build(&c->plan, wanted, &c->err), 0);
}

static int setup_change(void **state)
{
	struct change *c = calloc(1, sizeof(*c));
	static const struct rows nothing;

	assert_non_null(c);
	c->fake = sink_fake_new();
	assert_non_null(c->fake);
	c->sinks[SINK_HOST] = c->sinks[SINK_DATAPATH] = sink_fake_sink(c->fake);
	first_world(&c->before);
	second_world(&c->wanted);
	make_plan(c, &c->before, &nothing);
	assert_int_equal(c->plan.count, c->before.count);
	assert_int_equal(plan_apply(&c->plan, c->sinks, &nothing, &c->err), 0);
	make_plan(c, &c->wanted, &c->before);
	sink_fake_fail(c->fake, 0, 0);
	*state = c;
	return 0;
}

static int teardown_change(void **state)
{
	struct change *c = *state;

	assert_true(sink_fake_is_sane(c->fake));
	sink_fake_free(c->fake);
	plan_done(&c->plan);
	rows_done(&c->before);
	rows_done(&c->wanted);
	free(c);
	return 0;
}

static void rows_are_sorted_and_found(void **state)
{
	struct row_id missing = { 9 }, second = { 2 };
	struct rows rows = {};
	size_t i;

	(void)state;
	assert_null(rows_find(&rows, TABLE_SERVER, &second));
	first_world(&rows);
	for (i = 1; i < rows.count; i++)
		assert_true(row_compare(&rows.rows[i - 1], &rows.rows[i]) < 0);
	assert_non_null(rows_find(&rows, TABLE_SERVER, &second));
	assert_int_equal(rows_find(&rows, TABLE_SERVER, &second)->key[0], 2);
	assert_null(rows_find(&rows, TABLE_SERVER, &missing));
	put_id(&rows, TABLE_SERVER, 2, 7);
	assert_int_equal(rows_sort(&rows), -EEXIST);
	rows_done(&rows);
	assert_int_equal(rows.count, 0);
}

static void equal_worlds_need_nothing(void **state)
{
	struct change *c = *state;

	make_plan(c, &c->before, &c->before);
	assert_int_equal(c->plan.count, 0);
	assert_int_equal(plan_apply(&c->plan, c->sinks, &c->before, &c->err), 0);
	assert_int_equal(sink_fake_operations(c->fake), 0);
}

static void order_follows_ranks(void **state)
{
	struct change *c = *state;
	size_t i;

	assert_true(c->plan.count > 15);
	for (i = 1; i < c->plan.count; i++) {
		const struct op *last = &c->plan.ops[i - 1], *op = &c->plan.ops[i];
		int last_rank = tables[last->row.table].rank, rank = tables[op->row.table].rank;

		assert_true(last->kind == OP_PUT || op->kind == OP_DEL);
		if (last->kind != op->kind)
			continue;
		assert_true(op->kind == OP_PUT ? last_rank <= rank : last_rank >= rank);
	}
}

static size_t count_ops(const struct plan *plan, enum table_id table, enum op_kind kind)
{
	size_t i, n = 0;

	for (i = 0; i < plan->count; i++)
		n += plan->ops[i].row.table == table && plan->ops[i].kind == kind;
	return n;
}

static void only_differences_are_written(void **state)
{
	struct change *c = *state;

	assert_int_equal(count_ops(&c->plan, TABLE_SERVER, OP_PUT), 2);
	assert_int_equal(count_ops(&c->plan, TABLE_SERVER, OP_DEL), 1);
	assert_int_equal(count_ops(&c->plan, TABLE_INTERFACE, OP_PUT), 0);
	assert_int_equal(count_ops(&c->plan, TABLE_LISTENER, OP_PUT), 2);
	assert_int_equal(count_ops(&c->plan, TABLE_VIP_ADDR, OP_PUT), 2);
	assert_int_equal(count_ops(&c->plan, TABLE_VIP_ADDR, OP_DEL), 1);
	assert_int_equal(count_ops(&c->plan, TABLE_MAGLEV, OP_PUT), 2);
	assert_int_equal(count_ops(&c->plan, TABLE_ATTACHMENT, OP_DEL), 1);
}

static void collect(void *arg, const struct row *row)
{
	assert_int_equal(rows_add(arg, row->table, row->key, row->value), 0);
}

static void list_present(struct change *c, struct rows *ret)
{
	int table;

	for (table = 0; table < TABLE_COUNT; table++)
		assert_int_equal(
			c->sinks[0]->list(c->sinks[0], &tables[table], collect, ret, &c->err), 0);
	assert_int_equal(rows_sort(ret), 0);
}

static void applied_is_what_was_wanted(void **state)
{
	struct change *c = *state;
	struct rows present = {};

	assert_int_equal(plan_apply(&c->plan, c->sinks, &c->before, &c->err), 0);
	list_present(c, &present);
	assert_int_equal(present.count, c->wanted.count);
	make_plan(c, &c->wanted, &present);
	assert_int_equal(c->plan.count, 0);
	rows_done(&present);
}

static void each_failure_leaves_all_as_it_was(void **state)
{
	struct change *c = *state;
	AUTO_FREE char *before = sink_fake_dump(c->fake);
	uint32_t n;

	for (n = 1; n <= c->plan.count; n++) {
		AUTO_FREE char *after = NULL;

		memset(&c->err, 0, sizeof(c->err));
		sink_fake_fail(c->fake, n, n);
		assert_int_equal(plan_apply(&c->plan, c->sinks, &c->before, &c->err), -EIO);
		assert_non_null(strstr(c->err.text, "failed as asked"));
		assert_non_null(strstr(c->err.text, tables[c->plan.ops[n - 1].row.table].word));
		assert_string_equal(c->err.hint, "");
		assert_int_equal(sink_fake_operations(c->fake), 2 * n - 1);
		after = sink_fake_dump(c->fake);
		assert_string_equal(after, before);
	}
	/* and the very same plan still works */
	sink_fake_fail(c->fake, 0, 0);
	assert_int_equal(plan_apply(&c->plan, c->sinks, &c->before, &c->err), 0);
}

static void failing_undo_is_said_and_the_rest_undone(void **state)
{
	struct change *c = *state;

	/* operation 5 fails, and so does the first of the four undone */
	sink_fake_fail(c->fake, 5, 6);
	assert_int_equal(plan_apply(&c->plan, c->sinks, &c->before, &c->err), -EIO);
	assert_int_equal(sink_fake_operations(c->fake), 9);
	assert_non_null(strstr(c->err.hint, "1 of 4 changes could not be undone"));
}

/* After an adoption the old recipes are not known: what has no content is still undone. */
static void undo_without_recipes(void **state)
{
	struct change *c = *state;
	struct rows adopted = {}, present = {};
	uint32_t last = (uint32_t)c->plan.count;
	struct plan left = {};

	list_present(c, &adopted);
	sink_fake_fail(c->fake, last, last);
	assert_int_equal(plan_apply(&c->plan, c->sinks, &adopted, &c->err), -EIO);
	assert_non_null(strstr(c->err.hint, "could not be undone"));
	list_present(c, &present);
	assert_int_equal(plan_make(&c->before, &present, &left, &c->err), 0);
	assert_int_equal(left.count, 2); /* the Maglev table and the port set that changed */
	assert_int_equal(left.ops[0].row.table, TABLE_MAGLEV);
	assert_int_equal(left.ops[1].row.table, TABLE_PORT_SET);
	plan_done(&left);
	rows_done(&adopted);
	rows_done(&present);
}

static void missing_recipe_fails_before_anything_runs(void **state)
{
	struct row_maglev_key key = { .group = 5, .family = XLB_IPV6 };
	static const struct rows nothing;
	struct plan plan = {};
	struct rows rows = {};
	struct xlb_err err;

	(void)state;
	assert_int_equal(rows_add(&rows, TABLE_MAGLEV, &key, &(struct row_hash){ 1 }), 0);
	assert_int_equal(plan_make(&rows, &nothing, &plan, &err), 0);
	assert_int_equal(plan_build(&plan, &rows, &err), -ENOENT);
	assert_string_equal(err.text, "no recipe for maglev of group 5, IPv6");
	plan_done(&plan);
	rows_done(&rows);
}

static int plan_part(struct rows *part, const struct rows *present, struct plan *ret)
{
	struct xlb_err err;

	assert_int_equal(rows_sort(part), 0);
	return plan_make_part(part, present, ret, &err);
}

static void part_changes_servers_and_tables(void **state)
{
	const struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };
	struct rows present = {}, part = {};
	struct plan plan = {};
	struct row_hash hash;
	const struct row *row;

	(void)state;
	first_world(&present);
	put_id(&part, TABLE_SERVER, 1, 1);
	put_id(&part, TABLE_SERVER, 2, 9);
	put_id(&part, TABLE_SNAT, 1, 1);
	put_maglev(&part, 1, 1, 77);
	assert_int_equal(rows_add(&part, TABLE_GROUP, &(struct row_id){ 1 },
				  &(struct row_group){ .instead.ipv4 = 2 }),
			 0);
	assert_int_equal(rows_add(&present, TABLE_GROUP, &(struct row_id){ 1 },
				  &(struct row_group){ .instead.fallback = 2 }),
			 0);
	assert_int_equal(rows_sort(&present), 0);
	assert_int_equal(plan_part(&part, &present, &plan), 0);
	assert_int_equal(plan.count, 3);
	assert_int_equal(plan.ops[0].row.table, TABLE_SERVER);
	assert_int_equal(plan.ops[0].old.value[0], 1);
	assert_int_equal(plan.ops[1].row.table, TABLE_MAGLEV);
	assert_int_equal(plan.ops[2].row.table, TABLE_GROUP);
	rows_follow(&present, &part, &plan);
	assert_int_equal(rows_find(&present, TABLE_SERVER, &(struct row_id){ 2 })->value[0], 9);
	row = rows_find(&present, TABLE_MAGLEV, &key);
	memcpy(&hash, row->value, sizeof(hash));
	assert_int_equal(hash.hash, content_hash(rows_find_recipe(&present, row)->data,
						 rows_find_recipe(&present, row)->size));
	plan_done(&plan);
	rows_done(&present);
	rows_done(&part);
}

static void part_is_refused_what_is_more(void **state)
{
	static const enum table_id tables_with_ids[] = { TABLE_SNAT, TABLE_SERVER, TABLE_NEXTHOP };
	struct rows present = {};
	size_t i;

	(void)state;
	first_world(&present);
	for (i = 0; i < 3; i++) {
		struct rows part = {};
		struct plan plan;

		/* another value; of servers that is allowed, but not another server */
		put_id(&part, tables_with_ids[i], tables_with_ids[i] == TABLE_SERVER ? 3 : 1, 9);
		assert_int_equal(plan_part(&part, &present, &plan), -ESTALE);
		rows_done(&part);
	}
	rows_done(&present);
}

/* The tables for both families are built once but are each whole. */
static void equal_contents_are_copied(void **state)
{
	struct pair pair = { .servers = { { 11, 10, 1 }, { 22, 10, 2 } } };
	struct row_hash hash = { .hash = content_hash(&pair, sizeof(pair)) };
	struct rows wanted = {}, none = {};
	struct plan plan = {};
	struct xlb_err err;
	uint32_t family;

	(void)state;
	for (family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct row_maglev_key key = { .group = 1, .family = family };

		assert_int_equal(rows_add_recipe(&wanted, TABLE_MAGLEV, &key, &pair, sizeof(pair)),
				 0);
		assert_int_equal(rows_add(&wanted, TABLE_MAGLEV, &key, &hash), 0);
	}
	put_maglev(&wanted, 2, 1, 99);
	assert_int_equal(rows_sort(&wanted), 0);
	assert_int_equal(plan_make(&wanted, &none, &plan, &err), 0);
	assert_int_equal(plan_build(&plan, &wanted, &err), 0);
	assert_int_equal(plan.count, 3);
	assert_ptr_not_equal(plan.ops[0].content, plan.ops[1].content);
	assert_memory_equal(plan.ops[0].content, plan.ops[1].content, plan.ops[0].content_size);
	assert_memory_not_equal(plan.ops[0].content, plan.ops[2].content, plan.ops[0].content_size);
	plan_done(&plan);
	rows_done(&wanted);
}

int main(void)
{
#define CHANGE_TEST(test) cmocka_unit_test_setup_teardown(test, setup_change, teardown_change)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sorted_and_found),
		CHANGE_TEST(equal_worlds_need_nothing),
		CHANGE_TEST(order_follows_ranks),
		CHANGE_TEST(only_differences_are_written),
		CHANGE_TEST(applied_is_what_was_wanted),
		CHANGE_TEST(each_failure_leaves_all_as_it_was),
		CHANGE_TEST(failing_undo_is_said_and_the_rest_undone),
		CHANGE_TEST(undo_without_recipes),
		cmocka_unit_test(missing_recipe_fails_before_anything_runs),
		cmocka_unit_test(part_changes_servers_and_tables),
		cmocka_unit_test(part_is_refused_what_is_more),
		cmocka_unit_test(equal_contents_are_copied),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
