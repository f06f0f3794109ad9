#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Clients and servers in VLANs of one cable: where the kernel has VLAN devices.

bats_require_minimum_version 1.5.0
load ../netns/helper
load ../netns/modes
load vlans

setup_file() {
	modes_for_file one-arm
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

# goes: both families, and what servers see
goes() {
	transfers_are_unharmed 4
	transfers_are_unharmed 6
	datagrams_come_back 4
	datagrams_come_back 6
	servers_see 4 "$1"
	servers_see 6 "$2"
}

@test "fullnat: from a VLAN to another one of the same cable" {
	trunk 100 200
	mode fullnat
	goes 10.0.1.1 2001:db8:1::1
	[ -n "$(in_ns lb ip -o address show dev eth0.100 to "$LAB_VIP4")" ]
}

@test "nat: from a VLAN to another" {
	mode nat
	goes 198.51.100.2 2001:db8::2
}

@test "dr: health checks that go the way of clients, by a VLAN" {
	trunk 100 200
	mode dr
	all_up
	# a server that has lost the VIP fails, although it answers at its own address
	in_ns web1 ip address del "$LAB_VIP4/32" dev lo
	in_ns web1 ip address del "$LAB_VIP6/128" dev lo
	wait_for 5 server_is web web1 down
	lab_address web1 lo "$LAB_VIP4/32" "$LAB_VIP6/128"
	wait_for 5 all_up
}

@test "what took tags off frames is off, and comes back when the last VLAN goes" {
	in_ns lb ethtool -k eth0 | grep -q '^rx-vlan-offload: off'
	trunk_clear
	wait_for 5 rx_vlan_is on
	trunk 100 200
	wait_for 5 rx_vlan_is off
	wait_for 5 all_up
}

rx_vlan_is() {
	in_ns lb ethtool -k eth0 | grep -q "^rx-vlan-offload: $1"
}

@test "fullnat: within one VLAN" {
	trunk 100 100
	mode fullnat
	goes 10.0.1.1 2001:db8:1::1
}

@test "fullnat: from QinQ to no VLAN" {
	trunk "s300 100" ""
	mode fullnat
	goes 10.0.1.1 2001:db8:1::1
}

@test "fullnat: from a VLAN to QinQ" {
	trunk 100 "s300 200"
	mode fullnat
	goes 10.0.1.1 2001:db8:1::1
}

@test "attaching a VLAN device is refused, and says what to attach" {
	run -9 xlb attach eth0.300.200
	[[ $output = *"attach eth0 instead"* ]]
}

@test "drops of frames with tags are the NIC's" {
	local before
	before=$(drops no_listener)
	run http "$LAB_VIP4:9"
	[ "$(drops no_listener)" -gt "$before" ]
	xlb drops | grep -q 'on eth0: .*vlan 100'
}
