/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers for names. Flows hold ids for as long as they live, so an id outlives what it stood for: it is
 * live while the compiled configuration names it, retired while flows may still hold it, and free again
 * only after a full sweep of the flow table found none.
 */
#ifndef XLB_CORE_IDS_H
#define XLB_CORE_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/sink.h"

enum id_kind {
	ID_INTERFACE, /* key: ifname */
	ID_VIP,	      /* key: address */
	ID_LISTENER,  /* key: lb/listener */
	ID_GROUP,     /* key: group */
	ID_SERVER, /* key: "group/server@address", a space, then what makes it another server (port, mode, SNAT) */
	ID_SNAT,     /* key: address */
	ID_BITMAP,   /* key: server address/snat address/from-to */
	ID_NEXTHOP,  /* key: ifname/address */
	ID_LB,	     /* key: load balancer */
	ID_RULE_SET, /* key: security groups of the load balancer/of the listener, "a,b/c" */
	ID_KIND_COUNT,
};

#define ID_KEY_MAX 400

struct id_entry {
	enum id_kind kind;
	uint32_t id;
	char key[ID_KEY_MAX];
	bool live;
	bool draining; /* takes no new flows but is still named (weight 0, disabled, down with reset) */
	uint64_t since; /* wall clock seconds of the retirement or start of draining, 0: neither */
	uint64_t deadline; /* wall clock seconds; UINT64_MAX: until the last flow ends */
	uint64_t drain; /* seconds its flows may take once it retires, UINT64_MAX: no limit; not stored */
	uint8_t frozen
		[ROW_VALUE_MAX]; /* row value as of the last compile; what a retired id keeps standing for */
	uint32_t mark;		 /* generation of the compile that used it last */
};

struct ids;

struct ids *ids_new(void);
struct ids *ids_free(struct ids *ids);
DEFINE_CLEANUP(struct ids, ids_free)
struct ids *ids_copy(const struct ids *ids);
/*
 * What a change of a few objects does to `base`: entries that are got are copied, the others read through. It makes
 * no ids: ids_get finds live ones only. `base` stays as it is, and must, until ids_merge or ids_free.
 */
struct ids *ids_part(const struct ids *base);
/* Gives `base` the entries that were got from its part. */
void ids_merge(struct ids *base, const struct ids *part);
/* What a part is a part of; of whole ids they themselves. */
const struct ids *ids_whole(const struct ids *ids);

/* Starts a generation; what is not got until ids_retire is retired by it. */
void ids_begin(struct ids *ids);
/* The id of key, a new one if it has none (lowest free); NULL if the space is used up. */
struct id_entry *ids_get(struct ids *ids, enum id_kind kind, const char *key);
/* True if the entry was got since ids_begin. */
bool ids_is_touched(const struct ids *ids, const struct id_entry *entry);
/* Marks entries not got since ids_begin as retired at `now`; deadline by the caller's `limit`. */
void ids_retire(struct ids *ids, uint64_t now,
		uint64_t (*limit)(void *arg, const struct id_entry *entry), void *arg);
/* Frees a retired entry; its number may be handed out again. */
void ids_release(struct ids *ids, enum id_kind kind, uint32_t id);
struct id_entry *ids_find(const struct ids *ids, enum id_kind kind, const char *key);
struct id_entry *ids_by_id(const struct ids *ids, enum id_kind kind, uint32_t id);
/* What an id is called: its key up to the first blank ("web/web1@10.0.1.11"), "" if it stands for nothing. */
const char *ids_name(const struct ids *ids, enum id_kind kind, uint32_t id, char ret[ID_KEY_MAX]);
/* Calls `visit` for every entry of the kind in order of id (of a part: that was got); visit may release the entry. */
void ids_each(struct ids *ids, enum id_kind kind, void (*visit)(void *arg, struct id_entry *entry),
	      void *arg);
/* Rises with every entry made, retired or released and every ids_note_change: the state file is stale when it differs. */
uint64_t ids_version(const struct ids *ids);
void ids_note_change(struct ids *ids);
/* Re-creates an entry read from the state file; -EEXIST if id or key is taken. */
int ids_restore(struct ids *ids, const struct id_entry *entry);

#endif
