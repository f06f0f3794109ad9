// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The set of checks: follows the model, keeps what is known. check.c runs them one by one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/fallback.h"
#include "core/field.h"
#include "xlb/lists.h"
#include "xlbd/health_private.h"

/* Many checks made at once start this many a millisecond, so that no turn of the loop is full of them. */
#define STARTS_PER_MS 4
/* Changes of state are told together when they come within this time. */
#define COALESCE_US   20000

void check_key_fill(struct check_key *key, const char *group, const char *server,
		    const struct xlb_addr *addr)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->group, group, strnlen(group, sizeof(key->group) - 1));
	memcpy(key->server, server, strnlen(server, sizeof(key->server) - 1));
	key->addr = *addr;
}

/* --- parameters of a check ------------------------------------------------------------------------ */

/* Texts of a check that are the owner's. */
static const size_t texts[] = {
	offsetof(struct health_check, method), offsetof(struct health_check, path),
	offsetof(struct health_check, host),   offsetof(struct health_check, request),
	offsetof(struct health_check, sni),    offsetof(struct health_check, ca),
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static char **text_of(const struct health_check *config, size_t i)
{
	return (char **)((uintptr_t)config + texts[i]);
}

static void config_done(struct health_check *config)
{
	for (size_t i = 0; i < TEXTS; i++)
		free(*text_of(config, i));
	free(config->expect.codes.ranges);
	free(config->expect.text);
	texts_free(&config->command);
	memset(config, 0, sizeof(*config));
}

static int config_copy(const struct health_check *from, struct health_check *ret)
{
	struct health_check copy = *from;
	int r;

	for (size_t i = 0; i < TEXTS; i++)
		*text_of(&copy, i) = NULL;
	copy.expect = (struct expectation){};
	copy.command = (struct texts){};
	r = expectation_copy(&from->expect, &copy.expect);
	if (!r)
		r = texts_copy(&from->command, &copy.command);
	for (size_t i = 0; !r && i < TEXTS; i++) {
		const char *text = *text_of(from, i);

		*text_of(&copy, i) = text ? strdup(text) : NULL;
		if (text && !*text_of(&copy, i))
			r = -ENOMEM;
	}
	if (r)
		config_done(&copy);
	else
		*ret = copy;
	return r;
}

static bool config_equal(const struct health_check *a, const struct health_check *b)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const char *x = *text_of(a, i), *y = *text_of(b, i);

		if (x && y ? strcmp(x, y) : x != y)
			return false;
	}
	return a->type == b->type && a->port == b->port && a->via == b->via &&
	       a->interval == b->interval && a->timeout == b->timeout &&
	       a->healthy_threshold == b->healthy_threshold &&
	       a->unhealthy_threshold == b->unhealthy_threshold && a->verify == b->verify &&
	       expectation_equal(&a->expect, &b->expect) && texts_equal(&a->command, &b->command);
}

/* --- checks --------------------------------------------------------------------------------------- */

static struct check_group *group_find(const struct checker *checker, const char *name)
{
	struct check_group *group;

	HASH_FIND_STR(checker->groups, name, group);
	return group;
}

static struct check_group *group_get(struct checker *checker, const char *name)
{
	struct check_group *group = group_find(checker, name);

	if (group)
		return group;
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	memcpy(group->name, name, strnlen(name, sizeof(group->name) - 1));
	LIST_INIT(&group->checks);
	HASH_ADD_STR(checker->groups, name, group);
	return group;
}

/* Told a little later, with what else there is of its kind. */
static void note_news(struct check_group *group)
{
	group->news = true;
}

static void tell_news(const struct checker *checker, struct check_group *group)
{
	if (group->news && checker->group_changed)
		checker->group_changed(checker->group_arg, group->name);
	group->news = false;
}

static void group_drop_if_empty(struct checker *checker, struct check_group *group)
{
	if (!group || !LIST_EMPTY(&group->checks))
		return;
	tell_news(checker, group);
	HASH_DEL(checker->groups, group);
	free(group);
}

static void check_free(struct check *check)
{
	struct checker *checker = check->checker;

	note_news(check->group);
	probe_close(&check->probe);
	LIST_REMOVE(check, member);
	group_drop_if_empty(checker, check->group);
	HASH_DEL(checker->checks, check);
	config_done(&check->config);
	free(check);
}

static void tell_transition(const struct check *check, enum health from, uint32_t results)
{
	const struct checker *checker = check->checker;
	const struct check_transition transition = {
		.group = check->key.group,
		.server = check->key.server,
		.addr = check->key.addr,
		.several = check->several,
		.from = from,
		.to = check->machine.state,
		.reason = check->reason,
		.results = results,
	};

	if (checker->transition)
		checker->transition(checker->transition_arg, &transition);
}

