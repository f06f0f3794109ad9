// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Commands to HAProxy: its runtime API (management guide, section 9.3), one connection each. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "sys/haproxy_private.h"

#define PATIENCE_S 3
#define TRIES	   20
#define ANSWER_MAX (64U << 20)

/* A message with sockets: as many as the kernel lets through at once (SCM_MAX_FD), and the names of what each is bound to. */
#define SOCKETS_MAX 253
#define MESSAGE_MAX (SOCKETS_MAX * 320)

static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int send_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int receive_all(int fd, char **ret)
{
	AUTO_FREE char *text = NULL;
	size_t size = 0, room = 0;
	ssize_t n;

	do {
		if (size + 4096 > room) {
			char *longer = realloc(text, room = 2 * room + 8192);

			if (!longer || room > ANSWER_MAX)
				return -ENOMEM;
			text = longer;
		}
		n = recv(fd, text + size, room - size - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		size += (size_t)n;
	} while (n);
	while (size && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	*ret = TAKE(text);
	return 0;
}

/* In one piece: who has read a part and goes resets the connection. */
static int send_command(int fd, const char *command)
{
	size_t size = strlen(command) + 1;
	char *line = malloc(size);
	int r;

	if (!line)
		return -ENOMEM;
	memcpy(line, command, size - 1);
	line[size - 1] = '\n';
	r = send_all(fd, line, size);
	explicit_bzero(line, size);
	free(line);
	/* the master waits for more otherwise */
	if (!r)
		shutdown(fd, SHUT_WR);
	return r;
}

int cli_ask_once(const char *socket, const char *command, char **ret)
{
	AUTO_CLOSE int fd = connect_to(socket);
	int r = fd < 0 ? fd : send_command(fd, command);

	return r ? r : receive_all(fd, ret);
}

int cli_ask(const char *socket, const char *command, char **ret)
{
	static const struct timespec turn = { .tv_nsec = 50000000 };
	int r = cli_ask_once(socket, command, ret);

	for (int i = 0; i < TRIES && (r == -EPIPE || r == -ECONNRESET); i++) {
		nanosleep(&turn, NULL);
		r = cli_ask_once(socket, command, ret);
	}
	return r;
}

int cli_ask_worker(const struct haproxy *h, pid_t worker, const char *command, char **ret)
{
	AUTO_FREE char *whole = NULL;

	if (asprintf(&whole, "@!%d %s", (int)worker, command) < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	return cli_ask(h->paths.master, whole, ret);
}

/* The sockets of one message, or -errno. */
static int receive_sockets(int fd, void (*visit)(void *arg, int fd), void *arg)
{
	union {
		char room[CMSG_SPACE(SOCKETS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control;
	char about[MESSAGE_MAX]; /* what each of them is of: the socket itself is asked */
	struct iovec data = { about, sizeof(about) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *part;
	int count = 0, one;
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	part = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!part || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
		return n < 0 ? -errno : -EPROTO;
	for (; CMSG_LEN((size_t)(count + 1) * sizeof(int)) <= part->cmsg_len; count++) {
		memcpy(&one, CMSG_DATA(part) + (size_t)count * sizeof(int), sizeof(one));
		visit(arg, one);
		close(one);
	}
	return count ? count : -EPROTO;
}

int cli_sockets(const char *socket, void (*visit)(void *arg, int fd), void *arg)
{
	AUTO_CLOSE int fd = connect_to(socket);
	int r = fd < 0 ? fd : send_all(fd, "_getsocks\n", strlen("_getsocks\n"));
	int count = 0;

	if (r)
		return r;
	if (recv(fd, &count, sizeof(count), MSG_WAITALL) != sizeof(count))
		return -EPROTO;
	while (count > 0) {
		r = receive_sockets(fd, visit, arg);
		if (r < 0)
			return r;
		count -= r;
		/* after the last one nobody may be there any more to hear that */
		send(fd, &r, sizeof(r), MSG_NOSIGNAL);
	}
	return 0;
}

void cli_lines(char *text, void (*line)(void *arg, char *text), void *arg)
{
	char *one;

	while ((one = strsep(&text, "\n")))
		if (*one)
			line(arg, one);
}

size_t cli_split(char *line, char separator, char **ret, size_t max)
{
	const char separators[2] = { separator };
	size_t n = 0;

	while (line && n < max)
		ret[n++] = strsep(&line, separators);
	return n;
}
