#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# ICMP through xlb and from it: what the kernels of routers, clients and servers say to each other about flows.
#
#   far --- mid === client --- lb --- bridge --- near === gate --- web5
#                              xlb       |
#                                   web1, web2, web3
#
# All but far, lb and the servers are routers. The links drawn double are narrow where a test says so: what is too large
# for them is told by ICMP only, as no SYN and no interface of xlb or of the ends shows it.

bats_require_minimum_version 1.5.0
load helper
load modes

FAR4=203.0.113.2 FAR6=2001:db8:2::2
MID4=203.0.113.1 MID6=2001:db8:2::1
CLIENT4=203.0.113.129 CLIENT6=2001:db8:3::1
NARROW=1400

setup_file() {
	modes_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	client_side
	server_side
	for name in mid client lb near gate; do
		lab_routing $name
	done
	for name in far mid client near gate web1 web5; do
		# every error counts here
		in_ns $name sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
	done
}

client_side() {
	lab_namespace far
	lab_namespace mid
	lab_veth far eth0 mid far 02:00:00:00:02:01
	lab_veth mid client client mid 02:00:00:00:02:02
	lab_address far eth0 $FAR4/25 $FAR6/64
	lab_address mid far $MID4/25 $MID6/64
	lab_address mid client 203.0.113.130/25 2001:db8:3::2/64
	lab_address client mid $CLIENT4/25 $CLIENT6/64
	routes far "default via $MID4" "default via $MID6"
	routes mid "default via $CLIENT4" "default via $CLIENT6"
	routes client "203.0.113.0/25 via 203.0.113.130" "2001:db8:2::/64 via 2001:db8:3::2"
	routes lb "203.0.113.0/24 via 198.51.100.2" "2001:db8:2::/63 via 2001:db8::2"
}

# web5 is 10.0.1.15 and takes off the outer headers of tunnels
server_side() {
	lab_server near 9
	lab_namespace gate
	lab_namespace web5
	lab_veth near gate gate near 02:00:00:00:02:03
	lab_veth gate web5 web5 eth0 02:00:00:00:02:04
	lab_address near gate 10.0.2.1/24 2001:db8:4::1/64
	lab_address gate near 10.0.2.2/24 2001:db8:4::2/64
	lab_address gate web5 10.0.3.1/24 2001:db8:5::1/64
	lab_address web5 eth0 10.0.1.15/32 2001:db8:1::15/128
	lab_own_vips web5
	lab_past_lb near
	routes lb "10.0.1.15 via 10.0.1.9" "2001:db8:1::15 via 2001:db8:1::9"
	routes near "10.0.1.15 via 10.0.2.2" "2001:db8:1::15 via 2001:db8:4::2"
	routes gate "default via 10.0.2.1" "default via 2001:db8:4::1" "10.0.1.15 dev web5" "2001:db8:1::15 dev web5"
	routes web5 "10.0.3.1 dev eth0" "2001:db8:5::1 dev eth0" "default via 10.0.3.1" "default via 2001:db8:5::1"
	in_ns web5 ip link set eth0 xdp object "$LAB_TOOLS/decap.bpf.o" section xdp
	lab_web web5
}

# routes NAMESPACE ROUTE...
routes() {
	local name=$1 route
	shift
	for route; do
		echo "route add $route"
	done | in_ns "$name" ip -batch -
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	narrow none
}

teardown() {
	end_of_test
}

# narrow clients|servers|none: the link of that side is, and nobody remembers what he was told before
narrow() {
	local clients=1500 servers=1500 name
	case $1 in
	clients) clients=$NARROW ;;
	servers) servers=$NARROW ;;
	esac
	in_ns mid ip link set client mtu $clients
	in_ns client ip link set mid mtu $clients
	in_ns near ip link set gate mtu $servers
	in_ns gate ip link set near mtu $servers
	for name in far mid client near gate web1 web5; do
		in_ns $name ip route flush cache
		in_ns $name ip -6 route flush cache
	done
}

# path_mtu NAMESPACE ROUTE...: what the kernel there was told about the way
path_mtu() {
	in_ns "$1" ip -j route get "${@:2}" | jq '.[0].metrics[0].mtu // "none"'
}

far_address() {
	if [ "$1" = 4 ]; then echo $FAR4; else echo $FAR6; fi
}

# --- path MTU discovery ------------------------------------------------------------------------------

# clients_path FAMILY SERVER MTU ROUTE...: with a narrow link among the clients, all arrives, and the server has learned
# MTU of that route
clients_path() {
	narrow clients
	transfers_are_unharmed "$1" far
	equal "path MTU of $2 to IPv$1 clients" "$(path_mtu "$2" "${@:4}")" "$3"
}

# servers_path FAMILY MTU: with one among the servers, all arrives, and the client has learned MTU. The upload is first:
# a server that knows of the narrow link would ask for short segments.
servers_path() {
	narrow servers
	upload_is_unharmed "$1" far
	equal "path MTU of IPv$1 clients" "$(path_mtu far "$(vip "$1")")" "$2"
	download_is_unharmed "$1" far
}

@test "path MTU: fullnat, in one family" {
	local family
	mode fullnat servers=5
	for family in 4 6; do
		clients_path $family web5 1400 "$(snat_address $family)"
		servers_path $family 1400
	done
}

@test "path MTU: fullnat, IPv6 clients and IPv4 servers" {
	mode fullnat servers=5 only=4
	clients_path 6 web5 1380 "$(snat_address 4)"
	servers_path 6 1420
}

