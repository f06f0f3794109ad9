// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Files of tls listeners: read by compiles, which may run beside the loop, and looked at every few seconds whether they
 * have changed. What was read once stays in use until something better is there.
 */
#include "xlbd/engine_tls.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/certificate.h"
#include "xlbd/engine_private.h"
#include "xlbd/tls_files.h"

#define TURN_SECONDS 1
#define LOOK_TURNS   5 /* in how many turns files are looked at once */
#define DAY_SECONDS  86400

/* What a file was when it was read. */
struct seen {
	uint64_t inode, size;
	struct timespec changed;
};

struct tls_files {
	char *key;	    /* "0 /etc/xlb/a.pem /etc/xlb/a.key"; owned */
	char *path, *other; /* owned; other may be NULL */
	enum tls_file_kind kind;
	char *pem; /* owned, wiped; NULL: nothing good was read yet */
	size_t size;
	struct seen seen[2];
	struct tls_file_facts facts;
	uint32_t mark; /* of the compile that asked last */
	int warned;    /* how many of the days that matter have come */
	UT_hash_handle hh;
};

static struct seen see(const char *path)
{
	struct stat status;

	if (!path || lstat(path, &status))
		return (struct seen){};
	return (struct seen){ status.st_ino, (uint64_t)status.st_size, status.st_ctim };
}

static bool is_seen(const struct tls_files *file)
{
	struct seen now[2] = { see(file->path), see(file->other) };

	for (int i = 0; i < 2; i++)
		if (now[i].inode != file->seen[i].inode || now[i].size != file->seen[i].size ||
		    now[i].changed.tv_sec != file->seen[i].changed.tv_sec ||
		    now[i].changed.tv_nsec != file->seen[i].changed.tv_nsec)
			return false;
	return true;
}

static char *key_of(const struct tls_file_name *name)
{
	char *key;

	return asprintf(&key, "%d %s %s", (int)name->kind, name->path,
			name->other ? name->other : "") < 0 ?
		       NULL :
		       key;
}

static void file_free(struct tls_files *file)
{
	if (file->pem)
		explicit_bzero(file->pem, file->size);
	free(file->pem);
	free(file->key);
	free(file->path);
	free(file->other);
	free(file);
}

/* With the lock held. */
static struct tls_files *find(struct engine *engine, const struct tls_file_name *name, bool make)
{
	AUTO_FREE char *key = key_of(name);
	struct tls_files *file = NULL;

	if (!key)
		return NULL;
	HASH_FIND_STR(engine->tls_files, key, file);
	if (file || !make)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->key = TAKE(key);
	file->kind = name->kind;
	file->path = strdup(name->path);
	file->other = name->other ? strdup(name->other) : NULL;
	if (!file->path || (name->other && !file->other)) {
		file_free(file);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, engine->tls_files, file->key, strlen(file->key), file);
	return file;
}

/* Takes what was read in place of what was known; with the lock held. */
static void take(struct tls_files *file, struct tls_file_read *fresh)
{
	if (file->pem)
		explicit_bzero(file->pem, file->size);
	free(file->pem);
	file->pem = TAKE(fresh->pem);
	file->size = fresh->size;
	/* what was warned of already is no news when it is only read again */
	if (file->facts.expires != fresh->facts.expires)
		file->warned = 0;
	file->facts = fresh->facts;
	file->facts.known = true;
}

/* Whether its dates matter. What was in use before xlbd was started is no news, whatever it says. */
static bool is_new(const struct tls_files *file, const struct tls_file_read *fresh, bool strict)
{
	return file->pem ? fresh->size != file->size || memcmp(fresh->pem, file->pem, fresh->size) :
			   strict;
}

int engine_tls_file(struct engine *engine, const struct tls_file_name *name, bool strict,
		    struct tls_file *ret, struct xlb_err *err)
{
	struct seen seen[2] = { see(name->path), see(name->other) };
	struct tls_file_read fresh = {};
	struct tls_files *file;
	int r = 0;

	pthread_mutex_lock(&engine->tls_lock);
	file = find(engine, name, true);
	pthread_mutex_unlock(&engine->tls_lock);
	if (!file)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	file->mark = engine->tls_mark;
	if (strict || !file->pem || !is_seen(file))
		r = tls_file_read(engine->paths.config_dir, name, &fresh, err);
	if (!r && fresh.pem && is_new(file, &fresh, strict))
		r = tls_file_check_dates(name, &fresh.facts, err);
	pthread_mutex_lock(&engine->tls_lock);
	memcpy(file->seen, seen, sizeof(seen));
	if (!r && fresh.pem)
		take(file, &fresh);
	else if (r)
		snprintf(file->facts.trouble, sizeof(file->facts.trouble), "%s", err->text);
	pthread_mutex_unlock(&engine->tls_lock);
	if (fresh.pem)
		explicit_bzero(fresh.pem, fresh.size);
	free(fresh.pem);
	ret->in_other = fresh.in_other;
	if (r && !file->pem)
		return r;
	if (r)
		log_warning("%s, going on with what was there before", err->text);
	ret->pem = file->pem;
	ret->size = file->size;
	return 0;
}

/* --- watching ----------------------------------------------------------------------------------- */

