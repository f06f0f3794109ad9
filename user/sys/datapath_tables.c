// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memory of the flow tables: chunks of pages, made once and found again after a restart. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "sys/datapath_private.h"

/* flows from which on large chunks are no waste */
#define LARGE_FLOWS 100000

static uint32_t pages_for(enum xlb_flow_table_id table, uint32_t flows)
{
	/* beyond the percentage more and more keys find their places taken: 1 in 2000 to 1 in 200 there */
	static const struct {
		uint32_t places, percent;
	} pages_of[XLB_FLOW_TABLES] = {
		[XLB_TABLE_IPV4] = { XLB_PAGE_ENTRIES4, 75 },
		[XLB_TABLE_IPV6] = { XLB_PAGE_ENTRIES6, 60 }, /* a bucket has 3 entries only */
		[XLB_TABLE_REPLIES] = { XLB_PAGE_WORDS, 75 },
	};
	/* replies are of flows of both families */
	uint64_t entries = (uint64_t)flows * (table == XLB_TABLE_REPLIES ? 2 : 1);
	uint64_t per_page = (uint64_t)pages_of[table].places * pages_of[table].percent;
	uint64_t pages = (entries * 100 + per_page - 1) / per_page;

	if (table == XLB_TABLE_REPLIES && pages < 128)
		return 128; /* see XLB_LOCATOR_TAG */
	return (uint32_t)pages;
}

static uint32_t shift_for(uint32_t flows)
{
	return flows < LARGE_FLOWS ? XLB_CHUNK_SHIFT_MIN : XLB_CHUNK_SHIFT;
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

static int chunk_map(struct flow_tables *memory, uint32_t index, int fd)
{
	void *pages = mmap(NULL, chunk_bytes(memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (pages == MAP_FAILED)
		return -errno;
	/* of a table that was not all there and is made anew */
	if (memory->chunk[index])
		munmap(memory->chunk[index], chunk_bytes(memory));
	memory->chunk[index] = pages;
	return 0;
}

/* Makes chunk `index`; its id is known before packets can use it. */
static int chunk_make(struct datapath *dp, uint32_t index)
{
	struct flow_tables *memory = &dp->tables;
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	AUTO_CLOSE int fd = chunk_create(memory->shift);
	int r;

	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	r = chunk_map(memory, index, fd);
	if (r)
		return r;
	*(uint32_t *)map_entry(&dp->maps[MAP_FLOW_CHUNK_IDS], index) = info.id;
	return bpf_map_update_elem(dp->maps[MAP_FLOW_CHUNKS].fd, &index, &fd, BPF_ANY) ? -errno : 0;
}

static int chunk_adopt(struct datapath *dp, uint32_t index)
{
	AUTO_CLOSE int fd =
		bpf_map_get_fd_by_id(*(uint32_t *)map_entry(&dp->maps[MAP_FLOW_CHUNK_IDS], index));

	return fd < 0 ? -errno : chunk_map(&dp->tables, index, fd);
}

static struct xlb_flow_table *table_row(struct datapath *dp, uint32_t table)
{
	return (struct xlb_flow_table *)map_entry(&dp->maps[MAP_FLOW_TABLES], table);
}

/* Gives the table its memory, from chunk `first` on: what makes it known to packets is the last word written. */
static int table_make(struct datapath *dp, enum xlb_flow_table_id id, uint32_t flows,
		      uint32_t first)
{
	struct xlb_flow_table *table = table_row(dp, id);
	uint32_t pages = pages_for(id, flows), i;
	uint64_t extent;

	if (getrandom(table->seed, sizeof(table->seed), 0) != sizeof(table->seed))
		return -errno;
	table->chunk_shift = dp->tables.shift;
	table->flows = flows;
	for (i = 0; i << dp->tables.shift < pages; i++) {
		int r = chunk_make(dp, first + i);

		if (r)
			return r;
	}
	extent = xlb_set(0ULL, pages, XLB_EXTENT_PAGES);
	extent = xlb_set(extent, first, XLB_EXTENT_CHUNK);
	__atomic_store_n(&table->extent, extent, __ATOMIC_RELEASE);
	return 0;
}

/* -ENOENT if there is no such table, or not all of it. */
static int table_adopt(struct datapath *dp, enum xlb_flow_table_id id)
{
	uint64_t extent = table_row(dp, id)->extent;
	uint32_t pages = (uint32_t)xlb_get(extent, XLB_EXTENT_PAGES), i;

	if (!pages)
		return -ENOENT;
	for (i = 0; i << dp->tables.shift < pages; i++) {
		int r = chunk_adopt(dp, (uint32_t)xlb_get(extent, XLB_EXTENT_CHUNK) + i);

		if (r)
			return r;
	}
	return 0;
}

int tables_open(struct datapath *dp, uint32_t flows, struct xlb_err *err)
{
	struct flow_tables *memory = &dp->tables;
	uint32_t id, first = 0;
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
		if (r == -ENOENT)
			r = table_make(dp, id, flows, first);
		first += XLB_FLOW_CHUNKS / XLB_FLOW_TABLES;
	}
	return r ? datapath_err(err, r, "cannot make the flow tables, of %u flows", flows) : 0;
}

void tables_close(struct datapath *dp)
{
	struct flow_tables *memory = &dp->tables;

	for (uint32_t i = 0; memory->chunk && i < XLB_FLOW_CHUNKS; i++)
		if (memory->chunk[i])
			munmap(memory->chunk[i], chunk_bytes(memory));
	free(memory->chunk);
	memory->chunk = NULL;
}

struct xlb_flow_page *table_page(const struct datapath *dp, enum xlb_flow_table_id id,
				 uint32_t page, struct xlb_flow_at *ret_at)
{
	const struct flow_tables *memory = &dp->tables;
	uint64_t extent = table_row((struct datapath *)dp, id)->extent;

	ret_at->chunk = (uint32_t)xlb_get(extent, XLB_EXTENT_CHUNK) + (page >> memory->shift);
	ret_at->page = (uint16_t)(page & ((1U << memory->shift) - 1));
	if (page >= xlb_get(extent, XLB_EXTENT_PAGES) || !memory->chunk[ret_at->chunk])
		return NULL;
	return memory->chunk[ret_at->chunk] + ret_at->page;
}

uint32_t datapath_max_flows(const struct datapath *dp)
{
	return table_row((struct datapath *)dp, XLB_TABLE_IPV4)->flows;
}
