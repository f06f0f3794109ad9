// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/ids.h"

static uint64_t limit_100(void *arg, const struct id_entry *entry)
{
	(void)entry;
	return *(uint64_t *)arg + 100;
}

static void retire(struct ids *ids, uint64_t now)
{
	ids_retire(ids, now, limit_100, &now);
}

static uint32_t get(struct ids *ids, enum id_kind kind, const char *key)
{
	struct id_entry *entry = ids_get(ids, kind, key);

	assert_non_null(entry);
	assert_string_equal(entry->key, key);
	return entry->id;
}

static void lowest_free_from_one(void **state)
{
	AUTO(ids_free) struct ids *ids = ids_new();

	(void)state;
	assert_int_equal(get(ids, ID_SERVER, "a"), 1);
	assert_int_equal(get(ids, ID_SERVER, "b"), 2);
	assert_int_equal(get(ids, ID_SERVER, "c"), 3);
	assert_int_equal(get(ids, ID_SERVER, "b"), 2);
	assert_int_equal(get(ids, ID_GROUP, "b"), 1);
	ids_release(ids, ID_SERVER, 1);
	ids_release(ids, ID_SERVER, 2);
	ids_release(ids, ID_SERVER, 2);
	ids_release(ids, ID_SERVER, 77);
	assert_null(ids_find(ids, ID_SERVER, "a"));
	assert_null(ids_by_id(ids, ID_SERVER, 2));
	assert_int_equal(get(ids, ID_SERVER, "d"), 1);
	assert_int_equal(get(ids, ID_SERVER, "e"), 2);
	assert_int_equal(get(ids, ID_SERVER, "f"), 4);
}

static void retired_keeps_its_number(void **state)
{
	AUTO(ids_free) struct ids *ids = ids_new();
	struct id_entry *entry;

	(void)state;
	ids_begin(ids);
	get(ids, ID_SERVER, "a");
	get(ids, ID_SERVER, "b");
	retire(ids, 1000);
	assert_true(ids_find(ids, ID_SERVER, "a")->live);

	ids_begin(ids);
	get(ids, ID_SERVER, "b");
	entry = ids_find(ids, ID_SERVER, "a");
	entry->draining = true;
	assert_false(ids_is_touched(ids, entry));
	retire(ids, 2000);
	assert_false(entry->live);
	assert_false(entry->draining);
	assert_int_equal(entry->since, 2000);
	assert_int_equal(entry->deadline, 2100);
	assert_true(ids_find(ids, ID_SERVER, "b")->live);

	/* while flows may hold 1, it is nobody else's */
	assert_int_equal(get(ids, ID_SERVER, "c"), 3);
	ids_begin(ids);
	retire(ids, 3000);
	assert_int_equal(entry->since, 2000);

	ids_begin(ids);
	assert_int_equal(get(ids, ID_SERVER, "a"), 1);
	assert_true(entry->live);
	assert_true(ids_is_touched(ids, entry));
	assert_int_equal(entry->since, 0);
	assert_true(entry->deadline == UINT64_MAX);
}

static void spaces_end(void **state)
{
	static const struct {
		enum id_kind kind;
		uint32_t last;
	} rows[] = {
		{ ID_INTERFACE, XLB_MAX_INTERFACES - 1 },
		{ ID_SNAT, XLB_MAX_SNATS - 1 },
		{ ID_BITMAP, XLB_SNAT_CHUNKS * XLB_SNAT_PER_CHUNK - 1 },
	};
	AUTO(ids_free) struct ids *ids = ids_new();
	char key[ID_KEY_MAX + 1];
	uint32_t i, id;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (id = 1; id <= rows[i].last; id++) {
			snprintf(key, sizeof(key), "%u", id);
			assert_int_equal(get(ids, rows[i].kind, key), id);
		}
		assert_null(ids_get(ids, rows[i].kind, "one more"));
		ids_release(ids, rows[i].kind, 7);
		assert_int_equal(get(ids, rows[i].kind, "one more"), 7);
		assert_null(ids_get(ids, rows[i].kind, "two more"));
	}
	memset(key, 'x', ID_KEY_MAX);
	key[ID_KEY_MAX] = 0;
	assert_null(ids_get(ids, ID_SERVER, key));
	key[ID_KEY_MAX - 1] = 0;
	assert_non_null(ids_get(ids, ID_SERVER, key));
}

static void copies_are_apart(void **state)
{
	AUTO(ids_free) struct ids *ids = ids_new(), *copy = NULL;

	(void)state;
	ids_begin(ids);
	get(ids, ID_VIP, "a");
	ids_get(ids, ID_VIP, "b")->frozen[3] = 42;
	copy = ids_copy(ids);
	assert_int_equal(ids_version(copy), ids_version(ids));
	assert_int_equal(ids_find(copy, ID_VIP, "b")->frozen[3], 42);
	assert_true(ids_is_touched(copy, ids_find(copy, ID_VIP, "b")));
	ids_release(copy, ID_VIP, 1);
	assert_non_null(ids_find(ids, ID_VIP, "a"));
	assert_int_equal(get(copy, ID_VIP, "c"), 1);
	assert_int_equal(get(ids, ID_VIP, "c"), 3);
}

