// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/health_check.h"

#include <errno.h>
#include <string.h>

#include "base/words.h"
#include "core/field.h"
#include "core/object.h"
#include "core/types.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))
#define BIT(type)    (1U << (type))

#define WEB (BIT(CHECK_HTTP) | BIT(CHECK_HTTPS))

/* Fields that mean something to some types of checks only. */
static const struct {
	const char *field;
	uint32_t types;
	const char *words; /* of the types; the first is advised */
} needs[] = {
	{ "health_check.port", ~BIT(CHECK_ICMP), "tcp, http, https, udp or exec" },
	{ "health_check.method", WEB, "http or https" },
	{ "health_check.path", WEB, "http or https" },
	{ "health_check.host", WEB, "http or https" },
	{ "health_check.request", BIT(CHECK_UDP), "udp" },
	{ "health_check.expect", WEB | BIT(CHECK_UDP), "http, https or udp" },
	{ "health_check.verify", BIT(CHECK_HTTPS), "https" },
	{ "health_check.ca", BIT(CHECK_HTTPS), "https" },
	{ "health_check.sni", BIT(CHECK_HTTPS), "https" },
	{ "health_check.command", BIT(CHECK_EXEC), "exec" },
};

static bool any_given(const struct object *object)
{
	for (size_t i = 0; i < object->type->field_count; i++)
		if (!strncmp(object->type->fields[i].name, "health_check.", 13) &&
		    object_given(object, object->type->fields[i].name))
			return true;
	return false;
}

static int check_needs(const struct object *object, uint32_t type, struct xlb_err *err)
{
	for (size_t i = 0; i < COUNT(needs); i++) {
		const char *words = needs[i].words;

		if (!object_given(object, needs[i].field) || needs[i].types & BIT(type))
			continue;
		return object_fail(object, needs[i].field, err,
				   "%s is for checks of type %s only: add type: %.*s or remove it",
				   needs[i].field, words, (int)strcspn(words, " ,"), words);
	}
	return 0;
}

/* The default is for status codes; datagrams are expected to say something only if it is written. */
static int finish_expect(struct object *object, struct health_check *check, struct xlb_err *err)
{
	const struct field *field = field_find(object->type, "health_check.expect");
	char accepted[200];

	if (!object_given(object, field->name)) {
		if (value_reset(object, field))
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		if (check->type == CHECK_UDP)
			value_free(object, field);
		return 0;
	}
	if (check->type == CHECK_UDP && !check->expect.text)
		return object_fail(object, field->name, err,
				   "%s of a udp check is one text, not a list", field->name);
	field_accepted(field, accepted, sizeof(accepted));
	if (check->type != CHECK_UDP && !check->expect.codes.count)
		return object_fail(object, field->name, err, "%s \"%.40s\": accepted are %s",
				   field->name, check->expect.text, accepted);
	return 0;
}

/* Whom to trust is said, never assumed. */
static int finish_tls(struct object *object, const struct health_check *check, struct xlb_err *err)
{
	if (check->type != CHECK_HTTPS)
		return 0;
	if (!check->verify && check->ca)
		return object_fail(
			object, "health_check.ca", err,
			"health_check.ca has no meaning with verify: false: remove one of them");
	if (check->verify && !check->ca)
		return object_fail(
			object, "health_check", err,
			"an https check must say whom it trusts: add ca: /etc/xlb/NAME.pem, ca: system, or "
			"verify: false to take any certificate");
	if (check->ca && *check->ca != '/' && strcmp(check->ca, CHECK_CA_SYSTEM) != 0)
		return object_fail(
			object, "health_check.ca", err,
			"health_check.ca \"%.100s\": accepted are a path that begins with / and the word %s",
			check->ca, CHECK_CA_SYSTEM);
	return 0;
}

static int finish_command(struct object *object, const struct health_check *check,
			  struct xlb_err *err)
{
	if (check->type != CHECK_EXEC)
		return 0;
	if (!check->command.count)
		return object_fail(
			object, "health_check", err,
			"an exec check must say what it runs: add command: [/etc/xlb/checks/NAME, ARGUMENT...]");
	if (*check->command.texts[0] != '/')
		return object_fail(
			object, "health_check.command", err,
			"health_check.command \"%.100s\": the first is the program's path, which begins with /",
			check->command.texts[0]);
	return 0;
}

int health_check_finish(struct object *object, struct xlb_err *err)
{
	struct health_check *check = &((struct server_group *)object)->health_check;
	int r;

	if (!object_given(object, "health_check.type"))
		check->type = any_given(object) ? CHECK_TCP : CHECK_DEFAULT;
	r = check_needs(object, check->type, err);
	if (r)
		return r;
	if (*check->path != '/')
		return object_fail(object, "health_check.path", err,
				   "health_check.path \"%.100s\": a path begins with /",
				   check->path);
	r = finish_expect(object, check, err);
	if (!r)
		r = finish_tls(object, check, err);
	return r ? r : finish_command(object, check, err);
}

bool health_check_needs_port(const struct health_check *check)
{
	return check->type != CHECK_NONE && check->type != CHECK_ICMP && check->type != CHECK_EXEC;
}

/* Why a check of the type cannot go the way of clients, NULL if it can. */
static const char *kept_from_datapath(const struct health_check *check)
{
	if (check->type == CHECK_ICMP)
		return "a ping asks the host, not a service at the VIP";
	if (check->type == CHECK_EXEC)
		return "a program makes connections of its own, to the address in XLB_ADDRESS";
	return NULL;
}

int health_check_finish_via(struct object *object, bool direct, const char *direct_modes,
			    struct xlb_err *err)
{
	struct server_group *group = (struct server_group *)object;
	struct health_check *check = &group->health_check;
	const char *reason = kept_from_datapath(check);

	if (!object_given(object, "health_check.via"))
		check->via = direct && !reason ? CHECK_VIA_DATAPATH : CHECK_VIA_ADDRESS;
	if (check->via != CHECK_VIA_DATAPATH)
		return 0;
	if (reason)
		return object_fail(object, "health_check.via", err,
				   "via: datapath is not for checks of type %s: %s: remove it",
				   check->type == CHECK_ICMP ? "icmp" : "exec", reason);
	if (!direct)
		return object_fail(
			object, "health_check.via", err,
			"via: datapath has no meaning with forward: %s, whose packets go to the server's address "
			"anyway, only with %s: remove it",
			mode_word(group->forward), direct_modes);
	/* a closed port says so about the VIP, of which xlbd's socket knows nothing */
	if (check->type == CHECK_UDP && !check->expect.text)
		return object_fail(
			object, "health_check", err,
			"a udp check that goes through the datapath needs an answer, as it does not hear that a port "
			"is closed: add expect, or via: address");
	return 0;
}