/* Once for each of the last days that matter, and once it is over. */
static void warn_of_expiry(struct engine *engine, struct tls_files *file, int64_t now)
{
	static const int days[] = { 30, 14, 3, 0 };
	char text[EVENT_TEXT_MAX], when[32];
	int64_t left = file->facts.expires - now;
	int due = 0;

	if (!file->facts.expires || file->kind == TLS_FILE_REVOCATIONS)
		return;
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		due += left < (int64_t)days[i] * DAY_SECONDS;
	if (due == file->warned)
		return;
	file->warned = due;
	if (!due)
		return;
	snprintf(text, sizeof(text), "certificate %s %s%s", file->path, left < 0 ? "" : "expires ",
		 certificate_days(file->facts.expires, now, when));
	log_warning("%s", text);
	event_emit(engine->events, EVENT_CERTIFICATE,
		   (const struct event_member[]){
			   { .name = "certificate", .text = file->path },
			   { .name = "names", .text = file->facts.names },
			   { .name = "expires", .number = (uint64_t)file->facts.expires },
			   {} },
		   "%s", text);
}

static void tell_connections(void *arg, uint32_t server, uint32_t connections)
{
	struct engine *engine = arg;

	datapath_server_others(engine->datapath, server, connections);
}

static void look_at_files(struct engine *engine)
{
	int64_t now = (int64_t)time(NULL);
	struct tls_files *file, *next;
	bool changed = false;

	pthread_mutex_lock(&engine->tls_lock);
	HASH_ITER(hh, engine->tls_files, file, next) {
		warn_of_expiry(engine, file, now);
		changed = changed || !is_seen(file);
	}
	pthread_mutex_unlock(&engine->tls_lock);
	if (changed)
		engine_schedule(engine, false);
}

static void turn(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;

	(void)fd;
	(void)what;
	haproxy_servers(engine->haproxy, tell_connections, engine);
	if (++engine->tls_turns % LOOK_TURNS == 0)
		look_at_files(engine);
}

static void haproxy_has_changed(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	struct haproxy_state state;
	uint64_t ignored;

	(void)what;
	if (read(fd, &ignored, sizeof(ignored)) != sizeof(ignored))
		return;
	haproxy_state(engine->haproxy, &state);
	event_emit(engine->events, EVENT_PROBLEM, NULL, "%s",
		   state.trouble[0] ? state.trouble : "HAProxy runs as it should again");
}

int engine_tls_open(struct engine *engine, struct xlb_err *err)
{
	struct timeval period = { .tv_sec = TURN_SECONDS };
	int r = haproxy_open(engine->paths.run_dir, engine->paths.pin_dir, engine->paths.instance,
			     &engine->haproxy, err);

	if (r)
		return r;
	engine->sinks[SINK_TLS] = haproxy_sink(engine->haproxy);
	/* a predecessor's are not true any more */
	for (uint32_t id = 0; id < XLB_MAX_SERVERS; id++)
		datapath_server_others(engine->datapath, id, 0);
	engine->tls_timer = event_new(engine->base, -1, EV_PERSIST, turn, engine);
	engine->tls_event = event_new(engine->base, haproxy_fd(engine->haproxy),
				      EV_READ | EV_PERSIST, haproxy_has_changed, engine);
	if (!engine->tls_timer || !engine->tls_event || event_add(engine->tls_timer, &period) ||
	    event_add(engine->tls_event, NULL))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return 0;
}

void engine_tls_close(struct engine *engine)
{
	struct tls_files *file, *next;

	if (engine->tls_timer)
		event_free(engine->tls_timer);
	if (engine->tls_event)
		event_free(engine->tls_event);
	engine->haproxy = haproxy_close(engine->haproxy);
	HASH_ITER(hh, engine->tls_files, file, next) {
		HASH_DEL(engine->tls_files, file);
		file_free(file);
	}
}

void engine_tls_begin(struct engine *engine)
{
	engine->tls_mark++;
}

void engine_tls_adopt(struct engine *engine)
{
	struct tls_files *file, *next;

	pthread_mutex_lock(&engine->tls_lock);
	HASH_ITER(hh, engine->tls_files, file, next) {
		if (file->mark == engine->tls_mark)
			continue;
		HASH_DEL(engine->tls_files, file);
		file_free(file);
	}
	pthread_mutex_unlock(&engine->tls_lock);
}

/* --- for answers -------------------------------------------------------------------------------- */

void engine_tls_facts(struct engine *engine, const struct tls_file_name *name,
		      struct tls_file_facts *ret)
{
	const struct tls_files *file;

	*ret = (struct tls_file_facts){};
	pthread_mutex_lock(&engine->tls_lock);
	file = find(engine, name, false);
	if (file)
		*ret = file->facts;
	pthread_mutex_unlock(&engine->tls_lock);
}

void engine_tls_each(struct engine *engine,
		     void (*visit)(void *arg, const struct tls_file_name *name,
				   const struct tls_file_facts *facts),
		     void *arg)
{
	const struct tls_files *file;

	pthread_mutex_lock(&engine->tls_lock);
	for (file = engine->tls_files; file; file = file->hh.next)
		visit(arg, &(struct tls_file_name){ file->kind, file->path, file->other },
		      &file->facts);
	pthread_mutex_unlock(&engine->tls_lock);
}

struct haproxy *engine_haproxy(const struct engine *engine)
{
	return engine->haproxy;
}
