// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"

/* Room for one more element; NULL on lack of memory, the array is as before. */
static void *array_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? *capacity * 2 : 64;

	if (count < *capacity)
		return array;
	array = reallocarray(array, wanted, size);
	if (array)
		*capacity = wanted;
	return array;
}

int rows_add(struct rows *rows, enum table_id table, const void *key, const void *value)
{
	struct row *row = array_grow(rows->rows, rows->count, &rows->capacity, sizeof(*row));

	if (!row)
		return -ENOMEM;
	rows->rows = row;
	row += rows->count++;
	memset(row, 0, sizeof(*row));
	row->table = table;
	memcpy(row->key, key, tables[table].key_size);
	memcpy(row->value, value, tables[table].value_size);
	return 0;
}

int rows_add_recipe(struct rows *rows, enum table_id table, const void *key, const void *data,
		    size_t size)
{
	struct recipe *recipe = array_grow(rows->recipes, rows->recipe_count,
					   &rows->recipe_capacity, sizeof(*recipe));
	void *copy;

	if (!recipe)
		return -ENOMEM;
	rows->recipes = recipe;
	copy = malloc(size ? size : 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	recipe += rows->recipe_count++;
	memset(recipe, 0, sizeof(*recipe));
	recipe->table = table;
	memcpy(recipe->key, key, tables[table].key_size);
	recipe->data = copy;
	recipe->size = size;
	return 0;
}

static int compare_keys(enum table_id a, const uint8_t *a_key, enum table_id b,
			const uint8_t *b_key)
{
	return a != b ? (a < b ? -1 : 1) : memcmp(a_key, b_key, ROW_KEY_MAX);
}

int row_compare(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	return compare_keys(left->table, left->key, right->table, right->key);
}

static int recipe_compare(const void *a, const void *b)
{
	const struct recipe *left = a, *right = b;

	return compare_keys(left->table, left->key, right->table, right->key);
}

int rows_sort(struct rows *rows)
{
	size_t i;

	if (rows->count)
		qsort(rows->rows, rows->count, sizeof(*rows->rows), row_compare);
	if (rows->recipe_count)
		qsort(rows->recipes, rows->recipe_count, sizeof(*rows->recipes), recipe_compare);
	for (i = 1; i < rows->count; i++)
		if (!row_compare(&rows->rows[i - 1], &rows->rows[i]))
			return -EEXIST;
	for (i = 1; i < rows->recipe_count; i++)
		if (!recipe_compare(&rows->recipes[i - 1], &rows->recipes[i]))
			return -EEXIST;
	return 0;
}

const struct row *rows_find(const struct rows *rows, enum table_id table, const void *key)
{
	struct row wanted = { .table = table };

	if (!rows->count)
		return NULL;
	memcpy(wanted.key, key, tables[table].key_size);
	return bsearch(&wanted, rows->rows, rows->count, sizeof(wanted), row_compare);
}

const struct recipe *rows_find_recipe(const struct rows *rows, const struct row *row)
{
	struct recipe wanted = { .table = row->table };

	if (!rows->recipe_count)
		return NULL;
	memcpy(wanted.key, row->key, sizeof(wanted.key));
	return bsearch(&wanted, rows->recipes, rows->recipe_count, sizeof(wanted), recipe_compare);
}

void rows_done(struct rows *rows)
{
	size_t i;

	for (i = 0; i < rows->recipe_count; i++)
		free(rows->recipes[i].data);
	free(rows->recipes);
	free(rows->rows);
	memset(rows, 0, sizeof(*rows));
}
