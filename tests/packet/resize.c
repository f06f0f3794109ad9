// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Flow tables that change their size while packets go on, and daemons that are killed over it. */
#include "resize.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "sys/datapath_private.h"
#include "tables.h"
#include "talk.h"
#include "tests.h"

/* One that is finished or broken off by the end of the test. */
static struct table_resize *resize_new(enum xlb_flow_table_id id, uint32_t room)
{
	struct xlb_err err = {};
	struct table_resize *resize = table_resize_new(world_datapath(), id, room, &err);

	if (!resize)
		fail_msg("table_resize_new: %s; %s", err.text, err.hint);
	return resize;
}

static enum table_resize_state step(struct table_resize *resize, uint32_t budget)
{
	struct xlb_err err = {};
	enum table_resize_state state = table_resize_step(resize, budget, &err);

	if (state == TABLE_RESIZE_FAILED)
		fail_msg("table_resize_step: %s", err.text);
	return state;
}

static void finish(struct table_resize *resize)
{
	while (step(resize, 1000) != TABLE_RESIZE_DONE)
		;
	table_resize_free(resize);
	tables_forget();
}

/* --- every flow in the old extent ------------------------------------------------------------------- */

static uint32_t move_pages(enum xlb_flow_table_id id)
{
	struct datapath *dp = world_datapath();
	uint32_t left = 0, cost = 0;

	for (uint32_t page = 0; page < xlb_get(table_row(dp, id)->old, XLB_EXTENT_PAGES); page++)
		left += move_page(dp, id, page, &cost);
	return left;
}

static void move_all(void)
{
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		assert_int_equal(move_pages(id), 0);
	}
}

/* No packet is under way: nothing has to be waited for. */
static void change_over(void)
{
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		struct xlb_flow_table *table = table_row(world_datapath(), id);
		uint64_t new = table->old;

		table->old = table->extent;
		table->extent = new;
	}
}

static bool shifting;

void resize_before_frame(void)
{
	if (!shifting)
		return;
	move_all();
	change_over();
}

/* Gives every table a second extent of this room. */
static void shift_start(uint32_t room)
{
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		struct table_resize *resize = resize_new(id, room);

		while (!table_row(world_datapath(), id)->old)
			step(resize, 1);
		table_resize_free(resize);
	}
	shifting = true;
}

static void shift_stop(void)
{
	shifting = false;
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		struct xlb_err err = {};
		struct table_resize *left;

		assert_int_equal(table_resize_left(world_datapath(), id, &left, &err), 0);
		assert_non_null(left);
		finish(left);
	}
}

/* Each frame of every talk finds in the old extent what came before it. */
static void test_talks(void **state)
{
	(void)state;
	shift_start(3 * WORLD_FLOWS);
	talk_test_all();
	world_reset();
	shift_stop();
	assert_null(tables_fault());
}

/* --- flows that go over ------------------------------------------------------------------------------ */

#define TALKS 400

static const enum service services[] = { WEB, NAT, DR, CROSS, IPIP, LOCAL };
#define SERVICES_COUNT (sizeof(services) / sizeof(services[0]))

static struct talk talks[TALKS];

static bool has_replies(const struct talk *talk)
{
	return !xlb_mode_has(service_mode(talk->service), XLB_MODE_DIRECT);
}

/* Flows of every kind, half of them of IPv6. */
static void open_talks(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct step open = FORWARD(CLIENT, SYN), answer = FORWARD(CLIENT, ACK);

		talk_init(&talks[i], i % 2 ? XLB_IPV4 : XLB_IPV6, IPPROTO_TCP,
			  services[i % SERVICES_COUNT], VIP_OWN);
		assert_null(talk_step(&talks[i], &open));
		assert_null(talk_step(&talks[i], &answer));
	}
}

/* Packets of both sides of every flow still get where they did: NULL, or what is wrong. */
static const char *use_talks(size_t count)
{
	const char *fault = NULL;

	for (size_t i = 0; i < count && !fault; i++) {
		const struct step ask = FORWARD(CLIENT, ACK), answer = FORWARD(SERVER, ACK);

		fault = talk_step(&talks[i], &ask);
		if (!fault && has_replies(&talks[i]))
			fault = talk_step(&talks[i], &answer);
	}
	return fault;
}

