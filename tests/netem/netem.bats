#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Networks that lose, delay, reorder, double and spoil frames, on both sides of xlb and on the servers' own way to
# clients: where the kernel has netem. TCP gets every byte through, what datagrams come are right, and what xlb
# drops of the spoilt frames it has counted.

bats_require_minimum_version 1.5.0
load ../netns/helper
load ../netns/modes

# Of a hundred frames. Chance decides which: tests need some of each, and stand many more.
TROUBLE="delay 1ms 500us loss 0.3% duplicate 0.5% reorder 2% 25% limit 1000"
SPOIL="corrupt 0.3%"

setup_file() {
	modes_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_decap web1 web2 web3
	trouble client eth0 "$SPOIL"
	trouble fabric to-lb "$SPOIL"
	trouble fabric to-side "$SPOIL"
	# what xlb has sent is found to be right on its way (GRO), and not looked at again: nothing may spoil it then
	trouble fabric to-web1
	trouble fabric to-web2
	trouble fabric to-web3
}

# checksums are wrong here on purpose
teardown_file() {
	lab_cleanup
}

setup() {
	skip_without_lab
}

teardown() {
	end_of_test
}

# trouble NAMESPACE DEVICE [MORE]: for all that leaves by it, but for ARP, which has no checksum
trouble() {
	local protocol
	# shellcheck disable=SC2086 # words
	in_ns "$1" tc qdisc replace dev "$2" root handle 1: prio bands 2 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
	# shellcheck disable=SC2086
	in_ns "$1" tc qdisc add dev "$2" parent 1:2 netem $TROUBLE ${3:-}
	for protocol in ip ipv6; do
		in_ns "$1" tc filter add dev "$2" parent 1: protocol $protocol matchall classid 1:2
	done
}

# --- what xlb has dropped ------------------------------------------------------------------------------

# Frames that the kernel did not get back from the programs of both interfaces, or that they sent back: by its own count
ended_by_xlb() {
	local device
	for device in $LAB_FRONT $LAB_BACK; do
		in_ns lb ethtool -S "$device"
	done | awk '/rx_queue_[0-9]*_xdp_(drops|tx):/ { sum += $2 } END { print sum + 0 }'
}

# What xlb counts as dropped, or answered by itself, by reason; failures of what comes after it apart
counted_by_xlb() {
	xlb_json '[.drops | to_entries[] | select(.key | IN("redirect_failed", "tx_failed") | not) | .value] | add // 0' status
}

all_counted() {
	[ "$(counted_by_xlb)" = "$(ended_by_xlb)" ]
}

# --- traffic --------------------------------------------------------------------------------------------

# The answers that come are right; most do.
datagrams_that_come_are_right() {
	local answers wrong=$LAB_DIR/wrong
	answers=$(ask -t 500 -n 60 udp "$(vip "$1")" 7001 2>"$wrong") || true
	run ! grep -v 'no answer in time' "$wrong"
	within "answers" "$(awk '{ sum += $2 } END { print sum + 0 }' <<<"$answers")" 40 60
}

# gets_through FORWARD [KEY=VALUE...]: in this mode, in both families
gets_through() {
	local family
	mode "$@" patience=10s
	for family in 4 6; do
		transfers_are_unharmed $family
		datagrams_that_come_are_right $family
	done
	# frames may still be under way
	wait_for 5 all_counted || equal "drops that xlb has counted" "$(counted_by_xlb)" "$(ended_by_xlb)"
}

@test "fullnat gets through" {
	gets_through fullnat
}

@test "nat gets through" {
	gets_through nat
}

@test "dr gets through" {
	gets_through dr
}

@test "tunnel gets through" {
	gets_through tunnel
}

@test "spoilt frames are found out by the ends, or by xlb, which drops none for want of anything" {
	local reason
	[ -n "$(lab_wrong_checksums)" ]
	[ "$(counted_by_xlb)" -gt 0 ]
	for reason in no_server no_neighbour no_interface snat_exhausted flow_table_full internal redirect_failed tx_failed; do
		equal "dropped for $reason" "$(drops $reason)" 0
	done
	xlb drops
}
