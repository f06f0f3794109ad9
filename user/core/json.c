// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/json.h"

#include <string.h>

#include "core/field.h"
#include "core/object.h"
#include "core/tls.h"

static void addrs_json(struct json_out *out, const char *key, const struct addr_list *list)
{
	char text[ADDR_TEXT_MAX];

	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++) {
		format_addr(&list->addrs[i], text);
		out_text(out, NULL, text);
	}
	out_close(out, ']');
}

static void range_json(struct json_out *out, const char *key, const struct port_range *range)
{
	char text[32];

	if (range->from == range->to)
		snprintf(text, sizeof(text), "%u", range->from);
	else
		snprintf(text, sizeof(text), "%u-%u", range->from, range->to);
	out_text(out, key, text);
}

static void ports_json(struct json_out *out, const char *key, const struct port_list *list)
{
	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++) {
		out_open(out, NULL, '{');
		out_uint(out, "from", list->ranges[i].from);
		out_uint(out, "to", list->ranges[i].to);
		out_close(out, '}');
	}
	out_close(out, ']');
}

static void expectation_json(struct json_out *out, const char *key,
			     const struct expectation *expectation)
{
	const struct range_list *codes = &expectation->codes;

	out_open(out, key, '[');
	if (expectation->text)
		out_text(out, NULL, expectation->text);
	for (uint32_t i = 0; !expectation->text && i < codes->count; i++)
		range_json(out, NULL, &codes->ranges[i]);
	out_close(out, ']');
}

static void texts_json(struct json_out *out, const char *key, const struct texts *list)
{
	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++)
		out_text(out, NULL, list->texts[i]);
	out_close(out, ']');
}

static void certificates_json(struct json_out *out, const char *key, const struct texts *list)
{
	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++) {
		struct certificate_paths paths = certificate_paths(list->texts[i]);

		out_open(out, NULL, '{');
		out_text(out, "chain", paths.chain);
		out_text(out, "key", paths.key);
		out_close(out, '}');
	}
	out_close(out, ']');
}

static void names_json(struct json_out *out, const char *key, const struct name_list *list)
{
	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++)
		out_text(out, NULL, list->names[i]);
	out_close(out, ']');
}

static void networks_json(struct json_out *out, const char *key, const struct prefix_list *list)
{
	char text[PREFIX_TEXT_MAX];

	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++) {
		format_network(&list->prefixes[i], text);
		out_text(out, NULL, text);
	}
	out_close(out, ']');
}

static void words_json(struct json_out *out, const char *key, const struct field *field,
		       uint32_t bits)
{
	out_open(out, key, '[');
	for (const struct word *word = field->words; word->word; word++)
		if (bits & word->value)
			out_text(out, NULL, word->word);
	out_close(out, ']');
}

static void time_json(struct json_out *out, const char *key, uint64_t ms)
{
	char text[32];

	format_duration(ms, text, sizeof(text));
	out_text(out, key, text);
}

static void shares_json(struct json_out *out, const char *key, const struct share_list *list)
{
	out_open(out, key, '[');
	for (uint32_t i = 0; i < list->count; i++) {
		out_open(out, NULL, '{');
		out_text(out, "group", list->shares[i].group);
		out_uint(out, "weight", list->shares[i].weight);
		out_close(out, '}');
	}
	out_close(out, ']');
}

/* The JSON type of a field never changes; what is absent is null or an empty array. */
static void value_json(struct json_out *out, const char *key, const struct object *object,
		       const struct field *field)
{
	const void *value = field_value(object, field);
	bool absent = value_is_absent(object, field);
	char text[32];

	switch (field->kind) {
	case FIELD_ADDRS:
		addrs_json(out, key, value);
		return;
	case FIELD_PORTS:
		ports_json(out, key, value);
		return;
	case FIELD_TEXTS:
		texts_json(out, key, value);
		return;
	case FIELD_CERTIFICATES:
		certificates_json(out, key, value);
		return;
	case FIELD_EXPECT:
		expectation_json(out, key, value);
		return;
	case FIELD_REFS:
		names_json(out, key, value);
		return;
	case FIELD_NETS:
		networks_json(out, key, value);
		return;
	case FIELD_WORDS:
		words_json(out, key, field, *(const uint32_t *)value);
		return;
	case FIELD_SHARES:
		shares_json(out, key, value);
		return;
	default:
		break;
	}
	if (absent) {
		out_null(out, key);
		return;
	}
	switch (field->kind) {
	case FIELD_BOOL:
		out_bool(out, key, *(const bool *)value);
		return;
	case FIELD_UINT:
		out_uint(out, key, *(const uint32_t *)value);
		return;
	case FIELD_RATE:
		out_uint(out, key, *(const uint64_t *)value);
		return;
	case FIELD_TIME:
		time_json(out, key, *(const uint64_t *)value);
		return;
	case FIELD_QUOTA:
		quota_text(value, text, sizeof(text));
		out_text(out, key, text);
		return;
	case FIELD_WORD:
		out_text(out, key, field_word(field, *(const uint32_t *)value));
		return;
	case FIELD_TEXT:
		out_text(out, key, *(char *const *)value);
		return;
	case FIELD_REF:
		out_text(out, key, value);
		return;
	case FIELD_RANGE:
		range_json(out, key, value);
		return;
	default:
		out_null(out, key);
	}
}

