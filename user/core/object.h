/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Objects as memory: making, freeing, copying, and where they stand. */
#ifndef XLB_CORE_OBJECT_H
#define XLB_CORE_OBJECT_H

#include "core/types.h"

/* The type whose objects lie below objects of `type`, NULL if none. */
const struct type *type_child(const struct type *type);
/* An object with defaults, not linked. NULL on lack of memory. */
struct object *object_new(const struct type *type, const char *name);
struct object *object_free(struct object *object);
DEFINE_CLEANUP(struct object, object_free)
/* The same for one that lies inside of something else, in zeroed memory: 0 or -ENOMEM, and what it owns. */
int object_init(struct object *object, const struct type *type, const char *name);
void object_done(struct object *object);
/* Takes over the fields of one of the same type, not what is below it. 0 or -ENOMEM. */
int object_assign(struct object *to, const struct object *from);
/* A deep copy, not linked. NULL on lack of memory. */
struct object *object_copy(const struct object *object);
void object_link(struct object_list *list, struct object *parent, struct object *object);
void object_list_free(struct object_list *list);
/* Names the objects of an ordered list by their places. */
void object_list_number(struct object_list *list);

/* The list of children; NULL if the type has none. */
struct object_list *object_children(const struct object *object);
/* True if the field was given, not defaulted. */
bool object_given(const struct object *object, const char *field);
/* JSON pointer of a field of an object; field NULL or dotted. */
void object_pointer(const struct object *object, const char *field, char *ret, size_t size);
/* "listener edge/http": how messages call an object. */
#define OBJECT_TITLE_MAX 160
const char *object_title(const struct object *object, char ret[OBJECT_TITLE_MAX]);
/* Fills err with class CONFIG, text and pointer; returns -EINVAL. */
int object_fail(const struct object *object, const char *field, struct xlb_err *err,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Required fields, then the type's finish. */
int object_finish(struct object *object, struct xlb_err *err);
/* "a, b, c and 12 more": the names of a list for a message, "none" if empty. */
void object_names(const struct object_list *list, char *ret, size_t size);

#endif
