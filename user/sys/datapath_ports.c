/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Table `port_set`: pages are written while nothing refers to them, then the VIP's root is switched. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "sys/datapath_private.h"

/* a root and its leaves */
#define PAGES_MAX (1 + 256)

/* The word of a VIP that holds both roots. */
union roots {
	uint64_t word;
	struct {
		uint32_t tcp, udp;
	};
};
_Static_assert(offsetof(struct xlb_vip, tcp_root) == 0 && offsetof(struct xlb_vip, udp_root) == 4,
	       "both roots are in the first word");

static union roots roots_read(const struct datapath *dp, uint32_t vip)
{
	return (union roots){ .word = *map_entry(&dp->maps[MAP_VIPS], vip) };
}

static uint32_t *root_of(union roots *roots, uint32_t protocol)
{
	return protocol == IPPROTO_TCP ? &roots->tcp : &roots->udp;
}

static const struct xlb_port_page *page_read(const struct datapath *dp, uint32_t page)
{
	return (const void *)map_entry(&dp->maps[MAP_PORT_PAGES], page);
}

/* Runs `slots_...` over a root page and its leaves. */
static void pages_each(struct datapath *dp, uint32_t root,
		       void (*each)(struct slots *slots, uint32_t slot))
{
	const struct xlb_port_page *page;

	if (!root || root >= dp->port_pages.count)
		return;
	page = page_read(dp, root);
	for (int i = 0; i < 256; i++)
		if (page->entry[i] & XLB_PORT_PAGE)
			each(&dp->port_pages, page->entry[i] & ~XLB_PORT_PAGE);
	each(&dp->port_pages, root);
}

int port_set_adopt(struct datapath *dp, struct xlb_err *err)
{
	if (slots_init(&dp->port_pages, dp->maps[MAP_PORT_PAGES].entries) < 0)
		return datapath_err(err, -ENOMEM, "cannot keep track of port pages");
	slots_mark_used(&dp->port_pages, 0); /* page 0 means none */
	for (uint32_t vip = 1; vip < dp->maps[MAP_VIPS].entries; vip++) {
		union roots roots = roots_read(dp, vip);

		pages_each(dp, roots.tcp, slots_mark_used);
		pages_each(dp, roots.udp, slots_mark_used);
	}
	return 0;
}

static int port_set_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
			 struct xlb_err *err)
{
	static const uint32_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)err;
	for (uint32_t vip = 1; vip < dp->maps[MAP_VIPS].entries; vip++) {
		union roots roots = roots_read(dp, vip);

		for (int i = 0; i < 2; i++) {
			struct row_port_set_key key = { vip, protocols[i] };
			uint32_t root = *root_of(&roots, protocols[i]);
			struct row_hash value;
			struct row row;

			if (!root || root >= dp->port_pages.count)
				continue;
			value.hash = page_read(dp, root)->hash;
			datapath_row(table, &key, &value, &row);
			add(arg, &row);
		}
	}
	return 0;
}

static int key_check(const struct datapath *dp, const struct row_port_set_key *key,
		     struct xlb_err *err)
{
	if (key->vip && key->vip < dp->maps[MAP_VIPS].entries &&
	    (key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP))
		return 0;
	return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE,
			   "port set of VIP %u, protocol %u: no such VIP or protocol", key->vip,
			   key->protocol);
}

static bool content_is_sound(const struct content_port_set *set, size_t size)
{
	if (!set || size < sizeof(*set) || set->leaf_count > 256 ||
	    size < sizeof(*set) + set->leaf_count * sizeof(set->leaf[0]))
		return false;
	for (int i = 0; i < 256; i++)
		if ((set->root[i] & XLB_PORT_PAGE) &&
		    (set->root[i] & ~XLB_PORT_PAGE) >= set->leaf_count)
			return false;
	return true;
}

static int pages_try(struct slots *slots, uint32_t count, uint32_t *ret_pages)
{
	for (uint32_t i = 0; i < count; i++) {
		if (slots_take(slots, &ret_pages[i]) == 0)
			continue;
		while (i--)
			slots_give_back(slots, ret_pages[i]);
		return -ENOSPC;
	}
	return 0;
}

static int pages_take(struct datapath *dp, uint32_t count, uint32_t *ret_pages, struct xlb_err *err)
{
	if (pages_try(&dp->port_pages, count, ret_pages) == 0)
		return 0;
	datapath_settle(dp);
	if (pages_try(&dp->port_pages, count, ret_pages) == 0)
		return 0;
	xlb_err_set(err, XLB_ERR_FAILED, -ENOSPC,
		    "port pages are used up: %u of %u are in use, %u more are needed",
		    dp->port_pages.used - 1, dp->port_pages.count - 1, count);
	xlb_err_hint(
		err,
		"each VIP needs one for each protocol and one for each started block of 256 ports; "
		"use ranges that begin and end at multiples of 256, or `any`");
	return -ENOSPC;
}

static void page_write(struct datapath *dp, uint32_t page, const struct xlb_port_page *content)
{
	words_store(map_entry(&dp->maps[MAP_PORT_PAGES], page), content, sizeof(*content) / 8);
}

/* pages[0] is the root, pages[1 + i] leaf i */
static void set_write(struct datapath *dp, const struct content_port_set *set, uint64_t hash,
		      const uint32_t *pages)
{
	struct xlb_port_page page = {};

	for (uint32_t i = 0; i < set->leaf_count; i++) {
		memcpy(page.entry, set->leaf[i], sizeof(page.entry));
		page_write(dp, pages[1 + i], &page);
	}
	for (int i = 0; i < 256; i++) {
		uint32_t entry = set->root[i];

		if (entry & XLB_PORT_PAGE)
			entry = XLB_PORT_PAGE | pages[1 + (entry & ~XLB_PORT_PAGE)];
		page.entry[i] = entry;
	}
	page.hash = hash;
	page_write(dp, pages[0], &page);
}

static void root_switch(struct datapath *dp, const struct row_port_set_key *key, uint32_t root)
{
	union roots roots = roots_read(dp, key->vip);
	uint32_t old = *root_of(&roots, key->protocol);

	*root_of(&roots, key->protocol) = root;
	words_store(map_entry(&dp->maps[MAP_VIPS], key->vip), &roots, 1);
	pages_each(dp, old, slots_retire);
}

static int port_set_put(struct datapath *dp, const struct row *row, const void *content,
			size_t size, struct xlb_err *err)
{
	const struct content_port_set *set = content;
	struct row_port_set_key key;
	uint32_t pages[PAGES_MAX];
	struct row_hash value;
	int r;

	if (!content_is_sound(set, size))
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "a port set row came without its pages");
	memcpy(&key, row->key, sizeof(key));
	memcpy(&value, row->value, sizeof(value));
	r = key_check(dp, &key, err);
	if (r < 0)
		return r;
	r = pages_take(dp, 1 + set->leaf_count, pages, err);
	if (r < 0)
		return r;
	set_write(dp, set, value.hash, pages);
	root_switch(dp, &key, pages[0]);
	return 0;
}

static int port_set_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	struct row_port_set_key key;
	int r;

	memcpy(&key, row->key, sizeof(key));
	r = key_check(dp, &key, err);
	if (r == 0)
		root_switch(dp, &key, 0);
	return r;
}

const struct table_ops port_set_ops = { port_set_list, port_set_put, port_set_del };
