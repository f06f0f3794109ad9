/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Table `maglev`: a new table is filled beside the old one, then the group's reference is switched. */
#include <errno.h>
#include <string.h>

#include "sys/datapath_private.h"

_Static_assert((XLB_MAGLEV_SLOTS + 3) / 4 == XLB_MAGLEV_HASH_WORD, "the hash follows the slots");
_Static_assert(sizeof(struct xlb_table_ref) == sizeof(uint64_t), "a reference is one word");

static uint64_t *ref_word(const struct datapath *dp, uint32_t group, uint32_t family)
{
	return map_entry(&dp->maps[MAP_GROUPS], group) + (family == XLB_IPV6);
}

static struct xlb_table_ref ref_read(const struct datapath *dp, uint32_t group, uint32_t family)
{
	struct xlb_table_ref ref;

	memcpy(&ref, ref_word(dp, group, family), sizeof(ref));
	return ref;
}

static uint32_t ref_slot(struct xlb_table_ref ref)
{
	return (uint32_t)ref.chunk * XLB_MAGLEV_PER_CHUNK + ref.offset;
}

/* Words of a table, NULL if the reference leads nowhere. */
static uint64_t *table_words(const struct datapath *dp, struct xlb_table_ref ref)
{
	uint64_t *chunk = ref.chunk < CHUNKS_MAX ? dp->maglev.chunk[ref.chunk] : NULL;

	if (!chunk || ref.offset >= XLB_MAGLEV_PER_CHUNK)
		return NULL;
	return chunk + (size_t)ref.offset * XLB_MAGLEV_WORDS;
}

int maglev_adopt(struct datapath *dp, struct xlb_err *err)
{
	if (slots_init(&dp->maglev_tables, XLB_MAGLEV_CHUNKS * XLB_MAGLEV_PER_CHUNK) < 0)
		return datapath_err(err, -ENOMEM, "cannot keep track of Maglev tables");
	for (uint32_t group = 1; group < dp->maps[MAP_GROUPS].entries; group++) {
		for (uint32_t family = XLB_IPV4; family <= XLB_IPV6;
		     family += XLB_IPV6 - XLB_IPV4) {
			struct xlb_table_ref ref = ref_read(dp, group, family);

			if (ref.epoch)
				slots_mark_used(&dp->maglev_tables, ref_slot(ref));
		}
	}
	return 0;
}

static int maglev_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
		       struct xlb_err *err)
{
	(void)err;
	for (uint32_t group = 1; group < dp->maps[MAP_GROUPS].entries; group++) {
		for (uint32_t family = XLB_IPV4; family <= XLB_IPV6;
		     family += XLB_IPV6 - XLB_IPV4) {
			struct row_maglev_key key = { group, family };
			struct xlb_table_ref ref = ref_read(dp, group, family);
			const uint64_t *words = table_words(dp, ref);
			struct row_hash value = { words ? words[XLB_MAGLEV_HASH_WORD] : 0 };
			struct row row;

			if (!ref.epoch)
				continue;
			datapath_row(table, &key, &value, &row);
			add(arg, &row);
		}
	}
	return 0;
}

static void table_fill(uint64_t *words, const struct content_maglev *content, uint64_t hash)
{
	for (size_t word = 0; word < XLB_MAGLEV_HASH_WORD; word++) {
		uint64_t packed = 0;

		for (size_t i = 0; i < 4 && word * 4 + i < XLB_MAGLEV_SLOTS; i++)
			packed |= (uint64_t)content->slot[word * 4 + i] << (i * 16);
		words[word] = packed;
	}
	words[XLB_MAGLEV_HASH_WORD] = hash;
}

static int key_check(const struct datapath *dp, const struct row_maglev_key *key,
		     struct xlb_err *err)
{
	if (key->group && key->group < dp->maps[MAP_GROUPS].entries &&
	    (key->family == XLB_IPV4 || key->family == XLB_IPV6))
		return 0;
	return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE,
			   "Maglev table of group %u, family %u: no such group or family",
			   key->group, key->family);
}

/* Takes a free table, waiting for those replaced before if there is none. */
static int table_take(struct datapath *dp, uint32_t *ret, struct xlb_err *err)
{
	if (slots_take(&dp->maglev_tables, ret) == 0)
		return 0;
	datapath_settle(dp);
	if (slots_take(&dp->maglev_tables, ret) == 0)
		return 0;
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOSPC,
			   "no Maglev table is free: all %u are in use", dp->maglev_tables.count);
}

static void ref_switch(struct datapath *dp, const struct row_maglev_key *key,
		       struct xlb_table_ref ref)
{
	struct xlb_table_ref old = ref_read(dp, key->group, key->family);

	words_store(ref_word(dp, key->group, key->family), &ref, 1);
	if (old.epoch)
		slots_retire(&dp->maglev_tables, ref_slot(old));
}

static int maglev_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		      struct xlb_err *err)
{
	struct row_maglev_key key;
	struct xlb_table_ref ref;
	struct row_hash value;
	uint64_t *chunk;
	uint32_t slot;
	int r;

	if (!content || size != sizeof(struct content_maglev))
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "a Maglev row came without its table");
	memcpy(&key, row->key, sizeof(key));
	memcpy(&value, row->value, sizeof(value));
	r = key_check(dp, &key, err);
	if (r < 0)
		return r;
	r = table_take(dp, &slot, err);
	if (r < 0)
		return r;
	r = chunks_need(&dp->maglev, slot / XLB_MAGLEV_PER_CHUNK, &chunk, err);
	if (r < 0) {
		slots_give_back(&dp->maglev_tables, slot);
		return r;
	}
	ref = (struct xlb_table_ref){
		.chunk = slot / XLB_MAGLEV_PER_CHUNK,
		.offset = slot % XLB_MAGLEV_PER_CHUNK,
		.epoch = ref_read(dp, key.group, key.family).epoch + 1,
	};
	if (!ref.epoch)
		ref.epoch = 1;
	table_fill(table_words(dp, ref), content, value.hash);
	ref_switch(dp, &key, ref);
	return 0;
}

static int maglev_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	struct row_maglev_key key;
	int r;

	memcpy(&key, row->key, sizeof(key));
	r = key_check(dp, &key, err);
	if (r == 0)
		ref_switch(dp, &key, (struct xlb_table_ref){});
	return r;
}

const struct table_ops maglev_ops = { maglev_list, maglev_put, maglev_del };
