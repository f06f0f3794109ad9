// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define KEY_MAX	  400
#define SNAT_CURE "xlbctl set group {scope} --snat.addresses {where},ANOTHER"
#define SERVERS	  "group {scope}: {count} of {of} servers "
#define FIRST	  "; the first is {object}"

/*
 * `command` and `many` are templates: {scope}, {object}, {cause} and {where} of the first finding, {count} and
 * {of}. `many` tells several findings of one scope and cause, `many_command` what then helps; NULL: these do
 * not come in numbers.
 */
static const struct kind {
	const char *word;
	enum problem_level level;
	const char *command, *many, *many_command;
} kinds[PROBLEM_KIND_COUNT] = {
	[PROBLEM_FAIL_OPEN] = { .word = "fail_open",
				.level = PROBLEM_ERROR,
				.command = "xlbctl server list {scope}" },
	[PROBLEM_NO_SERVER] = { .word = "no_server",
				.level = PROBLEM_ERROR,
				.command = "xlbctl server list {scope}" },
	[PROBLEM_MTU_LARGE] = { .word = "mtu_too_large",
				.level = PROBLEM_ERROR,
				.command = "ip link set {scope} mtu 1500" },
	[PROBLEM_TROUBLE] = { .word = "trouble", .level = PROBLEM_ERROR },
	[PROBLEM_TLS] = { .word = "tls", .level = PROBLEM_ERROR },
	[PROBLEM_TLS_LISTENER] = { .word = "tls_listener",
				   .level = PROBLEM_ERROR,
				   .command = "xlbctl listener show {scope} {object}" },
	[PROBLEM_EXPIRED] = { .word = "certificate_expired",
			      .level = PROBLEM_ERROR,
			      .command = "xlbctl cert list" },
	[PROBLEM_CERTIFICATE] = { .word = "certificate",
				  .level = PROBLEM_WARNING,
				  .command = "xlbctl cert reload" },
	[PROBLEM_EXPIRES] = { .word = "certificate_expires",
			      .level = PROBLEM_WARNING,
			      .command = "xlbctl cert list" },
	[PROBLEM_NOTHING_ATTACHED] = { .word = "nothing_attached",
				       .level = PROBLEM_ERROR,
				       .command = "xlbctl attach IFACE" },
	[PROBLEM_INTERFACE_MISSING] = { .word = "interface_missing",
					.level = PROBLEM_ERROR,
					.command = "ip link" },
	[PROBLEM_INTERFACE_DETACHED] = { .word = "interface_detached",
					 .level = PROBLEM_ERROR,
					 .command = "xlbctl attach {scope}" },
	[PROBLEM_INTERFACE_DOWN] = { .word = "interface_down",
				     .level = PROBLEM_ERROR,
				     .command = "ip link set {scope} up" },
	[PROBLEM_SERVER_UNATTACHED] = { .word = "server_unattached",
					.level = PROBLEM_ERROR,
					.command = "xlbctl attach {scope}",
					.many = "{count} servers get no packets: they are reached through {scope}, which is not attached" FIRST,
					.many_command = "xlbctl attach {scope}" },
	[PROBLEM_NO_ROUTE] = { .word = "no_route",
			       .level = PROBLEM_ERROR,
			       .command = "ip route get {where}",
			       .many = SERVERS
			       "cannot be reached: the host has no route to them" FIRST,
			       .many_command = "ip route get {where}" },
	[PROBLEM_GATEWAY] = { .word = "gateway_missing",
			      .level = PROBLEM_ERROR,
			      .command = "ip neigh show {scope}",
			      .many = "{count} servers have no neighbour: their gateway {cause} has no MAC address, nobody answers for it" FIRST,
			      .many_command = "ip neigh show {scope}" },
	[PROBLEM_NEIGHBOUR] = { .word = "neighbour_missing",
				.level = PROBLEM_ERROR,
				.command = "ip neigh show {where}",
				.many = SERVERS
				"have no neighbour: nobody answers for their addresses on {cause}" FIRST,
				.many_command = "ip neigh show dev {cause}" },
	[PROBLEM_SERVER_DOWN] = { .word = "server_down",
				  .level = PROBLEM_ERROR,
				  .command = "xlbctl server show {scope} {object}",
				  .many = SERVERS "are down: {cause}" FIRST,
				  .many_command = "xlbctl server list {scope}" },
	[PROBLEM_SNAT_EXHAUSTED] = { .word = "snat_exhausted",
				     .level = PROBLEM_ERROR,
				     .command = SNAT_CURE,
				     .many = SERVERS
				     "have no free port of SNAT address {cause}" FIRST,
				     .many_command = SNAT_CURE },
	[PROBLEM_FLOWS_FULL] = { .word = "flows_full",
				 .level = PROBLEM_ERROR,
				 .command = "xlbctl show flow-table" },
	[PROBLEM_MTU] = { .word = "mtu_exceeded",
			  .level = PROBLEM_ERROR,
			  .command = "ip link set {where}" },
	[PROBLEM_FALLBACK] = { .word = "fallback",
			       .level = PROBLEM_WARNING,
			       .command = "xlbctl server list {scope}" },
	[PROBLEM_CONFIRM] = { .word = "confirm",
			      .level = PROBLEM_WARNING,
			      .command = "xlbctl confirm" },
	[PROBLEM_SNAT_FULL] = { .word = "snat_full",
				.level = PROBLEM_WARNING,
				.command = SNAT_CURE,
				.many = SERVERS
				"use more than 80 % of the ports of SNAT address {cause}" FIRST,
				.many_command = SNAT_CURE },
	[PROBLEM_FLOWS_HIGH] = { .word = "flows_high",
				 .level = PROBLEM_WARNING,
				 .command = "xlbctl top listeners" },
	[PROBLEM_GENERIC] = { .word = "generic",
			      .level = PROBLEM_WARNING,
			      .command = "xlbctl attach {scope} --mode native" },
	[PROBLEM_MTU_DIFFERS] = { .word = "mtu_differs",
				  .level = PROBLEM_INFO,
				  .command = "ip link set {where}" },
	[PROBLEM_DROPS] = { .word = "drops", .level = PROBLEM_WARNING, .command = "xlbctl drops" },
	[PROBLEM_UNCOUNTED] = { .word = "lost_uncounted", .level = PROBLEM_WARNING },
	[PROBLEM_UNWANTED] = { .word = "unwanted",
			       .level = PROBLEM_INFO,
			       .command = "xlbctl listener list" },
	[PROBLEM_WARNINGS] = { .word = "warning", .level = PROBLEM_INFO },
	[PROBLEM_SLOW_START] = { .word = "slow_start",
				 .level = PROBLEM_INFO,
				 .command = "xlbctl server show {scope} {object}",
				 .many = SERVERS "start slowly" FIRST,
				 .many_command = "xlbctl server list {scope}" },
	[PROBLEM_DRIFT] = { .word = "drift",
			    .level = PROBLEM_INFO,
			    .command = "xlbctl diff {scope}" },
};

