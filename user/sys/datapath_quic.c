// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Table `quic_server`: the map `quic_servers`, a row each. */
#include <bpf/bpf.h>
#include <errno.h>

#include "sys/datapath_private.h"

static int quic_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
		     struct xlb_err *err)
{
	struct xlb_quic_server_key key, *last = NULL;
	int fd = dp->maps[MAP_QUIC_SERVERS].fd;
	struct xlb_quic_server value;
	struct row row;

	(void)err;
	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(fd, &key, &value))
			continue;
		datapath_row(table, &key, &value, &row);
		add(arg, &row);
	}
	return 0;
}

static int quic_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		    struct xlb_err *err)
{
	(void)content, (void)size;
	if (!bpf_map_update_elem(dp->maps[MAP_QUIC_SERVERS].fd, row->key, row->value, BPF_ANY))
		return 0;
	return datapath_err(err, -errno, "cannot make a server id of QUIC known");
}

static int quic_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	if (!bpf_map_delete_elem(dp->maps[MAP_QUIC_SERVERS].fd, row->key) || errno == ENOENT)
		return 0;
	return datapath_err(err, -errno, "cannot forget a server id of QUIC");
}

const struct table_ops quic_server_ops = { quic_list, quic_put, quic_del };
