/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HAProxy, which ends TLS. It runs by itself, survives xlbd, and is found again by its sockets. What the rows say is
 * wanted; a thread brings HAProxy to that, again and again: it may have been killed, or started by a predecessor.
 */
#ifndef XLB_SYS_HAPROXY_H
#define XLB_SYS_HAPROXY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sink.h"

struct haproxy;

/*
 * `run_dir`: of sockets and the configuration ("/run/xlb"); `pin_dir`: the datapath's, which is there; `instance`: "" is the
 * one that may have a unit of its own.
 */
int haproxy_open(const char *run_dir, const char *pin_dir, const char *instance,
		 struct haproxy **ret, struct xlb_err *err);
/* HAProxy goes on. */
struct haproxy *haproxy_close(struct haproxy *haproxy);
DEFINE_CLEANUP(struct haproxy, haproxy_close)
/*
 * Sink of every table with SINK_TLS. It takes rows; haproxy_commit lets the thread bring all of them about together. `list`
 * names what was put since haproxy_open, so that all is put again by a successor, which changes nothing that is as
 * wanted. `settle` commits, and waits until it is brought about.
 */
struct sink *haproxy_sink(struct haproxy *haproxy);
void haproxy_commit(struct haproxy *haproxy);
/* Readable when the state of a listener, or of HAProxy itself, has changed: read 8 bytes. */
int haproxy_fd(const struct haproxy *haproxy);

/* Whether there is one that xlb can use: -ENOENT or -ENOTSUP, with a hint what to install. */
int haproxy_find(struct xlb_err *err);

/* X(NAME, word, help): why handshakes fail */
#define TLS_FAILURES(X) \
	X(VERSION, version, "no version of TLS that both speak") \
	X(CIPHER, cipher, "no cipher that both have") \
	X(NO_CERTIFICATE, no_certificate, "the client has no certificate, but must") \
	X(EXPIRED, expired, "the client's certificate has expired, or is not valid yet") \
	X(REVOKED, revoked, "the client's certificate was revoked") \
	X(UNKNOWN_CA, unknown_ca, "the client's certificate is not signed by whom it should be") \
	X(REFUSED, refused, "the client did not like the certificate that it was shown") \
	X(NOT_TLS, not_tls, "the client does not speak TLS") \
	X(CLOSED, closed, "the client went away, or was silent, before the end") \
	X(OTHER, other, "anything else")
enum tls_failure {
#define X(name, word, help) TLS_FAILURE_##name,
	TLS_FAILURES(X)
#undef X
		TLS_FAILURE_COUNT,
};
extern const char *const tls_failure_words[TLS_FAILURE_COUNT];

#define TLS_VERSION_COUNT 4 /* 1.0 to 1.3 */
/* Of a listener, since xlbd knows it. Failures add up to `failed` as far as xlbd has run. */
struct tls_counters {
	uint64_t handshakes; /* that succeeded, resumed ones too */
	uint64_t resumed, failed;
	uint64_t versions[TLS_VERSION_COUNT]; /* by minor version: of those that succeeded */
	uint64_t failures[TLS_FAILURE_COUNT];
	uint64_t open;		/* connections of clients */
	uint64_t server_errors; /* connections that no server took */
};
enum tls_state { TLS_ABSENT, TLS_STARTS, TLS_SERVES, TLS_FAILED };
struct tls_look {
	enum tls_state state;
	char trouble[300]; /* of one that failed */
	struct tls_counters counters;
};
/* By the listener's id. */
void haproxy_look(struct haproxy *haproxy, uint32_t listener, struct tls_look *ret);
/* Connections to the server of this id now, from all listeners. */
uint32_t haproxy_connections(struct haproxy *haproxy, uint32_t server);

/* Calls back with each server that has connections, or had some a moment ago. */
void haproxy_servers(struct haproxy *haproxy,
		     void (*visit)(void *arg, uint32_t server, uint32_t connections), void *arg);

struct haproxy_state {
	bool wanted;  /* there are tls listeners */
	bool pending; /* what was put or deleted is not in effect yet */
	bool running;
	pid_t pid;
	char version[32];
	char trouble[512];	  /* why it does not run or is not as wanted, "" */
	uint32_t max_connections; /* and what that makes necessary: */
	uint32_t files, files_max;
	uint64_t memory;      /* bytes, when all are in use */
	uint32_t old_workers; /* that only finish their connections */
	uint64_t starts, reloads;
};
void haproxy_state(struct haproxy *haproxy, struct haproxy_state *ret);
/* Whether the process is HAProxy as xlb runs it. */
bool haproxy_owns(struct haproxy *haproxy, pid_t pid);

#endif