struct entry {
	char key[KEY_MAX];
	uint32_t order; /* of its first finding */
	uint32_t of;
	char scope[128], object[160], where[128], cause[160];
	struct problem told;
	UT_hash_handle hh;
};

struct problems {
	struct entry *entries;
	uint32_t count;
	bool has[PROBLEM_KIND_COUNT + 1]; /* of the last one, which stands for none: false */
};

struct problems *problems_new(void)
{
	return calloc(1, sizeof(struct problems));
}

struct problems *problems_free(struct problems *problems)
{
	struct entry *entry, *next;

	if (!problems)
		return NULL;
	HASH_ITER(hh, problems->entries, entry, next) {
		HASH_DEL(problems->entries, entry);
		free(entry);
	}
	free(problems);
	return NULL;
}

static void copy(char *ret, size_t size, const char *text)
{
	snprintf(ret, size, "%s", text ? text : "");
}

void problems_add(struct problems *problems, const struct finding *finding, const char *format, ...)
{
	const struct kind *kind = &kinds[finding->kind];
	struct entry *entry;
	char key[KEY_MAX];
	va_list args;

	problems->has[finding->kind] = true;
	snprintf(key, sizeof(key), "%d %s/%s/%s", (int)finding->kind,
		 finding->scope ? finding->scope : "",
		 !kind->many && finding->object ? finding->object : "",
		 finding->cause ? finding->cause : "");
	HASH_FIND_STR(problems->entries, key, entry);
	if (entry) {
		entry->told.count++;
		return;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return;
	copy(entry->key, sizeof(entry->key), key);
	copy(entry->scope, sizeof(entry->scope), finding->scope);
	copy(entry->object, sizeof(entry->object), finding->object);
	copy(entry->cause, sizeof(entry->cause), finding->cause);
	copy(entry->where, sizeof(entry->where), finding->where);
	entry->order = problems->count++;
	entry->of = finding->of;
	entry->told = (struct problem){
		.kind = finding->kind, .level = kind->level, .word = kind->word, .count = 1
	};
	va_start(args, format);
	vsnprintf(entry->told.text, sizeof(entry->told.text), format, args);
	va_end(args);
	HASH_ADD_STR(problems->entries, key, entry);
}

bool problems_has(const struct problems *problems, enum problem_kind kind)
{
	return problems->has[kind];
}

static void fill(char *ret, size_t size, const char *template, const struct entry *entry)
{
	char count[16], of[16];
	const struct {
		const char *name, *value;
	} words[] = { { "{scope}", entry->scope }, { "{object}", entry->object },
		      { "{cause}", entry->cause }, { "{where}", entry->where },
		      { "{count}", count },	   { "{of}", of } };
	size_t used = 0;

	snprintf(count, sizeof(count), "%u", entry->told.count);
	snprintf(of, sizeof(of), "%u", entry->of);
	while (template && *template && used + 1 < size) {
		size_t i, length;

		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (!strncmp(template, words[i].name, strlen(words[i].name)))
				break;
		if (i == sizeof(words) / sizeof(words[0])) {
			ret[used++] = *template ++;
			continue;
		}
		template += strlen(words[i].name);
		length = strnlen(words[i].value, size - used - 1);
		memcpy(ret + used, words[i].value, length);
		used += length;
	}
	ret[used] = '\0';
}

static void finish(struct entry *entry)
{
	const struct kind *kind = &kinds[entry->told.kind];
	bool several = entry->told.count > 1 && kind->many;

	fill(entry->told.command, sizeof(entry->told.command),
	     several ? kind->many_command : kind->command, entry);
	if (several)
		fill(entry->told.text, sizeof(entry->told.text), kind->many, entry);
}

static int compare(const struct entry *a, const struct entry *b)
{
	if (a->told.level != b->told.level)
		return a->told.level < b->told.level ? -1 : 1;
	if (a->told.kind != b->told.kind)
		return a->told.kind < b->told.kind ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

uint32_t problems_each(struct problems *problems, uint32_t limit,
		       void (*tell)(void *arg, const struct problem *problem), void *arg)
{
	struct entry *entry, *next;
	uint32_t told = 0;

	HASH_SORT(problems->entries, compare);
	HASH_ITER(hh, problems->entries, entry, next) {
		if (told == limit)
			break;
		finish(entry);
		tell(arg, &entry->told);
		told++;
	}
	return problems->count - told;
}

void problems_count(const struct problems *problems, uint32_t *ret)
{
	const struct entry *entry;

	memset(ret, 0, PROBLEM_LEVEL_COUNT * sizeof(*ret));
	for (entry = problems->entries; entry; entry = entry->hh.next)
		ret[entry->told.level]++;
}

const char *problem_level_word(enum problem_level level)
{
	static const char *const words[] = {
		[PROBLEM_ERROR] = "error", [PROBLEM_WARNING] = "warning", [PROBLEM_INFO] = "info"
	};

	return words[level];
}
