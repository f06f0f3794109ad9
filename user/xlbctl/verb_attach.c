// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* attach, detach, confirm. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

#define ENVIRON_MAX 65536

/* Value of a variable in a block of NUL-terminated NAME=VALUE, NULL if absent. */
static const char *block_value(const char *block, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = block; p < block + size; p += strlen(p) + 1)
		if (!strncmp(p, name, length) && p[length] == '=')
			return p + length + 1;
	return NULL;
}

static int parent_of(int pid)
{
	char path[32], line[512];
	AUTO_FCLOSE FILE *in = NULL;
	const char *end;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	in = fopen(path, "re");
	if (!in || !fgets(line, sizeof(line), in))
		return 0;
	/* the name may hold blanks and parentheses: count from the last one */
	end = strrchr(line, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/*
 * SSH_CONNECTION of this session. sudo takes it out of the environment, so the ancestors are asked too.
 * malloc'd, NULL if there is none.
 */
static char *ssh_connection(void)
{
	static const char name[] = "SSH_CONNECTION";
	const char *own = getenv(name);

	if (own)
		return strdup(own);
	for (int pid = getppid(), depth = 0; pid > 1 && depth < 32; pid = parent_of(pid), depth++) {
		AUTO_FREE char *block = calloc(1, ENVIRON_MAX + 1);
		AUTO_FCLOSE FILE *in = NULL;
		const char *value;
		char path[32];
		size_t size;

		snprintf(path, sizeof(path), "/proc/%d/environ", pid);
		in = fopen(path, "re");
		if (!in || !block)
			continue;
		size = fread(block, 1, ENVIRON_MAX, in);
		value = block_value(block, size, name);
		if (value)
			return strdup(value);
	}
	return NULL;
}

/* What the attach led to. */
static void print_attached(struct ctl *ctl, const char *ifname, const struct answer *change)
{
	static const char template[] = "/v1/interfaces/{}";
	AUTO_FREE char *path = path_fill(template, &ifname);
	struct answer answer AUTO_ANSWER = {0};
	uint64_t confirm_in = json_count_at(change->json, "confirm_in");

	if (ctl->json || ctl->dry_run) {
		print_change(ctl, change);
	} else if (path && !client_get(ctl, path, &answer)) {
		printf("%s: %s, %s mode, program %" PRIu64 " (%s)\n", ifname,
		       json_is_true(json_at(answer.json, "state.attached")) ? "attached" : "not attached yet",
		       json_text_at(answer.json, "state.mode"), json_count_at(answer.json, "state.program_id"),
		       json_text_at(answer.json, "state.program_tag"));
		print_warnings(json_object_get(change->json, "warnings"));
	}
	if (!confirm_in)
		return;
	fflush(stdout);
	fprintf(stderr,
		"warning: %s carries the default route or this SSH session: it detaches by itself in %" PRIu64 " s\n"
		"hint: if all is well, keep it with: xlbctl%s%s confirm\n",
		ifname, confirm_in, *ctl->instance ? " --instance " : "", ctl->instance);
}

int verb_attach(struct ctl *ctl)
{
	AUTO_FREE char *path = path_fill(ctl->command->path, ctl->words);
	AUTO_FREE char *ssh = ctl->no_confirm ? NULL : ssh_connection();
	AUTO_FREE char *body = NULL;
	struct answer answer AUTO_ANSWER = {0};
	struct request request = {
		.method = ctl->command->method,
		.path = path,
		.query = ctl->no_confirm ? "confirm=0" : NULL,
		.body_type = "application/json",
		.ssh = ssh,
	};
	json_t *fields = ctl->mode ? json_pack("{s:s}", "mode", ctl->mode) : json_object();
	int r;

	body = json_dumps(fields, JSON_COMPACT);
	json_decref(fields);
	if (!path || !body)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	request.body = body;
	request.body_size = strlen(body);
	r = client_change(ctl, &request, &answer);
	if (r && ctl->not_running) {
		r = daemon_start(ctl);
		if (!r)
			r = client_change(ctl, &request, &answer);
	}
	if (!r)
		print_attached(ctl, ctl->words[0], &answer);
	return r;
}

int verb_detach(struct ctl *ctl)
{
	AUTO_FREE char *path = path_fill(ctl->command->path, ctl->words);
	const struct request request = {.method = ctl->command->method, .path = path};
	struct answer answer AUTO_ANSWER = {0};
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
	printf("%s: detached; %" PRIu64 " flows ended\n", ctl->words[0], json_count_at(answer.json, "flows_affected"));
	print_warnings(json_object_get(answer.json, "warnings"));
	return 0;
}

int verb_confirm(struct ctl *ctl)
{
	const struct request request = {.method = ctl->command->method, .path = ctl->command->path};
	struct answer answer AUTO_ANSWER = {0};
	int r = client_call(ctl, &request, &answer);

	if (r)
		return r;
	if (ctl->json)
		print_body(stdout, &answer);
	else
		printf("confirmed: the attachment stays\n");
	return 0;
}
