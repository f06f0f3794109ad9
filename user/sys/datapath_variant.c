/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sys/datapath_variant.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/datapath_private.h"
#include "xlb.skel.h" /* after abi.h, whose structs are in variables */

#define DRY_RUN_RING (1U << 16) /* bytes: a few events */
#define FRAME_ROOM   2048

struct variant {
	enum variant_kind kind;
	bool jumbo; /* takes frames of several buffers */
	struct xlb *skel;
	struct ring_buffer *ring;
	int tracepoints[TRACEPOINT_COUNT];
	bool attached;
	/* of a variant_read under way */
	variant_event take;
	void *arg;
	uint32_t budget;
	uint64_t skipped_before[XLB_WATCHES][XLB_MAX_INTERFACES];
	/* where in the map of traffic the next rows are taken; at its begin unless `taking` */
	uint32_t taken_to;
	bool taking;
};

/* Whose a map is. */
enum map_use {
	USE_SHARED,    /* the datapath's; a map that is not in the table */
	USE_OWN,       /* every object has it for itself */
	USE_OBSERVING, /* the same, and only variants need it */
	USE_COUNTER,   /* sums of real packets: a dry run has its own, too small to hold anything */
};

static const struct {
	const char *map;
	enum map_use use;
} uses[] = {
	{ "work_of_cpu", USE_OWN },
	{ "flow_draft", USE_OWN },
	{ "quic_scratch", USE_OWN },
	{ "event_scratch", USE_OBSERVING },
	{ "budgets", USE_OWN },
	{ "events", USE_OBSERVING },
	{ "flow_traffic", USE_OBSERVING },
	{ "listener_counters", USE_COUNTER },
	{ "server_counters", USE_COUNTER },
	{ "interface_counters", USE_COUNTER },
	{ "drops", USE_COUNTER },
	{ "drop_samples", USE_COUNTER },
	{ "evictions", USE_COUNTER },
};

static enum map_use use_of(const struct bpf_map *map)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (!strcmp(bpf_map__name(map), uses[i].map))
			return uses[i].use;
	return USE_SHARED;
}

void variant_leave_out(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		if (use_of(map) == USE_OBSERVING)
			bpf_map__set_autocreate(map, false);
	}
}

/*
 * The kernel lets programs share a map of devices only if all of them take frames of several buffers, or none: those
 * that do have one of their own.
 */
static int devices_share(const struct datapath *dp, struct bpf_map *map)
{
	return dp->jumbo ? bpf_map__reuse_fd(map, jumbo_devices(dp)) : 0;
}

/* Gives the object the maps of the datapath, but for those of its own. */
static int maps_share(const struct datapath *dp, struct variant *variant, struct xlb_err *err)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, variant->skel->obj)
	{
		const char *name = map_word(map);
		enum map_use use = use_of(map);
		int fd, r = 0;

		if (!map_is_shared(map) || use == USE_OWN || use == USE_OBSERVING)
			continue;
		if (map == variant->skel->maps.devices && variant->jumbo) {
			r = devices_share(dp, map);
			if (r < 0)
				return datapath_err(err, r, "cannot share map '%s'", name);
			continue;
		}
		if (variant->kind == VARIANT_DRY_RUN && use == USE_COUNTER) {
			r = bpf_map__set_max_entries(map, 1);
		} else {
			fd = datapath_map_fd(dp, name);
			r = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		}
		if (r < 0)
			return datapath_err(err, r, "cannot share map '%s'", name);
	}
	if (variant->kind == VARIANT_DRY_RUN)
		bpf_map__set_max_entries(variant->skel->maps.events, DRY_RUN_RING);
	return 0;
}

/* Of the programs that packets go through, which go on with one another: all but xlb_pass. */
static bool takes_packets(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_XDP &&
	       strcmp(bpf_program__name(program), "xlb_pass");
}

static void choose_programs(struct variant *variant)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, variant->skel->obj) bpf_program__set_autoload(
		program, takes_packets(program) ||
				 (variant->kind == VARIANT_OBSERVE && is_tracepoint(program)));
}

