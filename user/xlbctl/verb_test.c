// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test LB/LISTENER: what the host itself sends to its VIP never meets the datapath, so a client in a
 * namespace of its own sends through a veth whose host end is attached for as long as the test runs. Which
 * server answered is what the daemon's counters say.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"
#include "xlbctl/target.h"
#include "xlbctl/testnet.h"

#define COUNT_DEFAULT	20
#define ATTACH_TRIES	50
#define ATTACH_PAUSE_US 100000

struct test {
	struct ctl *ctl;
	struct target target;
	struct testnet net;
	const json_t *status, *lb, *listener; /* status owns all */
	const json_t *groups;		      /* of the listener, with their weights */
	const char *group;		      /* the first that takes flows */
	char interface_path[64];
	const char *mode; /* of the interfaces attached */
	bool attached;
};

/* the client process, for the signal handler: 0 while there is none */
static volatile sig_atomic_t client;

/* The client's end makes the test fail, and the normal way out cleans up. */
static void stop_client(int signal_number)
{
	(void)signal_number;
	if (client)
		kill(client, SIGKILL);
}

/* Object of a list by name. */
static const json_t *item_named(const json_t *list, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (!strcmp(json_text_at(item, "name"), name))
			return item;
	return NULL;
}

/* What is tested, from one picture of the daemon's state. */
static int look_up(struct test *test)
{
	struct ctl *ctl = test->ctl;
	const json_t *interface;
	json_t *item;
	size_t i;

	test->lb = item_named(json_object_get(test->status, "load_balancers"), test->target.parent);
	test->listener = json_object_get(json_object_get(test->lb, "listeners"), test->target.name);
	if (!test->listener)
		return xlb_err_set(&ctl->err, XLB_ERR_NOT_FOUND, -ENOENT, "no listener %s/%s",
				   test->target.parent, test->target.name);
	test->groups = json_object_get(test->listener, "server_groups");
	json_array_foreach(test->groups, i, item)
		if (!test->group && json_count_at(item, "weight"))
			test->group = json_text_at(item, "group");
	json_array_foreach(json_object_get(test->status, "interfaces"), i, item) {
		interface = json_at(item, "state");
		if (json_is_true(json_object_get(interface, "attached")))
			test->mode = json_text_at(interface, "mode");
	}
	if (test->mode)
		return 0;
	xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOENT,
		    "no interface is attached: no packet would reach a server");
	xlb_err_hint(&ctl->err, "xlbctl attach IFACE");
	return -ENOENT;
}

/* Into the daemon's network namespace, if it is another one. */
static int join_daemon(struct test *test)
{
	char path[64], name[32] = "";
	AUTO_FCLOSE FILE *comm = NULL;
	AUTO_CLOSE int fd = -1;
	int pid = (int)json_count_at(test->status, "pid");

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	comm = fopen(path, "re");
	/* in a container the number may mean another process */
	if (!comm || !fgets(name, sizeof(name), comm) || strcmp(name, "xlbd\n"))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return xlb_err_set(&test->ctl->err, XLB_ERR_FAILED, -errno,
				   "cannot enter the network namespace of xlbd: %s",
				   strerror(errno));
	return 0;
}

static int change_attachment(struct test *test, const char *action, const char *body,
			     const char *query)
{
	struct answer answer AUTO_ANSWER = { 0 };
	char path[128];
	const struct request request = {
		.method = "POST",
		.path = path,
		.query = query,
		.body = body,
		.body_size = body ? strlen(body) : 0,
		.body_type = "application/json",
	};

	snprintf(path, sizeof(path), "%s/%s", test->interface_path, action);
	return client_call(test->ctl, &request, &answer);
}

static int attach(struct test *test)
{
	struct ctl *ctl = test->ctl;
	char body[64];
	int r;

	snprintf(body, sizeof(body), "{\"mode\":\"%s\"}", test->mode);
	r = change_attachment(test, "attach", body, NULL);
	if (r)
		return r;
	test->attached = true;
	for (int i = 0; i < ATTACH_TRIES; i++) {
		struct answer answer AUTO_ANSWER = { 0 };

		r = client_get(ctl, test->interface_path, &answer);
		if (r || json_is_true(json_at(answer.json, "state.attached")))
			return r;
		usleep(ATTACH_PAUSE_US);
	}
	return xlb_err_set(&ctl->err, XLB_ERR_TIMEOUT, -ETIMEDOUT, "%s was not attached",
			   test->net.ifname);
}

/* Detaches; an error that stands already is the one to tell. */
static int detach(struct test *test, int r)
{
	struct xlb_err before = test->ctl->err;
	int detached;

	if (!test->attached)
		return r;
	detached = change_attachment(test, "detach", NULL, "yes=1&now=1");
	if (detached)
		fprintf(stderr, "warning: %s stays configured: xlbctl detach %s\n",
			test->net.ifname, test->net.ifname);
	if (r)
		test->ctl->err = before;
	return r ? r : detached;
}

