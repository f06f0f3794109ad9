#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# Captures of real traffic, read by tshark.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -z "${LAB_DIR:-}" ] || apply_config
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
}

teardown() {
	local file
	for file in "$LAB_DIR"/pids/capture-*; do
		[ ! -e "$file" ] || lab_kill "${file##*/}" KILL
	done
	wait_for 5 nobody_watches
	rm -f "$LAB_DIR"/capture-*
	end_of_test
}

# capture NAME OPTION...: starts one into capture-NAME; returns when packets are being watched
capture() {
	local name=capture-$1
	shift
	lab_run "$name" lb xlbctl capture -o "$LAB_DIR/$name" "$@"
	wait_for 10 test -s "$LAB_DIR/$name"
}

# capture_end NAME [SIGNAL]: as Ctrl-C does, and waits for it
capture_end() {
	lab_kill "capture-$1" "${2:-INT}"
}

# What xlbctl said in the end: "4 packets (2 before, 2 after), 0 skipped"
summary() {
	cat "$LAB_DIR/capture-$1.log"
}

# packets NAME FILTER FIELD...: by tshark, which must find nothing to complain about
packets() {
	local name=$1 filter=$2 field fields=()
	shift 2
	for field; do
		fields+=(-e "$field")
	done
	tshark -r "$LAB_DIR/capture-$name" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
		-Y "$filter" -T fields "${fields[@]}" 2>"$LAB_DIR/capture-complaints"
	! grep -v 'Running as user' "$LAB_DIR/capture-complaints"
}

# How many packets match
number() {
	packets "$1" "$2" frame.number | wc -l
}

# Packets of the listener so far
forwarded() {
	xlb_json '.state.counters | .packets_in + .packets_out' show listener edge http
}

longer_than() {
	[ "$(stat -c %s "$1")" -gt "$2" ]
}

# No connection is open, and no packet came between two looks
is_quiet() {
	local before
	client_is_done || return 1
	before=$(forwarded)
	sleep 0.1
	[ "$(forwarded)" = "$before" ]
}

@test "capture: before and after rewriting, checksums right, both joined by their number" {
	local address family snat
	capture all --listener edge/http
	for address in "$LAB_VIP4" "[$LAB_VIP6]"; do
		http "$address"
	done
	wait_for 5 is_quiet
	capture_end all
	for family in "ip 198.51.100.2 $LAB_VIP4 10.0.1.1" "ipv6 2001:db8::2 $LAB_VIP6 2001:db8:1::1"; do
		read -r family client vip snat <<<"$family"
		equal "$family requests as they came" \
			"$(packets all "frame.comment contains \"before\" and tcp.dstport == 80 and $family" "$family.src" "$family.dst" | sort -u)" \
			"$client"$'\t'"$vip"
		equal "$family requests as they leave: source" \
			"$(packets all "frame.comment contains \"after\" and tcp.dstport == 8080 and $family" "$family.src" | sort -u)" "$snat"
		equal "$family replies as they leave" \
			"$(packets all "frame.comment contains \"after\" and tcp.srcport == 80 and $family" "$family.src" "$family.dst" | sort -u)" \
			"$vip"$'\t'"$client"
	done
	equal "wrong checksums" "$(number all 'ip.checksum.status == "Bad" or tcp.checksum.status == "Bad"')" 0
	# a SYN and what became of it have the same number, times go on, directions are told
	equal "numbers of the SYN" "$(packets all 'tcp.flags.syn == 1 and tcp.flags.ack == 0 and ip' frame.packet_id | sort | uniq -c | awk '{ print $1 }')" 2
	equal "directions" "$(packets all 'tcp.flags.syn == 1 and ip' frame.packet_flags_direction frame.interface_name | tr '\t\n' '  ')" \
		"0x00000001 front 0x00000002 back 0x00000001 back 0x00000002 front "
	equal "verdict of XDP" "$(packets all tcp frame.verdict.ebpf_xdp | sort -u)" 4
	[[ "$(packets all 'tcp.flags.syn == 1 and ip' frame.comment | head -n 1)" == "before verdict=redirect listener=edge/http server=web/web"?"@10.0.1.1"?" egress=back" ]]
	equal "packets" "$(number all tcp)" "$(summary all | sed 's/ .*//')"
	[[ "$(summary all)" =~ ^[0-9]+\ packets\ \([0-9]+\ before,\ [0-9]+\ after\),\ 0\ skipped$ ]]
	[[ "$(capinfos "$LAB_DIR/capture-all")" == *"Number of stat entries = 1"* ]]
}

