#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every mode with the client and the servers behind the same interface (XDP_TX).

bats_require_minimum_version 1.5.0
load helper
load modes

setup_file() {
	modes_for_file one-arm
	[ -z "${LAB_DIR:-}" ] || lab_decap web1 web2 web3
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

@test "one arm, fullnat: of the clients' family and across" {
	mode fullnat only=4
	everything 4 10.0.1.1
	everything 6 10.0.1.1
	mode fullnat only=6
	everything 4 2001:db8:1::1
	everything 6 2001:db8:1::1
}

@test "one arm, fullnat: a server is client of its own VIPs" {
	fullnat_hairpin 4 10.0.1.1
	fullnat_hairpin 6 2001:db8:1::1
}

@test "one arm, nat" {
	mode nat
	everything 4 198.51.100.2
	everything 6 2001:db8::2
}

@test "one arm, nat: a client on the servers' own network" {
	nat_serves_neighbours
}

@test "one arm, dr" {
	mode dr
	past_xlb everything 4 198.51.100.2
	past_xlb everything 6 2001:db8::2
}

@test "one arm, tunnel: ipip in IPv4" {
	mode tunnel only=4
	past_xlb everything 4 198.51.100.2
	past_xlb everything 6 2001:db8::2
}

@test "one arm, tunnel: gue in IPv6" {
	mode tunnel only=6 more="encapsulation: gue"
	past_xlb everything 4 198.51.100.2
	past_xlb everything 6 2001:db8::2
}
