/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Table `interface`: a slot is an entry of `interfaces` and of `devices`, and of `interface_slots` (a NIC) or
 * `vlan_slots` (a VLAN device). Table `bond_port`: ports of a bond are entries of `interface_slots` with the bond's
 * slot, as packets come in by them.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "sys/datapath_private.h"
#include "xlb/hash.h"

static void slot_read(const struct datapath *dp, uint32_t slot, struct xlb_interface *ret)
{
	memcpy(ret, map_entry(&dp->maps[MAP_INTERFACES], slot), sizeof(*ret));
}

/* --- the places where packets look for a slot ----------------------------------------------------- */

/* The i-th place of an interface: its first word is a struct xlb_interface_slot, tags of a VLAN device follow. */
static uint64_t *place_at(const struct datapath *dp, const struct xlb_interface *interface,
			  uint32_t i)
{
	if (interface->flags & XLB_INTERFACE_TAGGED)
		return map_entry(&dp->maps[MAP_VLAN_SLOTS],
				 (xlb_hash_vlan(interface->ifindex, &interface->tags) + i) %
					 XLB_VLAN_PLACES);
	return map_entry(&dp->maps[MAP_INTERFACE_SLOTS],
			 (interface->ifindex + i) % XLB_INTERFACE_PLACES);
}

static struct xlb_interface_slot place_read(const uint64_t *place)
{
	struct xlb_interface_slot slot;

	memcpy(&slot, place, sizeof(slot));
	return slot;
}

static bool place_is(const uint64_t *place, const struct xlb_interface *interface)
{
	return place_read(place).ifindex == interface->ifindex &&
	       (!(interface->flags & XLB_INTERFACE_TAGGED) ||
		!memcmp(place + 1, &interface->tags, sizeof(interface->tags)));
}

/* Where an interface is, or may be put, as the datapath looks for it; NULL: there is no room. */
static uint64_t *place_of(const struct datapath *dp, const struct xlb_interface *interface)
{
	uint64_t *free_place = NULL;

	for (uint32_t i = 0; i < XLB_PROBES; i++) {
		uint64_t *place = place_at(dp, interface, i);

		if (place_is(place, interface))
			return place;
		if (!free_place && !place_read(place).slot)
			free_place = place;
		if (!*place)
			break;
	}
	return free_place;
}

static uint32_t slot_of(const struct datapath *dp, const struct xlb_interface *interface)
{
	const uint64_t *place = place_of(dp, interface);

	return place && place_is(place, interface) ? place_read(place).slot : 0;
}

/* The place is free, or the interface's already. */
static void place_take(uint64_t *place, const struct xlb_interface *interface, uint32_t slot)
{
	struct xlb_interface_slot value = { interface->ifindex, slot };

	if (interface->flags & XLB_INTERFACE_TAGGED)
		words_store(place + 1, &interface->tags, 1);
	words_store(place, &value, 1);
}

/* Gives the place up, unless it leads to another slot by now. */
static void place_leave(const struct datapath *dp, const struct xlb_interface *interface,
			uint32_t slot)
{
	if (interface->ifindex && slot_of(dp, interface) == slot)
		place_take(place_of(dp, interface), interface, 0);
}

/* --- interfaces ----------------------------------------------------------------------------------- */

static bool slot_is_linked(const struct datapath *dp, uint32_t slot,
			   const struct xlb_interface *interface)
{
	uint32_t device;

	return !bpf_map_lookup_elem(dp->maps[MAP_DEVICES].fd, &slot, &device) &&
	       device == interface->ifindex && slot_of(dp, interface) == slot;
}

/* The kernel takes a vanished NIC out of `devices`: such a row is listed with ifindex 0. */
static int interface_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
			  struct xlb_err *err)
{
	static const struct xlb_interface none;
	struct xlb_interface interface;
	struct row row;

	(void)err;
	for (uint32_t slot = 1; slot < dp->maps[MAP_INTERFACES].entries; slot++) {
		slot_read(dp, slot, &interface);
		if (!memcmp(&interface, &none, sizeof(none)))
			continue;
		if (interface.ifindex && !slot_is_linked(dp, slot, &interface))
			interface.ifindex = 0;
		datapath_row(table, &slot, &interface, &row);
		add(arg, &row);
	}
	return 0;
}

static int device_set(struct datapath *dp, uint32_t slot, uint32_t ifindex)
{
	int jumbo = jumbo_devices(dp);

	if (bpf_map_update_elem(dp->maps[MAP_DEVICES].fd, &slot, &ifindex, BPF_ANY))
		return -errno;
	return jumbo >= 0 && bpf_map_update_elem(jumbo, &slot, &ifindex, BPF_ANY) ? -errno : 0;
}

