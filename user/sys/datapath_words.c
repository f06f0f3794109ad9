/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mapped map memory: word-wise stores, numbered places, chunks of maps of maps. */
#include "sys/datapath_words.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/datapath_private.h"

void words_store(uint64_t *dst, const void *src, size_t count)
{
	const uint8_t *from = src;

	for (size_t i = 0; i < count; i++) {
		uint64_t word;

		memcpy(&word, from + i * sizeof(word), sizeof(word));
		if (__atomic_load_n(&dst[i], __ATOMIC_RELAXED) != word)
			__atomic_store_n(&dst[i], word, __ATOMIC_RELEASE);
	}
}

static size_t page_align(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

int map_mmap(struct map *map, const char *name, struct xlb_err *err)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	void *memory;
	size_t bytes;

	if (bpf_obj_get_info_by_fd(map->fd, &info, &size))
		return datapath_err(err, -errno, "cannot read the properties of map '%s'", name);
	map->entries = info.max_entries;
	if (info.type != BPF_MAP_TYPE_ARRAY || !(info.map_flags & BPF_F_MMAPABLE))
		return 0;
	map->stride = (info.value_size + 7) / 8;
	bytes = page_align((size_t)info.max_entries * map->stride * 8);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (memory == MAP_FAILED)
		return datapath_err(err, -errno, "cannot map the memory of map '%s'", name);
	map->words = memory;
	map->bytes = bytes;
	return 0;
}

void map_munmap(struct map *map)
{
	if (map->bytes)
		munmap(map->words, map->bytes);
	map->bytes = 0;
	map->words = NULL;
}

/* settling: a grace period that began after it was retired is under way */
enum { SLOT_FREE, SLOT_USED, SLOT_RETIRED, SLOT_SETTLING };

int slots_init(struct slots *slots, uint32_t count)
{
	slots->state = calloc(count, 1);
	if (!slots->state)
		return -ENOMEM;
	slots->count = count;
	return 0;
}

void slots_done(struct slots *slots)
{
	free(slots->state);
	*slots = (struct slots){};
}

void slots_mark_used(struct slots *slots, uint32_t slot)
{
	if (slot >= slots->count || slots->state[slot] != SLOT_FREE)
		return;
	slots->state[slot] = SLOT_USED;
	slots->used++;
}

int slots_take(struct slots *slots, uint32_t *ret)
{
	const uint8_t *found = memchr(slots->state, SLOT_FREE, slots->count);

	if (!found)
		return -ENOSPC;
	*ret = (uint32_t)(found - slots->state);
	slots_mark_used(slots, *ret);
	return 0;
}

int slots_find_run(const struct slots *slots, uint32_t length, uint32_t *ret_first)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < slots->count; i++) {
		found = slots->state[i] == SLOT_FREE ? found + 1 : 0;
		if (found < length)
			continue;
		*ret_first = i + 1 - length;
		return 0;
	}
	return -ENOSPC;
}

uint32_t slots_nth_free(const struct slots *slots, uint32_t n)
{
	for (uint32_t i = 0; i < slots->count; i++)
		if (slots->state[i] == SLOT_FREE && !--n)
			return i;
	return 0;
}

void slots_give_back(struct slots *slots, uint32_t slot)
{
	if (slot >= slots->count || slots->state[slot] == SLOT_FREE)
		return;
	slots->state[slot] = SLOT_FREE;
	slots->used--;
}

void slots_retire(struct slots *slots, uint32_t slot)
{
	if (slot < slots->count && slots->state[slot] == SLOT_USED)
		slots->state[slot] = SLOT_RETIRED;
}

bool slots_settle_begin(struct slots *slots)
{
	bool any = false;

	for (uint32_t i = 0; i < slots->count; i++) {
		if (slots->state[i] == SLOT_RETIRED)
			slots->state[i] = SLOT_SETTLING;
		any = any || slots->state[i] == SLOT_SETTLING;
	}
	return any;
}

void slots_settle_end(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->count; i++)
		if (slots->state[i] == SLOT_SETTLING)
			slots_give_back(slots, i);
}