@test "path MTU: fullnat, IPv4 clients and IPv6 servers" {
	mode fullnat servers=5 only=6
	clients_path 4 web5 1420 "$(snat_address 6)"
	servers_path 4 1380
}

@test "path MTU: nat" {
	local family
	mode nat servers=5
	for family in 4 6; do
		clients_path $family web5 1400 "$(far_address $family)"
		servers_path $family 1400
	done
}

# there is no router between xlb and the servers
@test "path MTU: dr" {
	local family
	mode dr servers=1
	for family in 4 6; do
		clients_path $family web1 1400 "$(far_address $family)" from "$(vip $family)"
	done
}

# tunnel_path ENCAPSULATION FAMILY MTU: that clients may use, of either family
tunnel_path() {
	local family
	mode tunnel servers=5 only="$2" more="encapsulation: $1" check="via: address, "
	for family in 4 6; do
		clients_path $family web5 1400 "$(far_address $family)" from "$(vip $family)"
		servers_path $family "$3"
	done
}

@test "path MTU: tunnel, ipip in IPv4" {
	tunnel_path ipip 4 1380
}

@test "path MTU: tunnel, ipip in IPv6" {
	tunnel_path ipip 6 1360
}

@test "path MTU: tunnel, gue in IPv4" {
	tunnel_path gue 4 1372
}

@test "path MTU: tunnel, gue in IPv6" {
	tunnel_path gue 6 1352
}

# --- time exceeded -----------------------------------------------------------------------------------

# who_answers HOPS VIP METHOD PORT: to a probe by TCP (T) or UDP (U) that may take so many
who_answers() {
	in_ns far traceroute -n -q 1 -w 30 -f "$1" -m "$1" "-$3" -p "$4" "$2" | awk 'END { print $2 }'
}

# hops FAMILY: routers before xlb by their own addresses, xlb and those behind it by the VIP, as does the server
hops() {
	local vip probe method port hop router=("$MID4" "$CLIENT4")
	vip=$(vip "$1")
	[ "$1" = 4 ] || router=("$MID6" "$CLIENT6")
	router+=("$vip" "$vip" "$vip" "$vip")
	for probe in "U 7001" "T 8080"; do
		read -r method port <<<"$probe"
		for hop in 1 2 3 4 5 6; do
			equal "hop $hop, -$method" "$(who_answers "$hop" "$vip" "$method" "$port")" "${router[hop - 1]}"
		done
	done
}

@test "time exceeded: of xlb, and of routers behind it, reach the client, in fullnat and nat" {
	local forward family before
	for forward in fullnat nat; do
		mode $forward servers=5
		for family in 4 6; do
			before=$(drops ttl_expired)
			hops $family
			equal "packets that ended at xlb" $(($(drops ttl_expired) - before)) 2
		done
	done
}

@test "time exceeded: of routers behind xlb reach clients of the other family" {
	mode fullnat servers=5 only=6
	hops 4
	mode fullnat servers=5 only=4
	hops 6
}

# --- nobody there ------------------------------------------------------------------------------------

# server_refuses FAMILY: web5 has nobody on port 7001, and the client's kernel learns it
server_refuses() {
	run -1 --separate-stderr in_ns far "$LAB_TOOLS/ask" -t 30000 udp "$(vip "$1")" 7001
	[[ $stderr == *"Connection refused"* ]]
}

# client_refuses FAMILY: the socket of its datagram is closed again, and web5's kernel learns it
client_refuses() {
	lab_run refused web5 python3 "$BATS_TEST_DIRNAME/refused.py" 7001
	wait_for 10 lab_bound web5 udp 7001
	in_ns far bash -c "echo hello >/dev/udp/$(vip "$1")/7001"
	wait_for 10 lab_gone "$(cat "$LAB_DIR/pids/refused")"
	equal "what the server found wrong" "$(cat "$LAB_DIR/refused.log")" ""
}

nobody_is_there() {
	server_refuses "$1"
	client_refuses "$1"
}

@test "port unreachable: in fullnat and nat either end learns that the other is gone" {
	local forward
	for forward in fullnat nat; do
		mode $forward servers=5
		nobody_is_there 4
		nobody_is_there 6
	done
}

@test "port unreachable: between families too" {
	mode fullnat servers=5 only=6
	nobody_is_there 4
	mode fullnat servers=5 only=4
	nobody_is_there 6
}

# who answers past xlb: the error of the client comes by xlb all the same
@test "port unreachable: in a tunnel the server learns that the client is gone" {
	mode tunnel servers=5 check="via: address, "
	client_refuses 4
	client_refuses 6
}

# --- echo --------------------------------------------------------------------------------------------

# of every VIP, from the smallest to the largest that is not cut
pings() {
	local vip size
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		for size in 0 56 1452; do # 1500 bytes in all with IPv6
			in_ns far ping -n -c 3 -i 0.2 -W 30 -M "do" -s $size "$vip"
		done
	done
}

@test "echo: every VIP answers, whatever becomes of the servers" {
	mode fullnat servers=5
	pings
	lab_sick web5
	wait_for 5 server_is web web5 down
	pings
	lab_well web5
}

@test "echo: VIPs that are nobody's addresses answer too" {
	mode fullnat servers=5
	xlb set lb edge --address-management none
	wait_for 5 no_vips
	routes client "$LAB_VIP4 via 198.51.100.1" "$LAB_VIP6 via 2001:db8::1"
	pings
}

no_vips() {
	[[ "$(in_ns lb ip -o address show)" != *" $LAB_VIP4/"* ]] && in_line
}
