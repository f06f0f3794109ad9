// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_list.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "xlbd/api_problems.h"
#include "xlbd/slice.h"

enum step_kind {
	STEP_TEXT,
	STEP_NAME,   /* `"name":` */
	STEP_OBJECT, /* `{...}` */
	STEP_OPEN,   /* `{...` */
	STEP_HEAD,   /* `{...` of what `make` returns */
	STEP_CALL,   /* what `print` makes of the object */
	STEP_PROBLEMS,
};

struct step {
	enum step_kind kind;
	const char *text;
	const struct object *object;
	json_t *(*make)(const struct api *api);
	listing_print print;
};

struct listing {
	struct call *call;
	listing_plan plan;
	struct view view;
	struct model *copy; /* what the steps point into from the second slice on, owned */
	struct step *steps;
	size_t count, capacity, next;
	struct evbuffer *out;
	struct event *timer;
};

static void listing_free(void *job)
{
	struct listing *listing = job;

	if (listing->timer)
		event_free(listing->timer);
	if (listing->out)
		evbuffer_free(listing->out);
	view_done(&listing->view);
	model_free(listing->copy);
	free(listing->steps);
	free(listing);
}

static int add_step(struct listing *listing, struct step step)
{
	if (listing->count == listing->capacity) {
		size_t capacity = listing->capacity ? listing->capacity * 2 : 64;
		struct step *grown = realloc(listing->steps, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		listing->steps = grown;
		listing->capacity = capacity;
	}
	listing->steps[listing->count++] = step;
	return 0;
}

int listing_text(struct listing *listing, const char *text)
{
	return add_step(listing, (struct step){ .kind = STEP_TEXT, .text = text });
}

static int add_name(struct listing *listing, const char *name)
{
	return add_step(listing, (struct step){ .kind = STEP_NAME, .text = name });
}

int listing_open(struct listing *listing, json_t *(*make)(const struct api *api))
{
	return add_step(listing, (struct step){ .kind = STEP_HEAD, .make = make });
}

int listing_array_begin(struct listing *listing, const struct type *type)
{
	int r = listing_text(listing, ",");

	if (!r)
		r = add_name(listing, type->plural);
	return r ? r : listing_text(listing, "[");
}

int listing_call(struct listing *listing, listing_print print, const struct object *object)
{
	return add_step(listing,
			(struct step){ .kind = STEP_CALL, .print = print, .object = object });
}

const char *listing_path(const struct listing *listing)
{
	return listing->call->path;
}

int listing_problems(struct listing *listing)
{
	return add_step(listing, (struct step){ .kind = STEP_PROBLEMS });
}

/* `,"servers":{"web1":{...},...}` */
static int add_children(struct listing *listing, const struct model *model, const struct type *type,
			const struct object *parent)
{
	const struct object *object;
	bool first = true;
	int r;

	r = listing_text(listing, ",");
	if (!r)
		r = add_name(listing, type->plural);
	if (!r)
		r = listing_text(listing, "{");
	TAILQ_FOREACH(object, model_list(model, type, parent), link) {
		if (!r && !first)
			r = listing_text(listing, ",");
		if (!r)
			r = add_name(listing, object->name);
		if (!r)
			r = listing_object(listing, model, object);
		if (r)
			return r;
		first = false;
	}
	return r ? r : listing_text(listing, "}");
}

int listing_object(struct listing *listing, const struct model *model, const struct object *object)
{
	const struct type *const *type;
	bool open = false;
	int r = 0;

	for (type = types; *type; type++) {
		if ((*type)->parent != object->type)
			continue;
		if (!open)
			r = add_step(listing, (struct step){ .kind = STEP_OPEN, .object = object });
		if (!r)
			r = add_children(listing, model, *type, object);
		if (r)
			return r;
		open = true;
	}
	if (open)
		return listing_text(listing, "}");
	return add_step(listing, (struct step){ .kind = STEP_OBJECT, .object = object });
}

int listing_array(struct listing *listing, const struct model *model, const struct type *type,
		  const struct object *parent)
{
	const struct object *object;
	bool first = true;
	int r;

	r = add_name(listing, type->plural);
	if (!r)
		r = listing_text(listing, "[");
	TAILQ_FOREACH(object, model_list(model, type, parent), link) {
		if (!r && !first)
			r = listing_text(listing, ",");
		if (!r)
			r = listing_object(listing, model, object);
		if (r)
			return r;
		first = false;
	}
	return r ? r : listing_text(listing, "]");
}

static int print_json(struct listing *listing, json_t *json, bool open)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(4)) : NULL;
	int r;

	if (!text)
		return -ENOMEM;
	r = evbuffer_add(listing->out, text, strlen(text) - (open ? 1 : 0));
	free(text);
	return r ? -ENOMEM : 0;
}

