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

int tracepoints_attach(struct bpf_object *object, int *ret_links, char *ret_fault, size_t size)
{
	AUTO_CLOSE int tracefs = tracefs_open();
	struct bpf_program *program;
	char path[64];
	int count = 0, r;

	ret_fault[0] = '\0';
	if (tracefs < 0) {
		snprintf(ret_fault, size, "no tracefs: %s", strerror(-tracefs));
		return tracefs;
	}
	bpf_object__for_each_program(program, object)
	{
		const char *name = bpf_program__name(program);

		if (bpf_program__type(program) != BPF_PROG_TYPE_TRACEPOINT ||
		    count == TRACEPOINT_COUNT)
			continue;
		snprintf(path, sizeof(path), "xdp/%s", name);
		r = tracefs_tracepoint(tracefs, path);
		if (r >= 0)
			r = tracepoint_link(bpf_program__fd(program), r);
		ret_links[count++] = r < 0 ? -1 : r;
		if (r < 0)
			snprintf(ret_fault, size, "tracepoint xdp/%s: %s", name, strerror(-r));
	}
	return ret_fault[0] ? -ENOENT : 0;
}

static void pin_path(const struct datapath *dp, size_t i, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/tracepoints/%zu", dp->pin_dir, i);
}

/* They go on counting while the daemon is dead. Those of a predecessor make room: they would count twice. */
static int pin(struct datapath *dp)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/tracepoints", dp->pin_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++) {
		pin_path(dp, i, path);
		unlink(path);
		if (dp->tracepoints[i] >= 0 && bpf_obj_pin(dp->tracepoints[i], path))
			return -errno;
	}
	return 0;
}

void tracepoints_open(struct datapath *dp, struct bpf_object *object)
{
	int r = tracepoints_attach(object, dp->tracepoints, dp->tracepoint_fault,
				   sizeof(dp->tracepoint_fault));

	if (!r && dp->pin_dir)
		r = pin(dp);
	if (r && !dp->tracepoint_fault[0])
		snprintf(dp->tracepoint_fault, sizeof(dp->tracepoint_fault), "cannot pin: %s",
			 strerror(-r));
}

void tracepoints_close(struct datapath *dp)
{
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++)
		cleanup_close(&dp->tracepoints[i]);
}

const char *datapath_lost_uncounted(const struct datapath *dp)
{
	return dp->tracepoint_fault;
}
