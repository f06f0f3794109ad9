// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `top` on a terminal. */
#include <errno.h>
#include <ncurses.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "xlbctl/screen.h"
#include "xlbctl/top.h"

#define FIRST_MS   1000 /* until there are rates */
#define DEFAULT_MS 2000

enum mode { MODE_ROWS, MODE_HELP, MODE_FILTER };

struct screen {
	struct ctl *ctl;
	struct top *top;
	enum mode mode;
	size_t first; /* row at the top */
	bool quit;
	uint64_t due; /* monotonic ms of the next fetch */
};

/* --- keys: a row each ------------------------------------------------------------------------------ */

static void key_quit(struct screen *screen, int key)
{
	(void)key;
	screen->quit = true;
}

static void show_view(struct screen *screen, size_t view)
{
	top_show(screen->top, &top_views[view]);
	screen->first = 0;
	screen->due = 0;
}

static void key_view(struct screen *screen, int key)
{
	if ((size_t)(key - '1') < top_view_count)
		show_view(screen, (size_t)(key - '1'));
}

static void key_next_view(struct screen *screen, int key)
{
	size_t step = key == KEY_BTAB ? top_view_count - 1 : 1;

	show_view(screen, ((size_t)(screen->top->view - top_views) + step) % top_view_count);
}

static void key_sort(struct screen *screen, int key)
{
	size_t count = screen->top->view->count, step = key == '<' ? count - 1 : 1;

	screen->top->sort = (screen->top->sort + step) % count;
	top_arrange(screen->top);
}

static void key_reverse(struct screen *screen, int key)
{
	(void)key;
	screen->top->ascending = !screen->top->ascending;
	top_arrange(screen->top);
}

static void key_filter(struct screen *screen, int key)
{
	(void)key;
	screen->mode = MODE_FILTER;
}

static void key_pause(struct screen *screen, int key)
{
	(void)key;
	screen->top->paused = !screen->top->paused;
}

static void key_help(struct screen *screen, int key)
{
	(void)key;
	screen->mode = MODE_HELP;
}

static void key_scroll(struct screen *screen, int key)
{
	size_t page = LINES > TOP_HEAD_LINES + 2 ? (size_t)LINES - TOP_HEAD_LINES - 1 : 1;
	size_t step = key == KEY_UP || key == KEY_DOWN ? 1 : page;

	if (key == KEY_HOME)
		screen->first = 0;
	else if (key == KEY_DOWN || key == KEY_NPAGE)
		screen->first += step;
	else
		screen->first = screen->first > step ? screen->first - step : 0;
}

static const struct {
	int first, last; /* range of key codes */
	void (*press)(struct screen *screen, int key);
	const char *help; /* NULL: said by another row */
} keys[] = {
	{ 'q', 'q', key_quit, "q          quit" },
	{ '1', '9', key_view, "1 2 3 4    listeners, servers, drops, interfaces" },
	{ '\t', '\t', key_next_view, "Tab        the next view" },
	{ KEY_BTAB, KEY_BTAB, key_next_view, NULL },
	{ '>', '>', key_sort, "> <        order by the next, the previous column" },
	{ '<', '<', key_sort, NULL },
	{ 'r', 'r', key_reverse, "r          reverse the order" },
	{ '/', '/', key_filter, "/          show only names with a text in them; empty: all" },
	{ ' ', ' ', key_pause, "space      pause, go on" },
	{ KEY_UP, KEY_UP, key_scroll, "arrows     scroll; PgUp, PgDn, Home as well" },
	{ KEY_DOWN, KEY_DOWN, key_scroll, NULL },
	{ KEY_NPAGE, KEY_NPAGE, key_scroll, NULL },
	{ KEY_PPAGE, KEY_PPAGE, key_scroll, NULL },
	{ KEY_HOME, KEY_HOME, key_scroll, NULL },
	{ '?', '?', key_help, "?          this help; any key leaves it" },
	{ 'h', 'h', key_help, NULL },
};

/* A key while the filter is typed. */
static void type_filter(struct screen *screen, int key)
{
	char *filter = screen->top->filter;
	size_t length = strlen(filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER)
		screen->mode = MODE_ROWS;
	else if ((key == KEY_BACKSPACE || key == 0x7f || key == '\b') && length)
		filter[length - 1] = '\0';
	else if (key > ' ' && key < 0x7f && length + 1 < TOP_FILTER_MAX)
		filter[length] = (char)key, filter[length + 1] = '\0';
	screen->first = 0;
	top_arrange(screen->top);
}

