// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Table `address`: an open-addressed hash table in mapped memory, which packets read while it is written. */
#include <errno.h>
#include <string.h>

#include "sys/datapath_private.h"
#include "xlb/addr.h"
#include "xlb/hash.h"

static struct xlb_address_place *place_at(const struct datapath *dp, uint32_t place)
{
	return (struct xlb_address_place *)map_entry(&dp->maps[MAP_ADDRESSES],
						     place % XLB_ADDRESS_PLACES);
}

static uint64_t role_read(const struct xlb_address_place *place)
{
	return __atomic_load_n((const uint64_t *)&place->role, __ATOMIC_ACQUIRE);
}

static void role_write(struct xlb_address_place *place, uint64_t role)
{
	__atomic_store_n((uint64_t *)&place->role, role, __ATOMIC_RELEASE);
}

static bool is_never_used(const struct xlb_address_place *place)
{
	static const struct xlb_addr never;

	return !role_read(place) && xlb_addr_equal(&place->addr, &never);
}

/* Where an address is, or may be put, as the datapath looks for it; NULL: there is no room. */
static struct xlb_address_place *place_of(const struct datapath *dp, const struct xlb_addr *addr)
{
	struct xlb_address_place *free_place = NULL;
	uint32_t hash = xlb_hash_addr(addr);

	for (uint32_t i = 0; i < XLB_PROBES; i++) {
		struct xlb_address_place *place = place_at(dp, hash + i);

		if (xlb_addr_equal(&place->addr, addr))
			return place;
		if (!role_read(place) && !free_place)
			free_place = place;
		if (is_never_used(place))
			break;
	}
	return free_place;
}

static int address_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
			struct xlb_err *err)
{
	struct row row;

	(void)err;
	for (uint32_t i = 0; i < XLB_ADDRESS_PLACES; i++) {
		const struct xlb_address_place *place = place_at(dp, i);

		if (!role_read(place))
			continue;
		datapath_row(table, &place->addr, &place->role, &row);
		add(arg, &row);
	}
	return 0;
}

static int address_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		       struct xlb_err *err)
{
	struct xlb_address_place *place;
	char text[ADDR_TEXT_MAX];
	struct xlb_address role;
	struct xlb_addr addr;
	uint64_t word;

	(void)content, (void)size;
	memcpy(&addr, row->key, sizeof(addr));
	memcpy(&role, row->value, sizeof(role));
	memcpy(&word, row->value, sizeof(word));
	place = place_of(dp, &addr);
	if (!place) {
		format_addr(&addr, text);
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOSPC,
				   "no room for address '%s' among the VIPs and SNAT addresses",
				   text);
	}
	/* replies are from it as soon as there are flows */
	if (role.vip && role.vip < XLB_MAX_VIPS)
		words_store(map_entry(&dp->maps[MAP_VIP_ADDRESSES], role.vip), &addr,
			    sizeof(addr) / 8);
	words_store((uint64_t *)&place->addr, &addr, sizeof(addr) / 8);
	role_write(place, word);
	return 0;
}

static int address_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	static const struct xlb_addr never;
	struct xlb_address_place *place;
	struct xlb_addr addr;
	uint32_t at;

	(void)err;
	memcpy(&addr, row->key, sizeof(addr));
	place = place_of(dp, &addr);
	if (!place || !xlb_addr_equal(&place->addr, &addr))
		return 0;
	role_write(place, 0);
	/* where no search goes on anyway, free places are as if never used: searches stay short */
	at = (uint32_t)(place - place_at(dp, 0)) + XLB_ADDRESS_PLACES;
	while (!role_read(place_at(dp, at)) && !is_never_used(place_at(dp, at)) &&
	       is_never_used(place_at(dp, at + 1)))
		words_store((uint64_t *)&place_at(dp, at--)->addr, &never, sizeof(never) / 8);
	return 0;
}

const struct table_ops address_ops = { address_list, address_put, address_del };
