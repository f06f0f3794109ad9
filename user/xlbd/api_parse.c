// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_parse.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct parse_job {
	TAILQ_ENTRY(parse_job) link;
	struct call *call;
	text_parsed parsed;
	struct model *model; /* results */
	struct tree *tree;
	struct xlb_err err;
	int r;
};
TAILQ_HEAD(job_list, parse_job);

struct parser {
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

static void job_free(void *arg)
{
	struct parse_job *job = arg;

	model_free(job->model);
	tree_free(job->tree);
	free(job);
}

/* In the thread. The body stays where it is until the call is answered. */
static void parse(struct parse_job *job)
{
	const struct call *call = job->call;

	job->r =
		tree_parse(call->origin_file, call->body, call->body_length, &job->tree, &job->err);
	if (!job->r)
		job->r = model_from_tree(job->tree, &job->model, &job->err);
}

static void *parser_thread(void *arg)
{
	struct parser *parser = arg;
	struct parse_job *job;
	uint64_t one = 1;

	pthread_mutex_lock(&parser->lock);
	while (!parser->stop) {
		job = TAILQ_FIRST(&parser->waiting);
		if (!job) {
			pthread_cond_wait(&parser->wake, &parser->lock);
			continue;
		}
		TAILQ_REMOVE(&parser->waiting, job, link);
		pthread_mutex_unlock(&parser->lock);
		parse(job);
		pthread_mutex_lock(&parser->lock);
		TAILQ_INSERT_TAIL(&parser->finished, job, link);
		if (write(parser->fd, &one, sizeof(one)) != sizeof(one))
			abort(); /* an eventfd takes any count below its limit */
	}
	pthread_mutex_unlock(&parser->lock);
	return NULL;
}

static void finish_job(struct parse_job *job)
{
	struct call *call = job->call;

	if (job->r)
		call_reply_err(call, &job->err);
	else
		job->parsed(call, TAKE(job->model), TAKE(job->tree));
	job_free(job);
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct parser *parser = arg;
	struct parse_job *job;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&parser->lock);
	while ((job = TAILQ_FIRST(&parser->finished))) {
		TAILQ_REMOVE(&parser->finished, job, link);
		pthread_mutex_unlock(&parser->lock);
		finish_job(job);
		pthread_mutex_lock(&parser->lock);
	}
	pthread_mutex_unlock(&parser->lock);
}

/* Signals are the loop's. */
static int start_thread(struct parser *parser)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&parser->thread, NULL, parser_thread, parser);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	parser->started = !r;
	return -r;
}

int parser_open(struct event_base *base, struct parser **ret)
{
	struct parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return -ENOMEM;
	TAILQ_INIT(&parser->waiting);
	TAILQ_INIT(&parser->finished);
	pthread_mutex_init(&parser->lock, NULL);
	pthread_cond_init(&parser->wake, NULL);
	parser->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	parser->event = event_new(base, parser->fd, EV_READ | EV_PERSIST, on_finished, parser);
	if (parser->fd < 0 || !parser->event || event_add(parser->event, NULL) ||
	    start_thread(parser)) {
		parser_close(parser);
		return -ENOMEM;
	}
	*ret = parser;
	return 0;
}

static void drop_jobs(struct job_list *list)
{
	struct parse_job *job;

	while ((job = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, job, link);
		job_free(job);
	}
}

struct parser *parser_close(struct parser *parser)
{
	if (!parser)
		return NULL;
	if (parser->started) {
		pthread_mutex_lock(&parser->lock);
		parser->stop = true;
		pthread_cond_signal(&parser->wake);
		pthread_mutex_unlock(&parser->lock);
		pthread_join(parser->thread, NULL);
	}
	drop_jobs(&parser->waiting);
	drop_jobs(&parser->finished);
	if (parser->event)
		event_free(parser->event);
	if (parser->fd >= 0)
		close(parser->fd);
	pthread_cond_destroy(&parser->wake);
	pthread_mutex_destroy(&parser->lock);
	free(parser);
	return NULL;
}

void parser_run(struct call *call, text_parsed parsed)
{
	struct parser *parser = call->api->parser;
	struct parse_job *job = calloc(1, sizeof(*job));

	if (!job) {
		call_reply_no_memory(call);
		return;
	}
	job->call = call;
	job->parsed = parsed;
	pthread_mutex_lock(&parser->lock);
	TAILQ_INSERT_TAIL(&parser->waiting, job, link);
	pthread_cond_signal(&parser->wake);
	pthread_mutex_unlock(&parser->lock);
}
