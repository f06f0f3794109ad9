// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/field_parse.h"

/* Bytes that a value of the kind takes in its object. */
static size_t value_size(enum field_kind kind)
{
	switch (kind) {
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_UINT:
	case FIELD_WORD:
	case FIELD_WORDS:
		return sizeof(uint32_t);
	case FIELD_TIME:
	case FIELD_RATE:
		return sizeof(uint64_t);
	case FIELD_QUOTA:
		return sizeof(struct quota);
	case FIELD_TEXT:
		return sizeof(char *);
	case FIELD_REF:
		return NAME_TEXT_MAX;
	case FIELD_RANGE:
		return sizeof(struct port_range);
	case FIELD_ADDRS:
		return sizeof(struct addr_list);
	case FIELD_PORTS:
		return sizeof(struct port_list);
	case FIELD_SHARES:
		return sizeof(struct share_list);
	case FIELD_REFS:
		return sizeof(struct name_list);
	case FIELD_NETS:
		return sizeof(struct prefix_list);
	case FIELD_TEXTS:
	case FIELD_CERTIFICATES:
		return sizeof(struct texts);
	case FIELD_EXPECT:
		return sizeof(struct expectation);
	}
	return 0;
}

int value_set(struct object *object, const struct field *field, const char *const *items,
	      size_t count, size_t *ret_bad, struct xlb_err *err)
{
	bool limited = field->kind == FIELD_ADDRS || field->kind == FIELD_REFS ||
		       field->kind == FIELD_TEXTS || field->kind == FIELD_CERTIFICATES;
	size_t limit = limited			   ? field->max :
		       field->kind == FIELD_SHARES ? XLB_SPLIT_GROUPS :
						     VALUE_ITEMS_MAX;
	union value value = {};
	size_t bad = 0;
	int r;

	if (ret_bad)
		*ret_bad = count;
	if (field->flags & FIELD_READ_ONLY)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s cannot be set", field->name);
	if (!count)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s is an empty list",
				   field->name);
	if (count > (field_is_list(field) ? limit : 1))
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				   "%s has %zu values: at most %zu are accepted", field->name,
				   count, field_is_list(field) ? limit : 1);
	r = parse_value(field, items, count, &value, &bad, err);
	if (r) {
		if (ret_bad)
			*ret_bad = bad;
		return r;
	}
	value_free(object, field);
	memcpy(field_value(object, field), &value, value_size(field->kind));
	object->set |= field_bit(object, field);
	return 0;
}

/* Bytes may have commas in them; lists of codes have nothing else between them. */
static bool is_one_text(const struct field *field, const char *text)
{
	return !field_is_list(field) ||
	       (field->kind == FIELD_EXPECT && text[strspn(text, "0123456789-, ")]);
}

int value_set_text(struct object *object, const struct field *field, const char *text,
		   struct xlb_err *err)
{
	const char *items[VALUE_ITEMS_MAX];
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy, *item;
	size_t count = 0;

	if (!copy)
		return no_memory(err);
	if (is_one_text(field, text))
		return value_set(object, field, &text, 1, NULL, err);
	while ((item = strsep(&rest, ","))) {
		char *end = item + strlen(item);

		if (count == VALUE_ITEMS_MAX)
			return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
					   "%s has more than %d values", field->name,
					   VALUE_ITEMS_MAX);
		while (end > item && end[-1] == ' ')
			*--end = 0;
		items[count++] = item + strspn(item, " ");
	}
	return value_set(object, field, items, count, NULL, err);
}

int value_reset(struct object *object, const struct field *field)
{
	void *value = field_value(object, field);
	struct xlb_err err;
	int r;

	value_free(object, field);
	memset(value, 0, value_size(field->kind));
	if (field->kind == FIELD_TIME)
		*(uint64_t *)value = UINT64_MAX; /* no limit, unless the default says otherwise */
	r = field->preset ? value_set_text(object, field, field->preset, &err) : 0;
	object->set &= ~field_bit(object, field);
	return r;
}

/* Cuts ":port" off every address of the list; the ports must agree. */
static int split_ports(const char *text, char **ret_addrs, uint16_t *ret_port, struct xlb_err *err)
{
	AUTO_FREE char *copy = strdup(text), *list = NULL;
	char *rest = copy, *item;
	size_t size;
	FILE *out = open_memstream(&list, &size);
	uint16_t port = 0;
	int r = copy && out ? 0 : no_memory(err);

	while (!r && (item = strsep(&rest, ","))) {
		char address[ADDR_TEXT_MAX];
		struct xlb_addr addr;
		bool has_port;
		uint16_t one;

		if (!parse_addr_port(item, &addr, &one, &has_port)) {
			if (has_port && port && one != port)
				r = xlb_err_set(
					err, XLB_ERR_CONFIG, -EINVAL,
					"\"%.100s\": a server has one port, found %u and %u", text,
					port, one);
			port = has_port ? one : port;
			format_addr(&addr, address);
			fprintf(out, "%s%s", item == copy ? "" : ",", address);
		} else {
			fprintf(out, "%s%s", item == copy ? "" : ",", item);
		}
	}
	if (out && fclose(out) && !r)
		r = no_memory(err);
	if (r)
		return r;
	*ret_addrs = TAKE(list);
	*ret_port = port;
	return 0;
}

int field_set(struct object *object, const struct field *field, const char *text,
	      struct xlb_err *err)
{
	AUTO_FREE char *addrs = NULL;
	char number[8];
	uint16_t port;
	int r;

	if (field->flags & FIELD_SERVER_PORT) {
		r = split_ports(text, &addrs, &port, err);
		if (!r)
			r = value_set_text(object, field, addrs, err);
		if (r || !port)
			return r;
		snprintf(number, sizeof(number), "%u", port);
		return field_set(object, field_find(object->type, "port"), number, err);
	}
	return value_set_text(object, field, text, err);
}
