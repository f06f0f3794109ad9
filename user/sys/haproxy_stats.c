// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What HAProxy counts ("show stat" and the tables of versions), and what it thinks of servers, which is brought to what is
 * wanted: whoever changed it, and whenever.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "sys/haproxy_private.h"

#define COLUMNS_MAX 160
#define ROUNDS_KEPT 10 /* that a server without connections is told of: who asks may come late */

/* Columns of "show stat" by their names, which stay over versions; where they are does not. */
enum column {
	COLUMN_PROXY,
	COLUMN_SERVICE,
	COLUMN_OPEN,
	COLUMN_TOTAL,
	COLUMN_STATUS,
	COLUMN_WEIGHT,
	COLUMN_ERRORS,
	COLUMN_HANDSHAKES,
	COLUMN_RESUMED,
	COLUMN_FAILED,
	COLUMN_COUNT
};
static const char *const column_names[COLUMN_COUNT] = {
	[COLUMN_PROXY] = "# pxname",
	[COLUMN_SERVICE] = "svname",
	[COLUMN_OPEN] = "scur",
	[COLUMN_TOTAL] = "stot",
	[COLUMN_STATUS] = "status",
	[COLUMN_WEIGHT] = "weight",
	[COLUMN_ERRORS] = "econ",
	[COLUMN_HANDSHAKES] = "ssl_sess",
	[COLUMN_RESUMED] = "ssl_reused_sess",
	[COLUMN_FAILED] = "ssl_failed_handshake",
};

/* One reading of all workers. */
struct reading {
	struct haproxy *h;
	const struct tls_wanted *wanted;
	size_t columns[COLUMN_COUNT]; /* where they are; COLUMNS_MAX: nowhere */
	bool has_head;
	bool current;	/* of the worker that takes connections */
	FILE *commands; /* that bring servers to what is wanted */
	bool any;	/* there are some */
	FILE *cuts;
	bool any_cut;
};

static void read_head(struct reading *reading, char *line)
{
	char *names[COLUMNS_MAX];
	size_t n = cli_split(line, ',', names, COLUMNS_MAX);

	reading->has_head = true;
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		reading->columns[i] = COLUMNS_MAX;
		for (size_t j = 0; j < n; j++)
			if (!strcmp(names[j], column_names[i]))
				reading->columns[i] = j;
	}
}

