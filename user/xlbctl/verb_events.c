// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What has happened, and what happens. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/lines.h"

#define FOLLOW_LAST 10
#define RETRY_US    500000

/* "09:41:02", with the date before it if that is not today; `-` for what is no time. */
static void put_time(FILE *out, const char *text)
{
	struct tm tm = { 0 }, today;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t then = timegm(&tm), now = time(NULL);
	char clock[32];

	localtime_r(&then, &tm);
	localtime_r(&now, &today);
	strftime(clock, sizeof(clock),
		 tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday ? "%H:%M:%S" :
									      "%Y-%m-%d %H:%M:%S",
		 &tm);
	fprintf(out, "%-8s ", rest ? clock : "-");
}

static void print_event(const struct ctl *ctl, const json_t *event)
{
	const char *text = json_text_at(event, "text");

	if (ctl->json) {
		json_dumpf(event, stdout, JSON_COMPACT);
	} else {
		put_time(stdout, json_text_at(event, "time"));
		printf("%-9s ", json_text_at(event, "kind"));
		put_text(stdout, text, strlen(text));
	}
	putchar('\n');
}

/* The query: `last` events (0: not limited) of the kinds wanted; malloc'd, "" for no query, NULL on lack of memory. */
static char *events_query(const struct ctl *ctl, uint64_t last)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (last)
		fprintf(out, "last=%" PRIu64, last);
	if (ctl->kinds) {
		fprintf(out, "%skind=", last ? "&" : "");
		put_encoded(out, ctl->kinds);
	}
	if (ctl->follow)
		fprintf(out, "%sfollow=1", last || ctl->kinds ? "&" : "");
	return fclose(out) ? NULL : text;
}

static int list_events(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	AUTO_FREE char *query = events_query(ctl, ctl->last);
	struct request request;
	const json_t *event;
	size_t i;
	int r = client_request(ctl, query, 0, &request);

	if (!r)
		r = client_call(ctl, &request, &answer);
	if (r)
		return r;
	json_array_foreach(json_object_get(answer.json, "events"), i, event)
		print_event(ctl, event);
	return 0;
}

/* A stream of server-sent events while it is read. */
struct follower {
	struct ctl *ctl;
	struct lines lines;
	char last_id[80]; /* of the last event printed, "" before it */
	bool connected;	  /* something came */
	bool unread;	  /* nobody reads what is printed */
};

/* Of the lines of an event only "data:" matters: all the others are in it too. */
static bool take_line(void *arg, const char *line, size_t length)
{
	static const char data[] = "data: ";
	const size_t prefix = sizeof(data) - 1;
	struct follower *follower = arg;
	json_t *event;

	if (length < prefix || memcmp(line, data, prefix))
		return true;
	event = json_loadb(line + prefix, length - prefix, 0, NULL);
	if (json_is_object(event)) {
		print_event(follower->ctl, event);
		if (*json_text_at(event, "id"))
			snprintf(follower->last_id, sizeof(follower->last_id), "%s",
				 json_text_at(event, "id"));
	}
	json_decref(event);
	return true;
}

static bool take_piece(void *arg, const char *piece, size_t size)
{
	struct follower *follower = arg;
	bool taken;

	follower->connected = true;
	taken = lines_take(&follower->lines, piece, size);
	follower->unread = fflush(stdout) != 0;
	return taken && !follower->unread;
}

/*
 * Goes on where it was when the stream breaks off. Whatever a restarted xlbd has is new, and so is everything
 * if nothing came before.
 */
static int follow_events(struct ctl *ctl)
{
	struct follower follower = { .ctl = ctl, .lines = { take_line, &follower, NULL, 0 } };
	uint64_t last = ctl->last ? ctl->last : FOLLOW_LAST;

	for (;; last = 0) {
		AUTO_FREE char *query = events_query(ctl, last);
		struct request request;
		int r = client_request(ctl, query, 0, &request);

		if (r)
			return r;
		if (*follower.last_id)
			request.last_event_id = follower.last_id;
		r = client_stream(ctl, &request, take_piece, &follower);
		/* half a line of a stream that broke off */
		lines_done(&follower.lines);
		if (follower.unread)
			return 0;
		if (r == -EREMOTEIO || (last && !follower.connected))
			return r;
		if (follower.connected)
			fprintf(stderr, "xlbctl: xlbd has closed the stream, connecting again\n");
		follower.connected = false;
		usleep(RETRY_US);
	}
}

int verb_events(struct ctl *ctl)
{
	return ctl->follow ? follow_events(ctl) : list_events(ctl);
}
