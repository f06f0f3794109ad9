// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Maps of a text into objects: the same code reads a whole configuration and the body of a PATCH. */
#include "core/merge.h"

#include <errno.h>
#include <string.h>

#include "core/field.h"
#include "core/unbuilt.h"

#define PREFIX_MAX 64
#define NAMES_MAX  32
#define WORD_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* A map that is being merged into an object. */
struct merge {
	const struct merge_source *source;
	struct object *object;
	struct xlb_err *err;
	uint64_t seen; /* fields that the text has named */
};

static int no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

bool node_is_null(const struct node *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (node->kind != NODE_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(node->text, words[i]))
			return true;
	return false;
}

const char *node_word(const struct node *node)
{
	static const char *const words[] = {
		[NODE_SCALAR] = "a value", [NODE_LIST] = "a list", [NODE_MAP] = "a map"
	};

	return node_is_null(node) ? "nothing" : words[node->kind];
}

/* The member that a step of a pointer names: key, key in its JSON form, or index. */
static const struct node *follow(const struct node *node, const char *step)
{
	const struct node *child = node_get(node, step);
	const struct field *field = NULL;
	char *end;
	size_t index;

	for (const struct type *const *type = types; node->kind == NODE_MAP && !child && *type;
	     type++) {
		field = field_find(*type, step);
		if (field && field->json)
			child = node_get(node, field->json);
	}
	if (child || node->kind == NODE_SCALAR)
		return child;
	/* a map may be what is a list in JSON, as shares are */
	index = strtoul(step, &end, 10);
	if (*end)
		return NULL;
	for (child = node->first; child && index; index--)
		child = child->next;
	return child;
}

void merge_locate(const struct tree *tree, const struct node *node, const char *pointer,
		  struct xlb_err *err)
{
	char step[NAME_TEXT_MAX + 1];
	const struct node *next = node;

	while (next && *pointer == '/') {
		size_t length = strcspn(++pointer, "/");

		snprintf(step, sizeof(step), "%.*s", (int)length, pointer);
		pointer += length;
		next = follow(node, step);
		node = next ? next : node;
	}
	tree_locate(tree, node, node->kind == NODE_MAP, err);
}

/* Adds pointer and position to an error whose text is set. */
static int fail_at(struct merge *merge, const struct node *node, bool at_key, const char *name)
{
	object_pointer(merge->object, name, merge->err->pointer, sizeof(merge->err->pointer));
	tree_locate(merge->source->tree, node, at_key, merge->err);
	return -EINVAL;
}

/* --- one field ---------------------------------------------------------------------------------- */

/* The same field under its name or its name in JSON. */
static const struct field *find_field(const struct type *type, const char *name)
{
	for (size_t i = 0; i < type->field_count; i++)
		if (type->fields[i].json && !strcmp(type->fields[i].json, name))
			return &type->fields[i];
	return field_find(type, name);
}

/* Unquoted, an IPv6 address is text in one place and a nested map in another. */
static bool looks_like_ipv6(const struct node *node)
{
	const char *text = node->kind == NODE_MAP && node->first ? node->first->key : node->text;

	return (node->kind == NODE_MAP || node->plain) && strchr(text, ':') &&
	       strspn(text, "0123456789abcdefABCDEF:./") == strlen(text);
}

/* {group, weight} or {group} as "group=weight"; false if it is something else. NULL on lack of memory. */
static bool share_text(const struct node *node, char **ret)
{
	const struct node *group = node_get(node, "group"), *weight = node_get(node, "weight");

	if (!group || group->kind != NODE_SCALAR || node->count != 1 + (weight != NULL) ||
	    (weight && weight->kind != NODE_SCALAR))
		return false;
	if (asprintf(ret, weight ? "%s=%s" : "%s", group->text, weight ? weight->text : "") < 0)
		*ret = NULL;
	return true;
}

/* {chain, key}, or {chain} of a file that has both, as "chain:key"; the same. */
static bool certificate_text(const struct node *node, char **ret)
{
	const struct node *chain = node_get(node, "chain"), *key = node_get(node, "key");

	if (!chain || chain->kind != NODE_SCALAR || node->count != 1 + (key != NULL) ||
	    (key && key->kind != NODE_SCALAR))
		return false;
	if (asprintf(ret, "%s:%s", chain->text, key ? key->text : chain->text) < 0)
		*ret = NULL;
	return true;
}

