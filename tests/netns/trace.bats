#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What xlb says it would do with a packet, and what it says of those that come.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 2
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	apply_config weights="100 100"
}

teardown() {
	end_of_test
}

# trace FILTER WORD...: the answer through jq
trace() {
	local filter=$1
	shift
	xlb_json "$filter" trace "$@"
}

# step NAME WORD...: the text of a step
step() {
	local name=$1
	shift
	trace ".steps[] | select(.step == \"$name\") | .text" "$@"
}

# What packets change, an entry a line. Counters of interfaces are left out: neighbours talk whenever they like;
# the packet suite compares every map.
state_dump() {
	local map
	for map in drops drop_samples; do
		bpftool -j map dump pinned "/sys/fs/bpf/xlb-$XLB_INSTANCE/abi"*"/$map" | jq -c ".[] | [\"$map\", .key, (.value // .values)]"
	done
	xlb --json flow list | jq -c '.flows[] | [.client, .vip, .protocol, .state]' | sort
	xlb_json '.load_balancers[].listeners[], .server_groups[].servers[] | tojson' status
}

# Listeners and servers as they are counted, flows apart: those of tests before this one end whenever it is time
counters_only() {
	jq -c 'if type == "object" then [.name, .state.counters, [.state.addresses[]?.counters]] else . end'
}

@test "a new flow: each decision from the interface to the verdict" {
	local words=(198.51.100.2:51000 "$LAB_VIP4:80" tcp)
	equal steps "$(trace '[.steps[].step] | join(" ")' "${words[@]}")" \
		"interface role flow listener rule scheduler server rewrite next_hop verdict"
	equal interface "$(step interface "${words[@]}")" "in by front"
	equal flow "$(step flow "${words[@]}")" none
	equal listener "$(trace .listener "${words[@]}")" edge/http
	equal verdict "$(trace .verdict "${words[@]}")" redirect
	[[ $(step role "${words[@]}") == *"VIP of load balancer edge"* ]]
	[[ $(step scheduler "${words[@]}") == maglev*"group web" ]]
	[[ $(step next_hop "${words[@]}") == *"on back, 02:00:00:00:01:1"* ]]
}

@test "the server named is the one that then gets the connection, IPv4 and IPv6" {
	local port vip server answer
	for port in $(seq 52001 52010); do
		for vip in "$LAB_VIP4 198.51.100.2:$port" "[$LAB_VIP6] [2001:db8::2]:$((port + 100))"; do
			read -r address client <<<"$vip"
			server=$(trace .server "$client" "$address:80")
			answer=$(in_ns client curl -sS -g --local-port "${client##*:}" "http://$address/")
			[[ $server == "web/${answer%% *}@"* ]] || {
				echo "trace: $server, answer: $answer"
				return 1
			}
		done
	done
}

@test "a flow that exists: its server and state, whatever the hash says now" {
	local server
	lab_run hold client python3 -c "
import socket, time
s = socket.socket(); s.bind(('198.51.100.2', 53001)); s.connect(('$LAB_VIP4', 80)); time.sleep(3600)"
	wait_for 5 flow_is_known
	server=$(trace .server 198.51.100.2:53001 "$LAB_VIP4:80" --flags ACK)
	[[ $server == web/web?@* ]]
	[[ $(step flow 198.51.100.2:53001 "$LAB_VIP4:80" --flags ACK) == established* ]]
	[[ $(step scheduler 198.51.100.2:53001 "$LAB_VIP4:80" --flags ACK) == "" ]]
	lab_kill hold
}

flow_is_known() {
	[[ $(step flow 198.51.100.2:53001 "$LAB_VIP4:80" --flags ACK) == established* ]]
}

@test "what is not forwarded: reason and meaning" {
	equal "wrong port" "$(trace .reason 198.51.100.2 "$LAB_VIP4:81")" no_listener
	[[ $(step listener 198.51.100.2 "$LAB_VIP4:81") == *"tcp port 81"*"tcp 80"* ]]
	equal "no flow" "$(trace '.verdict + " " + .reason' 198.51.100.2 "$LAB_VIP4:80" tcp --flags ACK)" "reset no_flow"
	equal "not xlb's" "$(trace .verdict 198.51.100.2 198.51.100.77:80)" pass
	equal "a client that is xlb itself" "$(trace .reason 10.0.1.1 "$LAB_VIP4:80" --interface back)" hairpin
}

# in_mode FORWARD: the configuration with servers at port 80, which need not be there
in_mode() {
	apply_config weights="100 100" port=80 check="{type: none}" group="forward: $1"
}

