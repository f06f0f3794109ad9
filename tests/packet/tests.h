/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tests that are not rows; lists end with an entry without name. Each starts from a reset world. */
#ifndef XLB_TESTS_PACKET_TESTS_H
#define XLB_TESTS_PACKET_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const struct CMUnitTest malformed_tests[], mutation_tests[], choice_tests[],
	resource_tests[], modes_tests[], quic_tests[], watch_tests[], torture_tests[],
	resize_tests[], mss_tests[], vlan_tests[], icmp_tests[], icmp_odd_tests[], icmp_own_tests[],
	fragment_tests[], schedule_tests[], rules_tests[], crowded_tests[], limits_tests[],
	mode_local_tests[];

#endif