/* A map that stands for one value of the field. */
static bool map_text(const struct field *field, const struct node *node, char **ret)
{
	return (field->kind == FIELD_SHARES && share_text(node, ret)) ||
	       (field->kind == FIELD_CERTIFICATES && certificate_text(node, ret));
}

/* An item of a list as text: a scalar, {from, to} of ports, {group, weight} of shares. malloc'd. */
static int item_text(struct merge *merge, const struct field *field, const struct node *node,
		     char **ret)
{
	const struct node *from = node_get(node, "from"), *to = node_get(node, "to");
	char *text = NULL;

	if ((field->kind == FIELD_ADDRS || field->kind == FIELD_NETS) && looks_like_ipv6(node)) {
		bool is_map = node->kind == NODE_MAP;

		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
			    "%s: write IPv6 addresses in quotes", field->name);
		return fail_at(merge, is_map ? node->first : node, is_map, field->name);
	}
	if (node->kind == NODE_SCALAR && !node_is_null(node)) {
		text = strdup(node->text);
	} else if (field->kind == FIELD_PORTS && node->count == 2 && from && to &&
		   from->kind == NODE_SCALAR && to->kind == NODE_SCALAR) {
		if (asprintf(&text, strcmp(from->text, to->text) ? "%s-%s" : "%s", from->text,
			     to->text) < 0)
			text = NULL;
	} else if (!map_text(field, node, &text)) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL, "%s: expected %s, found %s",
			    field->name,
			    field->kind == FIELD_CERTIFICATES ? "{chain: FILE, key: FILE}" :
								"a value",
			    node_word(node));
		return fail_at(merge, node, node_is_null(node), field->name);
	}
	if (!text)
		return no_memory(merge->err);
	*ret = text;
	return 0;
}

/* A member of a map of shares as "group=weight". malloc'd. */
static int member_text(struct merge *merge, const struct field *field, const struct node *node,
		       char **ret)
{
	if (node->kind != NODE_SCALAR || node_is_null(node)) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
			    "%s: expected the weight of group %.64s, found %s", field->name,
			    node->key, node_word(node));
		return fail_at(merge, node, node_is_null(node), field->name);
	}
	return asprintf(ret, "%s=%s", node->key, node->text) < 0 ? no_memory(merge->err) : 0;
}

/* A list, or a map of shares. */
static int merge_list(struct merge *merge, const struct field *field, const struct node *node)
{
	char *items[VALUE_ITEMS_MAX] = {};
	const struct node *nodes[VALUE_ITEMS_MAX];
	size_t count = 0, bad = 0;
	int r = 0;

	if (node->count > VALUE_ITEMS_MAX) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
			    "%s has %zu values: at most %d are accepted", field->name, node->count,
			    VALUE_ITEMS_MAX);
		return fail_at(merge, node, true, field->name);
	}
	for (const struct node *child = node->first; child && !r; child = child->next) {
		r = node->kind == NODE_MAP ? member_text(merge, field, child, &items[count]) :
					     item_text(merge, field, child, &items[count]);
		if (!r)
			nodes[count++] = child;
	}
	if (!r) {
		r = value_set(merge->object, field, (const char *const *)items, count, &bad,
			      merge->err);
		if (r)
			fail_at(merge, bad < count ? nodes[bad] : node, bad == count, field->name);
	}
	while (count)
		free(items[--count]);
	return r;
}

static int merge_null(struct merge *merge, const struct field *field, const struct node *node)
{
	char accepted[200], title[OBJECT_TITLE_MAX];

	field_accepted(field, accepted, sizeof(accepted));
	if (field->flags & FIELD_REQUIRED) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
			    "%s cannot be without %s: accepted are %s",
			    object_title(merge->object, title), field->name, accepted);
		return fail_at(merge, node, true, field->name);
	}
	if (merge->source->patch)
		return value_reset(merge->object, field) ? no_memory(merge->err) : 0;
	xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
		    "%s has no value: accepted are %s; for the default leave the key out",
		    field->name, accepted);
	return fail_at(merge, node, true, field->name);
}

static int merge_field(struct merge *merge, const struct field *field, const struct node *node)
{
	AUTO_FREE char *text = NULL;
	int r;

	if (merge->seen & field_bit(merge->object, field)) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
			    "%s and %s are the same: write one of them", field->name, field->json);
		return fail_at(merge, node, true, field->name);
	}
	merge->seen |= field_bit(merge->object, field);
	if (node_is_null(node))
		return merge_null(merge, field, node);
	if ((node->kind == NODE_LIST && field_is_list(field)) ||
	    (node->kind == NODE_MAP && field->kind == FIELD_SHARES))
		return merge_list(merge, field, node);
	r = item_text(merge, field, node, &text);
	if (r)
		return r;
	r = value_set_text(merge->object, field, text, merge->err);
	return r ? fail_at(merge, node, false, field->name) : 0;
}