@test "capture: a drop tells its reason, an RST what it answers" {
	capture drop --address "$LAB_VIP4"
	run ask -t 200 udp "$LAB_VIP4" 81
	capture_end drop
	equal "comments" "$(packets drop udp frame.comment | sort -u)" \
		"before verdict=drop reason=no_listener: no listener of the VIP has this port"
	equal "verdict" "$(packets drop udp frame.verdict.ebpf_xdp | sort -u)" 1

	capture reset --reason no_flow -c 2
	in_ns client python3 - "$LAB_VIP4" <<-'END'
		import socket, struct, sys
		def sum16(data):
		    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
		    return ~((total >> 16) + (total & 0xffff)) & 0xffff
		source, destination = (socket.inet_aton(a) for a in ("198.51.100.2", sys.argv[1]))
		head = struct.pack("!HHIIBBHHH", 4242, 80, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
		check = sum16(source + destination + struct.pack("!HH", 6, len(head)) + head)
		raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
		raw.sendto(head[:16] + struct.pack("!H", check) + head[18:], (sys.argv[1], 0))
	END
	wait_for 5 lab_gone "$(cat "$LAB_DIR/pids/capture-reset")"
	equal "segment and answer" "$(packets reset tcp tcp.srcport tcp.dstport tcp.flags.reset frame.packet_flags_direction | tr '\t\n' '  ')" \
		"4242 80 0 0x00000001 80 4242 1 0x00000002 "
	[[ "$(packets reset tcp frame.comment)" == *"verdict=reset reason=no_flow listener=edge/http"* ]]
}

# only NAME INCLUDED: the capture has packets, and all match the filter of tshark
only() {
	capture_end "$1"
	[ "$(number "$1" "$2")" -gt 0 ]
	equal "packets of capture $1 that are not $2" "$(number "$1" "not ($2)")" 0
}

# requests over both families, so many that every server gets some
requests() {
	ask -n 100 http "$LAB_VIP4,$LAB_VIP6" 80
	run ask -t 100 udp "$LAB_VIP4" 81
	wait_for 5 is_quiet
}

@test "capture: a ping of a VIP and the answer that xlb gives" {
	local family
	capture ping --verdict icmp
	in_ns client ping -n -c 1 -W 30 "$LAB_VIP4"
	in_ns client ping -n -c 1 -W 30 "$LAB_VIP6"
	capture_end ping
	for family in "ip icmp 8 0 198.51.100.2 $LAB_VIP4" "ipv6 icmpv6 128 129 2001:db8::2 $LAB_VIP6"; do
		read -r family icmp request reply client vip <<<"$family"
		equal "$family" "$(packets ping "$icmp" "$icmp.type" "$family.src" "$family.dst" frame.comment | sort)" \
			"$(printf '%s\t%s\t%s\t%s\n' "$reply" "$vip" "$client" "after verdict=icmp" "$request" "$client" "$vip" "before verdict=icmp" | sort)"
		equal "$family: wrong checksums" "$(number ping "$icmp.checksum.status == \"Bad\"")" 0
	done
	equal summary "$(summary ping)" "4 packets (2 before, 2 after), 0 skipped"
}

@test "capture: filters of address, port, protocol, interface" {
	capture address --address "$LAB_VIP6"
	capture prefix --address 198.51.100.0/24 --address 10.0.1.12
	capture port --port 81
	capture udp --protocol udp --before
	requests
	only address "ipv6.addr == $LAB_VIP6 or (ipv6.addr == 2001:db8:1::1 and tcp.port == 8080)"
	only prefix "ip.addr == $LAB_VIP4 or (ip.addr == 10.0.1.12 and ip.addr == 10.0.1.1)"
	only port "udp.port == 81"
	only udp "udp and frame.packet_flags_direction == 1"
	# what enters by front leaves by back
	capture front --interface front --before --listener edge/http
	capture tcp --protocol tcp --after --address "$LAB_VIP4"
	requests
	only front 'frame.interface_name == "front" or frame.interface_name == "back"'
	[ "$(number front 'frame.interface_name == "back"')" -gt 0 ]
	only tcp "tcp and frame.packet_flags_direction == 2"
}

