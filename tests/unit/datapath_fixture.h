/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of the datapath's user side share. They need root and the running kernel, and work in a
 * network namespace of their own.
 */
#ifndef XLB_TESTS_DATAPATH_FIXTURE_H
#define XLB_TESTS_DATAPATH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "sys/datapath.h"
#include "xlb/tables.h"

#define TEST_FLOWS 1024

static char pin_parent[64], pin_dir[80];
static const char *skip_reason;
static struct datapath *dp;
static struct xlb_err err;

static inline void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline void dp_open(void)
{
	const struct datapath_options options = { .pin_dir = pin_dir, .flows = TEST_FLOWS };

	if (datapath_open(&options, &dp, &err) < 0)
		fail_msg("datapath_open: %s; %s", err.text, err.hint);
}

/* The memory of an array, as packets see it: `size` bytes of it, mapped anew only where it is another array. */
struct mapped {
	void *memory;
	uint32_t id;
};

static inline void *map_memory(struct mapped *mapped, int fd, size_t size)
{
	struct bpf_map_info info = {};
	uint32_t info_size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &info_size), 0);
	if (mapped->id == info.id)
		return mapped->memory;
	if (mapped->memory)
		munmap(mapped->memory, size);
	mapped->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped->memory == MAP_FAILED)
		fail_msg("mmap: %s", strerror(errno));
	mapped->id = info.id;
	return mapped->memory;
}

/* Until the next call with another datapath. */
static inline const struct xlb_tables *shared_tables(void)
{
	static struct mapped shared;

	return map_memory(&shared, datapath_map_fd(dp, "tables"), sizeof(struct xlb_tables));
}

/* The words of a chunk of a map of maps, `size` bytes; until the next call with another chunk. */
static inline uint64_t *chunk_words(const char *map, uint32_t chunk, size_t size)
{
	static struct mapped words;
	AUTO_CLOSE int fd = -1;
	uint32_t id = 0;

	assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(dp, map), &chunk, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	return map_memory(&words, fd, size);
}

static inline void dp_reopen(void)
{
	dp = datapath_close(dp);
	dp_open();
}

static inline int setup(void **state)
{
	(void)state;
	if (!skip_reason)
		dp_open();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	if (dp)
		datapath_unpin(dp);
	dp = datapath_close(dp);
	return 0;
}

#define NEED_KERNEL() \
	do { \
		if (skip_reason) { \
			print_message("# %s\n", skip_reason); \
			skip(); \
		} \
	} while (0)

struct list {
	struct row rows[64];
	size_t count;
};

static inline void list_add(void *arg, const struct row *row)
{
	struct list *list = arg;

	assert_true(list->count < sizeof(list->rows) / sizeof(list->rows[0]));
	list->rows[list->count++] = *row;
}

static inline struct list list_of(enum table_id table)
{
	struct list list = {};
	struct sink *sink = datapath_sink(dp);

	assert_int_equal(sink->list(sink, &tables[table], list_add, &list, &err), 0);
	return list;
}

static inline struct list list_all(void)
{
	struct list all = {};
	struct sink *sink = datapath_sink(dp);

	for (int i = 0; i < TABLE_COUNT; i++)
		if (tables[i].sink == SINK_DATAPATH)
			assert_int_equal(sink->list(sink, &tables[i], list_add, &all, &err), 0);
	return all;
}

static inline struct row row_of(enum table_id table, const void *key, const void *value)
{
	struct row row = { .table = table };

	memcpy(row.key, key, tables[table].key_size);
	if (value)
		memcpy(row.value, value, tables[table].value_size);
	return row;
}

static inline int try_put(enum table_id table, const void *key, const void *value,
			  const void *content, size_t size)
{
	struct row row = row_of(table, key, value);
	struct sink *sink = datapath_sink(dp);

	return sink->put(sink, &row, content, size, &err);
}

static inline void put(enum table_id table, const void *key, const void *value)
{
	if (try_put(table, key, value, NULL, 0) < 0)
		fail_msg("put %s: %s", tables[table].word, err.text);
}

static inline void del(enum table_id table, const void *key)
{
	struct row row = row_of(table, key, NULL);
	struct sink *sink = datapath_sink(dp);

	assert_int_equal(sink->del(sink, &row, &err), 0);
}