/* --- maps of fields ----------------------------------------------------------------------------- */

/* The keys accepted in a map: of the object itself (prefix "") or of a nested map ("snat."). */
static size_t level_names(const struct type *type, const char *prefix,
			  char names[NAMES_MAX][PREFIX_MAX])
{
	const struct type *child = type_child(type);
	size_t skip = strlen(prefix), n = 0;

	for (size_t i = 0; i < type->field_count && n < NAMES_MAX - 1; i++) {
		const char *name = type->fields[i].name;

		if (strncmp(name, prefix, skip) != 0)
			continue;
		snprintf(names[n], PREFIX_MAX, "%.*s", (int)strcspn(name + skip, "."), name + skip);
		/* rows of a nested map stand together */
		if (!n || strcmp(names[n], names[n - 1]) != 0)
			n++;
	}
	if (child && !skip)
		snprintf(names[n++], PREFIX_MAX, "%s", child->plural);
	return n;
}

static int unknown_key(struct merge *merge, const struct node *node, const char *prefix)
{
	char names[NAMES_MAX][PREFIX_MAX], quoted[QUOTE_MAX], accepted[256],
		title[OBJECT_TITLE_MAX], full[160];
	size_t n = level_names(merge->object->type, prefix, names), used = 0;
	const char *candidates[NAMES_MAX];
	const char *instead, *nearest, *pointer;

	snprintf(full, sizeof(full), "%s%.64s", prefix, node->key);
	quote_text(node->key, quoted);
	/* anything else would need escapes in a pointer */
	pointer = strspn(node->key, WORD_CHARS) == strlen(node->key) ? full : NULL;
	instead = unbuilt_key(merge->object->type, full);
	if (instead) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
			    "\"%s\" is not built yet: remove it (%s)", quoted, instead);
		return fail_at(merge, node, true, pointer);
	}
	for (size_t i = 0; i < n; i++) {
		candidates[i] = names[i];
		if (used < sizeof(accepted))
			used += (size_t)snprintf(accepted + used, sizeof(accepted) - used, "%s%s",
						 i ? ", " : "", names[i]);
	}
	nearest = nearest_word(node->key, candidates, n);
	xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL,
		    "unknown key \"%s\" in %s%s%.*s: accepted are %s", quoted,
		    object_title(merge->object, title), *prefix ? ", " : "",
		    (int)(*prefix ? strlen(prefix) - 1 : 0), prefix, accepted);
	if (nearest)
		xlb_err_hint(merge->err, "did you mean \"%s\"?", nearest);
	return fail_at(merge, node, true, pointer);
}

/* True if fields with this prefix ("snat.") exist. */
static bool has_prefix(const struct type *type, const char *prefix)
{
	for (size_t i = 0; i < type->field_count; i++)
		if (!strncmp(type->fields[i].name, prefix, strlen(prefix)))
			return true;
	return false;
}

static int merge_map(struct merge *merge, const struct node *node, const char *prefix);

/* A map below the object: "snat: {...}". null resets all of it. */
static int merge_nested(struct merge *merge, const struct node *node, const char *prefix)
{
	const struct type *type = merge->object->type;
	char name[PREFIX_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)strlen(prefix) - 1, prefix);
	if (node->kind == NODE_MAP)
		return merge_map(merge, node, prefix);
	if (!node_is_null(node) || !merge->source->patch) {
		xlb_err_set(merge->err, XLB_ERR_CONFIG, -EINVAL, "%s: expected a map, found %s",
			    name, node_word(node));
		return fail_at(merge, node, node_is_null(node), name);
	}
	for (size_t i = 0; i < type->field_count; i++)
		if (!strncmp(type->fields[i].name, prefix, strlen(prefix)) &&
		    value_reset(merge->object, &type->fields[i]))
			return no_memory(merge->err);
	return 0;
}

