// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* iface check: what keeps xlb from working on an interface. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/errors.h"
#include "xlbctl/format.h"
#include "xlbctl/iface_check.h"
#include "xlbctl/print.h"
#include "xlbctl/process.h"

#define CHECK_PATH "/v1/interfaces/{}/check"

/* Before the first attach no daemon runs: its program looks by itself. */
static int check_by_program(struct ctl *ctl, const char *ifname, struct answer *ret)
{
	char program[PATH_MAX];
	const char *argv[] = { program,	      "--check-interface",
			       ifname,	      *ctl->instance ? "--instance" : NULL,
			       ctl->instance, NULL };
	struct answer answer AUTO_ANSWER = { 0 };
	int status;

	if (!xlbd_find(program))
		return -ENOENT; /* no daemon: that is what ctl->err says */
	status = process_output(argv, &answer.body);
	if (status < 0)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, status, "cannot run %s: %s", program,
				   strerror(-status));
	answer.size = strlen(answer.body);
	answer.json = json_loads(answer.body, 0, NULL);
	if (status || !answer.json) {
		error_from_answer(status, answer.body, answer.json, &ctl->err);
		return -ECHILD;
	}
	*ret = answer;
	answer = (struct answer){ 0 };
	return 0;
}

int iface_check_get(struct ctl *ctl, const char *ifname, struct answer *ret)
{
	AUTO_FREE char *path = path_fill(CHECK_PATH, &ifname);
	int r;

	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = client_get(ctl, path, ret);
	return r && ctl->not_running ? check_by_program(ctl, ifname, ret) : r;
}

size_t iface_check_print(FILE *out, const json_t *json, bool all)
{
	static const struct {
		const char *word, *shown, *colour;
	} levels[] = {
		{ "ok", "ok    ", COLOUR_GREEN },
		{ "warn", "warn  ", COLOUR_YELLOW },
		{ "fail", "FAIL  ", COLOUR_RED },
	};
	bool colour = colour_wanted(out);
	size_t i, fixable = 0;
	json_t *check;

	json_array_foreach(json_object_get(json, "checks"), i, check) {
		const char *text = json_text_at(check, "text"), *fix = json_text_at(check, "fix");
		size_t level = 0;

		while (level < ARRAY_SIZE(levels) - 1 &&
		       strcmp(levels[level].word, json_text_at(check, "level")))
			level++;
		if (!level && !all)
			continue;
		fixable += *json_text_at(check, "setting") != '\0';
		fprintf(out, "%s%s%s", colour ? levels[level].colour : "", levels[level].shown,
			colour ? COLOUR_OFF : "");
		put_text(out, text, strlen(text));
		fputs(*fix ? "\n      fix: " : "", out);
		put_text(out, fix, strlen(fix));
		fputc('\n', out);
	}
	return fixable;
}

static void put_count(FILE *out, uint64_t count, const char *word)
{
	fprintf(out, "%" PRIu64 " %s%s", count, word, count == 1 ? "" : "s");
}

int verb_iface_check(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	uint64_t failures, warnings;
	size_t fixable;
	int r = iface_check_get(ctl, ctl->words[0], &answer);

	if (r)
		return r;
	failures = json_count_at(answer.json, "failures");
	warnings = json_count_at(answer.json, "warnings");
	if (ctl->json) {
		print_body(stdout, &answer);
	} else {
		fixable = iface_check_print(stdout, answer.json, true);
		put_count(stdout, failures, "failure");
		fputs(", ", stdout);
		put_count(stdout, warnings, "warning");
		if (fixable)
			printf(". `xlbctl attach %s --fix` changes %zu of these and restores %s on detach",
			       ctl->words[0], fixable, fixable == 1 ? "it" : "them");
		fputs(".\n", stdout);
	}
	if (!failures)
		return 0;
	ctl->quiet = true; /* the lines have said it */
	return xlb_err_set(&ctl->err, XLB_ERR_FAULTS, -EREMOTEIO, "%s: %" PRIu64 " checks failed",
			   ctl->words[0], failures);
}
