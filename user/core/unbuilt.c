// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/unbuilt.h"

#include <string.h>
#include <strings.h>

static const struct {
	const struct type *type;
	const char *key;
	const char *instead;
} keys[] = {
	{ NULL, "certificates", "a tls listener names its certificates itself" },
	{ &type_listener, "certificate",
	  "certificates: [{chain: FILE, key: FILE}] has one or more" },
	{ &type_server_group, "preserve_client",
	  "forward: nat, dr and tunnel keep the client's address" },
};

#define NOT_BUILT "is not built yet"

static const struct {
	const char *field, *word, *why;
} words[] = {
	{ "protocol", "quic", NOT_BUILT },
	{ "forward", "local", "is what listeners with protocol: tls use by themselves" },
	{ "health_check.type", "tls", NOT_BUILT },
	{ "health_check.type", "quic", NOT_BUILT },
};

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

const char *unbuilt_key(const struct type *type, const char *key)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (keys[i].type == type && !strcmp(keys[i].key, key))
			return keys[i].instead;
	return NULL;
}

const char *unbuilt_word(const struct field *field, const char *word)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (!strcmp(words[i].field, field->name) && !strcasecmp(words[i].word, word))
			return words[i].why;
	return NULL;
}