const uint64_t check_bounds_us[CHECK_BOUNDS] = { 500,	1000,	2500,	5000,	10000,	 25000,
						 50000, 100000, 250000, 500000, 1000000, 5000000 };

static void note_duration(struct check_durations *durations, uint64_t us)
{
	size_t i = 0;

	while (i < CHECK_BOUNDS && us > check_bounds_us[i])
		i++;
	durations->counts[i]++;
	durations->sum_us += us;
}

/* Its state is another one than `from`: told at once, and a little later with others. */
static void state_changed(struct check *check, enum health from, uint32_t results)
{
	static const struct timeval soon = { .tv_usec = COALESCE_US };

	check->since = (uint64_t)time(NULL);
	note_news(check->group);
	tell_transition(check, from, results);
	if (check->machine.state == HEALTH_UP)
		check->ups++;
	else
		check->downs++;
	if (!event_pending(check->checker->notify, EV_TIMEOUT, NULL))
		event_add(check->checker->notify, &soon);
}

static void on_verdict(struct probe *probe, enum probe_step step)
{
	struct check *check = (struct check *)probe;
	struct health_machine before = check->machine;
	bool passed = step == PROBE_PASSED, changed;

	if (!passed)
		snprintf(check->reason, sizeof(check->reason), "%s", probe->reason);
	if (step == PROBE_SKIPPED)
		return;
	if (passed)
		check->passed++;
	else
		check->failed++;
	note_duration(&check->group->durations, probe_took(probe) / 1000);
	changed = health_feed(&check->machine, passed, check->config.healthy_threshold,
			      step == PROBE_REFUSED ? 1 : check->config.unhealthy_threshold);
	/* one that is down says why until it is not */
	if (passed && check->machine.state == HEALTH_UP)
		check->reason[0] = '\0';
	if (changed)
		state_changed(check, before.state, before.streak + 1);
}

/* Starts the check at once, but one after the other if there are many; then spread over the interval. */
static int check_start(struct check *check)
{
	uint64_t delay = check->checker->started++ / STARTS_PER_MS;
	uint32_t interval = check->config.interval < UINT32_MAX ? (uint32_t)check->config.interval :
								  UINT32_MAX;

	check->probe.config = &check->config;
	check->probe.group = check->key.group;
	check->probe.server = check->key.server;
	check->probe.addr = check->key.addr;
	check->probe.port_h = (uint16_t)check->port;
	check->probe.verdict = on_verdict;
	return probe_open(&check->probe, check->checker->base, delay,
			  arc4random_uniform(interval) + 1);
}

static struct check *check_find(const struct checker *checker, const struct check_key *key)
{
	struct check *check;

	HASH_FIND(hh, checker->checks, key, sizeof(*key), check);
	return check;
}

static void check_recall(struct check *check)
{
	struct known *known;

	HASH_FIND(hh, check->checker->known, &check->key, sizeof(check->key), known);
	if (!known)
		return;
	check->machine.state = known->state;
	check->machine.ever_up = known->ever_up;
	check->since = known->since;
}

/* Where and how an address is checked. */
struct check_path {
	uint32_t port;
	const struct probe_wire *wire;
	struct xlb_addr vip; /* with a wire */
	uint8_t encapsulation;
};

static void check_take_path(struct check *check, const struct check_path *path)
{
	check->port = path->port;
	check->probe.wire = path->wire;
	check->probe.vip = path->vip;
	check->probe.encapsulation = path->encapsulation;
}

static bool path_is_taken(const struct check *check, const struct check_path *path)
{
	return check->port == path->port && check->probe.wire == path->wire &&
	       check->probe.encapsulation == path->encapsulation &&
	       addr_equal(&check->probe.vip, &path->vip);
}

static int check_add(struct checker *checker, const struct check_key *key,
		     const struct server_group *group, const struct server *server,
		     const struct check_path *path)
{
	struct check_group *owner = group_get(checker, key->group);
	struct check *check = calloc(1, sizeof(*check));

	if (!owner || !check || config_copy(&group->health_check, &check->config)) {
		group_drop_if_empty(checker, owner);
		free(check);
		return -ENOMEM;
	}
	check->checker = checker;
	check->group = owner;
	check->key = *key;
	check_take_path(check, path);
	check->several = server->address.count > 1;
	check->generation = checker->generation;
	check->since = (uint64_t)time(NULL);
	check_recall(check);
	HASH_ADD(hh, checker->checks, key, sizeof(check->key), check);
	LIST_INSERT_HEAD(&owner->checks, check, member);
	note_news(owner);
	if (!check_start(check))
		return 0;
	check_free(check);
	return -ENOMEM;
}

/*
 * Other parameters: checked anew at once, what is known stays. Another port of the server is another
 * service, of which nothing is known.
 */
