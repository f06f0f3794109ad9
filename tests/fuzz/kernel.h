/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * As much of the kernel as the datapath needs in a process: frames, maps and helpers. To be included before
 * bpf/xlb.bpf.c. There is one CPU, nobody else writes, and time stands still until kernel_now is moved.
 */
#ifndef XLB_FUZZ_KERNEL_H
#define XLB_FUZZ_KERNEL_H

/* the kernel's own struct has pointers of 32 bits */
#define xdp_md kernel_xdp_md
#include <linux/bpf.h>
#undef xdp_md

#include <setjmp.h>
#include <string.h>

#include "frame.h"

/* --- the language of BPF ------------------------------------------------------------------------- */

#define SEC(name)
#define __uint(name, value)	   int(*name)[value]
#define __type(name, value_type)   typeof(value_type) *name
#define __array(name, value_type)  typeof(value_type) *name[]
#define barrier_var(variable)	   asm volatile("" : "+r"(variable))
#define KERNEL_NUMBER(uint_member) (sizeof(*(uint_member)) / sizeof(int))

/* In place of bpf/variant.h, whose constants the loader sets: a target may be any variant. */
#define XLB_BPF_VARIANT_H
static bool observing, dry_run, jumbo;

/* --- frames -------------------------------------------------------------------------------------- */

#define KERNEL_HEADROOM 256 /* XDP_PACKET_HEADROOM */
#define KERNEL_TAILROOM 320
#define KERNEL_ALIGNED \
	2 /* bytes before a frame that put its IP header at a multiple of 4, as drivers do */

/*
 * A frame as programs get it. The bytes that they may touch have an allocation of their own, renewed whenever the frame
 * changes its size: what goes beyond, or uses pointers of before, is seen by the address sanitizer.
 */
struct xdp_md {
	uintptr_t data, data_end;
	uint32_t ingress_ifindex;
	int32_t headroom;
	uint8_t *buffer;     /* own */
	const uint8_t *rest; /* what lies in other buffers, not own */
	size_t rest_size;
};

static inline size_t kernel_frame_visible(const struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

/* The visible part becomes these bytes, with so many of no meaning before and behind them. */
static inline void kernel_frame_set(struct xdp_md *ctx, const uint8_t *data, size_t before,
				    size_t size, size_t behind)
{
	uint8_t *old = ctx->buffer;
	size_t all = before + size + behind;

	ctx->buffer = malloc(KERNEL_ALIGNED + all);
	check(ctx->buffer);
	ctx->data = (uintptr_t)ctx->buffer + KERNEL_ALIGNED;
	ctx->data_end = ctx->data + all;
	memset((void *)ctx->data, 0xa5, before);
	memcpy((void *)(ctx->data + before), data, size);
	memset((void *)(ctx->data + before + size), 0, behind);
	free(old);
}

/* A frame of which the first `visible` bytes are in the first buffer. It keeps `data`. */
static inline void kernel_frame_begin(struct xdp_md *ctx, const uint8_t *data, size_t size,
				      size_t visible)
{
	*ctx = (struct xdp_md){ .ingress_ifindex = 1, .headroom = KERNEL_HEADROOM };
	kernel_frame_set(ctx, data, 0, visible, 0);
	ctx->rest = data + visible;
	ctx->rest_size = size - visible;
}

static inline void kernel_frame_end(struct xdp_md *ctx)
{
	free(ctx->buffer);
}

static inline uint64_t bpf_xdp_get_buff_len(const struct xdp_md *ctx)
{
	return kernel_frame_visible(ctx) + ctx->rest_size;
}

static inline long bpf_xdp_load_bytes(const struct xdp_md *ctx, uint32_t offset, void *ret,
				      uint32_t size)
{
	size_t visible = kernel_frame_visible(ctx), first = 0;

	if (!size || (uint64_t)offset + size > bpf_xdp_get_buff_len(ctx))
		return -1;
	if (offset < visible) {
		first = visible - offset < size ? visible - offset : size;
		memcpy(ret, (const uint8_t *)ctx->data + offset, first);
	}
	if (first < size)
		memcpy((uint8_t *)ret + first, ctx->rest + offset + first - visible, size - first);
	return 0;
}

static inline long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta)
{
	size_t visible = kernel_frame_visible(ctx);

	if (ctx->headroom + delta < 0 || (delta > 0 && (size_t)delta + 14 > visible))
		return -1;
	ctx->headroom += delta;
	if (delta < 0)
		kernel_frame_set(ctx, (const uint8_t *)ctx->data, (size_t)-delta, visible, 0);
	else
		kernel_frame_set(ctx, (const uint8_t *)ctx->data + delta, 0,
				 visible - (size_t)delta, 0);
	return 0;
}

