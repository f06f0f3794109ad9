/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sink: list, put and del of rows; one line per table at the end. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/datapath_private.h"

void datapath_row(enum table_id table, const void *key, const void *value, struct row *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->table = table;
	memcpy(ret->key, key, tables[table].key_size);
	memcpy(ret->value, value, tables[table].value_size);
}

/* --- tables that are a part of the entries of one array ------------------------------------------- */

struct plain {
	enum map_id map;
	uint8_t first, count; /* words of the entry */
};

static const struct plain plain_tables[TABLE_COUNT] = {
	[TABLE_NEXTHOP] = { MAP_NEXTHOPS, 0, sizeof(struct xlb_nexthop) / 8 },
	[TABLE_SNAT] = { MAP_SNATS, 0, sizeof(struct xlb_snat) / 8 },
	[TABLE_SERVER] = { MAP_SERVERS, 0, sizeof(struct xlb_server) / 8 },
	[TABLE_LISTENER] = { MAP_LISTENERS, 0, sizeof(struct xlb_listener) / 8 },
	[TABLE_LIMITS] = { MAP_LIMITS, 0, sizeof(struct xlb_limits) / 8 },
	[TABLE_SPLIT] = { MAP_SPLITS, 0, sizeof(struct xlb_split) / 8 },
	/* the words before it are those of table `maglev` */
	[TABLE_GROUP] = { MAP_GROUPS, offsetof(struct xlb_group, choice) / 8,
			  sizeof(struct row_group) / 8 },
	/* the word of the port sets before it is not the row's */
	[TABLE_VIP] = { MAP_VIPS, offsetof(struct xlb_vip, flags) / 8, 1 },
};

static bool words_are_zero(const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words[i])
			return false;
	return true;
}

/* After a restart a row is what is not all zero. */
static int plain_init(struct datapath *dp, enum table_id table)
{
	const struct map *map = &dp->maps[plain_tables[table].map];

	dp->present[table] = calloc(map->entries, 1);
	if (!dp->present[table])
		return -ENOMEM;
	for (uint32_t id = 1; id < map->entries; id++)
		dp->present[table][id] = !words_are_zero(map_entry(map, id), map->stride);
	return 0;
}

void datapath_rows_close(struct datapath *dp)
{
	for (int i = 0; i < TABLE_COUNT; i++)
		free(TAKE(dp->present[i]));
}

static int plain_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
		      struct xlb_err *err)
{
	const struct plain *plain = &plain_tables[table];
	const struct map *map = &dp->maps[plain->map];

	(void)err;
	for (uint32_t id = 1; id < map->entries; id++) {
		struct row row;

		if (!dp->present[table][id])
			continue;
		datapath_row(table, &id, map_entry(map, id) + plain->first, &row);
		add(arg, &row);
	}
	return 0;
}

static uint32_t row_id(const struct row *row)
{
	uint32_t id;

	memcpy(&id, row->key, sizeof(id));
	return id;
}

static int plain_write(struct datapath *dp, const struct row *row, const void *value,
		       struct xlb_err *err)
{
	const struct plain *plain = &plain_tables[row->table];
	const struct map *map = &dp->maps[plain->map];
	uint32_t id = row_id(row);

	if (!id || id >= map->entries)
		return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE,
				   "id %u of table '%s' is outside of 1-%u", id,
				   tables[row->table].word, map->entries - 1);
	words_store(map_entry(map, id) + plain->first, value, plain->count);
	return 0;
}

static int plain_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		     struct xlb_err *err)
{
	int r = plain_write(dp, row, row->value, err);

	(void)content, (void)size;
	if (r == 0)
		dp->present[row->table][row_id(row)] = true;
	return r;
}

static int plain_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	static const uint8_t zero[ROW_VALUE_MAX];
	int r = plain_write(dp, row, zero, err);

	if (r == 0)
		dp->present[row->table][row_id(row)] = false;
	return r;
}

static const struct table_ops plain_ops = { plain_list, plain_put, plain_del };

/*
 * What was owed at other rates is forgiven, or a limit that is raised would hold back for as long as the low one. Source
 * addresses whose flows are counted from now on begin with none.
 */
