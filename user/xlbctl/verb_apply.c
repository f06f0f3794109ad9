// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* check, diff, apply, export: whole configurations. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

#define YAML_TYPE "application/yaml"
#define CHUNK	  65536

static int read_failed(struct ctl *ctl, const char *name, int error)
{
	return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -error, "cannot read %s: %s", name,
			   strerror(error));
}

/* Reads a whole file ("-": standard input), at most TREE_MAX_BYTES. *ret is malloc'd. */
static int read_file(struct ctl *ctl, const char *path, char **ret, size_t *ret_size)
{
	bool is_stdin = !strcmp(path, "-");
	const char *name = is_stdin ? "standard input" : path;
	AUTO_FCLOSE FILE *opened = is_stdin ? NULL : fopen(path, "re");
	FILE *in = is_stdin ? stdin : opened;
	AUTO_FREE char *text = NULL;
	size_t size = 0, room = 0, n;

	if (!in)
		return read_failed(ctl, name, errno);
	do {
		if (size == room) {
			char *larger = realloc(text, room ? room * 2 : CHUNK);

			if (!larger)
				return read_failed(ctl, name, ENOMEM);
			text = larger;
			room = room ? room * 2 : CHUNK;
		}
		n = fread(text + size, 1, room - size, in);
		size += n;
		if (size > TREE_MAX_BYTES)
			return xlb_err_set(&ctl->err, XLB_ERR_CONFIG, -EFBIG,
					   "%s is larger than %u MiB, the limit of a configuration",
					   name, TREE_MAX_BYTES >> 20);
	} while (n);
	if (ferror(in))
		return read_failed(ctl, name, errno);
	*ret = TAKE(text);
	*ret_size = size;
	return 0;
}

/* Sends the file of words[0] to the command's path. */
static int send_file(struct ctl *ctl,
		     int (*call)(struct ctl *ctl, const struct request *request,
				 struct answer *ret),
		     struct answer *ret)
{
	AUTO_FREE char *text = NULL;
	struct request request = {
		.method = ctl->command->method,
		.path = ctl->command->path,
		.body_type = YAML_TYPE,
	};
	int r;

	r = read_file(ctl, ctl->words[0], &text, &request.body_size);
	if (r)
		return r;
	request.body = text;
	snprintf(ctl->origin, sizeof(ctl->origin), "%s",
		 strcmp(ctl->words[0], "-") ? ctl->words[0] : "<stdin>");
	r = call(ctl, &request, ret);
	if (r && ctl->err.class == XLB_ERR_CONFIG && ctl->err.line)
		ctl->footer = "1 error, nothing applied";
	return r;
}

int verb_check(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	int r = send_file(ctl, client_call, &answer);

	if (r)
		return r;
	if (ctl->json) {
		print_body(stdout, &answer);
		return 0;
	}
	print_warnings(json_object_get(answer.json, "warnings"));
	printf("%s: valid\n", ctl->origin);
	return 0;
}

int verb_diff(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	int r = send_file(ctl, client_call, &answer);

	if (r)
		return r;
	if (ctl->json) {
		print_body(stdout, &answer);
		return 0;
	}
	print_change_lines(json_object_get(answer.json, "changes"));
	printf("%" PRIu64 " to add, %" PRIu64 " to change, %" PRIu64 " to remove\n",
	       json_count_at(answer.json, "added"), json_count_at(answer.json, "changed"),
	       json_count_at(answer.json, "removed"));
	return 0;
}

int verb_reload(struct ctl *ctl)
{
	const struct request request = {
		.method = ctl->command->method,
		.path = ctl->command->path,
	};
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_change(ctl, &request, &answer);

	if (r)
		return r;
	if (ctl->json) {
		print_body(stdout, &answer);
		return 0;
	}
	printf("r%" PRIu64 ": files read anew%s\n", json_count_at(answer.json, "revision"),
	       ctl->dry_run ? "; nothing applied" : "");
	print_warnings(json_object_get(answer.json, "warnings"));
	return 0;
}

int verb_apply(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	int r = send_file(ctl, client_change, &answer);

	if (!r)
		print_change(ctl, &answer);
	return r;
}

int verb_export(struct ctl *ctl)
{
	const struct request request = { .method = ctl->command->method,
					 .path = ctl->command->path };
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_call(ctl, &request, &answer);

	if (!r)
		print_body(stdout, &answer);
	return r;
}
