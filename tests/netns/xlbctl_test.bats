#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# `xlbctl test` with the real daemon: two arms, three web servers.

bats_require_minimum_version 1.5.0

load helper

setup_file() {
	lab_for_file two-arm
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

@test "xlbctl test: every connection of both families is answered, and all servers get some" {
	apply_config
	run -0 --separate-stderr xlb test edge/http -n 60
	[ "${lines[0]}" = "edge/http $LAB_VIP4:80 tcp: 60 connections, 60 answered (http 200)" ]
	[ "${lines[5]}" = "edge/http [$LAB_VIP6]:80 tcp: 60 connections, 60 answered (http 200)" ]
	for line in 2 3 4 7 8 9; do
		[[ ${lines[line]} =~ ^web[123]\ +[1-9] ]]
	done
}

@test "xlbctl test leaves nothing behind" {
	apply_config
	run -0 xlb test edge/http -n 5
	[ "$(xlb_json '[.interfaces[].name] | join(" ")' status)" = "$LAB_FRONT $LAB_BACK" ]
	run in_ns lb sh -c 'ip -br link | grep xlbt'
	[ -z "$output" ]
}

@test "xlbctl test finds that nobody answers: exit 8 and the reason" {
	apply_config weights='0 0 0'
	run -8 xlb test edge/http -n 5
	[[ "$output" == *"0 answered"*"dropped no_server: "* ]]
}