static int merge_map(struct merge *merge, const struct node *node, const char *prefix)
{
	const struct type *type = merge->object->type;
	const struct type *child = type_child(type);
	char name[PREFIX_MAX];
	int r = 0;

	for (node = node->first; node && !r; node = node->next) {
		const struct field *field = NULL;
		bool fits = !strchr(node->key, '.') && snprintf(name, sizeof(name), "%s%s.", prefix,
								node->key) < (int)sizeof(name);

		if (fits && !*prefix && child && !strcmp(node->key, child->plural)) {
			r = merge_objects(merge->source, object_children(merge->object),
					  merge->object, child, node, merge->err);
			continue;
		}
		if (fits && has_prefix(type, name)) {
			r = merge_nested(merge, node, name);
			continue;
		}
		if (fits) {
			name[strlen(name) - 1] = 0;
			field = find_field(type, name);
		}
		r = field ? merge_field(merge, field, node) : unknown_key(merge, node, prefix);
	}
	return r;
}

int merge_object(const struct merge_source *source, struct object *object, const struct node *node,
		 struct xlb_err *err)
{
	struct merge merge = { .source = source, .object = object, .err = err };
	char title[OBJECT_TITLE_MAX], base[sizeof(err->pointer)];
	int r = 0;

	if (node->kind == NODE_MAP) {
		r = merge_map(&merge, node, "");
	} else if (!node_is_null(node)) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    "%s: expected a map of its fields, found %s",
			    object_title(object, title), node_word(node));
		r = fail_at(&merge, node, false, NULL);
	}
	if (r)
		return r;
	r = object_finish(object, err);
	if (r) {
		object_pointer(object, NULL, base, sizeof(base));
		merge_locate(source->tree, node, err->pointer + strlen(base), err);
	}
	return r;
}

/* --- lists of objects --------------------------------------------------------------------------- */

/* The member of a map as a new object, linked to the list. */
static int merge_new(const struct merge_source *source, struct object_list *list,
		     struct object *parent, const struct type *type, const struct node *node,
		     struct xlb_err *err)
{
	struct object *object;
	int r = name_check(type, node->key, err);

	if (r) {
		tree_locate(source->tree, node, true, err);
		return r;
	}
	object = object_new(type, node->key);
	if (!object)
		return no_memory(err);
	object_link(list, parent, object);
	return merge_object(source, object, node, err);
}

/* A list takes the place of the one that is there. */
static int merge_ordered(const struct merge_source *source, struct object_list *list,
			 struct object *parent, const struct type *type, const struct node *node,
			 struct xlb_err *err)
{
	uint32_t place = 0;
	int r = 0;

	if (node->kind != NODE_LIST && !node_is_null(node)) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s: expected a list of %s, found %s",
			    type->plural, type->plural, node_word(node));
		tree_locate(source->tree, node, true, err);
		return -EINVAL;
	}
	object_list_free(list);
	for (node = node->first; node && !r; node = node->next) {
		struct object *object = object_new(type, "");

		if (!object)
			return no_memory(err);
		snprintf(object->name, sizeof(object->name), "%u", ++place);
		object_link(list, parent, object);
		r = merge_object(source, object, node, err);
	}
	return r;
}

int merge_objects(const struct merge_source *source, struct object_list *list,
		  struct object *parent, const struct type *type, const struct node *node,
		  struct xlb_err *err)
{
	int r = 0;

	if (type->ordered)
		return merge_ordered(source, list, parent, type, node, err);
	/* a list of interfaces without any detaches from all: not by an empty line */
	if (node_is_null(node) && type != &type_interface)
		return 0;
	if (node->kind != NODE_MAP) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    "%s: expected a map of %s by name, found %s", type->plural,
			    type->plural, node_word(node));
		if (node_is_null(node))
			xlb_err_hint(
				err,
				"write {} to detach from all interfaces, or leave the key out");
		tree_locate(source->tree, node, node_is_null(node), err);
		return -EINVAL;
	}
	for (node = node->first; node && !r; node = node->next) {
		/* in a whole text nothing is there yet: keys of one map differ */
		struct object *object = source->patch ? object_find(list, node->key) : NULL;

		if (object && node_is_null(node)) {
			TAILQ_REMOVE(list, object, link);
			object_free(object);
		} else if (object) {
			r = merge_object(source, object, node, err);
		} else {
			r = merge_new(source, list, parent, type, node, err);
		}
	}
	return r;
}

int object_merge(struct model *model, struct object *object, const struct tree *tree,
		 const struct node *node, struct xlb_err *err)
{
	struct merge_source source = { .tree = tree, .patch = true };

	(void)model;
	return merge_object(&source, object, node, err);
}
