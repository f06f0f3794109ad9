// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One screen that says what is wrong, with the command that helps, and what is going on. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"
#include "xlbctl/screen.h"

/* One part of the screen while it is decided how much of each is shown. */
struct section {
	void (*draw)(FILE *out, const json_t *json, uint32_t width);
	const char *more; /* the command that shows all of it */
	uint32_t least;	  /* lines it gets before others get more than theirs */
	char *text;	  /* owned */
	uint32_t lines, share;
};

static const struct column interface_columns[] = {
	{ "INTERFACE", CELL_VALUE, "name", false },
	{ "MODE", CELL_STATE, "state.mode", false },
	{ "STATE", CELL_ATTACHED, "state.attached", false },
	{ "MTU", CELL_NUMBER, "state.mtu", false },
	{ "PACKETS/S", CELL_RATE, "state.rates.packets", false },
	{ "BITS/S", CELL_BITS, "state.rates.bytes", false },
	{ "OUT/S", CELL_RATE, "state.rates.redirect", false },
	{ "BACK/S", CELL_RATE, "state.rates.tx", false },
	{ "DROPS/S", CELL_RATE, "state.rates.drops", false },
	{ 0 },
};
static const struct column load_balancer_columns[] = {
	{ "LOAD BALANCER", CELL_VALUE, "name", false },
	{ "ADDRESSES", CELL_VALUE, "addresses", true },
	{ "LISTENERS", CELL_NUMBER, "listeners", false },
	{ "UP", CELL_UP, NULL, false },
	{ "FLOWS", CELL_COUNT, "state.flows", false },
	{ 0 },
};
static const struct column group_columns[] = {
	{ "GROUP", CELL_VALUE, "name", false },
	{ "FORWARD", CELL_VALUE, "forward", false },
	{ "UP", CELL_UP, NULL, false },
	{ "FLOWS", CELL_COUNT, "state.flows", false },
	{ 0 },
};

/* Words of `text` in lines of at most `width` columns (0: one line); returns the column reached. */
static uint32_t put_wrapped(FILE *out, const char *text, uint32_t column, uint32_t width)
{
	while (*text) {
		uint32_t length = (uint32_t)strcspn(text, " ");

		if (width && column > 2 && column + 1 + length > width) {
			fputs("\n  ", out);
			column = 2;
		} else if (column > 2) {
			fputc(' ', out);
			column++;
		}
		put_text(out, text, length);
		column += length;
		text += length + (text[length] == ' ');
	}
	return column;
}

static void draw_head(FILE *out, const json_t *json, uint32_t width)
{
	const char *instance = json_text_at(json, "instance");
	char age[NUMBER_TEXT_MAX], flows[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX], text[512];

	format_age(json_count_at(json, "uptime"), age);
	format_count(json_count_at(json, "flows"), flows);
	format_count(json_count_at(json, "max_flows"), max);
	snprintf(text, sizeof(text),
		 "xlbd %s%s%s  up %s  config r%" PRIu64 "%s  flows %s of %s  kernel %s",
		 json_text_at(json, "version"), *instance ? "  instance " : "", instance, age,
		 json_count_at(json, "revision"),
		 json_is_true(json_object_get(json, "file_differs")) ? " (file differs)" : "",
		 flows, max, json_text_at(json, "kernel"));
	put_wrapped(out, text, 0, width);
	fputc('\n', out);
}

/* "error: what is wrong  -> the command that helps" */
static void draw_problems(FILE *out, const json_t *json, uint32_t width)
{
	bool colour = colour_wanted(stdout);
	json_t *problem;
	size_t i;

	json_array_foreach(json_object_get(json, "problems"), i, problem) {
		const char *level = json_text_at(problem, "level");
		const char *command = json_text_at(problem, "command");
		uint32_t column = (uint32_t)strlen(level) + 1;

		fprintf(out, "%s%s:%s",
			!colour			? "" :
			!strcmp(level, "error") ? COLOUR_RED :
						  COLOUR_YELLOW,
			level, colour ? COLOUR_OFF : "");
		column = put_wrapped(out, json_text_at(problem, "text"), column, width);
		if (*command) {
			bool fits = !width || column + 5 + strlen(command) <= width;

			fprintf(out, "%s%s-> ", fits ? "  " : "\n  ", colour ? COLOUR_BOLD : "");
			put_text(out, command, strlen(command));
			fputs(colour ? COLOUR_OFF : "", out);
		}
		fputc('\n', out);
	}
}

/* True if some of the group's servers are not up: those groups come first. */
static bool is_faulty(const json_t *object)
{
	return json_count_at(object, "state.up") < json_count_at(object, "state.servers") ||
	       json_is_true(json_at(object, "state.fail_open"));
}

static void draw_objects(FILE *out, const json_t *list, const struct column *columns)
{
	AUTO_FREE struct table_row *rows =
		reallocarray(NULL, json_array_size(list) + 1, sizeof(*rows));
	size_t i, count = 0;
	json_t *object;

	if (!rows || !json_array_size(list))
		return;
	for (int faulty = 1; faulty >= 0; faulty--)
		json_array_foreach(list, i, object)
			if (is_faulty(object) == faulty)
				rows[count++] = (struct table_row){ .object = object };
	print_table(out, columns, rows, count);
}

static void draw_interfaces(FILE *out, const json_t *json, uint32_t width)
{
	(void)width;
	draw_objects(out, json_object_get(json, "interfaces"), interface_columns);
}

