#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Listeners that end TLS, while something changes or fails: certificates, ports, interfaces, xlbd, HAProxy.

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
	tls_sign ca a a.example
	for server in web1 web2 web3; do
		lab_well $server
	done
}

teardown() {
	lab_kill load
	lab_kill taker
	end_of_tls_test
	wait_for 5 one_serves
}

# Never do two HAProxies serve, of whom xlbd would know one
one_serves() {
	[ "$(in_ns lb ss -Htlnp 'sport = :443' | grep -o '"haproxy",pid=[0-9]*' | sort -u | wc -l)" -le 1 ]
}

# --- certificates ------------------------------------------------------------------------------------

# serial: of the certificate that clients of a.example see
serial() {
	tls_hello "$LAB_VIP4" 443 -servername a.example | openssl x509 -noout -serial
}

serial_is_not() {
	[ "$(serial)" != "$1" ]
}

# has_warned LINE WORDS: whether xlbd has said that since the line of its log
has_warned() {
	tail -n "+$1" "$LAB_DIR/xlbd.log" | grep -q "$2"
}

@test "a certificate that is replaced in its files is served, open connections and HAProxy go on" {
	local before master worker
	tls_apply
	before=$(serial) master=$(haproxy_master) worker=$(haproxy_worker)
	tls_open kept
	[[ $(tls_talk kept) == web* ]]
	tls_sign ca a a.example
	wait_for 10 serial_is_not "$before"
	equal "what is served" "$(serial)" "$(openssl x509 -noout -serial -in "$TLS/a.pem")"
	[[ $(tls_talk kept) == web* ]]
	equal "HAProxy" "$(haproxy_master) $(haproxy_worker)" "$master $worker"
}

@test "a broken replacement keeps the certificate that was there" {
	local before lines
	tls_apply
	before=$(serial)
	lines=$(($(wc -l <"$LAB_DIR/xlbd.log") + 1))
	cp "$TLS/b.key" "$TLS/a.key"
	wait_for 10 has_warned $lines "$TLS/a.key"
	equal "what is served" "$(serial)" "$before"
	lab_sick web1
	wait_for 5 server_is web web1 down
	equal "what is served after another change" "$(serial)" "$before"
}

