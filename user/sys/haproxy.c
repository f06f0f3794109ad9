// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sink, and the thread that brings HAProxy to what its rows say. */
#include "sys/haproxy.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/haproxy_private.h"

#define TURN_MS	 1000 /* between looks when nothing is new */
#define SETTLE_S 10   /* that a change may take until it is in effect */
#define RETRY_NS 5000000000ULL

/* --- rows --------------------------------------------------------------------------------------- */

static void content_drop(struct tls_content *content)
{
	if (!content || --content->references)
		return;
	explicit_bzero(content->data, content->size);
	free(content);
}

static struct haproxy *haproxy_of(struct sink *sink)
{
	return (struct haproxy *)((char *)sink - offsetof(struct haproxy, sink));
}

static int compare_rows(const struct tls_row *a, const struct tls_row *b)
{
	return memcmp(&a->row, &b->row, TLS_ROW_KEY);
}

static int sink_list(struct sink *sink, const struct table *table,
		     void (*add)(void *arg, const struct row *row), void *arg, struct xlb_err *err)
{
	struct haproxy *h = haproxy_of(sink);
	struct tls_row *row, *next;

	(void)err;
	pthread_mutex_lock(&h->lock);
	HASH_ITER(hh, h->rows, row, next)
		if (row->row.table == table->id)
			add(arg, &row->row);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static void wake(struct haproxy *h)
{
	eventfd_write(h->wake, 1);
}

static void remove_row(struct haproxy *h, const struct row *row)
{
	struct tls_row *there;

	HASH_FIND(hh, h->rows, row, TLS_ROW_KEY, there);
	if (!there)
		return;
	HASH_DEL(h->rows, there);
	content_drop(there->content);
	free(there);
}

static int sink_put(struct sink *sink, const struct row *row, const void *content, size_t size,
		    struct xlb_err *err)
{
	struct haproxy *h = haproxy_of(sink);
	struct tls_row *new = calloc(1, sizeof(*new));

	if (new &&content)
		new->content = malloc(sizeof(*new->content) + size + 1);
	if (!new || (content && !new->content)) {
		free(new);
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	new->row = *row;
	if (content) {
		new->content->references = 1;
		new->content->size = size;
		memcpy(new->content->data, content, size);
		new->content->data[size] = '\0';
	}
	pthread_mutex_lock(&h->lock);
	remove_row(h, row);
	HASH_ADD(hh, h->rows, row, TLS_ROW_KEY, new);
	h->generation++;
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static int sink_del(struct sink *sink, const struct row *row, struct xlb_err *err)
{
	struct haproxy *h = haproxy_of(sink);

	(void)err;
	pthread_mutex_lock(&h->lock);
	remove_row(h, row);
	h->generation++;
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static int sort_rows(struct tls_row *a, struct tls_row *b)
{
	return compare_rows(a, b);
}

/* With the lock held. */
static void wanted_free(struct tls_wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		content_drop(wanted->rows[i].content);
	free(wanted->rows);
	*wanted = (struct tls_wanted){};
}

/* A copy of all rows, which holds the contents: what is put next is not seen before it is whole. */
void haproxy_commit(struct haproxy *h)
{
	struct tls_row *row, *next, *rows;

	pthread_mutex_lock(&h->lock);
	rows = calloc(HASH_COUNT(h->rows) + 1, sizeof(*rows));
	/* for lack of memory the next commit will do */
	if (rows) {
		wanted_free(&h->next);
		h->next.rows = TAKE(rows);
		HASH_SORT(h->rows, sort_rows);
		HASH_ITER(hh, h->rows, row, next) {
			h->next.rows[h->next.count++] = *row;
			if (row->content)
				row->content->references++;
		}
		h->next.generation = h->generation;
	}
	free(rows);
	pthread_mutex_unlock(&h->lock);
	wake(h);
}

static int sink_settle(struct sink *sink, struct xlb_err *err)
{
	struct haproxy *h = haproxy_of(sink);
	struct timespec until;
	uint64_t generation;
	int r = 0;

	haproxy_commit(h);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SETTLE_S;
	pthread_mutex_lock(&h->lock);
	generation = h->generation;
	while (!r && h->done < generation)
		r = -pthread_cond_timedwait(&h->settled, &h->lock, &until);
	pthread_mutex_unlock(&h->lock);
	return r ? xlb_err_set(err, XLB_ERR_FAILED, r, "HAProxy is not as it should be after %d s",
			       SETTLE_S) :
		   0;
}

/* What was committed last, in place of what was before. */
static void wanted_take(struct haproxy *h, struct tls_wanted *wanted)
{
	pthread_mutex_lock(&h->lock);
	if (h->next.rows) {
		wanted_free(wanted);
		*wanted = h->next;
		h->next = (struct tls_wanted){};
	}
	pthread_mutex_unlock(&h->lock);
}

const struct tls_row *wanted_next(const struct tls_wanted *wanted, enum table_id table,
				  const struct tls_row *after)
{
	size_t i = after ? (size_t)(after - wanted->rows) + 1 : 0;

	for (; i < wanted->count; i++)
		if (wanted->rows[i].row.table == table)
			return &wanted->rows[i];
	return NULL;
}

const struct tls_row *wanted_find(const struct tls_wanted *wanted, enum table_id table,
				  const void *key)
{
	struct tls_row sought = { .row.table = table };
	size_t from = 0, to = wanted->count;

	memcpy(sought.row.key, key, tables[table].key_size);
	while (from < to) {
		size_t middle = (from + to) / 2;
		int r = compare_rows(&sought, &wanted->rows[middle]);

		if (!r)
			return &wanted->rows[middle];
		if (r < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

/* --- listeners ---------------------------------------------------------------------------------- */

struct tls_known *known_find(struct haproxy *h, uint32_t listener)
{
	struct tls_known *known;

	HASH_FIND(hh, h->known, &listener, sizeof(listener), known);
	if (known)
		return known;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->id = listener;
	pthread_mutex_lock(&h->lock);
	HASH_ADD(hh, h->known, id, sizeof(known->id), known);
	pthread_mutex_unlock(&h->lock);
	return known;
}

/* Those that are wanted are known, and no others. */
static void know_listeners(struct haproxy *h, const struct tls_wanted *wanted)
{
	const struct tls_row *row = NULL;
	struct tls_known *known, *next;

	while ((row = wanted_next(wanted, TABLE_TLS_LISTENER, row))) {
		known = known_find(h, row_number(row));
		if (known && known->state == TLS_ABSENT)
			known->state = TLS_STARTS;
	}
	HASH_ITER(hh, h->known, known, next) {
		struct row_id key = { known->id };

		if (wanted_find(wanted, TABLE_TLS_LISTENER, &key))
			continue;
		pthread_mutex_lock(&h->lock);
		HASH_DEL(h->known, known);
		pthread_mutex_unlock(&h->lock);
		free(known);
	}
}

/* HAProxy runs with what it was given: who was not left out serves. */
static void note_serving(struct haproxy *h)
{
	struct tls_known *known, *next;

	HASH_ITER(hh, h->known, known, next) {
		known->bound = known->state != TLS_FAILED;
		if (known->bound)
			known->state = TLS_SERVES;
	}
}

static void note_stopped(struct haproxy *h)
{
	struct tls_known *known, *next;

	stats_keep(h);
	HASH_ITER(hh, h->known, known, next) {
		known->bound = false;
		if (known->state == TLS_SERVES)
			known->state = TLS_STARTS;
	}
}

/* --- bringing about ----------------------------------------------------------------------------- */

/* One after the other alone, to find whose fault it is that HAProxy refuses all of them together. */
static void blame(struct haproxy *h, const struct tls_wanted *wanted)
{
	struct tls_known *known, *other, *next, *next_other;

	HASH_ITER(hh, h->known, known, next) {
		AUTO_FREE char *text = NULL;
		char path[HAPROXY_PATH_MAX + 8], hash[CONFIG_HASH_MAX];
		enum tls_state states[2] = { known->state };
		struct xlb_err err = {};

		if (known->state == TLS_FAILED)
			continue;
		HASH_ITER(hh, h->known, other, next_other) {
			other->bound = other->state != TLS_FAILED; /* kept here meanwhile */
			other->state = other == known ? states[0] : TLS_FAILED;
		}
		text = config_text(h, wanted, &h->state, hash);
		HASH_ITER(hh, h->known, other, next_other)
			other->state = other->bound ? TLS_STARTS : TLS_FAILED;
		snprintf(path, sizeof(path), "%s.alone", h->paths.config);
		if (!text || file_write(path, text, strlen(text)))
			continue;
		if (process_check(h, path, &err)) {
			known->state = TLS_FAILED;
			snprintf(known->trouble, sizeof(known->trouble), "%.290s", err.text);
		}
		unlink(path);
	}
	HASH_ITER(hh, h->known, known, next)
		known->bound = false;
}

/* Writes a configuration that HAProxy accepts; leaves out those that it does not. */
static int write_config(struct haproxy *h, const struct tls_wanted *wanted,
			char hash[CONFIG_HASH_MAX], struct xlb_err *err)
{
	AUTO_FREE char *text = config_text(h, wanted, &h->state, hash);
	char path[HAPROXY_PATH_MAX + 8];
	int r;

	if (!text)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	snprintf(path, sizeof(path), "%s.tried", h->paths.config);
	r = file_write(path, text, strlen(text));
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot write %s: %s", path,
				   strerror(-r));
	r = process_check(h, path, err);
	if (!r && rename(path, h->paths.config))
		r = xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot write %s: %m",
				h->paths.config);
	return r;
}

static int start_or_reload(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	char hash[CONFIG_HASH_MAX];
	int r;

	if (clock_ns(CLOCK_MONOTONIC) < h->not_before)
		return xlb_err_set(err, XLB_ERR_FAILED, -EAGAIN, "%s", h->state.trouble);
	h->not_before = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
	r = write_config(h, wanted, hash, err);

	if (r == -EINVAL) {
		blame(h, wanted);
		r = write_config(h, wanted, hash, err);
	}
	if (r)
		return r;
	stats_keep(h);
	r = h->state.running ? process_reload(h, hash, err) : process_start(h, hash, err);
	if (r)
		return r;
	h->not_before = 0;
	files_note_loaded(h);
	note_serving(h);
	return 0;
}

/* All of what is wanted, as far as that takes. */
static int bring_about(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	AUTO_FREE char *text = NULL;
	char hash[CONFIG_HASH_MAX];
	pid_t worker = h->worker;
	int r = files_write(h, wanted, err);

	if (r)
		return r;
	process_look(h);
	if (!h->state.running || h->worker != worker)
		note_stopped(h);
	config_limits(wanted, &h->state);
	text = config_text(h, wanted, &h->state, hash);
	if (!text)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	/* a predecessor's is taken over as it is */
	if (h->state.running && !strcmp(hash, h->hash)) {
		note_serving(h);
		return files_push(h, wanted, err);
	}
	if (!h->state.running)
		process_end_orphan(h);
	bind_try(h, wanted);
	free(text);
	text = config_text(h, wanted, &h->state, hash);
	if (text && h->state.running && !strcmp(hash, h->hash))
		return files_push(h, wanted, err);
	return start_or_reload(h, wanted, err);
}

static bool any_failed(const struct haproxy *h)
{
	const struct tls_known *known;

	for (known = h->known; known; known = known->hh.next)
		if (known->state == TLS_FAILED)
			return true;
	return false;
}

/* Listeners that could not be served are tried again. */
static void forgive(struct haproxy *h)
{
	struct tls_known *known, *next;

	if (!any_failed(h) || clock_ns(CLOCK_MONOTONIC) < h->try_again)
		return;
	h->try_again = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
	HASH_ITER(hh, h->known, known, next)
		if (known->state == TLS_FAILED)
			known->state = TLS_STARTS;
}

static void note_trouble(struct haproxy *h, const char *text)
{
	if (!strcmp(h->state.trouble, text))
		return;
	if (*text)
		log_warning("tls: %s", text);
	snprintf(h->state.trouble, sizeof(h->state.trouble), "%s", text);
	eventfd_write(h->changed, 1);
}

static void turn(struct haproxy *h, const struct tls_wanted *wanted)
{
	struct xlb_err err = {};
	int r = 0;

	know_listeners(h, wanted);
	h->state.wanted = h->known != NULL;
	if (!h->known) {
		process_stop(h);
	} else {
		forgive(h);
		r = bring_about(h, wanted, &err);
		if (!r)
			r = stats_read(h, wanted);
		if (r && !err.text[0])
			xlb_err_set(&err, XLB_ERR_FAILED, r, "HAProxy does not answer: %s",
				    strerror(-r));
	}
	if (!r)
		files_clean(h, wanted);
	if (!r)
		r = ports_follow(h, wanted, &err);
	note_trouble(h, r ? err.text : "");
	pthread_mutex_lock(&h->lock);
	h->done = wanted->generation;
	h->shown = h->state;
	pthread_cond_broadcast(&h->settled);
	pthread_mutex_unlock(&h->lock);
}

/* Until something is wanted, HAProxy has ended or logs, or a while has passed. */
static void sleep_until_new(struct haproxy *h, bool idle)
{
	struct pollfd fds[] = { { .fd = h->wake, .events = POLLIN },
				{ .fd = h->pidfd, .events = POLLIN },
				{ .fd = h->log, .events = POLLIN } };
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + TURN_MS * 1000000ULL, now;
	eventfd_t ignored;

	while ((now = clock_ns(CLOCK_MONOTONIC)) < until || idle) {
		int left = idle ? -1 : (int)((until - now) / 1000000 + 1);

		fds[1].fd = h->pidfd;
		if (poll(fds, 3, left) <= 0)
			break;
		if (fds[2].revents)
			log_read(h);
		if (fds[0].revents || fds[1].revents)
			break;
	}
	eventfd_read(h->wake, &ignored);
}

static void *run(void *arg)
{
	struct haproxy *h = arg;
	struct tls_wanted wanted = {};
	bool stop = false;

	while (!stop) {
		wanted_take(h, &wanted);
		/* a predecessor's HAProxy is let be until it is known what is wanted */
		if (wanted.rows)
			turn(h, &wanted);
		sleep_until_new(h, !h->known);
		pthread_mutex_lock(&h->lock);
		stop = h->stop;
		pthread_mutex_unlock(&h->lock);
	}
	pthread_mutex_lock(&h->lock);
	wanted_free(&wanted);
	wanted_free(&h->next);
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* --- for others --------------------------------------------------------------------------------- */

static void make_paths(struct haproxy_paths *paths, const char *run_dir, const char *pin_dir,
		       const char *instance)
{
	snprintf(paths->instance, sizeof(paths->instance), "%s", instance);
	snprintf(paths->run_dir, sizeof(paths->run_dir), "%s", run_dir);
	snprintf(paths->ports, sizeof(paths->ports), "%s/tls_ports", pin_dir);
	snprintf(paths->config, sizeof(paths->config), "%s/haproxy.cfg", run_dir);
	snprintf(paths->pid, sizeof(paths->pid), "%s/haproxy.pid", run_dir);
	snprintf(paths->master, sizeof(paths->master), "%s/haproxy-master.sock", run_dir);
	snprintf(paths->worker, sizeof(paths->worker), "%s/haproxy.sock", run_dir);
	snprintf(paths->log, sizeof(paths->log), "%s/haproxy-log.sock", run_dir);
}

static int open_all(struct haproxy *h, struct xlb_err *err)
{
	pthread_condattr_t monotonic;
	int r = files_open(h, err);

	if (!r)
		r = log_open(h, err);
	if (r)
		return r;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->settled, &monotonic);
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->wake < 0 || h->changed < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot make an eventfd: %m");
	r = -pthread_create(&h->thread, NULL, run, h);
	return r ? xlb_err_set(err, XLB_ERR_FAILED, r, "cannot start a thread: %s", strerror(-r)) :
		   0;
}

int haproxy_open(const char *run_dir, const char *pin_dir, const char *instance,
		 struct haproxy **ret, struct xlb_err *err)
{
	struct haproxy *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	h->sink = (struct sink){
		.list = sink_list, .put = sink_put, .del = sink_del, .settle = sink_settle
	};
	h->wake = h->changed = h->log = h->pidfd = -1;
	h->unit = !*instance && process_has_unit();
	make_paths(&h->paths, run_dir, pin_dir, instance);
	r = open_all(h, err);
	if (r) {
		free(h);
		return r;
	}
	*ret = h;
	return 0;
}

struct haproxy *haproxy_close(struct haproxy *h)
{
	struct tls_server_known *server, *next_server;
	struct tls_written *written, *next_written;
	struct tls_known *known, *next_known;
	struct tls_row *row, *next;

	if (!h)
		return NULL;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_mutex_unlock(&h->lock);
	wake(h);
	pthread_join(h->thread, NULL);
	ports_close(h);
	HASH_ITER(hh, h->rows, row, next)
		remove_row(h, &row->row);
	HASH_ITER(hh, h->known, known, next_known) {
		HASH_DEL(h->known, known);
		free(known);
	}
	HASH_ITER(hh, h->servers, server, next_server) {
		HASH_DEL(h->servers, server);
		free(server);
	}
	HASH_ITER(hh, h->written, written, next_written) {
		HASH_DEL(h->written, written);
		free(written);
	}
	close(h->wake);
	close(h->changed);
	close(h->log);
	if (h->pidfd >= 0)
		close(h->pidfd);
	pthread_cond_destroy(&h->settled);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

struct sink *haproxy_sink(struct haproxy *h)
{
	return &h->sink;
}

int haproxy_fd(const struct haproxy *h)
{
	return h->changed;
}

void haproxy_look(struct haproxy *h, uint32_t listener, struct tls_look *ret)
{
	struct tls_known *known;

	*ret = (struct tls_look){};
	pthread_mutex_lock(&h->lock);
	HASH_FIND(hh, h->known, &listener, sizeof(listener), known);
	if (known) {
		ret->state = known->state;
		ret->counters = known->counters;
		snprintf(ret->trouble, sizeof(ret->trouble), "%s", known->trouble);
	}
	pthread_mutex_unlock(&h->lock);
}

uint32_t haproxy_connections(struct haproxy *h, uint32_t id)
{
	struct tls_server_known *server;
	uint32_t count = 0;

	pthread_mutex_lock(&h->lock);
	HASH_FIND(hh, h->servers, &id, sizeof(id), server);
	if (server)
		count = server->connections;
	pthread_mutex_unlock(&h->lock);
	return count;
}

void haproxy_servers(struct haproxy *h,
		     void (*visit)(void *arg, uint32_t server, uint32_t connections), void *arg)
{
	const struct tls_server_known *server;

	pthread_mutex_lock(&h->lock);
	for (server = h->servers; server; server = server->hh.next)
		visit(arg, server->id, server->connections);
	pthread_mutex_unlock(&h->lock);
}

void haproxy_state(struct haproxy *h, struct haproxy_state *ret)
{
	pthread_mutex_lock(&h->lock);
	*ret = h->shown;
	ret->pending = h->done < h->generation;
	pthread_mutex_unlock(&h->lock);
}

bool haproxy_owns(struct haproxy *h, pid_t pid)
{
	return process_owns(h, pid);
}
