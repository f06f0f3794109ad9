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
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	for server in web1 web2 web3; do
		lab_well $server
	done
	wait_for 5 all_up || true
}

teardown() {
	end_of_test
}

# groups LISTENER [FIELDS-OF-WEB]: web is web1 and web2, next is web3
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
