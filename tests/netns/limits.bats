#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Limits with real clients: what passes, who comes first, what a change does. How exact they are, tests/packet tells.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 2
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_echo web1 tcp 7000 udp 7001
	lab_echo web2 tcp 7000 udp 7001
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	# those of the test before count too
	xlb flow kill --all --yes
}

teardown() {
	lab_kill holder
	end_of_test
}

# limits LISTENER-LIMITS [LOAD-BALANCER-LIMITS]: listeners `games` (udp 7001) and `echo` (tcp 7000) have the first ones
limits() {
	cat >"$LAB_DIR/test.yaml" <<-END
		version: 1
		load_balancers:
		  edge:
		    addresses: [$LAB_VIP4, "$LAB_VIP6"]
		    limits: ${2:-{\}}
		    listeners:
		      games: {protocol: udp, port: 7001, server_group: web, limits: $1}
		      echo: {protocol: tcp, port: 7000, server_group: web, limits: $1}
		server_groups:
		  web:
		    health_check: {type: http, port: 8080, path: /healthz, interval: 200ms, timeout: 5s}
		    servers:
		      web1: {address: [10.0.1.11, "2001:db8:1::11"]}
		      web2: {address: [10.0.1.12, "2001:db8:1::12"]}
	END
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

# answers WORDS-OF-ASK...: how many questions were answered
answers() {
	ask -t 200 "$@" 2>/dev/null | awk '{ sum += $2 } END { print sum + 0 }'
}

# hold NUMBER: tries to open so many connections at once and keeps those that it gets; fills `held`
hold() {
	lab_kill holder
	rm -f "$LAB_DIR/held"
	lab_run holder client python3 -c '
import os, socket, sys, time
held = []
for number in range(int(sys.argv[1])):
    held.append(socket.socket())
    held[-1].setblocking(False)
    held[-1].connect_ex((sys.argv[2], 7000))
time.sleep(0.3) # one more than it should would be there by now
for attempt in range(200):
    peers = 0
    for one in held:
        try:
            one.getpeername()
            peers += 1
        except OSError:
            pass
    if peers >= int(sys.argv[3]):
        break
    time.sleep(0.05)
with open(sys.argv[4] + ".new", "w") as file:
    print(peers, file=file)
os.rename(sys.argv[4] + ".new", sys.argv[4])
time.sleep(3600)' "$1" "$LAB_VIP4" "$2" "$LAB_DIR/held"
	wait_for 20 test -s "$LAB_DIR/held"
	held=$(cat "$LAB_DIR/held")
}

# no connection of the listeners is open any more
all_closed() {
	[ "$(ask -t 200 -n 1 tcp "$LAB_VIP4" 7000 2>/dev/null | wc -l)" = 1 ]
}

@test "game ports: an address gets its packets, and no more" {
	local before passed took
	limits '{per_source: {packets_per_second: 50}}'
	before=$(drops limit_packets)
	SECONDS=0
	passed=$(answers -k -n 300 udp "$LAB_VIP4" 7001)
	took=$((SECONDS + 1))
	[ "$(drops limit_packets)" -gt "$before" ]
	within "datagrams that were answered" "$passed" 3 $((took * 50 + 5))
	# another address, of IPv6, has its own
	within "datagrams of another address" "$(answers -k -n 2 udp "$LAB_VIP6" 7001)" 2 2
}

@test "trace says that a limit would drop the packet, and takes nothing itself" {
	local source
	limits '{new_connections_per_second: 1}'
	source=$(in_ns client ip -json route get "$LAB_VIP4" | jq -r '.[0].prefsrc')
	for _ in 1 2 3 4 5 6 7 8; do
		[[ "$(xlb trace "$source:4000" "$LAB_VIP4:7001" udp)" != *limit_new* ]]
	done
	answers -n 8 udp "$LAB_VIP4" 7001
	xlb trace "$source:4000" "$LAB_VIP4:7001" udp | grep limit_new
}

@test "connections: of a listener, of an address, of a load balancer; those that end make room" {
	local which
	for which in '{connections: 5}/{}' '{per_source: {connections: 5}}/{}' '{}/{connections: 5}' \
		'{}/{per_source: {connections: 5}}'; do
		limits "${which%/*}" "${which#*/}"
		hold 8 5
		equal "connections held under $which" "$held" 5
		[ "$(drops limit_connections)" -gt 0 ]
		lab_kill holder
		wait_for 10 all_closed
		hold 4 4
		equal "connections held again" "$held" 4
		lab_kill holder
		wait_for 10 client_is_done
	done
}

@test "changed limits: conversations go on, and what is raised counts at once" {
	limits '{connections: 1, bits_per_second: 100M}'
	conversation tcp "$LAB_VIP4" 7000
	[[ "$(talk)" = web? ]]
	equal "answers beside it" "$(answers -n 1 tcp "$LAB_VIP4" 7000)" 0
	xlb set listener edge echo --limits.connections 2
	[[ "$(talk)" = web? ]]
	wait_for 10 all_closed
	xlb set listener edge echo --limits.connections ''
	equal "answers without a limit" "$(answers -n 20 tcp "$LAB_VIP4" 7000)" 20
	[[ "$(talk)" = web? ]]
	end_conversation
}

@test "the API and the export tell limits as they were given" {
	limits '{per_source: {bits_per_second: 20M}}' '{new_connections_per_second: 5k}'
	equal "bits" "$(xlb_json .limits.per_source.bits_per_second show listener edge games)" 20000000
	equal "no limit" "$(xlb_json .limits.connections show listener edge games)" null
	xlb export | grep -F 'limits: {per_source: {bits_per_second: 20M}}'
	xlb export | grep -F 'limits: {new_connections_per_second: 5k}'
	run ! xlb set lb edge --limits.connections 0
	[[ "$output" == *"accepted are 1-1G"* ]]
}