@test "capture: filters of listener, server, verdict, reason" {
	config >"$LAB_DIR/two.yaml"
	sed -i '/http:/a\      other: {protocol: tcp, port: 82, server_group: web}' "$LAB_DIR/two.yaml"
	xlb apply "$LAB_DIR/two.yaml"
	wait_for 5 all_up
	capture listener --listener edge/other
	capture server --server web/web2
	capture verdict --verdict drop --address "$LAB_VIP4"
	capture reason --reason no_listener
	requests
	ask -n 5 http "$LAB_VIP4" 82
	only listener 'frame.comment contains "listener=edge/other"'
	# of both its addresses
	capture_end server
	[ "$(number server 'ip.addr == 10.0.1.12 and frame.comment contains "after"')" -gt 0 ]
	[ "$(number server 'ipv6.addr == 2001:db8:1::12 and frame.comment contains "after"')" -gt 0 ]
	equal "packets of other servers" "$(number server 'not frame.comment contains "server=web/web2@"')" 0
	only verdict 'frame.comment contains "verdict=drop"'
	only reason 'frame.comment contains "reason=no_listener" and udp.dstport == 81'
	apply_config
}

@test "capture: snap cuts packets, their length stays" {
	capture snap --listener edge/http --before --snap 60
	http "$LAB_VIP4"
	wait_for 5 is_quiet
	capture_end snap
	equal "captured bytes" "$(packets snap frame frame.cap_len | sort -u)" 60
	[ "$(packets snap frame frame.len | sort -n | tail -n 1)" -gt 100 ]
}

@test "capture: ends by itself after a count and after a time" {
	capture count --listener edge/http -c 5
	http "$LAB_VIP4"
	wait_for 5 lab_gone "$(cat "$LAB_DIR/pids/capture-count")"
	equal "packets" "$(number count tcp)" 5
	capture time --listener edge/http --for 1s
	wait_for 5 lab_gone "$(cat "$LAB_DIR/pids/capture-time")"
	equal "summary" "$(summary time)" "0 packets (0 before, 0 after), 0 skipped"
	wait_for 5 nobody_watches
}

@test "capture: frames that the way out does not take are told" {
	capture lost --reason redirect_failed
	# without NAPI at the far end a veth takes no frame
	lab_pass off
	in_ns fabric ethtool -K to-lb gro off
	run ask -t 300 http "$LAB_VIP4" 80
	wait_for 5 grep -aq redirect_failed "$LAB_DIR/capture-lost"
	in_ns fabric ethtool -K to-lb gro on
	lab_pass on
	capture_end lost
	[ "$(number lost 'frame.len == 0')" -gt 0 ]
	[[ "$(packets lost 'frame.len == 0' frame.comment | head -n 1)" == "lost verdict=drop reason=redirect_failed frames="*" error="*" egress=back: "* ]]
	wait_for 5 all_up
}

@test "capture: a reader that stalls costs packets, and all are counted" {
	local before packets skipped
	capture_stalled
	before=$(forwarded)
	wrk_start
	client_sends 100000
	wrk_end
	wait_for 5 is_quiet
	cat <&"$reader" >"$LAB_DIR/capture-stalled" &
	capture_end stalled
	wait $!
	exec {reader}<&-
	read -r packets skipped <<<"$(summary stalled | sed 's/^\([0-9]*\) .* \([0-9]*\) skipped/\1 \2/')"
	[ "$skipped" -gt 0 ]
	equal "packets in the file" "$(number stalled tcp)" "$packets"
	equal "told and skipped" $((packets + skipped)) $(($(forwarded) - before))
}

# A capture whose output nobody reads until `reader` is
capture_stalled() {
	mkfifo "$LAB_DIR/capture-pipe"
	setsid nsenter --net="/run/netns/$LAB-lb" -- xlbctl capture -o "$LAB_DIR/capture-pipe" --listener edge/http --before \
		2>"$LAB_DIR/capture-stalled.log" </dev/null 3>&- &
	echo $! >"$LAB_DIR/pids/capture-stalled"
	exec {reader}<"$LAB_DIR/capture-pipe"
	wait_for 10 somebody_watches
}

@test "capture: what comes while xlbd sleeps is counted" {
	local before packets skipped daemon
	capture asleep --listener edge/http --before --snap 1500
	daemon=$(cat "$LAB_DIR/pids/xlbd")
	before=$(forwarded)
	kill -s STOP "$daemon"
	wrk_start
	client_sends 50000
	wrk_end
	kill -s CONT "$daemon"
	wait_for 5 is_quiet
	capture_end asleep
	read -r packets skipped <<<"$(summary asleep | sed 's/^\([0-9]*\) .* \([0-9]*\) skipped/\1 \2/')"
	[ "$skipped" -gt 0 ]
	equal "packets in the file" "$(number asleep tcp)" "$packets"
	equal "told and skipped" $((packets + skipped)) $(($(forwarded) - before))
}

