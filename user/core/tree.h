/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * YAML or JSON text to a tree whose nodes know their position. The only user of libfyaml (event API).
 *
 * Every scalar is text. Refused with file:line:column: anchors, aliases, tags, % directives, duplicate
 * keys, complex keys, a second document, depth above TREE_MAX_DEPTH, more than TREE_MAX_NODES nodes,
 * invalid UTF-8, trailing garbage.
 */
#ifndef XLB_CORE_TREE_H
#define XLB_CORE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define TREE_MAX_DEPTH 32
#define TREE_MAX_NODES 300000
#define TREE_MAX_BYTES (64U << 20)

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	uint32_t line, column, length; /* 1-based; length of the token in characters on its line */
	const char *key;	       /* in a map: the member's key, else NULL */
	uint32_t key_line, key_column, key_length;
	const char *text;	   /* scalars: the value, NUL-terminated, never NULL */
	bool plain;		   /* scalars: not quoted; a plain empty scalar is null */
	struct node *first, *next; /* children in source order, next sibling */
	size_t count;		   /* children */
};

struct tree {
	const char *file;   /* as named by the caller */
	const char *source; /* the whole text, NUL-terminated */
	struct node *root;  /* NULL for an empty document */
};

/* Copies file and text. `*ret` is freed with tree_free. */
int tree_parse(const char *file, const char *text, size_t length, struct tree **ret,
	       struct xlb_err *err);
/* The same with another limit of nodes, for texts that xlb wrote itself. */
int tree_parse_limited(const char *file, const char *text, size_t length, uint32_t max_nodes,
		       struct tree **ret, struct xlb_err *err);
struct tree *tree_free(struct tree *tree);
DEFINE_CLEANUP(struct tree, tree_free)

/* Member of a map node by key, NULL if absent or node is no map. */
const struct node *node_get(const struct node *node, const char *key);
/* Fills file, line, column, length and the source line of err from a node (its key if at_key). */
void tree_locate(const struct tree *tree, const struct node *node, bool at_key,
		 struct xlb_err *err);

#endif
