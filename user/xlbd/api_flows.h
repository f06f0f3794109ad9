/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Work on the flows that a filter means: what listing and killing them share. Slices of the loop's time. */
#ifndef XLB_XLBD_API_FLOWS_H
#define XLB_XLBD_API_FLOWS_H

#include <event2/event.h>

#include "core/flow_filter.h"
#include "xlbd/api_private.h"

/* Part of a call's job. */
struct flow_work {
	struct call *call;
	struct api *api;
	struct event *timer; /* the next slice */
	struct flow_walk *walk;
	struct flow_filter filter; /* its names are the call's */
	uint64_t ids_version;	   /* that the filter was resolved for */
	uint32_t now;		   /* stamp of the slice */
	uint64_t matched, scanned;
};

/*
 * Reads the filter from the call's query and joins the works under way, of which there may be a few only.
 * `run` is called with arg for every slice. After an error flow_work_close is due as well.
 */
int flow_work_open(struct flow_work *work, struct call *call, event_callback_fn run, void *arg,
		   struct xlb_err *err);
/* Also of one that is all zero. */
void flow_work_close(struct flow_work *work);
/* Begins a slice: -ENOMEM, or -ECANCELED if the client has gone away; err filled. */
int flow_work_begin(struct flow_work *work, struct xlb_err *err);
/* The state of the flow if it is meant, else 0. Counts it. */
uint8_t flow_work_meets(struct flow_work *work, const struct xlb_flow_key *key,
			const struct xlb_flow *flow);
/* Goes on after so many microseconds. */
int flow_work_pause(struct flow_work *work, uint32_t us);

#endif
