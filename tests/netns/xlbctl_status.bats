#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# The screen of `xlbctl status` and -w against a daemon that only answers.

bats_require_minimum_version 1.5.0

load fake_screen

# summary PROBLEMS GROUPS: an answer with so many problems, server groups
summary() {
	jq -nc --argjson problems "$1" --argjson groups "$2" '
	{version: "0.1.0", instance: "", uptime: 540000, kernel: "6.1.0", revision: 42, file_differs: true,
	 flows: 10, max_flows: 262144, drops: {no_listener: 3, no_flow: 0},
	 retired: [{kind: "server", key: "web/web9@10.0.1.19", flows: 3, deadline: 240}],
	 interfaces: [{name: "eth0", state: {attached: true, mode: "native", mtu: 1500, recent: {no_listener: 2},
	  rates: {packets: 1820000.4, bytes: 125000000, redirect: 1700000, tx: 0, drops: 0.2}}}],
	 load_balancers: [{name: "edge", addresses: ["198.51.100.10", "2001:db8::10"], listeners: 4,
	  state: {flows: 10, up: 1, servers: 2}}],
	 server_groups: [range($groups) | {name: "web\(.)", forward: "fullnat",
	  state: {flows: 10, up: (if . == 7 then 1 else 2 end), servers: 2, fail_open: false}}],
	 problems: [range($problems) | {level: "error", kind: "server_down", count: 1,
	  text: "group web\(.): server web2 is down for 12 s: connection refused, does a service listen on port 8080?",
	  command: "xlbctl server show web\(.) web2"}]}'
}

