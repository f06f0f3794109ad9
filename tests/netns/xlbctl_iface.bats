#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2030,SC2031,SC2154
#
# xlbctl iface check and attach --fix against a daemon that only answers.

bats_require_minimum_version 1.5.0
load fake

CHANGE='{"revision":43,"added":1,"changed":0,"removed":0,"flows_affected":0,"warnings":[],"changes":[],"dry_run":false}'

CHECKS='{"interface":"lo","failures":1,"warnings":1,"checks":[
{"check":"mtu","level":"ok","text":"mtu 1500 (limit 3506)","fix":null,"setting":null},
{"check":"lro","level":"fail","text":"lro is on","fix":"ethtool -K lo lro off","setting":"lro"},
{"check":"firewall","level":"warn","text":"a firewall","fix":null,"setting":null}]}'

@test "iface check: a line for each check, the fix below, a sentence at the end, exit 8" {
	answer GET /v1/interfaces/lo/check 200 "$CHECKS"
	run -8 "$XLBCTL" iface check lo
	[ "$output" = "ok    mtu 1500 (limit 3506)
FAIL  lro is on
      fix: ethtool -K lo lro off
warn  a firewall
1 failure, 1 warning. \`xlbctl attach lo --fix\` changes 1 of these and restores it on detach." ]
	run -8 "$XLBCTL" -j iface check lo
	[ "$output" = "$CHECKS" ]
	answer GET /v1/interfaces/lo/check 200 '{"interface":"lo","failures":0,"warnings":0,"checks":[]}'
	rm "$FAKE/GET,v1,interfaces,lo,check.1"
	run -0 "$XLBCTL" iface check lo
	[ "$output" = "0 failures, 0 warnings." ]
	run -6 "$XLBCTL" interface check nope
}

@test "check FILE and iface check IFACE are two commands" {
	run -2 "$XLBCTL" iface check
	[[ "$output" == *"xlbctl iface check IFACE"* ]]
	run -1 "$XLBCTL" check "$BATS_TEST_TMPDIR/absent.yaml"
	run -0 "$XLBCTL" help iface check
	[[ "$output" == *"usage: xlbctl iface check IFACE"* ]]
}

@test "attach --fix tells what was changed, and what is still not well" {
	answer POST /v1/interfaces/lo/attach 200 "$CHANGE"
	answer GET /v1/interfaces/lo 200 '{"name":"lo","state":{"attached":true,"mode":"native","program_id":12,"program_tag":"9f3c0a71",
"settings":[{"setting":"lro","was":1,"now":0},{"setting":"rp_filter","was":1,"now":2}]}}'
	answer GET /v1/interfaces/lo/check 200 "$CHECKS"
	run -0 --separate-stderr "$XLBCTL" attach lo --fix
	[ "$output" = "lo: lro off (was on), rp_filter 2 (was 1)
lo: attached, native mode, program 12 (9f3c0a71)" ]
	[ "$stderr" = "FAIL  lro is on
      fix: ethtool -K lo lro off
warn  a firewall" ]
	grep -qx 'POST /v1/interfaces/lo/attach?fix=1' "$FAKE/log"
}

@test "an attach that fails tells what is not well, and what --fix would do" {
	answer POST /v1/interfaces/lo/attach 501 '{"type":"unsupported","title":"lo: refused","status":501}'
	answer GET /v1/interfaces/lo/check 200 "$CHECKS"
	run -9 "$XLBCTL" attach lo
	[ "$output" = "FAIL  lro is on
      fix: ethtool -K lo lro off
warn  a firewall
hint: xlbctl --instance $XLB_INSTANCE attach lo --fix changes that, and detach restores it
xlbctl: lo: refused" ]
}
