#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# health_check.via: datapath: checks of dr and tunnel go the way of clients.

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

# vip_of_web3 add|del: the VIPs on its loopback
vip_of_web3() {
	in_ns web3 ip address "$1" "$LAB_VIP4/32" dev lo
	in_ns web3 ip address "$1" "$LAB_VIP6/128" dev lo
}

# reason_of GROUP SERVER: why it is down
reason_of() {
	xlb_json '[.state.addresses[].reason] | map(select(.)) | first' show server "$1" "$2"
}

@test "dr: a server without the VIP on its loopback is down, though it answers at its own address" {
	mode dr
	vip_of_web3 del
	in_ns lb curl -sS -o /dev/null --max-time 30 http://10.0.1.13:8080/healthz
	wait_for 5 server_is web web3 down
	[[ $(reason_of web web3) == "timed out after 1s; it was asked as "* ]]
	equal "the others" "$(xlb_json .state.state show server web web1)" up
	vip_of_web3 add
	wait_for 5 server_is web web3 up
}

@test "dr: via: address asks the server's own address" {
	mode dr check="via: address, "
	vip_of_web3 del
	equal "web3" "$(xlb_json '.state.state' show server web web3)" up
	run -0 in_ns lb tc filter show dev "$LAB_BACK" egress
	equal "filters" "$output" ""
	vip_of_web3 add
}

@test "dr: what the server says counts, as it is said at the VIP" {
	mode dr
	lab_sick web2
	wait_for 5 server_is web web2 down
	equal "reason" "$(reason_of web web2)" "http 503 from /healthz"
	lab_well web2
	wait_for 5 server_is web web2 up
}

# outer_headers_of_web3 stay|go
outer_headers_of_web3() {
	local device state=up
	[ "$1" = go ] || state=down
	if [ "$LAB_DECAP" = devices ]; then
		for device in decap44 decap64 decap6; do
			in_ns web3 ip link set $device $state
		done
	elif [ "$1" = go ]; then
		lab_decap web3
	else
		in_ns web3 ip link set eth0 xdp off
	fi
}

# tunnel_checks ENCAPSULATION FAMILY
tunnel_checks() {
	mode tunnel only="$2" more="encapsulation: $1"
	# over IPv6 a kernel that does not know the port for a tunnel's counts GUE's missing checksum as a wrong one
	if [ "$1$2" != gue6 ]; then
		outer_headers_of_web3 stay
		wait_for 5 server_is web web3 down
		outer_headers_of_web3 go
		wait_for 5 server_is web web3 up
	fi
	vip_of_web3 del
	wait_for 5 server_is web web3 down
	vip_of_web3 add
	wait_for 5 server_is web web3 up
}

@test "tunnel, ipip: a server without the device or without the VIP is down" {
	tunnel_checks ipip 4
	tunnel_checks ipip 6
}

@test "tunnel, gue: a server without the device or without the VIP is down" {
	tunnel_checks gue 4
	tunnel_checks gue 6
}

# IPv4 servers of an IPv6 VIP: there is no VIP that an IPv4 socket could ask for
@test "tunnel: a server of a family that no VIP has is asked by its own address" {
	mode tunnel only=4 vips="\"$LAB_VIP6\""
	vip_of_web3 del
	equal "web3" "$(xlb_json '.state.state' show server web web3)" up
	vip_of_web3 add
}

@test "kill -9: checks go on where they were" {
	mode dr
	lab_kill xlbd KILL
	lab_xlbd
	wait_for 5 all_up
	vip_of_web3 del
	wait_for 5 server_is web web3 down
	vip_of_web3 add
	wait_for 5 server_is web web3 up
}

@test "nothing is left on the NIC when no group needs it, and what others put there stays" {
	mode dr
	run -0 in_ns lb tc filter show dev "$LAB_BACK" egress
	[[ $output == *xlb_probe_out* ]]
	in_ns lb tc filter add dev "$LAB_BACK" ingress prio 7 bpf bytecode '1,6 0 0 0,' flowid 1:1
	mode fullnat
	run -0 in_ns lb tc filter show dev "$LAB_BACK" egress
	equal "filters" "$output" ""
	run -0 in_ns lb tc filter show dev "$LAB_BACK" ingress
	[[ $output == *bytecode* ]]
	in_ns lb tc qdisc del dev "$LAB_BACK" clsact
	mode dr
	mode fullnat
	run -0 in_ns lb tc qdisc show dev "$LAB_BACK"
	[[ $output != *clsact* ]]
	# one that was there before
	in_ns lb tc qdisc add dev "$LAB_BACK" clsact
	mode dr
	mode fullnat
	run -0 in_ns lb tc qdisc show dev "$LAB_BACK"
	[[ $output == *clsact* ]]
	in_ns lb tc qdisc del dev "$LAB_BACK" clsact
}
