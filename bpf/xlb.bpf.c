// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * xlb's datapath: entry points and the pipeline in order. Steps return 0, -XLB_DROP_x or XLB_PASS (pkt.h);
 * only this file turns them into XDP verdicts, and counts them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "budget.h"
#include "count.h"
#include "edit.h"
#include "fragment.h"
#include "icmp_answer.h"
#include "icmp_flow.h"
#include "listener.h"
#include "lost.h"
#include "maps.h"
#include "parse.h"
#include "probe.h"
#include "record.h"
#include "rst.h"
#include "serve.h"
#include "steady.h"
#include "vlan.h"
#include "watch.h"
#include "work.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* A packet to nobody that xlb knows: a reply all the same, if its source is a server's of a nat group. */
static __always_inline bool is_returned(const struct packet *pkt, __u32 flags)
{
	return flags & XLB_INTERFACE_RETURNS &&
	       address_find(&pkt->source).flags & XLB_ADDRESS_RETURNS;
}

/* True if the frame had VLAN tags, may be xlb's and has lost them: then it is to be parsed anew. */
GLOBAL_STEP int take_tags(struct xdp_md *ctx, struct packet *pkt)
{
	struct xlb_address role;
	__u32 flags;

	if (!pkt || vlan_read(ctx, pkt))
		return false;
	role = address_find(&pkt->destination);
	flags = interface_flags(pkt->slot);
	if (!is_own(&role) && !(flags & (XLB_INTERFACE_RETURNS | XLB_INTERFACE_PROBES)) &&
	    !observing)
		return false;
	return !vlan_strip(ctx, pkt);
}

/* Headers are in the first buffer, the rest may be in others. */
static __always_inline __u32 frame_length(struct xdp_md *ctx)
{
	return jumbo ? (__u32)bpf_xdp_get_buff_len(ctx) :
		       (__u32)((long)ctx->data_end - (long)ctx->data);
}

/*
 * Addresses of a packet; those of a frame with tags in a second turn, so that packets without pay nothing. The
 * compiler must not take the turns apart: what follows would have to fit both.
 */
static __always_inline int parse_frame(struct xdp_md *ctx, struct packet *pkt,
				       struct cursor *cursor)
{
	int r, turn = 0;

	do {
		barrier_var(turn);
		*cursor = cursor_at(ctx, 0);
		r = parse_ends(cursor, frame_length(ctx), pkt);
	} while (r && !turn++ && take_tags(ctx, pkt));
	return r;
}

static __always_inline int process(struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct xlb_address role;
	struct cursor cursor;
	__u32 flags = 0;
	bool own;
	int r;

	r = parse_frame(ctx, pkt, &cursor);
	if (r)
		return r;
	role = address_find(&pkt->destination);
	own = is_own(&role);
	if (!own)
		flags = interface_flags(pkt->slot);
	work->returned = !own && is_returned(pkt, flags);
	if (!own && !work->returned && !(flags & XLB_INTERFACE_PROBES) && !observing)
		/* a router may have something to say about a packet to a server of a nat group */
		return flags & XLB_INTERFACE_RETURNS && parse_is_icmp(&cursor, pkt->family) ?
			       XLB_ODD :
			       XLB_PASS;
	if (!parse_plain(&cursor, pkt))
		return XLB_ODD;
	if (!own && !work->returned)
		return XLB_PASS;
	/* to an address of both kinds only the whole search tells which it is */
	r = role.snat || work->returned ? steady_reply(ctx, work, role.snat) :
					  steady_request(ctx, work, role.vip);
	if (r == XLB_CHANGE)
		work->role = role;
	return r;
}

/* The same for a packet that is not TCP or UDP as it should be. */
static __always_inline int process_odd(struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct xlb_address role;
	struct cursor cursor;
	int r = parse_frame(ctx, pkt, &cursor);

	if (r)
		return r;
	role = address_find(&pkt->destination);
	parse_rest(&cursor, pkt);
	if (pkt->fault == XLB_PASS && pkt->l4_offset)
		return is_own(&role) || interface_flags(pkt->slot) & XLB_INTERFACE_RETURNS ?
			       icmp(ctx, work, &role) :
			       XLB_PASS;
	if (pkt->fault == -XLB_DROP_FRAGMENT)
		return XLB_FRAGMENT;
	return is_own(&role) ? pkt->fault : XLB_PASS;
}

