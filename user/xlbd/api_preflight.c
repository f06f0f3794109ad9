// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/interfaces/NAME/check */
#include <event2/event.h>
#include <string.h>

#include "core/json.h"
#include "xlbd/api_private.h"

static const char *const level_words[] = {
	[PREFLIGHT_OK] = "ok",
	[PREFLIGHT_WARN] = "warn",
	[PREFLIGHT_FAIL] = "fail",
};

/* The word of the one setting, as in `fix` of an interface. */
static json_t *setting_json(uint32_t setting)
{
	for (uint32_t i = 0; i < XLB_SETTING_COUNT; i++)
		if (setting == 1U << i)
			return json_string(setting_words[i]);
	return json_null();
}

json_t *preflight_json(const struct preflight_facts *facts)
{
	struct preflight preflight;
	json_t *checks = json_array();

	preflight_judge(facts, &preflight);
	for (uint32_t i = 0; i < preflight.count; i++) {
		const struct preflight_finding *finding = &preflight.findings[i];

		json_array_append_new(checks,
				      json_pack("{s:s, s:s, s:s, s:s?, s:o}", "check",
						finding->check, "level",
						level_words[finding->level], "text", finding->text,
						"fix", finding->fix[0] ? finding->fix : NULL,
						"setting", setting_json(finding->setting)));
	}
	return json_pack("{s:s, s:i, s:i, s:o}", "interface", preflight.ifname, "failures",
			 (int)preflight.failures, "warnings", (int)preflight.warnings, "checks",
			 checks);
}

/* A call whose look at the servers takes several turns of the loop. */
struct check_job {
	struct call *call;
	struct preflight_facts facts;
	struct preflight_walk walk;
	struct event *timer;
};

static void check_job_free(void *arg)
{
	struct check_job *job = arg;

	if (job->timer)
		event_free(job->timer);
	free(job);
}

static void check_slice(evutil_socket_t fd, short what, void *arg)
{
	struct check_job *job = arg;
	struct preflight_source source = engine_preflight_source(job->call->api->engine);

	(void)fd;
	(void)what;
	if (preflight_walk_step(&source, &job->walk, &job->facts))
		call_reply_json(job->call, preflight_json(&job->facts));
	else if (event_add(job->timer, &(struct timeval){ 0 }))
		call_reply_no_memory(job->call);
}

/* "eth0" of "interfaces/eth0/check" */
static void name_in_path(const char *path, char *ret, size_t size)
{
	const char *name = strchr(path, '/') + 1;

	snprintf(ret, size, "%.*s", (int)strcspn(name, "/"), name);
}

void api_interface_check(struct call *call)
{
	struct preflight_source source = engine_preflight_source(call->api->engine);
	struct check_job *job = calloc(1, sizeof(*job));
	struct xlb_err err = {};
	char name[NAME_TEXT_MAX];

	call->job = job;
	call->job_free = check_job_free;
	if (job)
		job->timer = event_new(call->api->base, -1, 0, check_slice, job);
	if (!job || !job->timer) {
		call_reply_no_memory(call);
		return;
	}
	job->call = call;
	name_in_path(call->path, name, sizeof(name));
	if (preflight_gather(&source, name, &job->facts, &err))
		call_reply_err(call, &err);
	else
		check_slice(-1, 0, job);
}