static int limits_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		      struct xlb_err *err)
{
	struct xlb_limit_meter *meter;
	struct xlb_limits wanted, present;
	int r;

	if (row_id(row) >= XLB_MAX_LIMITS)
		return plain_put(dp, row, content, size, err);
	memcpy(&wanted, row->value, sizeof(wanted));
	memcpy(&present, map_entry(&dp->maps[MAP_LIMITS], row_id(row)), sizeof(present));
	meter = (void *)map_entry(&dp->maps[MAP_METERS], row_id(row));
	if (!present.source.flows && wanted.source.flows)
		__atomic_fetch_add(&meter->epoch, 1, __ATOMIC_RELEASE);
	r = plain_put(dp, row, content, size, err);
	for (int i = 0; !r && i < XLB_DUES; i++)
		__atomic_store_n(&meter->all.due[i], 0, __ATOMIC_RELAXED);
	return r;
}

static const struct table_ops limits_ops = { plain_list, limits_put, plain_del };

/* --- dispatch ------------------------------------------------------------------------------------- */

static const struct table_ops *const ops[TABLE_COUNT] = {
	[TABLE_INTERFACE] = &interface_ops,
	[TABLE_BOND_PORT] = &bond_port_ops,
	[TABLE_NEXTHOP] = &plain_ops,
	[TABLE_SNAT] = &plain_ops,
	[TABLE_BITMAP] = &bitmap_ops,
	[TABLE_SERVER] = &plain_ops,
	[TABLE_MAGLEV] = &maglev_ops,
	[TABLE_QUIC_SERVER] = &quic_server_ops,
	[TABLE_GROUP] = &plain_ops,
	[TABLE_LIMITS] = &limits_ops,
	[TABLE_SPLIT] = &plain_ops,
	[TABLE_RULE_SET] = &rule_set_ops,
	[TABLE_LISTENER] = &plain_ops,
	[TABLE_PORT_SET] = &port_set_ops,
	[TABLE_VIP] = &plain_ops,
	[TABLE_ADDRESS] = &address_ops,
	[TABLE_ATTACHMENT] = &attachment_ops,
	[TABLE_PROBE_FILTER] = &probe_filter_ops,
};

static const struct table_ops *ops_of(enum table_id table, struct xlb_err *err)
{
	if (table < TABLE_COUNT && ops[table])
		return ops[table];
	xlb_err_set(err, XLB_ERR_FAILED, -EINVAL, "table %d is not one of the datapath", table);
	return NULL;
}

static int sink_list(struct sink *sink, const struct table *table, row_add add, void *arg,
		     struct xlb_err *err)
{
	const struct table_ops *of = ops_of(table->id, err);

	return of ? of->list((struct datapath *)sink, table->id, add, arg, err) : -EINVAL;
}

static int sink_put(struct sink *sink, const struct row *row, const void *content, size_t size,
		    struct xlb_err *err)
{
	const struct table_ops *of = ops_of(row->table, err);

	return of ? of->put((struct datapath *)sink, row, content, size, err) : -EINVAL;
}

static int sink_del(struct sink *sink, const struct row *row, struct xlb_err *err)
{
	const struct table_ops *of = ops_of(row->table, err);

	return of ? of->del((struct datapath *)sink, row, err) : -EINVAL;
}

/* Only chunks take long: the other tables are there from the start. */
static int sink_reserve(struct sink *sink, const struct reservation *reservation,
			struct xlb_err *err)
{
	struct datapath *dp = (struct datapath *)sink;
	uint32_t slot;

	switch (reservation->table) {
	case TABLE_BITMAP:
		return chunks_reserve(&dp->snat, reservation->highest / XLB_SNAT_PER_CHUNK, err);
	case TABLE_MAGLEV:
		slot = slots_nth_free(&dp->maglev_tables, reservation->rows);
		return chunks_reserve(&dp->maglev, slot / XLB_MAGLEV_PER_CHUNK, err);
	case TABLE_RULE_SET:
		return rules_reserve(dp, reservation->bytes, err);
	default:
		return 0;
	}
}

_Static_assert(offsetof(struct datapath, sink) == 0, "a sink is cast to its datapath");

int datapath_rows_open(struct datapath *dp)
{
	dp->sink = (struct sink){
		.list = sink_list, .put = sink_put, .del = sink_del, .reserve = sink_reserve
	};
	for (int i = 0; i < TABLE_COUNT; i++) {
		int r = plain_tables[i].count ? plain_init(dp, i) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

struct sink *datapath_sink(struct datapath *dp)
{
	return &dp->sink;
}
