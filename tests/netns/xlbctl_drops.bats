#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# `xlbctl drops` against a daemon that only answers, and the table of reasons in docs/drops.md.

bats_require_minimum_version 1.5.0

load fake_screen

# drop REASON TOTAL RATE PACKET: one of the answer's drops; PACKET in JSON
drop() {
	jq -nc --arg reason "$1" --argjson total "$2" --argjson rate "$3" --argjson packet "$4" '
	{reason: $reason, meaning: "no room for \($reason) in these thirty words or so that go on for a while",
	 advice: "do what helps against \($reason)", total: $total, rate: $rate, interfaces: {eth0: $total},
	 last: {time: "2026-11-22T10:00:00Z", age: 190.5, interface: "eth0", packet: $packet, length: 74,
	  listener: "edge/http", server: null, bytes: ""}}'
}

# drops_answer UNCOUNTED DROP...
drops_answer() {
	local uncounted=$1
	shift
	jq -nc --argjson uncounted "$uncounted" '{time: "2026-11-22T10:03:10Z", uncounted: $uncounted, drops: $ARGS.positional}' \
		--jsonargs "$@"
}

@test "drops: by rate, then total; the last packet; what goes on" {
	answer GET /v1/drops 200 "$(drops_answer null \
		"$(drop no_flow 7 0 null)" \
		"$(drop hairpin 1200000 0 null)" \
		"$(drop no_listener 9 212.4 '"203.0.113.9:51000 > 198.51.100.10:81 tcp SYN"')")"
	run -0 "$XLBCTL" drops
	[ "$output" = "REASON              RATE   TOTAL  MEANING, LAST SAMPLE
no_listener          212       9  no room for no_listener in these thirty words or so that go on for a while
  last 3m10s ago on eth0: 203.0.113.9:51000 > 198.51.100.10:81 tcp SYN, 74 bytes, listener edge/http
hairpin                0   1.20M  no room for hairpin in these thirty words or so that go on for a while
  last 3m10s ago on eth0, listener edge/http
no_flow                0       7  no room for no_flow in these thirty words or so that go on for a while
  last 3m10s ago on eth0, listener edge/http

no_listener: do what helps against no_listener
-> xlbctl capture --reason no_listener
-> xlbctl trace 203.0.113.9:51000 198.51.100.10:81 tcp" ]
	sent 'GET /v1/drops'
}

@test "drops: options become the query, --json is the answer" {
	answer GET /v1/drops 200 '{"time":"2026-11-22T10:03:10Z","uncounted":null,"drops":[]}'
	run -0 "$XLBCTL" --json drops --all --interface eth0 --reason no_flow
	[ "$output" = '{"time":"2026-11-22T10:03:10Z","uncounted":null,"drops":[]}' ]
	sent 'GET /v1/drops?all=1&interface=eth0&reason=no_flow'
}

@test "drops: none, a rate not known yet, losses that are not counted" {
	answer GET /v1/drops 200 "$(drops_answer null)"
	answer GET /v1/drops 200 "$(drops_answer '"no tracefs: Operation not permitted"' "$(drop no_flow 7 null null)")"
	run -0 "$XLBCTL" drops
	[ "$output" = "no packet was dropped" ]
	run -0 "$XLBCTL" drops
	[[ "${lines[1]}" == "no_flow                -       7  "* ]]
	[ "${lines[3]}" = "redirect_failed and tx_failed are not counted: no tracefs: Operation not permitted" ]
	[[ "$output" != *"xlbctl trace"* ]]
}

@test "drops: no trace of what has no ports, IPv6 with its brackets" {
	answer GET /v1/drops 200 "$(drops_answer null "$(drop fragment 7 1 '"203.0.113.9 > 198.51.100.10 udp fragment"')")"
	answer GET /v1/drops 200 "$(drops_answer null "$(drop fragment 7 1 '"2001:db8::9 > 2001:db8::10 udp fragment"')")"
	answer GET /v1/drops 200 "$(drops_answer null "$(drop no_flow 7 1 '"[2001:db8::9]:5 > [2001:db8::10]:80 tcp ACK"')")"
	run -0 "$XLBCTL" drops
	[[ "$output" != *"xlbctl trace"* ]]
	run -0 "$XLBCTL" drops
	[[ "$output" != *"xlbctl trace"* ]]
	run -0 "$XLBCTL" drops
	[[ "$output" == *"-> xlbctl trace [2001:db8::9]:5 [2001:db8::10]:80 tcp" ]]
}

@test "drops -w on a terminal of 80x24: whole words, redrawn" {
	answer GET /v1/drops 200 "$(drops_answer null "$(drop no_flow 7 1 '"[2001:db8::9]:5 > [2001:db8::10]:80 tcp ACK"')")"
	answer GET /v1/drops 200 "$(drops_answer null "$(drop no_flow 8 1 '"[2001:db8::9]:5 > [2001:db8::10]:80 tcp ACK"')")"
	terminal_start 80 24 "$XLBCTL" drops -w1
	terminal_waits '^no_flow +1 +8  no room for no_flow in these thirty words or$'
	terminal_waits '^  so that go on for a while$'
	terminal_waits '^  last 3m10s ago on eth0: \[2001:db8::9\]:5 > \[2001:db8::10\]:80 tcp ACK, 74 bytes,$'
	terminal_waits '^  listener edge/http$'
	terminal_waits '^-> xlbctl capture --reason no_flow$'
}

@test "docs/drops.md has the table of reasons as the program has it" {
	diff <(sed -n '/^<!-- begin: xlbctl --tables reasons -->$/,/^<!-- end -->$/p' "$(root)/docs/drops.md" | sed '1d;$d') \
		<("$XLBCTL" --tables reasons)
}
