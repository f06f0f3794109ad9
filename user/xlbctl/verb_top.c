// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "xlbctl/print.h"
#include "xlbctl/screen.h"
#include "xlbctl/top.h"

#define MEASURE_US 1000000

/* NULL with ctl->err filled if there is no such view. */
static const struct top_view *find_view(struct ctl *ctl)
{
	const char *word = ctl->word_count ? ctl->words[0] : top_views[0].word;

	for (size_t i = 0; i < top_view_count; i++) {
		if (*word && !strncmp(top_views[i].word, word, strlen(word)))
			return &top_views[i];
	}
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
		    "no view \"%s\": listeners, servers, drops, interfaces", word);
	return NULL;
}

/* --sort COLUMN or -COLUMN */
static int set_sort(struct ctl *ctl, struct top *top)
{
	const char *word = ctl->sort;
	char list[200] = "";

	if (!word)
		return 0;
	top->ascending = *word == '-';
	word += *word == '-';
	for (size_t i = 0; i < top->view->count; i++) {
		const char *head = top->view->columns[i].head;
		size_t used = strlen(list);

		if (!strcasecmp(head, word)) {
			top->sort = i;
			return 0;
		}
		snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", head);
	}
	return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "no column \"%s\" in %s: %s", word,
			   top->view->word, list);
}

/* Two looks a second apart, one picture. */
static int print_once(struct ctl *ctl, struct top *top)
{
	uint32_t width, height;
	int r = top_fetch(ctl, top);

	if (r)
		return r;
	if (ctl->json) {
		print_body(stdout, &top->now);
		return 0;
	}
	usleep(MEASURE_US);
	r = top_fetch(ctl, top);
	if (r)
		return r;
	screen_size(&width, &height);
	top_print(stdout, top, width);
	return 0;
}

int verb_top(struct ctl *ctl)
{
	struct top top AUTO_TOP = { 0 };
	const struct top_view *view = find_view(ctl);
	int r;

	if (!view)
		return -EINVAL;
	top_show(&top, view);
	r = set_sort(ctl, &top);
	if (r)
		return r;
	if (ctl->filter)
		snprintf(top.filter, sizeof(top.filter), "%s", ctl->filter);
	if (ctl->once || ctl->json)
		return print_once(ctl, &top);
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return top_screen(ctl, &top);
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -ENOTTY, "top needs a terminal");
	xlb_err_hint(&ctl->err, "xlbctl top %s --once prints one picture", view->word);
	return -ENOTTY;
}
