/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nodes of a tree into objects. */
#ifndef XLB_CORE_MERGE_H
#define XLB_CORE_MERGE_H

#include "core/object.h"

struct merge_source {
	const struct tree *tree;
	/*
	 * A change of what is there: null resets a field or removes an object, names that exist are merged
	 * into. Else a whole text: null is an error and every name is new.
	 */
	bool patch;
};

/* Merges a node into an object; on failure the object is half changed. */
int merge_object(const struct merge_source *source, struct object *object, const struct node *node,
		 struct xlb_err *err);
/* Merges a map of objects by name into a list. */
int merge_objects(const struct merge_source *source, struct object_list *list,
		  struct object *parent, const struct type *type, const struct node *node,
		  struct xlb_err *err);

/* A plain scalar that YAML calls null. */
bool node_is_null(const struct node *node);
/* "a list": what a node is, for messages. */
const char *node_word(const struct node *node);
/*
 * Positions an error by the part of its pointer that lies below `node`: at the deepest node that exists, at
 * the key of a map.
 */
void merge_locate(const struct tree *tree, const struct node *node, const char *pointer,
		  struct xlb_err *err);

#endif
