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
