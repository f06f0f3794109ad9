// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every configuration that the docs show is accepted as it stands: read as `xlbctl check` does, and those of docs/modes
 * compiled too. Their addresses are those of the fake world. And the tables that are generated are those of this source.
 */
#include <glob.h>

#include "base/cleanup.h"
#include "compile_lab.h"
#include "core/field.h"
#include "core/metrics.h"
#include "core/tls.h"
#include "xlb/lists.h"

static const char begin[] = "```yaml\n", end[] = "\n```\n";

static char *read_file(const char *path)
{
	AUTO_FCLOSE FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file || getdelim(&text, &size, 0, file) <= 0)
		fail_msg("%s: run from the top of the source", path);
	return text;
}

/* True if the block is a configuration of xlb's: comments may come first. */
static bool is_config(const char *block)
{
	while (*block == '#')
		block = strchr(block, '\n') + 1;
	return !strncmp(block, "version:", 8);
}

static void check_block(struct fixture *fixture, const char *path, const char *block, bool compiles)
{
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;
	struct xlb_err err = {};
	char text[4096];

	if (tree_parse(path, block, strlen(block), &tree, &err) ||
	    model_from_tree(tree, &model, &err))
		fail_msg("%s: block at \"%.30s...\": %u:%u: %s", path, block, err.line, err.column,
			 err.text);
	model_free(model);
	if (!compiles)
		return;
	ids_free(fixture->ids);
	fixture->ids = ids_new();
	/* whoever leaves the interfaces out has attached them */
	snprintf(text, sizeof(text), "%s%s", block,
		 strstr(block, "interfaces:") ? "" : "interfaces: {eth0: {}, eth1: {}}\n");
	run_ok(fixture, text);
	assert_string_equal(fixture->compiled.warnings, "");
}

static int check_file(struct fixture *fixture, const char *path, bool compiles)
{
	AUTO_FREE char *text = read_file(path);
	char *block = text, *behind;
	int n = 0;

	while ((block = strstr(block, begin))) {
		block += strlen(begin);
		behind = strstr(block, end);
		assert_non_null(behind);
		behind[1] = '\0';
		if (is_config(block)) {
			print_message("# %s\n", path);
			check_block(fixture, path, block, compiles);
			n++;
		}
		block = behind + 2;
	}
	return n;
}

static int check_files(struct fixture *fixture, const char *pattern, bool compiles)
{
	glob_t found = {};
	int n = 0;
	size_t i;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (i = 0; i < found.gl_pathc; i++)
		n += check_file(fixture, found.gl_pathv[i], compiles);
	globfree(&found);
	return n;
}

static void test_configurations_of_the_docs(void **state)
{
	struct fixture *fixture = *state;

	assert_true(check_files(fixture, "README.md", false) >= 1);
	assert_true(check_files(fixture, "docs/*.md", false) >= 1);
}

/* One at least for each mode that groups ask for: a page docs/modes/<word>.md with a configuration. */
static void test_configurations_of_the_modes(void **state)
{
	static const char *const words[] = {
#define X(name, word, properties, help) #word,
#define NONE(name, word, properties, help)
		XLB_MODES_AND(X, NONE)
#undef NONE
#undef X
	};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char path[64], forward[64];
		AUTO_FREE char *text = NULL;

		snprintf(path, sizeof(path), "docs/modes/%s.md", words[i]);
		snprintf(forward, sizeof(forward), "forward: %s\n", words[i]);
		text = read_file(path);
		assert_non_null(strstr(text, forward));
		assert_true(check_files(fixture, path, true) >= 1);
	}
}

/* Others have a page too, to which the overview leads, and no configuration that asks for them. */
static void test_pages_of_own_modes(void **state)
{
	static const char *const words[] = {
#define NONE(name, word, properties, help)
#define X(name, word, properties, help) #word,
		XLB_MODES_AND(NONE, X)
#undef X
#undef NONE
	};
	AUTO_FREE char *overview = read_file("docs/modes/README.md");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char path[64], forward[64], link[64];
		AUTO_FREE char *text = NULL;

		snprintf(path, sizeof(path), "docs/modes/%s.md", words[i]);
		snprintf(forward, sizeof(forward), "forward: %s\n", words[i]);
		snprintf(link, sizeof(link), "[%s](%s.md)", words[i], words[i]);
		text = read_file(path);
		assert_null(strstr(text, forward));
		assert_non_null(strstr(overview, link));
	}
}

/* A page has between the two marks of a table what `xlbctl --tables WORD` prints. */
static void check_table(const char *path, const char *word, void (*print)(FILE *out))
{
	AUTO_FREE char *docs = read_file(path), *text = NULL;
	char mark[80], *from, *to;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(out);
	fclose(out);
	snprintf(mark, sizeof(mark), "<!-- begin: xlbctl --tables %s -->\n", word);
	from = strstr(docs, mark);
	assert_non_null(from);
	from += strlen(mark);
	to = strstr(from, "<!-- end -->\n");
	assert_non_null(to);
	*to = '\0';
	/* differs: put the output of that command between the marks */
	assert_string_equal(from, text);
}

static void test_generated_tables(void **state)
{
	(void)state;
	check_table("docs/config.md", "markdown", types_markdown);
	check_table("docs/metrics.md", "metrics", metrics_markdown);
	check_table("docs/tls.md", "policies", tls_policies_markdown);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_configurations_of_the_docs),
		TEST(test_configurations_of_the_modes),
		TEST(test_pages_of_own_modes),
		TEST(test_generated_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
