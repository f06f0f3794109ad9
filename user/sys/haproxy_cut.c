// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connections that end because their server's time is over. */
#include <inttypes.h>
#include <string.h>

#include "sys/haproxy_private.h"

#define BATCH 100 /* connections ended by one line: HAProxy reads 16 KiB of it */

bool cut_is_wanted(const struct tls_wanted *wanted, uint32_t server)
{
	const struct tls_row *row = NULL;
	struct row_tls_server_key key;
	struct row_tls_server value;

	while ((row = wanted_next(wanted, TABLE_TLS_SERVER, row))) {
		memcpy(&key, row->row.key, sizeof(key));
		memcpy(&value, row->row.value, sizeof(value));
		if (key.server == server && value.cut)
			return true;
	}
	return false;
}

struct cutting {
	const struct haproxy *h;
	const struct tls_wanted *wanted;
	pid_t worker;
	char line[BATCH * 64]; /* of commands, separated by semicolons */
	size_t used;
	uint32_t count;
	int r;
};

/* Every command names the worker anew; the first one's name is put before the line. */
static void send_batch(struct cutting *cutting)
{
	AUTO_FREE char *answer = NULL;

	if (cutting->count && !cutting->r)
		cutting->r = cli_ask_worker(cutting->h, cutting->worker, cutting->line, &answer);
	cutting->used = 0;
	cutting->count = 0;
}

/* A line of "show sess": "0x55589c4e9ca0: proto=tcpv4 src=... fe=l1 be=l1-g1 srv=s1 ts=00 ..." */
static void read_session(void *arg, char *line)
{
	struct cutting *cutting = arg;
	const char *at = strstr(line, " srv=s");
	uint32_t server;
	uint64_t session;

	if (!at || sscanf(at, " srv=s%" SCNu32 " ", &server) != 1 ||
	    sscanf(line, "0x%" SCNx64 ":", &session) != 1 ||
	    !cut_is_wanted(cutting->wanted, server))
		return;
	if (cutting->count)
		cutting->used += (size_t)sprintf(cutting->line + cutting->used, ";@!%d ",
						 (int)cutting->worker);
	cutting->used += (size_t)sprintf(cutting->line + cutting->used,
					 "shutdown session 0x%" PRIx64, session);
	if (++cutting->count == BATCH)
		send_batch(cutting);
}

int cut_in_old_worker(const struct haproxy *h, pid_t worker, const struct tls_wanted *wanted)
{
	struct cutting cutting = { .h = h, .wanted = wanted, .worker = worker };
	AUTO_FREE char *text = NULL;
	int r = cli_ask_worker(h, worker, "show sess", &text);

	if (r)
		return r;
	cli_lines(text, read_session, &cutting);
	send_batch(&cutting);
	return cutting.r;
}
