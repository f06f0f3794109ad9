// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/json.h"

#include <string.h>

#include "core/field.h"
#include "core/object.h"

static json_t *addrs_json(const struct addr_list *list)
{
	json_t *array = json_array();
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < list->count; i++) {
		format_addr(&list->addrs[i], text);
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *range_json(const struct port_range *range)
{
	return range->from == range->to ? json_sprintf("%u", range->from) :
					  json_sprintf("%u-%u", range->from, range->to);
}

static json_t *ports_json(const struct port_list *list)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_pack("{s:i, s:i}", "from", list->ranges[i].from,
						       "to", list->ranges[i].to));
	return array;
}

static json_t *codes_json(const struct range_list *list)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < list->count; i++)
		json_array_append_new(array, range_json(&list->ranges[i]));
	return array;
}

static json_t *words_json(const struct field *field, uint32_t bits)
{
	json_t *array = json_array();

	for (const struct word *word = field->words; word->word; word++)
		if (bits & word->value)
			json_array_append_new(array, json_string(word->word));
	return array;
}

static json_t *time_json(uint64_t ms)
{
	char text[32];

	format_duration(ms, text, sizeof(text));
	return json_string(text);
}

/* The JSON type of a field never changes; what is absent is null or an empty array. */
static json_t *value_json(const struct object *object, const struct field *field)
{
	const void *value = field_value(object, field);

	switch (field->kind) {
	case FIELD_ADDRS:
		return addrs_json(value);
	case FIELD_PORTS:
		return ports_json(value);
	case FIELD_CODES:
		return codes_json(value);
	case FIELD_WORDS:
		return words_json(field, *(const uint32_t *)value);
	default:
		break;
	}
	if (value_is_absent(object, field))
		return field->kind == FIELD_REF ? json_array() : json_null();
	switch (field->kind) {
	case FIELD_BOOL:
		return json_boolean(*(const bool *)value);
	case FIELD_UINT:
		return json_integer(*(const uint32_t *)value);
	case FIELD_TIME:
		return time_json(*(const uint64_t *)value);
	case FIELD_WORD:
		return json_string(field_word(field, *(const uint32_t *)value));
	case FIELD_TEXT:
		return json_string(*(char *const *)value);
	case FIELD_REF:
		return json_pack("[{s:s, s:i}]", "group", (const char *)value, "weight", 100);
	case FIELD_RANGE:
		return range_json(value);
	default:
		return json_null();
	}
}

/* Puts a value at the field's place: "health_check.port" is a member of the map health_check. */
static void put_value(json_t *json, const struct object *object, const struct field *field)
{
	const char *name = field->json ? field->json : field->name;
	const char *dot;

	for (; (dot = strchr(name, '.')); name = dot + 1) {
		json_t *nested;
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)(dot - name), name);
		nested = json_object_get(json, key);
		if (!nested) {
			nested = json_object();
			json_object_set_new(json, key, nested);
		}
		json = nested;
	}
	json_object_set_new(json, name, value_json(object, field));
}

static json_t *list_json(const struct object_list *list,
			 json_t *(*make)(const struct object *object))
{
	const struct object *object;
	json_t *json = json_object();

	TAILQ_FOREACH(object, list, link)
		json_object_set_new(json, object->name, make(object));
	return json;
}

static void put_children(json_t *json, const struct object *object,
			 json_t *(*make)(const struct object *object))
{
	const struct type *child = type_child(object->type);

	if (child)
		json_object_set_new(json, child->plural, list_json(object_children(object), make));
}

json_t *object_json(const struct object *object)
{
	json_t *json = json_object();

	for (size_t i = 0; i < object->type->field_count; i++)
		put_value(json, object, &object->type->fields[i]);
	put_children(json, object, object_json);
	return json;
}

/* What was given only: reads back to the same object. */
static json_t *given_json(const struct object *object)
{
	json_t *json = json_object();

	for (size_t i = 0; i < object->type->field_count; i++)
		if (object->set & field_bit(object, &object->type->fields[i]))
			put_value(json, object, &object->type->fields[i]);
	put_children(json, object, given_json);
	return json;
}

json_t *model_json(const struct model *model)
{
	json_t *json = json_pack("{s:i}", "version", 1);

	for (const struct type *const *type = types; *type; type++) {
		if ((*type)->parent || (*type == &type_interface && !model->has_interfaces))
			continue;
		json_object_set_new(json, (*type)->plural,
				    list_json(model_list(model, *type, NULL), given_json));
	}
	return json;
}

static void put_text(json_t *json, const char *key, const char *text)
{
	/* cut in the middle of a character, a text is no JSON string */
	if (*text && json_object_set_new(json, key, json_string(text)))
		json_object_set_new(json, key, json_string("(not UTF-8)"));
}

static void put_number(json_t *json, const char *key, uint32_t number)
{
	if (number)
		json_object_set_new(json, key, json_integer(number));
}

json_t *err_json(const struct xlb_err *err)
{
	json_t *json = json_object();

	put_text(json, "type", xlb_err_word(err->class));
	put_text(json, "title", err->text);
	put_number(json, "status", (uint32_t)xlb_err_status(err->class));
	put_text(json, "hint", err->hint);
	put_text(json, "pointer", err->pointer);
	put_text(json, "file", err->file);
	put_number(json, "line", err->line);
	put_number(json, "column", err->column);
	put_number(json, "length", err->length);
	put_text(json, "source", err->source);
	return json;
}