static int run_step(struct listing *listing, const struct step *step)
{
	json_t *json;
	int r;

	switch (step->kind) {
	case STEP_TEXT:
		return evbuffer_add(listing->out, step->text, strlen(step->text)) ? -ENOMEM : 0;
	case STEP_NAME:
		/* plurals and names of objects: nothing in them needs an escape */
		return evbuffer_add_printf(listing->out, "\"%s\":", step->text) < 0 ? -ENOMEM : 0;
	case STEP_PROBLEMS:
		problems_rest(&listing->view, listing->call->api);
		json = problems_json(listing->view.problems);
		r = print_json(listing, json, false);
		json_decref(json);
		return r;
	case STEP_CALL:
		return step->print(&listing->view, step->object, listing->out);
	case STEP_HEAD:
	case STEP_OBJECT:
	case STEP_OPEN:
		json = step->make ? step->make(listing->call->api) :
				    view_object(&listing->view, step->object);
		r = print_json(listing, json, step->kind != STEP_OBJECT);
		json_decref(json);
		return r;
	}
	return -EINVAL;
}

/* The model may be gone when the loop has turned: go on with a copy of it, at the same step. */
static int pause_listing(struct listing *listing)
{
	struct xlb_err ignored;

	if (!listing->copy) {
		listing->copy = model_copy(engine_model(listing->view.engine));
		if (!listing->copy)
			return -ENOMEM;
		listing->view.group.group = NULL;
		listing->count = 0;
		if (listing->plan(listing, listing->copy, &ignored))
			return -ENOMEM;
	}
	return event_add(listing->timer, &(struct timeval){ 0 }) ? -ENOMEM : 0;
}

static void run_slice(evutil_socket_t fd, short what, void *arg)
{
	struct listing *listing = arg;
	uint64_t end = slice_begin();
	int r = 0;

	(void)fd;
	(void)what;
	while (!r && listing->next < listing->count && !slice_is_over(end))
		r = run_step(listing, &listing->steps[listing->next++]);
	if (!r && listing->next < listing->count)
		r = pause_listing(listing);
	else if (!r)
		call_reply_buffer(listing->call, "application/json", listing->out);
	if (r)
		call_reply_no_memory(listing->call);
}

void listing_run(struct call *call, listing_plan plan, bool with_problems)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	struct xlb_err err = {};
	int r;

	if (!listing) {
		call_reply_no_memory(call);
		return;
	}
	call->job = listing;
	call->job_free = listing_free;
	listing->call = call;
	listing->plan = plan;
	listing->view.engine = call->api->engine;
	listing->view.traffic = call->api->traffic;
	if (with_problems)
		listing->view.problems = problems_new();
	listing->out = evbuffer_new();
	listing->timer = event_new(call->api->base, -1, 0, run_slice, listing);
	if (!listing->out || !listing->timer || (with_problems && !listing->view.problems)) {
		call_reply_no_memory(call);
		return;
	}
	r = plan(listing, engine_model(listing->view.engine), &err);
	if (r == -ENOMEM)
		call_reply_no_memory(call);
	else if (r)
		call_reply_err(call, &err);
	else
		run_slice(-1, 0, listing);
}

/* One object, or `{"plural": [...]}`. */
static int plan_get(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	struct object *parent, *object;
	const struct type *type;
	int r;

	r = model_walk(model, listing->call->path, &type, &parent, &object, err);
	if (r)
		return r;
	if (object) {
		r = listing_object(listing, model, object);
	} else {
		r = listing_text(listing, "{");
		if (!r)
			r = listing_array(listing, model, type, parent);
		if (!r)
			r = listing_text(listing, "}");
	}
	return r ? r : listing_text(listing, "\n");
}

void api_get(struct call *call)
{
	listing_run(call, plan_get, false);
}
