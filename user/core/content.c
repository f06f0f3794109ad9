// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/maglev.h"
#include "core/plan.h"
#include "core/ports.h"
#include "core/rules.h"
#include "core/turns.h"

/* Raised when an equal recipe builds another content: then contents found in the kernel are replaced. */
#define CONTENT_VERSION 1

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

#define HASH_SEED 0xcbf29ce484222325ULL

uint64_t content_hash(const void *data, size_t size)
{
	static const uint32_t version = CONTENT_VERSION;
	uint64_t hash = hash_bytes(hash_bytes(HASH_SEED, &version, sizeof(version)), data, size);

	return hash ? hash : 1;
}

/* Without the version: a server keeps its slots over an upgrade. */
uint64_t content_hash_text(const char *text)
{
	uint64_t hash = hash_bytes(HASH_SEED, text, strlen(text));

	return hash ? hash : 1;
}

int port_rules_add(struct port_rules *rules, uint16_t from, uint16_t to, enum port_class class,
		   uint32_t listener)
{
	struct port_rule rule = { .from = from, .to = to, .class = class, .listener = listener };

	if (rules->count == rules->capacity) {
		uint32_t capacity = rules->capacity ? rules->capacity * 2 : 16;
		struct port_rule *grown = reallocarray(rules->rules, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rules->rules = grown;
		rules->capacity = capacity;
	}
	rules->rules[rules->count++] = rule;
	return 0;
}

void port_rules_done(struct port_rules *rules)
{
	free(rules->rules);
	memset(rules, 0, sizeof(*rules));
}

static int (*const fillers[])(const struct maglev_server *servers, uint32_t count,
			      uint16_t *slots) = {
	[FILL_MAGLEV] = maglev_fill,
	[FILL_TURNS] = turns_fill,
	[FILL_ROWS] = rows_fill,
};

static int build_maglev(const void *recipe, size_t size, void **ret, size_t *ret_size)
{
	const struct schedule *schedule = recipe;
	AUTO_FREE struct content_maglev *content = malloc(sizeof(*content));
	int r;

	if (!content)
		return -ENOMEM;
	if (size < sizeof(*schedule) || (size - sizeof(*schedule)) % sizeof(struct maglev_server) ||
	    schedule->fill >= sizeof(fillers) / sizeof(fillers[0]))
		return -EINVAL;
	r = fillers[schedule->fill](schedule->servers, schedule_count(size), content->slot);
	if (r)
		return r;
	*ret_size = sizeof(*content);
	*ret = TAKE(content);
	return 0;
}

static int build_port_set(const void *recipe, size_t size, void **ret, size_t *ret_size)
{
	struct content_port_set *content;
	int r;

	if (size % sizeof(struct port_rule))
		return -EINVAL;
	r = ports_build(recipe, (uint32_t)(size / sizeof(struct port_rule)), &content, ret_size);
	if (!r)
		*ret = content;
	return r;
}

/* The recipe is the content. */
static int build_copy(const void *recipe, size_t size, void **ret, size_t *ret_size)
{
	void *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	*ret = memcpy(copy, recipe, size);
	*ret_size = size;
	return 0;
}

static int (*const builders[TABLE_COUNT])(const void *recipe, size_t size, void **ret,
					  size_t *ret_size) = {
	[TABLE_MAGLEV] = build_maglev,	[TABLE_PORT_SET] = build_port_set,
	[TABLE_RULE_SET] = rules_build, [TABLE_TLS_FILE] = build_copy,
	[TABLE_TLS_SPLIT] = build_copy, [TABLE_TLS_LISTENER] = build_copy,
};

bool content_expected(enum table_id table)
{
	return builders[table] != NULL;
}

int content_build(enum table_id table, const void *recipe, size_t size, void **ret,
		  size_t *ret_size)
{
	return content_expected(table) ? builders[table](recipe, size, ret, ret_size) : -EINVAL;
}