@test "capture: the observing program runs only while somebody captures" {
	local program
	wait_for 5 nobody_watches
	program=$(attached_program)
	capture one --listener edge/http
	[ "$(attached_program)" != "$program" ]
	somebody_watches
	capture_end one
	wait_for 5 nobody_watches
	equal "program afterwards" "$(attached_program)" "$program"
	# also when the client is killed
	capture killed --listener edge/http
	somebody_watches
	capture_end killed KILL
	wait_for 5 nobody_watches
	equal "program after the client was killed" "$(attached_program)" "$program"
}

@test "capture: kill -9 of xlbd ends it, the file can be read, the next xlbd forwards plainly" {
	local empty
	capture killed --listener edge/http --before
	empty=$(stat -c %s "$LAB_DIR/capture-killed")
	http "$LAB_VIP4"
	# at least five packets with what is told of each
	wait_for 5 longer_than "$LAB_DIR/capture-killed" $((empty + 1000))
	lab_kill xlbd KILL
	wait_for 5 lab_gone "$(cat "$LAB_DIR/pids/capture-killed")"
	http "$LAB_VIP4"
	[ "$(number killed tcp)" -gt 4 ]
	lab_xlbd
	wait_for 5 nobody_watches
	http "$LAB_VIP4"
}

@test "capture: connections do not notice that captures start and end" {
	local number
	wrk_start
	for number in 1 2 3 4; do
		capture "$number" --listener edge/http
		wait_for 5 longer_than "$LAB_DIR/capture-$number" 20000
		capture_end "$number"
	done
	wrk_end
}

@test "capture: four at once, each gets its own; a fifth is refused" {
	capture four --address "$LAB_VIP4" --before
	capture six --address "$LAB_VIP6" --before
	capture third --port 81
	capture fourth --port 82
	run -4 in_ns lb xlbctl capture -o "$LAB_DIR/capture-fifth" 3>&-
	[[ $output == *"4 captures"*"end one"* ]]
	[ ! -e "$LAB_DIR/capture-fifth" ]
	requests
	only four "ip.addr == $LAB_VIP4 or ip.addr == 10.0.1.1"
	only six "ipv6.addr == $LAB_VIP6 or ipv6.addr == 2001:db8:1::1"
}

@test "capture: lines for people, and as JSON" {
	local line
	lab_run capture-text lb xlbctl capture --text --listener edge/http --protocol tcp
	wait_for 10 somebody_watches
	http "$LAB_VIP4"
	wait_for 5 is_quiet
	capture_end text
	wait_for 5 nobody_watches
	line=$(head -n 1 "$LAB_DIR/capture-text.log")
	[[ $line =~ ^[0-9:]{8}\.[0-9]{6}\ front\ 198\.51\.100\.2:[0-9]+\ \>\ 198\.51\.100\.10:80\ tcp\ SYN\ 74\ -\>\ redirect\ web/web[1-3]@10\.0\.1\.1[1-3]\ \(as\ 10\.0\.1\.1:[0-9]+\ \>\ 10\.0\.1\.1[1-3]:8080\ by\ back\)$ ]]
	lab_run capture-json lb xlbctl --json capture --listener edge/http -c 1
	wait_for 10 somebody_watches
	http "$LAB_VIP4"
	wait_for 5 lab_gone "$(cat "$LAB_DIR/pids/capture-json")"
	equal "JSON" "$(head -n 1 "$LAB_DIR/capture-json.log" | jq -c '[.stage, .interface, .destination_port, .new_destination_port, .tcp_flags, .verdict, .listener]')" \
		'["before","front",80,8080,"SYN","redirect","edge/http"]'
}

@test "capture: what does not exist is an error like elsewhere" {
	run -6 in_ns lb xlbctl capture --text --listener edge/htp 3>&-
	[[ $output == *"http"* ]]
	run -2 in_ns lb xlbctl capture --text --reason no_lisener 3>&-
	[[ $output == *"did you mean no_listener"* ]]
	run -2 in_ns lb xlbctl capture --text --address 192.0.2.1/33 3>&-
	run -2 in_ns lb xlbctl capture --text --snap 5000 3>&-
	[[ $output == *"1-4096"* ]]
}
