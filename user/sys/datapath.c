/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening and closing the datapath. */
#include "sys/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sys/datapath_private.h"
#include "sys/datapath_variant.h"
#include "xlb.skel.h" /* after abi.h, whose structs are in variables */

#define TABLES_SECTION	 ".bss" /* of struct xlb_tables and nothing else */
#define KERNEL_MIN_MAJOR 6
#define KERNEL_MIN_MINOR 1

int datapath_err(struct xlb_err *err, int r, const char *format, ...)
{
	bool denied = r == -EPERM || r == -EACCES;
	char what[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	xlb_err_set(err, denied ? XLB_ERR_PERMISSION : XLB_ERR_FAILED, r, "%s: %s", what,
		    strerror(-r));
	if (denied)
		xlb_err_hint(
			err,
			"run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN "
			"(maps are opened by id)");
	else if (r == -ENOMEM)
		xlb_err_hint(
			err,
			"the kernel has no memory for it, or the memory limit of this service or "
			"container is reached: allow more, or fewer flows");
	return r;
}

__attribute__((format(printf, 2, 0))) static int print_libbpf(enum libbpf_print_level level,
							      const char *format, va_list args)
{
	(void)level;
	return getenv("XLB_DEBUG") ? vfprintf(stderr, format, args) : 0;
}

static bool kernel_is_old(struct utsname *ret_name)
{
	unsigned int major = 0, minor = 0;

	if (uname(ret_name) || sscanf(ret_name->release, "%u.%u", &major, &minor) != 2)
		return false;
	return major < KERNEL_MIN_MAJOR || (major == KERNEL_MIN_MAJOR && minor < KERNEL_MIN_MINOR);
}

int datapath_load_err(struct xlb_err *err, int r, const char *log)
{
	struct utsname name = {};

	if (!log[0]) {
		datapath_err(err, r, "cannot load the datapath into the kernel");
		if (kernel_is_old(&name))
			xlb_err_hint(err, "this is Linux %s, xlb needs %d.%d or newer",
				     name.release, KERNEL_MIN_MAJOR, KERNEL_MIN_MINOR);
		return r;
	}
	if (getenv("XLB_DEBUG"))
		fputs(log, stderr);
	if (kernel_is_old(&name)) {
		xlb_err_set(err, XLB_ERR_UNSUPPORTED, r,
			    "the kernel rejected the program (verifier): Linux %s is too old",
			    name.release);
		xlb_err_hint(err, "xlb needs Linux %d.%d or newer", KERNEL_MIN_MAJOR,
			     KERNEL_MIN_MINOR);
		return r;
	}
	xlb_err_set(err, XLB_ERR_FAILED, r,
		    "the kernel rejected the program (verifier): this is a bug in xlb (Linux %s)",
		    name.release);
	xlb_err_hint(err, "please report it with what XLB_DEBUG=1 prints");
	return r;
}

const char *map_word(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map), *section = strrchr(name, '.');

	return section && !strcmp(section, TABLES_SECTION) ? "tables" : name;
}

bool map_is_shared(const struct bpf_map *map)
{
	/* see pins_stages_prepare() */
	if (bpf_map__type(map) == BPF_MAP_TYPE_PROG_ARRAY)
		return false;
	return !bpf_map__is_internal(map) || map_word(map) != bpf_map__name(map);
}

static int object_load(struct datapath *dp, const struct datapath_options *options,
		       struct xlb_err *err)
{
	AUTO_FREE char *log = calloc(1, VERIFIER_LOG_SIZE);
	struct bpf_program *program;
	AUTO_CLOSE int model = -1;
	uint64_t adopted = 0;
	int r;

