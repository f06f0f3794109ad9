#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Changes in the middle of transfers: of a group's mode, and of the router that clients come by.

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
	end_halfway
	in_ns client ip link set eth0 address 02:00:00:00:00:02
	end_of_test
}

# --- the mode of a group ---------------------------------------------------------------------------------

# mode_seen VIP: the mode of a new flow as it shows: what the server sees, and by which way the packets go
mode_seen() {
	local sent client decapped
	sent=$(sent_to_clients) decapped=$(lab_decapped web1)
	# shellcheck disable=SC2016 # expands inside
	client=$(in_ns client timeout 30 bash -c 'exec 3<>"/dev/tcp/$1/7000" && echo >&3 && head -n 1 <&3' sh "$1" |
		cut -d' ' -f3)
	sent=$(($(sent_to_clients) - sent)) decapped=$(($(lab_decapped web1) - decapped))
	# the transfer that waits may still send a packet now and then, by a tunnel if that was its mode
	case $client,$sent,$decapped in
	10.0.1.1,[1-9]*,* | 2001:db8:1::1,[1-9]*,*) echo fullnat ;;
	198.51.100.2,0,0 | 2001:db8::2,0,0) echo dr ;;
	198.51.100.2,0,* | 2001:db8::2,0,*) echo tunnel ;;
	198.51.100.2,*,* | 2001:db8::2,*,*) echo nat ;;
	*) echo "client $client, $sent packets to it, $decapped from tunnels" ;;
	esac
}

# by listener tcp; the transfers are another's
sent_to_clients() {
	xlb_json .state.counters.packets_out show listener edge tcp
}

# changes FROM TO: transfers that began in mode FROM end well after the change to TO, in which new flows are served
changes() {
	local way
	for way in down up; do
		mode "$1" servers=1
		equal "mode at first" "$(mode_seen "$LAB_VIP4")" "$1"
		halfway $way "$LAB_VIP4"
		xlb set group web --forward "$2"
		wait_for 5 in_line
		equal "mode of new IPv4 flows" "$(mode_seen "$LAB_VIP4")" "$2"
		equal "mode of new IPv6 flows" "$(mode_seen "$LAB_VIP6")" "$2"
		the_other_half
	done
}

@test "live: fullnat becomes nat: transfers go on by the old mode, new flows take the new one" {
	changes fullnat nat
}

@test "live: nat becomes dr" {
	changes nat dr
}

@test "live: dr becomes tunnel" {
	changes dr tunnel
}

@test "live: tunnel becomes fullnat" {
	changes tunnel fullnat
}

@test "live: dr becomes fullnat" {
	changes dr fullnat
}

@test "live: tunnel becomes nat" {
	changes tunnel nat
}

# --- the client's router ---------------------------------------------------------------------------------

# router_fails FORWARD VIP: another MAC for the client; xlb hears of it by the client's next packet
router_fails() {
	local way mac=02:00:00:00:0f:00
	mode "$1" servers=1
	for way in up down; do
		halfway $way "$2"
		mac=${mac%:*}:0$((10#${mac##*:} + 1))
		in_ns client ip link set eth0 address "$mac"
		the_other_half
		equal "where replies go" "$(half_flow .mac)" "$mac"
	done
}

@test "live: fullnat: the client's router changes in the middle of transfers: replies follow" {
	router_fails fullnat "$LAB_VIP4"
	router_fails fullnat "$LAB_VIP6"
}

@test "live: nat: the client's router changes in the middle of transfers: replies follow" {
	router_fails nat "$LAB_VIP4"
	router_fails nat "$LAB_VIP6"
}