/* The same for a fragment of TCP or UDP. */
static __always_inline int process_fragment(struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct xlb_address role;
	struct cursor cursor;
	int r = parse_frame(ctx, pkt, &cursor);

	if (r)
		return r;
	role = address_find(&pkt->destination);
	parse_rest(&cursor, pkt);
	work->returned = !is_own(&role) && is_returned(pkt, interface_flags(pkt->slot));
	if (pkt->fault != -XLB_DROP_FRAGMENT || !(is_own(&role) || work->returned))
		return XLB_PASS;
	return fragment(ctx, work, &role);
}

/* What goes to the host is its own, but for answers to health checks, which must be changed first. */
static __always_inline int hand_over(struct xdp_md *ctx, const struct packet *pkt)
{
	int r;

	/* without an offset nothing was parsed, or nothing that has ports */
	if (!pkt->l4_offset || pkt->fault || !(interface_flags(pkt->slot) & XLB_INTERFACE_PROBES))
		return XLB_PASS;
	r = probe_answer(ctx, pkt);
	return r ? r : XLB_PASS;
}

/* How the sender of a packet is told why it goes no further; XLB_ANSWER_COUNT: not at all. */
static __always_inline enum xlb_answer answer_to(const struct packet *pkt, __u32 reason)
{
	if ((reason == XLB_DROP_NO_FLOW || reason == XLB_DROP_FLOW_RESET) &&
	    pkt->protocol == IPPROTO_TCP && !(pkt->tcp_flags & TCP_RST))
		return XLB_ANSWER_RST;
	if ((reason == XLB_DROP_MTU_EXCEEDED || reason == XLB_DROP_TTL_EXPIRED) &&
	    is_l4(pkt->protocol) && !(pkt->fragmented && pkt->fragment >= 8))
		return XLB_ANSWER_ICMP;
	return XLB_ANSWER_COUNT;
}

static __always_inline enum xlb_verdict verdict_of(enum xlb_answer answer)
{
	return answer == XLB_ANSWER_RST	 ? XLB_VERDICT_RESET :
	       answer == XLB_ANSWER_ICMP ? XLB_VERDICT_ICMP :
					   XLB_VERDICT_DROP;
}

/* Makes a frame, which is as it came, its answer. */
static __always_inline int answer_make(struct xdp_md *ctx, struct packet *pkt,
				       enum xlb_answer answer, __u32 reason)
{
	__u64 own = interface_mac(interface_find(pkt->link));
	int r = 0;

	if (pkt->tagged)
		r = vlan_strip(ctx, pkt);
	if (!r)
		r = answer == XLB_ANSWER_RST ? rst_make(ctx, pkt, own) :
					       icmp_refuse(ctx, reason, own);
	if (!r && pkt->tagged)
		r = vlan_put(ctx, pkt, 0);
	return r;
}

/*
 * Drops for a reason, or answers with RST or an ICMP error where that is the way to drop it: the verdict. Not among the
 * code of packets that go on, whose registers it would take.
 */
GLOBAL_STEP int refuse(struct xdp_md *ctx, __u32 reason)
{
	struct work *work = work_find();
	enum xlb_answer answer;
	struct packet *pkt;

	if (!work)
		return XDP_DROP;
	pkt = &work->pkt;
	answer = answer_to(pkt, reason);
	/* only who knows a flow gets as many as he likes: anybody can make up packets of none */
	if (answer != XLB_ANSWER_COUNT && reason != XLB_DROP_FLOW_RESET && !budget_spend(answer)) {
		answer = XLB_ANSWER_COUNT;
		reason = XLB_DROP_RATE_LIMITED;
	}
	count_drop(pkt, reason);
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	sample_drop(ctx, reason, pkt->slot, pkt->listener, pkt->server);
	watch_begin(pkt, pkt->listener);
	watch_before(ctx, pkt, NULL, verdict_of(answer), reason);
	if (answer != XLB_ANSWER_COUNT && !answer_make(ctx, pkt, answer, reason)) {
		count_flow(pkt->listener, pkt->server,
			   answer == XLB_ANSWER_RST ? XLB_COUNT_RESETS : XLB_COUNT_DROPS);
		count_interface(pkt, XLB_IFCOUNT_TX);
		watch_after(ctx, pkt);
		return XDP_TX;
	}
	count_flow(pkt->listener, pkt->server, XLB_COUNT_DROPS);
	count_interface(pkt, XLB_IFCOUNT_DROP);
	return XDP_DROP;
}

