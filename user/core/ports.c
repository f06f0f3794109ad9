// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/ports.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 256U

/* The set while it is painted, rule over rule: a high byte is one value or, once a rule cuts it, a leaf. */
struct canvas {
	uint32_t root[PAGE];
	uint32_t *leaf[PAGE]; /* owned; NULL: all of the high byte is root[] */
};

static void canvas_done(struct canvas *canvas)
{
	unsigned int high;

	for (high = 0; high < PAGE; high++)
		free(canvas->leaf[high]);
}

static int paint_part(struct canvas *canvas, unsigned int high, unsigned int from, unsigned int to,
		      uint32_t listener)
{
	uint32_t *leaf = canvas->leaf[high];
	unsigned int low;

	if (!leaf) {
		leaf = canvas->leaf[high] = malloc(PAGE * sizeof(*leaf));
		if (!leaf)
			return -ENOMEM;
		for (low = 0; low < PAGE; low++)
			leaf[low] = canvas->root[high];
	}
	for (low = from; low <= to; low++)
		leaf[low] = listener;
	return 0;
}

static int paint(struct canvas *canvas, const struct port_rule *rule)
{
	unsigned int first = rule->from / PAGE, last = rule->to / PAGE, high;
	int r = 0;

	for (high = first; !r && high <= last; high++) {
		unsigned int from = high == first ? rule->from % PAGE : 0;
		unsigned int to = high == last ? rule->to % PAGE : PAGE - 1;

		if (from || to != PAGE - 1) {
			r = paint_part(canvas, high, from, to, rule->listener);
			continue;
		}
		free(canvas->leaf[high]);
		canvas->leaf[high] = NULL;
		canvas->root[high] = rule->listener;
	}
	return r;
}

/* Leaves that turned out uniform become root entries. */
static void collapse(struct canvas *canvas)
{
	unsigned int high, low;

	for (high = 0; high < PAGE; high++) {
		const uint32_t *leaf = canvas->leaf[high];

		for (low = 1; leaf && low < PAGE && leaf[low] == leaf[0]; low++)
			;
		if (!leaf || low < PAGE)
			continue;
		canvas->root[high] = leaf[0];
		free(canvas->leaf[high]);
		canvas->leaf[high] = NULL;
	}
}

/* The pages in the sink's form; `set` has room for every leaf. */
static void write_pages(const struct canvas *canvas, struct content_port_set *set)
{
	unsigned int high;
	uint32_t i;

	for (high = 0; high < PAGE; high++) {
		const uint32_t *leaf = canvas->leaf[high];

		set->root[high] = canvas->root[high];
		if (!leaf)
			continue;
		for (i = 0; i < set->leaf_count && memcmp(set->leaf[i], leaf, sizeof(set->leaf[i]));
		     i++)
			;
		if (i == set->leaf_count)
			memcpy(set->leaf[set->leaf_count++], leaf, sizeof(set->leaf[i]));
		set->root[high] = XLB_PORT_PAGE | i;
	}
}

static int check_rule(const struct port_rule *rule)
{
	bool valid = rule->from && rule->from <= rule->to && rule->class <= PORT_EXACT &&
		     !(rule->listener & XLB_PORT_PAGE);

	return valid ? 0 : -EINVAL;
}

int ports_build(const struct port_rule *rules, uint32_t count, struct content_port_set **ret,
		size_t *ret_size)
{
	struct content_port_set *set = NULL, *trimmed;
	struct canvas canvas = {};
	unsigned int class, high, leaves = 0;
	uint32_t i;
	int r = 0;

	for (i = 0; !r && i < count; i++)
		r = check_rule(&rules[i]);
	for (class = PORT_ANY; class <= PORT_EXACT; class ++)
		for (i = 0; !r && i < count; i++)
			if (rules[i].class == class)
				r = paint(&canvas, &rules[i]);
	if (r)
		goto out;
	collapse(&canvas);
	for (high = 0; high < PAGE; high++)
		leaves += canvas.leaf[high] != NULL;
	set = calloc(1, sizeof(*set) + leaves * sizeof(set->leaf[0]));
	if (!set) {
		r = -ENOMEM;
		goto out;
	}
	write_pages(&canvas, set);
	*ret_size = sizeof(*set) + set->leaf_count * sizeof(set->leaf[0]);
	trimmed = realloc(set, *ret_size);
	*ret = trimmed ? trimmed : set;
out:
	canvas_done(&canvas);
	return r;
}