	dp->skel = xlb__open();
	if (!dp->skel || !log)
		return datapath_err(err, dp->skel ? -ENOMEM : -errno,
				    "cannot prepare the datapath");
	bpf_program__set_autoload(dp->skel->progs.xlb_pass, false);
	variant_leave_out(dp->skel->obj);
	bpf_object__for_each_program(program, dp->skel->obj)
		bpf_program__set_log_buf(program, log, VERIFIER_LOG_SIZE);
	model = tables_model(options->flows);
	r = model < 0 ? model : bpf_map__set_inner_map_fd(dp->skel->maps.flow_chunks, model);
	if (r < 0)
		return datapath_err(err, r, "cannot prepare the flow tables");
	if (dp->pin_dir) {
		r = pins_prepare(dp->pin_dir, err);
		if (r < 0)
			return r;
		r = pins_adopt(dp->pin_dir, dp->skel->obj, &adopted, err);
		if (r < 0)
			return r;
	}
	r = xlb__load(dp->skel);
	if (r < 0)
		return datapath_load_err(err, r, log);
	dp->program_fd = dp->own_program_fd = bpf_program__fd(dp->skel->progs.xlb);
	dp->flow_end_fd = bpf_program__fd(dp->skel->progs.xlb_flow_end);
	if (!dp->pin_dir)
		return 0;
	r = pins_complete(dp->pin_dir, dp->skel->obj, adopted, err);
	return r < 0 ? r : pins_stages_prepare(dp->pin_dir, STAGES, dp->skel->maps.stages, err);
}

