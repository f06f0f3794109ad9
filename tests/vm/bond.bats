#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A bond towards the client, whose ports come and go: where the kernel has bonds.

bats_require_minimum_version 1.5.0
load ../netns/helper
load ../netns/http_tests
load vlans

# cable N: another cable between client and lb, whose ends are ports of the client's bridge and of lb's bond
cable() {
	lab_veth client "eth$1" lb "front$1" "02:00:00:00:00:1$1"
	in_ns client ip link set "eth$1" xdp object "$LAB_TOOLS/pass.bpf.o" section xdp
	in_ns client ip link set "eth$1" master bridge0
	in_ns lb ip link set "front$1" down
	in_ns lb ip link set "front$1" master bond0
	in_ns lb ip link set "front$1" up
}

setup_file() {
	lab_possible >/dev/null || return 0
	lab_init "xlbt-$$"
	lab_network two-arm 3
	in_ns lb ip address flush dev front
	in_ns lb ip link add bond0 type bond mode active-backup miimon 100
	in_ns client ip address flush dev eth0
	in_ns client ip link add bridge0 type bridge forward_delay 0 mcast_snooping 0
	in_ns client ip link set bridge0 up
	in_ns lb ip link set bond0 up
	cable 1
	cable 2
	# the client is in a VLAN of it
	lab_address lb "$(vlan_add lb bond0 100)" 198.51.100.1/24 2001:db8::1/64
	lab_address client "$(vlan_add client bridge0 100)" 198.51.100.2/24 2001:db8::2/64
	in_ns client ip route replace default via 198.51.100.1
	in_ns client ip route replace default via 2001:db8::1
	lab_web web1 web2 web3
	lab_xlbd
	xlb attach bond0
	xlb attach back
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

@test "requests come and go by the bond" {
	requests_reach_every_server
	[ "$(xlb_json .state.counters.packets show interface bond0)" -gt 0 ]
}

@test "attaching a port is refused, and says what to attach" {
	run -9 xlb attach front1
	[[ $output = *"attach bond0 instead"* ]]
}

active() {
	in_ns lb ip -d -j link show bond0 | jq -r '.[0].linkinfo.info_data.active_slave'
}

active_is() {
	[ "$(active)" = "$1" ]
}

active_is_not() {
	[ "$(active)" != "$1" ]
}

@test "a port fails: the other one takes over" {
	local port
	port=$(active)
	in_ns lb ip link set "$port" down
	wait_for 5 active_is_not "$port"
	requests_reach_every_server
	in_ns lb ip link set "$port" up
}

@test "a port that is added later serves as well" {
	cable 3
	in_ns lb ip link set front1 down
	in_ns lb ip link set front2 down
	wait_for 5 active_is front3
	wait_for 5 http "$LAB_VIP4"
	requests_reach_every_server
}
