#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# `xlbctl top` and -w on a terminal, with the real daemon and traffic.

bats_require_minimum_version 1.5.0

load helper
load terminal

setup_file() {
	lab_for_file two-arm
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	command -v tmux >/dev/null || skip "tmux is missing"
	apply_config
}

teardown() {
	terminal_end
	lab_kill traffic
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
	end_of_test
}

# so many connections that every server has some
traffic() {
	wrk_run traffic -t1 -c32
	wait_for 10 flows_at_least 32
}

# start_top WIDTH HEIGHT WORD...
start_top() {
	local size=("$1" "$2")
	shift 2
	terminal_start "${size[@]}" nsenter --net="/run/netns/$LAB-lb" -- xlbctl top -w1 "$@"
}

first_row_is() {
	[ "$(terminal_text | sed -n '5s/ .*//p')" = "$1" ]
}

@test "top --once: rates of every view, measured" {
	traffic
	run -0 xlb top --once
	[[ "${lines[0]}" == xlbd*"no problems" ]]
	[[ "${lines[2]}" == "[1 listeners]"*"by NEW/S" ]]
	[[ "${lines[4]}" =~ ^edge/http\ +enabled\ +32\ +0\ +[1-9][0-9.]+k?\ +[1-9][0-9.]+k?\ +[1-9] ]]
	run -0 xlb top servers --once --sort server
	[[ "${lines[4]}" == web/web1* && "${lines[6]}" == web/web3* ]]
	run -0 xlb top servers --once --sort -server --filter web2
	[ "${#lines[@]}" -eq 5 ]
	[[ "${lines[4]}" =~ ^web/web2\ +up\ +[1-9] ]]
	run -0 xlb top inter --once
	[[ "${lines[4]}" =~ ^(front|back)\ +native\ +1500\ +[1-9] ]]
}

@test "top --once drops: the reason's rate, count and meaning" {
	lab_run traffic client sh -c "while :; do curl -s --max-time 0.1 http://$LAB_VIP4:81/; done"
	counted() {
		run -0 xlb top drops --once
		[[ "${lines[4]}" =~ ^front\ +no_listener\ +[1-9][0-9]*\ +[1-9].*"no listener of the VIP has this port"$ ]]
	}
	wait_for 10 counted
}

@test "top: bad words" {
	run -2 xlb top widgets
	[[ "$output" == *"listeners, servers, drops, interfaces"* ]]
	run -2 xlb top --once --sort widget
	[[ "$output" == *"no column \"widget\" in listeners: LISTENER, STATE"* ]]
	run -2 xlb top </dev/null
	[[ "$output" == *"top needs a terminal"*"xlbctl top listeners --once"* ]]
	run -2 xlb list lb --once
}

@test "top at 80x24: views, sort, filter, pause, help, quit" {
	traffic
	start_top 80 24
	terminal_waits '^edge/http +enabled +32 +0 +[1-9]'
	terminal_waits '^Tab view .* q quit'
	equal "widest line" "$(terminal_text | awk 'length > 80' | wc -l)" 0
	terminal_keys 2
	terminal_waits '^web/web1 +up +[1-9]'
	terminal_waits '\[2 servers\].*by NEW/S'
	terminal_keys '>'
	terminal_waits 'by PKT-IN'
	terminal_keys '<' '<' '<' '<'
	terminal_waits 'by SERVER'
	wait_for 10 first_row_is web/web1
	terminal_keys r
	terminal_waits 'by SERVER, reversed'
	wait_for 10 first_row_is web/web3
	terminal_keys / w e b 2 Enter
	terminal_waits 'filter "web2"'
	wait_for 10 terminal_lacks '^web/web1'
	terminal_keys Tab
	terminal_waits '\[3 drops\]'
	terminal_keys 4
	terminal_waits '^front +native +1500 +[1-9]'
	terminal_keys Space
	terminal_waits paused
	terminal_keys '?'
	terminal_waits 'space +pause, go on'
	terminal_keys x
	terminal_waits '^front +native'
	terminal_keys q
	terminal_waits '^ended'
}

@test "top follows the terminal's size" {
	start_top 80 24 servers
	terminal_waits '^web/web3'
	terminal_resize 50 7
	terminal_waits '^web/web2 +up'
	wait_for 10 terminal_lacks '^web/web3'
	terminal_keys Down
	terminal_waits '^web/web3'
	terminal_resize 100 30
	terminal_waits '^Tab view .* q quit'
	for name in web1 web2 web3; do
		terminal_waits "^web/$name"
	done
}

@test "top and -w outlive the daemon" {
	start_top 80 24
	terminal_waits '^edge/http'
	lab_kill xlbd KILL
	terminal_waits 'xlbd is not reachable, retrying'
	terminal_waits '^edge/http'
	lab_xlbd
	wait_for 10 terminal_lacks 'not reachable'
	terminal_waits '^edge/http'
	terminal_end
	for words in "status -w1" "list server -w1" "show lb edge -w1"; do
		# shellcheck disable=SC2086 # words
		terminal_start 100 24 nsenter --net="/run/netns/$LAB-lb" -- xlbctl $words
		terminal_waits '10\.0\.1\.11|198\.51\.100\.10'
		lab_kill xlbd KILL
		terminal_waits 'cannot reach xlbd .*; retrying'
		terminal_waits '10\.0\.1\.11|198\.51\.100\.10'
		lab_xlbd
		wait_for 10 terminal_lacks retrying
		terminal_end
	done
}

@test "top without a daemon says so and ends" {
	lab_kill xlbd
	run -4 xlb top --once
	start_top 80 24
	terminal_waits 'cannot reach xlbd'
	terminal_waits '^ended'
}