static __always_inline int forward(struct xdp_md *ctx, struct packet *pkt,
				   const struct egress *egress)
{
	int r = edit_link(ctx, egress->destination, egress->source);

	if (!r && (pkt->stripped || egress_is_tagged(egress)))
		r = vlan_put(ctx, pkt, egress->slot);
	if (r)
		return refuse(ctx, (__u32)-r);
	watch_after(ctx, pkt);
	if (goes_back(pkt, egress)) {
		count_forwarded(pkt);
		count_interface(pkt, XLB_IFCOUNT_TX);
		return XDP_TX;
	}
	count_forwarded(pkt);
	count_interface(pkt, XLB_IFCOUNT_REDIRECT);
	return XDP_REDIRECT;
}

static __always_inline int pass(struct xdp_md *ctx, struct packet *pkt)
{
	watch_begin(pkt, pkt->listener);
	watch_before(ctx, pkt, NULL, XLB_VERDICT_PASS, 0);
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	count_interface(pkt, XLB_IFCOUNT_PASS);
	return XDP_PASS;
}

/* The programs that a packet can go on with, each with a stack of its own: what is rare costs the others nothing. */
enum stage { STAGE_CHANGE, STAGE_ODD, STAGE_FRAGMENT, STAGE_COUNT };
int xlb_change(struct xdp_md *ctx);
int xlb_odd(struct xdp_md *ctx);
int xlb_fragment(struct xdp_md *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, STAGE_COUNT);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} stages SEC(".maps") = { .values = { [STAGE_CHANGE] = (void *)&xlb_change,
				      [STAGE_ODD] = (void *)&xlb_odd,
				      [STAGE_FRAGMENT] = (void *)&xlb_fragment } };

/* Hands the frame, as it came, to another program, which begins anew. Returns only if that one is away. */
static __always_inline int go_on(struct xdp_md *ctx, struct packet *pkt, enum stage stage)
{
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	bpf_tail_call(ctx, &stages, stage);
	/* for a moment only, while a daemon starts */
	return XLB_PASS;
}

/* A frame that has come in; NULL while the NIC is attached, but xlb was not told of it yet: nothing is its own. */
static __always_inline struct work *arrive(const struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 slot = interface_slot(ifindex);
	struct work *work = work_begin();

	if (!slot || !work)
		return NULL;
	work->pkt.slot = work->pkt.link = slot;
	return work;
}

/* What the steps have come to, as a verdict. */
static __always_inline int leave(struct xdp_md *ctx, struct work *work, int r)
{
	if (r < 0)
		return refuse(ctx, (__u32)-r);
	return r == XLB_PASS ? pass(ctx, &work->pkt) : forward(ctx, &work->pkt, &work->egress);
}

SEC("xdp")
int xlb(struct xdp_md *ctx)
{
	struct work *work = arrive(ctx);
	int r;

	if (!work)
		return XDP_PASS;
	r = process(ctx, work);
	if (r == XLB_CHANGE) {
		bpf_tail_call(ctx, &stages, STAGE_CHANGE);
		/* the host would end a connection of which it knows nothing */
		r = -XLB_DROP_INTERNAL;
	}
	if (r == XLB_PASS)
		r = hand_over(ctx, &work->pkt);
	if (r == XLB_ODD)
		r = go_on(ctx, &work->pkt, STAGE_ODD);
	return leave(ctx, work, r);
}

/* What is not of a flow in full swing: the frame and what is known of it are as `xlb` has left them. */
SEC("xdp")
int xlb_change(struct xdp_md *ctx)
{
	struct work *work = work_find();
	int r;

	if (!work)
		return XDP_DROP;
	r = serve(ctx, work, &work->role, work->look);
	if (r == XLB_PASS)
		r = hand_over(ctx, &work->pkt);
	return leave(ctx, work, r);
}

