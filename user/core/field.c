// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/field.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/tls.h"

void *field_value(const struct object *object, const struct field *field)
{
	return (char *)object + field->offset;
}

uint64_t field_bit(const struct object *object, const struct field *field)
{
	return 1ULL << (field - object->type->fields);
}

bool field_is_list(const struct field *field)
{
	return field->kind == FIELD_ADDRS || field->kind == FIELD_PORTS ||
	       field->kind == FIELD_EXPECT || field->kind == FIELD_TEXTS ||
	       field->kind == FIELD_CERTIFICATES || field->kind == FIELD_WORDS ||
	       field->kind == FIELD_REFS || field->kind == FIELD_NETS ||
	       field->kind == FIELD_SHARES;
}

const char *field_word(const struct field *field, uint32_t value)
{
	for (const struct word *word = field->words; word->word; word++)
		if (word->value == value)
			return word->word;
	return NULL;
}

/* Lists that are an array and how many there are in it. */
struct list {
	void *items; /* owned */
	uint32_t count;
};

/* Bytes of an item of a field that is such a list, 0: it is none. */
static size_t item_size(const struct field *field)
{
	switch (field->kind) {
	case FIELD_ADDRS:
		return sizeof(*((struct addr_list *)NULL)->addrs);
	case FIELD_SHARES:
		return sizeof(*((struct share_list *)NULL)->shares);
	case FIELD_REFS:
		return sizeof(*((struct name_list *)NULL)->names);
	case FIELD_NETS:
		return sizeof(*((struct prefix_list *)NULL)->prefixes);
	default:
		return 0;
	}
}

static struct list list_of(const struct object *object, const struct field *field)
{
	struct list list;

	memcpy(&list, (const char *)object + field->offset, sizeof(list));
	return list;
}

static void expectation_free(struct expectation *expectation)
{
	free(expectation->codes.ranges);
	free(expectation->text);
	*expectation = (struct expectation){};
}

void texts_free(struct texts *list)
{
	while (list->count)
		free(list->texts[--list->count]);
	free(list->texts);
	*list = (struct texts){};
}