/*
 * Adds the flows that servers of a group ever got, or of one that takes flows in its place; `part` is the group's of the
 * listener's flows.
 */
static int add_flows_created(struct test *test, const char *group, double part, bool several,
			     json_t *flows)
{
	struct answer answer AUTO_ANSWER = { 0 };
	char path[256], whole[160];
	json_t *server, *address;
	const char *name, *entry, *taker;
	int r;

	snprintf(path, sizeof(path), "/v1/server_groups/%s", group);
	r = client_get(test->ctl, path, &answer);
	if (r)
		return r;
	json_object_foreach(json_object_get(answer.json, "servers"), name, server) {
		double share = json_real_value(json_at(server, "state.weight_percent")) * part;
		uint64_t sum = 0;
		size_t i;

		json_array_foreach((json_t *)json_at(server, "state.addresses"), i, address)
			sum += json_count_at(address, "counters.flows_created");
		snprintf(whole, sizeof(whole), "%s/%s", group, name);
		entry = several ? whole : name;
		/* a group may be there for itself and in the place of another */
		share += json_real_value(json_at(json_object_get(flows, entry), "share"));
		json_object_set_new(flows, entry,
				    json_pack("{s:I, s:f}", "flows", (json_int_t)sum, "share",
					      share));
	}
	taker = json_text_at(answer.json, "state.taken_by.ipv4");
	taker = *taker ? taker : json_text_at(answer.json, "state.taken_by.ipv6");
	return *taker ? add_flows_created(test, taker, part, true, flows) : 0;
}

/* Flows that servers ever got: name -> count. NULL with err filled on failure. */
static json_t *flows_created(struct test *test)
{
	json_t *flows = json_object(), *share;
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(test->groups, i, share)
		sum += json_count_at(share, "weight");
	json_array_foreach(test->groups, i, share) {
		double part = sum ? (double)json_count_at(share, "weight") / (double)sum : 0;

		if (!add_flows_created(test, json_text_at(share, "group"), part,
				       json_array_size(test->groups) > 1, flows))
			continue;
		json_decref(flows);
		return NULL;
	}
	return flows;
}

/* A port of the listener to ask; of many, the one that is checked if it is among them. */
static uint16_t choose_port(const struct test *test, const json_t *group)
{
	uint64_t checked = json_count_at(group, "health_check.port");
	const json_t *ports = json_object_get(test->listener, "ports");
	json_t *range;
	size_t i;

	json_array_foreach(ports, i, range)
		if (checked >= json_count_at(range, "from") &&
		    checked <= json_count_at(range, "to"))
			return (uint16_t)checked;
	return (uint16_t)json_count_at(json_array_get(ports, 0), "from");
}

static void make_plan(const struct test *test, const json_t *group, const char *address,
		      struct probe_plan *ret)
{
	const char *host = json_text_at(group, "health_check.host");

	memset(ret, 0, sizeof(*ret));
	ret->port_h = choose_port(test, group);
	ret->udp = !strcmp(json_text_at(test->listener, "protocol"), "udp");
	ret->http = !ret->udp && !strcmp(json_text_at(group, "health_check.type"), "http");
	ret->count = (uint32_t)(test->ctl->count ? test->ctl->count : COUNT_DEFAULT);
	snprintf(ret->path, sizeof(ret->path), "%s", json_text_at(group, "health_check.path"));
	snprintf(ret->host, sizeof(ret->host), "%s", *host ? host : address);
}

static void print_result(const struct test *test, const char *address,
			 const struct probe_plan *plan, const struct probe_result *result)
{
	bool v6 = strchr(address, ':');

	printf("%s/%s %s%s%s:%u %s: %u %s, %u answered", test->target.parent, test->target.name,
	       v6 ? "[" : "", address, v6 ? "]" : "", plan->port_h, plan->udp ? "udp" : "tcp",
	       result->sent, plan->udp ? "datagrams" : "connections", result->answered);
	if (result->http_status)
		printf(" (http %u)", result->http_status);
	if (result->refused)
		printf(", %u refused", result->refused);
	if (result->timed_out)
		printf(", %u without an answer in time", result->timed_out);
	putchar('\n');
}

