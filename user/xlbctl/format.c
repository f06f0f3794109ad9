// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool colour_wanted(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");

	return !(no_color && *no_color) && isatty(fileno(out));
}

static bool is_control(char text)
{
	unsigned char c = (unsigned char)text;

	return (c < ' ' && c != '\t') || c == 0x7f;
}

void put_text(FILE *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		fputc(is_control(text[i]) ? '?' : text[i], out);
}

/* Three significant digits and a letter for the power of 1000. */
static void format_scaled(uint64_t value, uint64_t plain_below, const char *unit,
			  char ret[NUMBER_TEXT_MAX])
{
	static const char letters[] = " kMGTPE";
	double scaled = (double)value;
	int power = 0;

	if (value < plain_below) {
		snprintf(ret, NUMBER_TEXT_MAX, "%" PRIu64 "%s", value, unit);
		return;
	}
	while (scaled >= 999.5) {
		scaled /= 1000;
		power++;
	}
	snprintf(ret, NUMBER_TEXT_MAX, "%.*f%c%s",
		 scaled < 9.995 ? 2 :
		 scaled < 99.95 ? 1 :
				  0,
		 scaled, letters[power], unit);
}

void format_count(uint64_t count, char ret[NUMBER_TEXT_MAX])
{
	format_scaled(count, 10000, "", ret);
}

void format_bytes(uint64_t bytes, char ret[NUMBER_TEXT_MAX])
{
	format_scaled(bytes, 1000, "B", ret);
}

void format_age(uint64_t seconds, char ret[NUMBER_TEXT_MAX])
{
	if (seconds < 60)
		snprintf(ret, NUMBER_TEXT_MAX, "%" PRIu64 "s", seconds);
	else if (seconds < 3600)
		snprintf(ret, NUMBER_TEXT_MAX, "%" PRIu64 "m%" PRIu64 "s", seconds / 60,
			 seconds % 60);
	else if (seconds < 86400)
		snprintf(ret, NUMBER_TEXT_MAX, "%" PRIu64 "h%" PRIu64 "m", seconds / 3600,
			 seconds / 60 % 60);
	else if (seconds >= 100 * 86400)
		snprintf(ret, NUMBER_TEXT_MAX, "%" PRIu64 "d", seconds / 86400);
	else
		snprintf(ret, NUMBER_TEXT_MAX, "%" PRIu64 "d%" PRIu64 "h", seconds / 86400,
			 seconds / 3600 % 24);
}

void format_since(const char *text, char ret[NUMBER_TEXT_MAX])
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t now = time(NULL);
	time_t then;

	if (!rest) {
		snprintf(ret, NUMBER_TEXT_MAX, "-");
		return;
	}
	then = timegm(&tm);
	format_age(now > then ? (uint64_t)(now - then) : 0, ret);
}

const json_t *json_at(const json_t *json, const char *path)
{
	while (json && *path) {
		char key[64];
		size_t length = strcspn(path, ".");

		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = '\0';
		json = json_object_get(json, key);
		path += length + (path[length] == '.');
	}
	return json;
}

uint64_t value_count(const json_t *value)
{
	json_int_t number = json_integer_value(value);

	return number > 0 ? (uint64_t)number : 0;
}

const char *value_string(const json_t *value)
{
	const char *text = json_string_value(value);

	return text ? text : "";
}

uint64_t json_count_at(const json_t *json, const char *path)
{
	return value_count(json_at(json, path));
}

const char *json_text_at(const json_t *json, const char *path)
{
	return value_string(json_at(json, path));
}

/* {"from": 80, "to": 80} and {"group": "web", "weight": 100} */
static bool put_pair(FILE *out, const json_t *value)
{
	const json_t *from = json_object_get(value, "from"), *to = json_object_get(value, "to");
	const char *group = json_text_at(value, "group");
	json_int_t first = json_integer_value(from), last = json_integer_value(to);

	if (json_is_integer(from) && json_is_integer(to)) {
		if (first == 1 && last == 65535)
			fputs("any", out);
		else
			fprintf(out, "%" JSON_INTEGER_FORMAT, first);
		if (last != first && !(first == 1 && last == 65535))
			fprintf(out, "-%" JSON_INTEGER_FORMAT, last);
		return true;
	}
	if (!*group)
		return false;
	put_text(out, group, strlen(group));
	return true;
}

/* Groups by weight: of several, each with its own. */
static void put_weight(FILE *out, const json_t *value)
{
	const json_t *weight = json_object_get(value, "weight");

	if (json_object_get(value, "group") && json_is_integer(weight))
		fprintf(out, "=%" JSON_INTEGER_FORMAT, json_integer_value(weight));
}

bool put_value(FILE *out, const json_t *value, const char *separator)
{
	const json_t *item;
	size_t i;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		put_text(out, json_string_value(value), json_string_length(value));
		return true;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return true;
	case JSON_REAL:
		fprintf(out, "%.1f", json_real_value(value));
		return true;
	case JSON_TRUE:
		fputs("true", out);
		return true;
	case JSON_FALSE:
		fputs("false", out);
		return true;
	case JSON_NULL:
		return false;
	case JSON_OBJECT:
		return put_pair(out, value);
	case JSON_ARRAY:
		break;
	}
	json_array_foreach(value, i, item) {
		fputs(i ? separator : "", out);
		if (json_is_array(item) || !put_value(out, item, separator))
			return false;
		if (json_array_size(value) > 1)
			put_weight(out, item);
	}
	return json_array_size(value) > 0;
}

/* A copy as put_text would print it. */
static char *clean_copy(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	for (size_t i = 0; i < length; i++)
		copy[i] = is_control(text[i]) ? '?' : text[i];
	copy[length] = '\0';
	return copy;
}

char *value_text(const json_t *value, const char *separator)
{
	bool single = json_is_array(value) && json_array_size(value) == 1;
	const json_t *scalar = single ? json_array_get(value, 0) : value;
	char *text = NULL;
	size_t size;
	FILE *out;
	bool is_value;

	/* most cells of large tables; a stream for each would cost more than reading the answer */
	if (json_is_string(scalar) && json_string_length(scalar))
		return clean_copy(json_string_value(scalar), json_string_length(scalar));
	if (json_is_integer(scalar))
		return asprintf(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(scalar)) < 0 ?
			       NULL :
			       text;
	if (!value || json_is_null(value) || json_is_string(scalar))
		return strdup("-");
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	is_value = put_value(out, value, separator);
	if (fclose(out) || (is_value && size))
		return text;
	free(text);
	return strdup("-");
}