static int check_change(struct check *check, const struct server_group *group,
			const struct check_path *path)
{
	struct health_check config;

	if (config_copy(&group->health_check, &config))
		return -ENOMEM;
	if (check->port != path->port && !config.port) {
		memset(&check->machine, 0, sizeof(check->machine));
		check->since = (uint64_t)time(NULL);
	}
	check->machine.streak = 0;
	note_news(check->group);
	probe_close(&check->probe);
	check_take_path(check, path);
	config_done(&check->config);
	check->config = config;
	return check_start(check);
}

/* What listeners make of a group that they use. */
struct group_use {
	struct xlb_addr vip4, vip6; /* the first of each family, zero if there is none */
	uint32_t port;		    /* the first single one, 0 if there is none */
};

static void use_add(struct group_use *use, const struct load_balancer *lb,
		    const struct listener *listener)
{
	static const struct xlb_addr none;
	uint32_t i;

	if (!use->port && listener->port.count &&
	    listener->port.ranges[0].from == listener->port.ranges[0].to)
		use->port = listener->port.ranges[0].from;
	for (i = 0; i < lb->addresses.count; i++) {
		const struct xlb_addr *addr = &lb->addresses.addrs[i];
		struct xlb_addr *vip = addr_family(addr) == XLB_IPV4 ? &use->vip4 : &use->vip6;

		if (addr_equal(vip, &none))
			*vip = *addr;
	}
}

/* Its listeners are also those that it serves in the place of others. 0 or -ENOMEM. */
static int use_of(const struct model *model, const struct server_group *group,
		  struct group_use *ret)
{
	AUTO_FREE const struct server_group **sources = NULL;
	const struct object *object, *inner;

	*ret = (struct group_use){};
	if (!xlb_mode_has(group->forward, XLB_MODE_DIRECT))
		return 0;
	sources = fallback_sources(model, group->object.name);
	if (!sources)
		return -ENOMEM;
	TAILQ_FOREACH(object, &model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		TAILQ_FOREACH(inner, &lb->listeners, link) {
			const struct listener *listener = (const struct listener *)inner;

			if (listener_leads_to(listener, sources))
				use_add(ret, lb, listener);
		}
	}
	return 0;
}

/* By the datapath only if there is a VIP of the server's family to ask for. */
static struct check_path path_of(const struct checker *checker, const struct server_group *group,
				 const struct server *server, const struct xlb_addr *addr,
				 const struct group_use *use)
{
	static const struct xlb_addr none;
	const struct xlb_addr *vip = addr_family(addr) == XLB_IPV4 ? &use->vip4 : &use->vip6;
	const struct health_check *check = &group->health_check;
	struct check_path path = {
		.port = check->port  ? check->port :
			server->port ? server->port :
				       use->port,
	};

	if (check->type == CHECK_ICMP)
		path.port = 0;
	if (check->via != CHECK_VIA_DATAPATH || !checker->wire.begin || addr_equal(vip, &none))
		return path;
	path.wire = &checker->wire;
	path.vip = *vip;
	if (xlb_mode_has(group->forward, XLB_MODE_ENCAP))
		path.encapsulation = (uint8_t)group->encapsulation;
	return path;
}

static int configure_address(struct checker *checker, const struct server_group *group,
			     const struct server *server, const struct xlb_addr *addr,
			     const struct group_use *use)
{
	struct check_path path = path_of(checker, group, server, addr, use);
	struct check_key key;
	struct check *check;

	check_key_fill(&key, group->object.name, server->object.name, addr);
	check = check_find(checker, &key);
	if (!check)
		return check_add(checker, &key, group, server, &path);
	check->generation = checker->generation;
	check->several = server->address.count > 1;
	if (check->probe.kind && config_equal(&check->config, &group->health_check) &&
	    path_is_taken(check, &path))
		return 0;
	return check_change(check, group, &path);
}

static int configure_group(struct checker *checker, const struct model *model,
			   const struct server_group *group)
{
	const struct object *object;
	struct group_use use;
	uint32_t i;
	int r;

	if (group->health_check.type == CHECK_NONE)
		return 0;
	r = use_of(model, group, &use);
	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (i = 0; !r && i < server->address.count; i++)
			r = configure_address(checker, group, server, &server->address.addrs[i],
					      &use);
	}
	return r;
}

static void tell_all_news(const struct checker *checker)
{
	struct check_group *group;

	for (group = checker->groups; group; group = group->hh.next)
		tell_news(checker, group);
}

static int no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory for health checks");
}

