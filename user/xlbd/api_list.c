// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_list.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "xlbd/api_query.h"

#define SLICE_NS 2000000

enum step_kind {
	STEP_TEXT,
	STEP_NAME, /* `"name":` */
	STEP_OPEN, /* `{...` of an object */
	STEP_HEAD, /* `{...` of what `make` returns */
	STEP_VISIT,
	STEP_NUMBER,
	STEP_PROBLEMS,
};

struct step {
	enum step_kind kind;
	const char *text;
	uint32_t number;
	const struct object *object;
	json_t *(*make)(const struct api *api);
	listing_visit visit;
};

struct listing {
	struct call *call;
	struct listing_kind kind;
	struct view view;
	bool children;	    /* of brief objects: shown, not only counted */
	struct model *copy; /* what the steps point into from the second slice on, owned */
	struct step *steps;
	size_t count, capacity, next;
	struct evbuffer *out;
	FILE *text; /* of the step that runs, emptied into out */
	char *text_data;
	size_t text_size;
	struct event *timer;
};

static void listing_free(void *job)
{
	struct listing *listing = job;

	if (listing->timer)
		event_free(listing->timer);
	if (listing->out)
		evbuffer_free(listing->out);
	if (listing->text)
		fclose(listing->text);
	free(listing->text_data);
	if (listing->kind.free)
		listing->kind.free(listing->kind.arg);
	view_done(&listing->view);
	model_free(listing->copy);
	free(listing->steps);
	free(listing);
}

void *listing_arg(const struct listing *listing)
{
	return listing->kind.arg;
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

int listing_visit_object(struct listing *listing, listing_visit visit, const struct object *object)
{
	return add_step(listing,
			(struct step){ .kind = STEP_VISIT, .visit = visit, .object = object });
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

/* `,"servers":100` */
static int add_count(struct listing *listing, const struct model *model, const struct type *type,
		     const struct object *parent)
{
	const struct object *object;
	struct step step = { .kind = STEP_NUMBER };
	int r;

	TAILQ_FOREACH(object, model_list(model, type, parent), link)
		step.number++;
	r = listing_text(listing, ",");
	if (!r)
		r = add_name(listing, type->plural);
	return r ? r : add_step(listing, step);
}

int listing_object(struct listing *listing, const struct model *model, const struct object *object)
{
	bool counts = listing->view.brief && !listing->children;
	const struct type *const *type;
	int r;

	r = add_step(listing, (struct step){ .kind = STEP_OPEN, .object = object });
	for (type = types; !r && *type; type++)
		if ((*type)->parent == object->type)
			r = counts ? add_count(listing, model, *type, object) :
				     add_children(listing, model, *type, object);
	return r ? r : listing_text(listing, "}");
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

static int print_object(struct listing *listing, const struct object *object)
{
	struct json_out out = { .file = listing->text };

	rewind(listing->text);
	view_object(&listing->view, object, &out);
	if (fflush(listing->text))
		return -ENOMEM;
	return evbuffer_add(listing->out, listing->text_data, listing->text_size) ? -ENOMEM : 0;
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
	case STEP_NUMBER:
		return evbuffer_add_printf(listing->out, "%u", step->number) < 0 ? -ENOMEM : 0;
	case STEP_PROBLEMS:
		view_finish_problems(&listing->view, &listing->call->api->paths);
		return print_json(listing, listing->view.problems, false);
	case STEP_HEAD:
		json = step->make(listing->call->api);
		r = print_json(listing, json, true);
		json_decref(json);
		return r;
	case STEP_OPEN:
		return print_object(listing, step->object);
	case STEP_VISIT:
		return step->visit(listing->kind.arg, &listing->view, step->object);
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
		look_model_moved(&listing->view.look);
		listing->count = 0;
		if (listing->kind.plan(listing, listing->copy, &ignored))
			return -ENOMEM;
	}
	return event_add(listing->timer, &(struct timeval){ 0 }) ? -ENOMEM : 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void run_slice(evutil_socket_t fd, short what, void *arg)
{
	struct listing *listing = arg;
	uint64_t end = now_ns() + SLICE_NS;
	int r = 0;

	(void)fd;
	(void)what;
	while (!r && listing->next < listing->count && now_ns() < end)
		r = run_step(listing, &listing->steps[listing->next++]);
	if (!r && listing->next < listing->count)
		r = pause_listing(listing);
	else if (!r)
		listing->kind.done(listing->call, listing->kind.arg, listing->out);
	if (r)
		call_reply_no_memory(listing->call);
}

static struct listing *listing_new(struct call *call, const struct listing_kind *kind)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing) {
		if (kind->free)
			kind->free(kind->arg);
		return NULL;
	}
	call->job = listing;
	call->job_free = listing_free;
	listing->call = call;
	listing->kind = *kind;
	listing->view.engine = listing->view.look.engine = call->api->engine;
	listing->out = evbuffer_new();
	listing->text = open_memstream(&listing->text_data, &listing->text_size);
	listing->timer = event_new(call->api->base, -1, 0, run_slice, listing);
	return listing->out && listing->text && listing->timer ? listing : NULL;
}

static void listing_start(struct listing *listing)
{
	struct xlb_err err = {};
	int r = listing->kind.plan(listing, engine_model(listing->view.engine), &err);

	if (r == -ENOMEM)
		call_reply_no_memory(listing->call);
	else if (r)
		call_reply_err(listing->call, &err);
	else
		run_slice(-1, 0, listing);
}

void listing_visit_run(struct call *call, const struct listing_kind *kind)
{
	struct listing *listing = listing_new(call, kind);

	if (listing)
		listing_start(listing);
	else
		call_reply_no_memory(call);
}

static void reply_json_text(struct call *call, void *arg, struct evbuffer *out)
{
	(void)arg;
	call_reply_buffer(call, "application/json", out);
}

void listing_run(struct call *call, listing_plan plan, bool with_problems)
{
	const struct listing_kind kind = { .plan = plan, .done = reply_json_text };
	struct listing *listing = listing_new(call, &kind);
	struct xlb_err err = {};

	if (listing && with_problems)
		listing->view.problems = json_array();
	if (!listing || (with_problems && !listing->view.problems))
		call_reply_no_memory(call);
	else if (query_flag(call, "brief", &listing->view.brief, &err) ||
		 query_flag(call, "children", &listing->children, &err))
		call_reply_err(call, &err);
	else
		listing_start(listing);
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
