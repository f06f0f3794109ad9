#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The demo beside a running xlb: it works, leaves nothing behind and touches nothing.

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
}

teardown() {
	end_of_test
}

# what the demo must leave as it is: this host's network, and all that xlb keeps for other instances, but for the labs
# of other files, which come and go meanwhile
host_picture() {
	ip -o link show | sed 's/ qdisc .*//'
	ip -o address show
	ip route show table all
	ip -6 route show table all
	cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
}
xlb_picture() {
	{
		ip netns list | sort
		ls -d /sys/fs/bpf/xlb* /run/xlb* /var/lib/xlb* 2>/dev/null
	} | awk -v own="$LAB" 'index($0, own) || !/xlb(t-|n-|-(try|ctl|dead|start))/'
	find "/sys/fs/bpf/xlb-$XLB_INSTANCE" | sort
	sha256sum "/var/lib/xlb-$XLB_INSTANCE/current"
	xlb export
}

@test "the demo ends well, within a minute where nothing else runs, beside a running xlb that does not notice" {
	local host xlb started
	host=$(host_picture)
	xlb=$(xlb_picture)
	# less than wrk_start's load: the demo has waits of its own
	wrk_run wrk -t1 -c8
	started=$SECONDS
	run env -u XLB_INSTANCE -u LAB -u LAB_DIR "$LAB_ROOT/scripts/demo.sh" 3>&-
	echo "$output"
	[ "$status" = 0 ]
	[ $((SECONDS - started)) -lt $((60 * ${LAB_PATIENCE:-6})) ]
	diff <(echo "$host") <(host_picture)
	diff <(echo "$xlb") <(xlb_picture)
	wrk_end
}

@test "demo.sh --keep leaves the lab up, --remove ends it" {
	local before name
	before=$(xlb_picture)
	started=$SECONDS
	run env -u XLB_INSTANCE -u LAB -u LAB_DIR "$LAB_ROOT/scripts/demo.sh" --keep 3>&-
	[ "$status" = 0 ]
	name=$(sed -n 's/.*demo.sh --remove //p' <<<"$output")
	[ -n "$name" ]
	nsenter --net="/run/netns/$name-client" curl -sS --max-time 30 "http://$LAB_VIP4/" 3>&- | grep -q '^web'
	"$LAB_ROOT/scripts/demo.sh" --remove "$name" 3>&-
	diff <(echo "$before") <(xlb_picture)
}

@test "an instance does not see the other's configuration" {
	run ! xlb --instance nobody status
	[[ $output == *"not running"* || $output == *"/run/xlb-nobody/"* ]]
}
