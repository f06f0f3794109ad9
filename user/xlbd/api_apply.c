// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whole configurations: apply, check, diff, export; and confirm. */
#include <errno.h>
#include <string.h>

#include "xlbd/api_worker.h"
#include "xlbd/tls_files.h"

static void apply_model(struct call *call, struct model *model, struct tree *tree)
{
	call_change(call, EDIT_REPLACE, call->path, model, tree);
}

void api_apply(struct call *call)
{
	call_parse(call, apply_model);
}

/* A configuration that is good by itself: are the files that it names? */
struct checking {
	struct model *model;
	struct tree *tree;
	const char *directory; /* of the API's */
	struct xlb_err err;
	int r;
};

static void check_files(const struct call *call, void *arg)
{
	struct checking *checking = arg;

	(void)call;
	checking->r = tls_files_check(checking->model, checking->directory, &checking->err);
	if (checking->r && checking->tree)
		model_locate(checking->tree, &checking->err);
}

static void answer_checked(struct call *call, void *arg)
{
	const struct checking *checking = arg;

	if (checking->r)
		call_reply_err(call, &checking->err);
	else
		call_reply_json(call, json_pack("{s:b, s:[]}", "ok", 1, "warnings"));
}

static void checking_free(void *arg)
{
	struct checking *checking = arg;

	tree_free(checking->tree);
	model_free(checking->model);
	free(checking);
}

static void go_on_reloading(struct call *call, void *arg)
{
	struct checking *checking = arg;

	if (checking->r)
		call_reply_err(call, &checking->err);
	else
		call_change(call, EDIT_RELOAD, call->path, NULL, NULL);
}

/* The configuration stays; files that it names are read anew, as by every change, but here none may be bad. */
void api_reload(struct call *call)
{
	static const struct work work = { check_files, go_on_reloading, checking_free };
	struct checking *checking = calloc(1, sizeof(*checking));

	if (checking) {
		checking->model = model_copy(engine_model(call->api->engine));
		checking->directory = call->api->paths.config_dir;
	}
	if (checking && !checking->model) {
		checking_free(checking);
		checking = NULL;
	}
	worker_run(call, &work, checking);
}

static void check_parsed(struct call *call, struct model *model, struct tree *tree)
{
	static const struct work work = { check_files, answer_checked, checking_free };
	struct checking *checking = calloc(1, sizeof(*checking));

	if (checking) {
		checking->model = model;
		checking->tree = tree;
		checking->directory = call->api->paths.config_dir;
	} else {
		tree_free(tree);
		model_free(model);
	}
	worker_run(call, &work, checking);
}

void api_check(struct call *call)
{
	call_parse(call, check_parsed);
}

static void answer_diff(struct call *call, struct model *parsed, struct tree *tree)
{
	const struct model *current = engine_model(call->api->engine);
	AUTO(model_free) struct model *model = parsed;
	struct model_changes changes = {};

	tree_free(tree);
	if (model_keep_interfaces(model, current) || model_diff(current, model, &changes)) {
		call_reply_no_memory(call);
		return;
	}
	call_reply_json(call,
			json_pack("{s:o, s:I, s:I, s:I}", "changes", lines_json(changes.lines),
				  "added", (json_int_t)changes.added, "changed",
				  (json_int_t)changes.changed, "removed",
				  (json_int_t)changes.removed));
	free(changes.lines);
}

void api_diff(struct call *call)
{
	call_parse(call, answer_diff);
}

struct exporting {
	struct model *model; /* a copy: the one that runs may change meanwhile */
	char *text;
};

static void print_model(const struct call *call, void *arg)
{
	struct exporting *exporting = arg;

	(void)call;
	exporting->text = model_export(exporting->model);
}

static void answer_export(struct call *call, void *arg)
{
	struct exporting *exporting = arg;
	struct evbuffer *buffer = evbuffer_new();

	if (exporting->text && buffer &&
	    !evbuffer_add(buffer, exporting->text, strlen(exporting->text)))
		call_reply_buffer(call, "text/yaml", buffer);
	else
		call_reply_no_memory(call);
	if (buffer)
		evbuffer_free(buffer);
}

static void exporting_free(void *arg)
{
	struct exporting *exporting = arg;

	model_free(exporting->model);
	free(exporting->text);
	free(exporting);
}

void api_export(struct call *call)
{
	static const struct work work = { print_model, answer_export, exporting_free };
	struct exporting *exporting = calloc(1, sizeof(*exporting));

	if (exporting)
		exporting->model = model_copy(engine_model(call->api->engine));
	if (exporting && !exporting->model) {
		exporting_free(exporting);
		exporting = NULL;
	}
	worker_run(call, &work, exporting);
}

void api_confirm(struct call *call)
{
	struct engine *engine = call->api->engine;
	struct xlb_err err = {};

	if (engine_confirm(engine, &err))
		call_reply_err(call, &err);
	else
		call_reply_json(call, json_pack("{s:I}", "revision",
						(json_int_t)engine_revision(engine)));
}
