// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/export.h"

#include <errno.h>
#include <string.h>

#include "core/field.h"
#include "core/object.h"

/* Objects without children stay on one line up to this many characters. */
#define LINE_CHARS 100
/* fields of a type, at most */
#define ITEMS_MAX  64

/* "key: value" or "key: {key: value}", one for each field or nested map that is worth printing. */
struct items {
	char *texts[ITEMS_MAX];
	size_t count;
};

static void items_free(struct items *items)
{
	while (items->count)
		free(items->texts[--items->count]);
}
#define AUTO_ITEMS __attribute__((cleanup(items_free)))

/*
 * Characters up to the end of the next nested map behind the first `outer`: of "limits.per_source.bits_per_second" 7, and
 * 18 behind those; 0 if the field lies in none.
 */
static size_t prefix_length(const struct field *field, size_t outer)
{
	const char *dot = strchr(field->name + outer, '.');

	return dot ? (size_t)(dot + 1 - field->name) : 0;
}

/* Given, or changed by someone who did not say so; `fresh` holds the defaults. */
static bool is_worth(const struct object *object, const struct object *fresh,
		     const struct field *field)
{
	if (value_is_absent(object, field))
		return false;
	if (object->set & field_bit(object, field))
		return true;
	/* without a preset the value follows from other fields */
	return field->preset && !value_equal(object, fresh, field);
}

/* Row behind the last one, from `i` on, of the nested map that is so many characters of the name of row i. */
static size_t map_end(const struct type *type, size_t i, size_t prefix)
{
	const char *first = type->fields[i].name;

	while (++i < type->field_count && !strncmp(type->fields[i].name, first, prefix))
		;
	return i;
}

static bool any_worth(const struct object *object, const struct object *fresh, size_t i, size_t end)
{
	for (; i < end; i++)
		if (is_worth(object, fresh, &object->type->fields[i]))
			return true;
	return false;
}

/*
 * Prints the rows from `i` on that share one nested map, or row i alone, all of which lie in maps of `outer` characters
 * together. Returns the row behind them.
 */
static size_t print_item(FILE *out, const struct object *object, const struct object *fresh,
			 size_t i, size_t outer)
{
	const struct field *first = &object->type->fields[i];
	size_t prefix = prefix_length(first, outer);
	size_t end = prefix ? map_end(object->type, i, prefix) : i + 1;
	const char *separator = "";

	if (!any_worth(object, fresh, i, end))
		return end;
	if (!prefix) {
		fprintf(out, "%s: ", first->name + outer);
		value_print(out, object, first);
		return end;
	}
	fprintf(out, "%.*s: {", (int)(prefix - outer) - 1, first->name + outer);
	while (i < end) {
		size_t inner = prefix_length(&object->type->fields[i], prefix);
		size_t next = inner ? map_end(object->type, i, inner) : i + 1;

		if (any_worth(object, fresh, i, next)) {
			fputs(separator, out);
			print_item(out, object, fresh, i, prefix);
			separator = ", ";
		}
		i = next;
	}
	fputc('}', out);
	return end;
}

static int items_make(const struct object *object, struct items *items)
{
	AUTO(object_free) struct object *fresh = object_new(object->type, "");

	if (!fresh)
		return -1;
	for (size_t i = 0; i < object->type->field_count;) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		if (!out)
			return -1;
		i = print_item(out, object, fresh, i, 0);
		if (fclose(out) || !*text)
			free(text);
		else
			items->texts[items->count++] = text;
	}
	return 0;
}

static void print_flow(FILE *out, const struct items *items)
{
	fputc('{', out);
	for (size_t i = 0; i < items->count; i++)
		fprintf(out, "%s%s", i ? ", " : "", items->texts[i]);
	fputc('}', out);
}

char *object_flow(const struct object *object)
{
	AUTO_ITEMS struct items items = {};
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out;

	if (items_make(object, &items))
		return NULL;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	print_flow(out, &items);
	return fclose(out) ? NULL : TAKE(text);
}

static int export_list(FILE *out, const struct type *type, const struct object_list *list,
		       int depth);

