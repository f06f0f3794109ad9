// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_list.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "core/object.h"
#include "xlbd/api_query.h"
#include "xlbd/slice.h"

enum step_kind {
	STEP_TEXT,
	STEP_NAME,    /* `"name":` */
	STEP_BEGIN,   /* the sums over a group */
	STEP_COUNT,   /* one of its servers */
	STEP_OPEN,    /* `{...` of an object */
	STEP_COLUMNS, /* of the rows of such objects */
	STEP_ROW,
	STEP_VISIT,
};

struct step {
	enum step_kind kind;
	const char *text;
	const struct object *object;
	listing_visit visit;
};

struct listing {
	struct call *call;
	struct listing_kind kind;
	struct view view;
	bool children; /* of the objects of a brief list: they are its rows */
	const struct object *last_row;
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

int listing_array_begin(struct listing *listing, const struct type *type)
{
	int r = listing_text(listing, ",");

	if (!r)
		r = add_name(listing, type->plural);
	return r ? r : listing_text(listing, "[");
}

int listing_visit_object(struct listing *listing, listing_visit visit, const struct object *object)
{
	return add_step(listing,
			(struct step){ .kind = STEP_VISIT, .visit = visit, .object = object });
}

int listing_visit_all(struct listing *listing, const struct model *model, const struct type *type,
		      const struct object *parent, listing_visit visit)
{
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, model_list(model, type, parent), link) {
		r = listing_visit_object(listing, visit, object);
		if (r)
			break;
	}
	return r;
}

int listing_count(struct listing *listing, const struct object *group)
{
	const struct object *server;
	int r = add_step(listing, (struct step){ .kind = STEP_BEGIN, .object = group });

	TAILQ_FOREACH(server, &((const struct server_group *)group)->servers, link)
		if (!r)
			r = add_step(listing,
				     (struct step){ .kind = STEP_COUNT, .object = server });
	return r;
}

const char *listing_path(const struct listing *listing)
{
	return listing->call->path;
}

/* `,"servers":{"web1":{...},...}`; what is ordered is an array. */
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
		r = listing_text(listing, type->ordered ? "[" : "{");
	TAILQ_FOREACH(object, model_list(model, type, parent), link) {
		if (!r && !first)
			r = listing_text(listing, ",");
		if (!r && !type->ordered)
			r = add_name(listing, object->name);
		if (!r)
			r = listing_object(listing, model, object);
		if (r)
			return r;
		first = false;
	}
	return r ? r : listing_text(listing, type->ordered ? "]" : "}");
}

