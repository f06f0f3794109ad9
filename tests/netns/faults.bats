#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# Somebody who knows only `xlbctl --help` finds what is wrong by one command: each test plants a fault, and the
# command that the help offers for "what is wrong" must name its cause and what to type next.

bats_require_minimum_version 1.5.0

load helper

setup_file() {
	lab_for_file two-arm
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	mend
	apply_config
}

# What a test that failed may have left broken
mend() {
	local server
	for server in web1 web2 web3; do
		[ -e "$LAB_DIR/pids/$server" ] || lab_web "$server"
		lab_well "$server"
	done
	in_ns lb ip link set "$LAB_BACK" mtu 1500
	if [ -n "$(xlb_json '.interfaces[] | select(.name == "spare0").name' status)" ]; then
		xlb detach spare0 --yes
		in_ns lb ip link del spare0 || true
	fi
	[ -n "$(xlb_json '.interfaces[] | select(.name == "back").name' status)" ] || xlb attach "$LAB_BACK"
}

teardown() {
	lab_kill traffic
	end_of_test
}

# The command to look for faults with, as the help has it
finder() {
	xlb --help | awk '/^  [a-z]+ .*what is wrong/ { print $1; exit }'
}

# told KIND: the text of the first problem of a kind, in JSON
told() {
	xlb_json "first(.problems[] | select(.kind == \"$1\")).text" "$(finder)"
}

is_told() {
	[ -n "$(told "$1")" ]
}

is_mended() {
	! is_told "$1"
}

# The same words for scripts and for people; the text counts seconds, so the two may have to be read again.
both_say() {
	said=$(told "$1")
	said_to_people=$(xlb "$(finder)" | grep -F "$said")
}

# tells KIND WORD...: the problem's text has all words. One server may be down before the others are.
tells() {
	local text word
	text=$(told "$1")
	shift
	for word; do
		[[ "$text" == *"$word"* ]] || return 1
	done
}

# finds KIND COMMAND WORD...: the problem is told, its text has all words, both in JSON and for people, and the
# command to type next is there
finds() {
	local kind=$1 command=$2 line
	shift 2
	[ -n "$(finder)" ]
	wait_for 15 tells "$kind" "$@" || {
		xlb "$(finder)"
		echo "not all of: $*"
		return 1
	}
	wait_for 5 both_say "$kind"
	line=$said_to_people
	echo "$line"
	equal "the command" "${line##*-> }" "$command"
}

@test "nothing is wrong: nothing is told" {
	equal "errors and warnings" \
		"$(xlb_json '[.problems[] | select(.level != "info")] | length' "$(finder)")" 0
}

@test "a server's service has ended" {
	lab_kill web2
	finds server_down "xlbctl server show web web2" "server web2" "connection refused" "port 8080"
	lab_web web2
	wait_for 5 is_mended server_down
}

@test "a server is sick: the status code and path of its check" {
	lab_sick web2
	lab_sick web3
	finds server_down "xlbctl server list web" "2 of 3 servers" "http 503 from /healthz" "first is web2"
	lab_well web2
	lab_well web3
}

@test "the MTU behind is too small for what comes in" {
	in_ns lb ip link set "$LAB_BACK" mtu 1400
	finds mtu_differs "ip link set back mtu 1500" "front has MTU 1500" "back only 1400"
	# connections learn to send less: this is none
	in_ns client python3 "$BATS_TEST_DIRNAME/packets.py" segment "$LAB_VIP4" 80 flags=syn bytes=1440 count=3
	finds mtu_exceeded "ip link set back mtu 1500" "front has MTU 1500" "back only 1400" "packets in the last minute"
	in_ns lb ip link set "$LAB_BACK" mtu 1500
}

# spare MTU: one more interface of lb, a cable to itself
spare() {
	in_ns lb ip link add name spare0 mtu "$1" address 02:00:00:00:00:77 type veth peer name spare1 mtu "$1"
	in_ns lb ip link set spare0 up
	in_ns lb ip link set spare1 up
}

@test "nobody has the server's address: the neighbour is missing" {
	xlb server set web web3 --address 10.0.1.99
	finds neighbour_missing "ip neigh show 10.0.1.99 dev back" "server web3" 10.0.1.99 back "no MAC address"
}

@test "the gateway to a server is missing" {
	in_ns lb ip route add 10.8.0.0/24 via 10.0.1.98
	xlb server add web far 10.8.0.1:8080
	finds gateway_missing "ip neigh show 10.0.1.98 dev back" "server far" "gateway 10.0.1.98 on back"
	in_ns lb ip route del 10.8.0.0/24
	finds no_route "ip route get 10.8.0.1" "server far" "no route to 10.8.0.1"
}

@test "the servers' port is wrong" {
	apply_text check="{type: tcp, interval: 200ms, timeout: 200ms, unhealthy_threshold: 2}" port=8081
	finds server_down "xlbctl server list web" "3 of 3 servers" "connection refused" "port 8081"
	equal "told first" "$(xlb_json '.problems[0].kind' "$(finder)")" fail_open
}

# apply_text PART...: as apply_config, but the servers need not be well afterwards
apply_text() {
	config "$@" >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
}

@test "the SNAT pool is exhausted" {
	apply_config group='snat: {ports: 61000-61003}'
	wrk_run traffic -t1 -c64
	finds snat_exhausted "xlbctl set group web --snat.addresses 10.0.1.1,ANOTHER" 10.0.1.1
	[[ "$(told snat_exhausted)" == *"4 of 4 ports"* || "$(told snat_exhausted)" == *"no free port"* ]]
}

@test "SNAT ports that the host keeps for itself are no ports" {
	# the host's own ephemeral ports are left to it
	apply_config group='snat: {ports: 40000-40003}'
	finds snat_exhausted "xlbctl set group web --snat.addresses 10.0.1.1,ANOTHER" 10.0.1.1
}

@test "servers are behind an interface that is not attached" {
	xlb detach "$LAB_BACK" --yes
	finds server_unattached "xlbctl attach back" "3 servers" "through back, which is not attached"
	xlb attach "$LAB_BACK"
}

@test "an interface is down, missing" {
	spare 1500
	xlb attach spare0
	in_ns lb ip link set spare1 down
	finds interface_down "ip link set spare0 up" spare0
	in_ns lb ip link del spare0
	finds interface_missing "ip link" spare0
	xlb detach spare0 --yes
}

@test "a port of a VIP without listener" {
	in_ns client curl -sS --max-time 1 "http://$LAB_VIP4:81/" || true
	finds unwanted "xlbctl listener list" front no_listener
}
