#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: dr. Servers have the VIP on their loopback and answer clients past lb.

bats_require_minimum_version 1.5.0
load helper
load modes

setup_file() {
	modes_for_file two-arm
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	mode dr
}

teardown() {
	end_of_test
}

@test "dr, IPv4: transfers, datagrams and streams; servers see the client and answer past xlb" {
	past_xlb everything 4 198.51.100.2
}

@test "dr, IPv6: transfers, datagrams and streams; servers see the client and answer past xlb" {
	past_xlb everything 6 2001:db8::2
}

@test "dr: a connection outlives the loss of its flow: the same server is chosen again" {
	connection_outlives_its_flow
}
