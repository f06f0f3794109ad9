// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/datapath_sockets.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sockets.skel.h"
#include "sys/datapath_private.h"

struct datapath_sockets {
	struct sockets *skel;
	char *pin;
	int link; /* -1: not attached */
};

int datapath_sockets_open(const char *pin, struct datapath_sockets **ret, struct xlb_err *err)
{
	AUTO(datapath_sockets_close) struct datapath_sockets *sockets = calloc(1, sizeof(*sockets));
	AUTO_FREE char *log = calloc(1, VERIFIER_LOG_SIZE);
	int r;

	if (!sockets || !log)
		return datapath_err(err, -ENOMEM, "cannot prepare ports that share a socket");
	sockets->link = -1;
	sockets->pin = strdup(pin);
	sockets->skel = sockets__open();
	if (!sockets->pin || !sockets->skel)
		return datapath_err(err, -ENOMEM, "cannot prepare ports that share a socket");
	bpf_program__set_log_buf(sockets->skel->progs.xlb_sockets, log, VERIFIER_LOG_SIZE);
	r = sockets__load(sockets->skel);
	if (r)
		return datapath_load_err(err, r, log);
	*ret = TAKE(sockets);
	return 0;
}

struct datapath_sockets *datapath_sockets_close(struct datapath_sockets *sockets)
{
	if (!sockets)
		return NULL;
	cleanup_close(&sockets->link);
	sockets__destroy(sockets->skel);
	free(sockets->pin);
	free(sockets);
	return NULL;
}

void datapath_sockets_remove(const char *pin)
{
	unlink(pin);
}

int datapath_sockets_put(struct datapath_sockets *sockets, const struct xlb_places *places,
			 __be16 port)
{
	return bpf_map_update_elem(bpf_map__fd(sockets->skel->maps.places), places, &port,
				   BPF_ANY) ?
		       -errno :
		       0;
}

int datapath_sockets_del(struct datapath_sockets *sockets, const struct xlb_places *places)
{
	return bpf_map_delete_elem(bpf_map__fd(sockets->skel->maps.places), places) ? -errno : 0;
}

int datapath_sockets_give(struct datapath_sockets *sockets, const struct xlb_place *place, int fd)
{
	uint64_t value = (uint64_t)fd;

	return bpf_map_update_elem(bpf_map__fd(sockets->skel->maps.sockets), place, &value,
				   BPF_ANY) ?
		       -errno :
		       0;
}

bool datapath_sockets_has(const struct datapath_sockets *sockets, const struct xlb_place *place)
{
	uint64_t cookie;

	return !bpf_map_lookup_elem(bpf_map__fd(sockets->skel->maps.sockets), place, &cookie);
}

/* Whether the link is one of this network namespace, and is not what is left of one that is gone. */
static bool is_here(int link, int netns)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	struct stat here;

	return !bpf_obj_get_info_by_fd(link, &info, &size) && !fstat(netns, &here) &&
	       info.type == BPF_LINK_TYPE_NETNS && info.netns.netns_ino == here.st_ino;
}

/* Takes over the link that a predecessor has pinned: its fd, or -ENOENT. */
static int take_over(const struct datapath_sockets *sockets, int program, int netns)
{
	int link = bpf_obj_get(sockets->pin);

	if (link < 0)
		return -ENOENT;
	if (is_here(link, netns) && !bpf_link_update(link, program, NULL))
		return link;
	close(link);
	unlink(sockets->pin);
	return -ENOENT;
}

int datapath_sockets_attach(struct datapath_sockets *sockets, struct xlb_err *err)
{
	int program = bpf_program__fd(sockets->skel->progs.xlb_sockets);
	AUTO_CLOSE int netns = -1;
	int r;

	if (sockets->link >= 0)
		return 0;
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return datapath_err(err, -errno, "cannot open the network namespace");
	sockets->link = take_over(sockets, program, netns);
	if (sockets->link >= 0)
		return 0;
	sockets->link = bpf_link_create(program, netns, BPF_SK_LOOKUP, NULL);
	if (sockets->link < 0)
		return datapath_err(err, -errno,
				    "cannot attach the program that chooses sockets to the network "
				    "namespace");
	if (!bpf_obj_pin(sockets->link, sockets->pin))
		return 0;
	r = datapath_err(err, -errno, "cannot pin a link as '%s'", sockets->pin);
	close(sockets->link);
	sockets->link = -1;
	return r;
}