/* Where a NIC has the program for frames of several buffers, the one that takes its place must be such as well. */
static void choose_jumbo(const struct datapath *dp, struct variant *variant)
{
	struct bpf_program *program;

	variant->jumbo = variant->kind == VARIANT_JUMBO ||
			 (variant->kind == VARIANT_OBSERVE && dp->jumbo);
	variant->skel->rodata->jumbo = variant->jumbo;
	if (!variant->jumbo)
		return;
	bpf_object__for_each_program(program, variant->skel->obj)
	{
		if (takes_packets(program))
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
}

static int take_event(void *arg, void *data, size_t size)
{
	struct variant *variant = arg;
	const struct xlb_event *event = data;

	if (size >= sizeof(*event) && size >= sizeof(*event) + event->captured)
		variant->take(variant->arg, event, (const uint8_t *)(event + 1));
	return --variant->budget ? 0 : -EAGAIN;
}

int variant_load(const struct datapath *dp, enum variant_kind kind, struct variant **ret,
		 struct xlb_err *err)
{
	AUTO(variant_free) struct variant *variant = calloc(1, sizeof(*variant));
	AUTO_FREE char *log = calloc(1, VERIFIER_LOG_SIZE);
	struct bpf_program *program;
	char ignored[128];
	int r;

	/* before any way out: what is freed closes them */
	for (size_t i = 0; variant && i < TRACEPOINT_COUNT; i++)
		variant->tracepoints[i] = -1;
	if (!variant || !log)
		return datapath_err(err, -ENOMEM, "cannot load a variant of the program");
	variant->kind = kind;
	variant->skel = xlb__open();
	if (!variant->skel)
		return datapath_err(err, -errno, "cannot load a variant of the program");
	variant->skel->rodata->observing = kind != VARIANT_JUMBO;
	variant->skel->rodata->dry_run = kind == VARIANT_DRY_RUN;
	if (kind == VARIANT_JUMBO)
		variant_leave_out(variant->skel->obj);
	choose_programs(variant);
	choose_jumbo(dp, variant);
	bpf_object__for_each_program(program, variant->skel->obj)
		bpf_program__set_log_buf(program, log, VERIFIER_LOG_SIZE);
	r = maps_share(dp, variant, err);
	if (r < 0)
		return r;
	r = xlb__load(variant->skel);
	if (r < 0)
		return datapath_load_err(err, r, log);
	if (kind != VARIANT_JUMBO) {
		variant->ring = ring_buffer__new(bpf_map__fd(variant->skel->maps.events),
						 take_event, variant, NULL);
		if (!variant->ring)
			return datapath_err(err, -errno, "cannot map the ring of events");
	}
	/* losses that cannot be told are not told, as they cannot be counted either */
	if (kind == VARIANT_OBSERVE)
		tracepoints_attach(variant->skel->obj, variant->tracepoints, ignored,
				   sizeof(ignored));
	*ret = TAKE(variant);
	return 0;
}

struct variant *variant_free(struct variant *variant)
{
	if (!variant)
		return NULL;
	ring_buffer__free(variant->ring);
	for (size_t i = 0; i < TRACEPOINT_COUNT; i++)
		cleanup_close(&variant->tracepoints[i]);
	xlb__destroy(variant->skel);
	free(variant);
	return NULL;
}

int variant_attach(struct datapath *dp, struct variant *variant, struct xlb_err *err)
{
	int r = 0;

	if (variant->kind != VARIANT_OBSERVE)
		return datapath_err(err, -EINVAL, "this variant takes no other's place");
	if (dp->pin_dir)
		r = pins_stages_prepare(dp->pin_dir, STAGES_OBSERVING, variant->skel->maps.stages,
					err);
	if (!r)
		r = attachments_switch(dp, bpf_program__fd(variant->skel->progs.xlb), err);
	variant->attached = !r;
	return !r && dp->pin_dir ? pins_stages_commit(dp->pin_dir, STAGES_OBSERVING, err) : r;
}

int variant_detach(struct datapath *dp, struct variant *variant, struct xlb_err *err)
{
	int r;

	if (!variant->attached)
		return 0;
	r = attachments_switch(dp, dp->own_program_fd, err);
	if (r)
		return r;
	variant->attached = false;
	if (dp->pin_dir)
		pins_stages_remove(dp->pin_dir, STAGES_OBSERVING);
	return 0;
}

int jumbo_devices(const struct datapath *dp)
{
	return dp->jumbo ? bpf_map__fd(dp->jumbo->skel->maps.devices) : -1;
}

static void devices_copy(const struct datapath *dp)
{
	for (uint32_t slot = 1, device; slot < XLB_MAX_INTERFACES; slot++)
		if (!bpf_map_lookup_elem(dp->maps[MAP_DEVICES].fd, &slot, &device))
			bpf_map_update_elem(jumbo_devices(dp), &slot, &device, BPF_ANY);
}

int jumbo_use(struct datapath *dp, struct xlb_err *err)
{
	bool forwards = dp->program_fd == dp->own_program_fd;
	int r;

	if (dp->jumbo)
		return 0;
	r = variant_load(dp, VARIANT_JUMBO, &dp->jumbo, err);
	if (r)
		return r;
	if (dp->pin_dir)
		r = pins_stages_prepare(dp->pin_dir, STAGES_JUMBO, dp->jumbo->skel->maps.stages,
					err);
	if (r) {
		dp->jumbo = variant_free(dp->jumbo);
		return r;
	}
	devices_copy(dp);
	dp->own_program_fd = variant_program_fd(dp->jumbo);
	if (forwards)
		dp->program_fd = dp->own_program_fd;
	return 0;
}

int variant_program_fd(const struct variant *variant)
{
	return bpf_program__fd(variant->skel->progs.xlb);
}

int variant_fd(const struct variant *variant)
{
	return ring_buffer__epoll_fd(variant->ring);
}

bool variant_read(struct variant *variant, uint32_t budget, variant_event take, void *arg)
{
	variant->take = take;
	variant->arg = arg;
	variant->budget = budget;
	return ring_buffer__consume(variant->ring) == -EAGAIN;
}

/* Which listeners' packets the entry, or measuring, is interested in: one, or (listener 0) all. */
static void interest_set(struct variant *variant, uint8_t bit, bool on, uint32_t listener)
{
	uint8_t *watched = variant->skel->data_watch->watched;

	for (uint32_t i = 0; i < XLB_MAX_LISTENERS; i++) {
		if (on && (!listener || i == listener))
			watched[i] |= bit;
		else
			watched[i] &= (uint8_t)~bit;
	}
}

void variant_watch(struct variant *variant, uint32_t index, const struct xlb_watch *watch)
{
	struct xlb_watch *entry = &variant->skel->data_watch->watches[index];
	struct xlb_watch idle = *watch;

	memcpy(variant->skipped_before[index], variant->skel->data_watch->watch_skipped[index],
	       sizeof(variant->skipped_before[index]));
	/* packets read it meanwhile: nobody's until it is whole */
	idle.set = 0;
	__atomic_store_n(&entry->set, 0, __ATOMIC_SEQ_CST);
	*entry = idle;
	__atomic_store_n(&entry->set, watch->set, __ATOMIC_SEQ_CST);
	interest_set(variant, (uint8_t)(1U << index), true,
		     watch->set & XLB_WATCH_LISTENER ? watch->listener : 0);
}

void variant_unwatch(struct variant *variant, uint32_t index)
{
	__atomic_store_n(&variant->skel->data_watch->watches[index].set, 0, __ATOMIC_SEQ_CST);
	interest_set(variant, (uint8_t)(1U << index), false, 0);
}

uint64_t variant_skipped(const struct variant *variant, uint32_t index, uint32_t slot)
{
	return variant->skel->data_watch->watch_skipped[index][slot] -
	       variant->skipped_before[index][slot];
}

/* --- traffic of flows ------------------------------------------------------------------------------- */

void variant_measure(struct variant *variant, bool on)
{
	interest_set(variant, XLB_WATCHED_MEASURE, on, 0);
	variant->taking = false;
}

int variant_traffic_take(struct variant *variant, struct flow_traffic *rows, size_t *ret_count,
			 bool *ret_done, struct xlb_err *err)
{
	struct xlb_flow_key keys[VARIANT_TRAFFIC_STEP];
	struct xlb_flow_traffic values[VARIANT_TRAFFIC_STEP];
	uint32_t count = VARIANT_TRAFFIC_STEP, next;
	int r;

	r = bpf_map_lookup_and_delete_batch(bpf_map__fd(variant->skel->maps.flow_traffic),
					    variant->taking ? &variant->taken_to : NULL, &next,
					    keys, values, &count, NULL);
	if (r && errno != ENOENT)
		return datapath_err(err, -errno, "cannot read the traffic of flows");
	for (uint32_t i = 0; i < count; i++)
		rows[i] = (struct flow_traffic){ keys[i], values[i] };
	variant->taking = !r;
	variant->taken_to = next;
	*ret_count = count;
	*ret_done = r != 0;
	return 0;
}

/* --- dry runs --------------------------------------------------------------------------------------- */

int variant_run(struct variant *variant, uint32_t ifindex, const void *frame, size_t size,
		uint32_t *ret_action, struct xlb_err *err)
{
	uint8_t room[FRAME_ROOM];
	struct xdp_md context = { .data_end = (uint32_t)size, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size,
		    .data_out = room, .data_size_out = sizeof(room), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	if (variant->kind != VARIANT_DRY_RUN)
		return datapath_err(err, -EINVAL, "only a dry run takes frames");
	if (bpf_prog_test_run_opts(bpf_program__fd(variant->skel->progs.xlb), &opts))
		return datapath_err(err, -errno, "cannot run the program");
	*ret_action = opts.retval;
	return 0;
}
