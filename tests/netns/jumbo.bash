# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A lab whose cables have an MTU of 9000: more than a page holds.

# jumbo_for_file two-arm|one-arm: for setup_file
jumbo_for_file() {
	local name device
	lab_possible >/dev/null || return 0
	lab_init "xlbt-$$"
	lab_network "$1" 3
	lab_pass off
	for name in client lb fabric web1 web2 web3; do
		for device in $(in_ns $name ip -br link show type veth | sed 's/@.*//'); do
			in_ns $name ip link set "$device" mtu 9000
		done
	done
	in_ns fabric ip link set bridge0 mtu 9000
	lab_pass on xdp.frags
	lab_web web1 web2 web3
	head -c 4M /dev/urandom >"$LAB_DIR/files/big"
	lab_xlbd
	xlb attach "$LAB_FRONT"
	[ "$LAB_BACK" = "$LAB_FRONT" ] || xlb attach "$LAB_BACK"
	apply_config
}

# download ADDRESS: what comes is what was sent
download() {
	in_ns client curl -sS -g --max-time 60 "http://$1/files/big" | cmp - "$LAB_DIR/files/big"
}

# The mean length of frames of answers; in those of an interface health checks have a part, the more the longer it takes
answer_frames() {
	xlb_json '.state.counters | .bytes_out / .packets_out | floor' show listener edge http
}

downloads_go_in_large_frames() {
	download "$LAB_VIP4"
	download "[$LAB_VIP6]"
	[ "$(answer_frames)" -gt 4000 ]
}

the_next_daemon_goes_on() {
	lab_kill xlbd KILL
	lab_xlbd
	wait_for 5 all_up
	download "$LAB_VIP4"
}

a_capture_sees_large_frames() {
	local capture
	in_ns lb xlbctl capture --address "$LAB_VIP4" -o "$LAB_DIR/large.pcapng" -c 400 >/dev/null 2>&1 3>&- &
	capture=$!
	wait_for 5 test -s "$LAB_DIR/large.pcapng"
	download "$LAB_VIP4"
	# one is not enough where frames are joined, or skipped as the reader is slow
	wait_for 20 downloaded_and_captured "$capture"
	wait "$capture"
	tshark -r "$LAB_DIR/large.pcapng" -T fields -e frame.len 2>/dev/null | awk '$1 > 8000 { found = 1 } END { exit !found }'
}

downloaded_and_captured() {
	download "$LAB_VIP4" && lab_gone "$1"
}
