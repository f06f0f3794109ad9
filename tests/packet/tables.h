/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memory of the flow tables, as tests look at it and change it. */
#ifndef XLB_TESTS_PACKET_TABLES_H
#define XLB_TESTS_PACKET_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/datapath.h"

/* Maps the tables of an open datapath; until tables_unmap. A test fails if that cannot be. */
void tables_map(const struct datapath *dp);
void tables_unmap(void);
/* After memory of theirs has gone: what is mapped of it is let go of. */
void tables_forget(void);

/* Entries that are not free, of both families; locators. */
uint32_t tables_flows(void);
uint32_t tables_locators(void);
/* How many flows of a server are counted as open. */
uint64_t tables_open_flows(uint32_t server);
/* How many connections the server has that are no flows. */
void tables_set_others(uint32_t server, uint64_t connections);
/* What has come by the limits of the number. */
struct xlb_meter *tables_meter(uint32_t number);
/* Which meters of source addresses count by them. */
uint32_t tables_epoch(uint32_t number);
/* Entries that there is room for, of a family; locators. */
uint32_t tables_entries(uint8_t family);
uint32_t tables_locator_places(void);
/* Makes every flow, and what is known of paths, older. */
void tables_age(uint32_t units);
/* Nobody has said anything of the ways to servers. */
void tables_forget_paths(void);
/* Flows whose replies come to a port of a pool. */
uint32_t tables_snat_flows(void);
/*
 * While nothing is at work on them: two flows of one key, an entry left BUSY or DEAD, a flow without its locator or
 * a locator without its flow, an entry half moved, another number of open flows of a server or listener than is
 * counted; NULL: none of these.
 */
const char *tables_fault(void);
/* Makes up to `count` entries of each family such as a writer leaves that was killed `units` ago. */
void tables_plant_busy(uint32_t units, uint32_t count);
/* A number that differs if any word of the tables does. */
uint64_t tables_sum(void);
/* Puts a locator from these replies to the flow, or takes it away. */
void tables_locator(const struct xlb_reply_key *reply, const struct xlb_flow_key *flow, bool put);
/* Fills all that a locator of these replies can be in, with locators of nobody's. */
void tables_crowd(const struct xlb_reply_key *reply);
/* Takes all of those away again. */
void tables_uncrowd(void);

#endif
