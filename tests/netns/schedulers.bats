#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Schedulers with real clients and servers. The conversations are held with tests/tools/echo, TCP on 7000 and UDP on 7001.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	for server in web1 web2 web3; do
		lab_echo $server tcp 7000 udp 7001
	done
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	for server in web1 web2 web3; do
		lab_well $server
	done
}

teardown() {
	end_of_test
}

# scheduled 'KEY: VALUE' [WEIGHTS]: the group behind TCP 7000
scheduled() {
	apply_config listener='{protocol: tcp, port: 7000, server_group: web}' port=7000 \
		group="$1" weights="${2:-100 100 100}"
}

# new_flows NUMBER: who answers so many connections to the IPv4 VIP, one after the other, as "name count" lines
new_flows() {
	ask -n "$1" tcp "$LAB_VIP4" 7000
}

# shares ANSWERS: "COUNT COUNT COUNT" of web1 to web3
shares() {
	local server
	for server in web1 web2 web3; do
		share $server <<<"$1"
	done | xargs
}

@test "wrr: every server has its share, to the connection" {
	scheduled 'scheduler: wrr' '50 30 20'
	equal "of 100 connections" "$(shares "$(new_flows 100)")" "50 30 20"
	equal "of 200 more" "$(shares "$(new_flows 200)")" "100 60 40"
}

@test "rr: weights above 0 count alike" {
	scheduled 'scheduler: rr' '50 30 0'
	equal "of 60 connections" "$(shares "$(new_flows 60)")" "30 30 0"
	xlb set server web web3 --weight 1
	wait_for 5 all_up
	equal "of 60 more" "$(shares "$(new_flows 60)")" "20 20 20"
}

@test "sch: a client has one server, whatever its port" {
	local answers
	scheduled 'scheduler: sch'
	answers=$(new_flows 40)
	equal "servers that have answered" "$(wc -l <<<"$answers")" 1
	[[ $(xlb_json '[.scheduler, .hash] | join(" ")' show group web) == "maglev source" ]]
}

@test "wlc: flows that stay are in proportion to weights, and what ends is made up for" {
	apply_config listener='{protocol: udp, port: 7001, server_group: web}' port=7001 \
		group='scheduler: wlc' weights='50 25 25'
	# flows of UDP stay until their idle timeout; ports by chance may meet again
	equal "of 100 flows" "$(shares "$(ask -s 20000 -n 100 udp "$LAB_VIP4" 7001)")" "50 25 25"
	xlb flow kill --server web/web2 --yes
	equal "of 25 more" "$(shares "$(ask -s 21000 -n 25 udp "$LAB_VIP4" 7001)")" "0 25 0"
	[[ $(xlb_json '.steps[] | select(.step == "scheduler").text' trace 198.51.100.2:5000 "$LAB_VIP4:7001" udp) == wlc* ]]
}

@test "changing the scheduler moves no flow" {
	local server word
	scheduled 'scheduler: maglev'
	conversation tcp "$LAB_VIP4" 7000
	server=$(talk)
	for word in wrr wlc rr sch maglev; do
		xlb set group web --scheduler $word
		wait_for 5 in_line
		equal "the scheduler" "$(xlb_json .scheduler show group web)" "${word/sch/maglev}"
		equal "who goes on with the conversation under $word" "$(talk)" "$server"
	done
	end_conversation
}

@test "affinity: a client stays with its server, until that takes no new flows" {
	local first second
	scheduled $'affinity: {timeout: 1h}\n    scheduler: rr'
	first=$(new_flows 20)
	equal "servers that have answered" "$(wc -l <<<"$first")" 1
	first=${first%% *}
	[[ $(xlb_json '.steps[] | select(.step == "scheduler").text' trace 198.51.100.2:5000 "$LAB_VIP4:7000" tcp) == affinity* ]]
	xlb set server web "$first" --weight 0
	wait_for 5 in_line
	second=$(new_flows 20)
	equal "servers that have answered then" "$(wc -l <<<"$second")" 1
	[[ ${second%% *} != "$first" ]]
	xlb set server web "$first" --weight 100
	wait_for 5 all_up
	equal "who answers when it takes flows again" "$(new_flows 20)" "$second"
}
