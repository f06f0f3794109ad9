#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Frames that are lost after xlb's verdict are counted, each once, whatever loses them and whoever dies meanwhile.
# While the daemon is dead nobody corrects the datapath's picture of the network: then it is wrong on purpose.

bats_require_minimum_version 1.5.0
load helper
load drops

FRAMES=50

setup_file() {
	lab_for_file two-arm 1
	[ -n "${LAB_DIR:-}" ] || return 0
	# addresses of IPv6 survive a link that goes down
	in_ns lb sysctl -qw "net.ipv6.conf.$LAB_BACK.keep_addr_on_down=1"
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
	mend
	one_server listener='{protocol: udp, port: 80, server_group: web}'
	# the datapath has a way to the server, and nothing is lost on it
	wait_for 5 in_line
}

teardown() {
	mend
	end_of_test
}

mend() {
	in_ns lb ip link set "$LAB_BACK" up mtu 1500
	in_ns fabric ip link set to-lb up
	far_end fabric to-lb awake
	far_end client eth0 awake
}

# send WORD...: returns when all frames are counted, which is not at once on a busy machine
send() {
	local before
	before=$(all_drops)
	packets datagram "$LAB_VIP4" 80 count=$FRAMES "$@"
	wait_for 5 all_drops_are $((before + FRAMES)) || true
}

# by the map itself, as the daemon may be dead
all_drops() {
	bpftool -j map dump pinned "/sys/fs/bpf/xlb-$XLB_INSTANCE/abi"*/drops | jq '[.[].formatted.values[].value] | add'
}

all_drops_are() {
	[ "$(all_drops)" -ge "$1" ]
}

reset_are() {
	[ "$(drops no_flow)" -ge "$1" ]
}

# Frames sent while the daemon is dead and the network is as the command makes it are all counted
all_counted_while() {
	local before
	before=$(drops redirect_failed)
	lab_kill xlbd KILL
	"$@"
	send bytes="${bytes:-16}" df=1
	mend
	lab_xlbd
	wait_for 5 all_up
	equal "redirect_failed more" "$(($(drops redirect_failed) - before))" $FRAMES
}

@test "lost: the other interface is down" {
	all_counted_while in_ns lb ip link set "$LAB_BACK" down
}

@test "lost: the far end of the other interface is down" {
	all_counted_while in_ns fabric ip link set to-lb down
}

@test "lost: the other interface's driver does not take redirected frames" {
	all_counted_while far_end fabric to-lb deaf
}

@test "lost: the kernel knows a smaller MTU than the datapath" {
	local bytes=1400
	all_counted_while in_ns lb ip link set "$LAB_BACK" mtu 1300
}

@test "lost: the queue for frames sent back is full" {
	local before resets
	one_server
	before=$(drops tx_failed)
	resets=$(drops no_flow)
	far_end client eth0 idle
	# a veth queues 256, and nobody takes them; less than the limit of RSTs in a second
	packets segment "$LAB_VIP4" 80 count=700
	wait_for 5 reset_are $((resets + 700))
	far_end client eth0 awake
	equal "answered by RST" "$(($(drops no_flow) - resets))" 700
	within "tx_failed more" "$(($(drops tx_failed) - before))" 100 700
}

# The links of the tracepoints, by their ids
tracepoints() {
	local path
	for path in "/sys/fs/bpf/xlb-$XLB_INSTANCE/abi"*/tracepoints/*; do
		bpftool -j link show pinned "$path" | jq .id
	done
}

@test "lost: counted once before, between and after kill -9 and restarts of the daemon" {
	local before links round
	before=$(drops redirect_failed)
	links=$(tracepoints)
	equal "tracepoints" "$(wc -l <<<"$links")" 4
	far_end fabric to-lb deaf
	send
	for round in KILL TERM; do
		lab_kill xlbd $round
		send
		lab_xlbd
		wait_for 5 in_line
		send
		equal "tracepoints after SIG$round" "$(tracepoints)" "$links"
	done
	equal "redirect_failed more" "$(($(drops redirect_failed) - before))" $((5 * FRAMES))
}

link_is_gone() {
	! bpftool link show id "$1" 2>/dev/null | grep -q .
}

@test "lost: the tracepoints go with the last interface and come back with the first" {
	local links id before
	links=$(tracepoints)
	equal "tracepoints" "$(wc -l <<<"$links")" 4
	xlb detach "$LAB_FRONT" --yes
	equal "tracepoints with one interface left" "$(tracepoints)" "$links"
	xlb detach "$LAB_BACK" --yes
	equal "pins" "$(find "/sys/fs/bpf/xlb-$XLB_INSTANCE" -path '*/tracepoints/*')" ""
	for id in $links; do
		wait_for 5 link_is_gone "$id"
	done
	xlb attach "$LAB_FRONT"
	xlb attach "$LAB_BACK"
	equal "tracepoints again" "$(tracepoints | wc -l)" 4
	wait_for 5 all_up
	before=$(drops redirect_failed)
	far_end fabric to-lb deaf
	send
	equal "redirect_failed more" "$(($(drops redirect_failed) - before))" $FRAMES
}

@test "lost: the last one is told with its time and interface, without a packet" {
	local last
	far_end fabric to-lb deaf
	send
	last=$(xlb_json '.drops[0].last' drops --reason redirect_failed)
	equal "interface" "$(jq -r .interface <<<"$last")" "$LAB_FRONT"
	equal "packet" "$(jq -r .packet <<<"$last")" null
	within "age" "$(jq '.age | floor' <<<"$last")" 0 60
}