/* Who got the flows. */
static void print_servers(json_t *before, json_t *after)
{
	static const struct column columns[] = {
		{ "SERVER", CELL_VALUE, "name", false },
		{ "FLOWS", CELL_COUNT, "flows", false },
		{ "SHARE", CELL_PERCENT, "share", false },
		{ "EXPECTED", CELL_PERCENT, "expected", false },
		{ 0 },
	};
	size_t count = json_object_size(after), n = 0;
	AUTO_FREE struct table_row *rows = calloc(count + 1, sizeof(*rows));
	json_t *list = json_array(), *server;
	const char *name;
	uint64_t total = 0;

	json_object_foreach(after, name, server)
		total += json_count_at(server, "flows") -
			 json_count_at(json_object_get(before, name), "flows");
	json_object_foreach(after, name, server) {
		uint64_t flows = json_count_at(server, "flows") -
				 json_count_at(json_object_get(before, name), "flows");

		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:f, s:O}", "name", name, "flows",
						(json_int_t)flows, "share",
						total ? 100.0 * (double)flows / (double)total : 0.0,
						"expected", json_object_get(server, "share")));
	}
	for (; rows && n < count; n++)
		rows[n].object = json_array_get(list, n);
	if (n)
		print_table(stdout, columns, rows, n, NULL);
	json_decref(list);
}

/* Why packets of the client were dropped. */
static void print_drops(struct test *test)
{
	struct answer answer AUTO_ANSWER = { 0 };
	const char *reason;
	json_t *count;

	if (client_get(test->ctl, test->interface_path, &answer))
		return;
	json_object_foreach((json_t *)json_at(answer.json, "state.drops"), reason, count)
		printf("dropped %s: %" JSON_INTEGER_FORMAT "\n", reason, json_integer_value(count));
}

/* One address of the load balancer. *ret_lost: connections not answered (datagrams need not be). */
static int test_address(struct test *test, const json_t *group, const char *address,
			uint32_t *ret_lost)
{
	json_t *before, *after;
	struct probe_result result;
	struct probe_plan plan;
	int r;

	make_plan(test, group, address, &plan);
	if (parse_addr(address, &plan.addr))
		return xlb_err_set(&test->ctl->err, XLB_ERR_FAILED, -EPROTO,
				   "xlbd answered address \"%s\"", address);
	if (addr_family(&plan.addr) == XLB_IPV6 && !test->net.has_ipv6) {
		fprintf(stderr, "warning: this host has no IPv6, skipping %s\n", address);
		return 0;
	}
	before = flows_created(test);
	if (!before)
		return -EIO;
	r = testnet_probe(&test->net, &plan, &result, &test->ctl->err);
	after = r ? NULL : flows_created(test);
	if (after) {
		print_result(test, address, &plan, &result);
		print_servers(before, after);
		*ret_lost += plan.udp ? 0 : result.sent - result.answered;
	}
	json_decref(before);
	json_decref(after);
	return r ? r : after ? 0 : -EIO;
}

static int test_addresses(struct test *test)
{
	const json_t *group =
		item_named(json_object_get(test->status, "server_groups"), test->group);
	uint32_t lost = 0;
	json_t *address;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(test->lb, "addresses"), i, address) {
		r = test_address(test, group, json_string_value(address), &lost);
		if (r)
			return r;
	}
	if (!lost)
		return 0;
	print_drops(test);
	fflush(stdout);
	xlb_err_set(&test->ctl->err, XLB_ERR_FAULTS, -EIO,
		    "%s/%s: %u connections were not answered", test->target.parent,
		    test->target.name, lost);
	xlb_err_hint(&test->ctl->err, "xlbctl server list %s", test->group);
	return -EIO;
}

static int run_test(struct test *test)
{
	int r;

	r = testnet_open(&test->net, &test->ctl->err);
	if (r)
		return r;
	client = test->net.child;
	snprintf(test->interface_path, sizeof(test->interface_path), "/v1/interfaces/%s",
		 test->net.ifname);
	r = attach(test);
	if (!r)
		r = test_addresses(test);
	r = detach(test, r);
	client = 0;
	testnet_close(&test->net);
	return r;
}

int verb_test(struct ctl *ctl)
{
	struct test test = { .ctl = ctl };
	struct answer answer AUTO_ANSWER = { 0 };
	int r;

	if (ctl->json)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "test does not take --json");
	if (geteuid() != 0)
		return xlb_err_set(&ctl->err, XLB_ERR_PERMISSION, -EPERM,
				   "test needs root: it makes a network namespace and a veth pair");
	r = target_object(ctl, &type_listener, &test.target);
	if (!r)
		r = target_no_rest(ctl, &test.target);
	if (!r)
		r = client_get(ctl, "/v1/status", &answer);
	if (r)
		return r;
	test.status = answer.json;
	r = look_up(&test);
	if (!r)
		r = join_daemon(&test);
	if (r)
		return r;
	signal(SIGINT, stop_client);
	signal(SIGTERM, stop_client);
	signal(SIGHUP, stop_client);
	return run_test(&test);
}
