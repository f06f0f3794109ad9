#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# flows.sh [MILLIONS]: lists and kills in a table of MILLIONS (10) of flows, and how long others wait for the
# daemon meanwhile: a second client asks for /v1/interfaces every 10 ms. Needs root and, for 10 millions, 5 GB.
# Run `make all tools bench-build` before.
set -eu
cd "$(dirname "$0")/../.."
. tests/lab.sh

millions=${1:-10}
flows=$((millions * 1000000))
reason=$(lab_possible) || {
	echo "$reason" >&2
	exit 1
}
lab_init "xlbb-$$"
trap lab_cleanup EXIT
lab_network two-arm 1
lab_echo web1 tcp 7000
# so that what is sent to clients who are not there leaves all the same
in_ns lb ip route add default via 198.51.100.2
lab_run xlbd lb xlbd --initial-flows $flows
wait_for 120 xlbctl status
bench=$LAB_BUILD/tests/bench/flows
socket=/run/xlb-$XLB_INSTANCE/xlbd.sock

xlb() {
	in_ns lb xlbctl "$@"
}

daemon_memory() {
	awk '/VmRSS|VmHWM/ { printf "%s%s %d MB", separator, $1, $2 / 1024; separator = ", " } END { print "" }' \
		"/proc/$(cat "$LAB_DIR/pids/xlbd")/status"
}

# cpu_ms: of the daemon since its start
cpu_ms() {
	awk '{ print ($14 + $15) * 10 }' "/proc/$(cat "$LAB_DIR/pids/xlbd")/stat"
}

# measure WHAT COMMAND...: runs it while somebody else asks
measure() {
	local what=$1 start cpu asker
	shift
	"$bench" ask "$socket" >"$LAB_DIR/ask" &
	asker=$!
	cpu=$(cpu_ms)
	start=${EPOCHREALTIME/[.,]/}
	"$@" >"$LAB_DIR/out" 2>&1 || { cat "$LAB_DIR/out"; exit 1; }
	printf '%-40s %5d ms, xlbd %5d ms of CPU; ' "$what" $(((${EPOCHREALTIME/[.,]/} - start) / 1000)) \
		$(($(cpu_ms) - cpu))
	kill -TERM $asker
	wait $asker
	cat "$LAB_DIR/ask"
}

xlb attach front --no-confirm >/dev/null
xlb attach back >/dev/null
cat >"$LAB_DIR/bench.yaml" <<-END
	version: 1
	load_balancers:
	  edge:
	    addresses: [$LAB_VIP4]
	    listeners:
	      echo: {protocol: tcp, port: 7000, server_group: web, idle_timeout: 1d}
	server_groups:
	  web:
	    forward: dr
    health_check: {type: none}
	    servers:
	      web1: {address: 10.0.1.11, port: 7000}
END
xlb apply "$LAB_DIR/bench.yaml" --yes >/dev/null

measure "sweeps only, table of $flows empty" sleep 5
echo "memory: $(daemon_memory)"
in_ns lb "$bench" fill "/sys/fs/bpf/xlb-$XLB_INSTANCE"/abi* front "$LAB_VIP4" $((millions * 1000000))
measure "sweeps only, $millions millions of flows" sleep 10
measure "flow list --top 20 --by age" xlb flow list --top 20 --by age
tail -n 1 "$LAB_DIR/out"
measure "flow list --client 10.0.0.1" xlb flow list --client 10.0.0.1
tail -n 1 "$LAB_DIR/out"
measure "flow list --top 100000 --by idle --json" xlb --json flow list --top 100000 --by idle
measure "flow kill --client 10.0.0.1 (1000 flows)" xlb flow kill --client 10.0.0.1 --yes
cat "$LAB_DIR/out"
echo "memory: $(daemon_memory)"
