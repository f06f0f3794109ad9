#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The bench of xlb beside others works and leaves nothing behind. How fast anything is, is not looked at.

bats_require_minimum_version 1.5.0
load helper

setup() {
	skip_without_lab
	export BENCH_NET_ROUNDS=1 BENCH_NET_SUBJECTS="direct fullnat" BENCH_NET_JSON="$BATS_TEST_TMPDIR/bench.json"
	mark="XLB_TEST_MARK=$$-$BATS_SUITE_TEST_NUMBER-$RANDOM"
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || kill "$(cat "$BATS_TEST_TMPDIR/pid")" || true
}

# bench SECONDS: in this process. Its pid, which the lab's name has, goes to a file; all that it starts is marked. A
# shell ignores SIGINT for what it starts in the background, so it is asked not to.
bench() {
	# shellcheck disable=SC2016 # for the shell that becomes the bench
	exec env --default-signal=INT "BENCH_NET_SECONDS=$1" "$mark" sh -c 'echo $$ >"$1" && exec "$2"' sh \
		"$BATS_TEST_TMPDIR/pid" "$LAB_ROOT/tests/bench/net.sh" 3>&-
}

marked() {
	grep -lsaz "^$mark$" /proc/[0-9]*/environ
}

nothing_is_left() {
	local name
	name=xlbn-$(cat "$BATS_TEST_TMPDIR/pid")
	equal "namespaces" "$(ip netns list | grep "^$name-")" ""
	equal "files" "$(ls -d "/sys/fs/bpf/xlb-$name" "/run/xlb-$name" "/var/lib/xlb-$name" "${TMPDIR:-/tmp}/xlb-lab-$name" 2>/dev/null)" ""
	equal "processes" "$(marked)" ""
}

# client_runs NAME: whether a process of that name is in the client's namespace of the bench
client_runs() {
	ip netns pids "xlbn-$(cat "$BATS_TEST_TMPDIR/pid")-client" | xargs -r ps -o comm= -p | grep -qx "$1"
}

@test "the bench prints a table, writes JSON and leaves nothing" {
	run --separate-stderr bench 1
	echo "$output"
	echo "$stderr"
	[ "$status" = 0 ]
	for subject in "no LB" "xlb fullnat"; do
		equal "rows of $subject" "$(grep -cE "^$subject  +[1-9][0-9]* " <<<"$output")" 3
	done
	jq -e '[.measures | .keepalive, .connections, .udp | .direct, .fullnat |
		.rate.median, .rate.min, .rate.max, .ratio.median, .cpu_per_million.median > 0] |
		length == 30 and all' "$BENCH_NET_JSON"
	jq -e '.about | .rounds == 1 and .cores > 0 and (.kernel | length > 0)' "$BENCH_NET_JSON"
	nothing_is_left
}

@test "a bench that is interrupted leaves nothing" {
	local status=0
	bench 60 >"$BATS_TEST_TMPDIR/log" 2>&1 &
	wait_for 20 client_runs wrk
	[ "$(marked | wc -l)" -gt 5 ]
	kill -INT "$(cat "$BATS_TEST_TMPDIR/pid")"
	wait $! || status=$?
	cat "$BATS_TEST_TMPDIR/log"
	equal "exit status" "$status" 130
	[ ! -e "$BENCH_NET_JSON" ]
	nothing_is_left
}
