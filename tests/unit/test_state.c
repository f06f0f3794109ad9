// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/tree.h"
#include "xlbd/state.h"

static const char text[] =
	"version: 1\n"
	"interfaces:\n"
	"  eth0: {mode: native}\n"
	"flow_table: {max: 100000000}\n"
	"load_balancers:\n"
	"  edge:\n"
	"    addresses: [198.51.100.10, \"2001:db8::10\"]\n"
	"    listeners:\n"
	"      http: {protocol: tcp, port: 80, server_group: web}\n"
	"      games: {protocol: udp, port: 10000-20000, server_group: games, idle_timeout: 90s}\n"
	"server_groups:\n"
	"  web:\n"
	"    health_check: {type: http, path: \"/health:#1\", interval: 2s, timeout: 1s}\n"
	"    drain: {timeout: 5m}\n"
	"    servers:\n"
	"      web1: {address: 10.0.1.11, port: 8080, weight: 100}\n"
	"      web2: {address: [10.0.1.12, \"2001:db8:1::12\"], port: 8080, weight: 50}\n"
	"  games:\n"
	"    health_check: {type: tcp, port: 9000}\n"
	"    servers: {g1: {address: 10.0.1.21}}\n";

struct place {
	char dir[32];
	struct paths paths;
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->dir, sizeof(place->dir), "/tmp/xlb-test-state-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	/* the state directory itself does not exist yet */
	snprintf(place->paths.state_dir, sizeof(place->paths.state_dir), "%s/lib", place->dir);
	snprintf(place->paths.state_file, sizeof(place->paths.state_file), "%s/lib/current",
		 place->dir);
	snprintf(place->paths.config_file, sizeof(place->paths.config_file), "%s/xlb.yaml",
		 place->dir);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", place->dir);
	assert_int_equal(system(command), 0);
	free(place);
	return 0;
}

static struct model *parse(const char *source)
{
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;
	struct xlb_err err = {};

	if (tree_parse("test.yaml", source, strlen(source), &tree, &err) ||
	    model_from_tree(tree, &model, &err))
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.text);
	return model;
}

static struct ids *make_ids(void)
{
	struct ids *ids = ids_new();
	struct id_entry *entry;

	assert_non_null(ids);
	ids_begin(ids);
	entry = ids_get(ids, ID_SERVER, "web/web1@10.0.1.11 port=8080 \"quoted\" \\ back");
	memset(entry->frozen, 0xa5, sizeof(entry->frozen));
	entry = ids_get(ids, ID_SERVER, "web/web2@2001:db8:1::12");
	entry->draining = true;
	entry->since = 1700000000;
	entry->deadline = 1700000300;
	entry->frozen[0] = 1;
	entry = ids_get(ids, ID_SERVER, "web/gone@10.0.1.99");
	entry->live = false;
	entry->since = 1700000001;
	ids_get(ids, ID_LISTENER, "edge/http");
	ids_get(ids, ID_NEXTHOP, "eth0/10.0.1.254");
	return ids;
}

static void save(const struct place *place, uint64_t revision, struct model *model,
		 const struct ids *ids, bool new_revision)
{
	struct state_wanted wanted = {
		.revision = revision,
		.origin = "dir/xlb \"a\".yaml",
		.model = model,
		.ids = ids,
		.new_revision = new_revision,
	};
	struct state_text saved = {};
	struct xlb_err err = {};

	if (state_save(&place->paths, &wanted, &saved, &err))
		fail_msg("%s", err.text);
	state_text_done(&saved);
}

static void assert_same_model(const struct model *a, const struct model *b)
{
	AUTO_FREE char *x = model_export(a);
	AUTO_FREE char *y = model_export(b);

	assert_string_equal(x, y);
}

struct id_compare {
	const struct ids *other;
	size_t count;
};