static inline long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta)
{
	size_t visible = kernel_frame_visible(ctx), less = delta < 0 ? (size_t)-delta : 0;

	if (delta > 0) {
		if (ctx->rest_size || delta > KERNEL_TAILROOM)
			return -1;
		kernel_frame_set(ctx, (const uint8_t *)ctx->data, 0, visible, (size_t)delta);
		return 0;
	}
	if (less + 14 > visible + ctx->rest_size)
		return -1;
	if (less <= ctx->rest_size) {
		ctx->rest_size -= less;
		return 0;
	}
	kernel_frame_set(ctx, (const uint8_t *)ctx->data, 0, visible - (less - ctx->rest_size), 0);
	ctx->rest_size = 0;
	return 0;
}

/* --- maps ---------------------------------------------------------------------------------------- */

#define KERNEL_MAPS 32
#define KERNEL_HASHED \
	64 /* rows that a hash map keeps; then the first one in is the first one out */

struct kernel_map {
	const void *name; /* the variable that the program calls it by */
	uint32_t type, entries, key_size, value_size;
	uint8_t *values; /* of a hash map each behind its key */
	uint32_t used, next;
};
static struct kernel_map kernel_maps[KERNEL_MAPS];
static size_t kernel_map_count;

static inline bool kernel_is_hash(const struct kernel_map *map)
{
	return map->type == BPF_MAP_TYPE_HASH || map->type == BPF_MAP_TYPE_LRU_HASH;
}

/* name NULL: an inner map, which the program finds in another one. */
static inline struct kernel_map *kernel_map_add(struct kernel_map map)
{
	check(kernel_map_count < KERNEL_MAPS);
	map.key_size = (map.key_size + 7) / 8 * 8;
	if (kernel_is_hash(&map))
		map.entries = KERNEL_HASHED;
	map.values =
		calloc(map.entries, map.value_size + (kernel_is_hash(&map) ? map.key_size : 0));
	check(map.values);
	kernel_maps[kernel_map_count] = map;
	return &kernel_maps[kernel_map_count++];
}

/* Makes a map as it is declared. */
#define KERNEL_MAP(map) \
	kernel_map_add((struct kernel_map){ .name = &(map), \
					    .type = KERNEL_NUMBER((map).type), \
					    .entries = KERNEL_NUMBER((map).max_entries), \
					    .key_size = sizeof(*(map).key), \
					    .value_size = sizeof(*(map).value) })
/* The same of a map of maps; the value is a pointer to the inner one. */
#define KERNEL_MAP_OF_MAPS(map) \
	kernel_map_add((struct kernel_map){ .name = &(map), \
					    .type = KERNEL_NUMBER((map).type), \
					    .entries = KERNEL_NUMBER((map).max_entries), \
					    .key_size = sizeof(*(map).key), \
					    .value_size = sizeof(struct kernel_map *) })

static inline struct kernel_map *kernel_map_find(const void *name)
{
	uintptr_t first = (uintptr_t)kernel_maps, at = (uintptr_t)name;

	if (at >= first && at < first + sizeof(kernel_maps))
		return &kernel_maps[(at - first) / sizeof(kernel_maps[0])];
	for (size_t i = 0; i < kernel_map_count; i++)
		if (kernel_maps[i].name == name)
			return &kernel_maps[i];
	check(false);
	return NULL;
}

/* The key's row of a hash map, NULL: there is none. */
static inline uint8_t *kernel_row(const struct kernel_map *map, const void *key, size_t key_size)
{
	for (uint32_t i = 0; i < map->used; i++) {
		uint8_t *row = map->values + i * (map->key_size + map->value_size);

		if (!memcmp(row, key, key_size))
			return row + map->key_size;
	}
	return NULL;
}

