#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: fullnat. Servers see the SNAT address of their own family, whatever the client's.

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
}

teardown() {
	end_of_test
}

@test "fullnat: IPv4 clients, IPv4 servers" {
	mode fullnat only=4
	everything 4 10.0.1.1
}

@test "fullnat: IPv6 clients, IPv4 servers" {
	mode fullnat only=4
	everything 6 10.0.1.1
}

@test "fullnat: IPv4 clients, IPv6 servers" {
	mode fullnat only=6
	everything 4 2001:db8:1::1
}

@test "fullnat: IPv6 clients, IPv6 servers" {
	mode fullnat only=6
	everything 6 2001:db8:1::1
}

@test "fullnat: servers of both families get clients of their own one" {
	mode fullnat
	everything 4 10.0.1.1
	everything 6 2001:db8:1::1
}

@test "fullnat: address_family_affinity: same keeps clients of the other family out" {
	local before
	mode fullnat only=4 more="address_family_affinity: same"
	servers_see 4 10.0.1.1
	before=$(drops no_server)
	run -1 ask -t 300 tcp "$LAB_VIP6" 7000
	[ "$(drops no_server)" -gt "$before" ]
}

@test "fullnat: a server of IPv4 is client of its own VIPs" {
	fullnat_hairpin 4 10.0.1.1
}

@test "fullnat: a server of IPv6 is client of its own VIPs" {
	fullnat_hairpin 6 2001:db8:1::1
}