static enum flow_action visit_count(void *arg, const struct xlb_flow_key *key,
				    const struct xlb_flow *flow)
{
	uint8_t *visits = arg;

	(void)flow;
	for (size_t i = 0; i < TALKS; i++)
		visits[i] += talks[i].family == key->family &&
			     htons(talks[i].client_port) == key->client_port;
	return FLOW_KEEP;
}

/*
 * Every table becomes larger, then smaller than it was, in steps of a few entries; between them packets go on, and a
 * walk that takes its time meets each flow once.
 */
static void test_resize(void **state)
{
	AUTO(flow_walk_free) struct flow_walk *walk = flow_walk_new(world_datapath());
	static const uint32_t rooms[] = { 3 * WORLD_FLOWS, 1024, WORLD_FLOWS };
	struct xlb_err err = {};

	(void)state;
	open_talks(TALKS);
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
			struct table_resize *resize = resize_new(id, rooms[i]);
			uint8_t visits[TALKS] = {};
			bool done = false;
			int turn = 0;

			while (step(resize, 20) != TABLE_RESIZE_DONE) {
				if (turn++ % 8 == 0)
					assert_null(use_talks(TALKS));
				if (!done)
					assert_int_equal(flow_walk_next(walk, 20, visit_count,
									visits, &done, &err),
							 0);
			}
			while (!done)
				assert_int_equal(flow_walk_next(walk, 20, visit_count, visits,
								&done, &err),
						 0);
			for (size_t n = 0; n < TALKS; n++)
				assert_int_equal(visits[n], 1);
			table_resize_free(resize);
			tables_forget();
			assert_int_equal(datapath_table_room(world_datapath(), id), rooms[i]);
			assert_null(tables_fault());
			assert_null(use_talks(TALKS));
		}
	}
	world_end_flows(FLOW_DELETE);
	assert_int_equal(tables_flows() + tables_locators() + world_ports_taken(), 0);
}

/* What finds no place stays where it is, and works, until there is one. */
static void test_no_room(void **state)
{
	struct table_resize *resize = resize_new(XLB_TABLE_IPV4, 64);
	int later = 0;

	(void)state;
	open_talks(TALKS);
	while (later < 3)
		later += step(resize, 1000) == TABLE_RESIZE_LATER;
	tables_forget();
	assert_int_equal(tables_flows(), TALKS);
	assert_null(use_talks(TALKS));
	assert_null(tables_fault());
	for (size_t i = 0; i < TALKS; i += 2)
		world_end_flows(FLOW_DELETE);
	finish(resize);
	assert_int_equal(tables_flows() + tables_locators() + world_ports_taken(), 0);
	finish(resize_new(XLB_TABLE_IPV4, WORLD_FLOWS));
}

/*
 * A CPU that knew only the old extent and one that knew the new one made the same flow: the one that packets have
 * met since is kept, and the other goes with all it has.
 */
static void test_rivals(void **state)
{
	struct xlb_flow_table *table = table_row(world_datapath(), XLB_TABLE_IPV4);
	const struct step open = FORWARD(CLIENT, SYN);
	struct talk talk, other;
	uint64_t old;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	assert_null(talk_step(&talk, &open));
	shift_start(WORLD_FLOWS);
	shifting = false;
	old = table->old;
	table->old = 0;
	other = talk;
	other.now = (struct mapping){};
	assert_null(talk_step(&other, &open));
	table->old = old;
	assert_int_equal(tables_flows(), 2);
	shift_stop();
	assert_int_equal(tables_flows(), 1);
	assert_null(tables_fault());
	assert_int_equal(world_ports_taken(), 1);
	talk_run(&talk, (const struct step[]){ FORWARD(CLIENT, SYN),
					       FORWARD(SERVER, SYN | ACK),
					       FORWARD(CLIENT, ACK),
					       {} });
}

/* --- kill -9 ----------------------------------------------------------------------------------------- */

#define KILL_TALKS 6
#define TRAP_FLAG  0x100

/*
 * What makes a difference is only which of its writes to the tables were the last: their memory is read-only to the
 * mover, each write faults, and is let through alone or is where it ends.
 */
static uint32_t writes_left;

static void protect(int how)
{
	const struct flow_tables *memory = &world_datapath()->tables;

	for (uint32_t i = 0; i < XLB_FLOW_CHUNKS; i++)
		if (memory->chunk[i] &&
		    mprotect(memory->chunk[i], sizeof(struct xlb_flow_page) << memory->shift, how))
			_exit(2);
}

