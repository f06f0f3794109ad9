/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of fields out of texts; for field_set.c, which puts them into objects. */
#ifndef XLB_CORE_FIELD_PARSE_H
#define XLB_CORE_FIELD_PARSE_H

#include "core/field.h"

/* A value of any kind, on its way into an object. */
union value {
	bool truth;
	uint32_t number;
	uint64_t time;
	struct quota quota;
	char *text;
	char name[NAME_TEXT_MAX];
	struct port_range range;
	struct addr_list addrs;
	struct port_list ports;
	struct share_list shares;
	struct name_list names;
	struct prefix_list networks;
	struct expectation expect;
	struct texts texts;
};

/*
 * The value that the texts mean, whose parts the caller owns. -EINVAL or -ENOMEM with err filled: *ret_bad is the
 * item at fault, `count` if it is the list as a whole.
 */
int parse_value(const struct field *field, const char *const *items, size_t count, union value *ret,
		size_t *ret_bad, struct xlb_err *err);
/* -ENOMEM, as err says. */
int no_memory(struct xlb_err *err);

#endif