static void compare_id(void *arg, struct id_entry *entry)
{
	struct id_compare *compare = arg;
	const struct id_entry *other = ids_find(compare->other, entry->kind, entry->key);

	assert_non_null(other);
	assert_int_equal(other->id, entry->id);
	assert_int_equal(other->live, entry->live);
	assert_int_equal(other->draining, entry->draining);
	assert_int_equal(other->since, entry->since);
	assert_true(other->deadline == entry->deadline);
	assert_memory_equal(other->frozen, entry->frozen, sizeof(entry->frozen));
	compare->count++;
}

static size_t compare_ids(struct ids *a, const struct ids *b)
{
	struct id_compare compare = { .other = b };
	enum id_kind kind;

	for (kind = 0; kind < ID_KIND_COUNT; kind++)
		ids_each(a, kind, compare_id, &compare);
	return compare.count;
}

static void round_trip(void **state)
{
	const struct place *place = *state;
	AUTO(model_free) struct model *model = parse(text);
	AUTO(ids_free) struct ids *ids = make_ids();
	struct state loaded = {};
	struct xlb_err err = {};

	save(place, 42, model, ids, true);
	if (state_load(&place->paths, &loaded, &err))
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.text);
	assert_int_equal(loaded.revision, 42);
	assert_string_equal(loaded.origin, "dir/xlb \"a\".yaml");
	assert_same_model(model, loaded.model);
	assert_int_equal(loaded.model->flow_table.max, 100000000);
	assert_int_equal(compare_ids(ids, loaded.ids), 5);
	assert_int_equal(compare_ids(loaded.ids, ids), 5);
	state_done(&loaded);
}

static void empty_model(void **state)
{
	const struct place *place = *state;
	AUTO(model_free) struct model *model = model_new();
	AUTO(ids_free) struct ids *ids = ids_new();
	struct state loaded = {};
	struct xlb_err err = {};

	save(place, 0, model, ids, false);
	if (state_load(&place->paths, &loaded, &err))
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.text);
	assert_int_equal(loaded.revision, 0);
	assert_true(TAILQ_EMPTY(&loaded.model->server_groups));
	assert_false(loaded.model->has_interfaces);
	state_done(&loaded);
}

