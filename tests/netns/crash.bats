#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The datapath outlives the daemon.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -z "${LAB_DIR:-}" ] || lab_echo web1 tcp 7000
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
}

teardown() {
	end_of_test
}

@test "kill -9 and a restart in the middle of keep-alive requests: no error" {
	apply_config
	wrk_start
	wait_for 5 flows_at_least 64
	lab_kill xlbd KILL
	client_sends 10000
	lab_xlbd
	client_sends 10000
	wrk_end
}

@test "traffic flows and new connections are made while no daemon runs" {
	apply_config
	lab_kill xlbd KILL
	ask -n 300 http "$LAB_VIP4,$LAB_VIP6" 80
}

@test "a connection survives kill -9, its flow is known afterwards" {
	apply_config listener='{protocol: tcp, port: 7000, server_group: web}' port=7000 weights=100
	conversation tcp "$LAB_VIP6" 7000
	equal "answer before" "$(talk)" web1
	lab_kill xlbd KILL
	equal "answer without a daemon" "$(talk)" web1
	lab_xlbd
	equal "answer after the restart" "$(talk)" web1
	wait_for 5 flows_at_least 1
	end_conversation
}

@test "configuration, revision and attachment are as before after kill -9" {
	local before program
	apply_config
	before=$(xlb export)
	program=$(xlb_json '[.interfaces[].state.attached] | all' status)
	equal "attached before" "$program" true
	lab_kill xlbd KILL
	lab_xlbd
	equal "configuration" "$(xlb export)" "$before"
	equal "attached after" "$(xlb_json '[.interfaces[].state.attached] | all' status)" true
}

@test "after a restart without pins all is brought back from the state" {
	apply_config
	lab_kill xlbd
	rm -rf "/sys/fs/bpf/xlb-$XLB_INSTANCE"
	lab_xlbd
	wait_for 5 all_up
	ask -n 60 http "$LAB_VIP4,$LAB_VIP6" 80
}

@test "known health survives a restart: a dead server gets no request meanwhile" {
	apply_config
	lab_sick web2
	wait_for 5 server_is web web2 down
	lab_kill xlbd KILL
	lab_xlbd
	equal "requests to the dead server" "$(ask -n 100 http "$LAB_VIP4" 80 | share web2)" 0
	lab_well web2
	wait_for 5 server_is web web2 up
}

@test "a damaged state file is an error that names it" {
	apply_config
	lab_kill xlbd
	cp "/var/lib/xlb-$XLB_INSTANCE/current" "$LAB_DIR/kept"
	echo "{ not a state" >"/var/lib/xlb-$XLB_INSTANCE/current"
	run ! timeout 60 nsenter --net="/run/netns/$LAB-lb" xlbd
	[[ $output == *"/var/lib/xlb-$XLB_INSTANCE/current"* ]]
	ask -n 30 http "$LAB_VIP4" 80
	cp "$LAB_DIR/kept" "/var/lib/xlb-$XLB_INSTANCE/current"
	lab_xlbd
}

@test "an interface that is missing at the start is waited for" {
	apply_config
	lab_kill xlbd
	in_ns lb ip link set back name gone
	lab_xlbd
	in_ns lb ip link set gone down
	in_ns lb ip link set gone name back
	in_ns lb ip link set back up
	lab_address lb back 2001:db8:1::1/64
	wait_for 10 all_up
	ask -n 60 http "$LAB_VIP4,$LAB_VIP6" 80
}
