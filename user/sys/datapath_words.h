/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mapped map memory: word-wise stores, numbered places, chunks of maps of maps. */
#ifndef XLB_SYS_DATAPATH_WORDS_H
#define XLB_SYS_DATAPATH_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "xlb/abi.h"

/* Stores the words that differ, each by one aligned store. */
void words_store(uint64_t *dst, const void *src, size_t count);

/* A map of the object, or a table in one; mmapable arrays are mapped: entry i starts at words + i * stride. */
struct map {
	int fd; /* owned by the skeleton; -1: a table */
	uint32_t entries;
	uint64_t *words; /* NULL: not mapped */
	size_t stride;
	size_t bytes; /* mapped here */
};
int map_mmap(struct map *map, const char *name, struct xlb_err *err);
void map_munmap(struct map *map);
static inline uint64_t *map_entry(const struct map *map, uint32_t id)
{
	return map->words + (size_t)id * map->stride;
}

/*
 * Numbered places that packets may still read after they were replaced: a place that is given back is
 * free only after the next grace period.
 */
struct slots {
	uint8_t *state;
	uint32_t count, used; /* used: taken or waiting */
};
int slots_init(struct slots *slots, uint32_t count);
void slots_done(struct slots *slots);
void slots_mark_used(struct slots *slots, uint32_t slot);
/* Takes a free slot, the lowest; -ENOSPC. */
int slots_take(struct slots *slots, uint32_t *ret);
/* The lowest run of so many free slots, which stay free; -ENOSPC. */
int slots_find_run(const struct slots *slots, uint32_t length, uint32_t *ret_first);
/* The place that slots_take would give out as the n-th from now; 0 if there are not so many. */
uint32_t slots_nth_free(const struct slots *slots, uint32_t n);
/* Gives back a slot that no packet can have seen. */
void slots_give_back(struct slots *slots, uint32_t slot);
/* Gives back a slot once datapath_settle has run. */
void slots_retire(struct slots *slots, uint32_t slot);
/* Before a grace period, true if anything waits for it; and after it. */
bool slots_settle_begin(struct slots *slots);
void slots_settle_end(struct slots *slots);

/* The inner maps of a map of maps, made on demand and mapped. */
#define CHUNKS_MAX 256
_Static_assert(XLB_MAGLEV_CHUNKS <= CHUNKS_MAX && XLB_SNAT_CHUNKS <= CHUNKS_MAX &&
		       XLB_RULES_CHUNKS <= CHUNKS_MAX,
	       "room for every chunk");
struct chunks {
	const char *name;
	int outer_fd;
	uint32_t count;
	uint32_t words;	      /* of a chunk */
	uint32_t value_words; /* of a value of the inner maps */
	uint64_t *chunk[CHUNKS_MAX];
};
/* Finds and maps the chunks that exist, from the first one without a gap. */
int chunks_adopt(struct chunks *chunks, struct xlb_err *err);
/* The chunk, created if need be, with those before it. */
int chunks_need(struct chunks *chunks, uint32_t index, uint64_t **ret, struct xlb_err *err);
/* Creates the chunks up to `last` that are missing, all in the time of one where the kernel can (Linux 6.8). */
int chunks_reserve(struct chunks *chunks, uint32_t last, struct xlb_err *err);
void chunks_done(struct chunks *chunks);

#endif
