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
	# connections of tests before may be about to end
	xlb flow kill --all --yes
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

# weighs SERVER: what of its weight of 100 counts now
weighs() {
	xlb_json '.state.effective_weight | floor' show server web "$1"
}

# weighs_at_least SERVER NUMBER
weighs_at_least() {
	[ "$(weighs "$1")" -ge "$2" ]
}

# slow_starts TEXT: events of that kind about web3 whose text has it
slow_starts() {
	xlb_json '.text' events | grep -c "^web/web3 10.0.1.13 $1" || true
}

@test "slow start: the share of a server that comes up rises from a tenth to all of it" {
	local answers
	scheduled $'slow_start: 1h\n    scheduler: wrr'
	# of servers that are up when xlbd starts none is at its beginning
	lab_kill xlbd
	lab_xlbd
	wait_for 10 all_up
	equal "what counts of web1 and web3" "$(weighs web1) $(weighs web3)" "100 100"
	lab_sick web3
	wait_for 10 server_is web web3 down
	lab_well web3
	wait_for 10 server_is web web3 up
	within "what counts of web3" "$(weighs web3)" 10 12
	[ "$(xlb_json .state.slow_start_left show server web web3)" -gt 3000 ]
	[[ "$(xlb server list web)" == *10/100* ]]
	[[ "$(xlb status)" == *"server web3 starts slowly"* ]]
	[ "$(slow_starts starts)" -gt 0 ]
	# a tenth of what each of two others has
	answers=$(new_flows 100)
	within "of 100 connections web3 had" "$(share web3 <<<"$answers")" 2 9
	within "and web1" "$(share web1 <<<"$answers")" 40 55
	equal "how often it has been said that web3 has all of its weight" "$(slow_starts 'has all')" 0
	# the rest in a shorter time
	xlb set group web --slow_start 20s
	wait_for 60 weighs_at_least web3 20
	wait_for 60 weighs_at_least web3 100
	[ "$(slow_starts 'has all')" -gt 0 ]
	equal "what is left" "$(xlb_json .state.slow_start_left show server web web3)" null
	wait_for 10 in_line
	answers=$(new_flows 99)
	within "of 99 connections web3 had then" "$(share web3 <<<"$answers")" 30 36
}

@test "slow start: the only server has all of its weight" {
	scheduled 'slow_start: 1h'
	xlb set server web web1 --weight 0
	xlb set server web web2 --weight 0
	xlb set server web web3 --enabled false
	wait_for 5 in_line
	xlb set server web web3 --enabled true
	wait_for 10 server_is web web3 up
	equal "what counts of web3" "$(weighs web3)" 100
	equal "who answers" "$(new_flows 10)" "web3 10"
	xlb set server web web1 --weight 100
	xlb set server web web2 --weight 100
	wait_for 5 in_line
	# these three are at their beginning, so they are all alike
	within "what counts of web1" "$(weighs web1)" 90 100
	within "of 90 connections web1 had" "$(share web1 <<<"$(new_flows 90)")" 12 48
}
