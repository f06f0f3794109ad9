# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The one-arm lab with a trunk to lb: clients and servers are in VLANs of one cable, which the fabric, like a
# switch, leads to a bridge each.

# vlan_add NS DEVICE TAG...: VLAN devices on it, one on the other: a TAG is an id, of an 802.1ad tag after an s.
# Prints the name of the last.
vlan_add() {
	local name=$1 device=$2 tag protocol
	shift 2
	for tag; do
		protocol=802.1Q
		[ "$tag" = "${tag#s}" ] || protocol=802.1ad
		tag=${tag#s}
		in_ns "$name" ip link show "$device.$tag" >/dev/null 2>&1 ||
			in_ns "$name" ip link add link "$device" name "$device.$tag" type vlan proto $protocol id "$tag"
		# veth, like many a NIC, has room for one tag more than its MTU says
		[ "$device" = "${device%.*}" ] || in_ns "$name" ip link set "$device.$tag" mtu 1496
		in_ns "$name" ip link set "$device.$tag" up
		device=$device.$tag
	done
	echo "$device"
}

# Takes away what trunk has made.
trunk_clear() {
	local name device
	for name in lb fabric; do
		# the one below takes those on it along
		for device in $(in_ns $name ip -br link show type vlan | awk '{ sub(/@.*/, "", $1); print $1 }'); do
			in_ns $name ip link del "$device" 2>/dev/null || true
		done
	done
	in_ns lb ip address flush dev eth0 scope global
}

# trunk "CLIENT TAGS" "SERVER TAGS": clients and servers of the lab are in these VLANs of the cable to lb ("": none)
trunk() {
	local near far
	trunk_clear
	in_ns fabric ip link show bridge1 >/dev/null 2>&1 || {
		in_ns fabric ip link add bridge1 type bridge forward_delay 0 mcast_snooping 0
		in_ns fabric ip link set bridge1 up
		# as on the wire: the switch's tags are in the frames
		in_ns fabric ethtool -K to-lb txvlan off tx-vlan-stag-hw-insert off
	}
	in_ns fabric ip link set to-lb nomaster
	# shellcheck disable=SC2086 # lists of tags
	{
		far=$(vlan_add fabric to-lb $2)
		in_ns fabric ip link set "$far" master bridge0
		near=$(vlan_add fabric to-lb $1)
		if [ "$near" = "$far" ]; then
			in_ns fabric ip link set to-client master bridge0
		else
			in_ns fabric ip link set "$near" master bridge1
			in_ns fabric ip link set to-client master bridge1
		fi
		lab_address lb "$(vlan_add lb eth0 $1)" 198.51.100.1/24 2001:db8::1/64
		lab_address lb "$(vlan_add lb eth0 $2)" 10.0.1.1/24 2001:db8:1::1/64
	}
}
