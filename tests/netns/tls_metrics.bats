#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Metrics of tls listeners count what clients really did.

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
}

teardown() {
	end_of_tls_test
}

# metric NAME [LABELS]: its value for listener $listener (http) of edge
metric() {
	xlb metrics --scope tls | awk -v is="xlb_tls_$1{load_balancer=\"edge\",listener=\"${listener:-http}\"${2:+,$2}}" \
		'$1 == is { print $2; found = 1 } END { exit !found }'
}

# metric_is VALUE NAME [LABELS]
metric_is() {
	local value=$1
	shift
	[ "$(metric "$@")" = "$value" ]
}

# counted VALUE NAME [LABELS]: it becomes that value
counted() {
	wait_for 10 metric_is "$@" || {
		echo "wanted: $*"
		xlb metrics --scope tls | grep "$2"
		return 1
	}
}

# fails OPTIONS...: the client gets no answer
fails() {
	run ! tls_get "$@"
}

# refuse PORT: a client that does not trust the certificate, says so, and waits for the other end to close: one that closes
# at once may be heard as one that just went away
refuse() {
	in_ns client timeout 30 /usr/bin/python3 - "$LAB_VIP4" "$1" "$TLS/other.pem" <<-'END'
		import socket, ssl, sys
		context = ssl.create_default_context(cafile=sys.argv[3])
		client = context.wrap_socket(socket.create_connection(sys.argv[1:3]), server_hostname="a.example",
		                             do_handshake_on_connect=False)
		try:
		    client.do_handshake()
		    sys.exit("the certificate was accepted")
		except ssl.SSLCertVerificationError:
		    pass
		try:
		    socket.socket.recv(client, 1000)
		except ConnectionResetError:
		    pass
	END
}

@test "handshakes by result and version, and open connections" {
	tls_apply
	counted 1 listener_up
	counted 0 handshakes_total 'result="full"'
	for _ in 1 2 3; do
		tls_get --tls-max 1.2
	done
	for _ in 1 2; do
		tls_get --tlsv1.3
	done
	counted 5 handshakes_total 'result="full"'
	counted 3 versions_total 'version="1.2"'
	counted 2 versions_total 'version="1.3"'
	counted 0 versions_total 'version="1.0"'
	printf 'GET / HTTP/1.0\r\n\r\n' | in_ns client timeout 30 openssl s_client -connect "$LAB_VIP4:443" \
		-tls1_2 -quiet -sess_out "$LAB_DIR/session" 2>/dev/null
	[[ $(tls_hello "$LAB_VIP4" 443 -tls1_2 -sess_in "$LAB_DIR/session") == *"Reused, TLS"* ]]
	counted 1 handshakes_total 'result="resumed"'
	counted 6 handshakes_total 'result="full"'
	counted 0 handshakes_total 'result="failed"'
	counted 0 connections
	tls_open one
	tls_open two
	[[ $(tls_talk one) == web* && $(tls_talk two) == web* ]]
	counted 2 connections
	tls_close
	counted 0 connections
	# a reload of HAProxy begins anew, what was counted stays
	tls_apply listener="$(tls_listener '[443, 445]')"
	tls_get --tls-max 1.2
	counted 9 handshakes_total 'result="full"'
	counted 1 handshakes_total 'result="resumed"'
}

@test "failed handshakes by reason" {
	local listener=strict
	tls_apply more="      strict: $(tls_listener 444 "client_auth: {mode: require, ca: $TLS/ca.pem, crl: $TLS/crl.pem}")"
	# shellcheck disable=SC2034 # tls_get reads it
	local tls_url=https://a.example:444/
	counted 0 handshakes_total 'result="failed"'
	tls_get --cert "$TLS/good.pem" --key "$TLS/good.key"
	fails
	fails --cert "$TLS/foreign.pem" --key "$TLS/foreign.key"
	fails --cert "$TLS/expired.pem" --key "$TLS/expired.key"
	fails --cert "$TLS/revoked.pem" --key "$TLS/revoked.key"
	tls_hello "$LAB_VIP4" 444 -tls1_1 -cipher 'ALL:@SECLEVEL=0' >/dev/null || true
	# versions that are served, suites that are not
	tls_hello "$LAB_VIP4" 444 -tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305 >/dev/null || true
	refuse 444
	run ! in_ns client curl -sS --max-time 10 "http://$LAB_VIP4:444/"
	in_ns client timeout 10 socat -u OPEN:/dev/null "TCP:$LAB_VIP4:444"
	counted 1 handshake_failures_total 'reason="no_certificate"'
	counted 1 handshake_failures_total 'reason="unknown_ca"'
	counted 1 handshake_failures_total 'reason="expired"'
	counted 1 handshake_failures_total 'reason="revoked"'
	counted 1 handshake_failures_total 'reason="version"'
	counted 1 handshake_failures_total 'reason="cipher"'
	counted 1 handshake_failures_total 'reason="refused"'
	counted 1 handshake_failures_total 'reason="not_tls"'
	counted 1 handshake_failures_total 'reason="closed"'
	counted 0 handshake_failures_total 'reason="other"'
	counted 9 handshakes_total 'result="failed"'
	counted 1 handshakes_total 'result="full"'
	listener=http
	counted 0 handshakes_total 'result="failed"'
}
