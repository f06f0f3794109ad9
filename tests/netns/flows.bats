#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Listing and killing flows: real connections through the load balancer to tests/tools/echo, TCP on 7000 and
# 7002, UDP on 7001.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	for server in web1 web2; do
		lab_echo $server tcp 7000,7002 udp 7001
	done
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	apply_config listener='{protocol: tcp, port: 7000-7002, server_group: web}' port=0 weights="100 0"
	xlb add listener edge/datagrams --protocol udp --port 7001-7009 --server-group web
	wait_for 5 all_up
	# what the test before left
	xlb flow kill --all --yes
}

teardown() {
	end_of_test
	for pid in ${reader_pids:-}; do
		kill "$pid" 2>/dev/null || true
	done
}

# listed FILTER OPTION...: of the flows that are alive
listed() {
	local filter=$1
	shift
	xlb_json "[.flows[] | select(.state == \"new\" or .state == \"established\")] | $filter" flow list "$@"
}

count_is() {
	[ "$(listed length "${@:2}")" = "$1" ]
}

# reader ADDRESS PORT: a client that connects, sends nothing and blocks in read; its number is $reader, what
# read said at the end is in $LAB_DIR/reader.$reader
reader() {
	reader=$((${reader:-0} + 1))
	# shellcheck disable=SC2016 # expands inside
	nsenter --net="/run/netns/$LAB-client" -- bash -c \
		'exec 3<>"/dev/tcp/$1/$2" && exec env LC_ALL=C cat <&3' sh "$1" "$2" \
		>"$LAB_DIR/reader.$reader" 2>&1 3>&- &
	reader_pids="${reader_pids:-} $!"
	wait_for 5 count_is "$reader"
}

reader_is_reset() {
	grep -q 'Connection reset by peer' "$LAB_DIR/reader.$1"
}

# server_sockets NAME: established connections that its echo has
server_sockets() {
	in_ns "$1" ss -Htn state established '( sport = :7000 or sport = :7002 )' | wc -l
}

sockets_are() {
	[ "$(server_sockets "$1")" = "$2" ]
}

# clients of flows that are closed, which disappear when it is time
closed_clients() {
	xlb_json '.flows[].client' flow list --state closed | sort
}

# more_closed BEFORE: whether there are others by now
more_closed() {
	[ -n "$(comm -13 <(echo "$1") <(closed_clients))" ]
}

@test "flows are listed with their ends, names and state" {
	conversation tcp "$LAB_VIP4" 7000
	equal answer "$(talk)" web1
	wait_for 5 count_is 1
	flow=$(listed '.[0]')
	equal client "$(jq -r .client <<<"$flow" | cut -d: -f1)" 198.51.100.2
	equal vip "$(jq -r .vip <<<"$flow")" "$LAB_VIP4:7000"
	equal names "$(jq -r '[.load_balancer, .listener, .server_group, .server] | join(" ")' <<<"$flow")" \
		"edge http web web1"
	equal server "$(jq -r .server_address <<<"$flow")" 10.0.1.11:7000
	# what the server sees as its client
	equal snat "$(jq -r .snat <<<"$flow")" \
		"$(in_ns web1 ss -Htn state established '( sport = :7000 )' | awk '{print $4}' | sed 's/.*ffff:\(.*\)]/\1/')"
	equal state "$(jq -r '[.state, .protocol, .retired] | join(" ")' <<<"$flow")" "established tcp false"
	equal "next hop" "$(jq -r '[.interface, .mac] | join(" ")' <<<"$flow")" "$LAB_FRONT 02:00:00:00:00:02"
	xlb flow list | grep -q "^198.51.100.2:[0-9]* *$LAB_VIP4:7000 *web/web1 "
	end_conversation
}

@test "each filter finds what it means and nothing else" {
	conversation tcp "$LAB_VIP4,$LAB_VIP6" 7000,7002
	for _ in 1 2 3 4; do
		talk
	done
	ask udp "$LAB_VIP4" 7001
	wait_for 5 count_is 5
	count_is 4 --listener edge/http
	count_is 1 --listener edge/datagrams
	count_is 5 --lb edge
	count_is 5 --server web/web1
	count_is 0 --server web/web2
	count_is 5 --group web
	count_is 1 --protocol udp
	count_is 3 --client 198.51.100.2
	count_is 2 --client 2001:db8::/64
	count_is 0 --client 198.51.101.0/24
	count_is 2 --vip "[$LAB_VIP6]:7000" --vip "$LAB_VIP6"
	count_is 1 --vip "[$LAB_VIP6]:7002"
	count_is 1 --client "$(listed '.[0].client' --vip "$LAB_VIP4:7000")"
	count_is 1 --vip "$LAB_VIP4:7002" --state established
	count_is 0 --vip "$LAB_VIP4:7002" --state new
	equal "limit" "$(xlb_json '[.matched, (.flows | length)] | join(" ")' flow list --lb edge --state established --top 2)" "5 2"
	end_conversation
}