static void press(struct screen *screen, int key)
{
	if (screen->mode == MODE_FILTER) {
		type_filter(screen, key);
		return;
	}
	if (screen->mode == MODE_HELP) {
		screen->mode = MODE_ROWS;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (key >= keys[i].first && key <= keys[i].last)
			keys[i].press(screen, key);
}

/* --- drawing ---------------------------------------------------------------------------------------- */

static void draw_help(void)
{
	int line = 1;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].help)
			mvaddnstr(line++, 2, keys[i].help, COLS - 2);
	line++;
	mvaddnstr(line++, 2, "Rates are per second; -IN is from clients, -OUT is to clients.",
		  COLS - 2);
	mvaddnstr(line, 2,
		  "BACK: out by the same interface. TO-HOST: not xlb's, given to the host.",
		  COLS - 2);
}

static void draw_last_line(const struct screen *screen)
{
	attron(A_REVERSE);
	if (screen->mode == MODE_FILTER)
		mvprintw(LINES - 1, 0, "filter: %s", screen->top->filter);
	else if (*screen->top->note)
		mvaddnstr(LINES - 1, 0, screen->top->note, COLS - 1);
	else
		mvaddnstr(LINES - 1, 0,
			  "Tab view  <> sort  r reverse  / filter  space pause  ? help  q quit",
			  COLS - 1);
	attroff(A_REVERSE);
}

static void draw_line(int y, const char *line, attr_t attributes)
{
	attron(attributes);
	mvaddnstr(y, 0, line, (int)strcspn(line, "\n"));
	attroff(attributes);
}

static void draw_rows(struct screen *screen, const char *text)
{
	size_t room = LINES > TOP_HEAD_LINES + 1 ? (size_t)LINES - TOP_HEAD_LINES - 1 : 0;
	const struct top *top = screen->top;
	int y = 0;

	for (; *text && y < TOP_HEAD_LINES; y++, text += strcspn(text, "\n") + 1)
		draw_line(y, text, y == TOP_HEAD_LINES - 1 ? A_BOLD | A_UNDERLINE : A_NORMAL);
	if (screen->first + room > top->count)
		screen->first = top->count > room ? top->count - room : 0;
	for (size_t i = 0; i < top->count && y < LINES - 1; i++) {
		if (i >= screen->first)
			draw_line(y++, text, top->rows[i].faulty ? COLOR_PAIR(1) : A_NORMAL);
		text += strcspn(text, "\n") + 1;
	}
	if (!top->count)
		mvprintw(y, 0, *top->filter ? "nothing has \"%s\" in its name" : "nothing here",
			 top->filter);
}

static void draw(struct screen *screen)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	erase();
	if (out) {
		top_print(out, screen->top, (uint32_t)COLS);
		if (fclose(out))
			return;
		if (screen->mode == MODE_HELP)
			draw_help();
		else
			draw_rows(screen, text);
	}
	draw_last_line(screen);
	refresh();
}

/* --- the loop --------------------------------------------------------------------------------------- */

/* A daemon that is not there is waited for; other errors end the show. */
static int look(struct screen *screen)
{
	struct ctl *ctl = screen->ctl;
	struct top *top = screen->top;
	uint64_t interval = ctl->watch_ms ? ctl->watch_ms : DEFAULT_MS;
	int r = top_fetch(ctl, top);

	if (r && ctl->err.class != XLB_ERR_UNREACHABLE && ctl->err.class != XLB_ERR_TIMEOUT)
		return r;
	if (r)
		snprintf(top->note, sizeof(top->note), "xlbd is not reachable, retrying: %.200s",
			 ctl->err.text);
	if (!top_is_measured(top) && interval > FIRST_MS)
		interval = FIRST_MS;
	screen->due = clock_ms(CLOCK_MONOTONIC) + interval;
	return 0;
}

static int loop(struct screen *screen)
{
	while (!screen->quit) {
		uint64_t now = clock_ms(CLOCK_MONOTONIC);
		int key, r = 0;

		if (now >= screen->due && !(screen->top->paused && screen->top->now.json))
			r = look(screen);
		if (r)
			return r;
		draw(screen);
		now = clock_ms(CLOCK_MONOTONIC);
		timeout(screen->top->paused ? FIRST_MS :
			now < screen->due   ? (int)(screen->due - now) :
					      0);
		key = getch();
		if (key != ERR && key != KEY_RESIZE)
			press(screen, key);
	}
	return 0;
}

int top_screen(struct ctl *ctl, struct top *top)
{
	struct screen screen = { .ctl = ctl, .top = top };
	const char *term = getenv("TERM");
	SCREEN *terminal;
	int r;

	/* what is wrong with the daemon from the start is told plainly */
	r = look(&screen);
	if (r || *top->note)
		return r ? r : -ENOENT;
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -ENOTTY,
				   "the terminal type \"%s\" is not known: set TERM, or use --once",
				   term ? term : "");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
	}
	r = loop(&screen);
	endwin();
	delscreen(terminal);
	return r;
}
