/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the sink of HAProxy share. */
#ifndef XLB_SYS_HAPROXY_PRIVATE_H
#define XLB_SYS_HAPROXY_PRIVATE_H

#include <pthread.h>
#include <uthash.h>

#include "sys/datapath_sockets.h"
#include "sys/haproxy.h"

#define HAPROXY_PATH_MAX 128
#define CONFIG_HASH_MAX	 24

/* Where everything is; all made of the run directory. */
struct haproxy_paths {
	char instance[32];
	char run_dir[64];
	char secrets[96]; /* on a tmpfs, 0700: certificates with keys, maps; "": there is no tmpfs */
	char ports[HAPROXY_PATH_MAX]; /* a pin: the link of what brings ports to sockets of others */
	char config[HAPROXY_PATH_MAX], pid[HAPROXY_PATH_MAX];
	char master[HAPROXY_PATH_MAX], worker[HAPROXY_PATH_MAX], log[HAPROXY_PATH_MAX];
};

/* A row that is wanted, and its content, which never changes: who holds a reference may read it without the lock. */
struct tls_content {
	uint32_t references;
	size_t size;
	uint8_t data[];
};
struct tls_row {
	struct row row;
	struct tls_content *content; /* NULL: none */
	UT_hash_handle hh;	     /* by table and key of `row` */
};
#define TLS_ROW_KEY (offsetof(struct row, value))

/* All rows of one moment, in order of table and key; contents are held. */
struct tls_wanted {
	struct tls_row *rows;
	size_t count;
	uint64_t generation;
};
/* The first row of a table at or after `from`, NULL: none. Goes on with `from` = the one behind it. */
const struct tls_row *wanted_next(const struct tls_wanted *wanted, enum table_id table,
				  const struct tls_row *after);
const struct tls_row *wanted_find(const struct tls_wanted *wanted, enum table_id table,
				  const void *key);
static inline uint32_t row_number(const struct tls_row *row)
{
	struct row_id id;

	memcpy(&id, row->row.key, sizeof(id));
	return id.id;
}

/* A listener as the thread knows it. */
struct tls_known {
	uint32_t id;
	enum tls_state state;
	bool bound; /* HAProxy had all its sockets when it was last given a configuration */
	char trouble[300];
	struct tls_counters counters;
	struct tls_counters base; /* of workers before this one */
	struct tls_counters seen; /* of this one */
	UT_hash_handle hh;
};
struct tls_server_known {
	uint32_t id, connections, counting;
	uint32_t rounds; /* in a row in which it had none */
	UT_hash_handle hh;
};

/* A file in the secrets' directory: what is in it, and whether HAProxy, which has it in memory, has that too. */
struct tls_written {
	char name[sizeof(((struct row_tls_file_key *)NULL)->name)];
	uint64_t hash;
	bool loaded;
	UT_hash_handle hh;
};

struct haproxy {
	struct sink sink;
	struct haproxy_paths paths;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t settled;
	int wake, changed, log; /* eventfds; the socket that HAProxy logs to */
	bool unit;		/* a unit of the service manager starts it */

	/* under the lock */
	struct tls_row *rows;
	uint64_t generation, done; /* of rows; the last one that was brought about */
	struct tls_wanted next;	   /* as of the last commit; rows NULL: the thread has it */
	bool stop;
	struct tls_known *known;	  /* by id */
	struct tls_server_known *servers; /* by id */
	struct haproxy_state shown;	  /* `state` as of the last turn */

	/* the thread's own */
	struct haproxy_state state;
	struct tls_written *written;
	char hash[CONFIG_HASH_MAX]; /* of the configuration that runs, "": none, or not known */
	pid_t stopping;		    /* master that was told to end with its last connection */
	pid_t starting;		    /* master that was started last, 0: not known yet */
	pid_t worker;		    /* that `seen` of listeners is of */
	uint64_t not_before;	    /* ns: when what has failed is tried again */
	uint64_t try_again;	    /* ns: when listeners that failed are tried */
	int pidfd;		    /* of the master, -1 */
	struct datapath_sockets *sockets; /* NULL: no ports share one */
	struct tls_places *places;	  /* that `sockets` knows */
	uint64_t places_round;
};

