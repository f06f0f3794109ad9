#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A listener on the host's own address leaves the host what it uses itself.

bats_require_minimum_version 1.5.0
load helper

HOST4=198.51.100.1

setup_file() {
	lab_for_file two-arm 1
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_echo web1 tcp 2200,2300,7000
	# the host's own service, told apart by its name
	lab_run host-echo lb "$LAB_TOOLS/echo" host tcp 2200
	wait_for 5 lab_listens lb 2200
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

@test "a listener on a port that the host uses is refused, and names the process" {
	config addresses="$HOST4" listener='{protocol: tcp, port: 2200, server_group: web}' port=2200 weights=100 >"$LAB_DIR/test.yaml"
	run -3 xlb apply "$LAB_DIR/test.yaml"
	[[ $output == *"test.yaml:6:"* && $output == *echo* && $output == *2200* && $output == *--force* ]]
	equal "who answers" "$(ask -n 4 tcp "$HOST4" 2200)" "host 4"
}

@test "with --force the listener takes the port from the host" {
	config addresses="$HOST4" listener='{protocol: tcp, port: 2200, server_group: web}' port=2200 weights=100 >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --force --yes --now
	wait_for 5 all_up
	equal "who answers" "$(ask -n 4 tcp "$HOST4" 2200)" "web1 4"
}

@test "a listener on any port of the host's address goes around the host's own ports" {
	apply_config addresses="$HOST4" listener='{protocol: tcp, port: any, server_group: web}' port=0 weights=100
	equal "the host's port" "$(ask -n 4 tcp "$HOST4" 2200)" "host 4"
	equal "the listener's ports" "$(ask -n 4 tcp "$HOST4" 2300,7000)" "web1 4"
}

@test "the host's own connections out of its address go on beside a listener on any port" {
	apply_config addresses="$HOST4" listener='{protocol: tcp, port: any, server_group: web}' port=0 weights=100
	lab_web client
	[ "$(in_ns lb curl -sS --max-time 30 http://198.51.100.2:8080/)" = "client $HOST4" ]
	lab_kill client
}

@test "the host's own address is not removed with the load balancer" {
	apply_config addresses="$HOST4" listener='{protocol: tcp, port: 2300, server_group: web}' port=2300 weights=100
	xlb rm lb edge --yes --now
	in_ns lb ip -o address show dev front | grep -q " $HOST4/24 "
	equal "the host's port" "$(ask -n 4 tcp "$HOST4" 2200)" "host 4"
}
