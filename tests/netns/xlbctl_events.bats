#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# xlbctl events against a daemon that only answers.

bats_require_minimum_version 1.5.0

load fake

EVENT='{"id":"19ac-7","time":"2020-11-22T10:00:00.123Z","kind":"health","text":"web/web1 up -> down  http 503 (3 of 3 failed)","group":"web"}'
OTHER='{"id":"19ac-8","time":"2020-11-22T10:00:01.000Z","kind":"config","text":"r2 xlb.yaml: + x"}'

@test "events: one line each, in local time" {
	answer GET /v1/events 200 "{\"events\":[$EVENT,{\"kind\":\"missed\",\"text\":\"missed 3 events\"}]}"
	TZ=UTC-1 run -0 "$XLBCTL" events
	[ "$output" = "2020-11-22 11:00:00 health    web/web1 up -> down  http 503 (3 of 3 failed)
-        missed    missed 3 events" ]
	sent 'GET /v1/events'
}

@test "events: of today without the date" {
	answer GET /v1/events 200 "{\"events\":[${EVENT/2020-11-22T10:00:00/$(date -u +%FT%T)}]}"
	run -0 "$XLBCTL" events
	[[ "$output" =~ ^[0-9]{2}:[0-9]{2}:[0-9]{2}\ health\  ]]
}

@test "events: how many, which, and as JSON a line" {
	answer GET /v1/events 200 "{\"events\":[$EVENT,$OTHER]}"
	run -0 "$XLBCTL" events -n 2 --kind health,config --json
	[ "$output" = "$EVENT
$OTHER" ]
	sent 'GET /v1/events?last=2&kind=health%2Cconfig'
}

@test "events -f goes on where it was when the stream breaks off, and ends with an error of the daemon" {
	answer GET /v1/events 200 ": events of xlbd

id: 19ac-7
event: health
data: $EVENT

: alive

id: 19ac-8
event: config
data: $OTHER

id: 19ac-9
event: config
data: {\"id\":\"19ac-9\",\"kind\":\"conf"
	answer GET /v1/events 200 "event: missed
data: {\"kind\":\"missed\",\"text\":\"missed 3 events\",\"missed\":3}

"
	answer GET /v1/events 503 '{"type":"unreachable","title":"64 clients follow the events already","status":503}'
	TZ=UTC run -4 --separate-stderr "$XLBCTL" events -f
	[ "$output" = "2020-11-22 10:00:00 health    web/web1 up -> down  http 503 (3 of 3 failed)
2020-11-22 10:00:01 config    r2 xlb.yaml: + x
-        missed    missed 3 events" ]
	[ "${stderr_lines[0]}" = "xlbctl: xlbd has closed the stream, connecting again" ]
	[[ "$stderr" == *"64 clients follow"* ]]
	sent 'GET /v1/events?last=10&follow=1
GET /v1/events?follow=1
Last-Event-ID: 19ac-8
GET /v1/events?follow=1
Last-Event-ID: 19ac-8'
}

@test "events -f: what is not understood, and a daemon that is not there" {
	answer GET /v1/events 400 '{"type":"usage","title":"kind helth is not one of health","status":400}'
	run -2 "$XLBCTL" events -f --kind helth
	sent 'GET /v1/events?last=10&kind=helth&follow=1'
	run -4 "$XLBCTL" --instance "none$$" events -f
	run -2 "$XLBCTL" events now
	run -2 "$XLBCTL" status -f
}

@test "events -f ends on Ctrl-C and when nobody reads it" {
	answer GET /v1/events 200 "data: $OTHER

"
	# the second request is that after the end of the first stream
	run -130 interrupted 'events?follow=1' "$XLBCTL" events -f
	[[ "$output" == *"r2 xlb.yaml: + x"* ]]
	run -0 bash -c "timeout 60 '$XLBCTL' events -f | head -n 1; [ \${PIPESTATUS[0]} != 124 ]"
}
