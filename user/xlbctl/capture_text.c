// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One line of text for a packet of `xlbctl capture`. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "xlbctl/capture.h"
#include "xlbctl/format.h"

/* "20:00:00.123456", local time of "2026-11-28T20:00:00.123456789Z" */
static void put_clock(FILE *out, const char *time)
{
	struct tm parts = {};
	const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &parts);
	time_t seconds;

	if (!rest)
		return;
	seconds = timegm(&parts);
	localtime_r(&seconds, &parts);
	fprintf(out, "%02d:%02d:%02d%.7s", parts.tm_hour, parts.tm_min, parts.tm_sec, rest);
}

/* " 192.0.2.1:80", " [2001:db8::1]:80", nothing if it is null */
static void put_end(FILE *out, const json_t *packet, const char *key, const char *before)
{
	const char *address = json_text_at(packet, key);
	char port_key[32];
	uint64_t port;

	if (!*address)
		return;
	snprintf(port_key, sizeof(port_key), "%s_port", key);
	port = json_count_at(packet, port_key);
	if (!port)
		fprintf(out, "%s%s", before, address);
	else
		fprintf(out, strchr(address, ':') ? "%s[%s]:%" PRIu64 : "%s%s:%" PRIu64, before,
			address, port);
}

static void put_word(FILE *out, const char *before, const char *word)
{
	if (*word)
		fprintf(out, "%s%s", before, word);
}

/* "20:00:00.123456 back 2 frames lost: redirect_failed: Network is down" */
static void put_lost(FILE *out, const json_t *packet)
{
	fprintf(out, " %" PRIu64 " frames lost", json_count_at(packet, "frames"));
	put_word(out, " towards ", json_text_at(packet, "egress"));
	put_word(out, ": ", json_text_at(packet, "reason"));
	put_word(out, ": ", json_text_at(packet, "error"));
}

static void put_packet(FILE *out, const json_t *packet)
{
	put_end(out, packet, "source", " ");
	put_end(out, packet, "destination", " > ");
	put_word(out, " ", json_text_at(packet, "protocol"));
	put_word(out, " ", json_text_at(packet, "tcp_flags"));
	fprintf(out, " %" PRIu64, json_count_at(packet, "length"));
	put_word(out, " -> ", json_text_at(packet, "verdict"));
	put_word(out, " ", json_text_at(packet, "reason"));
	put_word(out, " ", json_text_at(packet, "server"));
	if (!*json_text_at(packet, "new_source"))
		return;
	put_end(out, packet, "new_source", " (as ");
	put_end(out, packet, "new_destination", " > ");
	put_word(out, " by ", json_text_at(packet, "egress"));
	fputc(')', out);
}

void capture_put_line(FILE *out, const json_t *packet)
{
	const char *stage = json_text_at(packet, "stage");

	put_clock(out, json_text_at(packet, "time"));
	put_word(out, " ",
		 json_text_at(packet, *json_text_at(packet, "link") ? "link" : "interface"));
	if (!strcmp(stage, "lost")) {
		put_lost(out, packet);
	} else {
		put_word(out, " ", strcmp(stage, "after") ? "" : "after");
		put_packet(out, packet);
	}
	fputc('\n', out);
}
