/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What security groups say of a packet that starts a flow, or of a ping. */
#ifndef XLB_BPF_RULES_H
#define XLB_BPF_RULES_H

#include <bpf/bpf_endian.h>

#include "maps.h"
#include "variant.h"
#include "xlb/rules.h"

/* Declared in xlb/rules.h. There is one memory: `memory` is not looked at. */
static __always_inline struct xlb_rules_page *xlb_rules_page(const void *memory, __u32 page)
{
	__u32 chunk = page / XLB_RULES_PER_CHUNK, at = page % XLB_RULES_PER_CHUNK;
	void *pages = bpf_map_lookup_elem(&rule_chunks, &chunk);

	(void)memory;
	return pages ? bpf_map_lookup_elem(pages, &at) : NULL;
}

static __always_inline void rules_count(__u32 first, __u32 hit)
{
	__u64 *hits = xlb_rules_hits(NULL, first, hit);

	if (hits)
		__sync_fetch_and_add(hits, 1);
}

/* Each of these alone: the verifier would walk every way through one for every way through the other. */
GLOBAL_STEP __u32 rules_class(const struct packet *pkt, __u32 first)
{
	return pkt ? xlb_rules_class(NULL, first, &pkt->source, pkt->family) : 0;
}

GLOBAL_STEP __u32 rules_column(const struct packet *pkt, __u32 first)
{
	return pkt ? xlb_rules_column(NULL, first, xlb_rules_protocol(pkt->protocol),
				      bpf_ntohs(pkt->destination_port)) :
		     0;
}

/* 0, or why the packet goes no further. The set was named by a row, so it is there. */
GLOBAL_STEP int rules_check(const struct packet *pkt, __u32 set)
{
	union {
		__u64 word;
		struct xlb_rules_ref ref;
	} now;
	__u32 answer;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	now.word = *(volatile __u64 *)table_row(rule_sets, set);
	if (!now.ref.epoch)
		return -XLB_DROP_INTERNAL;
	answer = xlb_rules_answer(NULL, now.ref.page, rules_class(pkt, now.ref.page),
				  rules_column(pkt, now.ref.page));
	if (!dry_run) {
		rules_count(now.ref.page, xlb_rules_hit(answer, 0));
		rules_count(now.ref.page, xlb_rules_hit(answer, 1));
	}
	return answer & XLB_RULES_ALLOW ? 0 : -XLB_DROP_DENIED;
}

#endif
