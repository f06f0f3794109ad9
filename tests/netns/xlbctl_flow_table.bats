#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2030,SC2031,SC2154
#
# xlbctl and what there is one of, against a daemon that only answers.

bats_require_minimum_version 1.5.0

load fake

CHANGE='{"revision":43,"added":0,"changed":1,"removed":0,"flows_affected":0,"warnings":[],"changes":["~ x"],"dry_run":false}'

@test "flow-table: one object without a name" {
	answer PATCH /v1/flow_table 200 "$CHANGE"
	answer GET /v1/flow_table 200 '{"max":2000000,"state":{}}'
	answer GET /v1/flow_table 200 '{"max":null,"state":{}}'
	run -0 "$XLBCTL" flow-table set --max 2000000
	run -0 "$XLBCTL" show flow-table
	[ "${lines[0]}" = "max: 2000000" ]
	run -0 "$XLBCTL" flow_table
	[ "${lines[0]}" = "max:" ]
	sent 'PATCH /v1/flow_table
Content-Type: application/json
{"max":"2000000"}
GET /v1/flow_table
GET /v1/flow_table'
	run -2 "$XLBCTL" list flow-table
	[ "$output" = 'xlbctl: there is one flow-table, and no list: xlbctl show flow-table' ]
	run -2 "$XLBCTL" show flow-table x
	run -2 "$XLBCTL" set flow-table
	run -0 "$XLBCTL" help flow
	[ "${lines[0]}" = "usage: xlbctl flow list" ]
}
