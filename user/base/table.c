// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/sink.h"

#define X(name, word, sink, key, value, rank) \
	_Static_assert(sizeof(key) <= ROW_KEY_MAX && sizeof(value) <= ROW_VALUE_MAX, \
		       "row of table " #word " does not fit");
XLB_TABLES(X)
#undef X

const char *const setting_words[XLB_SETTING_COUNT] = {
#define X(name, word, wanted, help) #word,
	XLB_SETTINGS(X)
#undef X
};

const struct table tables[TABLE_COUNT] = {
#define X(name, word, sink, key, value, rank) \
	[TABLE_##name] = { TABLE_##name, SINK_##sink, #word, sizeof(key), sizeof(value), rank },
	XLB_TABLES(X)
#undef X
};
