/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Table `rule_set`: a new set is written beside the old one, then its reference is switched. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "sys/datapath_private.h"
#include "xlb/rules.h"

#define PAGE_BYTES sizeof(struct xlb_rules_page)

_Static_assert(sizeof(struct xlb_rules_ref) == sizeof(uint64_t), "a reference is one word");

/* Declared in xlb/rules.h; memory is the datapath. */
static inline struct xlb_rules_page *xlb_rules_page(const void *memory, uint32_t page)
{
	const struct datapath *dp = memory;
	uint64_t *chunk = page / XLB_RULES_PER_CHUNK < CHUNKS_MAX ?
				  dp->rules.chunk[page / XLB_RULES_PER_CHUNK] :
				  NULL;

	return chunk ? (struct xlb_rules_page *)chunk + page % XLB_RULES_PER_CHUNK : NULL;
}

static struct xlb_rules_ref ref_read(const struct datapath *dp, uint32_t set)
{
	struct xlb_rules_ref ref;

	memcpy(&ref, map_entry(&dp->maps[MAP_RULE_SETS], set), sizeof(ref));
	return ref;
}

/* NULL if the reference leads nowhere. */
static struct xlb_rules_head *head_of(const struct datapath *dp, struct xlb_rules_ref ref)
{
	return ref.epoch ? (struct xlb_rules_head *)xlb_rules_page(dp, ref.page) : NULL;
}

int rules_adopt(struct datapath *dp, struct xlb_err *err)
{
	if (slots_init(&dp->rule_pages, XLB_RULES_CHUNKS * XLB_RULES_PER_CHUNK) < 0)
		return datapath_err(err, -ENOMEM, "cannot keep track of rule sets");
	for (uint32_t set = 1; set < dp->maps[MAP_RULE_SETS].entries; set++) {
		struct xlb_rules_ref ref = ref_read(dp, set);
		const struct xlb_rules_head *head = head_of(dp, ref);

		for (uint32_t i = 0; head && i < head->pages; i++)
			slots_mark_used(&dp->rule_pages, ref.page + i);
	}
	return 0;
}

int rules_reserve(struct datapath *dp, size_t bytes, struct xlb_err *err)
{
	uint32_t pages = (uint32_t)(bytes / PAGE_BYTES), first;

	/* if all find room in one run, each does, there or before */
	if (!pages || slots_find_run(&dp->rule_pages, pages, &first))
		return 0;
	return chunks_reserve(&dp->rules, (first + pages - 1) / XLB_RULES_PER_CHUNK, err);
}

static int rules_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
		      struct xlb_err *err)
{
	(void)err;
	for (uint32_t set = 1; set < dp->maps[MAP_RULE_SETS].entries; set++) {
		const struct xlb_rules_head *head = head_of(dp, ref_read(dp, set));
		struct row_hash value = { head ? head->hash : 0 };
		struct row row;

		if (!head)
			continue;
		datapath_row(table, &set, &value, &row);
		add(arg, &row);
	}
	return 0;
}

static int key_check(const struct datapath *dp, uint32_t set, struct xlb_err *err)
{
	if (set && set < dp->maps[MAP_RULE_SETS].entries)
		return 0;
	return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE, "rule set %u: there is no such id", set);
}

/* Takes a run of free pages, waiting for those replaced before if there is none. */
static int pages_take(struct datapath *dp, uint32_t count, uint32_t *ret, struct xlb_err *err)
{
	int r = slots_find_run(&dp->rule_pages, count, ret);

	if (r) {
		datapath_settle(dp);
		r = slots_find_run(&dp->rule_pages, count, ret);
	}
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOSPC,
				   "no room for a rule set of %zu KiB: %u MiB are for all of them",
				   count * PAGE_BYTES / 1024,
				   (unsigned int)(dp->rule_pages.count * PAGE_BYTES >> 20));
	for (uint32_t i = 0; i < count; i++)
		slots_mark_used(&dp->rule_pages, *ret + i);
	return 0;
}

static void ref_switch(struct datapath *dp, uint32_t set, struct xlb_rules_ref ref)
{
	struct xlb_rules_ref old = ref_read(dp, set);
	const struct xlb_rules_head *head = head_of(dp, old);

	words_store(map_entry(&dp->maps[MAP_RULE_SETS], set), &ref, 1);
	for (uint32_t i = 0; head && i < head->pages; i++)
		slots_retire(&dp->rule_pages, old.page + i);
}

/* Chunk by chunk: in memory they are not one behind the other. */
static int pages_fill(struct datapath *dp, uint32_t first, const struct xlb_rules_page *content,
		      uint32_t count, struct xlb_err *err)
{
	for (uint32_t done = 0; done < count;) {
		uint32_t at = (first + done) % XLB_RULES_PER_CHUNK;
		uint32_t part = XLB_RULES_PER_CHUNK - at;
		uint64_t *chunk;
		int r = chunks_need(&dp->rules, (first + done) / XLB_RULES_PER_CHUNK, &chunk, err);

		if (r)
			return r;
		part = part < count - done ? part : count - done;
		memcpy((struct xlb_rules_page *)chunk + at, content + done, part * PAGE_BYTES);
		done += part;
	}
	return 0;
}

static int rules_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		     struct xlb_err *err)
{
	uint32_t set, first, count = (uint32_t)(size / PAGE_BYTES);
	struct xlb_rules_ref ref;
	struct row_hash value;
	int r;

	if (!content || !count || size % PAGE_BYTES)
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "a row of a rule set came without its pages");
	memcpy(&set, row->key, sizeof(set));
	memcpy(&value, row->value, sizeof(value));
	r = key_check(dp, set, err);
	if (!r)
		r = pages_take(dp, count, &first, err);
	if (r)
		return r;
	r = pages_fill(dp, first, content, count, err);
	if (r) {
		for (uint32_t i = 0; i < count; i++)
			slots_give_back(&dp->rule_pages, first + i);
		return r;
	}
	((struct xlb_rules_head *)xlb_rules_page(dp, first))->hash = value.hash;
	ref.page = first;
	ref.epoch = ref_read(dp, set).epoch + 1;
	ref.epoch = ref.epoch ? ref.epoch : 1;
	ref_switch(dp, set, ref);
	return 0;
}

static int rules_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	uint32_t set;
	int r;

	memcpy(&set, row->key, sizeof(set));
	r = key_check(dp, set, err);
	if (!r)
		ref_switch(dp, set, (struct xlb_rules_ref){});
	return r;
}

const struct table_ops rule_set_ops = { rules_list, rules_put, rules_del };

uint32_t datapath_rules_answer(const struct datapath *dp, uint32_t set,
			       const struct xlb_flow_key *key)
{
	struct xlb_rules_ref ref = {};

	if (set && set < dp->maps[MAP_RULE_SETS].entries)
		ref = ref_read(dp, set);
	return ref.epoch ? xlb_rules_classify(dp, ref.page, &key->client, key->family,
					      xlb_rules_protocol(key->protocol), ntohs(key->port)) :
			   XLB_RULES_ALLOW;
}

uint64_t datapath_rule_hits(const struct datapath *dp, uint32_t set, uint32_t rule)
{
	struct xlb_rules_ref ref = {};
	const __u64 *hits = NULL;

	if (set && set < dp->maps[MAP_RULE_SETS].entries)
		ref = ref_read(dp, set);
	if (ref.epoch)
		hits = xlb_rules_hits(dp, ref.page, rule + 1);
	return hits ? __atomic_load_n(hits, __ATOMIC_RELAXED) : 0;
}