@test "status: head, problems with their command, tables, drops" {
	answer GET /v1/status 200 "$(summary 1 2)"
	run -0 "$XLBCTL"
	[ "$output" = "xlbd 0.1.0  up 6d6h  config r42 (file differs)  flows 10 of 262k  kernel 6.1.0
error: group web0: server web2 is down for 12 s: connection refused, does a service listen on port 8080?  -> xlbctl server show web0 web2
INTERFACE MODE   STATE     MTU PACKETS/S BITS/S OUT/S BACK/S DROPS/S
eth0      native attached 1500     1.82M  1.00G 1.70M      0       0
LOAD BALANCER ADDRESSES                  LISTENERS  UP FLOWS
edge          198.51.100.10 2001:db8::10         4 1/2    10
GROUP FORWARD  UP FLOWS
web0  fullnat 2/2    10
web1  fullnat 2/2    10
drops: no_listener 3 (2 in the last minute)
removed server web/web9@10.0.1.19: 3 flows finish, cut in 240 s" ]
	sent 'GET /v1/status?summary=1'
}

@test "status: the groups with faults come first" {
	answer GET /v1/status 200 "$(summary 0 9)"
	run -0 "$XLBCTL" status
	[ "${lines[6]}" = "web7  fullnat 1/2    10" ]
}

@test "status without a terminal tells everything" {
	answer GET /v1/status 200 "$(summary 100 100)"
	run -0 "$XLBCTL"
	[ "$(grep -c '^error: ' <<<"$output")" -eq 100 ]
	[ "$(grep -c '^web' <<<"$output")" -eq 100 ]
}

@test "status --json is the whole answer, unchanged" {
	body=$(summary 1 1)
	answer GET /v1/status 200 "$body"
	run -0 "$XLBCTL" --json status
	[ "$output" = "$body" ]
	sent 'GET /v1/status'
}

@test "status fits on a screen of 80x24, with problems first and what shows the rest" {
	answer GET /v1/status 200 "$(summary 100 100)"
	terminal_start 80 40 bash -c "stty rows 24; exec '$XLBCTL'"
	terminal_waits '^ended'
	terminal_text
	# an empty line and "ended" follow
	[ "$(terminal_text | sed '/^ended/,$d' | wc -l)" -le 24 ]
	terminal_waits '^error: group web0: server web2 is down for 12 s: connection refused, does'
	terminal_waits '^  service .* -> xlbctl server show web0 web2$'
	terminal_waits '^\.\.\. [0-9]+ more: xlbctl status --all'
	terminal_waits '^eth0 +native'
	terminal_waits '^edge '
	terminal_waits '^web7 '
	terminal_waits '^\.\.\. [0-9]+ more: xlbctl group list'
	terminal_waits '^drops: no_listener 3'
}

@test "status --all is as long as it takes" {
	answer GET /v1/status 200 "$(summary 20 1)"
	terminal_start 80 80 bash -c "stty rows 24; exec '$XLBCTL' status --all"
	terminal_waits '^ended'
	[ "$(terminal_text | grep -c '^error')" -eq 20 ]
}

@test "watch repeats blocks when the output is no terminal" {
	answer GET /v1/load_balancers 200 '{"load_balancers":[]}'
	run -0 bash -c "'$XLBCTL' list lb -w1 | head -n 3"
	[ "$output" = "no load_balancers

no load_balancers" ]
}

# typed SEQUENCE: how often the terminal got it
typed() {
	grep -aoF $'\033['"$1" "$BATS_TEST_TMPDIR/typed" | wc -l
}

three_pictures() {
	[ "$(typed H)" -ge 3 ]
}

@test "watch on a terminal overwrites, and does not clear, the picture before" {
	answer GET /v1/load_balancers 200 '{"load_balancers":[{"name":"first"},{"name":"second"}]}'
	answer GET /v1/load_balancers 200 '{"load_balancers":[{"name":"first"}]}'
	script -qfec "timeout 60 $XLBCTL list lb -w1" "$BATS_TEST_TMPDIR/typed" >/dev/null 3>&- &
	wait_for 10 three_pictures
	kill $!
	[ "$(typed 2J)" = 1 ]
	terminal_start 60 10 "$XLBCTL" list lb -w1
	terminal_waits '^first'
	wait_for 10 terminal_lacks '^second'
}

@test "watch: a list longer than the screen is cut and says so" {
	answer GET /v1/load_balancers 200 "$(jq -nc '{load_balancers: [range(50) | {name: "lb\(.)"}]}')"
	terminal_start 60 10 "$XLBCTL" list lb -w1
	terminal_waits '^\.\.\. 43 more lines'
	terminal_waits '^NAME'
	terminal_waits '^lb6'
	wait_for 10 terminal_lacks '^lb7'
}

@test "watch: an error that is not about reaching the daemon ends it" {
	answer GET /v1/load_balancers 200 '{"load_balancers":[]}'
	answer GET /v1/load_balancers 404 '{"type":"not-found","title":"gone","status":404}'
	run -6 timeout 60 "$XLBCTL" list lb -w1
	[[ "$output" == *"xlbctl: gone" ]]
}

@test "every listing command can be watched" {
	for command in status list show; do
		"$XLBCTL" help "$command" | grep -q -- '--watch'
	done
}

@test "status --help is about status; without a command the help is general" {
	run -0 "$XLBCTL" status --help
	[ "${lines[0]}" = "usage: xlbctl status" ]
	[[ "$output" == *"--all"* ]]
	run -0 "$XLBCTL" --help
	[[ "$output" == *"see what is going on"* ]]
}

@test "completion knows the views of top" {
	run -0 "$XLBCTL" --complete top
	[ "${lines[*]:0:4}" = "listeners servers drops interfaces" ]
	[[ "$output" == *"--once"* ]]
}

@test "help groups commands by what they are for" {
	run -0 "$XLBCTL" --help
	see=$(awk '/^see /,/^$/' <<<"$output")
	[[ "$see" == *"  status "*"  top "*"  list "* ]]
	[[ "$see" != *"  attach"* ]]
	change=$(awk '/^change:/,/^$/' <<<"$output")
	[[ "$change" == *"  attach "*"  drain "* ]]
	# each command once
	[ "$(grep -cE '^  (status|attach|apply|test|version|help) ' <<<"$output")" -eq 6 ]
}
