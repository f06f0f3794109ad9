/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program loaded a second time as another variant (bpf/variant.h), on the same maps: one that tells what
 * it decides and may run in the place of the one that forwards, one for dry runs that writes to no map
 * that others see, and one that forwards too, but frames of several buffers (xdp.frags).
 */
#ifndef XLB_SYS_DATAPATH_VARIANT_H
#define XLB_SYS_DATAPATH_VARIANT_H

#include "sys/datapath.h"

struct variant;

enum variant_kind { VARIANT_OBSERVE, VARIANT_DRY_RUN, VARIANT_JUMBO };

/*
 * Loads a variant. The verifier takes its time (some 0.1 s): run it in a worker. The datapath must stay open
 * until the variant is freed; apart from reading its maps' descriptors nothing of it is touched.
 */
int variant_load(const struct datapath *dp, enum variant_kind kind, struct variant **ret,
		 struct xlb_err *err);
/* The variant must not be attached. Waits for the kernel, some 0.3 s: in a thread, please. */
struct variant *variant_free(struct variant *variant);
DEFINE_CLEANUP(struct variant, variant_free)

/*
 * Puts a VARIANT_OBSERVE in the place of the program that forwards, on all NICs, or takes it out again. Each
 * NIC is switched at once and loses no packet. A daemon that dies meanwhile leaves it running; the next one
 * puts its own program in place.
 */
int variant_attach(struct datapath *dp, struct variant *variant, struct xlb_err *err);
int variant_detach(struct datapath *dp, struct variant *variant, struct xlb_err *err);

/* File descriptor of its program, for BPF_PROG_TEST_RUN. */
int variant_program_fd(const struct variant *variant);

/* `data` has event->captured bytes. */
typedef void (*variant_event)(void *arg, const struct xlb_event *event, const uint8_t *data);
/* Readable when there are events. */
int variant_fd(const struct variant *variant);
/* Hands over at most `budget` events; true if there may be more. */
bool variant_read(struct variant *variant, uint32_t budget, variant_event take, void *arg);

/* Who wants which packets: entry `index` of XLB_WATCHES. */
void variant_watch(struct variant *variant, uint32_t index, const struct xlb_watch *watch);
/* Nobody wants any by this entry any more; what was counted as skipped stays. */
void variant_unwatch(struct variant *variant, uint32_t index);
/* Events of the entry that found no room since it was set, of frames that came or leave by the interface. */
uint64_t variant_skipped(const struct variant *variant, uint32_t index, uint32_t slot);

/* What one flow did while it was measured. */
struct flow_traffic {
	struct xlb_flow_key key;
	struct xlb_flow_traffic traffic;
};
/* Begins to count packets per flow, on top of what is in the map, or ends it. It keeps the busiest 65536 flows. */
void variant_measure(struct variant *variant, bool on);
#define VARIANT_TRAFFIC_STEP 256
/*
 * Takes up to VARIANT_TRAFFIC_STEP of the flows counted out of the map, some 0.2 ms; the next call takes the
 * next ones, until it is done. While nothing is counted, please.
 */
int variant_traffic_take(struct variant *variant, struct flow_traffic *rows, size_t *ret_count,
			 bool *ret_done, struct xlb_err *err);

/*
 * Sends a frame through a VARIANT_DRY_RUN as if it had come in by the NIC; the NIC's slot must be known to
 * the datapath. Fills the verdict of XDP; what was decided is in the events.
 */
int variant_run(struct variant *variant, uint32_t ifindex, const void *frame, size_t size,
		uint32_t *ret_action, struct xlb_err *err);

#endif