/* An item of an ordered list, which has nothing below. */
static int export_item(FILE *out, const struct object *object, int depth)
{
	AUTO_ITEMS struct items items = {};

	if (items_make(object, &items))
		return -1;
	fprintf(out, "%*s- ", depth * 2, "");
	print_flow(out, &items);
	fputc('\n', out);
	return 0;
}

static int export_object(FILE *out, const struct object *object, int depth)
{
	const struct object_list *children = object_children(object);
	const char *key = *object->name ? object->name : object->type->plural;
	AUTO_ITEMS struct items items = {};
	size_t length = (size_t)depth * 2 + strlen(key);

	if (items_make(object, &items))
		return -1;
	for (size_t i = 0; i < items.count; i++)
		length += strlen(items.texts[i]) + 2;
	fprintf(out, "%*s", depth * 2, "");
	yaml_scalar(out, key);
	fputc(':', out);
	if (length < LINE_CHARS && (!children || TAILQ_EMPTY(children))) {
		fputc(' ', out);
		print_flow(out, &items);
		fputc('\n', out);
		return 0;
	}
	fputc('\n', out);
	for (size_t i = 0; i < items.count; i++)
		fprintf(out, "%*s%s\n", depth * 2 + 2, "", items.texts[i]);
	return children ? export_list(out, type_child(object->type), children, depth + 1) : 0;
}

static int export_list(FILE *out, const struct type *type, const struct object_list *list,
		       int depth)
{
	const struct object *object;

	if (TAILQ_EMPTY(list))
		return 0;
	fprintf(out, "%*s%s:\n", depth * 2, "", type->plural);
	TAILQ_FOREACH(object, list, link)
		if (type->ordered ? export_item(out, object, depth + 1) :
				    export_object(out, object, depth + 1))
			return -1;
	return 0;
}

/* How a model is written: plainly, or with texts that are kept. */
struct writer {
	FILE *out;
	int depth;
	bool keep;
	struct server_group *instead;
};

static int keep_text(struct object *object, int depth)
{
	size_t size;
	FILE *out = open_memstream(&object->kept, &size);
	int r;

	if (!out)
		return -1;
	r = export_object(out, object, depth);
	if (fclose(out) || r) {
		free(object->kept);
		object->kept = NULL;
	}
	return object->kept ? 0 : -1;
}

static int write_list(const struct writer *writer, const struct type *type,
		      const struct object_list *list)
{
	struct object *object;
	int r = 0;

	if (!writer->keep)
		return export_list(writer->out, type, list, writer->depth);
	if (!TAILQ_EMPTY(list))
		fprintf(writer->out, "%*s%s:\n", writer->depth * 2, "", type->plural);
	TAILQ_FOREACH(object, list, link) {
		struct object *one = object;

		if (writer->instead && object->type == writer->instead->object.type &&
		    !strcmp(object->name, writer->instead->object.name))
			one = &writer->instead->object;
		if (!one->kept)
			r = keep_text(one, writer->depth + 1);
		if (r)
			return r;
		fputs(one->kept, writer->out);
	}
	return 0;
}

static int write_model(const struct writer *writer, const struct model *model)
{
	int r = 0;

	fprintf(writer->out, "%*sversion: 1\n", writer->depth * 2, "");
	/* nothing attached is not the same as nothing said */
	if (model->has_interfaces && TAILQ_EMPTY(&model->interfaces))
		fprintf(writer->out, "%*sinterfaces: {}\n", writer->depth * 2, "");
	for (const struct type *const *type = types; *type && !r; type++) {
		const struct object *single = model_single(model, *type);

		if (single && single->set)
			r = export_object(writer->out, single, writer->depth);
		else if (!single && !(*type)->parent)
			r = write_list(writer, *type, model_list(model, *type, NULL));
	}
	return r ? -ENOMEM : 0;
}

char *model_export(const struct model *model)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return NULL;
	r = write_model(&(struct writer){ .out = out }, model);
	return fclose(out) || r ? NULL : TAKE(text);
}

int model_write_kept(FILE *out, struct model *model, struct server_group *instead)
{
	struct writer writer = { .out = out, .depth = 1, .keep = true, .instead = instead };

	return write_model(&writer, model);
}