static size_t chunk_bytes(const struct chunks *chunks)
{
	return page_align((size_t)chunks->words * sizeof(uint64_t));
}

static int chunk_mmap(struct chunks *chunks, uint32_t index, int fd, struct xlb_err *err)
{
	void *memory = mmap(NULL, chunk_bytes(chunks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return datapath_err(err, -errno, "cannot map the memory of chunk %u of map '%s'",
				    index, chunks->name);
	chunks->chunk[index] = memory;
	return 0;
}

/* No look at the many places behind them: before 6.8 the kernel waits for a grace period after each. */
int chunks_adopt(struct chunks *chunks, struct xlb_err *err)
{
	for (uint32_t i = 0; i < chunks->count; i++) {
		AUTO_CLOSE int fd = -1;
		uint32_t id;
		int r;

		if (bpf_map_lookup_elem(chunks->outer_fd, &i, &id)) {
			if (errno == ENOENT)
				return 0;
			return datapath_err(err, -errno, "cannot read map '%s'", chunks->name);
		}
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0)
			return datapath_err(err, -errno, "cannot open chunk %u of map '%s'", i,
					    chunks->name);
		r = chunk_mmap(chunks, i, fd, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Makes a chunk that packets do not see yet. */
static int chunk_make(struct chunks *chunks, uint32_t index, int *ret_fd, struct xlb_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	AUTO_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "xlb_chunk", sizeof(uint32_t),
					   chunks->value_words * sizeof(uint64_t),
					   chunks->words / chunks->value_words, &opts);
	int r;

	if (fd < 0)
		return datapath_err(err, -errno, "cannot create a chunk of map '%s'", chunks->name);
	r = chunk_mmap(chunks, index, fd, err);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static void chunk_unmake(struct chunks *chunks, uint32_t index)
{
	munmap(chunks->chunk[index], chunk_bytes(chunks));
	chunks->chunk[index] = NULL;
}

static int chunk_add(struct chunks *chunks, uint32_t index, struct xlb_err *err)
{
	AUTO_CLOSE int fd = -1;
	int r = chunk_make(chunks, index, &fd, err);

	if (r < 0)
		return r;
	if (bpf_map_update_elem(chunks->outer_fd, &index, &fd, BPF_ANY)) {
		r = -errno;
		chunk_unmake(chunks, index);
		return datapath_err(err, r, "cannot add a chunk to map '%s'", chunks->name);
	}
	return 0;
}

int chunks_need(struct chunks *chunks, uint32_t index, uint64_t **ret, struct xlb_err *err)
{
	int r = 0;

	if (index >= chunks->count)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOSPC,
				   "map '%s' has no more than %u chunks", chunks->name,
				   chunks->count);
	for (uint32_t i = 0; !r && i <= index; i++)
		if (!chunks->chunk[i])
			r = chunk_add(chunks, i, err);
	if (!r)
		*ret = chunks->chunk[index];
	return r;
}

/* The kernel waits for a grace period after each update of a map of maps, but only once after a batch. */
int chunks_reserve(struct chunks *chunks, uint32_t last, struct xlb_err *err)
{
	uint32_t indexes[CHUNKS_MAX], count = 0, added, i;
	int fds[CHUNKS_MAX], r = 0;

	for (i = 0; !r && i <= last && i < chunks->count; i++) {
		if (chunks->chunk[i])
			continue;
		r = chunk_make(chunks, i, &fds[count], err);
		if (!r)
			indexes[count++] = i;
	}
	added = count;
	if (count && bpf_map_update_batch(chunks->outer_fd, indexes, fds, &added, NULL) &&
	    added > count)
		added = 0;
	for (i = 0; i < count; i++) {
		close(fds[i]);
		if (i >= added) /* chunks_need tries again, and says what is wrong */
			chunk_unmake(chunks, indexes[i]);
	}
	return r;
}

void chunks_done(struct chunks *chunks)
{
	for (uint32_t i = 0; i < CHUNKS_MAX; i++)
		if (chunks->chunk[i])
			munmap(chunks->chunk[i], chunk_bytes(chunks));
	memset(chunks->chunk, 0, sizeof(chunks->chunk));
}
