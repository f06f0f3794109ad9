#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# keepalive.sh [ROUNDS [SECONDS]]: keep-alive requests/s through xlb beside plain routing, two-arm lab, wrk -t2 -c64.
#
# Each round measures both, one right after the other: routed (xlb detached, the client asks the servers
# themselves) and balanced (attached, the client asks the VIP). The ratio is taken round by round, because
# the speed of a shared machine drifts. Needs root, build/ and the tools (`make all tools`).
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-7} seconds=${2:-5}

# shellcheck source=tests/lab.sh
. tests/lab.sh
reason=$(lab_possible) || {
	echo "keepalive.sh: $reason" >&2
	exit 1
}
lab_init xlbb
trap lab_cleanup EXIT
lab_network two-arm 2
lab_pass off # it would cost the routed side a copy
lab_web web1 web2
lab_routing
lab_xlbd

cat >"$LAB_DIR/bench.yaml" <<END
version: 1
load_balancers:
  edge:
    addresses: [$LAB_VIP4]
    listeners: {http: {protocol: tcp, port: 80, server_group: web}}
server_groups:
  web:
    servers:
      web1: {address: 10.0.1.11, port: 8080}
      web2: {address: 10.0.1.12, port: 8080}
END

# rate URL...: wrk spread over the URLs, requests/s in all
rate() {
	local url
	for url; do
		in_ns client wrk -t$((2 / $#)) -c$((64 / $#)) -d"${seconds}s" "$url" >"$LAB_DIR/wrk.${url//[^0-9]/}" &
	done
	wait
	for url; do
		cat "$LAB_DIR/wrk.${url//[^0-9]/}"
	done | awk '/^Requests\/sec/ { sum += $2 } /Socket errors|Non-2xx/ { bad = 1 }
		END { if (bad) print "0"; else print sum }'
}

attach() {
	in_ns lb xlbctl attach "$LAB_FRONT" --no-confirm >/dev/null
	in_ns lb xlbctl attach "$LAB_BACK" --no-confirm >/dev/null
	in_ns lb xlbctl apply "$LAB_DIR/bench.yaml" --yes >/dev/null
	wait_for 10 http "$LAB_VIP4" /
}

detach() {
	in_ns lb xlbctl detach "$LAB_FRONT" --yes >/dev/null
	in_ns lb xlbctl detach "$LAB_BACK" --yes >/dev/null
}

printf '%-6s %14s %14s %8s\n' round 'routed req/s' 'xlb req/s' ratio
for round in $(seq "$rounds"); do
	routed=$(rate http://10.0.1.11:8080/ http://10.0.1.12:8080/)
	attach
	balanced=$(rate "http://$LAB_VIP4:80/")
	detach
	ratio=$(awk -v a="$balanced" -v b="$routed" 'BEGIN { printf "%.3f", b ? a / b : 0 }')
	printf '%-6s %14.0f %14.0f %8s\n' "$round" "$routed" "$balanced" "$ratio"
	echo "$ratio" >>"$LAB_DIR/ratios"
done
sort -n "$LAB_DIR/ratios" | awk '{ all[NR] = $1 } END { print "median ratio " all[int((NR + 1) / 2)] }'
