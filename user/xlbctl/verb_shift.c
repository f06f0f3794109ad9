// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * listener shift: gives a group a larger part of a listener's new flows step by step, looks meanwhile at how its servers
 * do, and takes all back if that is not well. It runs as long as it takes; the daemon knows nothing of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/words.h"
#include "core/shift.h"
#include "xlb/lists.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"
#include "xlbctl/target.h"

#define EVERY_DEFAULT_MS 600000
#define LOOK_US		 1000000
#define WEIGHTS_TEXT_MAX (XLB_SPLIT_GROUPS * (NAME_TEXT_MAX + 8))

/* What is known of the group at one moment; flows and resets since xlbd counts. */
struct sight {
	uint64_t flows, resets, up, servers;
	char down[NAME_TEXT_MAX]; /* a server that is down, "": none */
	char reason[128];	  /* why it is */
};

struct shift {
	struct ctl *ctl;
	struct target target;
	struct shift_steps steps;
	struct shift_limits limits;
	struct shift_weights before, now;
	uint32_t step;	    /* the one that holds, counted from 1; 0: none has begun */
	struct sight began; /* as it was when that began */
	bool blind;	    /* xlbd did not answer the last time */
};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

/* Without SA_RESTART, so that waiting ends. */
static void catch_interrupts(void)
{
	const struct sigaction action = { .sa_handler = note_interrupt };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* --- the daemon ----------------------------------------------------------------------------------- */

static int read_weights(struct shift *shift, struct shift_weights *ret)
{
	struct answer answer AUTO_ANSWER = { 0 };
	json_t *share;
	size_t i;
	int r = client_get(shift->ctl, shift->target.path, &answer);

	if (r)
		return r;
	memset(ret, 0, sizeof(*ret));
	json_array_foreach(json_object_get(answer.json, "server_groups"), i, share) {
		struct share *next = &ret->shares[ret->count];

		if (ret->count == XLB_SPLIT_GROUPS)
			break;
		snprintf(next->group, sizeof(next->group), "%s", json_text_at(share, "group"));
		next->weight = (uint32_t)json_count_at(share, "weight");
		ret->count++;
	}
	return 0;
}

static int write_weights(struct shift *shift, const struct shift_weights *weights)
{
	struct answer answer AUTO_ANSWER = { 0 };
	json_t *list = json_array(), *body = json_pack("{s:o}", "server_groups", list);
	AUTO_FREE char *text = NULL;
	struct request request = { .method = "PATCH", .path = shift->target.path };
	int r;

	for (uint32_t i = 0; i < weights->count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:i}", "group", weights->shares[i].group,
						"weight", (int)weights->shares[i].weight));
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (!text)
		return xlb_err_set(&shift->ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	request.body = text;
	request.body_size = strlen(text);
	request.body_type = "application/json";
	r = client_change(shift->ctl, &request, &answer);
	if (r)
		return r;
	if (shift->ctl->json)
		print_body(stdout, &answer);
	shift->now = *weights;
	return 0;
}

static void add_server(struct sight *sight, const char *name, const json_t *server)
{
	json_t *address;
	size_t i;

	json_array_foreach((json_t *)json_at(server, "state.addresses"), i, address) {
		sight->flows += json_count_at(address, "counters.flows_created");
		sight->resets += json_count_at(address, "counters.reset_flows");
	}
	if (*sight->down || strcmp(json_text_at(server, "state.state"), "down") != 0)
		return;
	snprintf(sight->down, sizeof(sight->down), "%s", name);
	snprintf(sight->reason, sizeof(sight->reason), "%s", json_text_at(server, "state.reason"));
}