static bool is_wanted(const struct object *object, const struct field *field, bool given_only)
{
	return !given_only || object->set & field_bit(object, field);
}

#define MAPS_MAX 64 /* characters of "limits.per_source." */

/* Closes the maps in which the field does not lie. */
static void leave_maps(struct json_out *out, char maps[MAPS_MAX], const char *name)
{
	size_t length = strlen(maps);

	while (length && strncmp(maps, name, length) != 0) {
		out_close(out, '}');
		do
			length--;
		while (length && maps[length - 1] != '.');
	}
	maps[length] = '\0';
}

/* Opens the maps in which the field lies. Returns its name in the innermost one. */
static const char *enter_maps(struct json_out *out, char maps[MAPS_MAX], const char *name)
{
	const char *rest = name + strlen(maps), *dot;
	char key[MAPS_MAX];

	for (; (dot = strchr(rest, '.')); rest = dot + 1) {
		snprintf(key, sizeof(key), "%.*s", (int)(dot - rest), rest);
		out_open(out, key, '{');
		snprintf(maps, MAPS_MAX, "%.*s", (int)(dot + 1 - name), name);
	}
	return rest;
}

/* Fields "health_check.*" are members of a map; they follow each other in the table. */
static void fields_json(struct json_out *out, const struct object *object, bool given_only,
			bool nested)
{
	char maps[MAPS_MAX] = "";

	for (size_t i = 0; i < object->type->field_count; i++) {
		const struct field *field = &object->type->fields[i];
		const char *name = field->json ? field->json : field->name;

		if (!is_wanted(object, field, given_only) || (!nested && strchr(name, '.')))
			continue;
		leave_maps(out, maps, name);
		value_json(out, enter_maps(out, maps, name), object, field);
	}
	leave_maps(out, maps, "");
}

void object_fields_json(struct json_out *out, const struct object *object, bool nested)
{
	fields_json(out, object, false, nested);
}

static void list_json(struct json_out *out, const struct type *type,
		      const struct object_list *list);

/* What was given of the object, and all below it. */
static void object_json(struct json_out *out, const char *key, const struct object *object)
{
	const struct type *child = type_child(object->type);

	out_open(out, key, '{');
	fields_json(out, object, true, true);
	if (child)
		list_json(out, child, object_children(object));
	out_close(out, '}');
}

static void list_json(struct json_out *out, const struct type *type, const struct object_list *list)
{
	const struct object *object;

	out_open(out, type->plural, type->ordered ? '[' : '{');
	TAILQ_FOREACH(object, list, link)
		object_json(out, type->ordered ? NULL : object->name, object);
	out_close(out, type->ordered ? ']' : '}');
}

char *model_json(const struct model *model)
{
	char *text = NULL;
	size_t size;
	struct json_out out = { .file = open_memstream(&text, &size) };

	if (!out.file)
		return NULL;
	out_open(&out, NULL, '{');
	out_uint(&out, "version", 1);
	for (const struct type *const *type = types; *type; type++) {
		const struct object *single = model_single(model, *type);

		if (single && single->set)
			object_json(&out, (*type)->plural, single);
		else if (!single && !(*type)->parent &&
			 (*type != &type_interface || model->has_interfaces))
			list_json(&out, *type, model_list(model, *type, NULL));
	}
	out_close(&out, '}');
	if (!fclose(out.file))
		return text;
	free(text);
	return NULL;
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
