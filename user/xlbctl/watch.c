// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drawing again and again. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/screen.h"

#define DEFAULT_WIDTH  80
#define DEFAULT_HEIGHT 24

/* Overwriting does not flicker, as clearing would. */
#define GO_HOME	     "\033[H"
#define CLEAR_SCREEN "\033[H\033[2J"
#define CLEAR_LINE   "\033[K"
#define CLEAR_REST   "\033[J"
#define WRAP_OFF     "\033[?7l"
#define WRAP_ON	     "\033[?7h"

void screen_size(uint32_t *ret_width, uint32_t *ret_height)
{
	struct winsize size = { 0 };

	*ret_width = *ret_height = 0;
	if (!isatty(STDOUT_FILENO))
		return;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_width = size.ws_col ? size.ws_col : DEFAULT_WIDTH;
	*ret_height = size.ws_row ? size.ws_row : DEFAULT_HEIGHT;
}

uint32_t line_count(const char *text)
{
	uint32_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* As much of the picture as the terminal has lines, in place of the one before. */
static void put_picture(const char *note, const char *picture, bool first)
{
	uint32_t width, height, total = line_count(picture) + (*note ? 1 : 0), shown = 0;

	screen_size(&width, &height);
	if (first)
		fputs(CLEAR_SCREEN, stdout);
	fputs(GO_HOME WRAP_OFF, stdout);
	if (*note) {
		printf("%s" CLEAR_LINE "\n", note);
		shown++;
	}
	for (; *picture && shown + 1 < height; shown++) {
		size_t length = strcspn(picture, "\n");

		/* the last line of the screen has no newline behind it: that would scroll */
		if (shown + 2 == height && total > height - 1)
			printf("... %u more lines", total - shown);
		else
			fwrite(picture, 1, length, stdout);
		fputs(CLEAR_LINE "\n", stdout);
		picture += length + (picture[length] == '\n');
	}
	fputs(CLEAR_REST WRAP_ON, stdout);
}

/* One picture as malloc'd text. */
static int take_picture(struct ctl *ctl, int (*draw)(struct ctl *ctl, FILE *out), char **ret)
{
	AUTO_FREE char *picture = NULL;
	size_t size;
	FILE *out = open_memstream(&picture, &size);
	int r;

	if (!out)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = draw(ctl, out);
	if (fclose(out) && !r)
		r = xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (!r)
		*ret = TAKE(picture);
	return r;
}

int watch_run(struct ctl *ctl, int (*draw)(struct ctl *ctl, FILE *out))
{
	bool terminal = isatty(STDOUT_FILENO) && ctl->watch_ms, away = false;
	AUTO_FREE char *shown = NULL;

	for (bool first = true;; first = false) {
		char *picture = NULL;
		int r = take_picture(ctl, draw, &picture);
		char note[sizeof(ctl->err.text) + 16] = "";

		if (r && (first || (ctl->err.class != XLB_ERR_UNREACHABLE &&
				    ctl->err.class != XLB_ERR_TIMEOUT)))
			return r;
		if (r)
			snprintf(note, sizeof(note), "%s; retrying", ctl->err.text);
		if (!r) {
			free(shown);
			shown = picture;
		}
		if (terminal)
			put_picture(note, shown, first);
		else if (!r)
			printf("%s%s", first ? "" : "\n", shown);
		else if (!away)
			fprintf(stderr, "xlbctl: %s\n", note);
		away = r;
		/* a reader that went away ends the loop */
		if (fflush(stdout) || !ctl->watch_ms)
			return 0;
		usleep((useconds_t)ctl->watch_ms * 1000);
	}
}