static inline void assert_listed(enum table_id table, const void *key, const void *value)
{
	struct list list = list_of(table);
	struct row want = row_of(table, key, value);

	for (size_t i = 0; i < list.count; i++)
		if (!memcmp(&list.rows[i], &want, sizeof(want)))
			return;
	fail_msg("table %s: the row is not among the %zu listed", tables[table].word, list.count);
}

static inline void assert_count(enum table_id table, size_t count)
{
	assert_int_equal(list_of(table).count, count);
}

static const struct row_id id7 = { 7 };

static inline struct content_maglev *maglev_content(uint32_t seed)
{
	struct content_maglev *content = malloc(sizeof(*content));

	assert_non_null(content);
	for (uint32_t i = 0; i < XLB_MAGLEV_SLOTS; i++)
		content->slot[i] = (uint16_t)(i * 31 + seed);
	return content;
}

static inline void maglev_put(uint32_t seed)
{
	const struct row_maglev_key key = { 5, XLB_IPV6 };
	const struct row_hash hash = { seed };
	AUTO_FREE struct content_maglev *content = maglev_content(seed);

	assert_int_equal(try_put(TABLE_MAGLEV, &key, &hash, content, sizeof(*content)), 0);
	assert_listed(TABLE_MAGLEV, &key, &hash);
}

#define PORT_SET_SIZE (sizeof(struct content_port_set) + 2 * 256 * sizeof(uint32_t))

/* any: listener 1; from..to within two blocks: listener 2. The caller frees it. */
static inline struct content_port_set *port_set_new(uint16_t from, uint16_t to)
{
	struct content_port_set *set = calloc(1, PORT_SET_SIZE);

	assert_non_null(set);
	for (uint32_t port = 0; port < 65536; port++) {
		uint32_t listener = port >= from && port <= to ? 2 : 1;

		if (port >> 8 == from >> 8 || port >> 8 == to >> 8)
			set->leaf[port >> 8 == to >> 8][port & 255] = listener;
		else
			set->root[port >> 8] = listener;
	}
	set->leaf_count = 2;
	set->root[from >> 8] = XLB_PORT_PAGE;
	set->root[to >> 8] = XLB_PORT_PAGE | 1;
	return set;
}

static inline void port_set_put(uint32_t vip, uint32_t protocol, const struct content_port_set *set,
				uint64_t hash)
{
	const struct row_port_set_key key = { vip, protocol };
	const struct row_hash value = { hash };

	if (try_put(TABLE_PORT_SET, &key, &value, set, PORT_SET_SIZE) < 0)
		fail_msg("put port_set: %s", err.text);
	assert_listed(TABLE_PORT_SET, &key, &value);
}

/* The words of a bitmap; until words of another chunk are asked for. */
static inline uint64_t *snat_words(uint32_t bitmap)
{
	const size_t words = XLB_SNAT_PER_CHUNK * XLB_SNAT_WORDS;

	return chunk_words("snat_chunks", bitmap / XLB_SNAT_PER_CHUNK, words * sizeof(uint64_t)) +
	       bitmap % XLB_SNAT_PER_CHUNK * XLB_SNAT_WORDS;
}

static inline bool port_is_free(const uint64_t *words, uint32_t port)
{
	return !(words[port / 64] >> (port % 64) & 1);
}

static inline int group_setup(void **state)
{
	struct statfs fs;

	(void)state;
	if (geteuid() != 0)
		skip_reason = "needs root";
	else if (statfs("/sys/fs/bpf", &fs) || fs.f_type != BPF_FS_MAGIC)
		skip_reason = "no bpf file system at /sys/fs/bpf";
	else if (unshare(CLONE_NEWNET))
		skip_reason = "cannot make a network namespace";
	if (skip_reason)
		return 0;
	snprintf(pin_parent, sizeof(pin_parent), "/sys/fs/bpf/xlb-test-%d", getpid());
	setenv("XLB_TEST_PINS", pin_parent, 1);
	snprintf(pin_dir, sizeof(pin_dir), "%s/abi%d", pin_parent, XLB_ABI);
	run("ip link add xlbt0 type veth peer name xlbt1");
	run("echo 2000 2999 >/proc/sys/net/ipv4/ip_local_port_range");
	run("echo 1100,1200-1209 >/proc/sys/net/ipv4/ip_local_reserved_ports");
	return 0;
}

/* Also what an open that failed left. */
static inline int group_teardown(void **state)
{
	(void)state;
	if (!skip_reason)
		run("rm -rf \"$XLB_TEST_PINS\"");
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
