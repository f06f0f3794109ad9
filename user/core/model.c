// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/model.h"

#include <errno.h>
#include <string.h>

#include "core/field.h"
#include "core/merge.h"
#include "core/unbuilt.h"

#define SECTIONS_MAX 16 /* keys at the top of a text */

struct model *model_new(void)
{
	AUTO(model_free) struct model *model = calloc(1, sizeof(*model));

	for (const struct type *const *type = types; model && *type; type++) {
		struct object *single = model_single(model, *type);

		if (single && object_init(single, *type, ""))
			return NULL;
		if (!single && !(*type)->parent)
			TAILQ_INIT(model_list(model, *type, NULL));
	}
	return TAKE(model);
}

void model_locate(const struct tree *tree, struct xlb_err *err)
{
	if (tree->root && err->pointer[0])
		merge_locate(tree, tree->root, err->pointer, err);
}

struct model *model_free(struct model *model)
{
	for (const struct type *const *type = types; model && *type; type++) {
		struct object *single = model_single(model, *type);

		if (single)
			object_done(single);
		else if (!(*type)->parent)
			object_list_free(model_list(model, *type, NULL));
	}
	free(model);
	return NULL;
}

struct object *model_single(const struct model *model, const struct type *type)
{
	return type->single ? (struct object *)((char *)model + type->list_offset) : NULL;
}

struct object_list *model_list(const struct model *model, const struct type *type,
			       const struct object *parent)
{
	return (struct object_list *)((char *)(type->parent ? (void *)parent : (void *)model) +
				      type->list_offset);
}

/* Appends copies of all objects. */
static int copy_objects(const struct object_list *from, struct object_list *to)
{
	const struct object *object;

	TAILQ_FOREACH(object, from, link) {
		struct object *twin = object_copy(object);

		if (!twin)
			return -ENOMEM;
		object_link(to, NULL, twin);
	}
	return 0;
}

struct model *model_copy(const struct model *model)
{
	AUTO(model_free) struct model *copy = model_new();

	if (!copy)
		return NULL;
	copy->has_interfaces = model->has_interfaces;
	for (const struct type *const *type = types; *type; type++) {
		const struct object *single = model_single(model, *type);
		int r = 0;

		if (single)
			r = object_assign(model_single(copy, *type), single);
		else if (!(*type)->parent)
			r = copy_objects(model_list(model, *type, NULL),
					 model_list(copy, *type, NULL));
		if (r)
			return NULL;
	}
	return TAKE(copy);
}

int model_keep_interfaces(struct model *next, const struct model *current)
{
	if (next->has_interfaces)
		return 0;
	if (copy_objects(&current->interfaces, &next->interfaces))
		return -ENOMEM;
	next->has_interfaces = true;
	return 0;
}

struct server_group *model_group(const struct model *model, const char *name)
{
	return (struct server_group *)object_find(&model->server_groups, name);
}

bool listener_names(const struct listener *listener, const char *group)
{
	for (uint32_t i = 0; i < listener->server_group.count; i++)
		if (!strcmp(listener->server_group.shares[i].group, group))
			return true;
	return false;
}

struct security_group *model_security_group(const struct model *model, const char *name)
{
	return (struct security_group *)object_find(&model->security_groups, name);
}

struct load_balancer *model_lb(const struct model *model, const char *name)
{
	return (struct load_balancer *)object_find(&model->load_balancers, name);
}

/* The new object's place in an ordered list: before *ret_next, NULL: behind all. */
static int find_place(const struct type *type, const struct object *parent,
		      const struct object_list *list, const char *name, struct object **ret_next,
		      struct xlb_err *err)
{
	struct object *object;
	char quoted[QUOTE_MAX];
	uint64_t count = 0, place;

	TAILQ_FOREACH(object, list, link)
		count++;
	*ret_next = object_find(list, name);
	if (*ret_next || !strcmp(name, "last") ||
	    (!parse_uint(name, count + 1, count + 1, &place) && *name != '0'))
		return 0;
	return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			   "place \"%s\" of a new %s in %s: accepted are 1-%llu, and last",
			   quote_text(name, quoted), type->singular, parent ? parent->name : "",
			   (unsigned long long)count + 1);
}