static void first_start(void **state)
{
	const struct place *place = *state;
	AUTO(model_free) struct model *model = model_new();
	AUTO(ids_free) struct ids *ids = ids_new();
	struct state loaded = {};
	struct xlb_err err = {};
	struct stat st;

	assert_int_equal(state_load(&place->paths, &loaded, &err), -ENOENT);
	assert_null(loaded.model);
	save(place, 1, model, ids, true);
	assert_int_equal(stat(place->paths.state_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(stat(place->paths.state_file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void unwritable_directory(void **state)
{
	struct place *place = *state;
	AUTO(model_free) struct model *model = model_new();
	AUTO(ids_free) struct ids *ids = ids_new();
	struct state_text saved = {};
	struct xlb_err err = {};

	snprintf(place->paths.state_dir, sizeof(place->paths.state_dir), "%s/no/lib", place->dir);
	assert_int_equal(state_save(&place->paths,
				    &(struct state_wanted){ .revision = 1,
							    .origin = "x",
							    .model = model,
							    .ids = ids,
							    .new_revision = true },
				    &saved, &err),
			 -ENOENT);
	state_text_done(&saved);
	assert_non_null(strstr(err.text, "/no/lib"));
}

static size_t count_files(const char *path, const char *but)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.' && strcmp(entry->d_name, but);
	if (dir)
		closedir(dir);
	return n;
}

static void revisions_kept(void **state)
{
	const struct place *place = *state;
	AUTO(model_free) struct model *model = parse(text);
	AUTO(ids_free) struct ids *ids = make_ids();
	struct state loaded = {};
	struct xlb_err err = {};
	struct paths old;
	char path[128];
	uint64_t i;

	for (i = 1; i <= 30; i++) {
		save(place, i, model, ids, true);
		save(place, i, model, ids,
		     false); /* new ids, same revision: nothing more is kept */
	}
	snprintf(path, sizeof(path), "%s/revisions", place->paths.state_dir);
	assert_int_equal(count_files(path, ""), STATE_REVISIONS_KEPT);
	assert_int_equal(count_files(place->paths.state_dir, "revisions"), 1);
	/* any of them loads in place of `current` */
	for (i = 10; i < 30; i++) {
		old = place->paths;
		snprintf(old.state_file, sizeof(old.state_file), "%s/revisions/%d",
			 place->paths.state_dir, (int)i);
		assert_int_equal(state_load(&old, &loaded, &err), 0);
		assert_int_equal(loaded.revision, i);
		state_done(&loaded);
	}
}

static char *read_all(const char *path, size_t *ret_length)
{
	AUTO_FCLOSE FILE *f = fopen(path, "r");
	char *data = malloc(1 << 20);

	assert_non_null(f);
	assert_non_null(data);
	*ret_length = fread(data, 1, 1 << 20, f);
	return data;
}

static void write_all(const char *path, const char *data, size_t length)
{
	AUTO_FCLOSE FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, length, f), length);
}

/* A file cut anywhere is refused, with its name. */
static void truncated(void **state)
{
	const struct place *place = *state;
	AUTO(model_free) struct model *model = parse(text);
	AUTO(ids_free) struct ids *ids = make_ids();
	struct state loaded = {};
	struct xlb_err err;
	AUTO_FREE char *data = NULL;
	size_t length, cut;

	save(place, 1, model, ids, true);
	data = read_all(place->paths.state_file, &length);
	for (cut = 0; cut + 1 < length; cut++) {
		memset(&err, 0, sizeof(err));
		write_all(place->paths.state_file, data, cut);
		if (!state_load(&place->paths, &loaded, &err))
			fail_msg("accepted when cut to %zu of %zu bytes", cut, length);
		assert_true(!strcmp(err.file, place->paths.state_file) ||
			    strstr(err.text, place->paths.state_file));
		assert_true(err.hint[0]);
		assert_null(loaded.model);
	}
}

/* Each byte in turn becomes another: an error or a configuration, never a crash or a leak. */
static void damaged_bytes(void **state)
{
	static const char bytes[] = { '\0', '\n', ' ', ':', '{', '"', '\xff', '0' };
	const struct place *place = *state;
	AUTO(model_free) struct model *model = parse(text);
	AUTO(ids_free) struct ids *ids = make_ids();
	AUTO_FREE char *data = NULL;
	size_t length, i;

	save(place, 1, model, ids, true);
	data = read_all(place->paths.state_file, &length);
	for (i = 0; i < length; i++) {
		struct state loaded = {};
		struct xlb_err err = {};
		char kept = data[i];

		data[i] = bytes[i % sizeof(bytes)];
		write_all(place->paths.state_file, data, length);
		if (state_load(&place->paths, &loaded, &err))
			assert_true(err.text[0]);
		else
			state_done(&loaded);
		data[i] = kept;
	}
}

/* Of this program: the numbers of another one are not looked at. */
#define TEXT(number)	   #number
#define LINE(name, number) #name ": " TEXT(number) "\n"
#define ABI		   LINE(abi, XLB_ABI)

static const struct {
	const char *text;
	const char *says;
	bool located;
} bad_files[] = {
	{ "", "empty", false },
	{ "- a\n", "no map", false },
	{ "revision: 1\n", "does not begin", false },
	{ "state: 2\nrevision: 1\n", "format '2'", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI "ids: {}\n", "ends early",
	  false },
	{ "state: 1\norigin: x\nmodel: {version: 1}\n" ABI "ids: {}\ncomplete: true\n",
	  "`revision`", false },
	{ "state: 1\nrevision: x\norigin: x\nmodel: {version: 1}\n" ABI "ids: {}\ncomplete: true\n",
	  "number", true },
	{ "state: 1\nrevision: 1\nmodel: {version: 1}\n" ABI "ids: {}\ncomplete: true\n",
	  "`origin`", false },
	{ "state: 1\nrevision: 1\norigin: x\n" ABI "ids: {}\ncomplete: true\n", "`model`", false },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI "ids: []\ncomplete: true\n",
	  "`ids`", false },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1, foo: 1}\n" ABI
	  "ids: {}\ncomplete: true\n",
	  "foo", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {cow: []}\ncomplete: true\n",
	  "cow", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: {a: b}}\ncomplete: true\n",
	  "list", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{id: 1}]}\ncomplete: true\n",
	  "key", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{key: a}]}\ncomplete: true\n",
	  "missing", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{id: 9999999, key: a}]}\ncomplete: true\n",
	  "out of range", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{id: 1, key: a}, {id: 1, key: b}]}\n"
	  "complete: true\n",
	  "twice", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{id: 1, key: a, live: maybe}]}\n"
	  "complete: true\n",
	  "true or false", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{id: 1, key: a, frozen: 0g}]}\n"
	  "complete: true\n",
	  "hex", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: {version: 1}\n" ABI
	  "ids: {vip: [{id: 1, key: a, frozen: abc}]}\n"
	  "complete: true\n",
	  "hex", true },
	{ "state: 1\nrevision: 1\norigin: x\nmodel: &a {version: 1}\nids: *a\ncomplete: true\n", "",
	  true },
};

