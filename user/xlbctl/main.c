// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <curl/curl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "xlbctl/client.h"
#include "xlbctl/errors.h"

/* "xlbctl server set web web1 --weight 10": who made a revision, as `status` shows it. */
static void note_origin(struct ctl *ctl, int argc, char **argv)
{
	size_t used = (size_t)snprintf(ctl->origin, sizeof(ctl->origin), "xlbctl");

	for (int i = 1; i < argc && used < sizeof(ctl->origin); i++)
		used += (size_t)snprintf(ctl->origin + used, sizeof(ctl->origin) - used, " %s",
					 argv[i]);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	int r = args_parse(ctl, argc, argv);

	if (r)
		return r;
	if (ctl->help && !ctl->implied) {
		command_help(stdout, ctl->command);
		return 0;
	}
	if (ctl->help)
		return verb_help(ctl);
	note_origin(ctl, argc, argv);
	r = client_init(ctl);
	return r ? r : ctl->command->run(ctl);
}

int main(int argc, char **argv)
{
	static struct ctl ctl;
	int r;

	setlocale(LC_CTYPE, ""); /* widths of names in tables */
	curl_global_init(CURL_GLOBAL_NOTHING);
	r = run(&ctl, argc, argv);
	fflush(stdout);
	if (r)
		error_print(&ctl, stderr);
	curl_global_cleanup();
	return r ? xlb_err_exit(ctl.err.class) : 0;
}