static void version_shows_changes(void **state)
{
	AUTO(ids_free) struct ids *ids = ids_new();
	uint64_t version = ids_version(ids);

	(void)state;
	ids_begin(ids);
	get(ids, ID_VIP, "a");
	assert_true(ids_version(ids) > version);
	version = ids_version(ids);
	ids_begin(ids);
	get(ids, ID_VIP, "a");
	retire(ids, 1);
	assert_int_equal(ids_version(ids), version);
	ids_begin(ids);
	retire(ids, 1);
	assert_true(ids_version(ids) > version);
	version = ids_version(ids);
	get(ids, ID_VIP, "a");
	assert_true(ids_version(ids) > version);
	version = ids_version(ids);
	ids_note_change(ids);
	assert_true(ids_version(ids) > version);
	version = ids_version(ids);
	ids_release(ids, ID_VIP, 1);
	assert_true(ids_version(ids) > version);
}

static void restored_entries(void **state)
{
	struct id_entry entry = { .kind = ID_SERVER, .id = 5, .key = "a", .live = true, .mark = 1 };
	AUTO(ids_free) struct ids *ids = ids_new();

	(void)state;
	assert_int_equal(ids_restore(ids, &entry), 0);
	assert_int_equal(ids_restore(ids, &entry), -EEXIST);
	strcpy(entry.key, "b");
	assert_int_equal(ids_restore(ids, &entry), -EEXIST);
	entry.id = 6;
	strcpy(entry.key, "a");
	assert_int_equal(ids_restore(ids, &entry), -EEXIST);
	entry.id = 0;
	assert_int_equal(ids_restore(ids, &entry), -ERANGE);
	entry.id = XLB_MAX_SERVERS;
	assert_int_equal(ids_restore(ids, &entry), -ERANGE);
	assert_int_equal(get(ids, ID_SERVER, "x"), 1);
	/* what the first compile after a restart does not name is retired */
	ids_begin(ids);
	assert_false(ids_is_touched(ids, ids_by_id(ids, ID_SERVER, 5)));
	retire(ids, 10);
	assert_false(ids_by_id(ids, ID_SERVER, 5)->live);
}

struct walk {
	struct ids *ids;
	char seen[64];
};

static void release_odd(void *arg, struct id_entry *entry)
{
	struct walk *walk = arg;

	strcat(walk->seen, entry->key);
	if (entry->id % 2)
		ids_release(walk->ids, entry->kind, entry->id);
}

static void walk_in_order_and_release(void **state)
{
	AUTO(ids_free) struct ids *ids = ids_new();
	struct walk walk = { .ids = ids };

	(void)state;
	get(ids, ID_LISTENER, "d");
	get(ids, ID_LISTENER, "a");
	get(ids, ID_LISTENER, "c");
	get(ids, ID_LISTENER, "b");
	ids_each(ids, ID_LISTENER, release_odd, &walk);
	assert_string_equal(walk.seen, "dacb");
	ids_each(ids, ID_LISTENER, release_odd, &walk);
	assert_string_equal(walk.seen, "dacbab");
	assert_null(ids_free(NULL));
}

static void part_leaves_the_whole_alone(void **state)
{
	AUTO(ids_free) struct ids *whole = ids_new();
	AUTO(ids_free) struct ids *part = NULL;
	struct id_entry *entry;

	(void)state;
	ids_get(whole, ID_SERVER, "web/a")->drain = 1;
	ids_get(whole, ID_SERVER, "web/b")->drain = 2;
	ids_get(whole, ID_SERVER, "web/gone")->live = false;
	part = ids_part(whole);
	assert_ptr_equal(ids_whole(part), whole);
	assert_ptr_equal(ids_whole(whole), whole);
	/* none is made, none comes back */
	assert_null(ids_get(part, ID_SERVER, "web/new"));
	assert_null(ids_get(part, ID_SERVER, "web/gone"));
	entry = ids_get(part, ID_SERVER, "web/b");
	assert_int_equal(entry->id, 2);
	entry->drain = 20;
	ids_note_change(part);
	assert_ptr_equal(ids_find(part, ID_SERVER, "web/b"), entry);
	assert_ptr_equal(ids_by_id(part, ID_SERVER, 2), entry);
	assert_int_equal(ids_by_id(part, ID_SERVER, 1)->drain, 1);
	assert_int_equal(ids_by_id(whole, ID_SERVER, 2)->drain, 2);
	assert_true(ids_version(part) != ids_version(whole));
	ids_merge(whole, part);
	assert_int_equal(ids_by_id(whole, ID_SERVER, 2)->drain, 20);
	assert_int_equal(ids_find(whole, ID_SERVER, "web/b")->drain, 20);
	assert_int_equal(ids_version(part), ids_version(whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowest_free_from_one),
		cmocka_unit_test(retired_keeps_its_number),
		cmocka_unit_test(spaces_end),
		cmocka_unit_test(copies_are_apart),
		cmocka_unit_test(version_shows_changes),
		cmocka_unit_test(restored_entries),
		cmocka_unit_test(walk_in_order_and_release),
		cmocka_unit_test(part_leaves_the_whole_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