static void draw_load_balancers(FILE *out, const json_t *json, uint32_t width)
{
	(void)width;
	draw_objects(out, json_object_get(json, "load_balancers"), load_balancer_columns);
}

static void draw_groups(FILE *out, const json_t *json, uint32_t width)
{
	(void)width;
	draw_objects(out, json_object_get(json, "server_groups"), group_columns);
}

/* Packets dropped for a reason within the last minute, on all interfaces. */
static uint64_t recent_drops(const json_t *json, const char *reason)
{
	uint64_t sum = 0;
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(json, "interfaces"), i, interface)
		sum += (uint64_t)json_integer_value(
			json_object_get(json_at(interface, "state.recent"), reason));
	return sum;
}

static void draw_drops(FILE *out, const json_t *json, uint32_t width)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *list = open_memstream(&text, &size);
	const char *reason, *separator = "";
	json_t *value;

	if (!list)
		return;
	json_object_foreach(json_object_get(json, "drops"), reason, value) {
		uint64_t recent = recent_drops(json, reason);
		char count[NUMBER_TEXT_MAX];

		if (!json_integer_value(value))
			continue;
		format_count((uint64_t)json_integer_value(value), count);
		fprintf(list, "%s%s %s", separator, reason, count);
		format_count(recent, count);
		if (recent)
			fprintf(list, " (%s in the last minute)", count);
		separator = ", ";
	}
	if (fclose(list) || !*text)
		return;
	fputs("drops:", out);
	put_wrapped(out, text, 6, width);
	fputc('\n', out);
}

/* What is removed but still has flows. */
static void draw_retired(FILE *out, const json_t *json, uint32_t width)
{
	json_t *item;
	size_t i;

	(void)width;
	json_array_foreach(json_object_get(json, "retired"), i, item) {
		uint64_t deadline = json_count_at(item, "deadline");

		fprintf(out, "removed %s %s: %" PRIu64 " flows finish", json_text_at(item, "kind"),
			json_text_at(item, "key"), json_count_at(item, "flows"));
		if (deadline)
			fprintf(out, ", cut in %" PRIu64 " s", deadline);
		fputc('\n', out);
	}
}

/* Shares out `height` lines: the least of each first, then what they want in their order. */
static void share_out(struct section *sections, size_t count, uint32_t height)
{
	uint32_t left = height;

	for (size_t i = 0; i < count; i++) {
		uint32_t least = sections[i].lines < sections[i].least ? sections[i].lines :
									 sections[i].least;

		sections[i].share = height && least > left ? left : least;
		left -= sections[i].share;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t more = sections[i].lines - sections[i].share;

		if (height && more > left)
			more = left;
		sections[i].share += more;
		left -= more;
	}
}

/* A line that begins with a blank goes on with the one before. */
static bool goes_on(const char *line)
{
	return *line == ' ';
}

/* As many whole items as its share has room for, and how many there are beside. */
static void put_section(FILE *out, const struct section *section)
{
	const char *line = section->text, *end = line;
	uint32_t shown = 0, hidden = 0;

	if (section->share == section->lines) {
		fputs(section->text, out);
		return;
	}
	for (; *line; line += strcspn(line, "\n") + 1) {
		if (!goes_on(line) && shown < section->share)
			end = line;
		shown++;
	}
	fwrite(section->text, 1, (size_t)(end - section->text), out);
	for (line = end; *line; line += strcspn(line, "\n") + 1)
		hidden += !goes_on(line);
	if (section->share)
		fprintf(out, "... %u more: %s\n", hidden, section->more);
}

void print_status(FILE *out, const json_t *json, uint32_t width, uint32_t height)
{
	struct section sections[] = {
		{ .draw = draw_head, .more = "xlbctl status --all", .least = 3 },
		{ .draw = draw_problems, .more = "xlbctl status --all", .least = 8 },
		{ .draw = draw_interfaces, .more = "xlbctl iface list", .least = 4 },
		{ .draw = draw_load_balancers, .more = "xlbctl lb list", .least = 4 },
		{ .draw = draw_groups, .more = "xlbctl group list", .least = 4 },
		{ .draw = draw_drops, .more = "xlbctl top drops", .least = 1 },
		{ .draw = draw_retired, .more = "xlbctl status --all", .least = 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		size_t size;
		FILE *text = open_memstream(&sections[i].text, &size);

		if (!text)
			continue;
		sections[i].draw(text, json, width);
		if (!fclose(text))
			sections[i].lines = line_count(sections[i].text);
	}
	share_out(sections, ARRAY_SIZE(sections), height > 1 ? height - 1 : 0);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (sections[i].text)
			put_section(out, &sections[i]);
		free(sections[i].text);
	}
}

static int draw_status(struct ctl *ctl, FILE *out)
{
	struct request request = { .method = "GET", .path = ctl->command->path };
	struct answer answer AUTO_ANSWER = { 0 };
	uint32_t width, height;
	int r;

	/* scripts get all there is */
	request.query = ctl->json ? NULL : "summary=1";
	r = client_call(ctl, &request, &answer);
	if (r)
		return r;
	if (ctl->json) {
		print_body(out, &answer);
		return 0;
	}
	screen_size(&width, &height);
	print_status(out, answer.json, width, ctl->all ? 0 : height);
	return 0;
}

int verb_status(struct ctl *ctl)
{
	return watch_run(ctl, draw_status);
}
