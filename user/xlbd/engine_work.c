// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The part of a change that waits or computes long: it runs in a thread, beside the loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xlbd/engine_change.h"

#define PROBE_TIMEOUT_MS 450 /* three probes; a link answers within a few ms */

/* Which of a change's new VIPs somebody else answers for. */
struct questions {
	struct host_probe *list; /* owned */
	size_t count;
	int r;
};

static int collect_questions(const struct plan *plan, struct questions *questions)
{
	size_t i;

	questions->list = calloc(plan->count + 1, sizeof(*questions->list));
	if (!questions->list)
		return -ENOMEM;
	for (i = 0; i < plan->count; i++) {
		const struct op *op = &plan->ops[i];
		struct host_probe *probe = &questions->list[questions->count];
		struct row_vip_addr_key key;

		if (op->kind != OP_PUT || op->row.table != TABLE_VIP_ADDR)
			continue;
		memcpy(&key, op->row.key, sizeof(key));
		probe->addr = key.addr;
		memcpy(probe->ifname, key.ifname, sizeof(probe->ifname));
		questions->count++;
	}
	return 0;
}

static void *ask(void *arg)
{
	struct questions *questions = arg;

	questions->r = host_probe_addresses(questions->list, questions->count, PROBE_TIMEOUT_MS);
	return NULL;
}

/* Of a probe that could not be sent nothing is concluded: no reason to refuse. */
static int judge_answers(const struct questions *questions, struct xlb_err *err)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < questions->count; i++) {
		const struct host_probe *probe = &questions->list[i];
		const uint8_t *mac = probe->mac;

		if (probe->r != -EADDRINUSE)
			continue;
		format_addr(&probe->addr, text);
		xlb_err_set(
			err, XLB_ERR_CONFIG, -EADDRINUSE,
			"%s is answered by another host on %s, MAC address %02x:%02x:%02x:%02x:%02x:%02x",
			text, probe->ifname, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		xlb_err_hint(err, "free the address there, or use --force to take it over");
		return -EADDRINUSE;
	}
	return 0;
}

/* Room in the kernel is made here too: it takes grace periods. */
static int build(struct engine *engine, struct change *change)
{
	int r = plan_build(&change->plan, &change->compiled.rows, &change->err);

	return r ? r : plan_reserve(&change->plan, engine->sinks, &change->err);
}

/* Builds while the questions are out: both take most of a second in a large change. */
static int build_and_ask(struct engine *engine, struct change *change, struct questions *questions)
{
	pthread_t asking;
	bool beside = !pthread_create(&asking, NULL, ask, questions);
	int r;

	if (!beside)
		ask(questions);
	r = build(engine, change);
	if (beside)
		pthread_join(asking, NULL);
	if (r)
		return r;
	if (questions->r)
		return xlb_err_set(&change->err, XLB_ERR_FAILED, questions->r, "out of memory");
	return judge_answers(questions, &change->err);
}

static int build_and_save(struct engine *engine, struct change *change)
{
	struct questions questions = {};
	int r = 0;

	if (change->by_user && !change->options.force)
		r = collect_questions(&change->plan, &questions);
	if (r)
		xlb_err_set(&change->err, XLB_ERR_FAILED, r, "out of memory");
	else if (questions.count)
		r = build_and_ask(engine, change, &questions);
	else
		r = build(engine, change);
	free(questions.list);
	/* last: a change that is refused must not be in the file */
	return r ? r : engine_save(engine, change);
}

void *engine_work(void *arg)
{
	struct engine *engine = arg;
	struct change *change = TAILQ_FIRST(&engine->changes);
	uint64_t one = 1;

	change->r = change->compiles ? engine_compile(engine, change) :
				       build_and_save(engine, change);
	if (write(engine->worker_fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes any count below its limit */
	return NULL;
}
