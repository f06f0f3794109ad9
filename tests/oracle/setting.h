/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the oracle is asked about: the world of the packet tests (its services, a listener and a server each), and
 * beside it groups of several servers behind ranges of ports and behind any port.
 */
#ifndef XLB_TESTS_ORACLE_SETTING_H
#define XLB_TESTS_ORACLE_SETTING_H

#include <stdio.h>

/* Loads and fills; a reason why that cannot be, or NULL. */
const char *setting_open(void);
void setting_close(void);
/* Every address, port, listener, table, server and next hop, read back from the maps, as one line of JSON. */
void setting_print(FILE *to);

#endif
