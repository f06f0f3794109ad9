// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PORTS 65536

/* Sets of rules as bits, each with a number: a class of sources, or a column of ports. */
struct numbered {
	uint32_t words; /* of a set */
	uint32_t count, capacity;
	uint64_t *bits;	  /* owned */
	uint32_t *places; /* owned; open addressing, number + 1; 0: free */
	uint32_t place_count;
};

/* Intervals of addresses; each ends where the next one begins. */
struct interval {
	unsigned __int128 from;
	uint32_t value;
};
struct intervals {
	struct interval *list; /* owned */
	size_t count;
};

struct builder {
	const struct rules_recipe *recipe;
	struct numbered classes, columns;
	struct xlb_rules_page *pages; /* owned */
	uint32_t page_count, page_capacity;
};

/* --- sets of rules ------------------------------------------------------------------------------ */

static void numbered_done(struct numbered *numbered)
{
	free(numbered->bits);
	free(numbered->places);
}

static uint64_t hash_set(const uint64_t *set, uint32_t words)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < words; i++) {
		hash = (hash ^ set[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash;
}

/* The place of a set, or the free one where it would be. */
static uint32_t *find_place(const struct numbered *numbered, const uint64_t *set)
{
	uint32_t mask = numbered->place_count - 1;
	uint32_t i = (uint32_t)hash_set(set, numbered->words) & mask;
	size_t bytes = numbered->words * sizeof(*set);

	while (numbered->places[i] &&
	       memcmp(numbered->bits + (size_t)(numbered->places[i] - 1) * numbered->words, set,
		      bytes))
		i = (i + 1) & mask;
	return &numbered->places[i];
}

static int numbered_grow(struct numbered *numbered)
{
	uint32_t capacity = numbered->capacity ? numbered->capacity * 2 : 64;
	uint64_t *bits =
		reallocarray(numbered->bits, capacity, numbered->words * sizeof(*numbered->bits));
	uint32_t *places = bits ? calloc(capacity * 2, sizeof(*places)) : NULL;

	if (bits)
		numbered->bits = bits;
	if (!places)
		return -ENOMEM;
	free(numbered->places);
	numbered->places = places;
	numbered->place_count = capacity * 2;
	numbered->capacity = capacity;
	for (uint32_t i = 0; i < numbered->count; i++)
		*find_place(numbered, bits + (size_t)i * numbered->words) = i + 1;
	return 0;
}

/* The number of a set, a new one if it has none. */
static int number_of(struct numbered *numbered, const uint64_t *set, uint32_t *ret)
{
	uint32_t *place;

	if (numbered->count == numbered->capacity && numbered_grow(numbered))
		return -ENOMEM;
	place = find_place(numbered, set);
	if (!*place) {
		memcpy(numbered->bits + (size_t)numbered->count * numbered->words, set,
		       numbered->words * sizeof(*set));
		*place = ++numbered->count;
	}
	*ret = *place - 1;
	return 0;
}

static void set_bit(uint64_t *set, uint32_t bit, bool on)
{
	if (on)
		set[bit / 64] |= 1ULL << bit % 64;
	else
		set[bit / 64] &= ~(1ULL << bit % 64);
}

/* --- pages -------------------------------------------------------------------------------------- */

/* Adds pages of zeros; the number of the first. */
static int pages_add(struct builder *builder, size_t count, uint32_t *ret)
{
	size_t wanted = builder->page_count + count;

	if (wanted > RULES_CELLS_MAX)
		return -E2BIG;
	if (wanted > builder->page_capacity) {
		size_t capacity = wanted + builder->page_capacity;
		struct xlb_rules_page *grown =
			reallocarray(builder->pages, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		builder->pages = grown;
		builder->page_capacity = (uint32_t)capacity;
	}
	memset(builder->pages + builder->page_count, 0, count * sizeof(*builder->pages));
	*ret = builder->page_count;
	builder->page_count = (uint32_t)wanted;
	return 0;
}

static struct xlb_rules_head *head_of(struct builder *builder)
{
	return (struct xlb_rules_head *)builder->pages;
}

/* --- ports -------------------------------------------------------------------------------------- */

/* Rules that are about the protocol and, unless it is ICMP, the port. */
static void set_of_port(const struct builder *builder, enum xlb_rules_protocol protocol,
			uint32_t port, uint64_t *ret)
{
	const struct rules_rule *rules = rules_of(builder->recipe);

	memset(ret, 0, builder->columns.words * sizeof(*ret));
	for (uint32_t i = 0; i < builder->recipe->rule_count; i++)
		if (rules[i].protocols & 1U << protocol &&
		    (protocol == XLB_RULES_ICMP || (port >= rules[i].from && port <= rules[i].to)))
			set_bit(ret, i, true);
}

/* The column of each port; true in *ret_one if it is the same for all. */
static int number_ports(struct builder *builder, enum xlb_rules_protocol protocol, uint64_t *set,
			uint16_t *columns, bool *ret_one)
{
	const struct rules_rule *rules = rules_of(builder->recipe);
	AUTO_FREE bool *edges = calloc(PORTS + 1, sizeof(*edges));
	uint32_t column = 0;
	int r = edges ? 0 : -ENOMEM;

	for (uint32_t i = 0; !r && i < builder->recipe->rule_count; i++)
		edges[rules[i].from] = edges[rules[i].to + 1U] = true;
	*ret_one = true;
	for (uint32_t port = 0; !r && port < PORTS; port++) {
		if (!port || edges[port]) {
			set_of_port(builder, protocol, port, set);
			r = number_of(&builder->columns, set, &column);
		}
		if (!r && column > UINT16_MAX)
			r = -E2BIG;
		columns[port] = (uint16_t)column;
		*ret_one = *ret_one && column == columns[0];
	}
	return r;
}

static void put_item(struct xlb_rules_page *table, uint32_t n, uint32_t value)
{
	__u64 *word = &table[n / (XLB_RULES_PAGE_WORDS * 4)].word[n / 4 % XLB_RULES_PAGE_WORDS];

	*word |= (uint64_t)value << (n % 4 * 16);
}

/* Equal leaves are one. */
static int put_ports(struct builder *builder, const uint16_t *columns, uint32_t *ret_page)
{
	const uint16_t *leaves[256];
	uint32_t leaf_of[256], count = 0, first;
	struct xlb_rules_page *table;
	int r;

	for (uint32_t high = 0; high < 256; high++) {
		const uint16_t *leaf = columns + high * 256;
		uint32_t i = 0;

		while (i < count && memcmp(leaves[i], leaf, 256 * sizeof(*leaf)))
			i++;
		if (i == count)
			leaves[count++] = leaf;
		leaf_of[high] = i;
	}
	r = pages_add(builder, (256 * (count + 1) + 2047) / 2048, &first);
	if (r)
		return r;
	table = builder->pages + first;
	for (uint32_t high = 0; high < 256; high++)
		put_item(table, high, leaf_of[high]);
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t low = 0; low < 256; low++)
			put_item(table, 256 * (i + 1) + low, leaves[i][low]);
	*ret_page = first;
	return 0;
}

static int build_ports(struct builder *builder)
{
	AUTO_FREE uint64_t *set = calloc(builder->columns.words, sizeof(*set));
	AUTO_FREE uint16_t *columns = calloc(PORTS, sizeof(*columns));
	int r = set && columns ? 0 : -ENOMEM;

	for (int protocol = 0; !r && protocol < XLB_RULES_PROTOCOLS; protocol++) {
		uint32_t page = 0;
		bool one;

		r = number_ports(builder, protocol, set, columns, &one);
		if (!r && !one)
			r = put_ports(builder, columns, &page);
		if (r)
			break;
		head_of(builder)->ports[protocol] = page;
		head_of(builder)->column[protocol] = columns[0];
	}
	return r;
}

/* --- sources ------------------------------------------------------------------------------------ */

/* A rule begins or ceases to match at an address. */
struct event {
	unsigned __int128 at;
	uint32_t rule;
	int32_t change;
};

static unsigned __int128 number_of_addr(const struct xlb_addr *addr)
{
	unsigned __int128 number = 0;

	for (size_t i = 0; i < sizeof(addr->bytes); i++)
		number = number << 8 | addr->bytes[i];
	return number;
}

static int compare_events(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* IPv4 as numbers of 32 bits. One that ends with the last address of its family does not cease. */
static size_t collect_events(const struct rules_recipe *recipe, uint8_t family, struct event *ret)
{
	uint32_t width = family == XLB_IPV4 ? 32 : 128;
	size_t n = 0;

	for (uint32_t i = 0; i < recipe->rule_count; i++) {
		const struct rules_rule *rule = &rules_of(recipe)[i];

		for (uint32_t j = 0; j < rule->count; j++) {
			const struct prefix *prefix = &rules_prefixes(recipe)[rule->first + j];
			uint32_t host = 128 - prefix->bits;
			unsigned __int128 from = number_of_addr(&prefix->addr), size;

			if (addr_family(&prefix->addr) != family)
				continue;
			if (family == XLB_IPV4)
				from = (uint32_t)from;
			ret[n++] = (struct event){ from, i, 1 };
			if (host >= width)
				continue;
			size = (unsigned __int128)1 << host;
			if (width == 32 ? from + size <= UINT32_MAX : from + size != 0)
				ret[n++] = (struct event){ from + size, i, -1 };
		}
	}
	qsort(ret, n, sizeof(*ret), compare_events);
	return n;
}

static void interval_add(struct intervals *intervals, unsigned __int128 from, uint32_t value)
{
	if (intervals->count && intervals->list[intervals->count - 1].value == value)
		return;
	intervals->list[intervals->count++] = (struct interval){ from, value };
}

/* The classes of a family's sources. A rule may match by several prefixes at once. */
static int find_intervals(struct builder *builder, uint8_t family, struct intervals *ret)
{
	const struct rules_recipe *recipe = builder->recipe;
	AUTO_FREE struct event *events =
		calloc((size_t)recipe->prefix_count * 2 + 1, sizeof(*events));
	AUTO_FREE uint32_t *matches = calloc(recipe->rule_count + 1, sizeof(*matches));
	AUTO_FREE uint64_t *set = calloc(builder->classes.words, sizeof(*set));
	size_t count, i = 0;
	uint32_t class;
	int r;

	if (!events || !matches || !set)
		return -ENOMEM;
	count = collect_events(recipe, family, events);
	ret->list = calloc(count + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (uint32_t rule = 0; rule < recipe->rule_count; rule++)
		set_bit(set, rule, rules_of(recipe)[rule].any_source);
	if (!count || events[0].at) {
		r = number_of(&builder->classes, set, &class);
		if (r)
			return r;
		interval_add(ret, 0, class);
	}
	while (i < count) {
		unsigned __int128 at = events[i].at;

		for (; i < count && events[i].at == at; i++) {
			matches[events[i].rule] += (uint32_t)events[i].change;
			set_bit(set, events[i].rule, matches[events[i].rule]);
		}
		r = number_of(&builder->classes, set, &class);
		if (r)
			return r;
		interval_add(ret, at, class);
	}
	return 0;
}

/* A node of `count` entries; behind the last one it is repeated. */
static void put_node(struct xlb_rules_page *node, uint8_t family, const struct interval *entries,
		     size_t count)
{
	size_t room = family == XLB_IPV4 ? XLB_RULES_ENTRIES4 : XLB_RULES_ENTRIES6;

	for (size_t i = 0; i < room; i++) {
		const struct interval *entry = &entries[i < count ? i : count - 1];

		if (family == XLB_IPV4) {
			node->word[i] = (uint64_t)entry->from << 32 | entry->value;
			continue;
		}
		node->word[i] = (uint64_t)(entry->from >> 64);
		node->word[XLB_RULES_ENTRIES6 + i] = (uint64_t)entry->from;
		node->word[2 * XLB_RULES_ENTRIES6 + i] = entry->value;
	}
}

/* Nodes from the leaves up; each takes the place of its entries in the list. */
static int build_tree(struct builder *builder, uint8_t family, uint32_t *ret_root)
{
	size_t room = family == XLB_IPV4 ? XLB_RULES_ENTRIES4 : XLB_RULES_ENTRIES6;
	struct intervals all = {};
	int r = find_intervals(builder, family, &all), depth = 0;

	while (!r && all.count > 1) {
		size_t nodes = (all.count + room - 1) / room;
		uint32_t first;

		r = ++depth > XLB_RULES_DEPTH ? -E2BIG : pages_add(builder, nodes, &first);
		for (size_t i = 0; !r && i < nodes; i++) {
			size_t from = i * room, left = all.count - from;

			put_node(builder->pages + first + i, family, all.list + from,
				 left < room ? left : room);
			all.list[i] = (struct interval){ all.list[from].from,
							 XLB_RULES_NODE | (first + (uint32_t)i) };
		}
		all.count = nodes;
	}
	if (!r)
		*ret_root = all.list[0].value;
	free(all.list);
	return r;
}

static int build_sources(struct builder *builder)
{
	uint32_t root4 = 0, root6 = 0;
	int r = build_tree(builder, XLB_IPV4, &root4);

	if (!r)
		r = build_tree(builder, XLB_IPV6, &root6);
	head_of(builder)->root4 = root4;
	head_of(builder)->root6 = root6;
	return r;
}

/* --- answers ------------------------------------------------------------------------------------ */

/* The first rule of the level that is in both sets; rule_count: none. */
static uint32_t first_match(const struct rules_recipe *recipe, const uint64_t *a, const uint64_t *b,
			    uint32_t words, uint32_t level)
{
	for (uint32_t i = 0; i < words; i++) {
		for (uint64_t both = a[i] & b[i]; both; both &= both - 1) {
			uint32_t rule = i * 64 + (uint32_t)__builtin_ctzll(both);

			if (rules_of(recipe)[rule].level == level)
				return rule;
		}
	}
	return recipe->rule_count;
}

static uint32_t answer_for(const struct builder *builder, const uint64_t *class,
			   const uint64_t *column)
{
	const struct rules_recipe *recipe = builder->recipe;
	uint32_t answer = 0;

	for (uint32_t level = 0; level < RULES_LEVELS; level++) {
		uint32_t rule = first_match(recipe, class, column, builder->classes.words, level);
		bool found = rule < recipe->rule_count;

		if (found)
			answer |= (rule + 1) << (level * XLB_RULES_HIT_BITS);
		if (!(found ? rules_of(recipe)[rule].allow : recipe->allow[level]))
			return answer;
	}
	return answer | XLB_RULES_ALLOW;
}

static int build_matrix(struct builder *builder)
{
	uint64_t columns = builder->columns.count, cells = columns * builder->classes.count;
	uint32_t words = builder->classes.words, first;
	int r;

	if (cells > RULES_CELLS_MAX)
		return -E2BIG;
	r = pages_add(builder, cells / (XLB_RULES_PAGE_WORDS * 2) + 1, &first);
	if (r)
		return r;
	for (uint64_t at = 0; at < cells; at++) {
		__u64 *word = &builder->pages[first + at / (XLB_RULES_PAGE_WORDS * 2)]
				       .word[at / 2 % XLB_RULES_PAGE_WORDS];

		*word |= (uint64_t)answer_for(builder, builder->classes.bits + at / columns * words,
					      builder->columns.bits + at % columns * words)
			 << (at % 2 * 32);
	}
	head_of(builder)->matrix = first;
	head_of(builder)->columns = (uint32_t)columns;
	return 0;
}

static int build(struct builder *builder)
{
	uint32_t hits, head;
	int r = pages_add(builder, 1, &head);

	if (!r)
		r = build_ports(builder);
	if (!r)
		r = build_sources(builder);
	if (!r)
		r = build_matrix(builder);
	if (!r)
		r = pages_add(builder, builder->recipe->rule_count / XLB_RULES_PAGE_WORDS + 1,
			      &hits);
	if (r)
		return r;
	head_of(builder)->hits = hits;
	head_of(builder)->rules = builder->recipe->rule_count;
	head_of(builder)->pages = builder->page_count;
	return 0;
}

static bool is_recipe(const struct rules_recipe *recipe, size_t size)
{
	return size >= sizeof(*recipe) &&
	       size == sizeof(*recipe) + recipe->rule_count * sizeof(struct rules_rule) +
			       recipe->prefix_count * sizeof(struct prefix);
}

int rules_build(const void *recipe, size_t size, void **ret, size_t *ret_size)
{
	struct builder builder = { .recipe = recipe };
	int r;

	if (!is_recipe(recipe, size))
		return -EINVAL;
	if (builder.recipe->rule_count > XLB_RULES_RULES_MAX)
		return -E2BIG;
	builder.classes.words = builder.columns.words = builder.recipe->rule_count / 64 + 1;
	r = build(&builder);
	if (!r) {
		*ret_size = builder.page_count * sizeof(*builder.pages);
		*ret = TAKE(builder.pages);
	}
	free(builder.pages);
	numbered_done(&builder.classes);
	numbered_done(&builder.columns);
	return r;
}
