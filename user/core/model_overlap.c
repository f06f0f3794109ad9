// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/model_check.h"
#include "core/object.h"

enum precedence { EXACT, RANGE, ANY };

/* One port or range of one listener. */
struct claim {
	uint32_t protocol;
	enum precedence precedence;
	struct port_range range;
	uint32_t order; /* in the text */
	uint32_t index; /* in the listener's list */
	const struct listener *listener;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->precedence != y->precedence)
		return x->precedence < y->precedence ? -1 : 1;
	if (x->range.from != y->range.from)
		return x->range.from < y->range.from ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void claim_text(const struct claim *claim, char *ret, size_t size)
{
	if (claim->precedence == ANY)
		snprintf(ret, size, "port any");
	else if (claim->precedence == EXACT)
		snprintf(ret, size, "port %u", claim->range.from);
	else
		snprintf(ret, size, "ports %u-%u", claim->range.from, claim->range.to);
}

/* Names both; the error lies with the one that comes later in the text. */
static int refuse_overlap(const struct claim *a, const struct claim *b, struct xlb_err *err)
{
	const struct claim *first = a->order < b->order ? a : b, *later = first == a ? b : a;
	char first_text[32], later_text[32], title[OBJECT_TITLE_MAX];
	size_t used;

	claim_text(first, first_text, sizeof(first_text));
	claim_text(later, later_text, sizeof(later_text));
	object_title(&later->listener->object, title);
	if (first->listener == later->listener)
		object_fail(&later->listener->object, "port", err,
			    "%s: %s overlaps its own %s: write each port once", title, later_text,
			    first_text);
	else
		object_fail(&later->listener->object, "port", err,
			    "%s: %s %s overlaps %s of listener %s: change one of them", title,
			    later->protocol == IPPROTO_TCP ? "tcp" : "udp", later_text, first_text,
			    first->listener->object.name);
	used = strlen(err->pointer);
	if (later->listener->port.count > 1)
		snprintf(err->pointer + used, sizeof(err->pointer) - used, "/%u", later->index);
	return -EINVAL;
}

static uint32_t claim_listener(const struct listener *listener, uint32_t order,
			       struct claim *claims)
{
	for (uint32_t i = 0; i < listener->port.count; i++) {
		struct port_range range = listener->port.ranges[i];

		claims[i] = (struct claim){
			.protocol = listener_transport(listener),
			.precedence = listener->port.any     ? ANY :
				      range.from == range.to ? EXACT :
							       RANGE,
			.range = range,
			.order = order + i,
			.index = i,
			.listener = listener,
		};
	}
	return listener->port.count;
}

int check_overlaps(const struct load_balancer *lb, struct xlb_err *err)
{
	AUTO_FREE struct claim *claims = NULL;
	const struct claim *widest;
	const struct object *object;
	uint32_t n = 0;

	TAILQ_FOREACH(object, &lb->listeners, link)
		n += ((const struct listener *)object)->port.count;
	claims = calloc(n + 1, sizeof(*claims));
	if (!claims)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	n = 0;
	TAILQ_FOREACH(object, &lb->listeners, link)
		n += claim_listener((const struct listener *)object, n, claims + n);
	qsort(claims, n, sizeof(*claims), compare_claims);
	widest = claims; /* reaches furthest of those before */
	for (uint32_t i = 1; i < n; i++) {
		const struct claim *claim = &claims[i];
		bool rivals = claim->protocol == widest->protocol &&
			      claim->precedence == widest->precedence;

		if (rivals && claim->range.from <= widest->range.to)
			return refuse_overlap(widest, claim, err);
		if (!rivals || claim->range.to > widest->range.to)
			widest = claim;
	}
	return 0;
}
