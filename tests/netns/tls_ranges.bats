#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Ranges of ports of TLS listeners: one socket of HAProxy, to which the kernel brings the connections of all ports.

bats_require_minimum_version 1.5.0
load helper
load tls

setup_file() {
	tls_for_file
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_tls
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
	for server in web1 web2 web3; do
		lab_well $server
	done
}

teardown() {
	lab_kill taker
	lab_kill other_taker
	end_of_tls_test
}

RANGE=20000-29999

# range_apply [PORT [FIELDS]]: a listener whose servers hear of the client and the port that it asked for
range_apply() {
	tls_apply port=8082 listener="$(tls_listener "${1:-$RANGE}" "proxy_protocol: v2${2:+, $2}")"
}

# answers PORT [VIP]: whether a server hears that the client has asked for that port of the VIP
answers() {
	local client=198.51.100.2 answer
	[ $# = 1 ] || client=2001:db8::2
	answer=$(tls_url=https://a.example:$1/ tls_vip=${2:-$LAB_VIP4} tls_patience=5 tls_get) || return
	equal "what the server heard on port $1" "${answer#web? }" "$client:$1"
}

# all_answer PORT...: on both VIPs
all_answer() {
	local port
	for port; do
		answers "$port" && answers "$port" "[$LAB_VIP6]" || return
	done
}

# refuses PORT: the host answers that nobody listens there
refuses() {
	local vip
	for vip in "$LAB_VIP4" "[$LAB_VIP6]"; do
		tls_url=https://a.example:$1/ tls_vip=$vip tls_patience=5 run tls_get
		equal "what curl says of port $1 ($output)" "$status" 7
	done
}

# silent PORT: xlb has no listener there and drops packets
silent() {
	tls_url=https://a.example:$1/ tls_patience=1 run tls_get
	equal "what curl says of port $1 ($output)" "$status" 28
}

# links: how many programs choose sockets in the balancer's namespace
links() {
	bpftool -j link show | jq --argjson here "$(stat -Lc %i "/run/netns/$LAB-lb")" \
		'[.[] | select(.attach_type == "sk_lookup" and .netns_ino == $here)] | length'
}

pin() {
	find "/sys/fs/bpf/xlb-$XLB_INSTANCE" -name tls_ports 2>/dev/null
}

@test "every port of a range is served, over IPv4 and IPv6, and no other" {
	range_apply
	all_answer 20000 20001 24567 29998 29999
	silent 19999
	silent 30000
	equal "sockets that listen" "$(in_ns lb ss -Htln 'sport >= :20000 and sport < :30000' | wc -l)" 4
	equal "problems" "$(xlb_json '.tls.trouble' status)" null
}

@test "what listens on all addresses of the host takes no connection of a VIP's range" {
	lab_run taker lb socat TCP-LISTEN:20000,fork,reuseaddr /dev/null
	lab_run other_taker lb socat TCP-LISTEN:24567,fork,reuseaddr /dev/null
	wait_for 5 lab_listens lb 20000
	wait_for 5 lab_listens lb 24567
	range_apply
	all_answer 20000 20001 24567
}

PROBLEM="of ranges of tls listeners one port alone takes connections: "

# tells_problem WORDS, tells_no_problem: `status`
tells_problem() {
	xlb status | grep -qF "$PROBLEM$1"
}
tells_no_problem() {
	! tells_problem ""
}

@test "a program that cannot be installed is a problem, and is tried again" {
	local directory
	tls_apply
	directory=$(echo /sys/fs/bpf/xlb-"$XLB_INSTANCE"/abi*)/tls_ports
	mkdir "$directory"
	range_apply
	wait_for 5 tells_problem "cannot pin a link as '$directory'"
	answers 20000
	rmdir "$directory"
	wait_for 10 all_answer 20000 24567
	wait_for 5 tells_no_problem
}

@test "a single port beats a range, and a range any" {
	tls_apply port=8082 listener="$(tls_listener any 'proxy_protocol: v2')" \
		more="      range: $(certificates=b tls_listener $RANGE 'proxy_protocol: v2')
      one: $(certificates=c tls_listener 25000 'proxy_protocol: v2')"
	names() {
		tls_hello "$LAB_VIP4" "$1" | sed -n 's/^subject=CN = //p'
	}
	all_answer 1 443 19999 30000 65535
	equal "the certificate on 443" "$(names 443)" a.example
	for port in 20000 24999 25001 29999; do
		equal "the certificate on $port" "$(names $port)" b.example
	done
	equal "the certificate on 25000" "$(names 25000)" c.example
}

@test "security groups hold for a range" {
	tls_apply port=8082 listener="$(tls_listener $RANGE 'proxy_protocol: v2, security_groups: some')" top='security_groups:
  some:
    default: allow
    rules: [{action: deny, source: 198.51.100.3}]'
	in_ns client ip address add 198.51.100.3/24 dev eth0
	answers 24567
	tls_url=https://a.example:24567/ tls_patience=2 run ! tls_get --interface 198.51.100.3
	in_ns client ip address del 198.51.100.3/24 dev eth0
}

@test "a range that changes needs no reload of HAProxy" {
	local worker
	range_apply
	worker=$(haproxy_worker)
	range_apply 20000-24999
	all_answer 20000 24999
	silent 25000
	range_apply 20000-30100
	all_answer 25000 30100
	equal "the worker" "$(haproxy_worker)" "$worker"
}

@test "a reload of HAProxy leaves no port unserved" {
	local worker
	range_apply
	worker=$(haproxy_worker)
	tls_apply port=8082 listener="$(tls_listener $RANGE 'proxy_protocol: v2')" \
		more="      other: $(tls_listener 444 'proxy_protocol: v2')"
	[ "$(haproxy_worker)" != "$worker" ]
	all_answer 20000 24567 29999 444
}

@test "kill -9 of HAProxy: all ports are served again" {
	local was
	range_apply
	was=$(haproxy_worker)
	kill -KILL "$was"
	wait_for 20 all_answer 24567 29999
	was=$(haproxy_master)
	kill -KILL "$was"
	wait_for 20 all_answer 24567 29999
	[ "$(haproxy_master)" != "$was" ]
}

@test "kill -9 of xlbd: all ports are served meanwhile, and by the next one" {
	range_apply
	lab_kill xlbd KILL
	all_answer 20000 24567 29999
	lab_xlbd
	wait_for 5 all_up
	all_answer 20000 24567 29999
	equal "programs that choose sockets" "$(links)" 1
	# the next one can change it
	range_apply 20000-30100
	all_answer 30100
}

@test "without HAProxy ports are refused" {
	range_apply
	lab_kill xlbd KILL
	kill -KILL "$(haproxy_master)" "$(haproxy_worker)"
	wait_for 5 refuses 20000
	refuses 24567
	lab_xlbd
	wait_for 20 all_answer 24567
}

@test "the program is there for ranges only" {
	range_apply
	[ -n "$(pin)" ]
	equal "programs that choose sockets" "$(links)" 1
	tls_apply
	equal "pins" "$(pin)" ""
	equal "programs that choose sockets" "$(links)" 0
	[[ $(tls_get) == web* ]]
}


nothing_listens() {
	[ -z "$(in_ns lb ss -Htln 'sport = :20000')" ] && [ -z "$(pin)" ] && [ "$(links)" = 0 ]
}

@test "detach closes all ports of a range, attach opens them again" {
	range_apply
	all_answer 24567
	xlb detach back --yes
	wait_for 5 answers 24567
	xlb detach front --yes
	wait_for 10 nothing_listens
	xlb attach front
	xlb attach back
	wait_for 20 all_answer 20000 24567 29999
}
