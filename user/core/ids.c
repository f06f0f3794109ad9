// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

struct slot {
	struct id_entry entry;
	UT_hash_handle hh; /* by entry.key */
};

struct space {
	struct slot *by_key;
	struct slot **by_id; /* index id; NULL: free */
	uint32_t capacity;   /* of by_id */
	uint32_t lowest;     /* no id below it is free */
};

struct ids {
	const struct ids *base; /* NULL: whole, not a part */
	struct space spaces[ID_KIND_COUNT];
	uint32_t generation;
	uint64_t version;
};

/* Ids are 1 .. limit - 1: index 0 of every map means "none". */
static const uint32_t limits[ID_KIND_COUNT] = {
	[ID_INTERFACE] = XLB_MAX_INTERFACES,
	[ID_VIP] = XLB_MAX_VIPS,
	[ID_LISTENER] = XLB_MAX_LISTENERS,
	[ID_GROUP] = XLB_MAX_GROUPS,
	[ID_SERVER] = XLB_MAX_SERVERS,
	[ID_SNAT] = XLB_MAX_SNATS,
	[ID_BITMAP] = XLB_SNAT_CHUNKS * XLB_SNAT_PER_CHUNK,
	[ID_NEXTHOP] = XLB_MAX_NEXTHOPS,
	[ID_LB] = XLB_MAX_LBS,
	[ID_RULE_SET] = XLB_MAX_RULE_SETS,
};

struct ids *ids_new(void)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	int kind;

	if (!ids)
		return NULL;
	ids->generation = 1; /* restored entries have mark 0: of no generation */
	for (kind = 0; kind < ID_KIND_COUNT; kind++)
		ids->spaces[kind].lowest = 1;
	return ids;
}

struct ids *ids_free(struct ids *ids)
{
	struct slot *slot, *next;
	int kind;

	if (!ids)
		return NULL;
	for (kind = 0; kind < ID_KIND_COUNT; kind++) {
		struct space *space = &ids->spaces[kind];

		HASH_ITER(hh, space->by_key, slot, next) {
			HASH_DEL(space->by_key, slot);
			free(slot);
		}
		free(space->by_id);
	}
	free(ids);
	return NULL;
}

static struct slot *slot_at(const struct space *space, uint32_t id)
{
	return id < space->capacity ? space->by_id[id] : NULL;
}

static struct slot *slot_find(const struct space *space, const char *key)
{
	struct slot *slot;

	HASH_FIND_STR(space->by_key, key, slot);
	return slot;
}

/* Makes by_id[id] addressable. */
static int space_reserve(struct space *space, uint32_t id)
{
	uint32_t capacity = space->capacity ? space->capacity : 16;
	struct slot **by_id;

	if (id < space->capacity)
		return 0;
	while (capacity <= id)
		capacity *= 2;
	by_id = reallocarray(space->by_id, capacity, sizeof(*by_id));
	if (!by_id)
		return -ENOMEM;
	memset(by_id + space->capacity, 0, (capacity - space->capacity) * sizeof(*by_id));
	space->by_id = by_id;
	space->capacity = capacity;
	return 0;
}