static int maps_open(struct datapath *dp, struct xlb_err *err)
{
	static const char *const names[MAP_COUNT] = {
#define X(NAME, name) [MAP_##NAME] = #name,
		DATAPATH_MAPS(X)
#undef X
	};
	/* mapped by the skeleton */
	struct xlb_tables *all = &dp->skel->bss->tables;

#define X(NAME, name) \
	dp->maps[MAP_##NAME] = (struct map){ \
		.fd = -1, \
		.entries = sizeof(all->name) / sizeof(all->name[0]), \
		.words = (uint64_t *)all->name, \
		.stride = sizeof(all->name[0]) / 8, \
	};
	DATAPATH_TABLES(X)
#undef X
	for (int i = 0; i < MAP_COUNT; i++) {
		int r;

		if (!names[i])
			continue;
		dp->maps[i].fd = datapath_map_fd(dp, names[i]);
		if (dp->maps[i].fd < 0)
			return datapath_err(err, dp->maps[i].fd, "the program has no map '%s'",
					    names[i]);
		r = map_mmap(&dp->maps[i], names[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int contents_open(struct datapath *dp, struct xlb_err *err)
{
	int r;

	dp->maglev = (struct chunks){
		.name = "maglev_chunks",
		.outer_fd = dp->maps[MAP_MAGLEV_CHUNKS].fd,
		.count = XLB_MAGLEV_CHUNKS,
		.words = XLB_MAGLEV_PER_CHUNK * XLB_MAGLEV_WORDS,
		.value_words = 1,
	};
	dp->snat = (struct chunks){
		.name = "snat_chunks",
		.outer_fd = dp->maps[MAP_SNAT_CHUNKS].fd,
		.count = XLB_SNAT_CHUNKS,
		.words = XLB_SNAT_PER_CHUNK * XLB_SNAT_WORDS,
		.value_words = 1,
	};
	dp->rules = (struct chunks){
		.name = "rule_chunks",
		.outer_fd = dp->maps[MAP_RULE_CHUNKS].fd,
		.count = XLB_RULES_CHUNKS,
		.words = XLB_RULES_PER_CHUNK * XLB_RULES_PAGE_WORDS,
		.value_words = XLB_RULES_PAGE_WORDS,
	};
	probes_clear(dp);
	r = chunks_adopt(&dp->maglev, err);
	if (r == 0)
		r = chunks_adopt(&dp->snat, err);
	if (r == 0)
		r = chunks_adopt(&dp->rules, err);
	if (r == 0)
		r = maglev_adopt(dp, err);
	if (r == 0)
		r = port_set_adopt(dp, err);
	if (r == 0)
		r = rules_adopt(dp, err);
	if (r == 0 && datapath_rows_open(dp) < 0)
		r = datapath_err(err, -ENOMEM, "cannot keep track of rows");
	return r;
}

/* A map of maps of our own: the kernel ends an update of one by waiting for a grace period. */
static int settle_open(struct datapath *dp, struct xlb_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	dp->settle_inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "xlb_settle", 4, 4, 1, NULL);
	opts.inner_map_fd = (uint32_t)dp->settle_inner_fd;
	if (dp->settle_inner_fd >= 0)
		dp->settle_outer_fd =
			bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "xlb_settle", 4, 4, 1, &opts);
	if (dp->settle_outer_fd < 0)
		return datapath_err(err, -errno, "cannot create a map");
	return 0;
}

bool datapath_settle_begin(struct datapath *dp)
{
	bool maglev, pages, rules;

	host_ports_forget(dp);
	maglev = slots_settle_begin(&dp->maglev_tables);
	pages = slots_settle_begin(&dp->port_pages);
	rules = slots_settle_begin(&dp->rule_pages);
	return maglev || pages || rules;
}

void datapath_settle_wait(struct datapath *dp)
{
	uint32_t key = 0;

	/* replaces a map by itself: this cannot fail for lack of anything */
	bpf_map_update_elem(dp->settle_outer_fd, &key, &dp->settle_inner_fd, BPF_ANY);
}

void datapath_settle_end(struct datapath *dp)
{
	slots_settle_end(&dp->maglev_tables);
	slots_settle_end(&dp->port_pages);
	slots_settle_end(&dp->rule_pages);
}

void datapath_settle(struct datapath *dp)
{
	datapath_settle_begin(dp);
	datapath_settle_wait(dp);
	datapath_settle_end(dp);
}

int datapath_open(const struct datapath_options *options, struct datapath **ret,
		  struct xlb_err *err)
{
	AUTO(datapath_close) struct datapath *dp = calloc(1, sizeof(*dp));
	struct datapath_options sized = *options;
	int r;

	if (!dp)
		return datapath_err(err, -ENOMEM, "cannot open the datapath");
	TAILQ_INIT(&dp->attachments);
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++)
		dp->tracepoints[i] = -1;
	dp->settle_inner_fd = dp->settle_outer_fd = -1;
	if (options->pin_dir) {
		dp->pin_dir = strdup(options->pin_dir);
		if (!dp->pin_dir)
			return datapath_err(err, -ENOMEM, "cannot open the datapath");
	}
	if (!sized.flows)
		sized.flows = XLB_DEFAULT_FLOWS;
	libbpf_set_print(print_libbpf);
	r = object_load(dp, &sized, err);
	if (r == 0)
		r = maps_open(dp, err);
	if (r == 0)
		r = tables_open(dp, sized.flows, err);
	if (r == 0)
		r = contents_open(dp, err);
	if (r == 0)
		r = settle_open(dp, err);
	if (r == 0 && dp->pin_dir)
		r = attachments_adopt(dp, err);
	if (r == 0 && dp->pin_dir)
		r = pins_stages_commit(dp->pin_dir, STAGES, err);
	if (r == 0 && dp->pin_dir && dp->jumbo)
		r = pins_stages_commit(dp->pin_dir, STAGES_JUMBO, err);
	if (r < 0)
		return r;
	/* whoever observed is gone, and the interfaces have this program again */
	if (dp->pin_dir)
		pins_stages_remove(dp->pin_dir, STAGES_OBSERVING);
	tracepoints_follow(dp);
	*ret = TAKE(dp);
	return 0;
}

struct datapath *datapath_close(struct datapath *dp)
{
	if (!dp)
		return NULL;
	attachments_close(dp);
	variant_free(dp->jumbo);
	tracepoints_close(dp);
	cleanup_close(&dp->settle_outer_fd);
	cleanup_close(&dp->settle_inner_fd);
	datapath_rows_close(dp);
	slots_done(&dp->maglev_tables);
	slots_done(&dp->port_pages);
	slots_done(&dp->rule_pages);
	chunks_done(&dp->maglev);
	chunks_done(&dp->snat);
	chunks_done(&dp->rules);
	tables_close(dp);
	host_ports_forget(dp);
	for (int i = 0; i < MAP_COUNT; i++)
		map_munmap(&dp->maps[i]);
	xlb__destroy(dp->skel);
	free(dp->pin_dir);
	free(dp);
	return NULL;
}

void datapath_unpin(struct datapath *dp)
{
	if (dp->pin_dir)
		pins_remove(dp->pin_dir);
}

int datapath_program_fd(const struct datapath *dp)
{
	return dp->program_fd;
}

int datapath_map_fd(const struct datapath *dp, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (!strcmp(map_word(map), name))
			return bpf_map__fd(map);
	}
	return -ENOENT;
}
