/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many packets of its own xlb makes: what anybody can ask for by sending something. */
#ifndef XLB_BPF_BUDGET_H
#define XLB_BPF_BUDGET_H

#include "maps.h"

/* False once this CPU has made its share of such answers in this second. */
static __always_inline bool budget_spend(enum xlb_answer answer)
{
	__u64 second = bpf_ktime_get_coarse_ns() / 1000000000ULL;
	__u32 key = answer;
	struct xlb_budget *budget = bpf_map_lookup_elem(&budgets, &key);

	if (!budget)
		return false;
	if (budget->second != second) {
		budget->second = second;
		budget->sent = 0;
	}
	if (budget->sent >= XLB_ANSWERS_PER_SECOND)
		return false;
	budget->sent++;
	return true;
}

#endif
