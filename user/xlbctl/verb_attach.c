// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* attach, detach, confirm. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/guard.h"
#include "xlbctl/iface_check.h"
#include "xlbctl/print.h"

#define CONFIRM_SECONDS 60

static void warn_guarded(const struct ctl *ctl, const char *reason)
{
	fflush(stdout);
	fprintf(stderr,
		"warning: %s carries %s: xlb detaches by itself in %d s unless you confirm\n"
		"hint: if all is well, type: xlbctl%s%s confirm\n",
		ctl->words[0], reason, CONFIRM_SECONDS, *ctl->instance ? " --instance " : "",
		ctl->instance);
}

static void put_setting(const json_t *setting, const char *key)
{
	uint64_t value = json_count_at(setting, key);

	/* all others are switches */
	if (strcmp(json_text_at(setting, "setting"), setting_words[XLB_SETTING_RP_FILTER]))
		fputs(value ? "on" : "off", stdout);
	else
		printf("%" PRIu64, value);
}

/* "eth0: lro off (was on), rp_filter 2 (was 1)" */
static void print_settings(const struct ctl *ctl, const json_t *settings)
{
	json_t *setting;
	size_t i;

	json_array_foreach(settings, i, setting) {
		printf("%s%s%s ", i ? "" : ctl->words[0], i ? ", " : ": ",
		       json_text_at(setting, "setting"));
		put_setting(setting, "now");
		fputs(" (was ", stdout);
		put_setting(setting, "was");
		fputc(')', stdout);
	}
	if (json_array_size(settings))
		fputc('\n', stdout);
}

/* What the checks find now, also beside an attach that failed: it may say why. */
static void print_checks(struct ctl *ctl)
{
	struct xlb_err before = ctl->err;
	struct answer answer AUTO_ANSWER = { 0 };
	size_t fixable;

	if (!ctl->json && !iface_check_get(ctl, ctl->words[0], &answer)) {
		fflush(stdout);
		fixable = iface_check_print(stderr, answer.json, false);
		if (fixable && !ctl->fix)
			fprintf(stderr,
				"hint: xlbctl%s%s attach %s --fix changes %s, and detach restores it\n",
				*ctl->instance ? " --instance " : "", ctl->instance, ctl->words[0],
				fixable == 1 ? "that" : "some of that");
	}
	ctl->err = before;
}

/* What the attach led to. */
static void print_attached(struct ctl *ctl, const struct answer *change)
{
	AUTO_FREE char *path = path_fill("/v1/interfaces/{}", ctl->words);
	struct answer answer AUTO_ANSWER = { 0 };

	if (ctl->json || ctl->dry_run || !path || client_get(ctl, path, &answer)) {
		print_change(ctl, change);
		return;
	}
	print_settings(ctl, json_at(answer.json, "state.settings"));
	if (json_is_true(json_at(answer.json, "state.attached")))
		printf("%s: attached, %s mode, program %" PRIu64 " (%s)\n", ctl->words[0],
		       json_text_at(answer.json, "state.mode"),
		       json_count_at(answer.json, "state.program_id"),
		       json_text_at(answer.json, "state.program_tag"));
	else
		printf("%s: configured, will be attached when it appears\n", ctl->words[0]);
	fflush(stdout);
	print_warnings(json_object_get(change->json, "warnings"));
}

/* Sends the attach, starting xlbd if there is none. */
static int send_attach(struct ctl *ctl, const char *body, const char *reason, struct answer *ret)
{
	AUTO_FREE char *path = path_fill(ctl->command->path, ctl->words);
	char query[48] = "";
	const struct request request = {
		.method = ctl->command->method,
		.path = path,
		.query = reason || ctl->fix ? query : NULL,
		.body = body,
		.body_size = strlen(body),
		.body_type = "application/json",
	};
	int r;

	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (reason)
		snprintf(query, sizeof(query), "confirm=%d%s", CONFIRM_SECONDS,
			 ctl->fix ? "&fix=1" : "");
	else if (ctl->fix)
		strcpy(query, "fix=1");
	r = client_change(ctl, &request, ret);
	if (!r || !ctl->not_running)
		return r;
	r = daemon_start(ctl);
	return r ? r : client_change(ctl, &request, ret);
}

int verb_attach(struct ctl *ctl)
{
	const char *reason = ctl->no_confirm ? NULL : guard_reason(ctl->words[0]);
	json_t *fields = ctl->mode ? json_pack("{s:s}", "mode", ctl->mode) : json_object();
	AUTO_FREE char *body = json_dumps(fields, JSON_COMPACT);
	struct answer answer AUTO_ANSWER = { 0 };
	int r;

	json_decref(fields);
	if (!body)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "--mode \"%s\": native or generic is accepted", ctl->mode);
	r = send_attach(ctl, body, reason, &answer);
	if (!r)
		print_attached(ctl, &answer);
	if (!r || !ctl->not_running)
		print_checks(ctl);
	if (r)
		return r;
	/* what was attached before is not guarded */
	if (reason && !ctl->dry_run && json_count_at(answer.json, "added"))
		warn_guarded(ctl, reason);
	return 0;
}

int verb_detach(struct ctl *ctl)
{
	AUTO_FREE char *path = path_fill(ctl->command->path, ctl->words);
	const struct request request = { .method = ctl->command->method, .path = path };
	struct answer answer AUTO_ANSWER = { 0 };
	int r;

	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = client_change(ctl, &request, &answer);
	if (r)
		return r;
	if (ctl->json || ctl->dry_run) {
		print_change(ctl, &answer);
		return 0;
	}
	printf("%s: detached; %" PRIu64 " flows ended\n", ctl->words[0],
	       json_count_at(answer.json, "flows_affected"));
	print_warnings(json_object_get(answer.json, "warnings"));
	return 0;
}

int verb_confirm(struct ctl *ctl)
{
	const struct request request = { .method = ctl->command->method,
					 .path = ctl->command->path };
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_call(ctl, &request, &answer);

	if (r)
		return r;
	if (ctl->json)
		print_body(stdout, &answer);
	else
		printf("confirmed: the attachment stays\n");
	return 0;
}
