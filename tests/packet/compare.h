/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet as it came and as it left, both decoded: whether what was done to it holds. Functions return what is wrong, or NULL. */
#ifndef XLB_TESTS_PACKET_COMPARE_H
#define XLB_TESTS_PACKET_COMPARE_H

#include "decode.h"

/* Its checksums are as right, or as wrong, as they were. */
const char *compare_sums(const struct decoded *in, const struct decoded *out);
/* What follows its TCP or UDP header is the same. */
const char *compare_payload(const uint8_t *sent, const struct decoded *in, const uint8_t *got,
			    const struct decoded *out);
/* True if it was a segment that was answered with RST; whether that is a sound one. */
bool compare_is_reset(const struct decoded *in, const struct decoded *out);
const char *compare_reset(const struct decoded *out);
/* It was answered with an ICMP error of xlb's own: to the sender, about what it has sent. */
const char *compare_refusal(const uint8_t *sent, const struct decoded *in, const uint8_t *got,
			    const struct decoded *out);

#endif