@test "states: new without an answer, closed at the end, gone servers are marked" {
	run ! ask -t 200 udp "$LAB_VIP4" 7005
	count_is 1 --state new --protocol udp
	before=$(closed_clients)
	ask tcp "$LAB_VIP4" 7000
	wait_for 2 more_closed "$before"
	conversation tcp "$LAB_VIP4" 7000
	talk
	xlb set server web web2 --weight 100
	xlb rm server web web1 --yes
	wait_for 5 in_line
	equal "retired" "$(listed '.[0] | [.server, .retired] | join(" ")' --state established --server web/web1)" "web1 true"
	run ! xlb flow list --server web/web9
	[[ "$output" == *web9* ]]
	end_conversation
}

@test "by packets and by bytes: what was busy while it was measured" {
	reader "$LAB_VIP4" 7002
	lab_run busy client "$LAB_TOOLS/ask" -k -n 10000000 tcp "$LAB_VIP4" 7000
	wait_for 5 count_is 2
	answer=$(xlb --json flow list --by packets --for 1s)
	equal "flows with packets" "$(jq '.flows | length' <<<"$answer")" 1
	equal "busy one" "$(jq -r '.flows[0].vip' <<<"$answer")" "$LAB_VIP4:7000"
	within packets "$(jq '.flows[0].packets' <<<"$answer")" 2 100000000
	within "bytes a packet" "$(jq '.flows[0] | .bytes / .packets | floor' <<<"$answer")" 54 200
	xlb flow list --by bytes | grep -q 'BITS/S'
	lab_kill busy
}

@test "kill IPv4: both ends of an idle connection get RST at once, others live on" {
	reader "$LAB_VIP4" 7000
	reader "$LAB_VIP4" 7002
	wait_for 5 sockets_are web1 2
	equal answer "$(xlb_json '[.matched, .killed, .not_told] | join(" ")' flow kill --vip "$LAB_VIP4:7000")" "1 1 0"
	wait_for 2 reader_is_reset 1
	wait_for 2 sockets_are web1 1
	run ! reader_is_reset 2
	count_is 1
	equal "tombstone" "$(xlb_json '.flows[0].vip' flow list --state tombstone --vip "$LAB_VIP4:7000")" "$LAB_VIP4:7000"
	equal "killed again" "$(xlb_json .matched flow kill --vip "$LAB_VIP4:7000")" 0
	# the address and port serve the next one
	equal "new connection" "$(ask tcp "$LAB_VIP4" 7000 | cut -d' ' -f1)" web1
}

@test "kill IPv6: both ends of an idle connection get RST at once, others live on" {
	reader "$LAB_VIP6" 7000
	reader "$LAB_VIP6" 7002
	wait_for 5 sockets_are web1 2
	equal answer "$(xlb_json '[.matched, .killed, .not_told] | join(" ")' flow kill --vip "[$LAB_VIP6]:7000")" "1 1 0"
	wait_for 2 reader_is_reset 1
	wait_for 2 sockets_are web1 1
	run ! reader_is_reset 2
	count_is 1
}

@test "kill of several wants agreement and says how many" {
	conversation tcp "$LAB_VIP4" 7000,7002
	talk
	talk
	wait_for 5 count_is 2
	equal "dry run" "$(xlb_json '[.matched, .killed] | join(" ")' flow kill --server web/web1 --dry-run)" "2 0"
	run ! xlb flow kill --server web/web1
	[[ "$output" == *"2 flows"*--yes* ]]
	run ! xlb flow kill --yes
	[[ "$output" == *all* ]]
	count_is 2
	equal "killed" "$(xlb_json .killed flow kill --server web/web1 --yes)" 2
	[[ "$(talk)" == "error: Connection reset"* ]]
	end_conversation
}

@test "kill of a UDP conversation forgets it: the next datagram begins another" {
	conversation udp "$LAB_VIP4" 7001
	talk
	wait_for 5 count_is 1
	first=$(listed '.[0].snat')
	equal "killed" "$(xlb_json .killed flow kill --protocol udp)" 1
	count_is 0
	equal "conversation goes on" "$(talk)" web1
	count_is 1
	[ -n "$first" ]
	end_conversation
}
