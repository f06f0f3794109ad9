#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: tunnel. Servers take off the outer header, have the VIP on their loopback and answer clients past lb.
# Each test is one outer family and encapsulation, for clients of either family.

bats_require_minimum_version 1.5.0
load helper
load modes

setup_file() {
	modes_for_file two-arm
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

# tunnel ENCAPSULATION FAMILY: what goes through it, and nothing past it
tunnel() {
	local sent before
	# health checks would come out of the tunnels as well
	mode tunnel only="$2" more="encapsulation: $1" check="via: address, "
	wait_for 5 counts_rest
	past_xlb everything 4 198.51.100.2
	past_xlb everything 6 2001:db8::2
	wait_for 5 all_decapped
}

# counts_rest: what clients of the test before still had to say has come through; fills `sent` and `before`
counts_rest() {
	sent=$(xlb_sent)
	before=$(decapped)
	[ "$(xlb_sent)" = "$sent" ] && [ "$(decapped)" = "$before" ]
}

# all_decapped: what xlb sent since came out of a tunnel. Devices may count several segments as one.
all_decapped() {
	local now since
	now=$(($(decapped) - before))
	since=$(($(xlb_sent) - sent))
	if [ "$LAB_DECAP" = devices ]; then
		within "packets from tunnels" $now 100 $since
	else
		equal "packets from tunnels" $now $since
	fi
}

decapped() {
	echo $(($(lab_decapped web1) + $(lab_decapped web2) + $(lab_decapped web3)))
}

# packets that xlb sent to the servers
xlb_sent() {
	xlb_json '[.server_groups[].servers[].state.addresses[].counters.packets_in] | add' status
}

@test "tunnel, ipip: IPv4 and IPv6 in IPv4" {
	tunnel ipip 4
}

@test "tunnel, ipip: IPv4 and IPv6 in IPv6" {
	tunnel ipip 6
}

@test "tunnel, gue: IPv4 and IPv6 in IPv4" {
	tunnel gue 4
}

@test "tunnel, gue: IPv4 and IPv6 in IPv6" {
	tunnel gue 6
}

# TCP clients send no packets that are too long with the outer header, as the servers ask for short segments. Those of
# servers that do not are told by ICMP.
@test "tunnel: without room for the outer header clients are told to send shorter segments" {
	local before
	mode tunnel only=6 more="encapsulation: gue" servers=1
	before=$(drops mtu_exceeded)
	in_ns client ip route flush cache # what other tests' datagrams learned
	lab_mss web1 1500
	transfers_are_unharmed 4
	[ "$(drops mtu_exceeded)" -gt "$before" ]
	before=$(drops mtu_exceeded)
	in_ns client ip route flush cache
	lab_mss web1 1452
	transfers_are_unharmed 4
	[ "$(drops mtu_exceeded)" = "$before" ]
}

@test "tunnel: a connection outlives the loss of its flow: the same server is chosen again" {
	mode tunnel
	connection_outlives_its_flow
}