int checker_configure(struct checker *checker, const struct model *model, struct xlb_err *err)
{
	struct check *check, *next;
	const struct object *object;

	checker->generation++;
	checker->started = 0;
	TAILQ_FOREACH(object, &model->server_groups, link)
		if (configure_group(checker, model, (const struct server_group *)object))
			return no_memory(err);
	HASH_ITER(hh, checker->checks, check, next) {
		if (check->generation != checker->generation)
			check_free(check);
	}
	checker_forget_known(checker);
	tell_all_news(checker);
	return 0;
}

int checker_configure_group(struct checker *checker, const struct model *model,
			    const struct server_group *group, struct xlb_err *err)
{
	struct check_group *checked = group_find(checker, group->object.name);
	struct check *check, *next;

	checker->generation++;
	checker->started = 0;
	if (configure_group(checker, model, group))
		return no_memory(err);
	/* `checked` goes with its last check */
	for (check = checked ? LIST_FIRST(&checked->checks) : NULL; check; check = next) {
		next = LIST_NEXT(check, member);
		if (check->generation != checker->generation)
			check_free(check);
	}
	checked = group_find(checker, group->object.name);
	if (checked)
		tell_news(checker, checked);
	return 0;
}

static void on_notify(evutil_socket_t fd, short what, void *arg)
{
	struct checker *checker = arg;

	(void)fd;
	(void)what;
	tell_all_news(checker);
	checker->changed(checker->arg);
}

void checker_on_group(struct checker *checker, checker_group_changed changed, void *arg)
{
	checker->group_changed = changed;
	checker->group_arg = arg;
}

bool checker_is_pending(const struct checker *checker)
{
	return evtimer_pending(checker->notify, NULL);
}

struct checker *checker_new(struct event_base *base, checker_changed changed, void *arg)
{
	struct checker *checker = calloc(1, sizeof(*checker));

	if (!checker)
		return NULL;
	checker->base = base;
	checker->changed = changed;
	checker->arg = arg;
	checker->notify = evtimer_new(base, on_notify, checker);
	return checker->notify ? checker : checker_free(checker);
}

void checker_on_transition(struct checker *checker, checker_transition transition, void *arg)
{
	checker->transition = transition;
	checker->transition_arg = arg;
}

void checker_through(struct checker *checker,
		     int (*begin)(void *arg, const struct xlb_probe_key *key,
				  const struct xlb_probe *probe),
		     void (*end)(void *arg, const struct xlb_probe_key *key), void *arg)
{
	checker->wire = (struct probe_wire){ begin, end, arg };
}

struct checker *checker_free(struct checker *checker)
{
	struct check *check, *next;

	if (!checker)
		return NULL;
	checker->group_changed = NULL;
	HASH_ITER(hh, checker->checks, check, next) {
		check_free(check);
	}
	checker_forget_known(checker);
	if (checker->notify)
		event_free(checker->notify);
	free(checker);
	return NULL;
}

int checker_status(const struct checker *checker, const char *group, const char *server,
		   const struct xlb_addr *addr, struct check_status *ret)
{
	const struct check *check;
	struct check_key key;

	check_key_fill(&key, group, server, addr);
	check = check_find(checker, &key);
	if (!check)
		return -ENOENT;
	*ret = (struct check_status){
		.health = check->machine.state,
		.ever_up = check->machine.ever_up,
		.since = check->since,
		.passed = check->passed,
		.failed = check->failed,
		.ups = check->ups,
		.downs = check->downs,
	};
	memcpy(ret->reason, check->reason, sizeof(ret->reason));
	return 0;
}

int checker_health(const struct checker *checker, const char *group, const char *server,
		   const struct xlb_addr *addr, enum health *ret)
{
	const struct check *check;
	struct check_key key;

	check_key_fill(&key, group, server, addr);
	check = check_find(checker, &key);
	if (!check)
		return -ENOENT;
	*ret = __atomic_load_n(&check->machine.state, __ATOMIC_RELAXED);
	return 0;
}

int checker_eject(struct checker *checker, const char *group, const char *server,
		  const struct xlb_addr *addr, const char *reason, uint32_t results)
{
	struct check *check;
	struct check_key key;

	check_key_fill(&key, group, server, addr);
	check = check_find(checker, &key);
	if (!check || check->machine.state != HEALTH_UP)
		return -ENOENT;
	health_eject(&check->machine);
	snprintf(check->reason, sizeof(check->reason), "%s", reason);
	state_changed(check, HEALTH_UP, results);
	return 0;
}

const struct check_durations *checker_durations(const struct checker *checker, const char *group)
{
	const struct check_group *found = group_find(checker, group);

	return found ? &found->durations : NULL;
}

bool checker_group_ever_up(const struct checker *checker, const char *group)
{
	const struct check_group *found = group_find(checker, group);
	const struct check *check;

	if (!found)
		return false;
	LIST_FOREACH(check, &found->checks, member)
		if (check->machine.ever_up)
			return true;
	return false;
}