static void device_clear(struct datapath *dp, uint32_t slot)
{
	int jumbo = jumbo_devices(dp);

	bpf_map_delete_elem(dp->maps[MAP_DEVICES].fd, &slot);
	if (jumbo >= 0)
		bpf_map_delete_elem(jumbo, &slot);
}

/* Makes the slot a target of redirects and the interface one that packets find; `old`: whose it was. */
static int interface_link(struct datapath *dp, uint32_t slot, const struct xlb_interface *interface,
			  const struct xlb_interface *old, struct xlb_err *err)
{
	int r = device_set(dp, slot, interface->ifindex);
	uint64_t *place;

	if (r < 0)
		return datapath_err(err, r, "cannot make interface %u a target of redirects",
				    interface->ifindex);
	place = place_of(dp, interface);
	if (place) {
		place_take(place, interface, slot);
		return 0;
	}
	if (!old->ifindex || device_set(dp, slot, old->ifindex) < 0)
		device_clear(dp, slot);
	return datapath_err(err, -ENOSPC, "cannot add interface %u", interface->ifindex);
}

static int interface_put(struct datapath *dp, const struct row *row, const void *content,
			 size_t size, struct xlb_err *err)
{
	struct xlb_interface old, new;
	struct row_id key;
	int r;

	(void)content, (void)size;
	memcpy(&key, row->key, sizeof(key));
	memcpy(&new, row->value, sizeof(new));
	if (!key.id || key.id >= dp->maps[MAP_INTERFACES].entries)
		return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE, "no more than %u interfaces",
				   dp->maps[MAP_INTERFACES].entries - 1);
	slot_read(dp, key.id, &old);
	if (new.ifindex) {
		r = interface_link(dp, key.id, &new, &old, err);
		if (r)
			return r;
	} else {
		device_clear(dp, key.id);
	}
	words_store(map_entry(&dp->maps[MAP_INTERFACES], key.id), &new, sizeof(new) / 8);
	if (!new.ifindex || place_of(dp, &old) != place_of(dp, &new))
		place_leave(dp, &old, key.id);
	return 0;
}

static int interface_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	static const struct xlb_interface none;
	struct xlb_interface old;
	struct row_id key;

	(void)err;
	memcpy(&key, row->key, sizeof(key));
	if (!key.id || key.id >= dp->maps[MAP_INTERFACES].entries)
		return 0;
	slot_read(dp, key.id, &old);
	place_leave(dp, &old, key.id);
	device_clear(dp, key.id);
	words_store(map_entry(&dp->maps[MAP_INTERFACES], key.id), &none, sizeof(none) / 8);
	return 0;
}

const struct table_ops interface_ops = { interface_list, interface_put, interface_del };

/* --- ports of bonds ------------------------------------------------------------------------------- */

static int bond_port_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
			  struct xlb_err *err)
{
	struct xlb_interface interface;
	struct row row;

	(void)err;
	for (uint32_t i = 0; i < XLB_INTERFACE_PLACES; i++) {
		struct xlb_interface_slot found =
			place_read(map_entry(&dp->maps[MAP_INTERFACE_SLOTS], i));

		if (!found.slot)
			continue;
		slot_read(dp, found.slot % XLB_MAX_INTERFACES, &interface);
		if (interface.ifindex == found.ifindex)
			continue;
		datapath_row(table, &found.ifindex, &found.slot, &row);
		add(arg, &row);
	}
	return 0;
}

static int bond_port_put(struct datapath *dp, const struct row *row, const void *content,
			 size_t size, struct xlb_err *err)
{
	struct xlb_interface port = {};
	struct row_id slot;
	uint64_t *place;

	(void)content, (void)size;
	memcpy(&port.ifindex, row->key, sizeof(port.ifindex));
	memcpy(&slot, row->value, sizeof(slot));
	place = place_of(dp, &port);
	if (!place)
		return datapath_err(err, -ENOSPC, "cannot add interface %u", port.ifindex);
	place_take(place, &port, slot.id);
	return 0;
}

static int bond_port_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	struct xlb_interface port = {};
	struct row_id slot;

	(void)err;
	memcpy(&port.ifindex, row->key, sizeof(port.ifindex));
	memcpy(&slot, row->value, sizeof(slot));
	place_leave(dp, &port, slot.id);
	return 0;
}

const struct table_ops bond_port_ops = { bond_port_list, bond_port_put, bond_port_del };
