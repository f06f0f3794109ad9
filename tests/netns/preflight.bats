#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# iface check and attach --fix with the real daemon: what is found, changed, remembered and restored.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_possible >/dev/null || return 0
	lab_init "xlbt-$$"
	lab_network two-arm 2
	lab_web web1 web2
}

teardown_file() {
	lab_end_of_file
}

# Nothing attached, nothing configured, NICs as the lab makes them.
setup() {
	skip_without_lab
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
	xlb rm lb edge --yes --now 2>/dev/null || true
	xlb rm group web --yes --now 2>/dev/null || true
	xlb detach front --yes 2>/dev/null || true
	xlb detach back --yes 2>/dev/null || true
	rp_filter front 0
	in_ns lb ethtool -K front gro on >/dev/null
	in_ns lb ethtool -K back gro on >/dev/null
}

teardown() {
	end_of_test
}

# rp_filter DEVICE [VALUE]: sets or prints it
rp_filter() {
	# shellcheck disable=SC2016 # for the inner shell
	in_ns lb sh -c 'cd /proc/sys/net/ipv4/conf/"$1"; if [ "$2" ]; then echo "$2" >rp_filter; else cat rp_filter; fi' sh "$1" "${2:-}"
}

# gro DEVICE: on or off
gro() {
	in_ns lb ethtool -k "$1" | sed -n 's/^generic-receive-offload: //p'
}

# finding CHECK DEVICE: "level: text"
finding() {
	xlb --json iface check "$2" | jq -r ".checks[] | select(.check == \"$1\") | \"\(.level): \(.text)\""
}

# fix_of CHECK DEVICE: its command
fix_of() {
	xlb --json iface check "$2" | jq -r ".checks[] | select(.check == \"$1\") | .fix"
}

# the XDP program that the lab has on the far end of front's cable
pass_at_client() {
	in_ns client ip link set eth0 xdp object "$LAB_TOOLS/pass.bpf.o" section xdp
}

owned() {
	grep -c ^setting "/var/lib/xlb-$XLB_INSTANCE/owned" || true
}

@test "a NIC of the lab is fine: exit 0, a line for each check" {
	run xlb iface check front
	[ "$status" = 0 ]
	[[ $output == *"ok    front is up, a veth"* ]]
	[[ $output == *"ok    driver veth runs native XDP"* ]]
	[[ $output == *"ok    mtu 1500"*"namespace $LAB-client 1500 (up to 3506"* ]]
	[[ $output == *"ok    no XDP program is attached"* ]]
	[[ $output == *"0 failures, "* ]]
	[ "$(finding redirect front)" = "ok: its other end eth0 in namespace $LAB-client receives what is redirected to front" ]
	[ "$(finding checksum front)" = "ok: its other end eth0 in namespace $LAB-client completes checksums" ]
	run -6 xlb iface check eth9
	[[ $output == *"eth9: no such interface. Present: back, front, lo."* ]]
}

@test "what is wrong at the other end is found, and its command mends it" {
	in_ns client ip link set eth0 xdp off
	in_ns client ethtool -K eth0 gro off tx on >/dev/null
	run -8 xlb iface check front
	[[ $output == *"FAIL  what is redirected to front vanishes"* ]]
	equal "fix" "$(fix_of redirect front)" "ip netns exec $LAB-client ethtool -K eth0 gro on"
	equal "fix" "$(fix_of checksum front)" "ip netns exec $LAB-client ethtool -K eth0 tx off"
	sh -c "$(fix_of redirect front)"
	sh -c "$(fix_of checksum front)" >/dev/null
	[[ "$(finding redirect front)" == "warn: "*"has no XDP program"* ]]
	pass_at_client
	[[ "$(finding redirect front)" == "ok: "* ]]
	[[ "$(finding checksum front)" == "ok: "* ]]
}

@test "an MTU at the other end that fits no page is taken with xdp.frags" {
	in_ns client ip link set eth0 xdp off
	in_ns client ip link set eth0 mtu 9000
	[[ "$(finding mtu front)" == "ok: mtu 9000 "*"with xdp.frags)" ]]
	xlb attach front --no-confirm
	in_ns client ip link set eth0 mtu 1500
	pass_at_client
}

@test "another XDP program is named; xlb's own is not another" {
	in_ns lb ip link set front xdp object "$LAB_TOOLS/pass.bpf.o" section xdp
	[[ "$(finding program front)" == "fail: another XDP program is attached (id "*" \"pass\")" ]]
	run ! xlb attach front --no-confirm
	[[ $output == *'another XDP program (id '*'"pass") is attached'* ]]
	sh -c "nsenter --net=/run/netns/$LAB-lb $(fix_of program front)"
	xlb attach front --no-confirm
	[[ "$(finding program front)" == "ok: xlb's own"* ]]
	# the program itself looks without asking the daemon
	[ "$(in_ns lb xlbd --check-interface front | jq -r '.checks[] | select(.check == "program") | .level')" = ok ]
}