int listing_object(struct listing *listing, const struct model *model, const struct object *object)
{
	const struct type *const *type;
	int r = 0;

	if (object->type == &type_server_group)
		r = listing_count(listing, object);
	if (!r)
		r = add_step(listing, (struct step){ .kind = STEP_OPEN, .object = object });
	for (type = types; !r && !listing->view.brief && *type; type++)
		if ((*type)->parent == object->type)
			r = add_children(listing, model, *type, object);
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

/* How many there are in place of those below. */
static void put_counts(struct view *view, const struct object *object)
{
	const struct type *child = type_child(object->type);
	const struct object *below;
	uint64_t count = 0;

	if (!child)
		return;
	TAILQ_FOREACH(below, object_children(object), link)
		count++;
	out_uint(&view->out, child->plural, count);
}

static void print_row(struct listing *listing, const struct object *object, enum out_form form)
{
	struct json_out *out = &listing->view.out;

	out_open(out, NULL, '[');
	out->form = form;
	out->more = false;
	if (listing->children)
		out_text(out, "parent", object->parent->name);
	view_object(&listing->view, object);
	put_counts(&listing->view, object);
	out->form = OUT_MEMBERS;
	out_close(out, ']');
}

/* Text of the plan's own: what comes after it begins anew, without a comma. */
static int print_text(struct listing *listing, const char *text)
{
	listing->view.out.more = false;
	return evbuffer_add(listing->out, text, strlen(text)) ? -ENOMEM : 0;
}

/* What the step before has printed to the view. */
static int take_printed(struct listing *listing)
{
	if (fflush(listing->text))
		return -ENOMEM;
	if (evbuffer_add(listing->out, listing->text_data, listing->text_size))
		return -ENOMEM;
	rewind(listing->text);
	return 0;
}

static int run_step(struct listing *listing, const struct step *step)
{
	struct view *view = &listing->view;
	struct server_look server;
	int r;

	switch (step->kind) {
	case STEP_TEXT:
		return print_text(listing, step->text);
	case STEP_NAME:
		/* plurals and names of objects: nothing in them needs an escape */
		view->out.more = false;
		return evbuffer_add_printf(listing->out, "\"%s\":", step->text) < 0 ? -ENOMEM : 0;
	case STEP_BEGIN:
		return look_begin(&view->look, (const struct server_group *)step->object);
	case STEP_COUNT:
		look_server(&view->look, (const struct server *)step->object, &server);
		look_count(&view->look, &server);
		return 0;
	case STEP_OPEN:
		view_object(view, step->object);
		if (view->brief)
			put_counts(view, step->object);
		break;
	case STEP_COLUMNS:
		print_row(listing, step->object, OUT_COLUMNS);
		break;
	case STEP_ROW:
		print_row(listing, step->object, OUT_VALUES);
		break;
	case STEP_VISIT:
		r = step->visit(listing->kind.arg, view, step->object);
		if (r)
			return r;
		break;
	}
	return take_printed(listing);
}

/* The model may be gone when the loop has turned: go on with a copy of it, at the same step. */
static int pause_listing(struct listing *listing)
{
	struct xlb_err ignored;

	if (!listing->copy) {
		listing->copy = model_copy(engine_model(listing->view.engine));
		if (!listing->copy)
			return -ENOMEM;
		listing->count = 0;
		listing->last_row = NULL;
		if (listing->kind.plan(listing, listing->copy, &ignored))
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
		listing->kind.done(listing->call, listing->kind.arg, listing->out);
	if (r)
		call_reply_no_memory(listing->call);
}

static struct listing *listing_new(struct call *call, const struct listing_kind *kind)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	struct view *view = listing ? &listing->view : NULL;

	if (!listing) {
		if (kind->free)
			kind->free(kind->arg);
		return NULL;
	}
	call->job = listing;
	call->job_free = listing_free;
	listing->call = call;
	listing->kind = *kind;
	view->api = call->api;
	view->engine = view->look.engine = call->api->engine;
	if (kind->with_problems)
		view->problems = problems_new();
	listing->out = evbuffer_new();
	listing->text = open_memstream(&listing->text_data, &listing->text_size);
	view->out.file = listing->text;
	listing->timer = event_new(call->api->base, -1, 0, run_slice, listing);
	return listing->out && listing->text && listing->timer &&
			       (view->problems || !kind->with_problems) ?
		       listing :
		       NULL;
}

static void reply_json_text(struct call *call, void *arg, struct evbuffer *out)
{
	(void)arg;
	call_reply_buffer(call, "application/json", out);
}

void listing_run(struct call *call, const struct listing_kind *kind)
{
	struct listing *listing = listing_new(call, kind);
	struct xlb_err err = {};
	int r;

	if (!listing) {
		call_reply_no_memory(call);
		return;
	}
	if (!kind->done)
		listing->kind.done = reply_json_text;
	r = query_flag(call, "brief", &listing->view.brief, &err);
	if (!r)
		r = query_flag(call, "children", &listing->children, &err);
	if (!r)
		r = kind->plan(listing, engine_model(listing->view.engine), &err);
	if (r == -ENOMEM)
		call_reply_no_memory(call);
	else if (r)
		call_reply_err(call, &err);
	else
		run_slice(-1, 0, listing);
}

static int add_rows(struct listing *listing, const struct model *model, const struct type *type,
		    const struct object *parent)
{
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, model_list(model, type, parent), link) {
		if (type == &type_server_group)
			r = listing_count(listing, object);
		if (!r)
			r = add_step(listing, (struct step){ .kind = STEP_ROW, .object = object });
		if (r)
			break;
		listing->last_row = object;
	}
	return r;
}

/* The rows of all objects of a type; the sums over their groups are counted before. */
static int add_all_rows(struct listing *listing, const struct model *model, const struct type *type)
{
	const struct object *parent;
	int r = 0;

	TAILQ_FOREACH(parent, model_list(model, type->parent, NULL), link) {
		if (type == &type_server)
			r = listing_count(listing, parent);
		if (!r)
			r = add_rows(listing, model, type, parent);
		if (r)
			break;
	}
	return r;
}

/* `{"servers":{"rows":[[...],...],"columns":[...]}}`, of the objects below `parent` or, as children, of all. */
static int plan_rows(struct listing *listing, const struct model *model, const struct type *type,
		     const struct object *parent)
{
	int r;

	r = listing_text(listing, "{");
	if (!r)
		r = add_name(listing, type->plural);
	if (!r)
		r = listing_text(listing, "{\"rows\":[");
	if (!r && listing->children)
		r = add_all_rows(listing, model, type);
	else if (!r)
		r = add_rows(listing, model, type, parent);
	if (!r)
		r = listing_text(listing, "],\"columns\":");
	/* all have the same: the last one's groups have been counted */
	if (!r && listing->last_row)
		r = add_step(listing,
			     (struct step){ .kind = STEP_COLUMNS, .object = listing->last_row });
	else if (!r)
		r = listing_text(listing, "[]");
	return r ? r : listing_text(listing, "}}");
}

static int plan_brief(struct listing *listing, const struct model *model, const struct type *type,
		      const struct object *parent, struct xlb_err *err)
{
	const struct type *child = type_child(type);

	if (!listing->children)
		return plan_rows(listing, model, type, parent);
	if (child)
		return plan_rows(listing, model, child, NULL);
	return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
			   "there is nothing below %s: leave out children=1", type->plural);
}

/* One object, or `{"plural": [...]}`. */
static int plan_get(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	struct object *parent, *object;
	const struct type *type;
	int r;

	r = model_walk(model, listing->call->path, &type, &parent, &object, err);
	if (!r && type == &type_server)
		r = listing_count(listing, parent);
	if (r)
		return r;
	if (object) {
		r = listing_object(listing, model, object);
	} else if (listing->view.brief) {
		r = plan_brief(listing, model, type, parent, err);
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
	listing_run(call, &(struct listing_kind){ .plan = plan_get });
}
