#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# HTTP through the VIPs, client and servers behind the same interface (XDP_TX).

bats_require_minimum_version 1.5.0
load helper
load http_tests

setup_file() {
	lab_for_file one-arm
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

@test "one arm: requests over IPv4 and IPv6 reach every server" {
	requests_reach_every_server
}

@test "one arm: servers see the SNAT address as the client" {
	servers_see_the_snat_address
}

@test "one arm: a kept connection stays with one server" {
	connection_stays_with_its_server
}

@test "one arm: downloads have the right contents" {
	downloads_are_unharmed
}

@test "one arm: uploads have the right contents" {
	uploads_are_unharmed
}

@test "one arm: a port of a VIP without a listener is dropped and counted" {
	port_without_listener_is_dropped
}

@test "one arm: the host's own addresses pass to its stack" {
	the_hosts_own_address_is_not_touched
}

@test "one arm: each new connection is counted as a flow" {
	flows_and_counters_are_seen
}