@test "a server that does not answer and one behind an interface that is not attached are named" {
	xlb attach front --no-confirm
	xlb attach back --no-confirm
	config weights="100 100 100" >"$LAB_DIR/test.yaml" # web3 does not exist
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 10 unresolved_is_named
	[[ "$(finding neighbours back)" == *"10.0.1.13 (web/web3)"* ]]
	[ -z "$(finding neighbours front)" ]
	xlb detach back --yes
	wait_for 5 unattached_is_named
	equal "fix" "$(fix_of servers front)" "xlbctl attach back"
	run -8 xlb iface check front
	# the answer is the same without the daemon
	[ "$(in_ns lb xlbd --check-interface front | jq -r '.checks[] | select(.check == "servers") | .level')" = fail ]
}

# all of them have been asked and only web3 has not answered
unresolved_is_named() {
	[[ "$(finding neighbours back)" == "warn: 2 of 6 next hops behind back do not answer"* ]]
}
unattached_is_named() {
	[[ "$(finding servers front)" == "fail: "*"reached through back, which is not attached: web/web1"* ]]
}

@test "attach tells what is not well, and --fix changes it; detach restores it" {
	rp_filter front 1
	run xlb attach front --no-confirm
	[ "$status" = 0 ]
	[[ $output == *"front: attached, native mode"* ]]
	[[ $output == *"warn  rp_filter is 1"*"fix: sysctl -w net.ipv4.conf.front.rp_filter=2"* ]]
	[[ $output == *"attach front --fix"* ]]
	equal "rp_filter" "$(rp_filter front)" 1
	run xlb attach front --no-confirm --fix
	[ "$status" = 0 ]
	[[ $output == *"front: rp_filter 2 (was 1)"* ]]
	[[ $output != *"warn  rp_filter"* ]]
	equal "rp_filter" "$(rp_filter front)" 2
	equal "owner marks" "$(owned)" 1
	[[ "$(xlb export)" == *"front: {fix: [rp_filter]}"* ]]
	xlb detach front
	equal "rp_filter" "$(rp_filter front)" 1
	equal "owner marks" "$(owned)" 0
}

@test "generic mode refuses gro, --fix turns it off, detach turns it on" {
	run -9 xlb attach back --mode generic
	[[ $output == *"gro is on, and packets joined by it cannot be forwarded in generic mode"* ]]
	equal "gro" "$(gro back)" on
	xlb attach back --mode generic --fix
	equal "gro" "$(gro back)" off
	equal "attached" "$(xlb_json .state.mode show iface back)" generic
	xlb detach back
	equal "gro" "$(gro back)" on
}

@test "a dry run with --fix changes nothing" {
	rp_filter front 1
	run xlb attach front --no-confirm --fix --dry-run
	[ "$status" = 0 ]
	[[ $output == *"rp_filter"* ]]
	equal "rp_filter" "$(rp_filter front)" 1
	equal "owner marks" "$(owned)" 0
}

@test "settings survive kill -9: known afterwards, restored on detach" {
	rp_filter front 1
	xlb attach front --no-confirm --fix
	lab_kill xlbd KILL
	equal "rp_filter" "$(rp_filter front)" 2
	lab_xlbd
	equal "settings" "$(xlb_json '.state.settings[] | "\(.setting) \(.was) \(.now)"' show iface front)" "rp_filter 1 2"
	xlb detach front
	equal "rp_filter" "$(rp_filter front)" 1
}

@test "a setting that somebody else changed is left alone, until --fix is asked for again" {
	rp_filter front 1
	xlb attach front --no-confirm --fix
	rp_filter front 0
	# news of the network: what is on the host is looked at anew
	in_ns lb ip address add 192.0.2.9/32 dev front
	wait_for 5 in_line
	in_ns lb ip address del 192.0.2.9/32 dev front
	wait_for 5 in_line
	equal "rp_filter" "$(rp_filter front)" 0
	xlb detach front
	equal "rp_filter" "$(rp_filter front)" 0

	rp_filter front 1
	xlb attach front --no-confirm --fix
	rp_filter front 1
	xlb attach front --no-confirm --fix
	equal "rp_filter" "$(rp_filter front)" 2
	xlb detach front
	equal "rp_filter" "$(rp_filter front)" 1
}

@test "an attach that is not confirmed gives the settings back, also when xlbd is killed meanwhile" {
	rp_filter front 1
	in_ns lb curl -sS --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" -X POST "http://xlb/v1/interfaces/front/attach?fix=1&confirm=3" -d '{}' >/dev/null
	equal "rp_filter" "$(rp_filter front)" 2
	wait_for 10 rp_filter_is 1
	in_ns lb curl -sS --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" -X POST "http://xlb/v1/interfaces/front/attach?fix=1&confirm=60" -d '{}' >/dev/null
	equal "rp_filter" "$(rp_filter front)" 2
	lab_kill xlbd KILL
	lab_xlbd
	wait_for 5 rp_filter_is 1
}
rp_filter_is() {
	[ "$(rp_filter front)" = "$1" ]
}

