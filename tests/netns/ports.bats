#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Listeners on ranges, lists and any port; shares; addresses that are shared.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_possible >/dev/null || return 0
	lab_for_file two-arm
	tcp_ports=$(shuf -i 2000-60000 -n 200 --random-source=<(yes) | paste -sd,)
	export tcp_ports
	for server in web1 web2 web3; do
		lab_echo $server udp 10000-20000,5000 tcp "$tcp_ports,7000"
	done
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

@test "UDP 10000-20000: 200 random ports reach servers on the same port" {
	apply_config listener='{protocol: udp, port: 10000-20000, server_group: web}' port=0
	ask -n 400 udp "$LAB_VIP4,$LAB_VIP6" "10000,20000,$(shuf -i 10000-20000 -n 198 | paste -sd,)"
}

@test "the ports beside a range are not served" {
	apply_config listener='{protocol: udp, port: 10000-20000, server_group: web}' port=0
	run -1 ask -n 2 -t 300 udp "$LAB_VIP4" 9999,20001
	[[ $output == "2 x no answer"* ]]
}

@test "TCP any: 200 random ports reach servers on the same port" {
	apply_config listener='{protocol: tcp, port: any, server_group: web}' port=0
	ask -n 400 tcp "$LAB_VIP4,$LAB_VIP6" "$tcp_ports"
}

@test "exact beats range beats any" {
	cat >"$LAB_DIR/test.yaml" <<-END
		version: 1
		load_balancers:
		  edge:
		    addresses: [$LAB_VIP4]
		    listeners:
		      exact: {protocol: udp, port: 15000, server_group: g1}
		      range: {protocol: udp, port: 10000-20000, server_group: g2}
		      any: {protocol: udp, port: any, server_group: g3}
		server_groups:
		  g1: {health_check: {type: none}, servers: {web1: {address: 10.0.1.11}}}
		  g2: {health_check: {type: none}, servers: {web2: {address: 10.0.1.12}}}
		  g3: {health_check: {type: none}, servers: {web3: {address: 10.0.1.13}}}
	END
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	equal "port of its own" "$(ask -n 20 udp "$LAB_VIP4" 15000)" "web1 20"
	equal "port of the range" "$(ask -n 20 udp "$LAB_VIP4" 14999,15001)" "web2 20"
	equal "any other port" "$(ask -n 20 udp "$LAB_VIP4" 5000)" "web3 20"
}

@test "TCP and UDP may share a port" {
	cat >"$LAB_DIR/test.yaml" <<-END
		version: 1
		load_balancers:
		  edge:
		    addresses: [$LAB_VIP4]
		    listeners:
		      tcp: {protocol: tcp, port: 10000-20000, server_group: g1}
		      udp: {protocol: udp, port: 10000-20000, server_group: g2}
		server_groups:
		  g1: {health_check: {type: none}, servers: {web1: {address: 10.0.1.11}}}
		  g2: {health_check: {type: none}, servers: {web2: {address: 10.0.1.12}}}
	END
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	equal "UDP" "$(ask -n 20 udp "$LAB_VIP4" 12345)" "web2 20"
	# nobody listens there on web1: its own RST comes back
	run -1 ask tcp "$LAB_VIP4" 12346
	[[ $output == *refused* ]]
}

@test "10 000 connections over weights 1:1:2 are shared within 3 percentage points" {
	local answers total=${LAB_CONNECTIONS:-10000}
	apply_config weights="50 50 100"
	answers=$(ask -n "$total" http "$LAB_VIP4" 80)
	echo "$answers"
	within web1 "$(share web1 <<<"$answers")" $((total * 22 / 100)) $((total * 28 / 100))
	within web2 "$(share web2 <<<"$answers")" $((total * 22 / 100)) $((total * 28 / 100))
	within web3 "$(share web3 <<<"$answers")" $((total * 47 / 100)) $((total * 53 / 100))
}

@test "two load balancers, same servers, same client address and port: 10 000 exchanges, none mixed" {
	cat >"$LAB_DIR/test.yaml" <<-END
		version: 1
		load_balancers:
		  one: {addresses: [$LAB_VIP4], listeners: {tcp: {protocol: tcp, port: 7000, server_group: g}, udp: {protocol: udp, port: 5000, server_group: g}}}
		  two: {addresses: [$LAB_OTHER_VIP4], listeners: {tcp: {protocol: tcp, port: 7000, server_group: g}, udp: {protocol: udp, port: 5000, server_group: g}}}
		server_groups:
		  g: {health_check: {type: none}, servers: {web1: {address: 10.0.1.11}}}
	END
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	equal "TCP" "$(ask -k -s 40000 -n 10000 tcp "$LAB_VIP4,$LAB_OTHER_VIP4" 7000)" "web1 10000"
	equal "UDP" "$(ask -k -s 40000 -n 10000 udp "$LAB_VIP4,$LAB_OTHER_VIP4" 5000)" "web1 10000"
}
