// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "core/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct tree *parse(const char *text)
{
	struct tree *tree = NULL;
	struct xlb_err err = {};

	if (tree_parse("x.yaml", text, strlen(text), &tree, &err))
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.text);
	return tree;
}

static void check_node(const struct node *node, enum node_kind kind, uint32_t line, uint32_t column,
		       uint32_t length)
{
	assert_non_null(node);
	assert_int_equal(node->kind, kind);
	assert_int_equal(node->line, line);
	assert_int_equal(node->column, column);
	assert_int_equal(node->length, length);
}

static void positions(void **state)
{
	AUTO(tree_free)
	struct tree *tree = parse("# comment\n"
				  "a: one\n"
				  "b: [1, {c: \"2001:db8::1\"}]\n"
				  "\"d\":\n"
				  "caf\xc3\xa9:\n"
				  "  \xc3\xa9\xc3\xa9: 'x y'\n"
				  "  text: |\n"
				  "    two\n"
				  "    lines\n");
	const struct node *root = tree->root, *b, *cafe;

	(void)state;
	check_node(root, NODE_MAP, 2, 1, 1);
	assert_int_equal(root->count, 4);
	check_node(node_get(root, "a"), NODE_SCALAR, 2, 4, 3);
	assert_string_equal(node_get(root, "a")->text, "one");
	assert_true(node_get(root, "a")->plain);
	b = node_get(root, "b");
	check_node(b, NODE_LIST, 3, 4, 1);
	assert_int_equal(b->count, 2);
	check_node(b->first->next, NODE_MAP, 3, 8, 1);
	check_node(node_get(b->first->next, "c"), NODE_SCALAR, 3, 12, 13);
	assert_false(node_get(b->first->next, "c")->plain);
	/* a value without text stands at its key, quotes included */
	check_node(node_get(root, "d"), NODE_SCALAR, 4, 1, 3);
	assert_true(node_get(root, "d")->plain);
	cafe = node_get(root, "caf\xc3\xa9");
	check_node(cafe, NODE_MAP, 6, 3, 1);
	assert_int_equal(cafe->key_line, 5);
	assert_int_equal(cafe->key_length, 4);
	check_node(cafe->first, NODE_SCALAR, 6, 7, 5);
	assert_string_equal(node_get(cafe, "text")->text, "two\nlines\n");
	assert_null(node_get(root, "none"));
	assert_null(node_get(b, "c"));
	assert_null(node_get(NULL, "c"));
}

static void json_positions(void **state)
{
	AUTO(tree_free)
	struct tree *tree =
		parse("\xef\xbb\xbf\n # {\n  {\"a\": {\"b\": [1,\n2]},\n\"c\": null}\n");
	const struct node *b = node_get(node_get(tree->root, "a"), "b");

	(void)state;
	check_node(tree->root, NODE_MAP, 3, 3, 1);
	check_node(b, NODE_LIST, 3, 15, 1);
	check_node(b->first, NODE_SCALAR, 3, 16, 1);
	check_node(b->first->next, NODE_SCALAR, 4, 1, 1);
	check_node(node_get(tree->root, "c"), NODE_SCALAR, 5, 6, 4);
}

static void line_ends(void **state)
{
	AUTO(tree_free) struct tree *tree = parse("a: 1\r\nb: 2\rc: 3\n\n\r\nd: 4");
	struct xlb_err err = {};

	(void)state;
	check_node(node_get(tree->root, "b"), NODE_SCALAR, 2, 4, 1);
	check_node(node_get(tree->root, "c"), NODE_SCALAR, 3, 4, 1);
	check_node(node_get(tree->root, "d"), NODE_SCALAR, 6, 4, 1);
	tree_locate(tree, node_get(tree->root, "c"), true, &err);
	assert_string_equal(err.source, "c: 3");
	assert_int_equal(err.column, 1);
}

static void values(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{ "it''s", "it''s" },
		{ "a # comment", "a" },
		{ "two\n  lines", "two lines" },
		{ "'it''s'", "it's" },
		{ "'x''''y'", "x''y" },
		{ "''''''", "''" },
		{ "''", "" },
		{ "' a  b '", " a  b " },
		{ "'a\\n'", "a\\n" },
		{ "'a  \n  \tb'", "a b" },
		{ "'a\r\n\r\n\r\n  b'", "a\n\nb" },
		{ "'x''x''x''x''x''x''x''x''x''x''x''x'", "x'x'x'x'x'x'x'x'x'x'x'x" },
		{ "\"a\\n\\t\\x41\\u00e9\"", "a\n\tA\xc3\xa9" },
		{ "\"a\n  b\"", "a b" },
		{ "|\n  a\n   b\n", "a\n b\n" },
		{ ">-\n  a\n  b\n", "a b" },
		{ "no", "no" },
		{ "010", "010" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(tree_free) struct tree *tree = NULL;
		char text[200];

		snprintf(text, sizeof(text), "a: %s\nb: 1\n", rows[i].text);
		tree = parse(text);
		assert_string_equal(node_get(tree->root, "a")->text, rows[i].value);
		assert_string_equal(node_get(tree->root, "b")->text, "1");
	}
}

