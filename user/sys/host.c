/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The handle of the host's network: opening, notifications, bringing the tables up to date. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "sys/host_private.h"

#define DUMP_TRIES 5

static void note_change(struct host *host)
{
	if (!host->dirty)
		eventfd_write(host->wake_fd, 1);
	host->dirty = true;
}

void host_take(void *arg, const struct nlmsghdr *message)
{
	struct host *host = arg;

	if (cache_take(host, message))
		note_change(host);
}

static int event_take(struct nl_msg *message, void *arg)
{
	host_take(arg, nlmsg_hdr(message));
	return NL_OK;
}

/* A dump that meets a change in its midst may miss something (-EINTR): asked again. */
static int tables_read(struct host *host)
{
	static const struct ifaddrmsg addresses;
	static const struct ndmsg neighbours;
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		cache_clear(host);
		r = host_ask(host,
			     host_request(RTM_GETADDR, NLM_F_DUMP, &addresses, sizeof(addresses)),
			     host_take, host);
		if (!r)
			r = host_ask(host,
				     host_request(RTM_GETNEIGH, NLM_F_DUMP, &neighbours,
						  sizeof(neighbours)),
				     host_take, host);
	}
	return r;
}

/*
 * Subscribes anew and reads everything. The old socket goes with what is still queued in it: older than
 * the dump, it would undo what the dump says.
 */
static int rebuild(struct host *host)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r;

	nl_socket_free(host->events);
	host->events = NULL;
	host->lost = true;
	note_change(host);
	r = host_events_open(event_take, host, &host->events);
	if (r)
		return r;
	if (epoll_ctl(host->poll_fd, EPOLL_CTL_ADD, nl_socket_get_fd(host->events), &event))
		return -errno;
	host->lost = false;
	r = tables_read(host);
	if (r)
		host->lost = true;
	return r;
}

void host_sync(struct host *host)
{
	if (!host->lost && host_events_read(host->events))
		host->lost = true;
	/* If this fails, the next call tries again. */
	if (host->lost)
		rebuild(host);
}

static bool forget_change(struct host *host)
{
	bool was_dirty = host->dirty;
	eventfd_t ignored;

	eventfd_read(host->wake_fd, &ignored);
	host->dirty = false;
	return was_dirty;
}

void host_dispatch(struct host *host)
{
	HOST_LOCK(host);
	host_sync(host);
	if (forget_change(host) && host->changed)
		host->changed(host->arg);
}

static int polling_open(struct host *host)
{
	struct epoll_event event = { .events = EPOLLIN };

	host->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (host->poll_fd < 0)
		return -errno;
	host->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (host->wake_fd < 0)
		return -errno;
	return epoll_ctl(host->poll_fd, EPOLL_CTL_ADD, host->wake_fd, &event) ? -errno : 0;
}

static int sockets_open(struct host *host)
{
	int r = polling_open(host);

	if (!r)
		r = host_requests_open(&host->requests);
	return r ? r : rebuild(host);
}

static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t recursive;

	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
}

int host_open(const char *owner_file, host_changed changed, void *arg, struct host **ret,
	      struct xlb_err *err)
{
	AUTO(host_close) struct host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	*host = (struct host){ .poll_fd = -1, .wake_fd = -1, .changed = changed, .arg = arg };
	host_sink_init(&host->sink);
	lock_init(&host->lock);
	if (owner_file) {
		host->owner_file = strdup(owner_file);
		if (!host->owner_file)
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	r = sockets_open(host);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r,
				   "cannot watch the host's network by netlink: %s", strerror(-r));
	r = owner_load(host, err);
	if (!r)
		r = owner_prune(host, err);
	if (r)
		return r;
	forget_change(host);
	*ret = TAKE(host);
	return 0;
}

struct host *host_close(struct host *host)
{
	if (!host)
		return NULL;
	cache_clear(host);
	owner_done(host);
	nl_socket_free(host->requests);
	nl_socket_free(host->events);
	if (host->wake_fd >= 0)
		close(host->wake_fd);
	if (host->poll_fd >= 0)
		close(host->poll_fd);
	free(host->owner_file);
	pthread_mutex_destroy(&host->lock);
	free(host);
	return NULL;
}

int host_fd(const struct host *host)
{
	return host->poll_fd;
}

struct sink *host_sink(struct host *host)
{
	return &host->sink;
}
