// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Handshakes that failed: HAProxy counts them, and says in its log why, which is a socket of xlbd's. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sys/haproxy_private.h"

#define MESSAGES_MAX 1000 /* a turn */

/* HAProxy's fc_err (2.6) */
#define CLOSED_IN_HANDSHAKE 24
/* OpenSSL's X509_V_ERR_* that ssl_c_err gives */
#define NOT_YET_VALID	    9
#define HAS_EXPIRED	    10
#define REVOKED		    23

const char *const tls_failure_words[TLS_FAILURE_COUNT] = {
#define X(name, word, help) #word,
	TLS_FAILURES(X)
#undef X
};

int log_open(struct haproxy *h, struct xlb_err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct group *group = getgrnam("haproxy");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot make a socket: %m");
	snprintf(at.sun_path, sizeof(at.sun_path), "%.107s", h->paths.log);
	unlink(h->paths.log);
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) || chmod(h->paths.log, 0620) ||
	    (group && chown(h->paths.log, (uid_t)-1, group->gr_gid))) {
		close(fd);
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot make %s: %m", h->paths.log);
	}
	h->log = fd;
	return 0;
}

/* Words of OpenSSL's reasons, which are longer known than their numbers are the same. */
static enum tls_failure failure_of(unsigned int connection, unsigned int client, const char *reason)
{
	static const struct {
		const char *words;
		enum tls_failure failure;
	} known[] = {
		{ "unsupported protocol", TLS_FAILURE_VERSION },
		{ "version too low", TLS_FAILURE_VERSION },
		{ "no shared cipher", TLS_FAILURE_CIPHER },
		{ "no suitable signature", TLS_FAILURE_CIPHER },
		{ "peer did not return a certificate", TLS_FAILURE_NO_CERTIFICATE },
		{ "wrong version number", TLS_FAILURE_NOT_TLS },
		{ "http request", TLS_FAILURE_NOT_TLS },
		{ "https proxy request", TLS_FAILURE_NOT_TLS },
		{ "packet length too long", TLS_FAILURE_NOT_TLS },
		{ "alert", TLS_FAILURE_REFUSED },
		{ "unexpected eof", TLS_FAILURE_CLOSED },
	};

	if (client == NOT_YET_VALID || client == HAS_EXPIRED)
		return TLS_FAILURE_EXPIRED;
	if (client == REVOKED)
		return TLS_FAILURE_REVOKED;
	if (client)
		return TLS_FAILURE_UNKNOWN_CA;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(reason, known[i].words))
			return known[i].failure;
	/* 21 to 24: it went away before, or while it shook hands */
	return *reason == '-' && connection && connection <= CLOSED_IN_HANDSHAKE + 12 ?
		       TLS_FAILURE_CLOSED :
		       TLS_FAILURE_OTHER;
}

/* "<134>Nov 30 02:31:20 haproxy[29159]: tls l5 34 167772427 0 error:0A00010B:SSL routines::wrong version number" */
static void read_message(struct haproxy *h, const char *message)
{
	const char *text = strstr(message, "]: tls l");
	unsigned int connection, client;
	struct tls_known *known;
	uint32_t listener;
	int reason = 0;

	if (!text ||
	    sscanf(text, "]: tls l%" SCNu32 " %u %*u %u %n", &listener, &connection, &client,
		   &reason) != 3 ||
	    !reason)
		return;
	HASH_FIND(hh, h->known, &listener, sizeof(listener), known);
	if (!known)
		return;
	pthread_mutex_lock(&h->lock);
	known->counters.failures[failure_of(connection, client, text + reason)]++;
	pthread_mutex_unlock(&h->lock);
}

void log_read(struct haproxy *h)
{
	char message[1200];
	ssize_t n;

	for (int i = 0; i < MESSAGES_MAX; i++) {
		n = recv(h->log, message, sizeof(message) - 1, 0);
		if (n < 0)
			return;
		message[n] = '\0';
		read_message(h, message);
	}
}
