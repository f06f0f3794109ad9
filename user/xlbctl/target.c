// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/target.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "xlbctl/client.h"

static int type_unknown(struct ctl *ctl, const char *word)
{
	const char *names[32];
	const char *nearest;
	AUTO_FREE char *list = NULL;
	size_t size, n = 0;
	FILE *out = open_memstream(&list, &size);

	if (!out)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	for (size_t i = 0; types[i] && n < ARRAY_SIZE(names); i++) {
		fprintf(out, "%s%s", i ? ", " : "", types[i]->cli);
		names[n++] = types[i]->cli;
	}
	if (fclose(out))
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	nearest = nearest_word(word, names, n);
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "unknown type \"%s\"; types are %s", word,
		    list);
	if (nearest)
		xlb_err_hint(&ctl->err, "did you mean %s?", nearest);
	return -EINVAL;
}

/* "GROUP" for servers, "LB" for listeners */
static void parent_placeholder(const struct type *type, char *ret, size_t size)
{
	size_t i = 0;

	for (const char *p = type->parent->cli; *p && i + 1 < size; p++)
		ret[i++] = (char)toupper(*p);
	ret[i] = '\0';
}

static int name_missing(struct ctl *ctl, const struct type *type)
{
	char parent[32] = "";

	if (type->parent)
		parent_placeholder(type, parent, sizeof(parent));
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
		    "%s %s needs the name: xlbctl %s %s %s%sNAME", ctl->command->word, type->cli,
		    ctl->command->word, type->cli, parent, *parent ? " " : "");
	xlb_err_hint(&ctl->err, "try xlbctl help %s", ctl->command->word);
	return -EINVAL;
}

static int copy_name(struct ctl *ctl, char ret[256], const char *text, size_t length)
{
	if (!length || length >= NAME_TEXT_MAX)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "\"%.80s\": a name has 1 to 63 characters", text);
	memcpy(ret, text, length);
	ret[length] = '\0';
	return 0;
}

static int build_path(struct ctl *ctl, struct target *target)
{
	FILE *out = fmemopen(target->path, sizeof(target->path), "w");
	const struct type *top = target->type->parent ? target->type->parent : target->type;

	if (!out)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	fprintf(out, "/v1/%s", top->plural);
	if (*target->parent) {
		fputc('/', out);
		put_encoded(out, target->parent);
		fprintf(out, "/%s", target->type->plural);
	}
	if (*target->name) {
		fputc('/', out);
		put_encoded(out, target->name);
	}
	fclose(out);
	return 0;
}

/* The type: the noun that came first, or the next word. */
static int take_type(struct ctl *ctl, const struct type *preset, size_t *next,
		     struct target *target)
{
	target->type = ctl->noun;
	if (target->type)
		return 0;
	if (*next < ctl->word_count)
		target->type = type_by_word(ctl->words[*next]);
	if (ctl->command->noun && target->type != preset)
		target->type = NULL; /* an object that happens to be named like a type */
	if (target->type && (!preset || ctl->word_count > 1)) {
		(*next)++;
		return 0;
	}
	target->type = preset;
	if (preset)
		return 0;
	if (*next < ctl->word_count)
		return type_unknown(ctl, ctl->words[*next]);
	return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "%s needs a type: xlbctl %s %s",
			   ctl->command->word, ctl->command->word, ctl->command->args);
}

/* [PARENT] NAME, or PARENT/NAME; a single object has none. */
static int take_names(struct ctl *ctl, size_t *next, struct target *target)
{
	const char *word, *slash;
	int r = 0;

	if (target->type->single)
		return 0;
	if (*next == ctl->word_count)
		return name_missing(ctl, target->type);
	word = ctl->words[(*next)++];
	slash = target->type->parent ? strchr(word, '/') : NULL;
	if (slash) {
		r = copy_name(ctl, target->parent, word, (size_t)(slash - word));
		word = slash + 1;
	} else if (target->type->parent) {
		r = copy_name(ctl, target->parent, word, strlen(word));
		if (!r && *next == ctl->word_count)
			return name_missing(ctl, target->type);
		word = r ? NULL : ctl->words[(*next)++];
	}
	return r ? r : copy_name(ctl, target->name, word, strlen(word));
}

int target_object(struct ctl *ctl, const struct type *preset, struct target *ret)
{
	struct target target = { 0 };
	size_t next = 0;
	int r;

	r = take_type(ctl, preset, &next, &target);
	if (!r)
		r = take_names(ctl, &next, &target);
	if (!r)
		r = build_path(ctl, &target);
	if (r)
		return r;
	target.rest = ctl->words + next;
	target.rest_count = ctl->word_count - next;
	*ret = target;
	return 0;
}

int target_list(struct ctl *ctl, struct target *ret)
{
	struct target target = { 0 };
	size_t next = 0;
	int r;

	r = take_type(ctl, NULL, &next, &target);
	if (r)
		return r;
	if (target.type->single)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "there is one %s, and no list: xlbctl show %s", target.type->cli,
				   target.type->cli);
	if (target.type->parent && next < ctl->word_count) {
		r = copy_name(ctl, target.parent, ctl->words[next], strlen(ctl->words[next]));
		next++;
	}
	if (!r)
		r = build_path(ctl, &target);
	if (r)
		return r;
	target.rest = ctl->words + next;
	target.rest_count = ctl->word_count - next;
	*ret = target;
	return 0;
}

int target_no_rest(struct ctl *ctl, const struct target *target)
{
	if (!target->rest_count)
		return 0;
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "%s %s: unexpected word \"%s\"",
		    ctl->command->word, target->type->cli, target->rest[0]);
	xlb_err_hint(&ctl->err, "try xlbctl help %s", ctl->command->word);
	return -EINVAL;
}
