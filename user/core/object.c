// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/object.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/field.h"

struct object_list *object_children(const struct object *object)
{
	const struct type *child = type_child(object->type);

	return child ? (struct object_list *)((char *)object + child->list_offset) : NULL;
}

int object_init(struct object *object, const struct type *type, const char *name)
{
	struct xlb_err err;

	object->type = type;
	snprintf(object->name, sizeof(object->name), "%s", name);
	if (type_child(type))
		TAILQ_INIT(object_children(object));
	for (size_t i = 0; i < type->field_count; i++)
		if (value_reset(object, &type->fields[i]))
			return -ENOMEM;
	/* fields that follow from others; the required ones come later */
	return type->finish && type->finish(object, &err) ? -ENOMEM : 0;
}

void object_done(struct object *object)
{
	if (!object->type)
		return;
	if (type_child(object->type))
		object_list_free(object_children(object));
	for (size_t i = 0; i < object->type->field_count; i++)
		value_free(object, &object->type->fields[i]);
	free(object->kept);
}

struct object *object_new(const struct type *type, const char *name)
{
	AUTO(object_free) struct object *object = calloc(1, type->size);

	return object && !object_init(object, type, name) ? TAKE(object) : NULL;
}

struct object *object_free(struct object *object)
{
	if (object)
		object_done(object);
	free(object);
	return NULL;
}

void object_link(struct object_list *list, struct object *parent, struct object *object)
{
	object->parent = parent;
	TAILQ_INSERT_TAIL(list, object, link);
}

void object_list_free(struct object_list *list)
{
	struct object *object;

	while ((object = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, object, link);
		object_free(object);
	}
}

void object_list_number(struct object_list *list)
{
	struct object *object;
	uint32_t place = 0;

	TAILQ_FOREACH(object, list, link)
		snprintf(object->name, sizeof(object->name), "%u", ++place);
}

int object_assign(struct object *to, const struct object *from)
{
	to->set = from->set;
	for (size_t i = 0; i < from->type->field_count; i++)
		if (value_copy(to, from, &from->type->fields[i]))
			return -ENOMEM;
	return 0;
}

struct object *object_copy(const struct object *object)
{
	AUTO(object_free) struct object *copy = calloc(1, object->type->size);
	const struct object *child;

	if (!copy)
		return NULL;
	copy->type = object->type;
	memcpy(copy->name, object->name, sizeof(copy->name));
	if (type_child(object->type))
		TAILQ_INIT(object_children(copy));
	if (object_assign(copy, object))
		return NULL;
	if (!type_child(object->type))
		return TAKE(copy);
	TAILQ_FOREACH(child, object_children(object), link) {
		struct object *twin = object_copy(child);

		if (!twin)
			return NULL;
		object_link(object_children(copy), copy, twin);
	}
	return TAKE(copy);
}

struct object *object_find(const struct object_list *list, const char *name)
{
	struct object *object;

	TAILQ_FOREACH(object, list, link)
		if (!strcmp(object->name, name))
			return object;
	return NULL;
}

bool object_given(const struct object *object, const char *field)
{
	return object->set & field_bit(object, field_find(object->type, field));
}

void object_pointer(const struct object *object, const char *field, char *ret, size_t size)
{
	const struct object *parent = object->parent;
	int n;

	/* places count from 1, indexes of JSON from 0 */
	if (parent && object->type->ordered)
		n = snprintf(ret, size, "/%s/%s/%s/%lu", parent->type->plural, parent->name,
			     object->type->plural, strtoul(object->name, NULL, 10) - 1);
	else if (parent)
		n = snprintf(ret, size, "/%s/%s/%s/%s", parent->type->plural, parent->name,
			     object->type->plural, object->name);
	else
		n = snprintf(ret, size, "/%s%s%s", object->type->plural, *object->name ? "/" : "",
			     object->name);
	if (!field || n < 0 || (size_t)n >= size)
		return;
	snprintf(ret + n, size - (size_t)n, "/%s", field);
	for (char *p = ret + n; *p; p++)
		if (*p == '.')
			*p = '/';
}

const char *object_title(const struct object *object, char ret[OBJECT_TITLE_MAX])
{
	char kind[32];

	snprintf(kind, sizeof(kind), "%s", object->type->singular);
	for (char *p = kind; *p; p++)
		if (*p == '_')
			*p = ' ';
	snprintf(ret, OBJECT_TITLE_MAX, "%s%s%s%s%s", kind, *object->name ? " " : "",
		 object->parent ? object->parent->name : "", object->parent ? "/" : "",
		 object->name);
	return ret;
}

int object_fail(const struct object *object, const char *field, struct xlb_err *err,
		const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s", text);
	object_pointer(object, field, err->pointer, sizeof(err->pointer));
	return -EINVAL;
}

int object_finish(struct object *object, struct xlb_err *err)
{
	const struct type *type = object->type;
	char title[OBJECT_TITLE_MAX], accepted[200];

	for (size_t i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];

		if (!(field->flags & FIELD_REQUIRED) || object->set & field_bit(object, field))
			continue;
		field_accepted(field, accepted, sizeof(accepted));
		return object_fail(object, NULL, err, "%s has no %s: add %s: ... (%s)",
				   object_title(object, title), field->name, field->name, accepted);
	}
	return type->finish ? type->finish(object, err) : 0;
}

void object_names(const struct object_list *list, char *ret, size_t size)
{
	const struct object *object;
	size_t used = 0, left = 0;

	snprintf(ret, size, "none");
	TAILQ_FOREACH(object, list, link) {
		size_t n = strlen(object->name) + (used ? 2 : 0);

		/* room for " and 12345 more" */
		if (left || used + n + 20 > size) {
			left++;
			continue;
		}
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
					 object->name);
	}
	if (left)
		snprintf(ret + used, size - used, " and %zu more", left);
}
