#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The kinds of health checks against servers that stop, answer something else, or have another certificate.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm 1
	[ -z "${LAB_DIR:-}" ] || mkdir -p "/etc/xlb-$XLB_INSTANCE/checks"
}

teardown_file() {
	[ -z "${XLB_INSTANCE:-}" ] || rm -rf "/etc/xlb-$XLB_INSTANCE"
	lab_end_of_file
}

setup() {
	skip_without_lab
}

teardown() {
	lab_kill service
	end_of_test
}

# checked CHECK [PART...]: server web1 is checked so
checked() {
	local check=$1
	shift
	config weights=100 listener='{protocol: udp, port: 9000, server_group: web}' port=9000 \
		check="{$check, interval: 200ms, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 3}" "$@" >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
}

# reason: why an address of web1 is not up, or was not at its last check
reason() {
	xlb_json '[.state.addresses[].reason] | map(select(. != "" and . != null)) | first // ""' show server web web1
}

reason_is() {
	[[ $(reason) == *"$1"* ]]
}

# last_down FILTER: of the last event that says that an address is down
last_down() {
	xlb_json "select(.kind == \"health\" and .to == \"down\") | $1" events | tail -n 1
}

# refused TEXT: the last apply was, with the text, at a place in the file
refused() {
	[ "$status" = 3 ]
	[[ $output == *"$LAB_DIR/test.yaml:"* ]]
	[[ $output == *"$1"* ]]
}

answers() {
	lab_run service web1 "$LAB_TOOLS/echo" "$1" udp 9000
	wait_for 5 listens_udp
}

listens_udp() {
	[ -n "$(in_ns web1 ss -Huln "sport = :9000")" ]
}

@test "udp: a process that is gone puts its server down at once, one that says something else does too" {
	answers web1
	checked "type: udp, request: ping, expect: 'web1 9000 '"
	wait_for 5 server_is web web1 up
	lab_kill service
	wait_for 5 server_is web web1 down
	equal "reason" "$(last_down .reason)" "port unreachable"
	equal "checks that it took" "$(last_down .results)" 1
	answers web2
	wait_for 5 reason_is 'answer "web2 9000 '
	equal "state" "$(xlb_json .state.state show server web web1)" down
	lab_kill service
	answers web1
	wait_for 5 server_is web web1 up
}

@test "udp: without expect silence passes, a closed port does not" {
	lab_run service web1 "$LAB_TOOLS/echo" web1 udp 9000
	wait_for 5 listens_udp
	kill -STOP -- "-$(cat "$LAB_DIR/pids/service")"
	checked "type: udp"
	wait_for 10 server_is web web1 up
	kill -CONT -- "-$(cat "$LAB_DIR/pids/service")"
	lab_kill service
	wait_for 5 server_is web web1 down
}

@test "udp: in dr the VIP is asked, and what is not answered there is down" {
	in_ns web1 ip address add "$LAB_VIP4/32" dev lo
	in_ns web1 ip address add "$LAB_VIP6/128" dev lo
	answers web1
	checked "type: udp, port: 9000, request: ping, expect: web1" group="forward: dr" port=0
	wait_for 5 server_is web web1 up
	in_ns web1 ip address del "$LAB_VIP4/32" dev lo
	in_ns web1 ip address del "$LAB_VIP6/128" dev lo
	wait_for 10 server_is web web1 down
	[[ $(reason) == *"; it was asked as "* ]]
}

@test "icmp: a host that goes away is down, and comes back" {
	checked "type: icmp"
	wait_for 5 server_is web web1 up
	in_ns web1 ip link set eth0 down
	wait_for 10 server_is web web1 down
	in_ns web1 ip link set eth0 up
	in_ns web1 ip -6 address replace 2001:db8:1::11/64 dev eth0 nodad
	in_ns web1 ip -6 route replace default via 2001:db8:1::1
	in_ns web1 ip route replace default via 10.0.1.1
	wait_for 10 server_is web web1 up
}

