// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dial [-s SECONDS] [-n CONNECTIONS] [-t THREADS] [-c AT-ONCE] [-b SOURCE,...] ADDRESS[,ADDRESS...] PORT PATH
 *
 * A connection for each HTTP request, as many as go: AT-ONCE (64) at a time, divided among THREADS (2), which go round
 * the sources and the addresses, for SECONDS (2) or until there were CONNECTIONS. The server is asked to close, so that
 * it is the one left with TIME_WAIT. Prints "units CONNECTIONS seconds TIME faults FAILED": a connection counts
 * when a whole answer with status 200 has come. Kinds of failure go to stderr.
 */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX 16
#define CALLS_MAX   1024
#define SWEEP	    (SECOND / 50)
#define PATIENCE    (5 * SECOND) /* two retransmissions of a SYN are not a failure */

struct call {
	int fd; /* -1: none */
	bool asked;
	size_t size;
	int64_t begun; /* ns */
};

struct thread {
	pthread_t id;
	int epoll_fd;
	unsigned int number, calls, next;
	unsigned long long done, failed;
	int failure; /* errno of one of them */
	struct call call[CALLS_MAX];
};

static struct sockaddr_in sources[ADDRESSES_MAX], servers[ADDRESSES_MAX];
static unsigned int source_count, server_count, thread_count = 2, at_once = 64;
static unsigned long long most = UINT64_MAX;
static double seconds = 2;
static char question[512];
static size_t question_size;
static struct thread threads[THREADS_MAX];
static _Atomic unsigned long long begun;

/* error 0: it went well. */
static void hang_up(struct thread *thread, struct call *call, int error)
{
	if (call->fd >= 0)
		close(call->fd);
	call->fd = -1;
	if (error) {
		thread->failed++;
		thread->failure = error;
	} else {
		thread->done++;
	}
}

/* A call that cannot even begin counts as failed and is tried again by the next sweep, not at once. */
static void dial(struct thread *thread, struct call *call, int64_t time)
{
	unsigned int number = thread->next++ * thread_count + thread->number;
	const struct sockaddr_in *from = &sources[number % source_count];
	const struct sockaddr_in *to = &servers[number / source_count % server_count];
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = call };

	if (atomic_fetch_add(&begun, 1) >= most)
		return;
	call->asked = false;
	call->size = 0;
	call->begun = time;
	call->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (call->fd < 0)
		die("socket");
	/* the port is chosen when the server is known, so that it may be in use towards another */
	setsockopt(call->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
	if (bind(call->fd, (const struct sockaddr *)from, sizeof(*from)))
		die("bind");
	if ((connect(call->fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS) ||
	    epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, call->fd, &event))
		hang_up(thread, call, errno);
}

/* Goes on with a call as far as it goes. */
static void talk(struct thread *thread, struct call *call)
{
	char buffer[16384];
	ssize_t got;

	if (!call->asked) {
		got = send(call->fd, question, question_size, MSG_NOSIGNAL);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got != (ssize_t)question_size) {
			hang_up(thread, call, got < 0 ? errno : EIO);
			return;
		}
		call->asked = true;
	}
	while ((got = recv(call->fd, buffer, sizeof(buffer), 0)) > 0) {
		if (!call->size && (got < 13 || memcmp(buffer, "HTTP/1.1 200 ", 13))) {
			hang_up(thread, call, EBADMSG);
			return;
		}
		call->size += (size_t)got;
	}
	if (!got)
		hang_up(thread, call, call->size ? 0 : EBADMSG);
	else if (errno != EAGAIN)
		hang_up(thread, call, errno);
}

/* Gives up calls that take too long and begins new ones; returns whether any goes on. */
static bool sweep(struct thread *thread, int64_t time, bool going)
{
	bool any = false;

	for (struct call *call = thread->call; call < thread->call + thread->calls; call++) {
		if (call->fd >= 0 && time - call->begun > PATIENCE)
			hang_up(thread, call, ETIMEDOUT);
		if (call->fd < 0 && going)
			dial(thread, call, time);
		any |= call->fd >= 0;
	}
	return any;
}

static void *run(void *argument)
{
	struct thread *thread = argument;
	int64_t time = now(), end = time + (int64_t)(seconds * SECOND), swept = time;
	bool any = sweep(thread, time, true);

	while (any) {
		struct epoll_event events[64];
		int ready = epoll_wait(thread->epoll_fd, events, 64, 20);

		time = now();
		for (int i = 0; i < ready; i++) {
			struct call *call = events[i].data.ptr;

			talk(thread, call);
			if (call->fd < 0 && time < end)
				dial(thread, call, time);
		}
		if (time - swept > SWEEP) {
			any = sweep(thread, time, time < end);
			swept = time;
		}
	}
	return NULL;
}

static int parse_options(int argc, char **argv)
{
	char any[] = "0.0.0.0", *from = any;
	int option;

	while ((option = getopt(argc, argv, "s:n:t:c:b:")) != -1) {
		switch (option) {
		case 's':
			seconds = strtod(optarg, NULL);
			break;
		case 'n':
			most = strtoull(optarg, NULL, 10);
			break;
		case 't':
			thread_count = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			at_once = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			from = optarg;
			break;
		default:
			return -EINVAL;
		}
	}
	if (argc - optind != 3 || thread_count - 1 >= THREADS_MAX || at_once - 1 >= CALLS_MAX)
		return -EINVAL;
	source_count = parse_addresses(from, "0", sources);
	server_count = parse_addresses(argv[optind], argv[optind + 1], servers);
	question_size = (size_t)snprintf(
		question, sizeof(question),
		"GET %s HTTP/1.1\r\nHost: dial\r\nConnection: close\r\n\r\n", argv[optind + 2]);
	return source_count && server_count && question_size < sizeof(question) ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	unsigned long long done = 0, failed = 0;
	double time;
	int64_t start;

	if (parse_options(argc, argv)) {
		fputs("usage: dial [-s SECONDS] [-n CONNECTIONS] [-t THREADS] [-c AT-ONCE] [-b SOURCES] "
		      "ADDRESSES PORT PATH\n",
		      stderr);
		return 2;
	}
	start = now();
	for (unsigned int i = 0; i < thread_count; i++) {
		struct thread *thread = &threads[i];

		thread->number = i;
		thread->calls = (at_once + i) / thread_count;
		for (unsigned int j = 0; j < thread->calls; j++)
			thread->call[j].fd = -1;
		thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (thread->epoll_fd < 0 || pthread_create(&thread->id, NULL, run, thread))
			die("thread");
	}
	for (unsigned int i = 0; i < thread_count; i++) {
		pthread_join(threads[i].id, NULL);
		done += threads[i].done;
		failed += threads[i].failed;
		if (threads[i].failure)
			fprintf(stderr, "dial: %s\n", strerror(threads[i].failure));
	}
	/* the end is that of beginning calls: the last few may wait for retransmissions */
	time = (double)(now() - start) / SECOND;
	printf("units %llu seconds %.3f faults %llu\n", done, time < seconds ? time : seconds,
	       failed);
	return done ? 0 : 1;
}
