/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ownership by the cleanup attribute. */
#ifndef XLB_BASE_CLEANUP_H
#define XLB_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define AUTO_FREE   __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE  __attribute__((cleanup(cleanup_close)))
#define AUTO_FCLOSE __attribute__((cleanup(cleanup_fclose)))

/* DEFINE_CLEANUP(struct tree, tree_free) lets AUTO(tree_free) release a `struct tree *`. */
#define DEFINE_CLEANUP(type, func) \
	static inline void cleanup_##func(type **p) \
	{ \
		func(*p); \
	}
#define AUTO(func) __attribute__((cleanup(cleanup_##func)))

/* Hands a pointer over: the variable forgets it. */
#define TAKE(p) \
	({ \
		__typeof__(p) take_ = (p); \
		(p) = NULL; \
		take_; \
	})

#endif
