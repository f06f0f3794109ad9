/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's tracepoints about XDP frames that were lost after the verdict. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/tracefs.h"
#include "sys/datapath_private.h"
#include "xlb.skel.h"

/* A link between program and tracepoint, -errno. */
static int tracepoint_link(int program_fd, int id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = (uint64_t)id,
	};
	/* of a tracepoint one event on one CPU is enough for the program to see all */
	AUTO_CLOSE int event =
		(int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	int link;

	if (event < 0)
		return -errno;
	link = bpf_link_create(program_fd, event, BPF_PERF_EVENT, NULL);
	return link < 0 ? -errno : link;
}

bool is_tracepoint(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_TRACEPOINT;
}

/* Attaches those of the object's programs that have no link in `links` yet. */
static int attach_missing(struct bpf_object *object, int *links, char *ret_fault, size_t size)
{
	AUTO_CLOSE int tracefs = tracefs_open();
	struct bpf_program *program;
	char path[64];
	size_t i = 0;
	int r;

	ret_fault[0] = '\0';
	if (tracefs < 0) {
		snprintf(ret_fault, size, "no tracefs: %s", strerror(-tracefs));
		return tracefs;
	}
	bpf_object__for_each_program(program, object)
	{
		const char *name = bpf_program__name(program);

		if (!is_tracepoint(program) || i == TRACEPOINT_COUNT)
			continue;
		if (links[i++] >= 0)
			continue;
		snprintf(path, sizeof(path), "xdp/%s", name);
		r = tracefs_tracepoint(tracefs, path);
		if (r >= 0)
			r = tracepoint_link(bpf_program__fd(program), r);
		links[i - 1] = r < 0 ? -1 : r;
		if (r < 0)
			snprintf(ret_fault, size, "tracepoint xdp/%s: %s", name, strerror(-r));
	}
	return ret_fault[0] ? -ENOENT : 0;
}

int tracepoints_attach(struct bpf_object *object, int *ret_links, char *ret_fault, size_t size)
{
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++)
		ret_links[i] = -1;
	return attach_missing(object, ret_links, ret_fault, size);
}

static void pin_path(const struct datapath *dp, size_t i, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/tracepoints/%zu", dp->pin_dir, i);
}

static uint32_t map_id(const struct datapath *dp, enum map_id map)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(dp->maps[map].fd, &info, &size) ? 0 : info.id;
}

/* Whether the program of a link has the code of `program` and counts into the map that is read. */
static bool is_same(const struct datapath *dp, int link, const struct bpf_program *program)
{
	uint32_t maps[32], drops = map_id(dp, MAP_DROPS), size = sizeof(struct bpf_link_info);
	struct bpf_prog_info own = {}, other = { .nr_map_ids = 32, .map_ids = (uintptr_t)maps };
	struct bpf_link_info info = {};
	AUTO_CLOSE int fd = -1;

	if (bpf_obj_get_info_by_fd(link, &info, &size))
		return false;
	size = sizeof(own);
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	if (fd < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(program), &own, &size) ||
	    bpf_obj_get_info_by_fd(fd, &other, &size) || memcmp(own.tag, other.tag, BPF_TAG_SIZE))
		return false;
	for (uint32_t i = 0; i < other.nr_map_ids && i < 32; i++)
		if (maps[i] == drops)
			return true;
	return false;
}

/*
 * Links that a predecessor has pinned go on if their program is what this one would attach: no frame is
 * counted twice or not at all. Others make room first.
 */
static void adopt(struct datapath *dp, struct bpf_object *object)
{
	struct bpf_program *program;
	char path[PATH_MAX];
	size_t i = 0;

	bpf_object__for_each_program(program, object)
	{
		AUTO_CLOSE int link = -1;

		if (!is_tracepoint(program) || i == TRACEPOINT_COUNT)
			continue;
		pin_path(dp, i, path);
		link = bpf_obj_get(path);
		if (link >= 0 && is_same(dp, link, program)) {
			dp->tracepoints[i] = link;
			link = -1;
		} else {
			unlink(path);
		}
		i++;
	}
}

/* They go on counting while the daemon is dead. */
static int pin(struct datapath *dp)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/tracepoints", dp->pin_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++) {
		pin_path(dp, i, path);
		if (dp->tracepoints[i] >= 0 && bpf_obj_pin(dp->tracepoints[i], path) &&
		    errno != EEXIST)
			return -errno;
	}
	return 0;
}

static void tracepoints_open(struct datapath *dp)
{
	int r;

	if (dp->pin_dir)
		adopt(dp, dp->skel->obj);
	r = attach_missing(dp->skel->obj, dp->tracepoints, dp->tracepoint_fault,
			   sizeof(dp->tracepoint_fault));
	if (!r && dp->pin_dir)
		r = pin(dp);
	if (r && !dp->tracepoint_fault[0])
		snprintf(dp->tracepoint_fault, sizeof(dp->tracepoint_fault), "cannot pin: %s",
			 strerror(-r));
}

void tracepoints_follow(struct datapath *dp)
{
	bool wanted = !TAILQ_EMPTY(&dp->attachments);
	char path[PATH_MAX];

	if (wanted) {
		if (!dp->tracepoints_wanted)
			tracepoints_open(dp);
		dp->tracepoints_wanted = true;
		return;
	}
	dp->tracepoints_wanted = false;
	/* the last to let go waits a third of a second for RCU; behind a pin that is a kernel thread, not the caller */
	tracepoints_close(dp);
	for (size_t i = 0; dp->pin_dir && i < TRACEPOINT_COUNT; i++) {
		pin_path(dp, i, path);
		unlink(path);
	}
	dp->tracepoint_fault[0] = '\0';
}

void tracepoints_close(struct datapath *dp)
{
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++)
		if (dp->tracepoints[i] >= 0) {
			close(dp->tracepoints[i]);
			dp->tracepoints[i] = -1;
		}
}

const char *datapath_lost_uncounted(const struct datapath *dp)
{
	return dp->tracepoint_fault;
}
