// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Health checks through the datapath: the map of their sockets, and table `probe_filter`: the tc program that
 * turns what such sockets send into what clients send. Its handle tells who made the clsact qdisc that it
 * hangs on, so that a successor of this process knows it too.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "sys/datapath_private.h"
#include "sys/host.h"
#include "xlb.skel.h" /* after abi.h, whose structs are in variables */

#define PRIORITY      30824 /* among filters of others: any that is not theirs */
#define HANDLE_OWN    1	    /* on a qdisc that xlb made */
#define HANDLE_SHARED 2	    /* on one that was there */

int datapath_probe_begin(struct datapath *dp, const struct xlb_probe_key *key,
			 const struct xlb_probe *probe)
{
	return bpf_map_update_elem(dp->maps[MAP_PROBES].fd, key, probe, BPF_ANY) ? -errno : 0;
}

void datapath_probe_end(struct datapath *dp, const struct xlb_probe_key *key)
{
	bpf_map_delete_elem(dp->maps[MAP_PROBES].fd, key);
}

void probes_clear(struct datapath *dp)
{
	struct xlb_probe_key key;

	while (!bpf_map_get_next_key(dp->maps[MAP_PROBES].fd, NULL, &key) &&
	       !bpf_map_delete_elem(dp->maps[MAP_PROBES].fd, &key))
		;
}

/* Handle of xlb's filter on the interface, 0: none; ret_program: id of its program. */
static uint32_t filter_find(uint32_t ifindex, uint32_t *ret_program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);

	for (uint32_t handle = HANDLE_OWN; handle <= HANDLE_SHARED; handle++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = PRIORITY);
		char name[16];

		if (bpf_tc_query(&hook, &opts))
			continue;
		datapath_program_name(opts.prog_id, name);
		*ret_program = opts.prog_id;
		if (!strcmp(name, "xlb_probe_out"))
			return handle;
	}
	return 0;
}

static bool is_present_program(const struct datapath *dp, uint32_t id)
{
	struct bpf_prog_info own = {}, found = {};
	uint32_t own_size = sizeof(own), found_size = sizeof(found);
	AUTO_CLOSE int fd = bpf_prog_get_fd_by_id(id);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &found, &found_size) &&
	       !bpf_obj_get_info_by_fd(bpf_program__fd(dp->skel->progs.xlb_probe_out), &own,
				       &own_size) &&
	       !memcmp(own.tag, found.tag, sizeof(own.tag));
}

static int filter_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
		       struct xlb_err *err)
{
	const struct attachment *attachment;

	(void)err;
	TAILQ_FOREACH(attachment, &dp->attachments, entry) {
		struct row row = { .table = table };
		uint32_t program;

		/* one of another version is not what is wanted: it will be replaced */
		if (!filter_find(if_nametoindex(attachment->ifname), &program) ||
		    !is_present_program(dp, program))
			continue;
		memcpy(row.key, attachment->ifname, IFNAMSIZ);
		add(arg, &row);
	}
	return 0;
}

/* Takes the qdisc away, unless somebody else hangs on it. */
static void qdisc_remove(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (!host_has_filters(ifindex))
		bpf_tc_hook_destroy(&hook);
}

static int filter_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		      struct xlb_err *err)
{
	const char *ifname = (const char *)row->key;
	uint32_t ifindex = if_nametoindex(ifname), program;
	uint32_t handle = ifindex ? filter_find(ifindex, &program) : 0;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	int r = ifindex ? 0 : -ENODEV;
	bool made = false;

	(void)content, (void)size;
	if (!r && !handle) {
		r = bpf_tc_hook_create(&hook);
		handle = r == -EEXIST ? HANDLE_SHARED : HANDLE_OWN;
		made = !r;
		r = r == -EEXIST ? 0 : r;
	}
	if (!r) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = PRIORITY,
			    .prog_fd = bpf_program__fd(dp->skel->progs.xlb_probe_out),
			    .flags = BPF_TC_F_REPLACE);

		r = bpf_tc_attach(&hook, &opts);
		if (r && made)
			qdisc_remove(ifindex);
	}
	if (!r)
		return 0;
	datapath_err(err, r, "cannot let health checks go through the datapath on '%s'", ifname);
	xlb_err_hint(err, "health_check: {via: address} does without (needs: tc with clsact, bpf)");
	return r;
}

static int filter_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	uint32_t ifindex = if_nametoindex((const char *)row->key), program;
	uint32_t handle = ifindex ? filter_find(ifindex, &program) : 0;
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = PRIORITY);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	int r = handle ? bpf_tc_detach(&hook, &opts) : 0;

	(void)dp;
	if (r && r != -ENOENT)
		return datapath_err(err, r, "cannot remove the filter of health checks from '%s'",
				    (const char *)row->key);
	if (handle == HANDLE_OWN)
		qdisc_remove(ifindex);
	return 0;
}

const struct table_ops probe_filter_ops = { filter_list, filter_put, filter_del };
