#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# scale.sh [ROUNDS]: how long the commands take, and how long the daemon's loop is held up, with 1 000 listeners and
# 10 000 servers (10 load balancers x 100 listeners, 100 groups x 100 servers). First the apply of all that, then a line
# for each command: median and longest wall time in ms, CPU time of the command and of xlbd per run, and the longest
# that a second client, which asks for one listener again and again, had to wait meanwhile. Last, xlbd's memory.
# Needs root, build/ and the tools (`make all tools`).
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=tests/lab.sh
. tests/lab.sh
rounds=${1:-5}
reason=$(lab_possible) || {
	echo "scale.sh: $reason" >&2
	exit 1
}
lab_init "xlbs-$$"
trap lab_cleanup EXIT
lab_network two-arm 1
lab_xlbd
# all servers are behind one router: what is measured is xlb, not the kernel's neighbour table
in_ns lb ip route add 10.8.0.0/14 via 10.0.1.11
in_ns lb xlbctl attach "$LAB_FRONT" --no-confirm >/dev/null
in_ns lb xlbctl attach "$LAB_BACK" --no-confirm >/dev/null
socket=/run/xlb-$XLB_INSTANCE/xlbd.sock
# behind nsenter
xlbd=$(cat "$LAB_DIR/pids/xlbd")

# The configuration. Every tenth group is checked, with an interval that keeps checks out of the figures.
awk 'BEGIN {
	print "version: 1\nload_balancers:"
	for (l = 0; l < 10; l++) {
		printf "  lb%d:\n    addresses: [198.51.100.%d]\n    listeners:\n", l, 100 + l
		for (i = 0; i < 100; i++)
			printf "      port%d: {protocol: tcp, port: %d, server_group: g%d}\n", i, 1000 + i, (l * 100 + i) % 100
	}
	print "server_groups:"
	for (g = 0; g < 100; g++) {
		printf "  g%d:\n    health_check: {type: %s}\n    servers:\n", g, g % 10 ? "none" : "tcp, interval: 1h"
		for (s = 0; s < 100; s++)
			printf "      server%d: {address: 10.8.%d.%d, port: 8080, weight: %d}\n", s, g, s + 1, 1 + s
	}
}' >"$LAB_DIR/scale.yaml"
started=${EPOCHREALTIME/[.,]/}
in_ns lb xlbctl apply "$LAB_DIR/scale.yaml" >/dev/null
applied=$(((${EPOCHREALTIME/[.,]/} - started) / 1000))
in_line() {
	[ "$(in_ns lb xlbctl --json status | jq .pending)" = false ]
}
wait_for 60 in_line
echo "1 000 listeners and 10 000 servers: applied in $applied ms, all in line after $(((${EPOCHREALTIME/[.,]/} - started) / 1000)) ms"

# Of the second client: asks on one connection until it is killed, one line of seconds for each answer.
ask_on() {
	while :; do
		for _ in $(seq 200); do
			echo 'url = "http://xlb/v1/load_balancers/lb0/listeners/port0"'
			echo 'output = /dev/null'
			printf '%s\n' 'write-out = "%{time_total}\n"'
		done | curl -sN --unix-socket "$socket" -K -
	done
}

# cpu_ms PID: user and system time that the process has used
cpu_ms() {
	awk -v hertz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) * 1000 / hertz }' "/proc/$1/stat"
}

# own_cpu COMMAND...: its user and system time in seconds go to $LAB_DIR/cpu
own_cpu() {
	local TIMEFORMAT='%U %S'
	{ time "$@" 2>&3; } 3>&2 2>>"$LAB_DIR/cpu"
}

# measure NAME COMMAND...: an argument WEIGHT is a random weight, so that each run is a change
measure() {
	local name=$1 before after start watcher
	shift
	before=$(cpu_ms "$xlbd")
	: >"$LAB_DIR/times"
	for _ in $(seq "$rounds"); do
		start=${EPOCHREALTIME/[.,]/}
		own_cpu nsenter --net="/run/netns/$LAB-lb" -- "${@/#WEIGHT/$((RANDOM % 100 + 1))}" >"$LAB_DIR/out"
		echo "$((${EPOCHREALTIME/[.,]/} - start))" >>"$LAB_DIR/times"
	done
	after=$(cpu_ms "$xlbd")
	ask_on >"$LAB_DIR/waits" &
	watcher=$!
	for _ in $(seq "$rounds"); do
		in_ns lb "${@/#WEIGHT/$((RANDOM % 100 + 1))}" >/dev/null
	done
	kill "$watcher"
	wait "$watcher" 2>/dev/null || true
	sort -n "$LAB_DIR/times" | awk -v name="$name" -v daemon="$(((after - before) / rounds))" \
		-v size="$(stat -c %s "$LAB_DIR/out")" \
		-v own="$(awk '{ sum += $1 + $2 } END { printf "%d", sum * 1000 / NR }' "$LAB_DIR/cpu")" \
		-v wait="$(sort -n "$LAB_DIR/waits" | tail -n 1)" '
		{ t[NR] = $1 / 1000 }
		END { printf "%-24s median %5.0f  max %5.0f   cpu %4d  xlbd %4d   second client %5.1f   %9d bytes\n", name,
			t[int((NR + 1) / 2)], t[NR], own, daemon, wait * 1000, size }'
	rm -f "$LAB_DIR/cpu"
}

measure version xlbctl version
measure status xlbctl status
measure "list iface" xlbctl list iface
measure "list lb" xlbctl list lb
measure "list listener" xlbctl list listener
measure "list group" xlbctl list group
measure "list server" xlbctl list server
measure "list server g0" xlbctl list server g0
measure "list server --json" xlbctl --json list server
measure "show lb lb0" xlbctl show lb lb0
measure "show group g0" xlbctl show group g0
measure "show server" xlbctl show server g0 server0
measure "GET /metrics" curl -s --unix-socket "$socket" http://xlb/metrics
measure check xlbctl check "$LAB_DIR/scale.yaml"
measure diff xlbctl diff "$LAB_DIR/scale.yaml"
measure export xlbctl export
measure "set weight" xlbctl set server g0 server0 --weight WEIGHT
awk '/^VmHWM|^VmRSS|^RssAnon/ { kib[$1] = $2 }
	END { printf "xlbd has %d MiB of its own and %d MiB of maps mapped; at most %d MiB together\n", kib["RssAnon:"] / 1024,
		(kib["VmRSS:"] - kib["RssAnon:"]) / 1024, kib["VmHWM:"] / 1024 }' "/proc/$xlbd/status"
