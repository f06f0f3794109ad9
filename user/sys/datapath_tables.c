// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memory of the flow tables: chunks of pages, made once and found again after a restart. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "sys/datapath_private.h"

/* flows from which on large chunks are no waste */
#define LARGE_FLOWS 100000

/* of the map of chunks each table has its own part, at whose two ends its old and its new extent are */
#define TABLE_CHUNKS (XLB_FLOW_CHUNKS / XLB_FLOW_TABLES)
#define BATCH_CHUNKS 64

static uint32_t pages_for(enum xlb_flow_table_id table, uint32_t room)
{
	/* beyond the percentage more and more keys find their places taken: 1 in 2000 to 1 in 200 there */
	static const struct {
		uint32_t places, percent;
	} pages_of[XLB_FLOW_TABLES] = {
		[XLB_TABLE_IPV4] = { XLB_PAGE_ENTRIES4, 75 },
		[XLB_TABLE_IPV6] = { XLB_PAGE_ENTRIES6, 60 }, /* a bucket has 3 entries only */
		[XLB_TABLE_REPLIES] = { XLB_PAGE_WORDS, 75 },
	};
	uint64_t per_page = (uint64_t)pages_of[table].places * pages_of[table].percent;
	uint64_t pages = ((uint64_t)room * 100 + per_page - 1) / per_page;

	if (table == XLB_TABLE_REPLIES && pages < 128)
		return 128; /* see XLB_LOCATOR_TAG */
	return (uint32_t)pages;
}

uint64_t datapath_table_bytes(enum xlb_flow_table_id table, uint32_t room)
{
	return (uint64_t)pages_for(table, room) * sizeof(struct xlb_flow_page);
}

/* --- chunks ------------------------------------------------------------------------------------------ */

static uint32_t shift_for(uint32_t flows)
{
	return flows < LARGE_FLOWS ? XLB_CHUNK_SHIFT_MIN : XLB_CHUNK_SHIFT;
}

uint32_t extent_chunks(const struct datapath *dp, uint64_t extent)
{
	uint32_t pages = (uint32_t)xlb_get(extent, XLB_EXTENT_PAGES);

	return (pages + (1U << dp->tables.shift) - 1) >> dp->tables.shift;
}

static int chunk_create(uint32_t shift)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "xlb_flow_chunk", sizeof(uint32_t),
			      sizeof(struct xlb_flow_page), 1U << shift, &opts);
}

int tables_model(uint32_t flows)
{
	int fd = chunk_create(shift_for(flows));

	return fd < 0 ? -errno : fd;
}

static size_t chunk_bytes(const struct flow_tables *memory)
{
	return sizeof(struct xlb_flow_page) << memory->shift;
}

static void chunk_unmap(struct flow_tables *memory, uint32_t index)
{
	if (memory->chunk[index])
		munmap(memory->chunk[index], chunk_bytes(memory));
	memory->chunk[index] = NULL;
}