int texts_copy(const struct texts *from, struct texts *ret)
{
	struct texts copy = { .texts = calloc(from->count + 1, sizeof(*copy.texts)) };

	while (copy.texts && copy.count < from->count) {
		copy.texts[copy.count] = strdup(from->texts[copy.count]);
		if (!copy.texts[copy.count])
			break;
		copy.count++;
	}
	if (!copy.texts || copy.count < from->count) {
		texts_free(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

bool texts_equal(const struct texts *a, const struct texts *b)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	return a->count == b->count;
}

void value_free(struct object *object, const struct field *field)
{
	void *value = field_value(object, field);

	switch (field->kind) {
	case FIELD_TEXT:
		free(*(char **)value);
		*(char **)value = NULL;
		break;
	case FIELD_ADDRS:
	case FIELD_SHARES:
	case FIELD_REFS:
	case FIELD_NETS:
		free(list_of(object, field).items);
		memset(value, 0, sizeof(struct list));
		break;
	case FIELD_PORTS:
		free(((struct port_list *)value)->ranges);
		*(struct port_list *)value = (struct port_list){};
		break;
	case FIELD_TEXTS:
	case FIELD_CERTIFICATES:
		texts_free(value);
		break;
	case FIELD_EXPECT:
		expectation_free(value);
		break;
	default:
		break;
	}
}

/* malloc'd copy of an array; an empty one is NULL. */
static int copy_array(void **array, size_t count, size_t size)
{
	void *copy;

	if (!count) {
		*array = NULL;
		return 0;
	}
	copy = malloc(count * size);
	if (!copy)
		return -ENOMEM;
	*array = memcpy(copy, *array, count * size);
	return 0;
}

int expectation_copy(const struct expectation *from, struct expectation *ret)
{
	struct expectation copy = *from;

	copy.text = from->text ? strdup(from->text) : NULL;
	if (copy_array((void **)&copy.codes.ranges, copy.codes.count, sizeof(*copy.codes.ranges)) ||
	    (from->text && !copy.text)) {
		free(copy.text);
		if (copy.codes.ranges != from->codes.ranges)
			free(copy.codes.ranges);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

int value_copy(struct object *to, const struct object *from, const struct field *field)
{
	void *dst = field_value(to, field);
	const void *src = field_value(from, field);
	struct port_list ports;
	struct list list;
	struct expectation expect;
	struct texts texts;
	char *text;

	switch (field->kind) {
	case FIELD_BOOL:
		*(bool *)dst = *(const bool *)src;
		return 0;
	case FIELD_UINT:
	case FIELD_WORD:
	case FIELD_WORDS:
		*(uint32_t *)dst = *(const uint32_t *)src;
		return 0;
	case FIELD_TIME:
	case FIELD_RATE:
		*(uint64_t *)dst = *(const uint64_t *)src;
		return 0;
	case FIELD_QUOTA:
		*(struct quota *)dst = *(const struct quota *)src;
		return 0;
	case FIELD_REF:
		memcpy(dst, src, NAME_TEXT_MAX);
		return 0;
	case FIELD_RANGE:
		*(struct port_range *)dst = *(const struct port_range *)src;
		return 0;
	case FIELD_TEXT:
		text = *(char *const *)src ? strdup(*(char *const *)src) : NULL;
		if (*(char *const *)src && !text)
			return -ENOMEM;
		value_free(to, field);
		*(char **)dst = text;
		return 0;
	case FIELD_PORTS:
		ports = *(const struct port_list *)src;
		if (copy_array((void **)&ports.ranges, ports.count, sizeof(*ports.ranges)))
			return -ENOMEM;
		value_free(to, field);
		*(struct port_list *)dst = ports;
		return 0;
	case FIELD_TEXTS:
	case FIELD_CERTIFICATES:
		if (texts_copy(src, &texts))
			return -ENOMEM;
		value_free(to, field);
		*(struct texts *)dst = texts;
		return 0;
	case FIELD_EXPECT:
		if (expectation_copy(src, &expect))
			return -ENOMEM;
		value_free(to, field);
		*(struct expectation *)dst = expect;
		return 0;
	case FIELD_ADDRS:
	case FIELD_SHARES:
	case FIELD_REFS:
	case FIELD_NETS:
		list = list_of(from, field);
		if (copy_array(&list.items, list.count, item_size(field)))
			return -ENOMEM;
		value_free(to, field);
		memcpy(dst, &list, sizeof(list));
		return 0;
	}
	return -EINVAL;
}

static bool ranges_equal(const struct port_range *a, uint32_t a_count, const struct port_range *b,
			 uint32_t b_count)
{
	return a_count == b_count && (!a_count || !memcmp(a, b, a_count * sizeof(*a)));
}

static bool quotas_equal(const struct quota *a, const struct quota *b)
{
	return a->number == b->number && a->percent == b->percent;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool expectation_equal(const struct expectation *a, const struct expectation *b)
{
	return text_equal(a->text, b->text) &&
	       ranges_equal(a->codes.ranges, a->codes.count, b->codes.ranges, b->codes.count);
}

static bool lists_equal(struct list a, struct list b, size_t size)
{
	return a.count == b.count && (!a.count || !memcmp(a.items, b.items, a.count * size));
}

bool value_equal(const struct object *a, const struct object *b, const struct field *field)
{
	const void *x = field_value(a, field), *y = field_value(b, field);
	const struct port_list *ports = x, *other_ports = y;

	switch (field->kind) {
	case FIELD_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case FIELD_UINT:
	case FIELD_WORD:
	case FIELD_WORDS:
		return *(const uint32_t *)x == *(const uint32_t *)y;
	case FIELD_TIME:
	case FIELD_RATE:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	case FIELD_QUOTA:
		return quotas_equal(x, y);
	case FIELD_REF:
		return !strcmp(x, y);
	case FIELD_RANGE:
		return ranges_equal(x, 1, y, 1);
	case FIELD_TEXT:
		return text_equal(*(char *const *)x, *(char *const *)y);
	case FIELD_PORTS:
		return ports->any == other_ports->any &&
		       ranges_equal(ports->ranges, ports->count, other_ports->ranges,
				    other_ports->count);
	case FIELD_ADDRS:
	case FIELD_SHARES:
	case FIELD_REFS:
	case FIELD_NETS:
		return lists_equal(list_of(a, field), list_of(b, field), item_size(field));
	case FIELD_TEXTS:
	case FIELD_CERTIFICATES:
		return texts_equal(x, y);
	case FIELD_EXPECT:
		return expectation_equal(x, y);
	}
	return false;
}

bool value_is_absent(const struct object *object, const struct field *field)
{
	const void *value = field_value(object, field);
	const struct expectation *expect = value;

	switch (field->kind) {
	case FIELD_UINT:
		return !field->preset && *(const uint32_t *)value < field->min;
	case FIELD_TIME:
		return !field->preset && *(const uint64_t *)value > field->max;
	case FIELD_RATE:
		return !field->preset && *(const uint64_t *)value < field->min;
	case FIELD_WORD:
		return !field_word(field, *(const uint32_t *)value);
	case FIELD_WORDS:
		return !*(const uint32_t *)value;
	case FIELD_TEXT:
		return !*(char *const *)value;
	case FIELD_REF:
		return !*(const char *)value;
	case FIELD_PORTS:
		return !((const struct port_list *)value)->count;
	case FIELD_ADDRS:
	case FIELD_SHARES:
	case FIELD_REFS:
	case FIELD_NETS:
		return !list_of(object, field).count;
	case FIELD_TEXTS:
	case FIELD_CERTIFICATES:
		return !((const struct texts *)value)->count;
	case FIELD_EXPECT:
		return !expect->codes.count && !expect->text;
	case FIELD_BOOL:
	case FIELD_RANGE:
	case FIELD_QUOTA:
		return false;
	}
	return true;
}

void yaml_scalar(FILE *out, const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./_-";
	bool quoted = !*text || strspn(text, plain) != strlen(text) || *text == '-' ||
		      !strcasecmp(text, "null");

	if (!quoted) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	fputc('"', out);
}

static void print_addrs(FILE *out, const struct addr_list *list)
{
	fputs(list->count == 1 ? "" : "[", out);
	for (uint32_t i = 0; i < list->count; i++) {
		char text[ADDR_TEXT_MAX];
		const char *quote = addr_family(&list->addrs[i]) == XLB_IPV6 ? "\"" : "";

		format_addr(&list->addrs[i], text);
		fprintf(out, "%s%s%s%s", i ? ", " : "", quote, text, quote);
	}
	fputs(list->count == 1 ? "" : "]", out);
}

static void print_ranges(FILE *out, const struct port_range *ranges, uint32_t count)
{
	fputs(count == 1 ? "" : "[", out);
	for (uint32_t i = 0; i < count; i++) {
		fprintf(out, "%s%u", i ? ", " : "", ranges[i].from);
		if (ranges[i].to != ranges[i].from)
			fprintf(out, "-%u", ranges[i].to);
	}
	fputs(count == 1 ? "" : "]", out);
}

static void print_names(FILE *out, const struct name_list *list)
{
	fputs(list->count == 1 ? "" : "[", out);
	for (uint32_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", out);
		yaml_scalar(out, list->names[i]);
	}
	fputs(list->count == 1 ? "" : "]", out);
}

static void print_networks(FILE *out, const struct prefix_list *list)
{
	fputs(list->count == 1 ? "" : "[", out);
	for (uint32_t i = 0; i < list->count; i++) {
		char text[PREFIX_TEXT_MAX];

		format_network(&list->prefixes[i], text);
		fputs(i ? ", " : "", out);
		yaml_scalar(out, text);
	}
	fputs(list->count == 1 ? "" : "]", out);
}

static void print_texts(FILE *out, const struct texts *list)
{
	fputc('[', out);
	for (uint32_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", out);
		yaml_scalar(out, list->texts[i]);
	}
	fputc(']', out);
}

/* [{chain: /etc/xlb/a.pem, key: /etc/xlb/a.key}] */
static void print_certificates(FILE *out, const struct texts *list)
{
	fputc('[', out);
	for (uint32_t i = 0; i < list->count; i++) {
		struct certificate_paths paths = certificate_paths(list->texts[i]);

		fprintf(out, "%s{chain: ", i ? ", " : "");
		yaml_scalar(out, paths.chain);
		fputs(", key: ", out);
		yaml_scalar(out, paths.key);
		fputc('}', out);
	}
	fputc(']', out);
}

static void print_words(FILE *out, const struct field *field, uint32_t bits)
{
	const char *separator = "";

	fputc('[', out);
	for (const struct word *word = field->words; word->word; word++) {
		if (!(bits & word->value))
			continue;
		fprintf(out, "%s%s", separator, word->word);
		separator = ", ";
	}
	fputc(']', out);
}

/* A word if it is one group, as most are; else a map. */
static void print_shares(FILE *out, const struct share_list *list)
{
	bool alone = list->count == 1 && list->shares[0].weight == SHARE_WEIGHT_ALONE;

	fputs(alone ? "" : "{", out);
	for (uint32_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", out);
		yaml_scalar(out, list->shares[i].group);
		if (!alone)
			fprintf(out, ": %u", list->shares[i].weight);
	}
	fputs(alone ? "" : "}", out);
}

void quota_text(const struct quota *quota, char *ret, size_t size)
{
	snprintf(ret, size, "%" PRIu32 "%s", quota->number, quota->percent ? "%" : "");
}

void value_print(FILE *out, const struct object *object, const struct field *field)
{
	const void *value = field_value(object, field);
	const struct port_list *ports = value;
	const struct expectation *expect = value;
	char short_text[32];

	if (value_is_absent(object, field)) {
		fputs("null", out);
		return;
	}
	switch (field->kind) {
	case FIELD_BOOL:
		fputs(*(const bool *)value ? "true" : "false", out);
		break;
	case FIELD_UINT:
		fprintf(out, "%" PRIu32, *(const uint32_t *)value);
		break;
	case FIELD_TIME:
		format_duration(*(const uint64_t *)value, short_text, sizeof(short_text));
		fputs(short_text, out);
		break;
	case FIELD_RATE:
		format_rate(*(const uint64_t *)value, short_text, sizeof(short_text));
		fputs(short_text, out);
		break;
	case FIELD_QUOTA:
		quota_text(value, short_text, sizeof(short_text));
		fputs(short_text, out);
		break;
	case FIELD_WORD:
		fputs(field_word(field, *(const uint32_t *)value), out);
		break;
	case FIELD_WORDS:
		print_words(out, field, *(const uint32_t *)value);
		break;
	case FIELD_TEXT:
		yaml_scalar(out, *(char *const *)value);
		break;
	case FIELD_REF:
		yaml_scalar(out, value);
		break;
	case FIELD_ADDRS:
		print_addrs(out, value);
		break;
	case FIELD_PORTS:
		if (ports->any)
			fputs("any", out);
		else
			print_ranges(out, ports->ranges, ports->count);
		break;
	case FIELD_RANGE:
		print_ranges(out, value, 1);
		break;
	case FIELD_REFS:
		print_names(out, value);
		break;
	case FIELD_NETS:
		print_networks(out, value);
		break;
	case FIELD_TEXTS:
		print_texts(out, value);
		break;
	case FIELD_CERTIFICATES:
		print_certificates(out, value);
		break;
	case FIELD_EXPECT:
		if (expect->text)
			yaml_scalar(out, expect->text);
		else
			print_ranges(out, expect->codes.ranges, expect->codes.count);
		break;
	case FIELD_SHARES:
		print_shares(out, value);
		break;
	}
}

char *field_print(const struct object *object, const struct field *field)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	value_print(out, object, field);
	if (fclose(out))
		return NULL;
	return TAKE(text);
}
