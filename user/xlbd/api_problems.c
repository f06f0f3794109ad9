// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is wrong with interfaces, the flow table and the daemon; servers are api_problems_server.c's. */
#include "xlbd/api_problems.h"

#include <string.h>

#include "base/words.h"
#include "sys/datapath.h"
#include "xlbd/api_config.h"
#include "xlbd/api_tls.h"
#include "xlbd/traffic.h"

#define PROBLEMS_MAX	   100
#define FLOWS_HIGH_PERCENT 80
/* What fits into a page beside what the kernel keeps there: the limit of drivers for programs without frags. */
#define NATIVE_MTU_MAX	   3506

/* Reasons that say something is wrong, unless a problem of the kind `unless` says it better. */
static const struct {
	enum xlb_reason reason;
	enum problem_kind kind, unless; /* PROBLEM_KIND_COUNT: nothing does */
} watched[] = {
	{ XLB_DROP_NO_LISTENER, PROBLEM_UNWANTED, PROBLEM_KIND_COUNT },
	{ XLB_DROP_NO_SERVER, PROBLEM_DROPS, PROBLEM_NO_SERVER },
	{ XLB_DROP_NO_NEIGHBOUR, PROBLEM_DROPS, PROBLEM_NEIGHBOUR },
	{ XLB_DROP_NO_INTERFACE, PROBLEM_DROPS, PROBLEM_SERVER_UNATTACHED },
	{ XLB_DROP_SNAT_EXHAUSTED, PROBLEM_DROPS, PROBLEM_SNAT_EXHAUSTED },
	{ XLB_DROP_FLOW_TABLE_FULL, PROBLEM_FLOWS_FULL, PROBLEM_KIND_COUNT },
	{ XLB_DROP_MTU_EXCEEDED, PROBLEM_DROPS, PROBLEM_MTU },
	{ XLB_DROP_FRAGMENT, PROBLEM_DROPS, PROBLEM_KIND_COUNT },
	{ XLB_DROP_HAIRPIN, PROBLEM_DROPS, PROBLEM_KIND_COUNT },
	{ XLB_DROP_INTERNAL, PROBLEM_DROPS, PROBLEM_KIND_COUNT },
	{ XLB_DROP_REDIRECT_FAILED, PROBLEM_DROPS, PROBLEM_KIND_COUNT },
	{ XLB_DROP_TX_FAILED, PROBLEM_DROPS, PROBLEM_KIND_COUNT },
};

void problems_interface(struct view *view, const struct interface *interface,
			const struct host_link *link, uint32_t mode)
{
	const char *name = interface->object.name;

	if (!link)
		problems_add(
			view->problems,
			&(struct finding){ .kind = PROBLEM_INTERFACE_MISSING, .scope = name },
			"interface %s is configured but does not exist: it is attached once it appears",
			name);
	else if (!mode && interface->mode == XLB_ATTACH_NATIVE && link->mtu > NATIVE_MTU_MAX)
		problems_add(
			view->problems,
			&(struct finding){ .kind = PROBLEM_MTU_LARGE, .scope = name },
			"interface %s is not attached: its MTU %u is too large for native XDP, most drivers take %d",
			name, link->mtu, NATIVE_MTU_MAX);
	else if (!mode)
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_INTERFACE_DETACHED, .scope = name },
			     "interface %s is configured but not attached (MTU %u)", name,
			     link->mtu);
	else if (!link->up)
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_INTERFACE_DOWN, .scope = name },
			     "interface %s is down or has no carrier", name);
	if (mode == XLB_ATTACH_GENERIC)
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_GENERIC, .scope = name },
			     "interface %s runs in generic mode: every packet takes the slow path",
			     name);
}

/* An attached interface while all of them are compared. */
struct port {
	const char *name;
	uint32_t mtu;
	struct traffic_rates rates;
};

static uint32_t ports_list(struct view *view, struct port ret[XLB_MAX_INTERFACES])
{
	const struct object *object;
	struct attachment_info info;
	struct host_link link;
	struct xlb_err ignored;
	uint32_t count = 0;

	TAILQ_FOREACH(object, &engine_model(view->engine)->interfaces, link) {
		const struct id_entry *slot =
			ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
		struct port *port = &ret[count];

		if (count == XLB_MAX_INTERFACES || !slot ||
		    host_link(engine_host(view->engine), object->name, &link, &ignored) ||
		    datapath_attachment(engine_datapath(view->engine), object->name, &info))
			continue;
		*port = (struct port){ .name = object->name, .mtu = link.mtu };
		traffic_rates(view->api->traffic, slot->id, &port->rates);
		count++;
	}
	return count;
}

/* What comes in by `port` may be too large for `out`. */
static void mtu_problem(struct view *view, const struct port *port, const struct port *out)
{
	unsigned long long packets = port->rates.recent[XLB_DROP_MTU_EXCEEDED];
	struct finding finding = { .kind = packets ? PROBLEM_MTU : PROBLEM_MTU_DIFFERS,
				   .scope = port->name,
				   .cause = out->name };
	char where[64];

	snprintf(where, sizeof(where), "%s mtu %u", out->name, port->mtu);
	finding.where = where;
	if (packets)
		problems_add(
			view->problems, &finding,
			"interface %s has MTU %u, %s only %u: %llu packets in the last minute were too large to leave (mtu_exceeded)",
			port->name, port->mtu, out->name, out->mtu, packets);
	else
		problems_add(
			view->problems, &finding,
			"interface %s has MTU %u, %s only %u: packets larger than that are dropped (mtu_exceeded)",
			port->name, port->mtu, out->name, out->mtu);
}