static int add_ordered(const struct type *type, struct object *parent, struct object_list *list,
		       const char *name, struct object **ret, struct xlb_err *err)
{
	struct object *next, *object;
	int r = find_place(type, parent, list, name, &next, err);

	if (r)
		return r;
	object = object_new(type, "");
	if (!object)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	object_link(list, parent, object);
	if (next) {
		TAILQ_REMOVE(list, object, link);
		TAILQ_INSERT_BEFORE(next, object, link);
	}
	object_list_number(list);
	*ret = object;
	return 0;
}

int object_add(struct model *model, const struct type *type, struct object *parent,
	       const char *name, struct object **ret, struct xlb_err *err)
{
	struct object_list *list = model_list(model, type, parent);
	struct object *object = object_find(list, name);
	char title[OBJECT_TITLE_MAX];
	int r;

	if (type->ordered)
		return add_ordered(type, parent, list, name, ret, err);
	if (object) {
		xlb_err_set(err, XLB_ERR_CONFLICT, -EEXIST, "%s exists already",
			    object_title(object, title));
		object_pointer(object, NULL, err->pointer, sizeof(err->pointer));
		return -EEXIST;
	}
	r = name_check(type, name, err);
	if (r)
		return r;
	object = object_new(type, name);
	if (!object)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	object_link(list, parent, object);
	*ret = object;
	return 0;
}

void object_remove(struct model *model, struct object *object)
{
	struct object_list *list = model_list(model, object->type, object->parent);
	bool ordered = object->type->ordered;

	TAILQ_REMOVE(list, object, link);
	object_free(object);
	if (ordered)
		object_list_number(list);
}

struct server_group *model_swap_group(struct model *model, struct server_group *group)
{
	struct server_group *old = model_group(model, group->object.name);

	TAILQ_INSERT_AFTER(&model->server_groups, &old->object, &group->object, link);
	TAILQ_REMOVE(&model->server_groups, &old->object, link);
	return old;
}

/* --- paths -------------------------------------------------------------------------------------- */

/* One step of a path; false at its end. */
static bool path_step(const char **path, char step[NAME_TEXT_MAX + 1])
{
	size_t length;

	*path += strspn(*path, "/");
	length = strcspn(*path, "/");
	snprintf(step, NAME_TEXT_MAX + 1, "%.*s", (int)length, *path);
	*path += length;
	return length;
}

static const struct type *path_type(const struct type *parent, const char *plural)
{
	for (const struct type *const *type = types; *type; type++)
		if ((*type)->parent == parent && !strcmp((*type)->plural, plural))
			return *type;
	return NULL;
}

/* "a, b": the plurals below a type, or at the top; "nothing" if there are none. */
static const char *path_plurals(const struct type *parent, char ret[256])
{
	size_t used = 0;

	snprintf(ret, 256, "nothing");
	for (const struct type *const *type = types; *type; type++)
		if ((*type)->parent == parent && used < 256)
			used += (size_t)snprintf(ret + used, 256 - used, "%s%s", used ? ", " : "",
						 (*type)->plural);
	return ret;
}

static int no_such_plural(const struct type *parent, const char *word, struct xlb_err *err)
{
	char there[256], quoted[QUOTE_MAX];

	return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT, "there is no \"%s\"%s%s: there is %s",
			   quote_text(word, quoted), parent ? " below a " : "",
			   parent ? parent->singular : "", path_plurals(parent, there));
}

static int no_such_object(const struct type *type, const struct object *parent,
			  const struct object_list *list, const char *name, struct xlb_err *err)
{
	char names[300], quoted[QUOTE_MAX], kind[32];

	snprintf(kind, sizeof(kind), "%s", type->singular);
	for (char *p = kind; *p; p++)
		if (*p == '_')
			*p = ' ';
	object_names(list, names, sizeof(names));
	return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT, "no %s \"%s\"%s%s: there is %s", kind,
			   quote_text(name, quoted), parent ? " in " : "",
			   parent ? parent->name : "", names);
}

int model_walk(const struct model *model, const char *path, const struct type **ret_type,
	       struct object **ret_parent, struct object **ret_object, struct xlb_err *err)
{
	const struct type *type = NULL, *last = NULL;
	struct object *parent = NULL, *object = NULL;
	char step[NAME_TEXT_MAX + 1];

