#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The segment size that client and server agree on, as their kernels know it: what a SYN says passes xlb.

bats_require_minimum_version 1.5.0
load helper
load modes

setup_file() {
	modes_for_file two-arm
	[ -z "${LAB_DIR:-}" ] || lab_decap web1
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
}

teardown() {
	in_ns lb ip link set "$LAB_BACK" mtu 1500
	in_ns web1 nft delete table inet vip 2>/dev/null || true
	end_of_test
}

TIMESTAMPS=12 # bytes of options in every segment, which its MSS does not count

# largest NAMESPACE FILTER: the largest segment that the kernel there will send on the open connection, as an MSS
largest() {
	local size
	size=$(in_ns "$1" ss -Htin state established "$2" | grep -o '\bmss:[0-9]*')
	echo $((${size#mss:} + TIMESTAMPS))
}

# agreed: both directions of the open conversation
agreed() {
	[ "$(talk)" = web1 ]
	echo "$(largest client "dport = :7000") $(largest web1 "sport = :7000")"
}

# sizes VIP: what a new connection agrees on: the client's largest segment, and the server's
sizes() {
	conversation tcp "$1" 7000
	agreed
	end_conversation
	wait_for 5 client_is_done
}

# sizes_are VIP SIZES: for wait_for
sizes_are() {
	[ "$(sizes "$1")" = "$2" ]
}

# listener_says MSS
listener_says() {
	xlb set listener edge tcp --mss "$1"
	wait_for 5 in_line
}

@test "mss: in fullnat and nat a listener's holds for both directions, for the next connection" {
	local forward
	for forward in fullnat nat; do
		mode $forward servers=1
		equal "$forward, of itself" "$(sizes "$LAB_VIP4")" "1460 1460"
		listener_says 1000
		equal "$forward, IPv4" "$(sizes "$LAB_VIP4")" "1000 1000"
		equal "$forward, IPv6" "$(sizes "$LAB_VIP6")" "1000 1000"
		conversation tcp "$LAB_VIP4" 7000
		equal "$forward, before" "$(agreed)" "1000 1000"
		listener_says 700
		equal "$forward, a connection that is there" "$(agreed)" "1000 1000"
		end_conversation
		wait_for 5 client_is_done
		equal "$forward, the next one" "$(sizes "$LAB_VIP4")" "700 700"
		listener_says 2000
		equal "$forward, never raised" "$(sizes "$LAB_VIP6")" "1440 1440"
		listener_says 0
		equal "$forward, of itself again" "$(sizes "$LAB_VIP4")" "1460 1460"
	done
}

@test "mss: between families it is the same number" {
	mode fullnat servers=1 only=6
	equal "IPv4 client, IPv6 server" "$(sizes "$LAB_VIP4")" "1440 1440"
	listener_says 1000
	equal "the same, 1000" "$(sizes "$LAB_VIP4")" "1000 1000"
	mode fullnat servers=1 only=4
	equal "IPv6 client, IPv4 server" "$(sizes "$LAB_VIP6")" "1440 1440"
	listener_says 1000
	equal "the same, 1000" "$(sizes "$LAB_VIP6")" "1000 1000"
}

# The server's SYN-ACK goes past xlb: what it says (lab_decap makes it leave room for outer headers) stays.
@test "mss: in dr and tunnel it holds for what the server sends" {
	local forward
	for forward in dr tunnel; do
		mode $forward servers=1
		equal "$forward, of itself" "$(sizes "$LAB_VIP4")" "1412 1460"
		listener_says 1000
		equal "$forward, IPv4" "$(sizes "$LAB_VIP4")" "1412 1000"
		equal "$forward, IPv6" "$(sizes "$LAB_VIP6")" "1392 1000"
	done
}

# what docs/modes/tunnel.md says that servers can do where the route is not theirs to change
@test "mss: a rule of the server's firewall holds for what clients send into a tunnel" {
	command -v nft >/dev/null || skip "nft is not installed"
	mode tunnel servers=1
	in_ns web1 nft add table inet vip || skip "this kernel has no nftables"
	in_ns web1 nft add chain inet vip output '{ type filter hook output priority mangle; }'
	in_ns web1 nft add rule inet vip output ip saddr "$LAB_VIP4" tcp flags syn tcp option maxseg size set 1300
	equal "IPv4" "$(sizes "$LAB_VIP4")" "1300 1460"
	equal "IPv6, which the rule is not for" "$(sizes "$LAB_VIP6")" "1392 1440"
}

@test "mss: of itself it fits the smaller MTU of the two interfaces, in the family of each side" {
	local before forward
	in_ns lb ip link set "$LAB_BACK" mtu 1400
	for forward in fullnat nat; do
		mode $forward servers=1
		before=$(drops mtu_exceeded)
		wait_for 5 sizes_are "$LAB_VIP4" "1360 1360"
		equal "$forward, IPv6" "$(sizes "$LAB_VIP6")" "1340 1340"
		transfers_are_unharmed 4
		transfers_are_unharmed 6
		equal "$forward, drops" "$(drops mtu_exceeded)" "$before"
	done
	mode fullnat servers=1 only=6
	equal "IPv4 client, IPv6 server" "$(sizes "$LAB_VIP4")" "1340 1340"
	transfers_are_unharmed 4
	mode fullnat servers=1 only=4
	equal "IPv6 client, IPv4 server" "$(sizes "$LAB_VIP6")" "1360 1360"
	transfers_are_unharmed 6
	equal "drops" "$(drops mtu_exceeded)" "$before"
}
