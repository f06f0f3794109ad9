# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Packets that are dropped, and cables that lose them.

packets() {
	in_ns client python3 "$BATS_TEST_DIRNAME/packets.py" "$@"
}

request() {
	in_ns client curl -sS -g -o /dev/null --max-time 0.5 "http://$1/"
}

# The configuration that most tests start from: one server. Words as of config.
one_server() {
	apply_config weights=100 "$@"
}

# far_end NAMESPACE DEVICE deaf|idle|awake: what the far end of one of lb's cables does with frames of XDP.
# deaf: takes none, without an error of the cable; idle: queues those sent back until the queue is full
far_end() {
	local program=off gro=on
	case $3 in
	deaf) gro=off ;;
	awake) program="object $LAB_TOOLS/pass.bpf.o section xdp" ;;
	esac
	# shellcheck disable=SC2086 # words
	in_ns "$1" ip -force link set "$2" xdp $program
	# the near end learns of it only from a switch
	in_ns "$1" ethtool -K "$2" gro off
	[ $gro = off ] || in_ns "$1" ethtool -K "$2" gro on
}