static void single_step(void *context, bool on)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

	*flags = on ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}

static void on_write(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info;
	if (!writes_left--)
		kill(getpid(), SIGKILL);
	protect(PROT_READ | PROT_WRITE);
	single_step(context, true);
}

static void on_written(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info;
	protect(PROT_READ);
	single_step(context, false);
}

/* What a daemon does that is killed over it, after so many writes. */
static void mover_run(enum xlb_flow_table_id id, uint32_t writes)
{
	struct sigaction write = { .sa_sigaction = on_write, .sa_flags = SA_SIGINFO };
	struct sigaction written = { .sa_sigaction = on_written, .sa_flags = SA_SIGINFO };
	uint32_t cost = 0;

	writes_left = writes;
	sigaction(SIGSEGV, &write, NULL);
	sigaction(SIGTRAP, &written, NULL);
	protect(PROT_READ);
	move_page(world_datapath(), id, table_row(world_datapath(), id)->moving, &cost);
	_exit(0);
}

static bool is_in_use(enum xlb_flow_table_id id, const struct xlb_flow_page *page)
{
	bool ipv6 = id == XLB_TABLE_IPV6;

	if (id != XLB_TABLE_REPLIES) {
		for (uint32_t n = 0; n < page_entries(ipv6); n++)
			if (xlb_get(page->word[entry_word(n, ipv6)], XLB_LIVE_STATE))
				return true;
		return false;
	}
	for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
		if (page->word[word])
			return true;
	return false;
}

/* A page of the old extent with something in it. */
static uint32_t page_in_use(enum xlb_flow_table_id id)
{
	uint64_t old = table_row(world_datapath(), id)->old;
	struct xlb_flow_at at;
	uint32_t page = 0;

	while (!is_in_use(id, table_page(world_datapath(), old, page, &at)))
		page++;
	return page;
}

/* The successor of a daemon that was killed so late goes on: NULL, or what it has left behind. */
static const char *kill_once(enum xlb_flow_table_id id, uint32_t writes, bool *ret_over)
{
	struct datapath *dp = world_datapath();
	const char *fault;
	int status = 0;
	pid_t pid;

	table_row(dp, id)->moving = page_in_use(id);
	pid = fork();
	if (!pid)
		mover_run(id, writes);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*ret_over = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!*ret_over && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		return "the mover failed";
	/* packets do not wait for it */
	fault = use_talks(KILL_TALKS);
	if (fault)
		return fault;
	move_page_again(dp, id, table_row(dp, id)->moving);
	if (move_pages(id))
		return "something could not be moved";
	/* a copy that never came alive goes by the sweep */
	tables_age(2 * XLB_FLOW_ABANDONED);
	world_end_flows(FLOW_KEEP);
	return tables_flows() == KILL_TALKS ? tables_fault() : "flows are lost or doubled";
}

/* Nothing is lost, doubled or left half done, whichever write of moving a page was the last. */
static void test_killed(void **state)
{
	(void)state;
	world_room(64);
	open_talks(KILL_TALKS);
	shift_start(64);
	shifting = false;
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		struct xlb_flow_table *table = table_row(world_datapath(), id);
		uint32_t kills = 0;
		bool over = false;

		for (uint32_t writes = 0; !over; writes++) {
			const char *fault = kill_once(id, writes, &over);
			uint64_t old = table->old;

			if (fault)
				fail_msg("table %u, after %u writes: %s", id, writes, fault);
			/* and back again */
			table->old = table->extent;
			table->extent = old;
			kills += !over;
		}
		/* of one flow at least; one to copy a locator and one to clear it */
		assert_in_range(kills, id == XLB_TABLE_REPLIES ? 2 : 7, 1000);
	}
	shift_stop();
	world_room(WORLD_FLOWS);
}

const struct CMUnitTest resize_tests[] = {
	{ .name = "tables: each packet of every row above finds its flow in the old extent",
	  .test_func = test_talks },
	{ .name = "tables: larger and smaller while packets go on", .test_func = test_resize },
	{ .name = "tables: what finds no place in a smaller one stays", .test_func = test_no_room },
	{ .name = "tables: the same flow made in both extents is one", .test_func = test_rivals },
	{ .name = "tables: the daemon is killed after any write", .test_func = test_killed },
	{},
};
