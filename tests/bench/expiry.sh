#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# expiry.sh [SECONDS...]: when flows end of listeners with these idle timeouts (1 5 20). A flow may end from T on and must
# be gone by T + 5 % + 2 s; and when their entries are free, which no packet notices. Needs root. Run `make all tools` before.
set -eu
cd "$(dirname "$0")/../.."
. tests/lab.sh

FLOWS=500
reason=$(lab_possible) || {
	echo "$reason" >&2
	exit 1
}
lab_init "xlbb-$$"
trap lab_cleanup EXIT
lab_network two-arm 1
lab_echo web1 udp 7001
lab_xlbd

xlb() {
	in_ns lb xlbctl "$@"
}

# ms of the clock
now() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

flows_left() {
	xlb --json flow list --top 1000 | jq '.flows | length'
}

# entries in use, as of the last sweep
entries() {
	xlb --json show flow-table | jq '[.state.tables[].used] | add'
}

xlb attach front --no-confirm >/dev/null
xlb attach back >/dev/null
failed=0
for timeout in "${@:-1 5 20}"; do
	for seconds in $timeout; do
		cat >"$LAB_DIR/bench.yaml" <<-END
			version: 1
			load_balancers:
			  edge:
			    addresses: [$LAB_VIP4]
			    listeners:
			      echo: {protocol: udp, port: 7001, server_group: web, idle_timeout: ${seconds}s}
			server_groups:
			  web:
			    health_check: {type: none}
			    servers: {web1: {address: 10.0.1.11, port: 7001}}
		END
		xlb apply "$LAB_DIR/bench.yaml" --yes --now >/dev/null
		wait_for 5 eval '[ "$(flows_left)" = 0 ]'
		first=$(now)
		in_ns client python3 tests/netns/packets.py datagram "$LAB_VIP4" 7001 count=$FLOWS
		last=$(now)
		left=$(flows_left) begun=""
		[ "$left" = $FLOWS ] || echo "only $left of $FLOWS flows were met before the first ended" >&2
		while [ "$left" -gt 0 ]; do
			left=$(flows_left)
			[ "$left" = $FLOWS ] || begun=${begun:-$(now)}
		done
		gone=$(($(now) - last))
		until [ "$(entries)" = 0 ]; do sleep 0.02; done
		free=$(($(now) - last))
		limit=$((seconds * 1050 + 2000))
		echo "timeout $seconds s: the first of $FLOWS flows ended after $((begun - first)) ms, the last was gone after $gone ms (limit $limit), its entry free after $free ms"
		[ $((begun - first)) -ge $((seconds * 1000)) ] && [ $gone -le $limit ] || failed=1
	done
done
exit $failed