/* Puts a copy of the entry where its kind, key and id say. */
static int slot_insert(struct ids *ids, const struct id_entry *entry, struct slot **ret)
{
	struct space *space = &ids->spaces[entry->kind];
	struct slot *slot;

	if (space_reserve(space, entry->id))
		return -ENOMEM;
	slot = calloc(1, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	slot->entry = *entry;
	space->by_id[entry->id] = slot;
	HASH_ADD_STR(space->by_key, entry.key, slot);
	*ret = slot;
	return 0;
}

struct ids *ids_copy(const struct ids *ids)
{
	struct ids *copy = ids_new();
	struct slot *slot, *made;
	int kind;

	if (!copy)
		return NULL;
	copy->generation = ids->generation;
	copy->version = ids->version;
	for (kind = 0; kind < ID_KIND_COUNT; kind++) {
		copy->spaces[kind].lowest = ids->spaces[kind].lowest;
		for (slot = ids->spaces[kind].by_key; slot; slot = slot->hh.next)
			if (slot_insert(copy, &slot->entry, &made))
				return ids_free(copy);
	}
	return copy;
}

struct ids *ids_part(const struct ids *base)
{
	struct ids *part = ids_new();

	if (!part)
		return NULL;
	part->base = base;
	part->generation = base->generation;
	part->version = base->version;
	return part;
}

void ids_merge(struct ids *base, const struct ids *part)
{
	const struct slot *slot;
	int kind;

	for (kind = 0; kind < ID_KIND_COUNT; kind++)
		for (slot = part->spaces[kind].by_key; slot; slot = slot->hh.next)
			slot_at(&base->spaces[kind], slot->entry.id)->entry = slot->entry;
	base->version = part->version;
}

const struct ids *ids_whole(const struct ids *ids)
{
	return ids->base ? ids->base : ids;
}

void ids_begin(struct ids *ids)
{
	ids->generation++;
}

static struct slot *slot_new(struct ids *ids, enum id_kind kind, const char *key)
{
	struct id_entry entry = { .kind = kind, .deadline = UINT64_MAX };
	struct space *space = &ids->spaces[kind];
	size_t length = strlen(key);
	struct slot *slot;

	while (slot_at(space, space->lowest))
		space->lowest++;
	if (space->lowest >= limits[kind] || length >= sizeof(entry.key))
		return NULL;
	entry.id = space->lowest;
	memcpy(entry.key, key, length);
	if (slot_insert(ids, &entry, &slot))
		return NULL;
	space->lowest++;
	return slot;
}

/* The part's own copy of a live entry. */
static struct slot *slot_borrow(struct ids *part, enum id_kind kind, const char *key)
{
	const struct slot *slot = slot_find(&part->base->spaces[kind], key);
	struct slot *copy;

	if (!slot || !slot->entry.live || slot_insert(part, &slot->entry, &copy))
		return NULL;
	return copy;
}

struct id_entry *ids_get(struct ids *ids, enum id_kind kind, const char *key)
{
	struct slot *slot = slot_find(&ids->spaces[kind], key);

	if (!slot)
		slot = ids->base ? slot_borrow(ids, kind, key) : slot_new(ids, kind, key);
	if (!slot)
		return NULL;
	if (!slot->entry.live) {
		slot->entry.live = true;
		slot->entry.draining = false;
		slot->entry.since = 0;
		slot->entry.deadline = UINT64_MAX;
		ids->version++;
	}
	slot->entry.mark = ids->generation;
	return &slot->entry;
}

bool ids_is_touched(const struct ids *ids, const struct id_entry *entry)
{
	return entry->live && entry->mark == ids->generation;
}

void ids_retire(struct ids *ids, uint64_t now,
		uint64_t (*limit)(void *arg, const struct id_entry *entry), void *arg)
{
	struct slot *slot;
	int kind;

	for (kind = 0; kind < ID_KIND_COUNT; kind++) {
		for (slot = ids->spaces[kind].by_key; slot; slot = slot->hh.next) {
			struct id_entry *entry = &slot->entry;

			if (!entry->live || ids_is_touched(ids, entry))
				continue;
			entry->deadline = limit(arg, entry);
			entry->live = entry->draining = false;
			entry->since = now;
			ids->version++;
		}
	}
}

void ids_release(struct ids *ids, enum id_kind kind, uint32_t id)
{
	struct space *space = &ids->spaces[kind];
	struct slot *slot = slot_at(space, id);

	if (!slot)
		return;
	HASH_DEL(space->by_key, slot);
	space->by_id[id] = NULL;
	if (id < space->lowest)
		space->lowest = id;
	free(slot);
	ids->version++;
}

struct id_entry *ids_find(const struct ids *ids, enum id_kind kind, const char *key)
{
	struct slot *slot = slot_find(&ids->spaces[kind], key);

	if (!slot && ids->base)
		slot = slot_find(&ids->base->spaces[kind], key);
	return slot ? &slot->entry : NULL;
}

struct id_entry *ids_by_id(const struct ids *ids, enum id_kind kind, uint32_t id)
{
	struct slot *slot = slot_at(&ids->spaces[kind], id);

	if (!slot && ids->base)
		slot = slot_at(&ids->base->spaces[kind], id);
	return slot ? &slot->entry : NULL;
}

const char *ids_name(const struct ids *ids, enum id_kind kind, uint32_t id, char ret[ID_KEY_MAX])
{
	const struct id_entry *entry = id ? ids_by_id(ids, kind, id) : NULL;

	snprintf(ret, ID_KEY_MAX, "%.*s", entry ? (int)strcspn(entry->key, " ") : 0,
		 entry ? entry->key : "");
	return ret;
}

void ids_each(struct ids *ids, enum id_kind kind, void (*visit)(void *arg, struct id_entry *entry),
	      void *arg)
{
	const struct space *space = &ids->spaces[kind];
	uint32_t id;

	/* capacity and array are read anew each time: visit may make and release entries */
	for (id = 1; id < space->capacity; id++)
		if (space->by_id[id])
			visit(arg, &space->by_id[id]->entry);
}

uint64_t ids_version(const struct ids *ids)
{
	return ids->version;
}

void ids_note_change(struct ids *ids)
{
	ids->version++;
}

int ids_restore(struct ids *ids, const struct id_entry *entry)
{
	struct id_entry fresh = *entry;
	struct space *space;
	struct slot *slot;
	int r;

	if (entry->kind >= ID_KIND_COUNT || !entry->id || entry->id >= limits[entry->kind] ||
	    !memchr(entry->key, 0, sizeof(entry->key)))
		return -ERANGE;
	space = &ids->spaces[entry->kind];
	if (slot_at(space, entry->id) || slot_find(space, entry->key))
		return -EEXIST;
	fresh.mark = 0; /* the next compile retires it unless it is got */
	r = slot_insert(ids, &fresh, &slot);
	if (!r)
		ids->version++;
	return r;
}
