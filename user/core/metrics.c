// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/metrics.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/parse.h"

static struct {
	struct metric families[METRIC_FAMILIES_MAX];
	size_t count;
	struct metric_counter listener[XLB_COUNT_MAX], server[XLB_COUNT_MAX];
	struct metric_counter interface[XLB_IFCOUNT_MAX];
} table;

/* "packets_in" is the family packets with direction="in". */
static const struct {
	const char *suffix, *value;
} directions[] = { { "_in", "in" }, { "_out", "out" } };

static const char *const scope_words[] = {
#define X(name, word, help) [SCOPE_##name] = #word,
	XLB_METRIC_SCOPES(X)
#undef X
};

static size_t find_family(const char *name)
{
	size_t i;

	for (i = 0; i < table.count; i++)
		if (!strcmp(table.families[i].name, name))
			break;
	return i;
}

/* The family `name`, a new one unless it is there: then help is one more thing that it counts. */
static size_t add_family(const char *name, enum metric_kind kind, enum metric_scope scope,
			 const char *labels, const char *help)
{
	size_t i = find_family(name), used;
	struct metric *family = &table.families[i];

	if (i == METRIC_FAMILIES_MAX)
		return 0;
	used = strlen(family->help);
	if (i < table.count) {
		snprintf(family->help + used, sizeof(family->help) - used, ", %s", help);
		return i;
	}
	snprintf(family->name, sizeof(family->name), "%s", name);
	snprintf(family->help, sizeof(family->help), "%s", help);
	family->kind = kind;
	family->scope = scope;
	family->labels = labels;
	table.count++;
	return i;
}

/* Capital letter and full stop for what is put together from rows of lists.h. */
static void finish_help(struct metric *family)
{
	size_t length = strlen(family->help);

	if (family->help[0] >= 'a' && family->help[0] <= 'z')
		family->help[0] = (char)(family->help[0] - 'a' + 'A');
	if (length && length < sizeof(family->help) - 1 && family->help[length - 1] != '.')
		memcpy(family->help + length, ".", 2);
}

static void add_flow_counter(struct metric_counter *ret, enum metric_scope scope,
			     const char *plain_labels, const char *split_labels, const char *word,
			     const char *help)
{
	char name[METRIC_NAME_MAX];
	size_t i, length = strlen(word);

	*ret = (struct metric_counter){};
	for (i = 0; i < sizeof(directions) / sizeof(directions[0]); i++) {
		size_t tail = strlen(directions[i].suffix);

		if (length <= tail || strcmp(word + length - tail, directions[i].suffix))
			continue;
		length -= tail;
		ret->label = "direction";
		ret->value = directions[i].value;
		break;
	}
	snprintf(name, sizeof(name), "xlb_%s_%.*s_total", scope_words[scope], (int)length, word);
	ret->family = add_family(name, METRIC_COUNTER, scope,
				 ret->label ? split_labels : plain_labels, help);
}

/* Every counter but those of all packets and bytes is what became of a packet. */
static void add_interface_counter(enum xlb_interface_counter counter, const char *word,
				  const char *help)
{
	struct metric_counter *ret = &table.interface[counter];

	if (counter == XLB_IFCOUNT_PACKETS)
		return;
	if (counter == XLB_IFCOUNT_BYTES) {
		ret->family = add_family("xlb_interface_bytes_total", METRIC_COUNTER,
					 SCOPE_INTERFACE, "interface", help);
		return;
	}
	ret->label = "verdict";
	ret->value = word;
	ret->family = add_family("xlb_interface_packets_total", METRIC_COUNTER, SCOPE_INTERFACE,
				 "interface, verdict", help);
}

static void fill_table(void)
{
	size_t i;

#define X(name, word, kind, scope, labels, help) \
	add_family(#word, METRIC_##kind, SCOPE_##scope, labels, help);
	XLB_METRICS(X)
#undef X
#define X(name, word, help) \
	add_flow_counter(&table.listener[XLB_COUNT_##name], SCOPE_LISTENER, LABELS_LISTENER, \
			 LABELS_LISTENER ", direction", #word, help);
	XLB_FLOW_COUNTERS(X)
#undef X
#define X(name, word, help) \
	add_flow_counter(&table.server[XLB_COUNT_##name], SCOPE_SERVER, LABELS_SERVER, \
			 LABELS_SERVER ", direction", #word, help);
	XLB_FLOW_COUNTERS(X)
#undef X
#define X(name, word, help) add_interface_counter(XLB_IFCOUNT_##name, #word, help);
	XLB_INTERFACE_COUNTERS(X)
#undef X
	for (i = 0; i < table.count; i++)
		finish_help(&table.families[i]);
}

const struct metric *metrics(size_t *ret_count)
{
	if (!table.count)
		fill_table();
	*ret_count = table.count;
	return table.families;
}

const struct metric_counter *metric_listener_counter(enum xlb_flow_counter counter)
{
	return &table.listener[counter];
}

const struct metric_counter *metric_server_counter(enum xlb_flow_counter counter)
{
	return &table.server[counter];
}

const struct metric_counter *metric_interface_counter(enum xlb_interface_counter counter)
{
	return table.interface[counter].family ? &table.interface[counter] : NULL;
}

static int bad_scope(const char *word, struct xlb_err *err)
{
	const char *nearest = nearest_word(word, scope_words, SCOPE_COUNT);
	char list[256] = "";
	size_t i;
	int r;

	for (i = 0; i < SCOPE_COUNT; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 scope_words[i]);
	r = xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
			"scope '%.32s' is not one of %s (several are separated by commas)", word,
			list);
	if (nearest)
		xlb_err_hint(err, "did you mean %s?", nearest);
	return r;
}

int metric_scopes(const char *text, uint32_t *ret, struct xlb_err *err)
{
	uint32_t scopes = 0;
	char word[32];
	size_t length, i;

	if (!text) {
		*ret = UINT32_MAX;
		return 0;
	}
	for (;; text += length + 1) {
		length = strcspn(text, ",");
		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		for (i = 0; i < SCOPE_COUNT && strcmp(word, scope_words[i]); i++)
			;
		if (i == SCOPE_COUNT)
			return bad_scope(word, err);
		scopes |= 1U << i;
		if (!text[length])
			break;
	}
	*ret = scopes;
	return 0;
}

void metrics_markdown(FILE *out)
{
	static const char *const kinds[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_INFO] = "info",
	};
	static const char *const scope_help[] = {
#define X(name, word, help) [SCOPE_##name] = help,
		XLB_METRIC_SCOPES(X)
#undef X
	};
	size_t count, i;
	const struct metric *families = metrics(&count);

	for (enum metric_scope scope = 0; scope < SCOPE_COUNT; scope++) {
		fprintf(out, "### scope %s: %s\n\n", scope_words[scope], scope_help[scope]);
		fputs("| metric | type | labels | meaning |\n|---|---|---|---|\n", out);
		for (i = 0; i < count; i++)
			if (families[i].scope == scope)
				fprintf(out, "| `%s` | %s | %s | %s |\n", families[i].name,
					kinds[families[i].kind], families[i].labels,
					families[i].help);
		fputc('\n', out);
	}
	fputs("Values of `reason` in `xlb_drops_total`:\n\n| reason | meaning |\n|---|---|\n", out);
#define X(name, word, meaning) fprintf(out, "| `%s` | %s |\n", #word, meaning);
	XLB_REASONS(X)
#undef X
	fputc('\n', out);
}
