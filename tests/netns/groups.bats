#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Several groups behind one listener: by weight, and one in the place of another. TCP on 7000 with tests/tools/echo.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	for server in web1 web2 web3; do
		lab_echo $server tcp 7000 udp 7001
	done
	lab_direct web3
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	for server in web1 web2 web3; do
		lab_well $server
		lab_listens $server 8080 || lab_web $server
	done
	wait_for 5 all_up || true
}

teardown() {
	end_of_test
}

# groups LISTENER [FIELDS-OF-WEB [FIELDS-OF-NEXT]]: web is web1 and web2, next is web3
groups() {
	local check="health_check: {type: http, port: 8080, path: /healthz, interval: 200ms, timeout: 5s, healthy_threshold: 1, unhealthy_threshold: 2}"
	cat >"$LAB_DIR/test.yaml" <<-END
		version: 1
		load_balancers:
		  edge:
		    addresses: [$LAB_VIP4, "$LAB_VIP6"]
		    listeners:
		      echo: $1
		server_groups:
		  web:
		    $check
		    ${2:-}
		    servers:
		      web1: {address: [10.0.1.11, "2001:db8:1::11"]}
		      web2: {address: [10.0.1.12, "2001:db8:1::12"]}
		  next:
		    $check
		    ${3:-}
		    servers:
		      web3: {address: [10.0.1.13, "2001:db8:1::13"]}
	END
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

# new_flows NUMBER: who answers so many new connections, as "name count" lines
new_flows() {
	ask -n "$1" tcp "$LAB_VIP4,$LAB_VIP6" 7000
}

@test "groups by weight share new flows, each its servers" {
	local answers
	groups '{protocol: tcp, port: 7000, server_group: {web: 80, next: 20}}'
	answers=$(new_flows 1000)
	# five times the deviation that chance makes likely
	within "flows of the group of weight 20" "$(share web3 <<<"$answers")" 140 260
	within "flows of a server of the group of weight 80" "$(share web1 <<<"$answers")" 320 480
	within "flows of the other one" "$(share web2 <<<"$answers")" 320 480
}

@test "weights changed: flows stay where they are, new ones follow" {
	groups '{protocol: tcp, port: 7000, server_group: {web: 0, next: 1}}'
	conversation tcp "$LAB_VIP4" 7000
	equal "the kept connection" "$(talk)" web3
	xlb set listener edge echo --server-group web=100,next=0
	equal "new connections to the group of weight 0" "$(new_flows 60 | share web3)" 0
	equal "the kept connection" "$(talk)" web3
	end_conversation
	equal "what is exported" "$(xlb export | grep -o 'server_group: {.*}' | head -c 34)" 'server_group: {web: 100, next: 0}}'
}

@test "groups of different forwarding modes share a listener" {
	groups '{protocol: tcp, port: 7000, server_group: {web: 1, next: 1}}' 'forward: nat'
	local answers
	answers=$(ask -n 200 tcp "$LAB_VIP4,$LAB_VIP6" 7000)
	within "flows of the nat group" $(($(share web1 <<<"$answers") + $(share web2 <<<"$answers"))) 60 140
	within "flows of the fullnat group" "$(share web3 <<<"$answers")" 60 140
}

@test "a test of the listener shows the servers of all its groups" {
	groups '{protocol: tcp, port: 7000, server_group: {web: 1, next: 1}}'
	run -0 xlb test edge/echo -n 40
	[[ $output == *web/web1* ]]
	[[ $output == *next/web3* ]]
}

# --- fallbacks ----------------------------------------------------------------------------------------

# taken_by GROUP: web's new flows go there, of clients of both families; "null": they stay
taken_by() {
	[ "$(xlb_json '.state.taken_by | "\(.ipv4) \(.ipv6)"' show group web)" = "$1 $1" ] && in_line
}

# problem KIND: status has one of the kind
problem() {
	xlb_json '.problems[].kind' status | grep -qx "$1"
}

# api PATH
api() {
	curl -sS --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" "http://xlb/v1/$1" 3>&-
}

# fallback_events: where web's new flows went, from event to event
fallback_events() {
	api events | jq -r '.events[] | select(.kind == "fallback") | "\(.group) \(.to) \(.family)"'
}

# all_answered_by SERVER: forty new connections, to both families
all_answered_by() {
	equal "new flows of $1" "$(new_flows 40 | share "$1")" 40
}

# Servers die by what is checked; what answers on port 7000 goes on, so that flows may stay.
@test "a fallback takes new flows when the last server has died, and gives them back" {
	local before kept
	groups '{protocol: tcp, port: 7000, server_group: web}' 'fallback: next' 'forward: nat'
	before=$(fallback_events | wc -l)
	conversation tcp "$LAB_VIP4" 7000
	kept=$(talk)
	equal "flows of the fallback before" "$(new_flows 40 | share web3)" 0
	lab_kill web1
	wait_for 5 server_is web web1 down
	all_answered_by web2
	lab_kill web2
	wait_for 5 taken_by next
	all_answered_by web3
	equal "the kept connection" "$(talk)" "$kept"
	problem fallback
	run ! problem fail_open
	[[ $(api metrics) == *'xlb_server_group_fallback{server_group="web",family="ipv4"} 1'* ]]
	lab_web web2
	wait_for 5 taken_by null
	all_answered_by web2
	equal "the kept connection" "$(talk)" "$kept"
	end_conversation
	run ! problem fallback
	equal "events" "$(fallback_events | tail -n "+$((before + 1))")" $'web next both\nweb web both'
}

@test "below min_healthy the fallback takes all; fail-open is for when that is down too" {
	groups '{protocol: tcp, port: 7000, server_group: web}' $'fallback: next\n    min_healthy: 100%'
	lab_sick web1
	wait_for 5 taken_by next
	all_answered_by web3
	lab_sick web3
	wait_for 5 taken_by null
	all_answered_by web2
	lab_sick web2
	wait_for 5 problem fail_open
	wait_for 5 in_line
	equal "flows of the fallback that is down" "$(new_flows 40 | share web3)" 0
	lab_well web3
	wait_for 5 taken_by next
	run ! problem fail_open
	all_answered_by web3
	lab_well web1
	lab_well web2
	wait_for 5 taken_by null
	equal "flows of the fallback afterwards" "$(new_flows 40 | share web3)" 0
}

# The fallback is named by no listener: its servers are asked for the VIP all the same.
@test "a fallback of mode dr, checked by the way of clients, for a fullnat group" {
	groups '{protocol: tcp, port: 7000, server_group: web}' 'fallback: next' 'forward: dr'
	lab_sick web1
	lab_sick web2
	wait_for 5 taken_by next
	all_answered_by web3
	lab_sick web3
	wait_for 5 problem fail_open
}

# --- shifts -------------------------------------------------------------------------------------------

# shift_begins PARTS OPTION...: xlbctl in the background, until its first step holds
shift_begins() {
	rm -f "$LAB_DIR/shift"
	nsenter --net="/run/netns/$LAB-lb" -- xlbctl listener shift edge/echo "$@" \
		>"$LAB_DIR/shift" 2>"$LAB_DIR/shift.err" 3>&- &
	shifter=$!
	wait_for 10 grep -q 'step 1' "$LAB_DIR/shift" || {
		cat "$LAB_DIR/shift.err"
		return 1
	}
}

# shift_ends STATUS: what it says then is in $LAB_DIR/shift.err
shift_ends() {
	local status=0
	wait_for 20 lab_gone "$shifter"
	wait "$shifter" || status=$?
	equal "exit status of the shift" "$status" "$1" || {
		cat "$LAB_DIR/shift" "$LAB_DIR/shift.err"
		return 1
	}
}

# weights: of the listener's groups, "web=95 next=5"
weights() {
	xlb_json '[.server_groups[] | "\(.group)=\(.weight)"] | join(" ")' show listener edge echo
}

@test "a shift takes new flows to another group step by step" {
	groups '{protocol: tcp, port: 7000, server_group: web}'
	run -0 xlb listener shift edge/echo next=10%,50%,100% --every 300ms --abort-if 'down or reset_ratio>1%'
	equal "its steps" "$(grep -o '^next=.*' <<<"$output")" \
		$'next=10% (step 1 of 3): web=90,next=10\nnext=50% (step 2 of 3): web=50,next=50\nnext=100% (step 3 of 3): web=0,next=100'
	equal "weights" "$(weights)" "web=0 next=100"
	all_answered_by web3
}

@test "a shift to a group with a server that is down does not begin, one of nonsense neither" {
	groups '{protocol: tcp, port: 7000, server_group: web}' '' 'forward: dr'
	lab_sick web3
	wait_for 5 server_is next web3 down
	run -8 xlb listener shift edge/echo next=10% --abort-if down
	[[ $output == *"not begun"*"server next/web3 is down"* ]]
	lab_well web3
	# its answers pass by xlb
	run -3 xlb listener shift edge/echo next=10% --abort-if 'reset_ratio>1%'
	[[ $output == *"forward: dr"* ]]
	run -6 xlb listener shift edge/echo nobody=10%
	run -2 xlb listener shift edge/echo next=110%
	run -6 xlb listener shift edge/other next=10%
	equal "weights" "$(weights)" "web=100"
}

@test "a shift takes all back when a server of the group goes down" {
	groups '{protocol: tcp, port: 7000, server_group: web}'
	shift_begins next=10%,100% --every 60s --abort-if 'down or reset_ratio>50%'
	equal "weights meanwhile" "$(weights)" "web=90 next=10"
	lab_sick web3
	shift_ends 8
	grep -q 'aborted at next=10% (step 1 of 2): server next/web3 is down' "$LAB_DIR/shift.err"
	equal "weights" "$(weights)" "web=100"
}

@test "a shift takes all back when the group's servers reset connections" {
	groups '{protocol: tcp, port: 7000, server_group: {web: 1, next: 0}}'
	lab_kill web3-echo
	shift_begins next=50%,100% --every 60s --abort-if 'reset_ratio>10%'
	new_flows 40 || true
	shift_ends 8
	grep -q 'servers of group next have reset' "$LAB_DIR/shift.err"
	equal "weights" "$(weights)" "web=1 next=0"
	lab_echo web3 tcp 7000 udp 7001
}

@test "an interrupted shift stays where it is and says how to go on and back" {
	local back
	groups '{protocol: tcp, port: 7000, server_group: {web: 95, next: 5}}'
	shift_begins next=25%,50%,100% --every 60s --abort-if down
	kill -s INT "$shifter"
	shift_ends 1
	equal "weights" "$(weights)" "web=75 next=25"
	grep -qx "to go on:   xlbctl listener shift edge/echo next=50%,100% --every 1m --abort-if 'down'" "$LAB_DIR/shift.err"
	back=$(sed -n 's/^to go back: xlbctl //p' "$LAB_DIR/shift.err")
	# shellcheck disable=SC2086 # words of a command
	xlb $back
	equal "weights" "$(weights)" "web=95 next=5"
}

@test "a shift ends when somebody else changes the weights" {
	groups '{protocol: tcp, port: 7000, server_group: web}'
	shift_begins next=25%,50% --every 2s
	xlb set listener edge echo --server-group web=1,next=2
	shift_ends 7
	equal "weights" "$(weights)" "web=1 next=2"
}
