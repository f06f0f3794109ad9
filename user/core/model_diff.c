// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "core/export.h"
#include "core/field.h"
#include "core/object.h"

struct diff {
	FILE *out;
	struct model_changes *changes;
};

/* The objects of a list by name. */
struct index {
	const struct object **objects;
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct object *const *)a)->name,
		      (*(const struct object *const *)b)->name);
}

/* list NULL: no objects. */
static int index_make(const struct object_list *list, struct index *ret)
{
	const struct object *object;
	size_t n = 0;

	*ret = (struct index){};
	if (!list)
		return 0;
	TAILQ_FOREACH(object, list, link)
		n++;
	ret->objects = calloc(n + 1, sizeof(*ret->objects));
	if (!ret->objects)
		return -ENOMEM;
	TAILQ_FOREACH(object, list, link)
		ret->objects[ret->count++] = object;
	qsort(ret->objects, n, sizeof(*ret->objects), compare_names);
	return 0;
}

/* "load_balancers.edge.listeners.http" */
static void print_path(FILE *out, const struct object *object)
{
	if (object->parent)
		fprintf(out, "%s.%s.", object->parent->type->plural, object->parent->name);
	fprintf(out, "%s%s%s", object->type->plural, *object->name ? "." : "", object->name);
}

static void print_value(FILE *out, const struct object *object, const struct field *field)
{
	if (value_is_absent(object, field))
		fputs("none", out);
	else
		value_print(out, object, field);
}

/* A line per field that differs. True if one does. */
static bool diff_fields(const struct diff *diff, const struct object *from, const struct object *to)
{
	bool changed = false;

	for (size_t i = 0; i < from->type->field_count; i++) {
		const struct field *field = &from->type->fields[i];

		if (value_equal(from, to, field))
			continue;
		/* what nobody wrote follows from a field that has its own line */
		if (!field->preset && !((from->set | to->set) & field_bit(from, field)))
			continue;
		fputs("~ ", diff->out);
		print_path(diff->out, to);
		fprintf(diff->out, ".%s: ", field->name);
		print_value(diff->out, from, field);
		fputs(" -> ", diff->out);
		print_value(diff->out, to, field);
		fputc('\n', diff->out);
		changed = true;
	}
	return changed;
}

static int diff_lists(const struct diff *diff, const struct object_list *from,
		      const struct object_list *to);

/* One of from and to may be NULL. */
static int diff_object(const struct diff *diff, const struct object *from, const struct object *to)
{
	const struct object *one = to ? to : from;
	AUTO_FREE char *flow = NULL;

	if (from && to) {
		diff->changes->changed += diff_fields(diff, from, to);
	} else if (to) {
		flow = object_flow(to);
		if (!flow)
			return -ENOMEM;
		fputs("+ ", diff->out);
		print_path(diff->out, to);
		fprintf(diff->out, ": %s\n", flow);
		diff->changes->added++;
	} else {
		fputs("- ", diff->out);
		print_path(diff->out, from);
		fputc('\n', diff->out);
		diff->changes->removed++;
	}
	if (!type_child(one->type))
		return 0;
	return diff_lists(diff, from ? object_children(from) : NULL,
			  to ? object_children(to) : NULL);
}

/* Walks both lists by name, side by side. */
static int diff_indexes(const struct diff *diff, const struct index *from, const struct index *to)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (!r && (i < from->count || j < to->count)) {
		const struct object *a = i < from->count ? from->objects[i] : NULL;
		const struct object *b = j < to->count ? to->objects[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);

		i += order <= 0;
		j += order >= 0;
		r = diff_object(diff, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
	}
	return r;
}

static int diff_lists(const struct diff *diff, const struct object_list *from,
		      const struct object_list *to)
{
	struct index a = {}, b = {};
	int r = index_make(from, &a);

	if (!r)
		r = index_make(to, &b);
	if (!r)
		r = diff_indexes(diff, &a, &b);
	free(a.objects);
	free(b.objects);
	return r;
}

/* from and to: both models, or both groups. */
struct sides {
	const struct model *from, *to;
	const struct server_group *from_group, *to_group;
};

static int diff_models(const struct diff *diff, const struct sides *sides)
{
	int r = 0;

	for (const struct type *const *type = types; *type && !r; type++) {
		const struct object *single = model_single(sides->from, *type);

		if ((*type)->parent || (*type == &type_interface && !sides->to->has_interfaces))
			continue;
		if (single)
			r = diff_object(diff, single, model_single(sides->to, *type));
		else
			r = diff_lists(diff, model_list(sides->from, *type, NULL),
				       model_list(sides->to, *type, NULL));
	}
	return r;
}

static int diff_sides(const struct sides *sides, struct model_changes *ret)
{
	struct model_changes changes = {};
	struct diff diff = { .changes = &changes };
	size_t size;
	int r;

	diff.out = open_memstream(&changes.lines, &size);
	if (!diff.out)
		return -ENOMEM;
	r = sides->from ? diff_models(&diff, sides) :
			  diff_object(&diff, &sides->from_group->object, &sides->to_group->object);
	if (fclose(diff.out) && !r)
		r = -ENOMEM;
	if (r)
		free(changes.lines);
	else
		*ret = changes;
	return r;
}

int model_diff(const struct model *from, const struct model *to, struct model_changes *ret)
{
	return diff_sides(&(struct sides){ .from = from, .to = to }, ret);
}

int model_diff_group(const struct server_group *from, const struct server_group *to,
		     struct model_changes *ret)
{
	return diff_sides(&(struct sides){ .from_group = from, .to_group = to }, ret);
}