/* What is neither TCP nor UDP, or cannot be taken as it is. */
SEC("xdp")
int xlb_odd(struct xdp_md *ctx)
{
	struct work *work = arrive(ctx);
	struct packet *pkt;
	int r;

	if (!work)
		return XDP_PASS;
	pkt = &work->pkt;
	r = process_odd(ctx, work);
	if (r == XLB_FRAGMENT)
		r = go_on(ctx, pkt, STAGE_FRAGMENT);
	if (r != XLB_ANSWERED)
		return leave(ctx, work, r);
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	count_interface(pkt, XLB_IFCOUNT_TX);
	watch_after(ctx, pkt);
	return XDP_TX;
}

/* Fragments. */
SEC("xdp")
int xlb_fragment(struct xdp_md *ctx)
{
	struct work *work = arrive(ctx);

	return work ? leave(ctx, work, process_fragment(ctx, work)) : XDP_PASS;
}

/* For the far end of a veth: XDP_TX and redirect into one need a program there. */
SEC("xdp")
int xlb_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* On the way out of an interface that health checks through the datapath leave by. */
SEC("tc")
int xlb_probe_out(struct __sk_buff *skb)
{
	return probe_send(skb);
}

/* Ends one flow for the daemon: 0, or -FLOW_EAGAIN if it is not as the daemon has seen it. */
GLOBAL_STEP int end_one(struct flow_at *flow, __u32 action)
{
	/* the coarse clock is not for programs of this type */
	__u32 now = (__u32)(bpf_ktime_get_ns() >> XLB_STAMP_SHIFT) & XLB_STAMP_MASK;
	struct xlb_flow_page *page;
	__u64 next;

	if (!flow)
		return -FLOW_EAGAIN;
	page = table_page_at(&flow->at);
	if (!page)
		return -FLOW_EAGAIN;
	flow->fixed = word_read(page_word(page, flow->at.word + 1U));
	if (action == XLB_END_TOMBSTONE) {
		next = xlb_set(flow->live, (__u64)now, XLB_LIVE_STAMP);
		next = xlb_set(next, (__u64)XLB_FLOW_TOMBSTONE, XLB_LIVE_STATE);
		return flow_swap(flow, next) ? 0 : -FLOW_EAGAIN;
	}
	return record_end(flow, now);
}

/* Ends flows for the daemon, in step with packets: see struct xlb_flow_ends. */
SEC("syscall")
int xlb_flow_end(struct xlb_flow_ends *args)
{
	struct flow_at flow;
	int i, done = 0;

#pragma unroll
	for (i = 0; i < XLB_END_BATCH; i++) {
		if ((__u32)i >= args->count)
			break;
		flow = (struct flow_at){ .at = args->flow[i].at, .live = args->flow[i].seen };
		flow.ipv6 = args->flow[i].ipv6;
		args->flow[i].result = end_one(&flow, args->flow[i].action);
		done += !args->flow[i].result;
	}
	return done;
}

/* The kernel refused the redirect of one frame. */
SEC("tracepoint/xdp/xdp_redirect_err")
int xdp_redirect_err(struct redirect_err *args)
{
	return lost((__u32)args->ifindex, (__u32)args->to_ifindex, XLB_DROP_REDIRECT_FAILED, 1,
		    (__u32)-args->error);
}

/* The driver of the other interface did not take all frames of a bulk. */
SEC("tracepoint/xdp/xdp_devmap_xmit")
int xdp_devmap_xmit(struct devmap_xmit *args)
{
	return lost((__u32)args->from_ifindex, (__u32)args->to_ifindex, XLB_DROP_REDIRECT_FAILED,
		    (__u32)args->drops, (__u32)-args->error);
}

/* The same for frames that go back where they came from. */
SEC("tracepoint/xdp/xdp_bulk_tx")
int xdp_bulk_tx(struct bulk_tx *args)
{
	return lost((__u32)args->ifindex, (__u32)args->ifindex, XLB_DROP_TX_FAILED,
		    (__u32)args->drops, (__u32)-args->error);
}

/* The driver could not do what one verdict said. */
SEC("tracepoint/xdp/xdp_exception")
int xdp_exception(struct exception *args)
{
	return args->act == XDP_TX ?
		       lost((__u32)args->ifindex, (__u32)args->ifindex, XLB_DROP_TX_FAILED, 1, 0) :
		       0;
}