static uint64_t number_of(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

/* --- listeners ---------------------------------------------------------------------------------- */

static void read_frontend(struct reading *reading, uint32_t listener, char *const *values)
{
	struct tls_known *known = known_find(reading->h, listener);

	if (!known)
		return;
	known->counters.open += number_of(values[COLUMN_OPEN]);
	if (!reading->current)
		return;
	known->seen.resumed = number_of(values[COLUMN_RESUMED]);
	/* which HAProxy does not count as sessions */
	known->seen.handshakes = number_of(values[COLUMN_HANDSHAKES]) + known->seen.resumed;
	known->seen.failed = number_of(values[COLUMN_FAILED]);
}

/* --- servers ------------------------------------------------------------------------------------ */

static struct tls_server_known *server_find(struct haproxy *h, uint32_t id)
{
	struct tls_server_known *server;

	HASH_FIND(hh, h->servers, &id, sizeof(id), server);
	if (server)
		return server;
	server = calloc(1, sizeof(*server));
	if (!server)
		return NULL;
	server->id = id;
	HASH_ADD(hh, h->servers, id, sizeof(server->id), server);
	return server;
}

static void adjust(struct reading *reading, const char *proxy, uint32_t group, uint32_t server,
		   char *const *values)
{
	struct row_tls_server_key key = { group, server };
	const struct tls_row *row = wanted_find(reading->wanted, TABLE_TLS_SERVER, &key);
	bool rests = values[COLUMN_STATUS] && strstr(values[COLUMN_STATUS], "MAINT");
	struct row_tls_server value;

	if (!row)
		return;
	memcpy(&value, row->row.value, sizeof(value));
	if (!value.weight == rests && (rests || number_of(values[COLUMN_WEIGHT]) == value.weight))
		return;
	reading->any = true;
	if (value.weight)
		fprintf(reading->commands, "set server %s/s%" PRIu32 " weight %" PRIu32 ";", proxy,
			server, value.weight);
	if (!value.weight != rests)
		fprintf(reading->commands, "set server %s/s%" PRIu32 " state %s;", proxy, server,
			value.weight ? "ready" : "maint");
}

static void read_server(struct reading *reading, const char *proxy, uint32_t listener,
			uint32_t group, uint32_t id, char *const *values)
{
	struct tls_server_known *server = server_find(reading->h, id);
	struct tls_known *known = known_find(reading->h, listener);
	uint64_t open = number_of(values[COLUMN_OPEN]);

	if (server)
		server->counting += (uint32_t)open;
	if (known && reading->current)
		known->seen.server_errors += number_of(values[COLUMN_ERRORS]);
	if (open && cut_is_wanted(reading->wanted, id)) {
		fprintf(reading->cuts, "shutdown sessions server %s/s%" PRIu32 ";", proxy, id);
		reading->any_cut = true;
	}
	if (reading->current)
		adjust(reading, proxy, group, id, values);
}

static void read_line(void *arg, char *line)
{
	struct reading *reading = arg;
	char *fields[COLUMNS_MAX], *values[COLUMN_COUNT];
	uint32_t listener, group, server;
	size_t n;

	if (*line == '#') {
		read_head(reading, line);
		return;
	}
	n = cli_split(line, ',', fields, COLUMNS_MAX);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		values[i] = reading->columns[i] < n ? fields[reading->columns[i]] : NULL;
	if (!reading->has_head || !values[COLUMN_PROXY] || !values[COLUMN_SERVICE] ||
	    sscanf(values[COLUMN_PROXY], "l%" SCNu32, &listener) != 1)
		return;
	if (!strcmp(values[COLUMN_SERVICE], "FRONTEND"))
		read_frontend(reading, listener, values);
	else if (sscanf(values[COLUMN_PROXY], "l%*u-g%" SCNu32, &group) == 1 &&
		 sscanf(values[COLUMN_SERVICE], "s%" SCNu32, &server) == 1)
		read_server(reading, values[COLUMN_PROXY], listener, group, server, values);
}

/* --- workers ------------------------------------------------------------------------------------ */

static int read_worker(struct reading *reading, pid_t worker)
{
	struct haproxy *h = reading->h;
	AUTO_FREE char *commands = NULL, *cuts = NULL, *text = NULL, *answer = NULL, *other = NULL;
	size_t size, cut_size;
	int r = reading->current ? cli_ask(h->paths.worker, "show stat", &text) :
				   cli_ask_worker(h, worker, "show stat", &text);

	if (r)
		return r;
	reading->any = reading->any_cut = false;
	reading->commands = open_memstream(&commands, &size);
	reading->cuts = open_memstream(&cuts, &cut_size);
	if (reading->commands && reading->cuts)
		cli_lines(text, read_line, reading);
	else
		r = -ENOMEM;
	if ((reading->commands && fclose(reading->commands)) ||
	    (reading->cuts && fclose(reading->cuts)))
		r = -ENOMEM;
	if (!r && reading->any)
		r = cli_ask(h->paths.worker, commands, &answer);
	if (!r && reading->any_cut)
		r = reading->current ? cli_ask(h->paths.worker, cuts, &other) :
				       cut_in_old_worker(h, worker, reading->wanted);
	return r;
}

struct old_workers {
	struct reading *reading;
	bool are_old;
};

/* A line of "show proc". */
static void read_old(void *arg, char *line)
{
	struct old_workers *workers = arg;
	int pid;

	if (*line == '#')
		workers->are_old = strstr(line, "old workers") != NULL;
	else if (workers->are_old && sscanf(line, "%d worker", &pid) == 1)
		read_worker(workers->reading, pid);
}

/* A line of "show table": "...: key=TLSv1.3 use=0 exp=0 conn_cnt=10" */
static void read_version(void *arg, char *line)
{
	struct tls_known *known = arg;
	uint64_t count;
	unsigned int minor;

	if (sscanf(line, "%*s key=TLSv1.%u use=%*u exp=%*u conn_cnt=%" SCNu64, &minor, &count) ==
		    2 &&
	    minor < TLS_VERSION_COUNT)
		known->seen.versions[minor] = count;
	/* of the oldest the name has no number */
	else if (sscanf(line, "%*s key=TLSv1 use=%*u exp=%*u conn_cnt=%" SCNu64, &count) == 1)
		known->seen.versions[0] = count;
}

static void read_versions(struct haproxy *h)
{
	struct tls_known *known, *next;

	HASH_ITER(hh, h->known, known, next) {
		AUTO_FREE char *text = NULL;
		char command[40];

		snprintf(command, sizeof(command), "show table l%" PRIu32, known->id);
		if (known->state == TLS_SERVES && !cli_ask(h->paths.worker, command, &text))
			cli_lines(text, read_version, known);
	}
}

static void add(struct tls_counters *to, const struct tls_counters *more)
{
	to->handshakes += more->handshakes;
	to->resumed += more->resumed;
	to->failed += more->failed;
	to->server_errors += more->server_errors;
	for (size_t i = 0; i < TLS_VERSION_COUNT; i++)
		to->versions[i] += more->versions[i];
}

void stats_keep(struct haproxy *h)
{
	struct tls_known *known, *next;

	HASH_ITER(hh, h->known, known, next) {
		add(&known->base, &known->seen);
		known->seen = (struct tls_counters){};
	}
}

static void begin(struct haproxy *h)
{
	struct tls_server_known *server, *next_server;
	struct tls_known *known, *next;

	HASH_ITER(hh, h->known, known, next) {
		known->counters.open = 0;
		known->seen.server_errors = 0;
	}
	HASH_ITER(hh, h->servers, server, next_server)
		server->counting = 0;
}

/* What was read is what is known, under the lock. */
static void publish(struct haproxy *h)
{
	struct tls_server_known *server, *next_server;
	struct tls_known *known, *next;

	pthread_mutex_lock(&h->lock);
	HASH_ITER(hh, h->known, known, next) {
		struct tls_counters *counters = &known->counters, sum = known->base;

		add(&sum, &known->seen);
		counters->handshakes = sum.handshakes;
		counters->resumed = sum.resumed;
		counters->failed = sum.failed;
		counters->server_errors = sum.server_errors;
		memcpy(counters->versions, sum.versions, sizeof(sum.versions));
	}
	HASH_ITER(hh, h->servers, server, next_server) {
		server->connections = server->counting;
		server->rounds = server->connections ? 0 : server->rounds + 1;
		if (server->rounds < ROUNDS_KEPT)
			continue;
		HASH_DEL(h->servers, server);
		free(server);
	}
	pthread_mutex_unlock(&h->lock);
}

int stats_read(struct haproxy *h, const struct tls_wanted *wanted)
{
	struct reading reading = { .h = h, .wanted = wanted, .current = true };
	struct old_workers workers = { .reading = &reading };
	AUTO_FREE char *processes = NULL;
	int r;

	begin(h);
	r = read_worker(&reading, 0);
	reading.current = false;
	if (!r)
		r = cli_ask(h->paths.master, "show proc", &processes);
	if (!r)
		cli_lines(processes, read_old, &workers);
	read_versions(h);
	publish(h);
	return r;
}
