#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Scrapes of a daemon with traffic, as Prometheus' own tools see them.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 3
}
setup() {
	skip_without_lab
}
teardown() {
	end_of_test
}
teardown_file() {
	lab_end_of_file
}

# value SERIES: of one sample of a scrape
value() {
	xlb metrics | awk -v series="$1" '$1 == series { print $2; found = 1 } END { exit !found }'
}

# at_least SERIES NUMBER
at_least() {
	awk -v is="$(value "$1")" -v least="$2" 'BEGIN { exit !(is >= least) }'
}

# scrape [CURL-OPTION...]: over the socket
scrape() {
	curl -sS --fail --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" "$@" http://xlb/metrics
}

traffic() {
	apply_config
	for _ in 1 2 3 4 5; do
		http "$LAB_VIP4" >/dev/null
		http "[$LAB_VIP6]" >/dev/null
	done
	# a port without listener
	run -28 in_ns client curl -sS --max-time 0.3 "http://$LAB_VIP4:81/"
	wait_for 5 client_is_done
}

@test "promtool accepts a scrape with traffic" {
	traffic
	scrape >"$LAB_DIR/scrape"
	promtool check metrics <"$LAB_DIR/scrape"
	# whichever server the ten connections met
	grep -q '^xlb_server_flows_created_total{server_group="web",server="web[123]"} [1-9]' "$LAB_DIR/scrape"
}

@test "promtool accepts the alert rules" {
	promtool check rules "$LAB_ROOT/packaging/prometheus/xlb.rules.yml"
}

@test "the numbers are those of the API" {
	traffic
	equal listener "$(value 'xlb_listener_flows_created_total{load_balancer="edge",listener="http"}')" \
		"$(xlb_json .state.counters.flows_created show listener edge http)"
	equal server "$(value 'xlb_server_packets_total{server_group="web",server="web2",direction="in"}')" \
		"$(xlb_json '[.state.addresses[].counters.packets_in] | add' show server web web2)"
	equal sum "$(value 'xlb_server_group_servers_up{server_group="web"}')" 3
	equal revision "$(value xlb_config_revision)" "$(xlb_json .revision status)"
	equal mode "$(value "xlb_interface_attached{interface=\"$LAB_FRONT\",mode=\"native\"}")" 1
	equal drops "$(value "xlb_drops_total{interface=\"$LAB_FRONT\",reason=\"no_listener\"}")" \
		"$(xlb_json .state.drops.no_listener show iface "$LAB_FRONT")"
	at_least "xlb_interface_packets_total{interface=\"$LAB_FRONT\",verdict=\"redirect\"}" 20
	# made from the checks' own times: all passed at least once, none took longer than its timeout
	at_least 'xlb_health_check_duration_seconds_count{server_group="web"}' 6
	equal fast "$(value 'xlb_health_checks_total{server_group="web",server="web1",result="failed"}')" 0
}

@test "a server that falls ill is seen" {
	traffic
	before=$(value 'xlb_health_transitions_total{server_group="web",server="web3",to="down"}')
	lab_sick web3
	wait_for 5 server_is web web3 down
	equal up "$(value 'xlb_server_up{server_group="web",server="web3"}')" 0
	equal state "$(value 'xlb_server_state{server_group="web",server="web3",state="down"}')" 1
	equal share "$(value 'xlb_server_share_ratio{server_group="web",server="web3",kind="table"}')" 0
	at_least 'xlb_health_transitions_total{server_group="web",server="web3",to="down"}' $((before + 1))
	lab_well web3
	wait_for 5 server_is web web3 up
}

@test "OpenMetrics is parsed by the reference library and ends as it must" {
	traffic
	scrape -H 'Accept: application/openmetrics-text; version=1.0.0' >"$LAB_DIR/scrape"
	[ "$(tail -n 1 "$LAB_DIR/scrape")" = "# EOF" ]
	# Debian's, whose library it is
	/usr/bin/python3 -c '
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
assert len(families) > 40, len(families)' <"$LAB_DIR/scrape"
}

@test "over TCP there are the metrics and nothing else" {
	lab_kill xlbd
	lab_run xlbd lb xlbd --metrics 127.0.0.1:9100
	wait_for 10 xlbctl status
	in_ns lb curl -sS --fail http://127.0.0.1:9100/metrics >"$LAB_DIR/scrape"
	promtool check metrics <"$LAB_DIR/scrape"
	for path in /v1/status /v1/metrics /v1/export /; do
		run -22 in_ns lb curl -sS --fail "http://127.0.0.1:9100$path"
	done
	run -22 in_ns lb curl -sS --fail -X POST -d 'version: 1' http://127.0.0.1:9100/v1/apply
	lab_kill xlbd
	# IPv6, and an address that the host does not have yet
	lab_run xlbd lb xlbd --metrics '[2001:db8:99::1]:9100'
	wait_for 10 xlbctl status
	in_ns lb ip address add 2001:db8:99::1/128 dev lo nodad
	in_ns lb curl -sS -g --fail 'http://[2001:db8:99::1]:9100/metrics' >"$LAB_DIR/scrape"
	lab_kill xlbd
	run -2 in_ns lb xlbd --metrics localhost:9100
	[[ "$output" == *"ADDRESS:PORT is accepted"* ]]
	lab_xlbd
}

@test "xlbctl attach starts xlbd with XLB_OPTIONS" {
	lab_kill xlbd
	XLB_OPTIONS="--metrics 127.0.0.1:9101" xlb attach "$LAB_FRONT"
	pid=$(xlb_json .pid status)
	in_ns lb curl -sS --fail http://127.0.0.1:9101/metrics >/dev/null
	kill "$pid"
	wait_for 5 lab_gone "$pid"
	lab_xlbd
}
