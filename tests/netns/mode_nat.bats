#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: nat. Servers see their clients, and answer through lb, which is their router.

bats_require_minimum_version 1.5.0
load helper
load modes

setup_file() {
	modes_for_file two-arm
	[ -z "${LAB_DIR:-}" ] || lab_routing
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	mode nat
}

teardown() {
	end_of_test
}

# of the flows of listener tcp, how many have another port than their client's
ports_changed() {
	xlb_json .state.counters.ports_changed show listener edge tcp
}

@test "nat, IPv4: transfers, datagrams and streams; servers see the client" {
	everything 4 198.51.100.2
	[ "$(replies_through_xlb)" -gt 100 ]
}

@test "nat, IPv6: transfers, datagrams and streams; servers see the client" {
	everything 6 2001:db8::2
	[ "$(replies_through_xlb)" -gt 100 ]
}

@test "nat: a client on the servers' own network is served, from the SNAT address" {
	nat_serves_neighbours
}

@test "nat: one client port by two VIPs to one server: both connections live" {
	local vips before
	for vips in "$LAB_VIP4, $LAB_OTHER_VIP4" "\"$LAB_VIP6\", \"$LAB_OTHER_VIP6\""; do
		mode nat servers=1 vips="$vips"
		before=$(ports_changed)
		vips=${vips//[\" ]/}
		equal "answers" "$(ask -k -n 10 -s 40000 tcp "$vips" 7000)" "web1 10"
		equal "ports changed" $(($(ports_changed) - before)) 1
	done
}

@test "nat: with a choice of servers the second VIP's connection goes to another one instead" {
	local before
	mode nat vips="$LAB_VIP4, $LAB_OTHER_VIP4"
	before=$(ports_changed)
	for port in $(seq 41000 41020); do
		ask -k -n 4 -s "$port" tcp "$LAB_VIP4,$LAB_OTHER_VIP4" 7000
	done
	# a few servers are considered, which may all be the same one; without it a third would be changed
	within "ports changed" $(($(ports_changed) - before)) 0 3
}

@test "nat: what servers have to do with clients by themselves is routed by the host" {
	lab_echo client tcp 9000
	for address in 198.51.100.2 2001:db8::2; do
		equal "server to client" "$(in_ns web1 "$LAB_TOOLS/ask" tcp $address 9000)" "client 1"
	done
	equal "client to server" "$(http 10.0.1.11:8080)" "web1 198.51.100.2"
	equal "client to server" "$(http "[2001:db8:1::11]:8080")" "web1 2001:db8::2"
	lab_kill client-echo
}

@test "nat: a connection outlives the loss of its flow: the same server is chosen again" {
	connection_outlives_its_flow
}

# no_connection SERVER: to its echo
no_connection() {
	[ -z "$(in_ns "$1" ss -Htn state established 'sport = :7000')" ]
}

@test "nat: a flow that is killed ends at both sides at once" {
	local address server
	for address in "$LAB_VIP4" "$LAB_VIP6"; do
		conversation tcp "$address" 7000
		server=$(talk)
		run ! no_connection "$server"
		equal "answer" "$(xlb_json '[.matched, .killed, .not_told] | join(" ")' flow kill --listener edge/tcp)" "1 1 0"
		wait_for 5 no_connection "$server"
		end_conversation
	done
}
