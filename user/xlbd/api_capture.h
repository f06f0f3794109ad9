/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of captures share: the capture, its filter, and the forms in which packets are told. */
#ifndef XLB_XLBD_API_CAPTURE_H
#define XLB_XLBD_API_CAPTURE_H

#include <event2/buffer.h>

#include "core/pcapng.h"
#include "xlbd/api_private.h"

#define CAPTURE_NAME_MAX 64

enum capture_state {
	CAPTURE_LOADING, /* the observing program is not in place yet */
	CAPTURE_WATCHING,
	CAPTURE_STOPPING, /* what was seen so far is still read */
	CAPTURE_ENDING,	  /* the client is behind: the end is sent when it has caught up */
};

/* What was told of an interface. */
struct capture_interface {
	uint32_t number; /* in the section, from 1; 0: not told yet */
	uint64_t sent, skipped;
};

struct capture {
	struct call *call;
	const struct capture_form *form;
	struct watch_session *session;
	struct event *timer; /* its end */
	enum capture_state state;
	char name[CAPTURE_NAME_MAX];
	struct xlb_watch watch;
	uint64_t count;	  /* packets after which it ends, 0: never */
	uint64_t seconds; /* the same for time */
	uint64_t start;	  /* ns since 1970 */
	uint64_t offset;  /* from CLOCK_MONOTONIC to time since 1970, ns */
	uint64_t sent;
	uint32_t interface_count; /* told */
	struct capture_interface interfaces[XLB_MAX_INTERFACES];
	struct evbuffer *piece; /* being put together */
};

/* How packets are told. All add to capture->piece. */
struct capture_form {
	const char *content_type;
	bool bytes; /* of the packets are wanted */
	void (*begin)(struct capture *capture);
	void (*packet)(struct capture *capture, const struct xlb_event *event, const uint8_t *data);
	void (*end)(struct capture *capture);
};
extern const struct capture_form capture_form_pcapng, capture_form_json;

/* Names of the query options of POST /v1/capture. */
extern const char *const capture_options[];
/* Fills what the call's query options say; errors name what is accepted. */
int capture_filter(struct call *call, struct capture *ret, struct xlb_err *err);

/* The slot that a frame is seen on: the one it leaves by after rewriting. */
uint32_t capture_slot(const struct xlb_event *event);
/* Events that matched but are not in the answer: of an interface slot, of all. */
uint64_t capture_skipped_at(const struct capture *capture, uint32_t slot);
uint64_t capture_skipped(const struct capture *capture);

#endif