static int get_group(struct shift *shift, struct answer *ret)
{
	AUTO_FREE char *path =
		path_fill("/v1/server_groups/{}", (const char *const[]){ shift->steps.group });

	if (!path)
		return xlb_err_set(&shift->ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return client_get(shift->ctl, path, ret);
}

static int look(struct shift *shift, struct sight *ret)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct sight sight = {};
	const char *name;
	json_t *server;
	int r = get_group(shift, &answer);

	if (r)
		return r;
	json_object_foreach(json_object_get(answer.json, "servers"), name, server)
		add_server(&sight, name, server);
	sight.up = json_count_at(answer.json, "state.up");
	sight.servers = json_count_at(answer.json, "state.servers");
	*ret = sight;
	return 0;
}

/* --- judging ------------------------------------------------------------------------------------- */

static uint64_t since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

/* True, and why, if the group does not do well. */
static bool is_ill(const struct shift *shift, const struct sight *sight, char *ret, size_t size)
{
	uint64_t flows = since(shift->began.flows, sight->flows);
	uint64_t resets = since(shift->began.resets, sight->resets);
	const char *group = shift->steps.group;
	char limit[16];

	if (shift->limits.down && *sight->down) {
		snprintf(ret, size, "server %s/%s is down%s%s", group, sight->down,
			 *sight->reason ? ": " : "", sight->reason);
		return true;
	}
	if (shift->limits.down && !sight->up) {
		snprintf(ret, size, "group %s has no server that is up", group);
		return true;
	}
	if (!shift->limits.by_resets || !shift->step ||
	    resets * SHIFT_WHOLE <= flows * shift->limits.reset_ratio)
		return false;
	shift_part_text(shift->limits.reset_ratio, limit, sizeof(limit));
	snprintf(ret, size,
		 "servers of group %s have reset %" PRIu64 " flows of %" PRIu64
		 " new ones since this step began, more than %s",
		 group, resets, flows, limit);
	return true;
}

/* What answers past xlb cannot be counted. */
static int check_mode(struct shift *shift)
{
	struct answer answer AUTO_ANSWER = { 0 };
	const char *forward;
	int r;

	if (!shift->limits.by_resets)
		return 0;
	r = get_group(shift, &answer);
	if (r)
		return r;
	forward = json_text_at(answer.json, "forward");
	for (uint32_t mode = 1; mode_word(mode); mode++)
		if (!strcmp(mode_word(mode), forward) && xlb_mode_has(mode, XLB_MODE_DIRECT))
			return xlb_err_set(
				&shift->ctl->err, XLB_ERR_CONFIG, -EINVAL,
				"--abort-if reset_ratio: the servers of group %s (forward: %s) answer clients past xlb, which so does not see them reset: leave that out, down works in every mode",
				shift->steps.group, forward);
	return 0;
}

/* --- saying -------------------------------------------------------------------------------------- */

/* "web-next=25% (step 2 of 3)" */
static void step_text(const struct shift *shift, char *ret, size_t size)
{
	char part[16];

	shift_part_text(shift->steps.parts[shift->step - 1], part, sizeof(part));
	snprintf(ret, size, "%s=%s (step %u of %u)", shift->steps.group, part, shift->step,
		 shift->steps.count);
}

static void say_step(const struct shift *shift)
{
	char step[NAME_TEXT_MAX + 64], weights[WEIGHTS_TEXT_MAX];

	if (shift->ctl->json)
		return;
	step_text(shift, step, sizeof(step));
	shift_weights_text(&shift->now, weights, sizeof(weights));
	printf("%s: %s\n", step, weights);
	fflush(stdout);
}

/* How it goes; on a terminal in place of what was said before, elsewhere only what the step has come to. */
static void say_sight(const struct shift *shift, const struct sight *sight, uint64_t left_ms)
{
	bool terminal = isatty(STDOUT_FILENO);
	char left[NUMBER_TEXT_MAX];

	if (shift->ctl->json || (!terminal && left_ms))
		return;
	format_age(left_ms / 1000, left);
	printf("%s  %" PRIu64 " new flows, %" PRIu64 " reset by servers, %" PRIu64 " of %" PRIu64
	       " servers up%s%s%s%s",
	       terminal ? "\r" : "", since(shift->began.flows, sight->flows),
	       since(shift->began.resets, sight->resets), sight->up, sight->servers,
	       left_ms ? ", " : "", left_ms ? left : "", left_ms ? " left" : "",
	       terminal ? "\033[K" : "");
	if (!left_ms)
		putchar('\n');
	fflush(stdout);
}

