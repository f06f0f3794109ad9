#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What xlbd tells of: servers, changes, NICs, neighbours, shortages; and how it tells it.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 3
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	follower=
}

teardown() {
	[ -z "$follower" ] || kill "$follower" 2>/dev/null || true
	lab_well web1
	lab_well web2
	end_of_test
}

# api PATH [CURL-OPTION...]
api() {
	local path=$1
	shift
	curl -sS --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" "$@" "http://xlb/v1/$path" 3>&-
}

# what happens from here on
mark() {
	since=$(api 'events?last=1' | jq -r '.events[0].id')
}

# happened FILTER: whether an event since the mark is such
happened() {
	api "events?since=$since" | jq -e "any(.events[]; $1)"
}

# what is shown of a test that fails
shows() {
	wait_for 10 "$@" || {
		api "events?since=$since"
		return 1
	}
}

# follow FILE COMMAND...: runs it in the background
follow() {
	local file=$1
	shift
	"$@" >"$LAB_DIR/$file" 2>"$LAB_DIR/$file.err" 3>&- &
	follower=$!
}

@test "the first event says which xlbd and which revision" {
	mark
	[ "$(api events | jq -r '.events[0].kind')" = start ]
	[ "$(api events | jq -r '.events[0].revision')" = 0 ]
}

@test "a server that fails its checks, and passes them again" {
	apply_config
	mark
	lab_sick web2
	shows happened '.kind == "health" and .server == "web2" and .from == "up" and .to == "down" and
		.address == "10.0.1.12" and .reason == "http 503 from /healthz" and .results == 2'
	shows happened '.kind == "health" and .address == "2001:db8:1::12" and .to == "down"'
	lab_well web2
	shows happened '.kind == "health" and .address == "10.0.1.12" and .from == "down" and .to == "up" and .reason == ""'
	run ! happened '.server == "web1" or .server == "web3"'
}

@test "a change of the configuration" {
	apply_config
	mark
	xlb set server web/web1 --weight 10
	shows happened '.kind == "config" and .changed == 1 and .added == 0 and .removed == 0 and
		(.origin | startswith("xlbctl set server")) and (.change | endswith("web1.weight: 100 -> 10"))'
	revision=$(xlb_json .revision status)
	happened ".kind == \"config\" and .revision == $revision"
	mark
	run ! xlb set server web/web1 --weight 1000
	xlb set server web/web1 --weight 10
	[ "$(api "events?kind=config&since=$since" | jq '.events | length')" = 0 ]
}

@test "a NIC goes down and up, and its VIPs with it" {
	apply_config
	mark
	in_ns lb ip link set front down
	shows happened '.kind == "interface" and .interface == "front" and .from == "up" and .to == "down"'
	in_ns lb ip link set front up
	shows happened '.kind == "interface" and .interface == "front" and .from == "down" and .to == "up"'
	shows happened ".kind == \"interface\" and .address == \"$LAB_VIP6\" and .to == \"vip-added\""
	lab_address lb front 2001:db8::1/64
	wait_for 5 all_up
}

@test "a NIC vanishes and appears" {
	apply_config
	lab_veth lb extra client extra-far 02:00:00:00:00:05
	xlb attach extra
	mark
	in_ns lb ip link del extra
	shows happened '.kind == "interface" and .interface == "extra" and .from == "up" and .to == "absent"'
	lab_veth lb extra client extra-far 02:00:00:00:00:05
	shows happened '.kind == "interface" and .interface == "extra" and .to == "up"'
	shows happened '.kind == "interface" and .interface == "extra" and .to == "attached"'
	xlb detach extra --yes
	in_ns lb ip link del extra
}

# a new card makes itself known by asking for the MAC address of whom it sends to
web3_speaks() {
	in_ns web3 bash -c 'echo >/dev/udp/10.0.1.1/9'
}

@test "a server's MAC address changes" {
	apply_config
	mark
	in_ns web3 ip link set eth0 address 02:00:00:00:77:13
	web3_speaks
	shows happened '.kind == "neighbour" and .address == "10.0.1.13" and .interface == "back" and
		.to == "02:00:00:00:77:13"'
	mark
	in_ns web3 ip link set eth0 address 02:00:00:00:01:13
	web3_speaks
	shows happened '.kind == "neighbour" and .address == "10.0.1.13" and .to == "02:00:00:00:01:13"'
	wait_for 5 all_up
}

