/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters. Per CPU: a program is not interrupted by itself, plain additions are enough. */
#ifndef XLB_BPF_COUNT_H
#define XLB_BPF_COUNT_H

#include "maps.h"
#include "pkt.h"

static __always_inline void count_drops(const struct packet *pkt, __u32 reason, __u32 packets)
{
	__u32 key = pkt->slot * XLB_DROP_STRIDE + reason;
	__u64 *drops_of = bpf_map_lookup_elem(&drops, &key);

	if (drops_of)
		*drops_of += packets;
}

static __always_inline void count_drop(const struct packet *pkt, __u32 reason)
{
	count_drops(pkt, reason, 1);
}

/*
 * Keeps the packet as the last one dropped for the reason, unless the one kept is young. A function of its
 * own: it has no place among the code that every packet runs through.
 */
GLOBAL_STEP int sample_drop(struct xdp_md *ctx, __u32 reason, __u32 slot, __u32 listener,
			    __u32 server)
{
	struct xlb_drop_sample *sample = bpf_map_lookup_elem(&drop_samples, &reason);
	__u32 length = (__u32)bpf_xdp_get_buff_len(ctx);
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!sample || (sample->time && now - sample->time < XLB_SAMPLE_PERIOD))
		return 0;
	*(volatile __u32 *)&sample->sequence += 1;
	sample->slot = slot;
	sample->time = now;
	sample->listener = listener;
	sample->server = server;
	sample->length = length;
	if (length > XLB_SAMPLE_BYTES)
		length = XLB_SAMPLE_BYTES;
	sample->captured = length;
	if (length < 1 ||
	    bpf_xdp_load_bytes(ctx, 0, sample->data, size_within(length, XLB_SAMPLE_BYTES)))
		sample->captured = 0;
	*(volatile __u32 *)&sample->sequence += 1;
	return 0;
}

/* The same of a frame that was lost after the verdict: when and where, the frame itself is gone. */
static __always_inline void sample_lost(__u32 reason, __u32 slot)
{
	struct xlb_drop_sample *sample = bpf_map_lookup_elem(&drop_samples, &reason);

	if (!sample)
		return;
	*(volatile __u32 *)&sample->sequence += 1;
	sample->slot = slot;
	/* the coarse clock is not for programs of this type */
	sample->time = bpf_ktime_get_ns();
	*(volatile __u32 *)&sample->sequence += 1;
}

static __always_inline void count_eviction(void)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&evictions, &key);

	if (count)
		*count += 1;
}

/* A packet seen on its interface, and what became of it. */
static __always_inline void count_interface(const struct packet *pkt,
					    enum xlb_interface_counter outcome)
{
	__u32 slot = pkt->slot;
	struct interface_counters *counters = bpf_map_lookup_elem(&interface_counters, &slot);

	if (!counters)
		return;
	counters->count[XLB_IFCOUNT_PACKETS] += 1;
	counters->count[XLB_IFCOUNT_BYTES] += pkt->frame_length;
	counters->count[outcome] += 1;
}

/* Adds to one counter of a listener and a server, as far as they are known. */
static __always_inline void count_flow(__u32 listener, __u32 server, enum xlb_flow_counter counter)
{
	struct flow_counters *counters;

	if (listener) {
		counters = bpf_map_lookup_elem(&listener_counters, &listener);
		if (counters)
			counters->count[counter] += 1;
	}
	if (server) {
		counters = bpf_map_lookup_elem(&server_counters, &server);
		if (counters)
			counters->count[counter] += 1;
	}
}

/* Bytes are counted behind packets. */
_Static_assert(XLB_COUNT_BYTES_IN == XLB_COUNT_PACKETS_IN + 1 &&
		       XLB_COUNT_BYTES_OUT == XLB_COUNT_PACKETS_OUT + 1,
	       "order of the counters");

static __always_inline void count_traffic(struct flow_counters *counters, const struct packet *pkt)
{
	__u64 *packets;

	if (!counters)
		return;
	packets = &counters->count[pkt->reply ? XLB_COUNT_PACKETS_OUT : XLB_COUNT_PACKETS_IN];
	packets[0] += 1;
	packets[1] += pkt->frame_length;
}

/* A forwarded packet of a known listener and server. */
static __always_inline void count_forwarded(const struct packet *pkt)
{
	__u32 id = pkt->listener;

	count_traffic(bpf_map_lookup_elem(&listener_counters, &id), pkt);
	id = pkt->server;
	count_traffic(bpf_map_lookup_elem(&server_counters, &id), pkt);
}

#endif
