// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/quic.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/field.h"
#include "core/object.h"

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

int quic_id_parse(const char *text, uint8_t ret[XLB_QUIC_SERVER_ID_MAX])
{
	size_t length = strlen(text), i;

	if (!length || length % 2 || length > 2 * XLB_QUIC_SERVER_ID_MAX ||
	    strspn(text, "0123456789abcdefABCDEF") != length)
		return -EINVAL;
	for (i = 0; i < length; i += 2)
		ret[i / 2] = (uint8_t)(digit(text[i]) << 4 | digit(text[i + 1]));
	return (int)(length / 2);
}

uint32_t quic_server_id_length(const struct server_group *group)
{
	uint8_t id[XLB_QUIC_SERVER_ID_MAX];
	const struct object *object;

	TAILQ_FOREACH(object, &group->servers, link)
		if (((const struct server *)object)->quic_id)
			return (uint32_t)quic_id_parse(((const struct server *)object)->quic_id,
						       id);
	return 0;
}

uint32_t quic_id_length(const struct server_group *group)
{
	return group->hash == HASH_QUIC ? group->quic_id_length : 0;
}

/* Fields that mean something with one hash only. */
int quic_finish_group(struct object *object, struct xlb_err *err)
{
	static const char *const fields[] = { "quic.id_length", "quic.config" };
	const struct server_group *group = (const struct server_group *)object;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]) && group->hash != HASH_QUIC; i++)
		if (object_given(object, fields[i]))
			return object_fail(object, fields[i], err,
					   "%s has no meaning without hash: quic: remove it",
					   fields[i]);
	return 0;
}

int quic_finish_server(struct object *object, struct xlb_err *err)
{
	const struct server *server = (const struct server *)object;
	uint8_t id[XLB_QUIC_SERVER_ID_MAX];

	if (!server->quic_id || quic_id_parse(server->quic_id, id) > 0)
		return 0;
	return object_fail(object, "quic_id", err,
			   "quic_id \"%s\": accepted are 1-15 bytes in hexadecimal, as 0a0b",
			   server->quic_id);
}

static int compare_ids(const void *a, const void *b)
{
	const struct server *const *x = a, *const *y = b;

	return strcasecmp((*x)->quic_id, (*y)->quic_id);
}

/* `servers` has room for all of the group's. */
static int check_differ(const struct server_group *group, const struct server **servers,
			struct xlb_err *err)
{
	const struct object *object;
	size_t count = 0, i;

	TAILQ_FOREACH(object, &group->servers, link)
		if (((const struct server *)object)->quic_id)
			servers[count++] = (const struct server *)object;
	qsort(servers, count, sizeof(*servers), compare_ids);
	for (i = 1; i < count; i++)
		if (!compare_ids(&servers[i - 1], &servers[i]))
			return object_fail(
				&servers[i]->object, "quic_id", err,
				"servers %s and %s of group %s have the quic_id %s both: give each its own",
				servers[i - 1]->object.name, servers[i]->object.name,
				group->object.name, servers[i]->quic_id);
	return 0;
}

static int check_server(const struct server_group *group, const struct server *server,
			uint32_t length, struct xlb_err *err)
{
	char title[OBJECT_TITLE_MAX];
	uint32_t own;

	if (!server->quic_id)
		return 0;
	own = (uint32_t)strlen(server->quic_id) / 2;
	object_title(&server->object, title);
	if (group->hash != HASH_QUIC)
		return object_fail(
			&server->object, "quic_id", err,
			"%s has a quic_id, which has no meaning without hash: quic in its group: add that or remove it",
			title);
	if (own != length)
		return object_fail(
			&server->object, "quic_id", err,
			"%s has a quic_id of %u bytes, others of its group one of %u: they must be of one length",
			title, own, length);
	if (1 + own > group->quic_id_length)
		return object_fail(
			&server->object, "quic_id", err,
			"%s: a quic_id of %u bytes is not within the first %u of a connection id, behind its first: "
			"set quic.id_length of the group to the length of its servers' connection ids",
			title, own, group->quic_id_length);
	return 0;
}

int check_quic(const struct server_group *group, struct xlb_err *err)
{
	uint32_t length = quic_server_id_length(group);
	AUTO_FREE const struct server **servers = NULL;
	const struct object *object;
	size_t count = 0;
	int r;

	TAILQ_FOREACH(object, &group->servers, link) {
		r = check_server(group, (const struct server *)object, length, err);
		if (r)
			return r;
		count++;
	}
	if (!length)
		return 0;
	servers = calloc(count, sizeof(*servers));
	return servers ? check_differ(group, servers, err) :
			 xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}
