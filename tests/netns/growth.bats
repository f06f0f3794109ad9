#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Flow tables change their size under real connections. Datagrams come from ports that stay the same, so a flow that
# was lost would be created again, and counted.

bats_require_minimum_version 1.5.0
load helper
load drops

setup_file() {
	lab_for_file two-arm 1
	[ -z "${LAB_DIR:-}" ] || lab_echo web1 tcp 7000 udp 7001
}

teardown_file() {
	lab_end_of_file
}

# each with tables of the smallest size, which only a new daemon makes
setup() {
	skip_without_lab
	small_tables
	cat >"$LAB_DIR/test.yaml" <<-END
		version: 1
		load_balancers:
		  edge:
		    addresses: [$LAB_VIP4]
		    listeners:
		      http: {protocol: tcp, port: 80, server_group: web}
		      datagrams: {protocol: udp, port: 7001, server_group: echo, idle_timeout: 1h}
		server_groups:
		  web:
		    servers: {web1: {address: 10.0.1.11, port: 8080}}
		  echo:
		    health_check: {type: none}
		    servers: {web1: {address: 10.0.1.11, port: 7001}}
	END
	xlb apply "$LAB_DIR/test.yaml" --yes
	wait_for 5 all_up
}

teardown() {
	end_of_test
}

small_tables() {
	lab_kill xlbd KILL
	rm -rf "/sys/fs/bpf/xlb-$XLB_INSTANCE"
	start_xlbd
}

start_xlbd() {
	lab_run xlbd lb xlbd --initial-flows 1024
	wait_for 10 xlbctl status
}

datagrams() {
	packets datagram "$LAB_VIP4" 7001 from="$1" count="$2"
}

# table FIELD [TABLE]: of the IPv4 flows, unless told otherwise
table() {
	xlb_json ".state.tables[] | select(.table == \"${2:-ipv4}\").$1" show flow-table
}

# room_is ENTRIES [TABLE]: and nothing is on its way
room_is() {
	[ "$(xlb_json '[.state.tables[] | select(.resizing)] | length' show flow-table)" = 0 ] &&
		[ "$(table room "${2:-ipv4}")" = "$1" ]
}

created() {
	xlb_json .state.counters.flows_created show listener edge datagrams
}

# grow_to_4096: by 1800 flows, a few at a time: they come no faster than the sweep can see them
grow_to_4096() {
	datagrams 20000 800
	wait_for 10 room_is 2048
	datagrams 20800 700
	wait_for 10 room_is 4096
	datagrams 21500 300
	equal "flows created" "$(created)" 1800
}

# the_same_flows: as grow_to_4096 has made; they are met again, in both directions
the_same_flows() {
	datagrams 20000 1800
	equal "flows created in all" "$(created)" 1800
	equal "drops for lack of room" "$(drops flow_table_full)" 0
}

@test "growth: tables grow by themselves, no flow is lost, no request fails" {
	wrk_start
	grow_to_4096
	the_same_flows
	wait_for 10 flows_at_least 1864
	equal "locators" "$(table room replies)" 4096
	equal "IPv6, which nobody uses" "$(table room ipv6)" 1024
	xlb events -n 50 | grep "flow table ipv4 has room for 4096 instead of 2048"
	wrk_end
}

@test "growth: half-open connections make nothing grow" {
	local mac
	# a server that never answers
	mac=$(in_ns web1 ip -j link show eth0 | jq -r '.[0].address')
	in_ns lb ip neigh replace 10.0.1.99 lladdr "$mac" dev "$LAB_BACK" nud permanent
	xlb add group silent --health_check.type none --yes
	xlb add server silent/s1 --address 10.0.1.99 --port 80 --yes
	xlb add listener edge/silent --protocol tcp --port 81 --server-group silent
	packets segment "$LAB_VIP4" 81 flags=syn count=3000
	wait_for 5 flows_at_least 200
	equal "used" "$(table used)" 0
	equal "room" "$(table room)" 1024
	in_ns lb ip neigh del 10.0.1.99 dev "$LAB_BACK"
}

@test "growth: not beyond flow_table.max, which status tells; a larger one is used at once" {
	xlb set flow-table --max 2048 --yes
	datagrams 20000 800
	wait_for 10 room_is 2048
	datagrams 20800 900
	wait_for 5 flows_at_least 1700
	xlb status | grep "the flow table ipv4 holds .* of 2048 entries and does not grow: flow_table.max allows no more"
	equal "room" "$(table room)" 2048
	xlb set flow-table --max 100000 --yes
	wait_for 10 room_is 4096
	datagrams 20000 1700
	equal "flows created in all" "$(created)" 1700
}

@test "growth: tables shrink when told to, as far as their flows allow" {
	grow_to_4096
	# 1800 flows are more than 70 % of it
	xlb set flow-table --max 2048 --yes
	the_same_flows
	equal "room" "$(table room)" 4096
	xlb set flow-table --max 3000 --yes
	wait_for 10 room_is 3000
	the_same_flows
}

@test "growth: kill -9 of the daemon anywhere on the way" {
	local room=4000 wait
	wrk_start
	grow_to_4096
	for wait in 0 0.003 0.01 0.02 0.03 0.05 0.08 0.12; do
		room=$((room - 100))
		xlb set flow-table --max $room --yes
		# not to wait for something: each time it is killed somewhere else
		sleep "$wait"
		lab_kill xlbd KILL
		datagrams 20000 1800
		start_xlbd
		wait_for 10 room_is $room
		the_same_flows
	done
	wrk_end
}
