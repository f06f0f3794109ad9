/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Errors as values: library code fills a struct xlb_err, only the program's edge prints it. */
#ifndef XLB_BASE_ERR_H
#define XLB_BASE_ERR_H

#include <stdint.h>

/*
 * X(NAME, exit, status, word): class of an error: exit status of xlbctl, HTTP status, and `type` in
 * the API's problem document (RFC 9457).
 */
#define XLB_ERROR_CLASSES(X) \
	X(FAILED, 1, 500, "failed") \
	X(USAGE, 2, 400, "usage") \
	X(CONFIG, 3, 422, "config-invalid") \
	X(UNREACHABLE, 4, 503, "unreachable") \
	X(PERMISSION, 5, 403, "not-permitted") \
	X(NOT_FOUND, 6, 404, "not-found") \
	X(CONFLICT, 7, 412, "conflict") \
	X(FAULTS, 8, 424, "faults-found") \
	X(UNSUPPORTED, 9, 501, "unsupported") \
	X(TIMEOUT, 10, 504, "timed-out") \
	X(CONFIRM, 1, 409, "needs-confirmation")

enum xlb_err_class {
	XLB_ERR_NONE,
#define X(name, exit, status, word) XLB_ERR_##name,
	XLB_ERROR_CLASSES(X)
#undef X
		XLB_ERR_CLASS_COUNT,
};

/* What failed, where, and what to do. All text is NUL-terminated and owned by the struct. */
struct xlb_err {
	enum xlb_err_class class;
	char text[512];	   /* what failed, the value, what is accepted */
	char hint[256];	   /* what to do; may be empty */
	char pointer[256]; /* JSON pointer (RFC 6901) to the offending value; may be empty */
	char file[256];	   /* as the user named it; may be empty */
	uint32_t line, column, length; /* 1-based; 0: no position */
	char source[256]; /* the line quoted, or a part of it: see xlb_err_caret; may be empty */
};

/* characters of a line that `source` holds at most */
#define XLB_ERR_SOURCE_CHARS 200
/*
 * The 1-based column of `source` that stands for `column`. They are the same up to column 120; beyond it
 * source starts with "..." and the place always is its column 101.
 */
uint32_t xlb_err_caret(const struct xlb_err *err);

/*
 * Fills class and text and clears the rest; returns `ret` so that callers can `return xlb_err_set(...)`. Like
 * all of these it does nothing when err is NULL.
 */
int xlb_err_set(struct xlb_err *err, enum xlb_err_class class, int ret, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Sets the hint of an error that is already filled. */
void xlb_err_hint(struct xlb_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Puts "text: " before what the error already says. */
void xlb_err_prefix(struct xlb_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define QUOTE_MAX 72
/* A user's text made fit for a message: cut to QUOTE_MAX bytes, controls are blanks. Returns ret. */
const char *quote_text(const char *text, char ret[QUOTE_MAX]);

int xlb_err_exit(enum xlb_err_class class);
int xlb_err_status(enum xlb_err_class class);
const char *xlb_err_word(enum xlb_err_class class);
/* Class for its `type` word, XLB_ERR_FAILED if unknown. */
enum xlb_err_class xlb_err_class_of(const char *word);

#endif
