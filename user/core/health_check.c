// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/health_check.h"

#include <string.h>

#include "core/object.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

int health_check_finish(struct object *object, struct xlb_err *err)
{
	static const char *const http[] = { "health_check.method", "health_check.path",
					    "health_check.host", "health_check.expect" };
	struct health_check *check = &((struct server_group *)object)->health_check;
	bool given = false;

	for (size_t i = 0; i < object->type->field_count; i++)
		if (!strncmp(object->type->fields[i].name, "health_check.", 13))
			given = given || object_given(object, object->type->fields[i].name);
	if (!object_given(object, "health_check.type"))
		check->type = given ? CHECK_TCP : CHECK_DEFAULT;
	for (size_t i = 0; i < COUNT(http) && check->type != CHECK_HTTP; i++)
		if (object_given(object, http[i]))
			return object_fail(
				object, http[i], err,
				"%s is for checks of type http only: add type: http or remove it",
				http[i]);
	if (*check->path != '/')
		return object_fail(object, "health_check.path", err,
				   "health_check.path \"%.100s\": a path begins with /",
				   check->path);
	return 0;
}
