/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and words of the configuration language that nobody can use, or not yet: refused with their own message. */
#ifndef XLB_CORE_UNBUILT_H
#define XLB_CORE_UNBUILT_H

#include "core/types.h"

/* What stands in its place, NULL if the key is not known at all. type NULL: keys of the whole text. */
const char *unbuilt_key(const struct type *type, const char *key);
/* Why the field refuses a word that is one of xlb's, as what follows the word in a sentence; NULL if it is none. */
const char *unbuilt_word(const struct field *field, const char *word);

#endif
