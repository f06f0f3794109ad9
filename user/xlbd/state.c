// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads the state file; state_save.c writes it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "core/tree.h"
#include "xlbd/state_private.h"

static const char *const kind_words[ID_KIND_COUNT] = {
	[ID_INTERFACE] = "interface", [ID_VIP] = "vip",
	[ID_LISTENER] = "listener",   [ID_GROUP] = "group",
	[ID_SERVER] = "server",	      [ID_SNAT] = "snat",
	[ID_BITMAP] = "bitmap",	      [ID_NEXTHOP] = "nexthop",
	[ID_RULE_SET] = "rule_set",   [ID_LB] = "lb",
};

const char *state_kind_word(enum id_kind kind)
{
	return kind_words[kind];
}

void state_done(struct state *state)
{
	state->model = model_free(state->model);
	state->ids = ids_free(state->ids);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t *state_revisions(const struct paths *paths, size_t *ret_count)
{
	char path[STATE_PATH_MAX];
	uint64_t *numbers = NULL;
	size_t count = 0;
	struct dirent *entry;
	DIR *dir;

	*ret_count = 0;
	snprintf(path, sizeof(path), "%s/revisions", paths->state_dir);
	dir = opendir(path);
	if (!dir)
		return NULL;
	while ((entry = readdir(dir))) {
		uint64_t number, *grown;

		if (parse_uint(entry->d_name, 0, UINT64_MAX, &number))
			continue;
		grown = realloc(numbers, (count + 1) * sizeof(*numbers));
		if (!grown)
			break;
		numbers = grown;
		numbers[count++] = number;
	}
	closedir(dir);
	if (count)
		qsort(numbers, count, sizeof(*numbers), compare_numbers);
	*ret_count = count;
	return numbers;
}

struct loader {
	const struct paths *paths;
	const struct tree *tree; /* NULL while the text is not parsed */
	struct xlb_err *err;
};

static void hint_restore(const struct loader *loader)
{
	const char *dir = loader->paths->state_dir;
	size_t count;
	AUTO_FREE uint64_t *revisions = state_revisions(loader->paths, &count);

	if (count)
		xlb_err_hint(loader->err,
			     "restore the newest revision kept: cp %s/revisions/%" PRIu64 " %s",
			     dir, revisions[count - 1], loader->paths->state_file);
	else
		xlb_err_hint(loader->err,
			     "no revision is kept in %s/revisions; move %s away to start from %s",
			     dir, loader->paths->state_file, loader->paths->config_file);
}

/* Says what is wrong with the state file, where, and how to get a good one. */
__attribute__((format(printf, 3, 4))) static int damaged(const struct loader *loader,
							 const struct node *node,
							 const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (node) {
		xlb_err_set(loader->err, XLB_ERR_FAILED, -EINVAL, "the state file is damaged: %s",
			    text);
		tree_locate(loader->tree, node, false, loader->err);
	} else {
		xlb_err_set(loader->err, XLB_ERR_FAILED, -EINVAL, "state file %s is damaged: %s",
			    loader->paths->state_file, text);
	}
	hint_restore(loader);
	return -EINVAL;
}

static int read_text(const struct paths *paths, char **ret, size_t *ret_length, struct xlb_err *err)
{
	AUTO_CLOSE int fd = open(paths->state_file, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	size_t length = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot read %s: %s",
				   paths->state_file, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > TREE_MAX_BYTES)
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "%s is not a regular file of at most %u MiB", paths->state_file,
				   TREE_MAX_BYTES >> 20);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	while (length < (size_t)st.st_size) {
		ssize_t n = read(fd, text + length, (size_t)st.st_size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot read %s: %s",
					   paths->state_file, strerror(errno));
		if (n == 0)
			break;
		length += (size_t)n;
	}
	text[length] = '\0';
	*ret = TAKE(text);
	*ret_length = length;
	return 0;
}

static const char *scalar_of(const struct node *map, const char *key)
{
	const struct node *node = node_get(map, key);

	return node && node->kind == NODE_SCALAR ? node->text : NULL;
}

/* A number that may be absent (then `preset`). */
static int number_of(const struct loader *loader, const struct node *map, const char *key,
		     uint64_t max, uint64_t preset, uint64_t *ret)
{
	const struct node *node = node_get(map, key);
	uint64_t value = preset;

	if (node && (node->kind != NODE_SCALAR || parse_uint(node->text, 0, max, &value)))
		return damaged(loader, node, "%s must be a number", key);
	*ret = value;
	return 0;
}