	while (path_step(&path, step)) {
		const struct object_list *list;

		last = type;
		type = path_type(last, step);
		if (!type)
			return no_such_plural(last, step, err);
		parent = object;
		object = model_single(model, type);
		if (object)
			continue;
		if (!path_step(&path, step))
			break;
		list = model_list(model, type, parent);
		object = object_find(list, step);
		if (!object)
			return no_such_object(type, parent, list, step, err);
	}
	if (!type)
		return no_such_plural(NULL, "", err);
	*ret_type = type;
	*ret_parent = parent;
	*ret_object = object;
	return 0;
}

/* --- from a text -------------------------------------------------------------------------------- */

static int check_version(const struct tree *tree, const struct node *root, struct xlb_err *err)
{
	const struct node *version = node_get(root, "version");
	char quoted[QUOTE_MAX];

	if (!version) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    "version is missing: begin with \"version: 1\"");
		tree_locate(tree, root, false, err);
		return -EINVAL;
	}
	if (version->kind == NODE_SCALAR && !strcmp(version->text, "1"))
		return 0;
	xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "version %s%s%s: accepted is 1",
		    version->kind == NODE_SCALAR ? "\"" : "",
		    version->kind == NODE_SCALAR ? quote_text(version->text, quoted) :
						   node_word(version),
		    version->kind == NODE_SCALAR ? "\"" : "");
	snprintf(err->pointer, sizeof(err->pointer), "/version");
	tree_locate(tree, version, version->kind == NODE_MAP, err);
	return -EINVAL;
}

static int unknown_section(const struct tree *tree, const struct node *node, struct xlb_err *err)
{
	const char *instead = unbuilt_key(NULL, node->key);
	const char *names[SECTIONS_MAX] = { "version" };
	char sections[256], quoted[QUOTE_MAX];
	const char *nearest;
	size_t n = 1;

	quote_text(node->key, quoted);
	if (instead) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "\"%s\" is not built yet: remove it (%s)",
			    quoted, instead);
	} else {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    "unknown key \"%s\": accepted are version, %s", quoted,
			    path_plurals(NULL, sections));
		for (const struct type *const *type = types; *type && n < SECTIONS_MAX; type++)
			if (!(*type)->parent)
				names[n++] = (*type)->plural;
		nearest = nearest_word(node->key, names, n);
		if (nearest)
			xlb_err_hint(err, "did you mean \"%s\"?", nearest);
	}
	if (strspn(node->key, "abcdefghijklmnopqrstuvwxyz_") == strlen(node->key))
		snprintf(err->pointer, sizeof(err->pointer), "/%.64s", node->key);
	tree_locate(tree, node, true, err);
	return -EINVAL;
}

static int read_sections(const struct tree *tree, const struct node *root, struct model *model,
			 struct xlb_err *err)
{
	struct merge_source source = { .tree = tree };
	int r = 0;

	for (const struct node *node = root->first; node && !r; node = node->next) {
		const struct type *type = path_type(NULL, node->key);
		struct object *single;

		if (!strcmp(node->key, "version"))
			continue;
		if (!type)
			return unknown_section(tree, node, err);
		if (type == &type_interface)
			model->has_interfaces = true;
		single = model_single(model, type);
		if (single)
			r = merge_object(&source, single, node, err);
		else
			r = merge_objects(&source, model_list(model, type, NULL), NULL, type, node,
					  err);
	}
	return r;
}

int model_from_node(const struct tree *tree, const struct node *node, struct model **ret,
		    struct xlb_err *err)
{
	AUTO(model_free) struct model *model = NULL;
	int r;

	if (!node || node_is_null(node))
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				   "%s holds no configuration: begin with \"version: 1\"",
				   tree->file);
	if (node->kind != NODE_MAP) {
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
			    "expected a map that begins with \"version: 1\", found %s",
			    node_word(node));
		tree_locate(tree, node, false, err);
		return -EINVAL;
	}
	model = model_new();
	if (!model)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = check_version(tree, node, err);
	if (!r)
		r = read_sections(tree, node, model, err);
	if (r)
		return r;
	r = model_check(model, err);
	if (r) {
		merge_locate(tree, node, err->pointer, err);
		return r;
	}
	*ret = TAKE(model);
	return 0;
}

int model_from_tree(const struct tree *tree, struct model **ret, struct xlb_err *err)
{
	return model_from_node(tree, tree->root, ret, err);
}