# certificate NAME YEAR: a key and a certificate for the server until the end of that year, in $LAB_DIR
certificate() {
	printf '%s\n' '[ca]' 'default_ca = own' '[own]' "database = $LAB_DIR/index" "new_certs_dir = $LAB_DIR" 'default_md = sha256' \
		'rand_serial = yes' 'copy_extensions = copy' 'policy = any' '[any]' 'commonName = supplied' >"$LAB_DIR/ca.conf"
	: >"$LAB_DIR/index"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$LAB_DIR/$1.key" -out "$LAB_DIR/$1.csr" \
		-subj "/CN=web" -addext "subjectAltName=DNS:www.example.com"
	openssl ca -batch -selfsign -notext -config "$LAB_DIR/ca.conf" -keyfile "$LAB_DIR/$1.key" -in "$LAB_DIR/$1.csr" \
		-out "$LAB_DIR/$1.pem" -startdate 20200101000000Z -enddate "${2}1231235959Z"
}

# tls_server NAME: with that certificate
tls_server() {
	lab_kill service
	lab_run service web1 openssl s_server -accept 8443 -cert "$LAB_DIR/$1.pem" -key "$LAB_DIR/$1.key" -www
	wait_for 5 lab_listens web1 8443
}

@test "https: the certificate must be trusted and valid; verify: false takes any" {
	certificate own 2049
	certificate other 2049
	certificate expired 2020
	install -m 644 "$LAB_DIR/own.pem" "/etc/xlb-$XLB_INSTANCE/ca.pem"
	tls_server own
	checked "type: https, port: 8443, sni: www.example.com, ca: /etc/xlb-$XLB_INSTANCE/ca.pem"
	wait_for 5 server_is web web1 up
	tls_server other
	wait_for 10 server_is web web1 down
	reason_is "certificate refused: "
	# the file follows the server: nothing is applied
	install -m 644 "$LAB_DIR/other.pem" "/etc/xlb-$XLB_INSTANCE/ca.pem"
	wait_for 10 server_is web web1 up
	install -m 644 "$LAB_DIR/expired.pem" "/etc/xlb-$XLB_INSTANCE/ca.pem"
	tls_server expired
	wait_for 10 server_is web web1 down
	wait_for 10 reason_is "certificate refused: certificate has expired"
	checked "type: https, port: 8443, verify: false"
	wait_for 10 server_is web web1 up
}

@test "https: a file of certificates that is no good is refused where it is named" {
	echo "secret words" >"/etc/xlb-$XLB_INSTANCE/bad.pem"
	run checked "type: https, port: 8443, ca: /etc/xlb-$XLB_INSTANCE/bad.pem"
	refused "has no certificate"
	[[ $output != *secret* ]]
	run checked "type: https, port: 8443, ca: /etc/xlb-$XLB_INSTANCE/nothing.pem"
	refused "No such file"
	run checked "type: https, port: 8443, ca: /etc/shadow"
	refused "the file must lie below /etc/xlb-$XLB_INSTANCE"
	ln -sf /etc/shadow "/etc/xlb-$XLB_INSTANCE/link.pem"
	run checked "type: https, port: 8443, ca: /etc/xlb-$XLB_INSTANCE/link.pem"
	refused "is a symbolic link"
}

# program SCRIPT: what exec checks run
program() {
	printf '#!/bin/sh\n%s\n' "$1" >"/etc/xlb-$XLB_INSTANCE/checks/probe"
	chmod 755 "/etc/xlb-$XLB_INSTANCE/checks/probe"
}

@test "exec: the exit code decides, and nobody else than root may have written the program" {
	# shellcheck disable=SC2016 # the program's own
	program 'test "$(id -u)" = 65534 && test "$XLB_GROUP/$XLB_SERVER:$XLB_PORT" = "web/web1:9000"'
	checked "type: exec, command: [/etc/xlb-$XLB_INSTANCE/checks/probe]"
	wait_for 10 server_is web web1 up
	program 'echo no such table; exit 2'
	wait_for 10 server_is web web1 down
	reason_is "exit code 2: no such table"
	program 'exec sleep 1000'
	wait_for 10 reason_is "timed out after 1s"
	program 'exit 0'
	wait_for 10 server_is web web1 up
	chmod 777 "/etc/xlb-$XLB_INSTANCE/checks/probe"
	wait_for 10 reason_is "can be written to by others than root"
	equal "state" "$(xlb_json .state.state show server web web1)" up
	config weights=100 >"$LAB_DIR/other.yaml"
	xlb apply "$LAB_DIR/other.yaml" --yes --now
	run checked "type: exec, command: [/etc/xlb-$XLB_INSTANCE/checks/probe]"
	refused "can be written to by others than root (mode 0777): chmod go-w"
	run checked "type: exec, command: [/bin/true]"
	refused "the program must lie in /etc/xlb-$XLB_INSTANCE/checks"
}