static void says_what_is_wrong(void **state)
{
	const struct place *place = *state;
	size_t i;

	assert_int_equal(mkdir(place->paths.state_dir, 0750), 0);
	for (i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		struct state loaded = {};
		struct xlb_err err = {};

		write_all(place->paths.state_file, bad_files[i].text, strlen(bad_files[i].text));
		if (!state_load(&place->paths, &loaded, &err))
			fail_msg("accepted: %s", bad_files[i].text);
		if (!strstr(err.text, bad_files[i].says))
			fail_msg("'%s' does not say '%s'", err.text, bad_files[i].says);
		assert_true(err.hint[0]);
		if (bad_files[i].located) {
			assert_string_equal(err.file, place->paths.state_file);
			assert_true(err.line >= 1);
		} else if (!err.line) {
			assert_non_null(strstr(err.text, place->paths.state_file));
		}
	}
}

/* Ids are those of maps that an xlbd of another ABI has made: the model counts, they do not. */
static void ids_of_another_abi(void **state)
{
	static const char other[] =
		"state: 1\nrevision: 7\norigin: x\nmodel: {version: 1}\nabi: 1\n"
		"ids: {vip: [{id: 3, key: \"198.51.100.10\"}]}\ncomplete: true\n";
	const struct place *place = *state;
	AUTO(model_free) struct model *model = parse(text);
	AUTO(ids_free) struct ids *ids = make_ids();
	struct state loaded = {};
	struct xlb_err err = {};

	save(place, 1, model, ids, true); /* makes the folder */
	write_all(place->paths.state_file, other, strlen(other));
	assert_int_equal(state_load(&place->paths, &loaded, &err), 0);
	assert_int_equal(loaded.revision, 7);
	assert_null(ids_find(loaded.ids, ID_VIP, "198.51.100.10"));
	state_done(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids_of_another_abi, make_place, remove_place),
		cmocka_unit_test_setup_teardown(round_trip, make_place, remove_place),
		cmocka_unit_test_setup_teardown(empty_model, make_place, remove_place),
		cmocka_unit_test_setup_teardown(first_start, make_place, remove_place),
		cmocka_unit_test_setup_teardown(unwritable_directory, make_place, remove_place),
		cmocka_unit_test_setup_teardown(revisions_kept, make_place, remove_place),
		cmocka_unit_test_setup_teardown(truncated, make_place, remove_place),
		cmocka_unit_test_setup_teardown(damaged_bytes, make_place, remove_place),
		cmocka_unit_test_setup_teardown(says_what_is_wrong, make_place, remove_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