/* Keys are as large as their type says; maps remember that rounded up. */
#define bpf_map_lookup_elem(map, key) kernel_map_lookup(map, key, sizeof(*(key)))
static inline void *kernel_map_lookup(const void *name, const void *key, size_t key_size)
{
	struct kernel_map *map = kernel_map_find(name);
	uint32_t index;

	check(map->key_size == (key_size + 7) / 8 * 8);
	if (kernel_is_hash(map))
		return kernel_row(map, key, key_size);
	memcpy(&index, key, sizeof(index));
	if (index >= map->entries)
		return NULL;
	if (map->type == BPF_MAP_TYPE_ARRAY_OF_MAPS)
		return ((void **)map->values)[index];
	return map->values + (size_t)index * map->value_size;
}

#define bpf_map_update_elem(map, key, value, flags) \
	kernel_map_update(map, key, sizeof(*(key)), value, flags)
static inline long kernel_map_update(const void *name, const void *key, size_t key_size,
				     const void *value, uint64_t flags)
{
	struct kernel_map *map = kernel_map_find(name);
	uint8_t *row;

	check(kernel_is_hash(map) && map->key_size == (key_size + 7) / 8 * 8);
	row = kernel_row(map, key, key_size);
	if (row && flags == BPF_NOEXIST)
		return -1;
	if (!row) {
		row = map->values + map->next * (map->key_size + map->value_size);
		memcpy(row, key, key_size);
		row += map->key_size;
		map->next = (map->next + 1) % map->entries;
		if (map->used < map->entries)
			map->used++;
	}
	memcpy(row, value, map->value_size);
	return 0;
}

/* Empties the hash maps. */
static inline void kernel_maps_forget(void)
{
	for (size_t i = 0; i < kernel_map_count; i++)
		if (kernel_is_hash(&kernel_maps[i]))
			kernel_maps[i].used = kernel_maps[i].next = 0;
}

static inline long bpf_redirect_map(const void *name, uint32_t key, uint64_t flags)
{
	uint32_t *ifindex = bpf_map_lookup_elem(name, &key);

	return ifindex && *ifindex ? XDP_REDIRECT : (long)flags;
}

/* --- other helpers ------------------------------------------------------------------------------- */

static uint64_t kernel_now;
static uint32_t kernel_random;
/* Where the program ends that hands a frame on, and the entry of the one that is to go on with it. */
static jmp_buf kernel_end;
static uint32_t kernel_next;

static inline void bpf_tail_call(const struct xdp_md *ctx, const void *map, uint32_t index)
{
	(void)ctx, (void)map;
	kernel_next = index;
	longjmp(kernel_end, 1);
}

static inline uint64_t bpf_ktime_get_ns(void)
{
	return kernel_now;
}

static inline uint64_t bpf_ktime_get_coarse_ns(void)
{
	return kernel_now;
}

static inline uint64_t bpf_jiffies64(void)
{
	return kernel_now / 4000000;
}

static inline uint32_t bpf_get_smp_processor_id(void)
{
	return 0;
}

static inline uint32_t bpf_get_prandom_u32(void)
{
	kernel_random = kernel_random * 1664525 + 1013904223;
	return kernel_random;
}

/* Both sizes are multiples of 4. */
static inline int64_t bpf_csum_diff(const uint32_t *from, uint32_t from_size, const uint32_t *to,
				    uint32_t to_size, uint32_t seed)
{
	uint64_t sum = seed;

	for (uint32_t i = 0; i < from_size / 4; i++)
		sum += (uint32_t)~from[i];
	for (uint32_t i = 0; i < to_size / 4; i++)
		sum += to[i];
	while (sum >> 32)
		sum = (uint32_t)sum + (sum >> 32);
	return (int64_t)sum;
}

static inline long bpf_ringbuf_output(const void *map, const void *data, uint64_t size,
				      uint64_t flags)
{
	(void)map, (void)data, (void)size, (void)flags;
	return 0;
}

/* What the host sends is not looked at. */
static inline long bpf_skb_store_bytes(struct __sk_buff *skb, uint32_t offset, const void *from,
				       uint32_t size, uint64_t flags)
{
	(void)skb, (void)offset, (void)from, (void)size, (void)flags;
	return -1;
}

static inline long bpf_skb_adjust_room(struct __sk_buff *skb, int delta, uint32_t mode,
				       uint64_t flags)
{
	(void)skb, (void)delta, (void)mode, (void)flags;
	return -1;
}

static inline long bpf_l3_csum_replace(struct __sk_buff *skb, uint32_t offset, uint64_t from,
				       uint64_t to, uint64_t size)
{
	(void)skb, (void)offset, (void)from, (void)to, (void)size;
	return -1;
}
#define bpf_l4_csum_replace bpf_l3_csum_replace

#endif