static void put_command(const struct shift *shift, FILE *out, uint32_t from)
{
	const struct ctl *ctl = shift->ctl;
	char part[16], every[32];

	fprintf(out, "xlbctl listener shift %s/%s %s", shift->target.parent, shift->target.name,
		shift->steps.group);
	for (uint32_t i = from; i < shift->steps.count; i++) {
		shift_part_text(shift->steps.parts[i], part, sizeof(part));
		fprintf(out, "%s%s", i == from ? "=" : ",", part);
	}
	format_duration(ctl->every_ms, every, sizeof(every));
	fprintf(out, " --every %s", every);
	if (ctl->abort_if)
		fprintf(out, " --abort-if '%s'", ctl->abort_if);
	fputc('\n', out);
}

static void put_way_back(const struct shift *shift, FILE *out)
{
	char weights[WEIGHTS_TEXT_MAX];

	shift_weights_text(&shift->before, weights, sizeof(weights));
	fprintf(out, "xlbctl set listener %s %s --server-group %s\n", shift->target.parent,
		shift->target.name, weights);
}

/* Everything stays as it is. */
static int stop(struct shift *shift)
{
	char step[NAME_TEXT_MAX + 64], weights[WEIGHTS_TEXT_MAX];

	step_text(shift, step, sizeof(step));
	shift_weights_text(&shift->now, weights, sizeof(weights));
	fprintf(stderr, "%sstopped at %s, the weights stay: %s\n",
		isatty(STDERR_FILENO) ? "\n" : "", step, weights);
	if (shift->step < shift->steps.count) {
		fputs("to go on:   ", stderr);
		put_command(shift, stderr, shift->step);
	}
	fputs("to go back: ", stderr);
	put_way_back(shift, stderr);
	shift->ctl->quiet = true;
	return xlb_err_set(&shift->ctl->err, XLB_ERR_FAILED, -EINTR, "interrupted");
}

/* --- the steps ----------------------------------------------------------------------------------- */

static int give_up(struct shift *shift, const char *why)
{
	struct xlb_err failed;
	char step[NAME_TEXT_MAX + 64], weights[WEIGHTS_TEXT_MAX];
	int r;

	step_text(shift, step, sizeof(step));
	shift_weights_text(&shift->before, weights, sizeof(weights));
	r = write_weights(shift, &shift->before);
	if (r) {
		failed = shift->ctl->err;
		xlb_err_set(
			&shift->ctl->err, failed.class, r,
			"aborted at %s: %.200s; but the weights from before (%.100s) could not be restored: %.100s",
			step, why, weights, failed.text);
		xlb_err_hint(&shift->ctl->err, "xlbctl set listener %s %s --server-group %.120s",
			     shift->target.parent, shift->target.name, weights);
		return r;
	}
	return xlb_err_set(&shift->ctl->err, XLB_ERR_FAULTS, -ECANCELED,
			   "aborted at %s: %s; the weights are those from before: %s", step, why,
			   weights);
}

/* Another one's change is not overwritten. */
static int check_unchanged(struct shift *shift)
{
	char found[WEIGHTS_TEXT_MAX], ours[WEIGHTS_TEXT_MAX];
	struct shift_weights weights;
	int r = read_weights(shift, &weights);

	if (r || shift_weights_equal(&weights, &shift->now))
		return r;
	shift_weights_text(&weights, found, sizeof(found));
	shift_weights_text(&shift->now, ours, sizeof(ours));
	return xlb_err_set(
		&shift->ctl->err, XLB_ERR_CONFLICT, -ESTALE,
		"listener %s/%s has weights %.150s, not %.150s as this shift has set them: somebody else has, so it ends here",
		shift->target.parent, shift->target.name, found, ours);
}

