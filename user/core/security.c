// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/security.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/content.h"
#include "core/object.h"

int security_finish_rule(struct object *object, struct xlb_err *err)
{
	const struct rule *rule = (const struct rule *)object;
	bool has_ports = rule->protocol == RULE_TCP || rule->protocol == RULE_UDP;

	if (object_given(object, "port") && !has_ports)
		return object_fail(object, "port", err,
				   "port has no meaning with protocol: %s, only with tcp or udp: "
				   "name one of them, or remove port",
				   rule->protocol == RULE_ICMP ? "icmp" : "all");
	if (rule->source.count && rule->file)
		return object_fail(object, "file", err,
				   "source and file both say who is meant: write one of them, and "
				   "a rule of its own for the other");
	if (rule->file && *rule->file != '/')
		return object_fail(
			object, "file", err,
			"file \"%.100s\": accepted is a whole path, as /etc/xlb/networks",
			rule->file);
	return 0;
}

static int check_names(const struct model *model, const struct object *object,
		       const struct name_list *list, struct xlb_err *err)
{
	char names[300], title[OBJECT_TITLE_MAX], field[40] = "security_groups";
	const char *candidates[256], *nearest;
	const struct object *group;
	size_t n = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		if (model_security_group(model, list->names[i]))
			continue;
		if (list->count > 1)
			snprintf(field, sizeof(field), "security_groups/%u", i);
		object_names(&model->security_groups, names, sizeof(names));
		object_fail(object, field, err,
			    "%s: security group \"%s\" does not exist: there is %s",
			    object_title(object, title), list->names[i], names);
		TAILQ_FOREACH(group, &model->security_groups, link)
			if (n < sizeof(candidates) / sizeof(candidates[0]))
				candidates[n++] = group->name;
		nearest = nearest_word(list->names[i], candidates, n);
		if (nearest)
			xlb_err_hint(err, "did you mean \"%s\"?", nearest);
		return -EINVAL;
	}
	return 0;
}

int check_security(const struct model *model, struct xlb_err *err)
{
	const struct object *lb, *listener;
	int r = 0;

	TAILQ_FOREACH(lb, &model->load_balancers, link) {
		const struct load_balancer *of = (const struct load_balancer *)lb;

		r = check_names(model, lb, &of->security_groups, err);
		TAILQ_FOREACH(listener, &of->listeners, link)
			if (!r)
				r = check_names(
					model, listener,
					&((const struct listener *)listener)->security_groups, err);
		if (r)
			return r;
	}
	return 0;
}

/* --- walk --------------------------------------------------------------------------------------- */

struct rule_walk rule_walk_begin(const struct model *model, const struct load_balancer *lb,
				 const struct listener *listener)
{
	return (struct rule_walk){
		.model = model,
		.levels = { &lb->security_groups, listener ? &listener->security_groups : NULL },
	};
}

/* The first rule of the groups from the walk's next one on. */
static void find_group(struct rule_walk *walk)
{
	for (; !walk->next && walk->level < 2; walk->level++, walk->group = 0) {
		const struct name_list *list = walk->levels[walk->level];

		while (!walk->next && list && walk->group < list->count) {
			const struct security_group *group =
				model_security_group(walk->model, list->names[walk->group++]);

			if (group)
				walk->next = TAILQ_FIRST(&group->rules);
		}
		if (walk->next)
			return;
	}
}

const struct rule *rule_walk_next(struct rule_walk *walk, uint32_t *ret_level)
{
	const struct object *rule;

	find_group(walk);
	rule = walk->next;
	if (!rule)
		return NULL;
	if (ret_level)
		*ret_level = walk->level;
	walk->number += walk->begun;
	walk->begun = true;
	walk->next = TAILQ_NEXT(rule, link);
	return (const struct rule *)rule;
}

static void put_names(FILE *out, const struct name_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		fprintf(out, "%s%s", i ? "," : "", list->names[i]);
}

void security_set_name(const struct load_balancer *lb, const struct listener *listener, char *ret,
		       size_t size)
{
	AUTO_FREE char *text = NULL;
	size_t length;
	FILE *out;

	*ret = '\0';
	if (!lb->security_groups.count && !(listener && listener->security_groups.count))
		return;
	out = open_memstream(&text, &length);
	if (!out)
		return;
	put_names(out, &lb->security_groups);
	fputc('/', out);
	if (listener)
		put_names(out, &listener->security_groups);
	if (fclose(out))
		return;
	/* many long names: their hash is as good */
	snprintf(ret, size, length < size ? "%s" : "%.40s...#%016" PRIx64, text,
		 content_hash_text(text));
}

/* --- files -------------------------------------------------------------------------------------- */

/* A line of a file without comment and blanks; false if nothing is left. */
static bool line_text(const char *line, size_t length, char ret[PREFIX_TEXT_MAX + 1])
{
	const char *comment = memchr(line, '#', length);

	if (comment)
		length = (size_t)(comment - line);
	while (length && strchr(" \t\r", *line)) {
		line++;
		length--;
	}
	while (length && strchr(" \t\r", line[length - 1]))
		length--;
	/* what is longer than any network is none */
	length = length > PREFIX_TEXT_MAX ? PREFIX_TEXT_MAX : length;
	memcpy(ret, line, length);
	ret[length] = '\0';
	return length;
}

static int line_error(struct xlb_err *err, uint32_t line, int r)
{
	return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "line %u: %s", line,
			   r == -EDOM ? "the address has bits behind the prefix length" :
					"no IPv4 or IPv6 network, as 10.0.0.0/8, or address");
}

int networks_parse(const char *text, size_t size, struct prefix_list *ret, struct xlb_err *err)
{
	AUTO_FREE struct prefix *prefixes = NULL;
	char word[PREFIX_TEXT_MAX + 1];
	uint32_t line = 0, count = 0, capacity = 0;

	for (size_t at = 0; at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = end ? (size_t)(end - (text + at)) : size - at;
		bool given = line_text(text + at, length, word);
		int r;

		at += length + 1;
		line++;
		if (!given)
			continue;
		if (count == NETWORKS_FILE_MAX)
			return xlb_err_set(err, XLB_ERR_CONFIG, -E2BIG,
					   "line %u: more than %u networks", line,
					   NETWORKS_FILE_MAX);
		if (count == capacity) {
			struct prefix *grown;

			capacity = capacity ? capacity * 2 : 256;
			grown = reallocarray(prefixes, capacity, sizeof(*grown));
			if (!grown)
				return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
			prefixes = grown;
		}
		r = parse_network(word, &prefixes[count]);
		if (r)
			return line_error(err, line, r);
		count++;
	}
	*ret = (struct prefix_list){ .prefixes = TAKE(prefixes), .count = count };
	return 0;
}