@test "each forwarding mode says what the packet becomes" {
	local words=(198.51.100.2:51000 "$LAB_VIP4:80" tcp) came="198.51.100.2:51000 > $LAB_VIP4:80 tcp SYN"
	[[ $(step rewrite "${words[@]}") == "10.0.1.1:"*" > 10.0.1.1"[12]":8080 tcp SYN (the SNAT port: any free one of the pool)" ]]
	in_mode nat
	[[ $(step rewrite "${words[@]}") == "198.51.100.2:51000 > 10.0.1.1"[12]":80 tcp SYN" ]]
	in_mode dr
	[[ $(step rewrite "${words[@]}") == "$came, as it came, to the MAC address of 10.0.1.1"[12] ]]
	in_mode "tunnel
    encapsulation: gue"
	[[ $(step rewrite "${words[@]}") == "$came, in an outer header (gue) to 10.0.1.1"[12] ]]
}

@test "a ping: xlb answers it itself" {
	local words
	for words in "198.51.100.2 $LAB_VIP4" "2001:db8::2 $LAB_VIP6"; do
		read -ra words <<<"$words icmp"
		equal steps "$(trace '[.steps[].step] | join(" ")' "${words[@]}")" "interface role verdict"
		[[ $(step role "${words[@]}") == *"VIP of load balancer edge"* ]]
		equal verdict "$(step verdict "${words[@]}")" "icmp, the answer to a ping"
	done
	equal "not xlb's" "$(trace .verdict 198.51.100.2 198.51.100.77 icmp)" pass
}

@test "a trace leaves every map as it was" {
	local before after
	# quiet: nothing but traces may change anything
	xlb apply --yes --now - <<-END
		version: 1
		load_balancers:
		  edge: {addresses: [$LAB_VIP4], listeners: {http: {protocol: tcp, port: 80, server_group: web}, udp: {protocol: udp, port: any, server_group: any}}}
		server_groups:
		  web: {health_check: {type: none}, servers: {web1: {address: 10.0.1.11, port: 8080}}}
		  any: {health_check: {type: none}, servers: {web2: {address: 10.0.1.12}}}
	END
	wait_for 5 in_line
	http "$LAB_VIP4"
	wait_for 5 client_is_done
	wait_for 10 in_line
	before=$(state_dump | counters_only | sort)
	xlb trace 198.51.100.2:50001 "$LAB_VIP4:80" tcp
	xlb trace 198.51.100.2:50001 "$LAB_VIP4:80" tcp --flags ACK
	xlb trace 198.51.100.2:50001 "$LAB_VIP4:53" udp
	xlb trace 198.51.100.2:50001 "$LAB_VIP4:81" tcp
	xlb trace 198.51.100.2 "$LAB_VIP4" icmp
	after=$(state_dump | counters_only | sort)
	[ "${#before}" -gt 10000 ]
	# the sweep may have taken something away, but nothing has come and nothing has changed
	comm -13 <(echo "$before") <(echo "$after") >"$LAB_DIR/new"
	cat "$LAB_DIR/new"
	[ ! -s "$LAB_DIR/new" ]
}

@test "--live: the packets of a tuple as they come, both ways, others not" {
	lab_run live lb xlbctl trace --live --json -c 4 198.51.100.2:54001 "$LAB_VIP4:80"
	wait_for 10 somebody_watches
	http "$LAB_VIP4" >/dev/null
	in_ns client curl -sS --local-port 54001 "http://$LAB_VIP4/"
	wait_for 5 lab_gone "$(cat "$LAB_DIR/pids/live")"
	cat "$LAB_DIR/live.log"
	equal "first packets" "$(jq -rs '[.[] | select(.packet) | .packet | split(" ") | .[-1]] | join(" ")' "$LAB_DIR/live.log" | cut -d' ' -f1-3)" "SYN SYN,ACK ACK"
	equal count "$(jq -s '[.[] | select(.packet)] | length' "$LAB_DIR/live.log")" 4
	equal "of other tuples" "$(jq -s '[.[] | select(.packet) | select((.packet + .rewritten) | contains("198.51.100.2:54001") | not)] | length' "$LAB_DIR/live.log")" 0
	equal skipped "$(jq -s '.[-1].skipped' "$LAB_DIR/live.log")" 0
	# the program without watching is back
	wait_for 5 nobody_watches
}

@test "bad words are refused with what is accepted" {
	run -2 xlb trace 198.51.100.2 "$LAB_VIP4"
	[[ $output == *"ADDRESS:PORT is wanted"* ]]
	run -2 xlb trace 198.51.100.x "$LAB_VIP4:80"
	[[ $output == *"198.51.100.x"*"accepted"* ]]
	run -2 xlb trace 198.51.100.2 "$LAB_VIP4:80" sctp
	[[ $output == *"tcp, udp or icmp is accepted"* ]]
	run -2 xlb trace 198.51.100.2 "$LAB_VIP4:80" icmp
	[[ $output == *"vip has a port"* ]]
	run -2 xlb trace 198.51.100.2 "[$LAB_VIP6]:80"
	[[ $output == *"different address families"* ]]
	run -2 xlb trace 198.51.100.2 "$LAB_VIP4:80" udp --flags SYN
	run -7 xlb trace 198.51.100.2 "$LAB_VIP4:80" --interface lo
	[[ $output == *"not attached"* ]]
	run -6 xlb trace 198.51.100.2 "$LAB_VIP4:80" --interface eth99
}
