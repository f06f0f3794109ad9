/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Table `interface`: a slot is an entry of `interfaces`, of `interface_slots` and of `devices`. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "sys/datapath_private.h"

static void slot_read(const struct datapath *dp, uint32_t slot, struct xlb_interface *ret)
{
	memcpy(ret, map_entry(&dp->maps[MAP_INTERFACES], slot), sizeof(*ret));
}

static void place_read(const struct datapath *dp, uint32_t place, struct xlb_interface_slot *ret)
{
	memcpy(ret, map_entry(&dp->maps[MAP_INTERFACE_SLOTS], place % XLB_INTERFACE_PLACES),
	       sizeof(*ret));
}

static void place_write(struct datapath *dp, uint32_t place, struct xlb_interface_slot value)
{
	words_store(map_entry(&dp->maps[MAP_INTERFACE_SLOTS], place % XLB_INTERFACE_PLACES), &value,
		    1);
}

/* Where an ifindex is, or may be put, as the datapath looks for it; -ENOSPC. */
static int place_of(const struct datapath *dp, uint32_t ifindex, uint32_t *ret)
{
	struct xlb_interface_slot found;
	int r = -ENOSPC;

	for (uint32_t i = 0; i < XLB_PROBES; i++) {
		place_read(dp, ifindex + i, &found);
		if (found.ifindex == ifindex || (r && !found.slot)) {
			*ret = ifindex + i;
			r = 0;
		}
		if (found.ifindex == ifindex || !found.ifindex)
			break;
	}
	return r;
}

static uint32_t slot_of(const struct datapath *dp, uint32_t ifindex)
{
	struct xlb_interface_slot found;
	uint32_t place;

	if (place_of(dp, ifindex, &place))
		return 0;
	place_read(dp, place, &found);
	return found.ifindex == ifindex ? found.slot : 0;
}

static bool slot_is_linked(const struct datapath *dp, uint32_t slot, uint32_t ifindex)
{
	uint32_t device;

	return !bpf_map_lookup_elem(dp->maps[MAP_DEVICES].fd, &slot, &device) &&
	       device == ifindex && slot_of(dp, ifindex) == slot;
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
		if (interface.ifindex && !slot_is_linked(dp, slot, interface.ifindex))
			interface.ifindex = 0;
		datapath_row(table, &slot, &interface, &row);
		add(arg, &row);
	}
	return 0;
}

static int device_set(struct datapath *dp, uint32_t slot, uint32_t ifindex)
{
	return bpf_map_update_elem(dp->maps[MAP_DEVICES].fd, &slot, &ifindex, BPF_ANY) ? -errno : 0;
}

static void device_clear(struct datapath *dp, uint32_t slot)
{
	bpf_map_delete_elem(dp->maps[MAP_DEVICES].fd, &slot);
}

/* Forgets an ifindex unless another slot has taken it over. */
static void ifindex_forget(struct datapath *dp, uint32_t slot, uint32_t ifindex)
{
	uint32_t place;

	if (ifindex && slot_of(dp, ifindex) == slot && !place_of(dp, ifindex, &place))
		place_write(dp, place, (struct xlb_interface_slot){ ifindex, 0 });
}

static int interface_put(struct datapath *dp, const struct row *row, const void *content,
			 size_t size, struct xlb_err *err)
{
	struct xlb_interface old, new;
	struct row_id key;
	uint32_t place;
	int r;

	(void)content, (void)size;
	memcpy(&key, row->key, sizeof(key));
	memcpy(&new, row->value, sizeof(new));
	if (!key.id || key.id >= dp->maps[MAP_INTERFACES].entries)
		return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE, "no more than %u interfaces",
				   dp->maps[MAP_INTERFACES].entries - 1);
	slot_read(dp, key.id, &old);
	if (new.ifindex) {
		r = device_set(dp, key.id, new.ifindex);
		if (r < 0)
			return datapath_err(err, r,
					    "cannot make interface %u a target of redirects",
					    new.ifindex);
		r = place_of(dp, new.ifindex, &place);
		if (r) {
			if (!old.ifindex || device_set(dp, key.id, old.ifindex) < 0)
				device_clear(dp, key.id);
			return datapath_err(err, r, "cannot add interface %u", new.ifindex);
		}
		place_write(dp, place, (struct xlb_interface_slot){ new.ifindex, key.id });
	} else {
		device_clear(dp, key.id);
	}
	words_store(map_entry(&dp->maps[MAP_INTERFACES], key.id), &new, sizeof(new) / 8);
	if (old.ifindex != new.ifindex)
		ifindex_forget(dp, key.id, old.ifindex);
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
	ifindex_forget(dp, key.id, old.ifindex);
	device_clear(dp, key.id);
	words_store(map_entry(&dp->maps[MAP_INTERFACES], key.id), &none, sizeof(none) / 8);
	return 0;
}

const struct table_ops interface_ops = { interface_list, interface_put, interface_del };
