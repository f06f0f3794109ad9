/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recipes: the short form of contents too big for a row. compile writes them, plan compares their hashes
 * and builds the contents of those that changed.
 */
#ifndef XLB_CORE_CONTENT_H
#define XLB_CORE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* Stable 64-bit hash of bytes, never 0. */
uint64_t content_hash(const void *data, size_t size);
uint64_t content_hash_text(const char *text);

/* recipe of a row of `port_set`: an array of rules */
enum port_class { PORT_ANY, PORT_RANGE, PORT_HOST, PORT_EXACT }; /* rising precedence */
struct port_rule {
	uint16_t from, to; /* host byte order, inclusive */
	uint32_t class;	   /* enum port_class */
	uint32_t listener; /* 0 in rules of PORT_HOST: the host's own ports, taken by exact listeners only */
};
struct port_rules {
	struct port_rule *rules; /* owned */
	uint32_t count, capacity;
};
int port_rules_add(struct port_rules *rules, uint16_t from, uint16_t to, enum port_class class,
		   uint32_t listener);
void port_rules_done(struct port_rules *rules);

/* recipe of a row of `maglev`: who has a share of the table, and what fills it */
struct maglev_server {
	uint64_t name_hash; /* of what keeps its slots when others come and go */
	uint32_t weight;
	uint32_t id; /* server id, fits 16 bits */
};
enum fill { FILL_MAGLEV, FILL_TURNS, FILL_ROWS };
struct schedule {
	uint32_t fill; /* enum fill */
	uint32_t pad;
	struct maglev_server servers[]; /* to the recipe's end */
};
/* How many servers a recipe of so many bytes has. */
static inline uint32_t schedule_count(size_t size)
{
	return (uint32_t)((size - sizeof(struct schedule)) / sizeof(struct maglev_server));
}

#endif
