// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bridge: asks the real program for the oracle. Prints the world as one line of JSON; then takes batches of
 * requests from stdin, and answers each batch when all of it is done. Numbers are 32 bits, little-endian.
 *
 *  batch	 its size in bytes, then requests: a byte that says which, the number of bytes that follow, those.
 *		 F frame; A number: flows get so many seconds older; K: all flows are killed; S server, flags: of a
 *		 server, as if its health had changed; H hop, slot: servers are behind another interface; R: nothing is left of
 *		 flows, connection ids and paths, and the budgets of answers are whole
 *  answer to it its size, then of each F: verdict, reason of the drop counted (0: none), length, frame
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../packet/tables.h"
#include "../packet/world.h"
#include "base/cleanup.h"
#include "setting.h"

static uint64_t drops[XLB_DROP_COUNT];

static void die(const char *what)
{
	fprintf(stderr, "bridge: %s\n", what);
	exit(1);
}

static void put(FILE *to, uint32_t number)
{
	fwrite(&number, sizeof(number), 1, to);
}

/* The reason whose counter has moved since the last frame; more than one is an error. */
static uint32_t drop_reason(void)
{
	uint64_t now[XLB_DROP_COUNT];
	uint32_t reason = 0;

	if (datapath_drop_counters(world_datapath(), SLOT_CLIENTS, now))
		die("cannot read the counters of drops");
	for (uint32_t i = 1; i < XLB_DROP_COUNT; i++) {
		if (now[i] == drops[i])
			continue;
		if (reason || now[i] != drops[i] + 1)
			die("one packet was counted twice");
		reason = i;
	}
	memcpy(drops, now, sizeof(drops));
	return reason;
}

static void send_frame(const uint8_t *data, uint32_t length, FILE *answer)
{
	static struct outcome got;

	world_send(data, length, &got);
	put(answer, got.verdict);
	put(answer, drop_reason());
	put(answer, (uint32_t)got.length);
	fwrite(got.data, 1, got.length, answer);
}

static void flags_of_server(uint32_t id, uint32_t flags)
{
	uint8_t family = id % 2 ? XLB_IPV6 : XLB_IPV4;

	world_server((enum service)(id / 2), family, flags);
}

static void serve(uint8_t kind, const uint8_t *data, uint32_t length, FILE *answer)
{
	uint32_t number[2] = {};

	if (kind != 'F')
		memcpy(number, data, length < sizeof(number) ? length : sizeof(number));
	switch (kind) {
	case 'F':
		send_frame(data, length, answer);
		break;
	case 'A':
		world_age(number[0]);
		break;
	case 'K':
		world_end_flows(FLOW_TO_TOMBSTONE);
		break;
	case 'S':
		flags_of_server(number[0], number[1]);
		break;
	case 'H':
		world_next_hop(number[0], number[1]);
		break;
	case 'R':
		if (tables_fault())
			die(tables_fault());
		world_end_flows(FLOW_DELETE);
		world_quic_forget();
		tables_forget_paths();
		world_forget_fragments();
		world_reset_budget();
		break;
	default:
		die("unknown request");
	}
}

/* All requests of a batch; false if one is cut. */
static bool serve_all(const uint8_t *batch, uint32_t size, FILE *answer)
{
	while (size) {
		uint32_t length;

		if (size < 5)
			return false;
		memcpy(&length, batch + 1, sizeof(length));
		if (length > size - 5)
			return false;
		serve(batch[0], batch + 5, length, answer);
		batch += 5 + length;
		size -= 5 + length;
	}
	return true;
}

static void serve_batch(uint32_t size)
{
	AUTO_FREE uint8_t *batch = malloc(size);
	AUTO_FREE char *answer = NULL;
	size_t answer_size = 0;
	FILE *to = open_memstream(&answer, &answer_size);

	if (!batch || !to)
		die("no memory");
	if (fread(batch, 1, size, stdin) != size || !serve_all(batch, size, to))
		die("a batch was cut");
	if (fclose(to))
		die("no memory");
	put(stdout, (uint32_t)answer_size);
	fwrite(answer, 1, answer_size, stdout);
	if (fflush(stdout))
		die("cannot answer");
}

int main(void)
{
	const char *reason = setting_open();
	uint32_t size;

	if (reason) {
		fprintf(stderr, "%s\n", reason);
		return 4;
	}
	setting_print(stdout);
	fflush(stdout);
	while (fread(&size, sizeof(size), 1, stdin) == 1)
		serve_batch(size);
	setting_close();
	return 0;
}