# refused COLUMN-WORD PART...: the configuration is, at the place of that word, and nothing changes
refused() {
	local word=$1 before line column
	shift
	before=$(xlb export)
	tls_config "$@" >"$LAB_DIR/bad.yaml"
	line=$(grep -n "$word" "$LAB_DIR/bad.yaml" | head -n 1)
	column=${line#*:}
	column=${column%%"$word"*}
	run xlb apply "$LAB_DIR/bad.yaml" --yes
	equal "exit code" "$status" 3
	[[ $output == "$LAB_DIR/bad.yaml:${line%%:*}:$((${#column} + 1)): error:"* ]] || {
		echo "not at ${line%%:*}:$((${#column} + 1)): $output"
		return 1
	}
	equal "configuration" "$(xlb export)" "$before"
}

@test "bad files are refused at their place, and nothing changes" {
	tls_apply
	echo "no certificate" >"$TLS/bad.pem"
	cp "$TLS/a.key" "$TLS/bad.key"
	refused "$TLS/bad.pem" listener="$(certificates="a bad" tls_listener 443)"
	cp "$TLS/a.pem" "$TLS/odd.pem"
	cp "$TLS/b.key" "$TLS/odd.key"
	refused "$TLS/odd.key" listener="$(certificates="odd" tls_listener 443)"
	refused "$TLS/missing.pem" listener="$(certificates="missing" tls_listener 443)"
	refused "$TLS/expired.pem" listener="$(certificates="expired" tls_listener 443)"
	cp "$TLS/a.pem" "$TLS/a.key" "$LAB_DIR"
	refused "$LAB_DIR/a.pem" listener="$(TLS=$LAB_DIR certificates=a tls_listener 443)"
	refused "$TLS/bad.pem" listener="$(tls_listener 443 "client_auth: {mode: require, ca: $TLS/bad.pem}")"
	refused "$TLS/a.pem, crl" listener="$(certificates=b tls_listener 443 "client_auth: {mode: require, ca: $TLS/a.pem, crl: $TLS/crl.pem}")"
	[[ $(tls_get) == web* ]]
}

# --- a port that somebody else has ------------------------------------------------------------------------

# listener_state NAME STATE
listener_state() {
	[ "$(xlb_json .state.tls.state show listener edge "$1")" = "$2" ]
}

@test "a port that another process has: that listener waits for it, others go on" {
	xlb apply /dev/stdin --yes <<<"version: 1"
	lab_run taker lb socat TCP-LISTEN:443,fork,reuseaddr /dev/null
	wait_for 5 lab_listens lb 443
	run ! tls_apply more="      other: $(tls_listener 444)"
	[[ $output == *socat* ]]
	tls_options=--force tls_apply more="      other: $(tls_listener 444)"
	wait_for 5 listener_state http failed
	[[ $(xlb_json .state.tls.trouble show listener edge http) == *socat* ]]
	[[ $(tls_url=https://a.example:444/ tls_get) == web* ]]
	tls_open kept -connect "$LAB_VIP4:444"
	[[ $(tls_talk kept) == web* ]]
	lab_kill taker
	wait_for 10 listener_state http serves
	[[ $(tls_get) == web* ]]
	[[ $(tls_talk kept) == web* ]]
}

# --- processes that die -----------------------------------------------------------------------------------

@test "kill -9 of xlbd: TLS goes on, the next one takes HAProxy over and can change it" {
	local master worker
	tls_apply
	master=$(haproxy_master) worker=$(haproxy_worker)
	tls_open kept
	[[ $(tls_talk kept) == web* ]]
	lab_kill xlbd KILL
	[[ $(tls_get) == web* ]]
	[[ $(tls_talk kept) == web* ]]
	lab_xlbd
	wait_for 5 all_up
	wait_for 5 listener_state http serves
	equal "HAProxy" "$(haproxy_master) $(haproxy_worker)" "$master $worker"
	equal "starts and reloads of it" "$(xlb_json '.tls | "\(.starts) \(.reloads)"' status)" "0 0"
	tls_apply listener="$(tls_listener '[443, 444]')"
	[[ $(tls_url=https://a.example:444/ tls_get) == web* ]]
	[[ $(tls_get) == web* ]]
	equal "the master" "$(haproxy_master)" "$master"
	[[ $(tls_talk kept) == web* ]]
}

serves_again() {
	tls_patience=5 tls_get
}

# other_than WHAT PID: WHAT prints another one
other_than() {
	local now
	now=$($1) && [ -n "$now" ] && [ "$now" != "$2" ]
}

@test "kill -9 of HAProxy's processes: TLS is there again, and TCP listeners never notice" {
	local pid
	tls_apply more="      plain: {protocol: tcp, port: 80, server_group: web}"
	wrk_start
	for pid in haproxy_worker haproxy_master; do
		was=$($pid)
		kill -KILL "$was"
		wait_for 20 other_than $pid "$was"
		wait_for 20 serves_again
		wait_for 5 listener_state http serves
	done
	wrk_end
}

# --- load ----------------------------------------------------------------------------------------------------

load_is_over() {
	lab_gone "$(cat "$LAB_DIR/pids/load")"
}

@test "nothing of this fails a request: certificate, drain, new server, new listener, kill -9 of xlbd" {
	local before
	tls_apply weights="100 100"
	rm -f "$LAB_DIR/load.log"
	# every connection has ten requests, so new ones are made all the time
	lab_run load client sh -c "i=0; while [ ! -e $LAB_DIR/enough ]; do
		h2load --h1 -n 2000 -c 20 -t 1 https://$LAB_VIP4/ || exit 1; done"
	client_sends 1000
	before=$(serial)
	tls_sign ca a a.example
	wait_for 10 serial_is_not "$before"
	xlb set server web web1 --enabled false
	client_sends 2000
	xlb set server web web1 --enabled true
	xlb add server web web3 '10.0.1.13:8080,[2001:db8:1::13]:8080'
	wait_for 5 all_up
	client_sends 2000
	tls_apply more="      other: $(tls_listener 444)"
	client_sends 2000
	lab_kill xlbd KILL
	client_sends 2000
	lab_xlbd
	wait_for 5 all_up
	client_sends 2000
	touch "$LAB_DIR/enough"
	wait_for 20 load_is_over
	rm "$LAB_DIR/enough" "$LAB_DIR/pids/load"
	grep -c '^requests:' "$LAB_DIR/load.log"
	run ! grep -E '^requests:' <(grep -v ' 0 failed, 0 errored, 0 timeout' "$LAB_DIR/load.log")
	run ! grep -E 'connect.*fail|error' <(grep -v '^requests:' "$LAB_DIR/load.log")
}

# --- interfaces -------------------------------------------------------------------------------------------------

listens_by() {
	in_ns lb ss -Htln 'sport = :443' | grep -o "%[a-z0-9]*:" | sort -u | tr -d '%:' | paste -sd ' '
}

listens_only_by() {
	[ "$(listens_by)" = "$1" ]
}

@test "HAProxy listens on attached interfaces, and on no others" {
	local master
	tls_apply
	equal "listens by" "$(listens_by)" "back front"
	xlb detach back --yes
	wait_for 10 listens_only_by front
	[[ $(tls_get) == web* ]]
	master=$(haproxy_master)
	xlb detach front --yes
	wait_for 10 listens_only_by ""
	wait_for 10 lab_gone "$master"
	xlb attach front
	xlb attach back
	wait_for 10 listens_only_by "back front"
	wait_for 10 serves_again
}

# --- secrets ---------------------------------------------------------------------------------------------------------

secrets() {
	find "/dev/shm/xlb-$XLB_INSTANCE-tls" "$TLS_RUN/tls" -type f 2>/dev/null
}

no_certificates_are_kept() {
	! secrets | grep -q crt-
}

@test "keys are root's alone, and nowhere else" {
	local file key
	tls_apply
	[ -n "$(secrets)" ]
	for file in $(secrets); do
		equal "mode of $file" "$(stat -c '%a %U' "$file")" "600 root"
	done
	equal "mode of their directory" "$(stat -c '%a %U' "$(dirname "$(secrets | head -n 1)")")" "700 root"
	equal "mode of HAProxy's configuration" "$(stat -c %a "$TLS_RUN/haproxy.cfg")" 600
	key=$(sed -n 2p "$TLS/a.key")
	{
		xlb export
		xlb --json status
		xlb --json show listener edge http
		cat "$TLS_RUN/haproxy.cfg" "$LAB_DIR/xlbd.log"
		cat "/var/lib/xlb-$XLB_INSTANCE/current"
	} >"$LAB_DIR/said"
	run ! grep -F "$key" "$LAB_DIR/said"
	run ! grep -F "PRIVATE KEY" "$LAB_DIR/said"
}

@test "without tls listeners HAProxy ends when its connections have, and its secrets go at once" {
	local master
	tls_apply
	master=$(haproxy_master)
	tls_open kept
	server=$(tls_talk kept)
	xlb rm listener edge http --yes
	wait_for 10 listens_only_by ""
	wait_for 10 no_certificates_are_kept
	tls_is kept "$server"
	tls_close
	wait_for 10 lab_gone "$master"
}