/* xlbd may be away for a while, for a restart or an upgrade. */
static int look_again(struct shift *shift, struct sight *ret)
{
	int r = look(shift, ret);

	if (r && (shift->ctl->err.class == XLB_ERR_UNREACHABLE ||
		  shift->ctl->err.class == XLB_ERR_TIMEOUT)) {
		if (!shift->blind)
			fprintf(stderr, "xlbctl: %s; retrying\n", shift->ctl->err.text);
		shift->blind = true;
		return -EAGAIN;
	}
	shift->blind = false;
	return r;
}

/* Lets the step last; `watch`: what would end it is looked for. */
static int hold(struct shift *shift)
{
	uint64_t start = clock_ms(CLOCK_MONOTONIC), passed = 0, every = shift->ctl->every_ms;
	struct sight sight = shift->began;
	char why[512];
	int r;

	for (;;) {
		r = look_again(shift, &sight);
		if (r && r != -EAGAIN)
			return r;
		if (!r && is_ill(shift, &sight, why, sizeof(why)))
			return give_up(shift, why);
		if (interrupted)
			return stop(shift);
		passed = clock_ms(CLOCK_MONOTONIC) - start;
		if (!r)
			say_sight(shift, &sight, passed < every ? every - passed : 0);
		if (passed >= every && !r)
			return 0;
		usleep(passed < every && every - passed < LOOK_US / 1000 ?
			       (useconds_t)(every - passed) * 1000 :
			       LOOK_US);
	}
}

static bool is_watched(const struct shift *shift)
{
	return shift->limits.down || shift->limits.by_resets;
}

static int run_steps(struct shift *shift)
{
	struct shift_weights weights;
	int r;

	for (uint32_t i = 0; i < shift->steps.count; i++) {
		r = check_unchanged(shift);
		if (!r)
			r = shift_weigh(&shift->before, shift->steps.group, shift->steps.parts[i],
					&weights, &shift->ctl->err);
		if (!r)
			r = look(shift, &shift->began);
		if (!r)
			r = write_weights(shift, &weights);
		if (r)
			return r;
		shift->step = i + 1;
		say_step(shift);
		/* nobody looks at the last one without conditions */
		if (i + 1 == shift->steps.count && !is_watched(shift))
			return 0;
		r = hold(shift);
		if (r)
			return r;
	}
	return 0;
}

/* All that can be wrong is found before anything changes. */
static int check_all(struct shift *shift)
{
	struct shift_weights weights;
	struct sight sight;
	char why[512];
	int r = read_weights(shift, &shift->before);

	shift->now = shift->before;
	for (uint32_t i = 0; !r && i < shift->steps.count; i++)
		r = shift_weigh(&shift->before, shift->steps.group, shift->steps.parts[i], &weights,
				&shift->ctl->err);
	if (!r)
		r = check_mode(shift);
	if (!r)
		r = look(shift, &sight);
	if (!r && is_ill(shift, &sight, why, sizeof(why)))
		r = xlb_err_set(&shift->ctl->err, XLB_ERR_FAULTS, -ECANCELED,
				"not begun, nothing was changed: %s", why);
	return r;
}

int verb_shift(struct ctl *ctl)
{
	struct shift shift = { .ctl = ctl };
	int r = target_object(ctl, &type_listener, &shift.target);

	if (r)
		return r;
	if (shift.target.rest_count != 1)
		return xlb_err_set(
			&ctl->err, XLB_ERR_USAGE, -EINVAL,
			"listener shift takes LB/LISTENER and GROUP=PART%%,PART%%..., such as web-next=5%%,25%%,100%%");
	if (!ctl->every_ms)
		ctl->every_ms = EVERY_DEFAULT_MS;
	r = shift_parse_steps(shift.target.rest[0], &shift.steps, &ctl->err);
	if (!r && ctl->abort_if)
		r = shift_parse_limits(ctl->abort_if, &shift.limits, &ctl->err);
	if (!r)
		r = check_all(&shift);
	if (r)
		return r;
	catch_interrupts();
	return run_steps(&shift);
}
