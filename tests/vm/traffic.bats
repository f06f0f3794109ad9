#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Real traffic for the kernel of a guest: HTTP by fullnat, and a little of every mode, in one lab, as making one
# is what takes time under emulation. The servers' tunnel devices are the kernel's own, where it has them.

bats_require_minimum_version 1.5.0
load ../netns/helper
load ../netns/http_tests
load ../netns/modes

setup_file() {
	modes_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_decap web1 web2 web3
	apply_config
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

@test "fullnat: requests over IPv4 and IPv6 reach every server" {
	requests_reach_every_server
}

@test "fullnat: servers see the SNAT address as the client" {
	servers_see_the_snat_address
}

@test "fullnat: a kept connection stays with one server" {
	connection_stays_with_its_server
}

@test "fullnat: downloads have the right contents" {
	downloads_are_unharmed
}

@test "fullnat: uploads have the right contents" {
	uploads_are_unharmed
}

@test "a port of a VIP without a listener is dropped and counted" {
	port_without_listener_is_dropped
}

@test "the host's own addresses pass to its stack" {
	the_hosts_own_address_is_not_touched
}

@test "each new connection is counted as a flow" {
	flows_and_counters_are_seen
}

# goes FAMILY ADDRESS
goes() {
	transfers_are_unharmed "$1"
	datagrams_come_back "$1"
	servers_see "$1" "$2"
}

@test "fullnat: IPv4 clients of IPv6 servers" {
	mode fullnat only=6
	goes 4 2001:db8:1::1
}

@test "fullnat: IPv6 clients of IPv4 servers" {
	mode fullnat only=4
	goes 6 10.0.1.1
}

@test "nat" {
	mode nat
	goes 4 198.51.100.2
	goes 6 2001:db8::2
}

@test "dr" {
	mode dr
	goes 4 198.51.100.2
	goes 6 2001:db8::2
}

# tunnel ENCAPSULATION FAMILY
tunnel() {
	local before
	mode tunnel only="$2" more="encapsulation: $1"
	before=$(lab_decapped web1)
	goes 4 198.51.100.2
	goes 6 2001:db8::2
	[ "$(lab_decapped web1)" -gt "$before" ]
}

@test "tunnel: ipip, IPv4 and IPv6 in IPv4" {
	tunnel ipip 4
}

@test "tunnel: ipip, IPv4 and IPv6 in IPv6" {
	tunnel ipip 6
}

@test "tunnel: gue, IPv4 and IPv6 in IPv4" {
	tunnel gue 4
}

@test "tunnel: gue, IPv4 and IPv6 in IPv6" {
	tunnel gue 6
}