static int chunk_map(struct flow_tables *memory, uint32_t index, int fd)
{
	void *pages = mmap(NULL, chunk_bytes(memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (pages == MAP_FAILED)
		return -errno;
	/* of a table that was not all there and is made anew */
	chunk_unmap(memory, index);
	memory->chunk[index] = pages;
	return 0;
}

static uint32_t *chunk_id(const struct datapath *dp, uint32_t index)
{
	return (uint32_t *)map_entry(&dp->maps[MAP_FLOW_CHUNK_IDS], index);
}

/* A new chunk, mapped: its fd, or -errno. Its id is known before packets can use it. */
static int chunk_make(struct datapath *dp, uint32_t index)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	int fd = chunk_create(dp->tables.shift), r;

	if (fd < 0)
		return -errno;
	r = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : chunk_map(&dp->tables, index, fd);
	if (r) {
		close(fd);
		return r;
	}
	*chunk_id(dp, index) = info.id;
	return fd;
}

int extent_make(struct datapath *dp, uint64_t extent, uint32_t from, uint32_t count)
{
	uint32_t first = (uint32_t)xlb_get(extent, XLB_EXTENT_CHUNK) + from;
	uint32_t index[BATCH_CHUNKS] = {}, made = 0, taken;
	int fd[BATCH_CHUNKS] = {}, r = 0;

	if (count > BATCH_CHUNKS)
		count = BATCH_CHUNKS;
	for (; made < count; made++) {
		index[made] = first + made;
		fd[made] = chunk_make(dp, first + made);
		r = fd[made] < 0 ? fd[made] : 0;
		if (r)
			break;
	}
	taken = made;
	/* in one call: each waits for a grace period */
	if (!r && bpf_map_update_batch(dp->maps[MAP_FLOW_CHUNKS].fd, index, fd, &taken, NULL))
		r = -errno;
	for (uint32_t i = 0; i < made; i++)
		close(fd[i]);
	return r ? r : (int)count;
}

static bool is_of(const struct datapath *dp, uint64_t extent, uint32_t index)
{
	uint32_t first = (uint32_t)xlb_get(extent, XLB_EXTENT_CHUNK);

	return index >= first && index < first + extent_chunks(dp, extent);
}

bool chunks_left(struct datapath *dp, enum xlb_flow_table_id id, uint32_t *ret_index)
{
	const struct xlb_flow_table *table = table_row(dp, id);

	for (uint32_t i = id * TABLE_CHUNKS; i < (id + 1) * TABLE_CHUNKS; i++) {
		if (!*chunk_id(dp, i) || is_of(dp, table->extent, i) || is_of(dp, table->old, i))
			continue;
		*ret_index = i;
		return true;
	}
	return false;
}

void chunk_drop(struct datapath *dp, uint32_t index)
{
	chunk_unmap(&dp->tables, index);
	bpf_map_delete_elem(dp->maps[MAP_FLOW_CHUNKS].fd, &index);
	*chunk_id(dp, index) = 0;
}

/* --- tables ------------------------------------------------------------------------------------------ */

struct xlb_flow_table *table_row(const struct datapath *dp, enum xlb_flow_table_id id)
{
	return (struct xlb_flow_table *)map_entry(&dp->maps[MAP_FLOW_TABLES], id);
}

int extent_place(const struct datapath *dp, enum xlb_flow_table_id id, uint32_t room, uint64_t *ret)
{
	uint64_t present = table_row(dp, id)->extent;
	uint64_t extent = xlb_set(0ULL, pages_for(id, room), XLB_EXTENT_PAGES);
	uint32_t first = id * TABLE_CHUNKS, chunks = extent_chunks(dp, extent);

	if (chunks + extent_chunks(dp, present) > TABLE_CHUNKS)
		return -E2BIG;
	if (present && xlb_get(present, XLB_EXTENT_CHUNK) == first)
		first += TABLE_CHUNKS - chunks;
	*ret = xlb_set(extent, first, XLB_EXTENT_CHUNK);
	return 0;
}

/* What makes a table known to packets is the last word written. */
static int table_make(struct datapath *dp, enum xlb_flow_table_id id, uint32_t room)
{
	struct xlb_flow_table *table = table_row(dp, id);
	uint32_t chunks, made = 0;
	uint64_t extent;
	int r;

	memset(table, 0, sizeof(*table));
	if (getrandom(table->seed, sizeof(table->seed), 0) != sizeof(table->seed))
		return -errno;
	table->chunk_shift = dp->tables.shift;
	table->room = room;
	r = extent_place(dp, id, room, &extent);
	if (r)
		return r;
	chunks = extent_chunks(dp, extent);
	while (made < chunks) {
		r = extent_make(dp, extent, made, chunks - made);
		if (r < 0)
			return r;
		made += (uint32_t)r;
	}
	__atomic_store_n(&table->extent, extent, __ATOMIC_RELEASE);
	return 0;
}

static int extent_adopt(struct datapath *dp, uint64_t extent)
{
	for (uint32_t i = 0; i < extent_chunks(dp, extent); i++) {
		uint32_t index = (uint32_t)xlb_get(extent, XLB_EXTENT_CHUNK) + i;
		AUTO_CLOSE int fd = bpf_map_get_fd_by_id(*chunk_id(dp, index));
		int r = fd < 0 ? -errno : chunk_map(&dp->tables, index, fd);

		if (r)
			return r;
	}
	return 0;
}

/* -ENOENT if there is no such table, or not all of it. */
static int table_adopt(struct datapath *dp, enum xlb_flow_table_id id)
{
	struct xlb_flow_table *table = table_row(dp, id);
	int r;

	if (!xlb_get(table->extent, XLB_EXTENT_PAGES))
		return -ENOENT;
	/* the predecessor was killed between the two words */
	if (table->old == table->extent)
		table->old = 0;
	r = extent_adopt(dp, table->extent);
	return r ? r : extent_adopt(dp, table->old);
}

int tables_open(struct datapath *dp, uint32_t flows, struct xlb_err *err)
{
	struct flow_tables *memory = &dp->tables;
	uint32_t id;
	int r = 0;

	memory->chunk = calloc(XLB_FLOW_CHUNKS, sizeof(*memory->chunk));
	if (!memory->chunk)
		return datapath_err(err, -ENOMEM, "cannot make the flow tables");
	/* a predecessor's chunks are all of one size, also where it was killed before it was done */
	memory->shift = table_row(dp, 0)->chunk_shift;
	if (!memory->shift)
		memory->shift = shift_for(flows);
	for (id = 0; !r && id < XLB_FLOW_TABLES; id++) {
		r = table_adopt(dp, id);
		/* replies are of flows of both families */
		if (r == -ENOENT)
			r = table_make(dp, id, id == XLB_TABLE_REPLIES ? 2 * flows : flows);
	}
	return r ? datapath_err(err, r, "cannot make the flow tables, of %u flows", flows) : 0;
}

void tables_close(struct datapath *dp)
{
	struct flow_tables *memory = &dp->tables;

	for (uint32_t i = 0; memory->chunk && i < XLB_FLOW_CHUNKS; i++)
		chunk_unmap(memory, i);
	free(memory->chunk);
	memory->chunk = NULL;
}

struct xlb_flow_page *table_page(const struct datapath *dp, uint64_t extent, uint64_t page,
				 struct xlb_flow_at *ret_at)
{
	const struct flow_tables *memory = &dp->tables;

	if (page >= xlb_get(extent, XLB_EXTENT_PAGES))
		return NULL;
	ret_at->chunk = (uint32_t)(xlb_get(extent, XLB_EXTENT_CHUNK) + (page >> memory->shift));
	ret_at->page = (uint16_t)(page & ((1U << memory->shift) - 1));
	return memory->chunk[ret_at->chunk] + ret_at->page;
}

uint32_t datapath_table_room(const struct datapath *dp, enum xlb_flow_table_id id)
{
	return table_row(dp, id)->room;
}

uint64_t datapath_tables_memory(const struct datapath *dp)
{
	uint64_t pages = 0;

	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++)
		pages += xlb_get(table_row(dp, id)->extent, XLB_EXTENT_PAGES) +
			 xlb_get(table_row(dp, id)->old, XLB_EXTENT_PAGES);
	return pages * sizeof(struct xlb_flow_page);
}
