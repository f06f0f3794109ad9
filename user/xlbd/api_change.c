// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A call that changes the configuration: what it does to the model, and its answer. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "core/field.h"
#include "core/json.h"
#include "xlbd/api_private.h"

/* Independent of the request: it waits for its turn in the engine's queue. */
struct edit {
	enum edit_kind kind;
	struct call *call;
	char *path;
	struct model *model;
	struct tree *tree;
};

static void edit_free(struct edit *edit)
{
	free(edit->path);
	model_free(edit->model);
	tree_free(edit->tree);
	free(edit);
}

char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path)) : strdup("");
}

static int edit_add(const struct edit *edit, struct model *model, struct object **ret,
		    struct xlb_err *err)
{
	AUTO_FREE char *list = path_parent(edit->path);
	const char *name = strrchr(edit->path, '/');
	struct object *parent, *object = NULL;
	const struct type *type;
	int r;

	if (!list)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = model_walk(model, name ? list : edit->path, &type, &parent, &object, err);
	if (r)
		return r;
	if (!name || object)
		return xlb_err_set(
			err, XLB_ERR_USAGE, -EINVAL,
			"'/v1/%.200s' is a list: the path of a new object ends in its name",
			edit->path);
	return object_add(model, type, parent, name + 1, ret, err);
}

/* The object to merge into, made if the kind of edit says so. */
static int edit_target(const struct edit *edit, struct model *model, struct object **ret,
		       struct xlb_err *err)
{
	struct object *parent, *object;
	const struct type *type;
	int r;

	r = model_walk(model, edit->path, &type, &parent, &object, err);
	if (!r && type->single && edit->kind != EDIT_SET)
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "'/v1/%.200s' is always there: it takes GET and PATCH",
				   edit->path);
	if (edit->kind == EDIT_ADD)
		return edit_add(edit, model, ret, err);
	if (r && edit->kind == EDIT_PUT && err->class == XLB_ERR_NOT_FOUND)
		return edit_add(edit, model, ret, err);
	if (!r && !object)
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "'/v1/%.200s' is a list: name one object of it", edit->path);
	if (!r)
		*ret = object;
	return r;
}

/* A body of fields has no position that means something to a user; the pointer does. */
static void forget_position(struct xlb_err *err)
{
	err->file[0] = err->source[0] = '\0';
	err->line = err->column = err->length = 0;
}

/* Adds to `fix` what the checks of the interface find. */
static void edit_fix(const struct edit *edit, struct object *object)
{
	struct interface *interface = (struct interface *)object;
	const struct call *call = edit->call;
	uint32_t settings;

	if (!call->fix || !call->api)
		return;
	settings = engine_fixable(call->api->engine, interface, call->options.dry_run);
	interface->fix |= settings;
	if (settings)
		object->set |= field_bit(object, field_find(object->type, "fix"));
}

/* model_edit: runs when the change's turn comes. */
static int edit_run(void *arg, const struct model *current, struct model **ret, struct xlb_err *err)
{
	AUTO(model_free) struct model *model = NULL;
	struct edit *edit = arg;
	struct object *object = NULL;
	int r;

	if (edit->kind == EDIT_REPLACE) {
		*ret = TAKE(edit->model);
		return 0;
	}
	model = model_copy(current);
	if (!model)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (edit->kind == EDIT_RELOAD) {
		*ret = TAKE(model);
		return 0;
	}
	r = edit_target(edit, model, &object, err);
	if (r)
		return r;
	if (object->type == &type_interface)
		model->has_interfaces = true;
	if (edit->kind == EDIT_REMOVE) {
		object_remove(model, object);
	} else if (edit->tree && edit->tree->root) {
		r = object_merge(model, object, edit->tree, edit->tree->root, err);
		if (r) {
			forget_position(err);
			return r;
		}
	}
	edit_fix(edit, object);
	*ret = TAKE(model);
	return 0;
}

json_t *lines_json(const char *lines)
{
	json_t *array = json_array();

	while (*lines) {
		size_t length = strcspn(lines, "\n");

		if (length)
			json_array_append_new(array, json_stringn(lines, length));
		lines += length + (lines[length] == '\n');
	}
	return array;
}

/* "alice(uid 1000): PATCH server_groups/web (xlb.yaml) -> r43" */
static void log_change(const struct call *call, const struct apply_result *result)
{
	bool named = call->origin_file == call->options.origin;
	bool nothing = !result->added && !result->changed && !result->removed;

	log_notice("%s: %s %s%s%s%s -> r%" PRIu64 "%s", call->who, call->method, call->path,
		   named ? " (" : "", named ? call->options.origin : "", named ? ")" : "",
		   result->revision, nothing ? ", nothing changed" : "");
}

/* apply_done: called exactly once; the client, even the API, may be gone. */
static void edit_done(void *arg, int r, const struct apply_result *result,
		      const struct xlb_err *err)
{
	struct edit *edit = arg;
	struct call *call = edit->call;
	bool dry_run = call->options.dry_run;

	if (r) {
		struct xlb_err located = *err;

		/* what the engine refuses has a pointer: in a text that is a line */
		if (edit->kind == EDIT_REPLACE && edit->tree && !err->line)
			model_locate(edit->tree, &located);
		edit_free(edit);
		call_reply_err(call, &located);
		return;
	}
	edit_free(edit);
	if (!dry_run)
		log_change(call, result);
	call_reply_json(call,
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:b}", "revision",
				  (json_int_t)result->revision, "added", (json_int_t)result->added,
				  "changed", (json_int_t)result->changed, "removed",
				  (json_int_t)result->removed, "flows_affected",
				  (json_int_t)result->flows_affected, "warnings",
				  lines_json(result->warnings), "changes",
				  lines_json(result->changes), "dry_run", dry_run));
}

/* The one server group that a change of this path is about, "" if it is about more. */
static void note_group(const char *path, char ret[NAME_TEXT_MAX])
{
	static const char groups[] = "server_groups/";
	size_t prefix = sizeof(groups) - 1;

	path += strspn(path, "/");
	ret[0] = '\0';
	if (!strncmp(path, groups, prefix) && strcspn(path + prefix, "/") < NAME_TEXT_MAX)
		snprintf(ret, NAME_TEXT_MAX, "%.*s", (int)strcspn(path + prefix, "/"),
			 path + prefix);
}

void call_change(struct call *call, enum edit_kind kind, const char *path, struct model *model,
		 struct tree *tree)
{
	struct edit *edit = calloc(1, sizeof(*edit));

	if (edit)
		edit->path = strdup(path);
	if (!edit || !edit->path) {
		free(edit);
		model_free(model);
		tree_free(tree);
		call_reply_no_memory(call);
		return;
	}
	edit->kind = kind;
	edit->call = call;
	edit->model = model;
	edit->tree = tree;
	call->applying = true;
	if (kind != EDIT_REPLACE)
		note_group(path, call->options.group);
	engine_apply(call->api->engine, &call->options, edit_run, edit, edit_done, edit);
}

void call_change_body(struct call *call, enum edit_kind kind, const char *path)
{
	struct tree *tree = NULL;
	struct xlb_err err = {};

	if (call->body_length && tree_parse("body", call->body, call->body_length, &tree, &err)) {
		call_reply_err(call, &err);
		return;
	}
	call_change(call, kind, path, NULL, tree);
}
