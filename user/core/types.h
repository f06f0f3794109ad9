/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The field tables: one `struct type` per configured object, one row per field. Everything that knows a
 * field's name, kind, range, default or meaning reads it from here: YAML, JSON, PATCH, CLI, export, docs.
 */
#ifndef XLB_CORE_TYPES_H
#define XLB_CORE_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/model.h"
#include "core/tree.h"

enum field_kind {
	FIELD_BOOL,   /* bool */
	FIELD_UINT,   /* uint32_t, min..max */
	FIELD_TIME,   /* uint64_t ms, min..max */
	FIELD_QUOTA,  /* struct quota: a number, min..max, or 1-100 % */
	FIELD_RATE,   /* uint64_t, min..max: a number that may be written in thousands, "100M" */
	FIELD_WORD,   /* uint32_t, value of one of `words` */
	FIELD_WORDS,  /* uint32_t, a bit for each of `words` */
	FIELD_TEXT,   /* char *, owned */
	FIELD_TEXTS,  /* struct texts; max is of texts, each of 1-255 characters */
	FIELD_REF,    /* char[NAME_TEXT_MAX]: name of an object of type `ref` */
	FIELD_ADDRS,  /* struct addr_list */
	FIELD_PORTS,  /* struct port_list */
	FIELD_RANGE,  /* struct port_range */
	FIELD_SHARES, /* struct share_list: objects of type `ref`, weights up to max */
	FIELD_REFS,   /* struct name_list: names of objects of type `ref` */
	FIELD_NETS,   /* struct prefix_list */
	FIELD_CERTIFICATES, /* struct texts, "chain:key" each, see core/tls.h; max is of them */
	FIELD_EXPECT,	    /* struct expectation: HTTP status codes and ranges, or bytes */
};

enum field_flags {
	FIELD_REQUIRED = 1,
	FIELD_POSITIONAL = 2, /* `add` takes it without its name, in table order */
	FIELD_READ_ONLY = 4,
	FIELD_SERVER_PORT =
		8,	  /* address fields: "ADDR:PORT" on the command line also sets `port` */
	FIELD_BYTES = 16, /* text fields: of bytes, see parse_bytes */
};

struct word {
	const char *word;
	uint32_t value;
};

struct field {
	const char *name; /* dotted for nested maps: "health_check.interval" */
	enum field_kind kind;
	uint32_t flags;
	size_t offset;
	uint64_t min, max;
	const char *preset;	  /* the default as text, NULL: none */
	const struct word *words; /* WORD, WORDS: terminated by a NULL word */
	const struct type *ref;	  /* REF, REFS, SHARES */
	const char *json; /* the name in JSON answers if it differs: "ports", "server_groups" */
	const char *help;
};

struct type {
	const char *singular; /* "server_group" */
	const char *plural; /* "server_groups": YAML key, API path; of a single type its singular */
	const char *cli;    /* "group": the word of xlbctl */
	size_t size;
	const struct field *fields;
	size_t field_count;
	const struct type *parent; /* NULL: top level */
	bool single; /* one object without a name that is always there, in struct model in place of a list */
	bool ordered; /* a list in texts, not a map: objects are called by their place, "1", "2", ... */
	size_t list_offset; /* of the object_list in the parent object, or in struct model */
	/* Defaults that depend on other fields, and checks inside one object. */
	int (*finish)(struct object *object, struct xlb_err *err);
	const char *help;
};

extern const struct type type_interface, type_flow_table, type_load_balancer, type_listener,
	type_server_group, type_server, type_security_group, type_rule, type_tls, type_tls_policy;
extern const struct type *const types[]; /* all, parents first, NULL-terminated */

/* By singular, plural or CLI word; NULL if none. */
const struct type *type_find(const char *word);
const struct field *field_find(const struct type *type, const char *name);

/* The object of a single type; NULL if the type is none. */
struct object *model_single(const struct model *model, const struct type *type);
/* The list that holds objects of `type` below `parent` (NULL for top level). */
struct object_list *model_list(const struct model *model, const struct type *type,
			       const struct object *parent);
/*
 * The object at an API path such as "server_groups/web/servers/web1" or "flow_table". `*ret_type` is the type of the
 * last plural; *ret_object is NULL when the path ends in a plural (a list), *ret_parent its parent or NULL.
 * Errors name what does not exist and the names that do.
 */
int model_walk(const struct model *model, const char *path, const struct type **ret_type,
	       struct object **ret_parent, struct object **ret_object, struct xlb_err *err);

/*
 * Creates (defaults filled) and links an object; -EEXIST if the name is taken, -EINVAL if malformed. In an ordered list
 * it goes before the one that has the place, "last": behind all.
 */
int object_add(struct model *model, const struct type *type, struct object *parent,
	       const char *name, struct object **ret, struct xlb_err *err);
/* Unlinks and frees an object with its children. */
void object_remove(struct model *model, struct object *object);
/* Sets one field from text; lists as comma-separated text. */
int field_set(struct object *object, const struct field *field, const char *text,
	      struct xlb_err *err);
/*
 * Merges a map node (YAML or JSON body) into an object: unknown keys are errors, null resets to the default or,
 * for a child object, removes it. On failure the object is half changed: merge into a copy of the model.
 */
int object_merge(struct model *model, struct object *object, const struct tree *tree,
		 const struct node *node, struct xlb_err *err);
/* The reference of all types and fields as Markdown: the generated part of docs/config.md. */
void types_markdown(FILE *out);
/* The value as it would be written in YAML flow style ("[10.0.0.1, \"2001:db8::1\"]"); malloc'd. */
char *field_print(const struct object *object, const struct field *field);

#endif
