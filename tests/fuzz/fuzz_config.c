// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A text to a model and back: nothing crashes, every error has its place in the text, and what is accepted
 * survives export, JSON, copy and merge.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static struct model *read_text(const char *text, size_t length, struct xlb_err *err)
{
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;

	if (tree_parse("x.yaml", text, length, &tree, err) || model_from_tree(tree, &model, err))
		return NULL;
	return model;
}

/* An error is located inside the text, and its source line is printable. */
static void check_error(const struct xlb_err *err)
{
	check(err->class != XLB_ERR_NONE && *err->text);
	check(!err->line || (err->column && err->length));
	check(strlen(err->source) < sizeof(err->source));
	for (const char *p = err->source; *p; p++)
		check((unsigned char)*p >= 0x20);
	for (const char *p = err->text; *p; p++)
		check((unsigned char)*p >= 0x20);
	json_decref(err_json(err));
}

static void check_same(const struct model *a, const struct model *b)
{
	struct model_changes changes = {};

	check(a && b && !model_diff(a, b, &changes));
	check(!*changes.lines && !changes.added && !changes.changed && !changes.removed);
	free(changes.lines);
}

static void check_round_trips(const struct model *model)
{
	AUTO_FREE char *text = model_export(model);
	AUTO(model_free) struct model *copy = model_copy(model);
	AUTO(model_free) struct model *from_text = NULL;
	AUTO(model_free) struct model *from_json = NULL;
	AUTO_FREE char *json_text = model_json(model);
	struct xlb_err err = {};

	check(text && json_text);
	from_text = read_text(text, strlen(text), &err);
	from_json = read_text(json_text, strlen(json_text), &err);
	check_same(model, copy);
	check_same(model, from_text);
	check_same(model, from_json);
}

/* The text as the body of a PATCH, into every kind of object. */
static void check_merges(const char *text, size_t length)
{
	static const char base[] =
		"version: 1\ninterfaces: {a: {}}\nserver_groups: {a: {servers: {a: {address: 10.0.0.1, "
		"port: 1}}}}\nload_balancers: {a: {addresses: 10.0.0.9, listeners: {a: {protocol: tcp, "
		"port: 1, server_group: a}}}}\n";
	static const char *const paths[] = { "interfaces/a", "load_balancers/a",
					     "load_balancers/a/listeners/a", "server_groups/a",
					     "server_groups/a/servers/a" };
	AUTO(tree_free) struct tree *tree = NULL;
	struct xlb_err err = {};

	if (tree_parse("body", text, length, &tree, &err) || !tree->root)
		return;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		AUTO(model_free) struct model *model = read_text(base, sizeof(base) - 1, &err);
		struct object *parent = NULL, *object = NULL;
		const struct type *type;

		check(model && !model_walk(model, paths[i], &type, &parent, &object, &err));
		if (object_merge(model, object, tree, tree->root, &err))
			check_error(&err);
		else if (!model_check(model, &err))
			check_round_trips(model);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(model_free) struct model *model = NULL;
	struct xlb_err err = {};

	model = read_text((const char *)data, size, &err);
	if (model)
		check_round_trips(model);
	else
		check_error(&err);
	check_merges((const char *)data, size);
	return 0;
}

#ifdef REPLAY
/* Without libFuzzer: runs the files that are named. */
#include "base/cleanup.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		AUTO_FCLOSE FILE *file = fopen(argv[i], "r");
		AUTO_FREE char *text = NULL;
		size_t capacity = 0;
		ssize_t length = file ? getdelim(&text, &capacity, -1, file) : -1;

		if (!file)
			return 1;
		LLVMFuzzerTestOneInput((const uint8_t *)text, length < 0 ? 0 : (size_t)length);
	}
	return 0;
}
#endif