/* Positions and values hold far behind the first piece that is read. */
static void big_texts(void **state)
{
	AUTO_FREE char *text = NULL;
	AUTO(tree_free) struct tree *tree = NULL;
	const struct node *node;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	uint32_t i = 0;

	(void)state;
	for (; i < 50000; i++)
		fprintf(out, "k%u: [v%u, 'it''s %u']\n", i, i, i);
	fclose(out);
	tree = parse(text);
	for (node = tree->root->first, i = 0; node; node = node->next, i++) {
		char value[32];

		snprintf(value, sizeof(value), "v%u", i);
		assert_string_equal(node->first->text, value);
		snprintf(value, sizeof(value), "it's %u", i);
		assert_string_equal(node->first->next->text, value);
		assert_int_equal(node->first->line, i + 1);
		assert_int_equal(node->column, strlen(node->key) + 3);
	}
	assert_int_equal(i, 50000);
}

static void empty_texts(void **state)
{
	AUTO(tree_free)
	struct tree *nothing = parse(""), *comment = parse("# only\n\n"), *mark = parse("---\n");

	(void)state;
	assert_null(nothing->root);
	assert_null(comment->root);
	assert_string_equal(mark->root->text, "");
	assert_null(tree_free(NULL));
}

/* what is refused, where, and a part of the words */
static void refused(void **state)
{
	static const struct {
		const char *text;
		uint32_t line, column, length;
		const char *words;
	} rows[] = {
		{ "a:\n\tb: 1\n", 2, 1, 1, "tab" },
		{ "a: [1, 2\nb: 1\n", 1, 4, 1, "'[' is never closed" },
		{ "{a: 1, b: {c: 2}", 1, 1, 1, "'{' is never closed" },
		{ "a: \"x", 1, 5, 1, "closing quote" },
		{ "a: &x 1\nb: *x\n", 1, 4, 2, "anchors" },
		{ "b: *name\n", 1, 4, 5, "aliases" },
		{ "<<: *x\n", 1, 5, 2, "aliases" },
		{ "a: !!str 1\n", 1, 4, 5, "tags" },
		{ "a: !x {b: 1}\n", 1, 4, 2, "tags" },
		{ "%YAML 1.2\n---\na: 1\n", 1, 1, 9, "directives" },
		{ "# c\n%TAG ! x\n---\na: 1\n", 2, 1, 8, "directives" },
		{ "%FOO\n---\na: 1\n", 1, 1, 4, "directives" },
		{ "a: 1\n%FOO\n", 2, 1, 4, "directives" },
		{ "a: 1\n---\nb: 1\n", 2, 1, 1, "second document" },
		{ "a: 1\n...\nb", 2, 1, 1, "second document" },
		{ "a: 1\nb: 2\na: 3\n", 3, 1, 1, "duplicate key \"a\", first at line 1, column 1" },
		{ "x: {a: 1, \"a\": 2}\n", 1, 11, 3,
		  "duplicate key \"a\", first at line 1, column 5" },
		{ "? [a]\n: 1\n", 1, 3, 1, "plain text" },
		{ "{{a: 1}: 1}\n", 1, 2, 1, "plain text" },
		{ ": 1\n", 1, 1, 1, "no key" },
		{ "a: \xff\n", 1, 4, 1, "UTF-8" },
		{ "a: \xc0\x80\n", 1, 4, 1, "UTF-8" },
		{ "a: \xed\xa0\x80\n", 1, 4, 1, "UTF-8" },
		{ "\xc3\xa9: \xe2\x82\n", 1, 4, 1, "UTF-8" },
		{ "a: 1\nb: \x1b[2J\n", 2, 4, 1, "control character 0x1b" },
		{ "a: \"x\\0y\"\n", 1, 4, 6, "control character (0x00)" },
		{ "a: \"\\e[2J\"\n", 1, 4, 7, "control character (0x1b)" },
		{ "a:\n  b: 1\n c: 2\n", 3, 2, 1, "indentation" },
		{ "a: b: c\n", 1, 5, 1, "nested block mapping" },
		{ "a: 2001:db8::\n", 1, 13, 1, "nested block mapping" },
		{ "{a: 1}\n}\n", 2, 1, 1, "closing brace" },
		{ "a: @x\n", 1, 4, 1, "'@'" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tree *tree = NULL;
		struct xlb_err err = {};

		print_message("# %zu: %s\n", i, rows[i].words);
		assert_int_equal(tree_parse("x.yaml", rows[i].text, strlen(rows[i].text), &tree,
					    &err),
				 -EINVAL);
		assert_null(tree);
		assert_int_equal(err.class, XLB_ERR_CONFIG);
		assert_string_equal(err.file, "x.yaml");
		print_message("# %u:%u+%u %s\n", err.line, err.column, err.length, err.text);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_int_equal(err.line, rows[i].line);
		assert_int_equal(err.column, rows[i].column);
		assert_int_equal(err.length, rows[i].length);
	}
}

static void ipv6_hint(void **state)
{
	struct tree *tree = NULL;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(tree_parse("x", "a: 2001:db8::\n", 14, &tree, &err), -EINVAL);
	assert_string_equal(err.hint, "write IPv6 addresses in quotes");
	assert_int_equal(tree_parse("x", "a: {b: fe80::}\n", 15, &tree, &err), -EINVAL);
	assert_string_equal(err.hint, "write IPv6 addresses in quotes");
}

static void nul_bytes(void **state)
{
	static const char text[] = "a: 1\nb\0: 2\n";
	struct tree *tree = NULL;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(tree_parse("x", text, sizeof(text) - 1, &tree, &err), -EINVAL);
	assert_int_equal(err.line, 2);
	assert_int_equal(err.column, 2);
	assert_string_equal(err.source, "b");
}

/* A line longer than the window: column is true, the caret points into what is shown. */
static void long_lines(void **state)
{
	char text[2000] = "a: [";
	struct xlb_err err = {};
	struct tree *tree = NULL;

	(void)state;
	for (int i = 0; i < 150; i++)
		strcat(text, "\xc3\xa9"
			     "b, ");
	strcat(text, "*here, ");
	for (int i = 0; i < 100; i++)
		strcat(text, "yy, ");
	strcat(text, "]\n");
	assert_int_equal(tree_parse("x", text, strlen(text), &tree, &err), -EINVAL);
	assert_int_equal(err.column, 605);
	assert_int_equal(xlb_err_caret(&err), 101);
	assert_memory_equal(err.source, "...", 3);
	assert_true(strlen(err.source) < sizeof(err.source));

	/* two bytes a character: the 100 before the caret are 97 + "..." */
	const char *p = err.source;

	for (int i = 1; i < 101; i++)
		do
			p++;
		while ((*p & 0xc0) == 0x80);
	assert_memory_equal(p, "*here", 5);

	memset(text, ' ', 119);
	strcpy(text + 119, "*x\n");
	assert_int_equal(tree_parse("x", text, strlen(text), &tree, &err), -EINVAL);
	assert_int_equal(err.column, 120);
	assert_int_equal(xlb_err_caret(&err), 120);
	assert_string_equal(err.source + 119, "*x");

	/* four bytes a character: no room for them, shown as ? */
	strcpy(text, "\"");
	for (int i = 0; i < 100; i++)
		strcat(text, "\xf0\x9f\x98\x80");
	strcat(text, "\": *x\n");
	assert_int_equal(tree_parse("x", text, strlen(text), &tree, &err), -EINVAL);
	assert_int_equal(err.column, 105);
	assert_string_equal(err.source + 98, "???\": *x");
}

/* --- bombs -------------------------------------------------------------------------------------- */

#define BOMB_BYTES 10000000

static const struct bomb {
	const char *name, *head, *unit, *tail;
	const char *rest; /* if not NULL the unit goes on with a number of its own and this */
} bombs[] = {
	{ "open brackets", "", "[", "", NULL },
	{ "open braces", "", "{a: ", "", NULL },
	{ "brackets on lines", "", "[\n", "", NULL },
	{ "brackets below a key", "a:\n  ", "[a,", "", NULL },
	{ "nested lists", "", "- ", "", NULL },
	{ "nested keys", "", "? ", "", NULL },
	{ "keys in lines", "", "k", "", ": 1\n" },
	{ "keys in one line", "{", "k", "}", ": 1, " },
	{ "JSON keys", "{", "\"k", "\"k\":1}", "\":1," },
	{ "one key again and again", "", "a: 1\n", "", NULL },
	{ "flat list", "[", "a, ", "]", NULL },
	{ "flat list below a list", "[[", "a, ", "]]", NULL },
	{ "block list", "", "- a\n", "", NULL },
	{ "empty items", "", "-\n", "", NULL },
	{ "anchors", "", "&a ", "", NULL },
	{ "aliases", "a: &a x\nb: [", "*a, ", "]", NULL },
	{ "tags", "", "!x ", "", NULL },
	{ "directives", "", "%\n", "", NULL },
	{ "tag directives", "", "%TAG !a", "", "! tag:x\n" },
	{ "tag directives behind a document", "a: 1\n...\n", "%TAG !a", "", "! tag:x\n" },
	{ "documents", "", "---\n", "", NULL },
	{ "a word", "", "a", "", NULL },
	{ "words", "", "a ", "", NULL },
	{ "a quote", "\"", "a", "", NULL },
	{ "quotes", "", "\"", "", NULL },
	{ "apostrophes", "", "'", "", NULL },
	{ "escapes", "\"", "\\x41", "\"", NULL },
	{ "block scalar", "a: |\n", " x\n", "", NULL },
	{ "folded scalar", "a: >\n", " x\n", "", NULL },
	{ "comment", "", "#", "", NULL },
	{ "comments", "", "#\n", "", NULL },
	{ "newlines", "", "\n", "", NULL },
	{ "returns", "", "\r", "", NULL },
	{ "blanks", "", " ", "", NULL },
	{ "tabs", "", "\t", "", NULL },
	{ "colons", "", ": ", "", NULL },
	{ "commas", "", ",", "", NULL },
	{ "ampersands", "", "&", "", NULL },
	{ "exclamations", "", "!", "", NULL },
	{ "letters of two bytes", "", "\xc3\xa9", "", NULL },
};

static char *bomb_text(const struct bomb *bomb, size_t *ret_length)
{
	size_t unit = strlen(bomb->unit), n = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_length);
	char block[1 << 16];

	assert_non_null(out);
	/* 64 KiB of whole units at a time */
	for (size_t used = 0; used + unit <= sizeof(block); used += unit)
		memcpy(block + used, bomb->unit, unit);
	fputs(bomb->head, out);
	while (ftello(out) < BOMB_BYTES)
		if (bomb->rest)
			fprintf(out, "%s%zu%s", bomb->unit, n++, bomb->rest);
		else
			fwrite(block, unit, sizeof(block) / unit, out);
	fputs(bomb->tail, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Every one is refused, in less than 2 s (6 s under sanitizers) and with less than 300 MiB. */
static void bombs_are_refused(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	const double limit = 6;
#else
	const double limit = 2;
#endif
	struct rusage usage;

	(void)state;
	for (size_t i = 0; i < COUNT(bombs); i++) {
		struct tree *tree = NULL;
		struct xlb_err err = {};
		size_t length;
		AUTO_FREE char *text = bomb_text(&bombs[i], &length);
		double start = seconds();
		int r = tree_parse("x", text, length, &tree, &err);
		double taken = seconds() - start;

		print_message("# %s: %.2f s, %u:%u %s\n", bombs[i].name, taken, err.line,
			      err.column, err.text);
		assert_int_not_equal(r, 0);
		assert_null(tree);
		assert_true(err.class == XLB_ERR_CONFIG && *err.text && err.line);
		assert_true(taken < limit);
	}
	getrusage(RUSAGE_SELF, &usage);
	print_message("# %ld MiB\n", usage.ru_maxrss >> 10);
#ifndef __SANITIZE_ADDRESS__
	assert_true(usage.ru_maxrss >> 10 < 300);
#endif
}

static void depth_limit(void **state)
{
	char text[200] = "";
	struct tree *tree = NULL;
	struct xlb_err err = {};

	(void)state;
	for (int i = 0; i < TREE_MAX_DEPTH; i++)
		strcat(text, "[");
	for (int i = 0; i < TREE_MAX_DEPTH; i++)
		strcat(text, "]");
	assert_int_equal(tree_parse("x", text, strlen(text), &tree, &err), 0);
	tree_free(tree);
	memmove(text + 1, text, strlen(text) + 1);
	strcat(text, "]");
	assert_int_equal(tree_parse("x", text, strlen(text), &tree, &err), -EINVAL);
	assert_int_equal(err.column, TREE_MAX_DEPTH + 1);
	assert_non_null(strstr(err.text, "32 levels"));
}

static void size_limit(void **state)
{
	size_t length = TREE_MAX_BYTES + 1;
	AUTO_FREE char *text = malloc(length);
	struct tree *tree = NULL;
	struct xlb_err err = {};

	(void)state;
	memset(text, ' ', length);
	assert_int_equal(tree_parse("x", text, length, &tree, &err), -E2BIG);
	assert_non_null(strstr(err.text, "64 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions),
		cmocka_unit_test(json_positions),
		cmocka_unit_test(line_ends),
		cmocka_unit_test(empty_texts),
		cmocka_unit_test(values),
		cmocka_unit_test(big_texts),
		cmocka_unit_test(refused),
		cmocka_unit_test(ipv6_hint),
		cmocka_unit_test(nul_bytes),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(depth_limit),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(bombs_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
