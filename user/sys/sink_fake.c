// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/sink_fake.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

struct held {
	struct row row; /* hashed by its first bytes, table and key */
	void *content;	/* owned; NULL: none */
	size_t content_size;
	UT_hash_handle hh;
};
#define HELD_KEY_SIZE offsetof(struct row, value)

struct sink_fake {
	struct sink sink; /* first: sinks are cast back */
	struct held *rows;
	uint32_t operations, fail_first, fail_last;
	bool insane;
};

static struct sink_fake *fake_of(struct sink *sink)
{
	return (struct sink_fake *)sink;
}

static struct held *held_find(const struct sink_fake *fake, const struct row *row)
{
	struct held *held;

	HASH_FIND(hh, fake->rows, row, HELD_KEY_SIZE, held);
	return held;
}

static void held_remove(struct sink_fake *fake, struct held *held)
{
	HASH_DEL(fake->rows, held);
	free(held->content);
	free(held);
}

static int fake_list(struct sink *sink, const struct table *table,
		     void (*add)(void *arg, const struct row *row), void *arg, struct xlb_err *err)
{
	struct held *held;

	(void)err;
	for (held = fake_of(sink)->rows; held; held = held->hh.next)
		if (held->row.table == table->id)
			add(arg, &held->row);
	return 0;
}

static int fake_step(struct sink_fake *fake, struct xlb_err *err)
{
	uint32_t now = ++fake->operations;

	if (!fake->fail_first || now < fake->fail_first || now > fake->fail_last)
		return 0;
	return xlb_err_set(err, XLB_ERR_FAILED, -EIO, "operation %u failed as asked", now);
}

static int fake_put(struct sink *sink, const struct row *row, const void *content,
		    size_t content_size, struct xlb_err *err)
{
	static const bool wanted[TABLE_COUNT] = {
		[TABLE_MAGLEV] = true,	 [TABLE_PORT_SET] = true,  [TABLE_RULE_SET] = true,
		[TABLE_TLS_FILE] = true, [TABLE_TLS_SPLIT] = true, [TABLE_TLS_LISTENER] = true,
	};
	struct sink_fake *fake = fake_of(sink);
	struct held *held, *old;

	if (fake_step(fake, err))
		return -EIO;
	if (wanted[row->table] != (content != NULL))
		fake->insane = true;
	held = calloc(1, sizeof(*held));
	if (!held)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	held->row = *row;
	if (content) {
		held->content = malloc(content_size);
		if (!held->content) {
			free(held);
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		}
		memcpy(held->content, content, content_size);
		held->content_size = content_size;
	}
	old = held_find(fake, row);
	if (old)
		held_remove(fake, old);
	HASH_ADD(hh, fake->rows, row, HELD_KEY_SIZE, held);
	return 0;
}

static int fake_del(struct sink *sink, const struct row *row, struct xlb_err *err)
{
	struct sink_fake *fake = fake_of(sink);
	struct held *held = held_find(fake, row);

	if (fake_step(fake, err))
		return -EIO;
	if (!held || memcmp(held->row.value, row->value, sizeof(row->value))) {
		fake->insane = true;
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOENT, "no such row");
	}
	held_remove(fake, held);
	return 0;
}

struct sink_fake *sink_fake_new(void)
{
	struct sink_fake *fake = calloc(1, sizeof(*fake));

	if (fake)
		fake->sink = (struct sink){ .list = fake_list, .put = fake_put, .del = fake_del };
	return fake;
}

struct sink_fake *sink_fake_free(struct sink_fake *fake)
{
	struct held *held, *next;

	if (!fake)
		return NULL;
	HASH_ITER(hh, fake->rows, held, next) {
		held_remove(fake, held);
	}
	free(fake);
	return NULL;
}

struct sink *sink_fake_sink(struct sink_fake *fake)
{
	return &fake->sink;
}

uint32_t sink_fake_operations(const struct sink_fake *fake)
{
	return fake->operations;
}

void sink_fake_fail(struct sink_fake *fake, uint32_t first, uint32_t last)
{
	fake->operations = 0;
	fake->fail_first = first;
	fake->fail_last = last;
}

bool sink_fake_is_sane(const struct sink_fake *fake)
{
	return !fake->insane;
}

static int held_compare(const void *a, const void *b)
{
	const struct held *const *left = a, *const *right = b;

	return memcmp(&(*left)->row, &(*right)->row, HELD_KEY_SIZE);
}

static void write_hex(FILE *out, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
}

char *sink_fake_dump(const struct sink_fake *fake)
{
	size_t count = HASH_COUNT(fake->rows), size, i = 0;
	AUTO_FREE const struct held **sorted = calloc(count + 1, sizeof(*sorted));
	const struct held *held;
	char *text = NULL;
	FILE *out;

	if (!sorted)
		return NULL;
	for (held = fake->rows; held; held = held->hh.next)
		sorted[i++] = held;
	qsort(sorted, count, sizeof(*sorted), held_compare);
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (i = 0; i < count; i++) {
		const struct table *table = &tables[sorted[i]->row.table];

		fprintf(out, "%s ", table->word);
		write_hex(out, sorted[i]->row.key, table->key_size);
		fputs(" = ", out);
		write_hex(out, sorted[i]->row.value, table->value_size);
		fputc(' ', out);
		write_hex(out, sorted[i]->content, sorted[i]->content_size);
		fputc('\n', out);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
