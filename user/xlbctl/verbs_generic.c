// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* list, show, add, set, rm, enable, disable: the same five handlers for every type. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/print.h"
#include "xlbctl/target.h"

#define JSON_TYPE "application/json"

/*
 * A table needs a third of what --json shows, and objects below only where they are its rows. What --json
 * shows is not for us to read.
 */
static int get_list(struct ctl *ctl, const struct target *target, struct answer *ret)
{
	bool nested = target->type->parent && !*target->parent;
	const struct request request = { .method = "GET", .path = target->path, .raw = true };
	char path[sizeof(target->path) + 32];

	if (ctl->json)
		return client_call(ctl, &request, ret);
	snprintf(path, sizeof(path), "%s?brief=1%s", target->path, nested ? "&children=1" : "");
	return client_get(ctl, path, ret);
}

static int draw_list(struct ctl *ctl, FILE *out)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct target target;
	int r;

	r = target_list(ctl, &target);
	if (!r)
		r = target_no_rest(ctl, &target);
	if (!r)
		r = get_list(ctl, &target, &answer);
	if (r)
		return r;
	if (ctl->json)
		print_body(out, &answer);
	else
		print_list(out, target.type, answer.json, target.parent);
	return 0;
}

int verb_list(struct ctl *ctl)
{
	return watch_run(ctl, draw_list);
}

static int draw_show(struct ctl *ctl, FILE *out)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct target target;
	int r;

	r = target_object(ctl, NULL, &target);
	if (!r)
		r = target_no_rest(ctl, &target);
	if (!r)
		r = client_get(ctl, target.path, &answer);
	if (r)
		return r;
	if (ctl->json)
		print_body(out, &answer);
	else
		print_object(out, target.type, answer.json);
	return 0;
}

int verb_show(struct ctl *ctl)
{
	return watch_run(ctl, draw_show);
}

/* Sends the command's method to the target and prints the change. */
static int change_target(struct ctl *ctl, const struct target *target, const char *body)
{
	const struct request request = {
		.method = ctl->command->method,
		.path = target->path,
		.body = body,
		.body_size = body ? strlen(body) : 0,
		.body_type = JSON_TYPE,
	};
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_change(ctl, &request, &answer);

	if (!r)
		print_change(ctl, &answer);
	return r;
}

int verb_add(struct ctl *ctl)
{
	AUTO_FREE char *body = NULL;
	struct target target;
	int r;

	r = target_object(ctl, NULL, &target);
	if (!r)
		r = body_build(ctl, &target, &body);
	return r ? r : change_target(ctl, &target, body);
}

int verb_set(struct ctl *ctl)
{
	AUTO_FREE char *body = NULL;
	struct target target;
	int r;

	r = target_object(ctl, NULL, &target);
	if (!r)
		r = target_no_rest(ctl, &target);
	if (r)
		return r;
	if (!ctl->field_count) {
		xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
			    "set %s%s%s: nothing to set, give --field value", target.type->cli,
			    *target.name ? " " : "", target.name);
		xlb_err_hint(&ctl->err, "try xlbctl help %s", target.type->cli);
		return -EINVAL;
	}
	r = body_build(ctl, &target, &body);
	return r ? r : change_target(ctl, &target, body);
}

int verb_rm(struct ctl *ctl)
{
	struct target target;
	int r;

	r = target_object(ctl, NULL, &target);
	if (!r)
		r = target_no_rest(ctl, &target);
	return r ? r : change_target(ctl, &target, NULL);
}

int verb_enable(struct ctl *ctl)
{
	const char *body = !strcmp(ctl->command->word, "enable") ? "{\"enabled\":\"true\"}" :
								   "{\"enabled\":\"false\"}";
	struct target target;
	int r;

	r = target_object(ctl, &type_server, &target);
	if (!r)
		r = target_no_rest(ctl, &target);
	if (r)
		return r;
	if (!field_find(target.type, "enabled"))
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "%s cannot be enabled or disabled", target.type->cli);
	return change_target(ctl, &target, body);
}