static void mtu_problems(struct view *view, const struct port *ports, uint32_t count)
{
	const struct port *least = ports;
	uint32_t i;

	for (i = 1; i < count; i++)
		if (ports[i].mtu < least->mtu)
			least = &ports[i];
	for (i = 0; i < count; i++)
		if (ports[i].mtu > least->mtu)
			mtu_problem(view, &ports[i], least);
}

static void drop_problems(struct view *view, const struct port *port)
{
	size_t i;

	for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		uint64_t packets = port->rates.recent[watched[i].reason];
		char reason[256];

		if (!packets || problems_has(view->problems, watched[i].unless))
			continue;
		snprintf(reason, sizeof(reason), "%s: %s", reason_word(watched[i].reason),
			 reason_meaning(watched[i].reason));
		problems_add(view->problems,
			     &(struct finding){ .kind = watched[i].kind,
						.scope = port->name,
						.cause = reason },
			     "interface %s: %llu packets in the last minute dropped as %s",
			     port->name, (unsigned long long)packets, reason);
	}
}

static void flow_problems(struct view *view)
{
	const char *trouble = engine_table_trouble(view->engine);
	const char *limit =
		engine_model(view->engine)->flow_table.max ?
			"flow_table.max allows no more" :
			"half of the memory holds no more, and there is no flow_table.max";

	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		uint64_t used = engine_table_used(view->engine, id);
		uint32_t room = datapath_table_room(engine_datapath(view->engine), id);

		/* what has not grown yet will in a moment, unless there is trouble */
		if (used * 100 < (uint64_t)room * FLOWS_HIGH_PERCENT ||
		    (!*trouble && room < engine_table_max(view->engine, id)))
			continue;
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_FLOWS_HIGH,
						.scope = engine_table_words[id] },
			     "the flow table %s holds %llu of %u entries and does not grow: %s",
			     engine_table_words[id], (unsigned long long)used, room,
			     *trouble ? trouble : limit);
	}
}

/* Works, but may surprise. What is a problem of its own is told by that. */
static void warning_problems(struct view *view)
{
	AUTO_FREE char *text = strdup(engine_warnings(view->engine));
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (*line && !strstr(line, "FAIL-OPEN") && !strstr(line, "is missing: waiting"))
			problems_add(view->problems,
				     &(struct finding){ .kind = PROBLEM_WARNINGS, .cause = line },
				     "%s", line);
}

static void daemon_problems(struct view *view)
{
	const struct model *model = engine_model(view->engine);
	const char *file = view->api->paths.config_file;
	const char *uncounted = datapath_lost_uncounted(engine_datapath(view->engine));
	const char *trouble = engine_trouble(view->engine);
	uint32_t left = engine_confirm_left(view->engine);

	if (trouble[0])
		problems_add(view->problems, &(struct finding){ .kind = PROBLEM_TROUBLE }, "%s",
			     trouble);
	if (uncounted[0])
		problems_add(
			view->problems, &(struct finding){ .kind = PROBLEM_UNCOUNTED },
			"packets lost after the verdict (redirect_failed, tx_failed) are not counted: %s",
			uncounted);
	if (TAILQ_EMPTY(&model->interfaces) && !TAILQ_EMPTY(&model->load_balancers))
		problems_add(view->problems, &(struct finding){ .kind = PROBLEM_NOTHING_ATTACHED },
			     "no interface is attached: no packet meets a load balancer");
	if (left)
		problems_add(view->problems, &(struct finding){ .kind = PROBLEM_CONFIRM },
			     "the last attach is undone in %u s unless confirmed", left);
	warning_problems(view);
	if (config_differs(view->api))
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_DRIFT, .scope = file },
			     "%s differs from the running configuration", file);
}

static void look_for_rest(struct view *view)
{
	AUTO_FREE struct port *ports = calloc(XLB_MAX_INTERFACES, sizeof(*ports));
	uint32_t i, count = ports ? ports_list(view, ports) : 0;

	daemon_problems(view);
	problems_tls(view);
	flow_problems(view);
	mtu_problems(view, ports, count);
	for (i = 0; i < count; i++)
		drop_problems(view, &ports[i]);
}

static void print_problem(struct json_out *out, const char *level, const char *kind,
			  const char *text, const char *command, uint32_t count)
{
	out_open(out, NULL, '{');
	out_text(out, "level", level);
	out_text(out, "kind", kind);
	out_text(out, "text", text);
	out_text(out, "command", command[0] ? command : NULL);
	out_uint(out, "count", count);
	out_close(out, '}');
}

static void tell(void *arg, const struct problem *problem)
{
	print_problem(arg, problem_level_word(problem->level), problem->word, problem->text,
		      problem->command, problem->count);
}

int problems_print(void *arg, struct view *view, const struct object *object)
{
	char text[64];
	uint32_t left;

	(void)arg;
	(void)object;
	look_for_rest(view);
	out_open(&view->out, NULL, '[');
	left = problems_each(view->problems, PROBLEMS_MAX, tell, &view->out);
	if (left) {
		snprintf(text, sizeof(text), "... and %u more problems", left);
		print_problem(&view->out, "warning", "more", text, "xlbctl server list", left);
	}
	out_close(&view->out, ']');
	return 0;
}
