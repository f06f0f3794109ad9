/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values as people read them. */
#ifndef XLB_XLBCTL_FORMAT_H
#define XLB_XLBCTL_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define COLOUR_RED    "\033[31m"
#define COLOUR_GREEN  "\033[32m"
#define COLOUR_YELLOW "\033[33m"
#define COLOUR_BOLD   "\033[1m"
#define COLOUR_OFF    "\033[0m"

#define NUMBER_TEXT_MAX 32

/* A terminal, and NO_COLOR not set. */
bool colour_wanted(FILE *out);
/* Text of others: control characters but tab become '?'. */
void put_text(FILE *out, const char *text, size_t length);

/* 9999, 12.3k, 4.56M */
void format_count(uint64_t count, char ret[NUMBER_TEXT_MAX]);
/* 999B, 1.23kB */
void format_bytes(uint64_t bytes, char ret[NUMBER_TEXT_MAX]);
/* 12s, 3m12s, 5h10m, 6d4h, 120d */
void format_age(uint64_t seconds, char ret[NUMBER_TEXT_MAX]);
/* Age of "2026-11-22T10:00:00Z" now; "-" if it is no such time. */
void format_since(const char *time, char ret[NUMBER_TEXT_MAX]);

/* Member by dotted path, "state.counters.packets"; NULL if absent. */
const json_t *json_at(const json_t *json, const char *path);
/* 0 and "" if it is no such value */
uint64_t value_count(const json_t *value);
const char *value_string(const json_t *value);
uint64_t json_count_at(const json_t *json, const char *path);
const char *json_text_at(const json_t *json, const char *path); /* "" if absent or no text */
/*
 * A scalar, or a list of such, as one line: "a, b". {"from": 80, "to": 90} is "80-90", {"group": g,
 * "weight": 100} is "g". False (nothing printed) if the value has other parts.
 */
bool put_value(FILE *out, const json_t *value, const char *separator);
/* The same as malloc'd text, "-" for what is absent, empty or not a value. */
char *value_text(const json_t *value, const char *separator);

#endif