@test "detach and attach" {
	apply_config
	mark
	xlb detach back --yes
	shows happened '.kind == "interface" and .interface == "back" and .to == "detached"'
	xlb attach back
	shows happened '.kind == "interface" and .interface == "back" and .to == "attached" and .mode == "native"'
	wait_for 5 all_up
}

@test "an attach that nobody confirms is undone" {
	apply_config
	xlb detach back --yes
	mark
	api 'interfaces/back/attach?confirm=1' -X POST
	shows happened '.kind == "interface" and .interface == "back" and .reason == "attach not confirmed"'
	shows happened '.kind == "interface" and .interface == "back" and .to == "detached"'
	xlb attach back
	wait_for 5 all_up
}

# Whether connections have met no free port, and one of a flow that is closed
evicted_by_more() {
	ask -n 20 -t 300 http "$LAB_VIP4" 80 || true
	happened '.kind == "eviction" and .count > 0'
}

@test "too few SNAT ports" {
	apply_config
	xlb set group web --snat.ports 2000-2004
	wait_for 5 in_line
	mark
	ask -k -n 60 -t 300 http "$LAB_VIP4" 80 || true
	shows happened '.kind == "drop" and .reason == "snat_exhausted" and .count > 0'
	# those that closed make room at once; which port is looked at is chance, so it is tried again
	wait_for 30 evicted_by_more
	xlb set group web --snat.ports ''
}

@test "a stream goes on after Last-Event-ID" {
	apply_config
	mark
	xlb set server web/web1 --weight 10
	xlb set server web/web1 --weight 20
	follow stream api 'events?kind=config' -N -H "Accept: text/event-stream" -H "Last-Event-ID: $since"
	wait_for 5 grep -q 'weight: 10 -> 20' "$LAB_DIR/stream"
	xlb set server web/web1 --weight 30
	wait_for 5 grep -q 'weight: 20 -> 30' "$LAB_DIR/stream"
	[ "$(grep -c '^event: config$' "$LAB_DIR/stream")" = 3 ]
	[ "$(grep '^id: ' "$LAB_DIR/stream")" = "$(sed -n 's/^data: //p' "$LAB_DIR/stream" | jq -r '"id: " + .id')" ]
	kill "$follower"
	last=$(sed -n 's/^id: //p' "$LAB_DIR/stream" | tail -n 1)
	equal "changes since" "$(api "events?kind=config&since=$last" | jq '.events | length')" 0
}

@test "xlbctl events -f goes on when xlbd restarts" {
	apply_config
	mark
	follow followed xlb events -f -n 1 --kind start,config
	wait_for 5 test -s "$LAB_DIR/followed"
	xlb set server web/web1 --weight 10
	wait_for 5 grep -q 'weight: 100 -> 10' "$LAB_DIR/followed"
	lab_kill xlbd KILL
	wait_for 5 grep -q 'connecting again' "$LAB_DIR/followed.err"
	lab_xlbd
	wait_for 10 grep -q ' start .*xlbd' "$LAB_DIR/followed"
	xlb set server web/web1 --weight 20
	wait_for 5 grep -q 'weight: 10 -> 20' "$LAB_DIR/followed"
	[ "$(grep -c 'weight: 100 -> 10' "$LAB_DIR/followed")" = 1 ]
	# an id of before the restart: everything there is, beginning with the start
	[ "$(api "events?since=$since" | jq -r '.events[0].kind')" = start ]
}

# storm: 300 servers that live and die with web1
storm() {
	cat <<-END
		version: 1
		server_groups:
		  storm:
		    health_check: {type: http, port: 8080, path: /healthz, interval: 1s, timeout: 20s, healthy_threshold: 1, unhealthy_threshold: 1}
		    servers:
	END
	for number in $(seq 300); do
		echo "      s$number: {address: 10.0.1.11, port: $((9000 + number))}"
	done
}

# all_told STATE: whether events and the numbers of those left out make 300
all_told() {
	[ "$(api "events?since=$since&kind=health" |
		jq "[.events[] | if .suppressed then .suppressed else select(.to == \"$1\") | 1 end] | add")" = 300 ]
}

@test "300 servers go down at once: what is left out is counted exactly" {
	apply_config
	storm >"$LAB_DIR/test.yaml"
	mark
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 20 all_told up
	wait_for 5 all_up
	mark
	lab_sick web1
	wait_for 20 all_told down
	happened '.suppressed > 0 and .kind == "health" and .text == "suppressed \(.suppressed) events"'
	[ "$(xlb_json '.server_groups[0].state.up' status)" = 0 ]
}
