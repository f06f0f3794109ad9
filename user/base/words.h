/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words and meanings of the rows of xlb/lists.h, the same wherever people or scripts meet them. */
#ifndef XLB_BASE_WORDS_H
#define XLB_BASE_WORDS_H

#include <stdint.h>

/* NULL for a number that stands for nothing, 0 among them. */
const char *verdict_word(uint32_t verdict);
const char *reason_word(uint32_t reason);
const char *reason_meaning(uint32_t reason);
/* What helps against it. */
const char *reason_advice(uint32_t reason);
/* Of struct xlb_flow: "new", "established", "closing", "closed", "tombstone"; "dead" for 0. */
const char *flow_state_word(uint32_t state);
/* Of forwarding: "fullnat". */
const char *mode_word(uint32_t mode);
/* Of outer headers: "ipip", "gue". */
const char *encapsulation_word(uint32_t encapsulation);
/* How a program is attached: "native", "generic"; NULL if it is not. */
const char *attach_mode_word(uint32_t mode);
/* The number for a word, 0 if there is none. */
uint32_t verdict_by_word(const char *word);
uint32_t reason_by_word(const char *word);

#endif
