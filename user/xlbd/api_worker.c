// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_worker.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
	TAILQ_ENTRY(job) link;
	struct call *call;
	const struct work *work;
	void *arg;
};
TAILQ_HEAD(job_list, job);

struct worker {
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct job_list waiting, finished;
	bool stop;
	/* the loop's side */
	int fd; /* eventfd: something has finished */
	struct event *event;
	bool started;
};

static void job_free(struct job *job)
{
	job->work->free(job->arg);
	free(job);
}

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	struct job *job;
	uint64_t one = 1;

	pthread_mutex_lock(&worker->lock);
	while (!worker->stop) {
		job = TAILQ_FIRST(&worker->waiting);
		if (!job) {
			pthread_cond_wait(&worker->wake, &worker->lock);
			continue;
		}
		TAILQ_REMOVE(&worker->waiting, job, link);
		pthread_mutex_unlock(&worker->lock);
		job->work->run(job->call, job->arg);
		pthread_mutex_lock(&worker->lock);
		TAILQ_INSERT_TAIL(&worker->finished, job, link);
		if (write(worker->fd, &one, sizeof(one)) != sizeof(one))
			abort(); /* an eventfd takes any count below its limit */
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct job *job;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&worker->lock);
	while ((job = TAILQ_FIRST(&worker->finished))) {
		TAILQ_REMOVE(&worker->finished, job, link);
		pthread_mutex_unlock(&worker->lock);
		job->work->done(job->call, job->arg);
		job_free(job);
		pthread_mutex_lock(&worker->lock);
	}
	pthread_mutex_unlock(&worker->lock);
}

/* Signals are the loop's. */
static int start_thread(struct worker *worker)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&worker->thread, NULL, worker_thread, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	worker->started = !r;
	return -r;
}

int worker_open(struct event_base *base, struct worker **ret)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return -ENOMEM;
	TAILQ_INIT(&worker->waiting);
	TAILQ_INIT(&worker->finished);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	worker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->event = event_new(base, worker->fd, EV_READ | EV_PERSIST, on_finished, worker);
	if (worker->fd < 0 || !worker->event || event_add(worker->event, NULL) ||
	    start_thread(worker)) {
		worker_close(worker);
		return -ENOMEM;
	}
	*ret = worker;
	return 0;
}

static void drop_jobs(struct job_list *list)
{
	struct job *job;

	while ((job = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, job, link);
		job_free(job);
	}
}

struct worker *worker_close(struct worker *worker)
{
	if (!worker)
		return NULL;
	if (worker->started) {
		pthread_mutex_lock(&worker->lock);
		worker->stop = true;
		pthread_cond_signal(&worker->wake);
		pthread_mutex_unlock(&worker->lock);
		pthread_join(worker->thread, NULL);
	}
	drop_jobs(&worker->waiting);
	drop_jobs(&worker->finished);
	if (worker->event)
		event_free(worker->event);
	if (worker->fd >= 0)
		close(worker->fd);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	return NULL;
}

void worker_run(struct call *call, const struct work *work, void *arg)
{
	struct worker *worker = call->api->worker;
	struct job *job = calloc(1, sizeof(*job));

	if (!job || !arg) {
		free(job);
		if (arg)
			work->free(arg);
		call_reply_no_memory(call);
		return;
	}
	*job = (struct job){ .call = call, .work = work, .arg = arg };
	pthread_mutex_lock(&worker->lock);
	TAILQ_INSERT_TAIL(&worker->waiting, job, link);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

/* --- a body --- */

struct parsing {
	text_parsed parsed;
	struct model *model; /* results */
	struct tree *tree;
	struct xlb_err err;
	int r;
};

/* The body stays where it is until the call is answered. */
static void parse(const struct call *call, void *arg)
{
	struct parsing *parsing = arg;

	parsing->r = tree_parse(call->origin_file, call->body, call->body_length, &parsing->tree,
				&parsing->err);
	if (!parsing->r)
		parsing->r = model_from_tree(parsing->tree, &parsing->model, &parsing->err);
}

static void parse_done(struct call *call, void *arg)
{
	struct parsing *parsing = arg;

	if (parsing->r)
		call_reply_err(call, &parsing->err);
	else
		parsing->parsed(call, TAKE(parsing->model), TAKE(parsing->tree));
}

static void parsing_free(void *arg)
{
	struct parsing *parsing = arg;

	model_free(parsing->model);
	tree_free(parsing->tree);
	free(parsing);
}

void call_parse(struct call *call, text_parsed parsed)
{
	static const struct work work = { parse, parse_done, parsing_free };
	struct parsing *parsing = calloc(1, sizeof(*parsing));

	if (parsing)
		parsing->parsed = parsed;
	worker_run(call, &work, parsing);
}
