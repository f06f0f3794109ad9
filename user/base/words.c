// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/words.h"

#include <stddef.h>
#include <string.h>

#include "xlb/abi.h"
#include "xlb/lists.h"

static const struct {
	const char *word, *meaning;
} reasons[XLB_DROP_COUNT] = {
#define X(name, word, meaning) [XLB_DROP_##name] = { #word, meaning },
	XLB_REASONS(X)
#undef X
};

static const char *const verdicts[XLB_VERDICT_COUNT] = {
#define X(name, word, meaning) [XLB_VERDICT_##name] = #word,
	XLB_VERDICTS(X)
#undef X
};

static const char *const flow_states[] = {
	[XLB_FLOW_DEAD] = "dead",
	[XLB_FLOW_NEW] = "new",
	[XLB_FLOW_ESTABLISHED] = "established",
	[XLB_FLOW_CLOSING] = "closing",
	[XLB_FLOW_CLOSED] = "closed",
	[XLB_FLOW_TOMBSTONE] = "tombstone",
};

const char *verdict_word(uint32_t verdict)
{
	return verdict < XLB_VERDICT_COUNT ? verdicts[verdict] : NULL;
}

const char *reason_word(uint32_t reason)
{
	return reason < XLB_DROP_COUNT ? reasons[reason].word : NULL;
}

const char *reason_meaning(uint32_t reason)
{
	return reason < XLB_DROP_COUNT ? reasons[reason].meaning : NULL;
}

const char *flow_state_word(uint32_t state)
{
	return state < sizeof(flow_states) / sizeof(flow_states[0]) ? flow_states[state] : NULL;
}

uint32_t verdict_by_word(const char *word)
{
	uint32_t verdict = XLB_VERDICT_COUNT - 1;

	while (verdict && strcmp(verdicts[verdict], word))
		verdict--;
	return verdict;
}

uint32_t reason_by_word(const char *word)
{
	uint32_t reason = XLB_DROP_COUNT - 1;

	while (reason && strcmp(reasons[reason].word, word))
		reason--;
	return reason;
}
