/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of fields, by the kind of the field. With json.c the only places that switch on the kind. */
#ifndef XLB_CORE_FIELD_H
#define XLB_CORE_FIELD_H

#include <stdio.h>

#include "core/types.h"

#define VALUE_ITEMS_MAX 1024 /* items of one list */

/* Where the value lies in the object. */
void *field_value(const struct object *object, const struct field *field);
/* The bit of `set` that stands for the field. */
uint64_t field_bit(const struct object *object, const struct field *field);
/* Takes a list of items; others take exactly one. */
bool field_is_list(const struct field *field);

/*
 * Sets the value from texts and marks the field as given. On failure nothing changed, err is filled and
 * *ret_bad (if not NULL) is the item at fault, `count` if it is the list as a whole.
 */
int value_set(struct object *object, const struct field *field, const char *const *items,
	      size_t count, size_t *ret_bad, struct xlb_err *err);
/* The same from one text; lists are separated by commas. */
int value_set_text(struct object *object, const struct field *field, const char *text,
		   struct xlb_err *err);
/* Sets the default and marks the field as not given. 0 or -ENOMEM. */
int value_reset(struct object *object, const struct field *field);
void value_free(struct object *object, const struct field *field);
/* Copies into a fresh object. 0 or -ENOMEM. */
int value_copy(struct object *to, const struct object *from, const struct field *field);
bool value_equal(const struct object *a, const struct object *b, const struct field *field);
/* No value: an empty list, no text, no limit. */
bool value_is_absent(const struct object *object, const struct field *field);
/* "2", "50%" */
void quota_text(const struct quota *quota, char *ret, size_t size);
/* YAML flow style; "null" if absent. */
void value_print(FILE *out, const struct object *object, const struct field *field);

/* 0 or -ENOMEM; both own what they have. */
int expectation_copy(const struct expectation *from, struct expectation *ret);
int texts_copy(const struct texts *from, struct texts *ret);
void texts_free(struct texts *list);
bool texts_equal(const struct texts *a, const struct texts *b);
bool expectation_equal(const struct expectation *a, const struct expectation *b);

/* What the field accepts, for messages and docs: "0-100", "tcp, udp". */
void field_accepted(const struct field *field, char *ret, size_t size);
/* The word of a value, NULL if none. */
const char *field_word(const struct field *field, uint32_t value);
/* 0, or -EINVAL with err filled: names are [A-Za-z0-9][A-Za-z0-9._-]*, of interfaces at most 15 characters. */
int name_check(const struct type *type, const char *name, struct xlb_err *err);
/* "[a, \"b c\"]" needs quotes where YAML would read something else. */
void yaml_scalar(FILE *out, const char *text);

#endif