/* haproxy_cli.c: one command; malloc'd answer without its end. 0 or -errno. */
int cli_ask_once(const char *socket, const char *command, char **ret);
/* The same, again if a worker that is being replaced has accepted, and is gone. */
int cli_ask(const char *socket, const char *command, char **ret);
/* The same of a worker, which may be an old one, by way of the master. */
int cli_ask_worker(const struct haproxy *h, pid_t worker, const char *command, char **ret);
/*
 * Calls back with each socket that the worker listens on, which is closed behind that: it answers as it does to a successor
 * that takes them over (the count as an int; messages with sockets in SCM_RIGHTS, each answered). 0 or -errno.
 */
int cli_sockets(const char *socket, void (*visit)(void *arg, int fd), void *arg);
/* Calls back with each line of a text, which it cuts up. */
void cli_lines(char *text, void (*line)(void *arg, char *text), void *arg);
/* Fields of a line, separated by `separator`, which it cuts up: how many, at most max. */
size_t cli_split(char *line, char separator, char **ret, size_t max);

/* haproxy_config.c: the whole text, and the hash of what of it takes a reload to change. malloc'd, NULL on lack of memory. */
char *config_text(const struct haproxy *h, const struct tls_wanted *wanted,
		  const struct haproxy_state *limits, char ret_hash[CONFIG_HASH_MAX]);
/* How many connections, from what is wanted and the machine. */
void config_limits(const struct tls_wanted *wanted, struct haproxy_state *ret);
/* Whether the listener is left out, for it cannot be served. */
bool config_leaves_out(const struct haproxy *h, uint32_t listener);

/* haproxy_files.c */
/* Finds a tmpfs. 0 or -errno. */
int files_open(struct haproxy *h, struct xlb_err *err);
/* Brings certificates and maps to what is wanted; *ret_changed: HAProxy, if it runs, does not know all of it. */
int files_write(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err);
/* Tells HAProxy, which runs. */
int files_push(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err);
/* It has read all files anew. */
void files_note_loaded(struct haproxy *h);
/* Removes those that are not wanted. */
void files_clean(struct haproxy *h, const struct tls_wanted *wanted);
/* Writes a file in one piece, for root alone. 0 or -errno. */
int file_write(const char *path, const void *data, size_t size);

/* haproxy_process.c; all 0 or -errno with err filled */
/* Whether the service manager runs here and has the unit. */
bool process_has_unit(void);
/* Looks whether it runs: fills hash, worker and the state. */
void process_look(struct haproxy *h);
int process_check(struct haproxy *h, const char *config, struct xlb_err *err);
int process_start(struct haproxy *h, const char *hash, struct xlb_err *err);
int process_reload(struct haproxy *h, const char *hash, struct xlb_err *err);
void process_stop(struct haproxy *h);
/* It does not run: ends what is left of it. */
void process_end_orphan(struct haproxy *h);
/* Whether `pid` is one of its processes. */
bool process_owns(struct haproxy *h, pid_t pid);

/* haproxy_bind.c: tries sockets of listeners that HAProxy does not hold; marks those that cannot be. */
void bind_try(struct haproxy *h, const struct tls_wanted *wanted);

/* haproxy_cut.c: whether connections to the server are to end: some group says so, or it is gone and its drain is over. */
bool cut_is_wanted(const struct tls_wanted *wanted, uint32_t server);
/*
 * Ends them in a worker that takes no new connections. It refuses to end those of a server, as its proxies are disabled:
 * they are ended one by one. 0 or -errno, as cli_ask_worker.
 */
int cut_in_old_worker(const struct haproxy *h, pid_t worker, const struct tls_wanted *wanted);

/*
 * haproxy_ports.c: HAProxy runs as is wanted: brings all ports of ranges to its sockets. 0 or -errno, and err says what then
 * does not take connections.
 */
int ports_follow(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err);
/* What is attached goes on. */
void ports_close(struct haproxy *h);

/* haproxy_stats.c: counts what HAProxy says, and brings servers' weights to what is wanted. */
int stats_read(struct haproxy *h, const struct tls_wanted *wanted);
/* A worker is about to be replaced: what it has counted is kept. */
void stats_keep(struct haproxy *h);
/* haproxy_log.c: failed handshakes by their reason */
int log_open(struct haproxy *h, struct xlb_err *err);
void log_read(struct haproxy *h);

struct tls_known *known_find(struct haproxy *h, uint32_t listener);

#endif
