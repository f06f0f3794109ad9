#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# VIPs as addresses of the host: probed, put, announced, watched, removed only if xlb put them.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 1
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	in_ns client sh -c "ip address del $LAB_OTHER_VIP4/32 dev eth0; ip -6 address del $LAB_OTHER_VIP6/128 dev eth0" 2>/dev/null || true
}

teardown() {
	end_of_test
}

# addresses: of the front interface, one per line with what ip says about them
addresses() {
	in_ns lb ip -o address show dev front
}

# lacks ADDRESS: whether it is not there
lacks() {
	[[ "$(addresses)" != *" $1/"* ]]
}

has_vips() {
	[ "$(addresses | grep -cE " ($LAB_VIP4/32|$LAB_VIP6/128) ")" = 2 ]
}

@test "VIPs are put as /32 and /128, IPv6 without DAD and never preferred as a source" {
	apply_config weights=100
	has_vips
	addresses | grep " $LAB_VIP6/128 " | grep -q 'preferred_lft 0sec'
	addresses | grep " $LAB_VIP6/128 " | grep -q nodad
	[[ "$(in_ns lb ip route get 2001:db8::2)" == *"src 2001:db8::1 "* ]]
}

@test "a VIP that another host answers for is refused with its MAC, IPv4" {
	apply_config weights=100
	in_ns client ip address add "$LAB_OTHER_VIP4/32" dev eth0
	run ! xlb set lb edge --addresses "$LAB_VIP4,$LAB_OTHER_VIP4"
	[[ $output == *02:00:00:00:00:02* && $output == *"$LAB_OTHER_VIP4"* ]]
	run ! grep -q "$LAB_OTHER_VIP4" <(addresses)
	equal "requests" "$(ask -n 10 http "$LAB_VIP4" 80)" "web1 10"
}

@test "a VIP that another host answers for is refused with its MAC, IPv6" {
	apply_config weights=100
	in_ns client ip address add "$LAB_OTHER_VIP6/128" dev eth0 nodad
	run ! xlb set lb edge --addresses "$LAB_VIP6,$LAB_OTHER_VIP6"
	[[ $output == *02:00:00:00:00:02* && $output == *"$LAB_OTHER_VIP6"* ]]
}

@test "VIPs are restored after a link flap" {
	apply_config weights=100
	in_ns lb ip link set front down
	in_ns lb ip link set front up
	wait_for 2 has_vips
	# the flap took the host's own IPv6 address too: that is the lab's to restore
	lab_address lb front 2001:db8::1/64
	wait_for 5 ask http "$LAB_VIP4,$LAB_VIP6" 80
	equal "requests" "$(ask -n 20 http "$LAB_VIP4,$LAB_VIP6" 80)" "web1 20"
}

@test "a VIP that somebody deletes is restored" {
	apply_config weights=100
	in_ns lb ip address del "$LAB_VIP4/32" dev front
	wait_for 2 has_vips
}

@test "an address that was there before is used, and left there" {
	apply_config weights=100
	in_ns lb ip address add "$LAB_OTHER_VIP4/32" dev front
	xlb set lb edge --addresses "$LAB_OTHER_VIP4,$LAB_VIP6" --yes --now
	equal "requests" "$(ask -n 10 http "$LAB_OTHER_VIP4" 80)" "web1 10"
	xlb rm lb edge --yes --now
	[[ "$(addresses)" == *"$LAB_OTHER_VIP4/32"* ]]
	wait_for 3 lacks "$LAB_VIP6"
	in_ns lb ip address del "$LAB_OTHER_VIP4/32" dev front
}

@test "owner marks survive kill -9: a removed VIP goes also after a restart" {
	apply_config weights=100
	lab_kill xlbd KILL
	lab_xlbd
	xlb rm lb edge --yes --now
	wait_for 3 lacks "$LAB_VIP4"
}

@test "neighbours learn a VIP's MAC when it is put" {
	apply_config weights=100
	xlb rm lb edge --yes --now
	wait_for 3 lacks "$LAB_VIP4"
	in_ns client ip neighbour replace "$LAB_VIP4" lladdr 02:00:00:00:99:99 dev eth0 nud stale
	apply_config weights=100
	wait_for 3 announced
}

announced() {
	[[ "$(in_ns client ip neighbour show "$LAB_VIP4")" != *02:00:00:00:99:99* ]]
}

@test "address_management: none leaves addresses alone" {
	config weights=100 | sed 's/    addresses:/    address_management: none\n&/' >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 3 lacks "$LAB_VIP4"
}
