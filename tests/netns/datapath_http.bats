#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# HTTP through the VIPs, client and servers behind different interfaces.

bats_require_minimum_version 1.5.0
load helper
load http_tests

setup_file() {
	lab_for_file two-arm
	[ -z "${LAB_DIR:-}" ] || apply_config
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
}

teardown() {
	end_of_test
}

@test "two arms: requests over IPv4 and IPv6 reach every server" {
	requests_reach_every_server
}

@test "two arms: servers see the SNAT address as the client" {
	servers_see_the_snat_address
}

@test "two arms: a kept connection stays with one server" {
	connection_stays_with_its_server
}

@test "two arms: downloads have the right contents" {
	downloads_are_unharmed
}

@test "two arms: uploads have the right contents" {
	uploads_are_unharmed
}

@test "two arms: a port of a VIP without a listener is dropped and counted" {
	port_without_listener_is_dropped
}

@test "two arms: the host's own addresses pass to its stack" {
	the_hosts_own_address_is_not_touched
}

@test "two arms: each new connection is counted as a flow" {
	flows_and_counters_are_seen
}
