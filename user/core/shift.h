/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A shift of new flows to one of a listener's groups: what is asked for, and the weights of each step. Pure. */
#ifndef XLB_CORE_SHIFT_H
#define XLB_CORE_SHIFT_H

#include "core/model.h"

#define SHIFT_STEPS_MAX 32
#define SHIFT_WHOLE	10000 /* parts are hundredths of a percent */

/* A listener's groups with their weights. */
struct shift_weights {
	struct share shares[XLB_SPLIT_GROUPS];
	uint32_t count;
};

/* "web-next=5%,25%,100%" */
struct shift_steps {
	char group[NAME_TEXT_MAX];
	uint32_t parts[SHIFT_STEPS_MAX];
	uint32_t count;
};
/* 0, or -EINVAL with err of class USAGE. */
int shift_parse_steps(const char *text, struct shift_steps *ret, struct xlb_err *err);
/* "5%", "0.25%" */
void shift_part_text(uint32_t part, char *ret, size_t size);

/* When to give up: "down or reset_ratio>2%". */
struct shift_limits {
	bool down;	      /* a server of the group is down, or it has none that is up */
	bool by_resets;	      /* more than so many of its new flows were reset by its servers */
	uint32_t reset_ratio; /* part */
};
/* NULL: never. 0, or -EINVAL with err of class USAGE. */
int shift_parse_limits(const char *text, struct shift_limits *ret, struct xlb_err *err);

/*
 * The weights with which the group has this part of new flows and the others share the rest as they do by `before`,
 * from which the group may be missing. 0, or -EINVAL with err: there are no others, or too many groups.
 */
int shift_weigh(const struct shift_weights *before, const char *group, uint32_t part,
		struct shift_weights *ret, struct xlb_err *err);
bool shift_weights_equal(const struct shift_weights *a, const struct shift_weights *b);
/* "web=95,web-next=5", as `set listener` takes it. */
void shift_weights_text(const struct shift_weights *weights, char *ret, size_t size);

#endif
