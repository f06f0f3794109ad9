#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Security groups with real clients: who gets in, what a change does to flows, files of networks, hits, trace.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 2
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_echo web1 tcp 7000 udp 7001
	lab_echo web2 tcp 7000 udp 7001
	mkdir -p "/etc/xlb-$XLB_INSTANCE"
}

teardown_file() {
	[ -z "${XLB_INSTANCE:-}" ] || rm -rf "/etc/xlb-$XLB_INSTANCE"
	lab_end_of_file
}

setup() {
	skip_without_lab
	lists="/etc/xlb-$XLB_INSTANCE"
}

teardown() {
	end_of_test
}

# The address that packets to the VIP come from
client_address() {
	in_ns client ip -json route get "$1" | jq -r '.[0].prefsrc'
}

# secure RULES [more YAML of the group]: the load balancer's group has these rules
secure() {
	{
		config listener='{protocol: tcp, port: 80, server_group: web}' weights='100 100' |
			sed 's/^    addresses:/    security_groups: guard\n&/'
		echo "security_groups:"
		echo "  guard:"
		[ -z "${2:-}" ] || echo "    $2"
		echo "    rules: $1"
	} >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

is_denied() {
	local before
	before=$(drops denied)
	if in_ns client curl -sSg -o /dev/null --max-time 1 "http://$1/" 2>/dev/null; then
		return 1
	fi
	[ "$(drops denied)" -gt "$before" ]
}

denied_flows() {
	xlb metrics | awk '/^xlb_flow_expired_total.*reason="denied"/ { print $NF }'
}

@test "whitelist: only who is named gets in, of either family" {
	secure "[{action: allow, protocol: tcp, port: 80, source: [$(client_address "$LAB_VIP4"), \"$(client_address "$LAB_VIP6")\"]}]"
	http "$LAB_VIP4"
	http "[$LAB_VIP6]"
	secure '[{action: allow, source: [192.0.2.0/24, "2001:db8:ffff::/48"]}]'
	is_denied "$LAB_VIP4"
	is_denied "[$LAB_VIP6]"
}

@test "blacklist: who is named does not get in" {
	secure '[{action: deny, source: 192.0.2.0/24}]' 'default: allow'
	http "$LAB_VIP4"
	secure "[{action: deny, source: $(client_address "$LAB_VIP4")}]" 'default: allow'
	is_denied "$LAB_VIP4"
	http "[$LAB_VIP6]"
}

@test "pings obey the load balancer's groups" {
	secure '[{action: allow, protocol: tcp}]'
	run -1 in_ns client ping -c 1 -W 1 "$LAB_VIP4"
	run -1 in_ns client ping -c 1 -W 1 "$LAB_VIP6"
	xlb add rule guard last --action allow --protocol icmp
	in_ns client ping -c 1 -W 5 "$LAB_VIP4"
	in_ns client ping -c 1 -W 5 "$LAB_VIP6"
}

@test "a listener's groups are asked too" {
	secure '[{action: allow}]'
	http "$LAB_VIP4"
	xlb add security-group nobody
	xlb set listener edge/http --security_groups nobody
	is_denied "$LAB_VIP4"
	xlb set listener edge/http --security_groups ''
	http "$LAB_VIP4"
}

@test "a change ends TCP flows that are not allowed any more, by RST, and lets others be" {
	apply_config listener='{protocol: tcp, port: 7000, server_group: web}' port=7000 weights='100 100' check='{type: tcp}'
	conversation tcp "$LAB_VIP4" 7000
	[[ "$(talk)" == web* ]]
	xlb add security-group guard
	xlb add rule guard last --action allow
	xlb set lb edge --security_groups guard
	[[ "$(talk)" == web* ]]
	local before
	before=$(denied_flows)
	xlb add rule guard 1 --action deny --source "$(client_address "$LAB_VIP4")"
	wait_for 10 talk_is_reset
	[ "$(denied_flows)" -gt "$before" ]
	end_conversation
}

@test "a file of networks: read by apply and by reload, refused with the line" {
	local client
	client=$(client_address "$LAB_VIP4")
	echo 192.0.2.0/24 >"$lists/blocked"
	secure "[{action: deny, file: $lists/blocked}]" 'default: allow'
	http "$LAB_VIP4"
	printf '# the client\n%s # is blocked\n' "$client" >"$lists/blocked"
	xlb security-group reload
	is_denied "$LAB_VIP4"
	# nothing of a bad file is told or taken
	printf '192.0.2.0/24\nsecret\n' >"$lists/blocked"
	run -3 xlb security-group reload
	[[ $output == *"line 2"* && $output != *secret* ]]
	is_denied "$LAB_VIP4"
	printf '10.0.0.1/8\n' >"$lists/blocked"
	run -3 xlb security-group reload
	[[ $output == *"line 1"* ]]
	rm "$lists/blocked"
	mkfifo "$lists/blocked"
	run -3 xlb security-group reload
	[[ $output == *"not a regular file"* ]]
	rm "$lists/blocked"
	ln -s /etc/passwd "$lists/blocked"
	run -3 xlb security-group reload
	[[ $output == *"symbolic link"* ]]
	run -3 xlb add rule guard last --action deny --file /etc/passwd
	[[ $output == *"$lists"* ]]
	run -3 xlb add rule guard last --action deny --file "$lists/../passwd"
	[[ $output == *"$lists"* ]]
	is_denied "$LAB_VIP4"
	rm "$lists/blocked"
	: >"$lists/blocked"
	xlb security-group reload
	http "$LAB_VIP4"
}

@test "100 000 networks are swapped while clients connect" {
	seq 0 99999 | awk '{ printf "10.%d.%d.%d/32\n", 100 + $1 / 65536, $1 / 256 % 256, $1 % 256 }' >"$lists/many"
	secure "[{action: deny, file: $lists/many}]" 'default: allow'
	lab_run requests client sh -c "while :; do curl -sS -o /dev/null --max-time 10 http://$LAB_VIP4/ || echo failed; done"
	for turn in 1 2 3; do
		echo "2001:db8:bad:$turn::/64" >>"$lists/many"
		sed -i 1d "$lists/many"
		xlb security-group reload
	done
	lab_kill requests
	run ! grep failed "$LAB_DIR/requests.log"
}

@test "after a restart of the daemon the rules are the same" {
	secure "[{action: deny, source: $(client_address "$LAB_VIP4")}]" 'default: allow'
	lab_kill xlbd KILL
	run -28 in_ns client curl -sS -o /dev/null --max-time 1 "http://$LAB_VIP4/"
	lab_xlbd
	wait_for 5 all_up
	is_denied "$LAB_VIP4"
}

@test "hits and trace name the rule" {
	secure '[{action: deny, source: 192.0.2.0/24}, {action: allow, protocol: tcp, port: 80}]'
	http "$LAB_VIP4"
	[ "$(xlb_json '.rules[1].state.hits' show security-group guard)" -ge 1 ]
	[ "$(xlb_json '.rules[0].state.hits' show security-group guard)" = 0 ]
	xlb trace 192.0.2.1:4000 "$LAB_VIP4:80" | grep 'denied by rule 1 of security group guard'
	xlb trace "$(client_address "$LAB_VIP4"):4000" "$LAB_VIP4:80" | grep 'allowed by rule 2 of security group guard'
}
