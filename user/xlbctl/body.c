// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "xlbctl/format.h"
#include "xlbctl/target.h"

DEFINE_CLEANUP(json_t, json_decref)

static int no_memory(struct ctl *ctl)
{
	return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

/* Puts a text at a dotted name: "health_check.interval" is a member of the map health_check. */
static int body_put(struct ctl *ctl, json_t *body, const char *name, const char *value)
{
	json_t *text = *value ? json_string(value) : json_null();
	const char *dot;

	if (!text)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "value of \"%s\" is not UTF-8", name);
	for (; (dot = strchr(name, '.')); name = dot + 1) {
		char key[64];
		json_t *member;

		snprintf(key, sizeof(key), "%.*s", (int)(dot - name), name);
		member = json_object_get(body, key);
		if (!member && json_object_set_new(body, key, json_object())) {
			json_decref(text);
			return no_memory(ctl);
		}
		body = json_object_get(body, key);
	}
	if (!json_object_set_new(body, name, text))
		return 0;
	return no_memory(ctl);
}

/* Splits "10.0.1.13:8080": the address goes back into `out`, the port must agree with the one before. */
static int split_server(struct ctl *ctl, const char *word, FILE *out, uint16_t *port)
{
	char text[ADDR_TEXT_MAX];
	struct xlb_addr addr;
	uint16_t this_port;
	bool has_port;

	if (parse_addr_port(word, &addr, &this_port, &has_port)) {
		fputs(word, out); /* not of the form: the daemon says what is wrong with it */
		return 0;
	}
	format_addr(&addr, text);
	fputs(text, out);
	if (!has_port)
		return 0;
	if (*port && *port != this_port)
		return xlb_err_set(
			&ctl->err, XLB_ERR_USAGE, -EINVAL,
			"two ports, %u and %u: a server has one port for all its addresses", *port,
			this_port);
	*port = this_port;
	return 0;
}

/* ADDR:PORT[,ADDR:PORT] also sets `port`. */
static int put_server_address(struct ctl *ctl, json_t *body, const struct field *field,
			      const char *value)
{
	AUTO_FREE char *words = strdup(value);
	AUTO_FREE char *list = NULL;
	size_t size;
	FILE *out = open_memstream(&list, &size);
	char number[8], *rest = words, *word;
	uint16_t port = 0;
	int r = words && out ? 0 : no_memory(ctl);

	while (!r && (word = strsep(&rest, ","))) {
		word += strspn(word, " ");
		if (word != words)
			fputc(',', out);
		r = split_server(ctl, word, out, &port);
	}
	if (out && fclose(out) && !r)
		r = no_memory(ctl);
	if (!r)
		r = body_put(ctl, body, field->name, list);
	if (r || !port)
		return r;
	snprintf(number, sizeof(number), "%u", port);
	return body_put(ctl, body, "port", number);
}

static int put_field(struct ctl *ctl, json_t *body, const struct field *field, const char *value)
{
	if (field->flags & FIELD_SERVER_PORT && *value)
		return put_server_address(ctl, body, field, value);
	return body_put(ctl, body, field->name, value);
}

static int field_unknown(struct ctl *ctl, const struct type *type, const char *name)
{
	const char *names[64];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; i < type->field_count && n < ARRAY_SIZE(names); i++)
		names[n++] = type->fields[i].name;
	for (size_t i = 0; i < option_row_count && n < ARRAY_SIZE(names); i++)
		if (option_rows[i].scope & (ctl->command->flags | OPTION_GLOBAL))
			names[n++] = option_rows[i].name;
	nearest = nearest_word(name, names, n);
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "%s has no field \"%s\"", type->cli, name);
	if (nearest)
		xlb_err_hint(&ctl->err, "did you mean --%s?", nearest);
	else
		xlb_err_hint(&ctl->err, "try xlbctl help %s", type->cli);
	return -EINVAL;
}

/* Values without a name: fields of the table in their order; the last one, if a list, takes what is left. */
static int put_positional(struct ctl *ctl, json_t *body, const struct target *target)
{
	const struct type *type = target->type;
	const struct field *last = NULL;
	size_t used = 0;
	int r;

	for (size_t i = 0; i < type->field_count && used < target->rest_count; i++) {
		if (!(type->fields[i].flags & FIELD_POSITIONAL))
			continue;
		last = &type->fields[i];
		r = put_field(ctl, body, last, target->rest[used++]);
		if (r)
			return r;
	}
	if (used < target->rest_count && last && last->kind == FIELD_ADDRS) {
		AUTO_FREE char *list = NULL;
		size_t size;
		FILE *out = open_memstream(&list, &size);

		if (!out)
			return no_memory(ctl);
		for (used--; used < target->rest_count; used++)
			fprintf(out, "%s%s", ftell(out) ? "," : "", target->rest[used]);
		return fclose(out) ? no_memory(ctl) : put_field(ctl, body, last, list);
	}
	if (used == target->rest_count)
		return 0;
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "add %s: unexpected word \"%s\"", type->cli,
		    target->rest[used]);
	xlb_err_hint(&ctl->err, "fields are given as --field value; try xlbctl help %s", type->cli);
	return -EINVAL;
}

int body_build(struct ctl *ctl, const struct target *target, char **ret)
{
	AUTO(json_decref) json_t *body = json_object();
	char *text;
	int r;

	if (!body)
		return no_memory(ctl);
	r = put_positional(ctl, body, target);
	if (r)
		return r;
	for (size_t i = 0; i < ctl->field_count; i++) {
		const struct field_arg *arg = &ctl->fields[i];
		const struct field *field = field_find(target->type, arg->name);

		if (!field)
			return field_unknown(ctl, target->type, arg->name);
		r = put_field(ctl, body, field, arg->value);
		if (r)
			return r;
	}
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		return no_memory(ctl);
	*ret = text;
	return 0;
}
