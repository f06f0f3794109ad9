#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# checks.sh: do 1 000 health checks a second delay the API? Asks for one server 500 times without checks and
# 500 times beside 1 020 HTTP checks a second, and prints the median and the 99th percentile of both in ms. Then
# what 10 000 checks a second, of TCP and of HTTP, take of a core in xlbd.
# Needs root, build/ and the tools (`make all tools`).
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=tests/lab.sh
. tests/lab.sh
reason=$(lab_possible) || {
	echo "checks.sh: $reason" >&2
	exit 1
}
lab_init xlbb
trap lab_cleanup EXIT
lab_network two-arm 3
lab_web web1 web2 web3
lab_xlbd
in_ns lb xlbctl attach "$LAB_FRONT" --no-confirm >/dev/null
in_ns lb xlbctl attach "$LAB_BACK" --no-confirm >/dev/null

# groups COUNT CHECK
groups() {
	local group server
	echo "version: 1"
	echo "server_groups:"
	for group in $(seq "$1"); do
		echo "  g$group:"
		echo "    health_check: $2"
		echo "    servers:"
		for server in 1 2 3; do
			echo "      web$server: {address: 10.0.1.1$server, port: 8080}"
		done
	done
}

# latency NAME: of one small question, asked 500 times on one connection
latency() {
	for _ in $(seq 500); do
		echo 'url = "http://xlb/v1/server_groups/g1/servers/web1"'
		echo 'output = /dev/null'
		printf '%s\n' 'write-out = "%{time_total}\n"'
	done | curl -s --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" -K - | sort -n |
		awk -v name="$1" '{ t[NR] = $1 * 1000 } END {
			printf "%-28s median %6.2f ms   99%% %6.2f ms   worst %6.2f ms\n", name, t[int(NR / 2)], t[int(NR * 0.99)], t[NR] }'
}

groups 34 '{type: none}' | in_ns lb xlbctl apply - >/dev/null
latency "no checks"
groups 34 '{type: http, path: /healthz, interval: 100ms, timeout: 90ms}' | in_ns lb xlbctl apply - >/dev/null
wait_for 10 sh -c "in_ns() { nsenter --net=/run/netns/$LAB-lb -- \"\$@\"; }; in_ns xlbctl --json show group g34 | grep -q '\"up\": *3'"
before=$(in_ns lb ip -s -j link show "$LAB_BACK" | jq '.[0].stats64.tx.packets')
started=${EPOCHREALTIME/[.,]/}
latency "beside 1 020 checks a second"
after=$(in_ns lb ip -s -j link show "$LAB_BACK" | jq '.[0].stats64.tx.packets')
elapsed=$((${EPOCHREALTIME/[.,]/} - started))
echo "packets sent to the servers meanwhile: $(((after - before) * 1000000 / elapsed)) a second"

xlbd=$(cat "$LAB_DIR/pids/xlbd")
# all 10 000 servers are three web servers: a server's port is not the one that is checked
many() {
	awk -v check="$1" 'BEGIN {
		print "version: 1\nserver_groups:"
		for (g = 0; g < 100; g++) {
			printf "  g%d:\n    health_check: {%s, port: 8080, interval: 1s, timeout: 900ms}\n    servers:\n", g, check
			for (s = 0; s < 100; s++)
				printf "      s%d: {address: 10.0.1.%d, port: %d}\n", s, 11 + s % 3, 9000 + s
		}
	}'
}
# all_up: in every group
all_up() {
	in_ns lb xlbctl --json list group | jq -e 'all(.[][]; .state.up == 100)' >/dev/null
}
# checks_done: so far, by xlbd's own count
checks_done() {
	in_ns lb curl -s --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" http://xlb/metrics |
		awk '/^xlb_health_checks_total/ { sum += $NF } END { printf "%d", sum }'
}
# cpu_ms: user and system time that xlbd has used
cpu_ms() {
	awk -v hertz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) * 1000 / hertz }' "/proc/$xlbd/stat"
}
for check in "type: tcp" "type: http, path: /healthz"; do
	many "$check" | in_ns lb xlbctl apply - >/dev/null
	wait_for 60 all_up
	sleep 2
	before=$(checks_done)
	counted=${EPOCHREALTIME/[.,]/}
	cpu=$(cpu_ms)
	started=${EPOCHREALTIME/[.,]/}
	sleep 10
	cpu=$(($(cpu_ms) - cpu))
	busy=$((cpu * 100000 / (${EPOCHREALTIME/[.,]/} - started)))
	after=$(checks_done)
	elapsed=$(((${EPOCHREALTIME/[.,]/} - counted) / 1000))
	echo "$check: $(((after - before) * 1000 / elapsed)) checks a second take $busy % of a core"
done
