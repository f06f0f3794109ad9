#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Passive health checks: a service that clients cannot reach although its health check is passed.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 2
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	serve web1
	serve web2
	config weights="100 100" port=9000 group="passive: {failures: 3, window: 10s}" \
		check="{type: tcp, port: 8080, interval: 200ms, timeout: 1s, healthy_threshold: 10, unhealthy_threshold: 2}" \
		>"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

teardown() {
	lab_kill web1-service
	lab_kill web2-service
	end_of_test
}

# serve SERVER: what is checked is another process on another port
serve() {
	lab_run "$1-service" "$1" "$LAB_TOOLS/echo" "$1" tcp 9000
	wait_for 5 lab_listens "$1" 9000
}

clients_come() {
	local i
	for i in {1..8}; do
		in_ns client timeout 2 bash -c "exec 3<>/dev/tcp/$LAB_VIP4/80" || true
	done
}

# ejections ADDRESS: how often it was
ejections() {
	xlb_json "select(.kind == \"health\" and .to == \"down\" and .address == \"$1\") | .reason" events | grep -c '^passive: ' || true
}

# is_ejected ADDRESS: while clients come
is_ejected() {
	clients_come
	[ "$(ejections "$1")" -gt 0 ]
}

address_is() {
	[ "$(xlb_json ".state.addresses[] | select(.address == \"$2\") | .health" show server web "$1")" = "$3" ]
}

@test "a service that refuses clients is ejected, and comes back when its health check has passed" {
	lab_kill web1-service
	wait_for 20 is_ejected 10.0.1.11
	serve web1
	wait_for 10 address_is web1 10.0.1.11 up
	equal "ejections of the other" "$(ejections 10.0.1.12)" 0
	clients_come
	[ "$(xlb_json '[.state.addresses[].counters.reset_flows] | add' show server web web1)" -ge 3 ]
}

stays() {
	clients_come
	grep -q 'web/web. fails its clients .* is not ejected: 1 of 2 addresses of its family are out' "$LAB_DIR/xlbd.log"
}

@test "of two that refuse clients one stays" {
	lab_kill web1-service
	lab_kill web2-service
	wait_for 30 stays
}