/* `live` or `draining`. */
static int flag_of(const struct loader *loader, const struct node *map, const char *key,
		   bool preset, bool *ret)
{
	const struct node *node = node_get(map, key);

	if (!node) {
		*ret = preset;
		return 0;
	}
	if (node->kind != NODE_SCALAR ||
	    (strcmp(node->text, "true") && strcmp(node->text, "false")))
		return damaged(loader, node, "%s must be true or false", key);
	*ret = !strcmp(node->text, "true");
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int frozen_of(const struct loader *loader, const struct node *map, struct id_entry *entry)
{
	const char *hex = scalar_of(map, "frozen");
	size_t i, length = hex ? strlen(hex) : 0;

	if (length % 2 || length / 2 > sizeof(entry->frozen))
		return damaged(loader, node_get(map, "frozen"),
			       "frozen must be at most %zu bytes in hex", sizeof(entry->frozen));
	for (i = 0; i < length / 2; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return damaged(loader, node_get(map, "frozen"),
				       "frozen must be hex digits");
		entry->frozen[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int load_id(const struct loader *loader, enum id_kind kind, const struct node *node,
		   struct ids *ids)
{
	const char *key = scalar_of(node, "key");
	struct id_entry entry = { .kind = kind };
	uint64_t id;
	int r;

	if (!key || !key[0] || strlen(key) >= sizeof(entry.key))
		return damaged(loader, node, "an id of kind %s needs a key of 1-%zu characters",
			       kind_words[kind], sizeof(entry.key) - 1);
	snprintf(entry.key, sizeof(entry.key), "%s", key);
	r = number_of(loader, node, "id", UINT32_MAX, 0, &id);
	if (r)
		return r;
	if (!id)
		return damaged(loader, node, "the id of %s '%s' is missing", kind_words[kind], key);
	entry.id = (uint32_t)id;
	r = flag_of(loader, node, "live", true, &entry.live);
	if (!r)
		r = flag_of(loader, node, "draining", false, &entry.draining);
	if (!r)
		r = number_of(loader, node, "since", UINT64_MAX, 0, &entry.since);
	if (!r)
		r = number_of(loader, node, "deadline", UINT64_MAX, UINT64_MAX, &entry.deadline);
	if (!r)
		r = frozen_of(loader, node, &entry);
	if (r)
		return r;
	r = ids_restore(ids, &entry);
	if (r == -ENOMEM)
		return xlb_err_set(loader->err, XLB_ERR_FAILED, r, "out of memory");
	if (r)
		return damaged(loader, node,
			       "id %u or key '%.64s' of kind %s is out of range or stands twice",
			       entry.id, key, kind_words[kind]);
	return 0;
}

static int load_ids(const struct loader *loader, const struct node *map, struct ids *ids)
{
	const struct node *list, *node;

	for (list = map->first; list; list = list->next) {
		enum id_kind kind = 0;

		while (kind < ID_KIND_COUNT && strcmp(list->key, kind_words[kind]))
			kind++;
		if (kind == ID_KIND_COUNT)
			return damaged(loader, list, "'%.32s' is no kind of id", list->key);
		if (list->kind == NODE_MAP || (list->kind == NODE_SCALAR && list->text[0]))
			return damaged(loader, list, "ids of kind %s must be a list", list->key);
		for (node = list->first; node; node = node->next) {
			int r = load_id(loader, kind, node, ids);

			if (r)
				return r;
		}
	}
	return 0;
}

/* States before ABI 2 do not say theirs. */
static bool is_own_abi(const struct node *root)
{
	const char *abi = scalar_of(root, "abi");

	return (abi ? strtoul(abi, NULL, 10) : 1) == XLB_ABI;
}

/* Written by another xlbd: nothing is wrong with it. */
static int foreign(const struct loader *loader, const struct node *version)
{
	xlb_err_set(loader->err, XLB_ERR_FAILED, -EINVAL,
		    "the state file has format '%.16s', this xlbd reads format %d", version->text,
		    STATE_VERSION);
	tree_locate(loader->tree, version, false, loader->err);
	xlb_err_hint(
		loader->err,
		"start the xlbd that wrote it, `xlbctl export` there, and apply the text here");
	return -EINVAL;
}

static int load_header(const struct loader *loader, const struct node *root, struct state *state)
{
	const char *version = scalar_of(root, "state"), *origin = scalar_of(root, "origin");
	const char *complete = scalar_of(root, "complete");
	int r;

	if (!version)
		return damaged(loader, NULL, "it does not begin with `state: %d`", STATE_VERSION);
	if (strcmp(version, "1"))
		return foreign(loader, node_get(root, "state"));
	if (!complete || strcmp(complete, "true"))
		return damaged(loader, NULL,
			       "it ends early: the last line `complete: true` is missing");
	if (!origin)
		return damaged(loader, NULL, "`origin` is missing");
	snprintf(state->origin, sizeof(state->origin), "%s", origin);
	r = number_of(loader, root, "revision", UINT64_MAX, 0, &state->revision);
	if (!r && !node_get(root, "revision"))
		return damaged(loader, NULL, "`revision` is missing");
	return r;
}

static int load_tree(struct loader *loader, struct state *state)
{
	const struct node *root = loader->tree->root, *model, *ids;
	int r;

	if (!root || root->kind != NODE_MAP)
		return damaged(loader, NULL, "it is empty or no map");
	r = load_header(loader, root, state);
	if (r)
		return r;
	model = node_get(root, "model");
	ids = node_get(root, "ids");
	if (!model || !ids || ids->kind != NODE_MAP)
		return damaged(loader, NULL, "`model` or `ids` is missing");
	r = model_from_node(loader->tree, model, &state->model, loader->err);
	if (r) {
		xlb_err_prefix(loader->err, "the state file is damaged");
		hint_restore(loader);
		return r;
	}
	state->ids = ids_new();
	if (!state->ids)
		return xlb_err_set(loader->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	/* ids belong to maps: those of another ABI are not ours, and nor are the flows that hold them */
	return is_own_abi(root) ? load_ids(loader, ids, state->ids) : 0;
}

int state_load(const struct paths *paths, struct state *ret, struct xlb_err *err)
{
	struct loader loader = { .paths = paths, .err = err };
	AUTO(tree_free) struct tree *tree = NULL;
	AUTO_FREE char *text = NULL;
	struct state state = {};
	size_t length = 0;
	int r;

	r = read_text(paths, &text, &length, err);
	if (r)
		return r;
	r = tree_parse_limited(paths->state_file, text, length, STATE_MAX_NODES, &tree, err);
	if (r) {
		xlb_err_prefix(err, "state file %s is damaged", paths->state_file);
		hint_restore(&loader);
		return r;
	}
	loader.tree = tree;
	r = load_tree(&loader, &state);
	if (r) {
		state_done(&state);
		return r;
	}
	*ret = state;
	return 0;
}
