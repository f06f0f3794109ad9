/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the datapath decided about one packet, told step by step. */
#ifndef XLB_XLBD_API_TRACE_H
#define XLB_XLBD_API_TRACE_H

#include "core/packet.h"
#include "xlbd/api_private.h"

/* A packet on its way, as an event tells it; `data` are the first bytes it came with. */
struct trace {
	struct engine *engine;
	const struct xlb_event *event;
	struct packet_info came, leaves; /* leaves.family 0: it does not */
	bool dry_run;
};

void trace_read(struct trace *trace, struct engine *engine, const struct xlb_event *event,
		const uint8_t *data);
/* {"packet": ..., "steps": [{"step": "listener", "text": "edge/http"}, ...], "verdict": ..., ...} */
json_t *trace_json(const struct trace *trace);

/* The two ends of the packets asked for, from the query options client, vip and protocol. */
struct trace_request {
	struct packet_info packet;
	struct xlb_watch watch; /* for the same packets, both ways */
	char interface[IFNAMSIZ];
	uint32_t ifindex;
};
extern const char *const trace_options[], *const trace_live_options[];
int trace_request_read(struct call *call, bool live, struct trace_request *ret,
		       struct xlb_err *err);

#endif