@test "an apply that fails leaves the settings as they were" {
	rp_filter front 1
	in_ns lb ip link set front xdp object "$LAB_TOOLS/pass.bpf.o" section xdp
	run ! xlb attach front --no-confirm --fix
	equal "rp_filter" "$(rp_filter front)" 1
	equal "owner marks" "$(owned)" 0
	in_ns lb ip link set front xdp off
}

@test "without a daemon the program looks by itself" {
	lab_kill xlbd
	run xlb iface check front
	[ "$status" = 0 ]
	[[ $output == *"ok    driver veth runs native XDP"* ]]
	run -6 xlb iface check eth9
	[[ $output == *"eth9: no such interface. Present: back, front, lo."* ]]
	[ ! -e "/run/xlb-$XLB_INSTANCE/xlbd.sock" ]
	in_ns lb ip link set back down
	run -8 xlb iface check back
	[[ $output == *"FAIL  back is down"*"fix: ip link set dev back up"* ]]
	in_ns lb ip link set back up
	lab_address lb back 2001:db8:1::1/64
}

@test "the firewall of the host is named" {
	command -v nft >/dev/null || skip "nft is not installed"
	in_ns lb nft add table inet guard || skip "this kernel has no nftables"
	[[ "$(finding firewall front)" == "warn: the firewall of this host (nftables: guard) does not see packets of listeners"* ]]
	in_ns lb nft delete table inet guard
	[[ "$(finding firewall front)" == "ok: "* ]]
}

# tls_certificate: below /etc/xlb-INSTANCE, for a configuration with a tls listener
tls_certificate() {
	local dir=/etc/xlb-$XLB_INSTANCE/tls
	mkdir -p "$dir"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=a.example \
		-addext subjectAltName=DNS:a.example -keyout "$dir/a.key" -out "$dir/a.pem" 2>/dev/null
	echo "{chain: $dir/a.pem, key: $dir/a.key}"
}

@test "what a closed firewall needs for tls listeners is said, and lets them in" {
	command -v nft >/dev/null || skip "nft is not installed"
	command -v haproxy >/dev/null || skip "haproxy is not installed"
	in_ns lb nft add table inet guard || skip "this kernel has no nftables"
	in_ns lb nft delete table inet guard
	xlb attach front --no-confirm
	xlb attach back --no-confirm
	equal "without tls listeners" "$(finding tls_firewall front)" ""
	config weights="100 100" listener="{protocol: tls, port: 443, server_group: web, certificates: [$(tls_certificate)]}" >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now >/dev/null
	wait_for 5 all_up
	[[ "$(finding tls_firewall front)" == "ok: "*": nft insert rule inet filter input ip daddr $LAB_VIP4 tcp dport 443 accept;"* ]]
	asks_tls
	# a rule without a condition at the end is as good as a policy; one with a condition is not
	in_ns lb nft -f - <<-END
		table inet guard {
			chain in {
				type filter hook input priority 0; policy accept
				ct state established,related accept
				tcp dport 25 drop
			}
		}
	END
	[[ "$(finding tls_firewall front)" == "ok: "*"nft insert rule inet guard in ip daddr"* ]]
	in_ns lb nft add rule inet guard in counter reject with icmpx type admin-prohibited
	[[ "$(finding tls_firewall front)" == "warn: nftables, inet guard in, drops"* ]]
	run ! asks_tls
	in_ns lb sh -c "$(fix_of tls_firewall front)"
	asks_tls
	in_ns lb nft flush chain inet guard in
	[[ "$(finding tls_firewall front)" == "ok: "* ]]
	in_ns lb nft add chain inet guard in '{ policy drop; }'
	[[ "$(finding tls_firewall front)" == "warn: "* ]]
	in_ns lb nft add rule inet guard in ct state established,related accept
	in_ns lb sh -c "$(fix_of tls_firewall front)"
	asks_tls
	in_ns lb nft delete table inet guard
}
asks_tls() {
	in_ns client curl -sS -k --connect-timeout 3 --max-time 10 -o /dev/null "https://$LAB_VIP4/"
}

@test "with 10000 servers the check takes less than 100 ms of processor time" {
	xlb attach front --no-confirm
	xlb attach back --no-confirm
	many_servers >"$LAB_DIR/many.yaml"
	xlb apply "$LAB_DIR/many.yaml" --yes --now >/dev/null
	wait_for 60 in_line
	wait_for 60 all_hops_asked
	local before
	before=$(cpu_ms)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		in_ns lb curl -sS -o /dev/null --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" http://xlb/v1/interfaces/back/check
	done
	within "ms of ten" $(($(cpu_ms) - before)) 0 1000
}
# all_hops_asked: xlbd knows of each next hop whether it answers
all_hops_asked() {
	[[ "$(finding neighbours back)" == *" of 10000 next hops behind back do not answer"* ]]
}
many_servers() {
	cat <<-END
		version: 1
		server_groups:
		  web:
		    health_check: {type: none}
		    servers:
	END
	in_ns lb ip route replace 10.8.0.0/16 dev back
	awk 'BEGIN { for (i = 0; i < 10000; i++)
		printf "      s%d: {address: 10.8.%d.%d, port: 80}\n", i, i / 250, i % 250 + 1 }'
}
