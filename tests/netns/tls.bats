#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Listeners that end TLS, as clients and servers meet them.

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
	for server in web1 web2 web3; do
		lab_well $server
	done
}

teardown() {
	end_of_tls_test
}

@test "curl over TLS 1.2 and 1.3, IPv4 and IPv6: the host asks the servers" {
	local version answer
	tls_apply
	for version in 1.2 1.3; do
		answer=$(tls_get --tlsv$version --tls-max $version)
		[[ $answer == "web"[123]" 10.0.1.1" ]]
		answer=$(tls_vip="[$LAB_VIP6]" tls_get --tlsv$version --tls-max $version)
		[[ $answer == "web"[123]" "* ]]
	done
	[[ $(tls_hello "$LAB_VIP6" 443 -tls1_2) == *"Protocol  : TLSv1.2"* ]]
	[[ $(tls_hello "$LAB_VIP6" 443) == *"New, TLSv1.3"* ]]
	for server in web1 web2 web3; do
		within "connections of 30 to $server" "$(tls_many 30 | tls_share $server)" 7 13
	done
}

@test "a large file down and up is unharmed" {
	local name
	tls_apply
	head -c 20M /dev/urandom >"$LAB_DIR/files/big"
	tls_url=https://a.example/files/big tls_get | cmp - "$LAB_DIR/files/big"
	name=$(tls_url=https://a.example/upload/big tls_vip="[$LAB_VIP6]" tls_get -T "$LAB_DIR/files/big" -D - -o /dev/null |
		tr -d '\r' | sed -n 's/^[Xx]-[Ss]erver: //p')
	cmp "$LAB_DIR/$name/upload/big" "$LAB_DIR/files/big"
	rm "$LAB_DIR/$name/upload/big"
}

@test "HTTP/2 is agreed on by ALPN, and goes to servers that speak it" {
	tls_apply port=8081 listener="$(tls_listener 443 'alpn: http2-only')"
	[[ $(tls_get --http2) == web*" HTTP/2.0" ]]
	equal "version" "$(tls_get --http2 -o /dev/null -w '%{http_version}')" 2
	[[ $(in_ns client nghttp -y "https://$LAB_VIP4/") == web*" HTTP/2.0" ]]
	[[ $(in_ns client nghttp -y "https://[$LAB_VIP6]/") == web*" HTTP/2.0" ]]
}

# alpn PORT: what a client that offers both gets
alpn() {
	tls_hello "$LAB_VIP4" "$1" -alpn h2,http/1.1 | sed -n 's/^ALPN protocol: //p; s/^No ALPN.*/none/p'
}

@test "ALPN: each policy's preference" {
	tls_apply more="      one: $(tls_listener 8441 'alpn: http1-only')
      two: $(tls_listener 8442 'alpn: http2-only')
      maybe: $(tls_listener 8443 'alpn: http2-optional')
      rather: $(tls_listener 8444 'alpn: http2-preferred')"
	equal "none" "$(alpn 443)" none
	equal "http1-only" "$(alpn 8441)" http/1.1
	equal "http2-only" "$(alpn 8442)" h2
	equal "http2-optional" "$(alpn 8443)" http/1.1
	equal "http2-preferred" "$(alpn 8444)" h2
}

# shown [S_CLIENT-OPTION...]: whose certificate clients see
shown() {
	tls_hello "$LAB_VIP4" 443 "$@" | sed -n 's/^subject=CN = //p'
}

@test "SNI chooses among three certificates, others get the first" {
	local name
	tls_apply
	for name in a.example b.example c.example; do
		equal "certificate for $name" "$(shown -servername $name)" $name
	done
	equal "certificate for an unknown name" "$(shown -servername unknown.example)" a.example
	equal "certificate for no name" "$(shown -noservername)" a.example
	[[ $(tls_url=https://c.example/ tls_get) == web* ]]
	tls_url=https://unknown.example/ run ! tls_get
}

# with_certificate PORT NAME: an answer to a client that shows that certificate, "none": it has none
with_certificate() {
	local shows=()
	[ "$2" = none ] || shows=(--cert "$TLS/$2.pem" --key "$TLS/$2.key")
	tls_url=https://a.example:$1/ tls_get "${shows[@]}"
}

@test "client certificates: who is let in with require and optional" {
	local auth="ca: $TLS/ca.pem, crl: $TLS/crl.pem" port name version
	tls_apply listener="$(tls_listener 443 "client_auth: {mode: require, $auth}")" \
		more="      optional: $(tls_listener 444 "client_auth: {mode: optional, $auth}")"
	for port in 443 444; do
		[[ $(with_certificate $port good) == web* ]]
		for name in foreign expired revoked; do
			run ! with_certificate $port $name
		done
	done
	run ! with_certificate 443 none
	[[ $(with_certificate 444 none) == web* ]]
}

@test "sessions are resumed, with TLS 1.2 and 1.3" {
	local version
	tls_apply
	for version in 1_2 1_3; do
		# a request, as tickets of 1.3 come after the handshake
		printf 'GET / HTTP/1.0\r\n\r\n' | in_ns client timeout 30 openssl s_client -connect "$LAB_VIP4:443" \
			-tls$version -quiet -sess_out "$LAB_DIR/session" 2>/dev/null
		[[ $(tls_hello "$LAB_VIP4" 443 -tls$version) == *"New, TLS"* ]]
		[[ $(tls_hello "$LAB_VIP4" 443 -tls$version -sess_in "$LAB_DIR/session") == *"Reused, TLS"* ]]
	done
}

# --- policies -------------------------------------------------------------------------------------------

STRICT_SUITES="ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384
	ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384
	ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA"
RSA_SUITES="AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA256 AES256-SHA256 AES128-SHA AES256-SHA"
# with both kinds of certificates HAProxy shows clients of TLS 1.0 and 1.1 that of RSA
OLD_SUITES="ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA AES128-SHA AES256-SHA"
NEW_SUITES="TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_CCM_SHA256 TLS_AES_128_CCM_8_SHA256"
NO_SUITES="ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES128-CCM"

# suite_is PORT VERSION yes|no SUITE...: whether a client with that version and suite alone is served
suite_is() {
	local port=$1 version=$2 wanted=$3 suite option is
	shift 3
	for suite; do
		option=-cipher
		[ "$version" != 1_3 ] || option=-ciphersuites
		is=no
		# the level lets the client's own library offer the old versions
		[ $option = -ciphersuites ] || suite+=:@SECLEVEL=0
		! tls_hello "$LAB_VIP4" "$port" -servername a.example "-tls$version" $option "$suite" |
			grep -qE "Cipher is ${suite%:@*}$" || is=yes
		equal "port $port serves $version ${suite%:@*}" "$is" "$wanted"
	done
}

@test "the system's policies serve their versions and suites, and no others" {
	local more="" port=8440 name
	for name in 1_0 1_1 1_2 1_2_strict 1_2_strict_with_1_3; do
		port=$((port + 1))
		more+="      p$port: $(certificates="a rsa" tls_listener $port "tls_policy: tls_cipher_policy_$name")"$'\n'
	done
	tls_apply more="${more%$'\n'}"
	# shellcheck disable=SC2086 # lists of words
	{
		for port in 8441 8442 8443; do
			suite_is $port 1_2 yes $STRICT_SUITES $RSA_SUITES
		done
		for port in 8444 8445; do
			suite_is $port 1_2 yes $STRICT_SUITES
			suite_is $port 1_2 no $RSA_SUITES
		done
		for port in 8441 8442 8443 8444; do
			suite_is $port 1_2 no $NO_SUITES
			suite_is $port 1_3 no $NEW_SUITES
		done
		suite_is 8445 1_3 yes $NEW_SUITES
		suite_is 8441 1 yes $OLD_SUITES
		suite_is 8441 1_1 yes $OLD_SUITES
		suite_is 8442 1 no $OLD_SUITES
		suite_is 8442 1_1 yes $OLD_SUITES
		for port in 8443 8444 8445; do
			suite_is $port 1 no $OLD_SUITES
			suite_is $port 1_1 no $OLD_SUITES
		done
	}
}

@test "DES-CBC3-SHA is served where a policy has it" {
	openssl ciphers DES-CBC3-SHA:@SECLEVEL=0 | grep -q DES-CBC3-SHA ||
		skip "the OpenSSL of this machine is built without DES-CBC3-SHA"
	tls_apply listener="$(certificates=rsa tls_listener 443 'tls_policy: tls_cipher_policy_1_0')"
	suite_is 443 1_2 yes DES-CBC3-SHA
}

@test "a policy of one's own" {
	tls_apply listener="$(tls_listener 443 'tls_policy: mine')" \
		top='tls_policies:
  mine: {versions: [TLSv1.2, TLSv1.3], ciphers: [ECDHE-ECDSA-AES256-GCM-SHA384, TLS_AES_256_GCM_SHA384]}'
	suite_is 443 1_2 yes ECDHE-ECDSA-AES256-GCM-SHA384
	suite_is 443 1_2 no ECDHE-ECDSA-AES128-GCM-SHA256
	suite_is 443 1_3 yes TLS_AES_256_GCM_SHA384
	suite_is 443 1_3 no TLS_AES_128_GCM_SHA256
	xlb set tls-policy mine --versions TLSv1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256
	wait_for 5 suite_is 443 1_2 yes ECDHE-ECDSA-AES128-GCM-SHA256
	suite_is 443 1_3 no TLS_AES_256_GCM_SHA384
}

# --- to servers ---------------------------------------------------------------------------------------------

@test "PROXY protocol tells servers the client's address and port" {
	local answer
	tls_apply port=8082 listener="$(tls_listener 443 'proxy_protocol: v2')"
	answer=$(tls_get)
	equal "client over IPv4" "${answer#web? }" "198.51.100.2:443"
	answer=$(tls_vip="[$LAB_VIP6]" tls_get)
	equal "client over IPv6" "${answer#web? }" "2001:db8::2:443"
}

@test "servers in TLS: trusted by their CA and name, or whoever they are" {
	tls_apply port=8083 listener="$(tls_listener 443 "alpn: http1-only, server_tls: {ca: $TLS/ca.pem}")" \
		more="      other: $(tls_listener 444 "server_tls: {ca: $TLS/other.pem, name: a.example}")
      named: $(tls_listener 445 "server_tls: {ca: $TLS/ca.pem, name: a.example}")
      misnamed: $(tls_listener 446 "server_tls: {ca: $TLS/ca.pem, name: b.example}")
      any: $(tls_listener 447 "server_tls: {verify: false}")"
	[[ $(tls_get) == web*" HTTP/1.1 a.example" ]]
	# the name that clients ask for is the one that servers must have
	tls_url=https://b.example/ run ! tls_get
	tls_url=https://a.example:444/ run ! tls_get
	[[ $(tls_url=https://b.example:445/ tls_get) == web*" a.example" ]]
	tls_url=https://a.example:446/ run ! tls_get
	[[ $(tls_url=https://b.example:447/ tls_get) == web*" b.example" ]]
}

@test "servers in TLS hear the protocol that clients have agreed on" {
	tls_apply port=8083 listener="$(tls_listener 443 "alpn: http2-only, server_tls: {verify: false}")" \
		more="      one: $(tls_listener 444 "alpn: http1-only, server_tls: {verify: false}")"
	[[ $(tls_get --http2) == web*" HTTP/2.0 a.example" ]]
	[[ $(tls_url=https://a.example:444/ tls_get --http2) == web*" HTTP/1.1 a.example" ]]
}

@test "lists and ranges of ports" {
	local port
	tls_apply listener="$(tls_listener '[443, 8443]')"
	for port in 443 8443; do
		[[ $(tls_url=https://a.example:$port/ tls_get) == web* ]]
	done
	# servers without a port are asked at the one that the client has asked for
	tls_apply port=0 listener="$(tls_listener 9000-9003)"
	for port in 9000 9001 9002 9003; do
		[[ $(tls_url=https://a.example:$port/ tls_get) == web*" $port" ]]
	done
	equal "listens on 9004" "$(in_ns lb ss -Htln 'sport = :9004')" ""
}

# --- which server ------------------------------------------------------------------------------------------------

# group_of NAME SERVER NUMBER [FIELDS]: a group of one server, for `top`
group_of() {
	cat <<-END
		  $1:
		    ${4:-forward: fullnat}
		    health_check: {type: http, port: 8080, path: /healthz, interval: 200ms, timeout: 5s, healthy_threshold: 1, unhealthy_threshold: 2}
		    servers:
		      $2: {address: [10.0.1.$3, "2001:db8:1::$3"], port: 8080}
	END
}

@test "two groups share new connections by their weights" {
	tls_apply weights="100 100" listener="$(group='{web: 3, other: 1}' tls_listener 443)" top="$(group_of other web3 13)"
	within "the quarter of 400" "$(tls_many 400 | tls_share web3)" 60 140
	xlb set listener edge http --server-group web=0,other=1
	tls_takes_all() {
		[ "$(tls_many 20 | tls_share web3)" = 20 ]
	}
	wait_for 5 tls_takes_all
}

@test "a fallback takes new connections while its group is down" {
	tls_apply weights="100 100" group="fallback: spare" top="$(group_of spare web3 13)"
	equal "of 20 to the fallback before" "$(tls_many 20 | tls_share web3)" 0
	tls_open kept
	lab_sick web1
	lab_sick web2
	wait_for 5 server_is web web1 down
	wait_for 5 server_is web web2 down
	only_spare() {
		[ "$(tls_many 20 | tls_share web3)" = 20 ]
	}
	wait_for 5 only_spare
	[[ $(tls_talk kept) == web[12] ]]
	lab_well web1
	no_spare() {
		[ "$(tls_many 20 | tls_share web1)" = 20 ]
	}
	wait_for 5 no_spare
}

# each of HAProxy's threads takes turns by itself: one connection more or less for each, and for where a turn began
@test "weights are followed" {
	local many few
	tls_apply weights="100 50 0"
	tls_many 60 >"$LAB_DIR/names"
	many=$(tls_share web1 <"$LAB_DIR/names")
	few=$(tls_share web2 <"$LAB_DIR/names")
	equal "connections answered by the two" $((many + few)) 60
	[ "$many" -ge 36 ] && [ "$many" -le 44 ] || {
		echo "of 60 to the server of weight 100: $many, should be about 40"
		return 1
	}
}

# of_30 SERVER MIN [MAX]: so many of 30 new connections reach it; for wait_for
of_30() {
	local many
	many=$(tls_many 30 | tls_share "$1")
	[ "$many" -ge "$2" ] && [ "$many" -le "${3:-$2}" ]
}

@test "a server of weight 0 and one that is disabled get no new connections, open ones go on" {
	tls_apply weights="100"
	tls_open kept
	tls_is kept web1
	xlb add server web web2 '10.0.1.12:8080,[2001:db8:1::12]:8080'
	wait_for 5 all_up
	xlb set server web web1 --weight 0
	wait_for 5 of_30 web1 0
	tls_is kept web1
	xlb set server web web1 --weight 100
	wait_for 5 of_30 web1 12 18
	xlb set server web web1 --enabled false
	wait_for 5 of_30 web1 0
	tls_is kept web1
	xlb set server web web1 --enabled true
	wait_for 5 of_30 web1 12 18
}

@test "a drain that is over ends the connections of its server" {
	tls_apply weights="100 100" group="drain: {timeout: 1s}"
	tls_open kept
	server=$(tls_talk kept)
	xlb set server web "$server" --enabled false
	wait_for 10 tls_is_cut kept
	equal "of 20 to it" "$(tls_many 20 | tls_share "$server")" 0
}

@test "a server that is removed drains: its connection goes on" {
	tls_apply weights="100 100"
	tls_open kept
	server=$(tls_talk kept)
	xlb rm server web "$server"
	wait_for 5 of_30 "$server" 0
	tls_is kept "$server"
}

@test "what is left of a server that was removed ends with its drain, in an old process of HAProxy" {
	tls_apply weights="100 100" group="drain: {timeout: 3s}"
	tls_open_to web1 kept
	tls_open_to web2 stays
	tls_open_to web1 too
	xlb rm server web web1
	tls_is kept web1
	wait_for 15 tls_is_cut kept
	wait_for 15 tls_is_cut too
	tls_is stays web2
}

# has_flows SERVER NUMBER: so many of it are known
has_flows() {
	[ "$(xlb_json .state.flows show server web "$1")" -ge "$2" ]
}

@test "wlc: who has fewest open connections gets the next one, of listeners without TLS, too" {
	local name
	tls_apply weights="100 100" group="scheduler: wlc" more="      plain: {protocol: tcp, port: 80, server_group: web}"
	xlb set server web web2 --enabled false
	wait_for 5 of_30 web2 0
	for name in a b c d; do
		tls_open $name
		tls_is $name web1
	done
	xlb set server web web2 --enabled true
	wait_for 5 all_up
	wait_for 5 haproxy_sends 10.0.1.12 yes
	for name in e f; do
		tls_open $name
		tls_is $name web2
	done
	wait_for 5 has_flows web1 4
	# the datapath is told of connections once a second
	wait_for 5 takes_plain web2
	tls_open g
	tls_is g web2
}

# takes_plain SERVER: it answers two connections to port 80, one after the other
takes_plain() {
	local number
	for number in 1 2; do
		[ "$(in_ns client curl -sS --max-time 10 "http://$LAB_VIP4/?$number" | cut -d' ' -f1)" = "$1" ] || return
	done
}

@test "a server that fails its health check gets no new connections, open ones go on" {
	tls_apply weights="100"
	tls_open kept
	tls_is kept web1
	xlb add server web web2 '10.0.1.12:8080,[2001:db8:1::12]:8080'
	wait_for 5 all_up
	lab_sick web1
	wait_for 5 server_is web web1 down
	wait_for 5 of_30 web1 0
	tls_is kept web1
	lab_well web1
	wait_for 5 of_30 web1 12 18
}

@test "on_down: reset ends the connections of a server that went down" {
	tls_apply weights="100 100" group="on_down: reset"
	tls_open kept
	server=$(tls_talk kept)
	lab_sick "$server"
	wait_for 10 tls_is_cut kept
	[[ $(tls_get) == web* ]]
}

@test "affinity and hash: source keep a client with one server" {
	local fields
	for fields in "affinity: {timeout: 60s}" "hash: source"; do
		tls_apply group="$fields"
		equal "servers that answered, $fields" "$(tls_many 30 | sort -u | wc -l)" 1
	done
}

@test "hash: source chooses among groups by the client, too" {
	tls_apply weights="100 100" group="hash: source" listener="$(group='{web: 1, other: 1}' tls_listener 443)" \
		top="$(group_of other web3 13 'hash: source')"
	equal "servers that answered" "$(tls_many 30 | sort -u | wc -l)" 1
}

# --- in the datapath ----------------------------------------------------------------------------------------------

counter() {
	xlb_json ".state.counters.$1" show listener edge http
}

has_dropped() {
	[ "$(drops "$1")" -gt "$2" ]
}

@test "security groups hold: HAProxy never hears of those that they refuse" {
	local before
	in_ns client ip address add 198.51.100.3/24 dev eth0
	tls_apply listener="$(tls_listener 443 'security_groups: some')" top='security_groups:
  some:
    default: allow
    rules: [{action: deny, source: 198.51.100.3}]'
	[[ $(tls_get) == web* ]]
	before=$(haproxy_sessions)
	tls_patience=2 run ! tls_get --interface 198.51.100.3
	equal "connections that HAProxy saw meanwhile" $(($(haproxy_sessions) - before)) 0
	[[ $(tls_get) == web* ]]
	in_ns client ip address del 198.51.100.3/24 dev eth0
}

@test "limits.connections holds for a tls listener, too" {
	local before
	tls_apply listener="$(tls_listener 443 'limits: {connections: 2}')"
	# of connections that HAProxy has reset, in tests before, xlb has heard no end
	xlb flow kill --all --yes
	tls_open one
	tls_open two
	[[ $(tls_talk one) == web* ]]
	[[ $(tls_talk two) == web* ]]
	before=$(drops limit_connections)
	tls_patience=2 run ! tls_get
	wait_for 5 has_dropped limit_connections "$before"
	[[ $(tls_talk one) == web* ]]
	# one that its client has closed does not count any more
	tls_close two
	[[ $(tls_get) == web* ]]
	[[ $(tls_get) == web* ]]
	flows_are() {
		[ "$(xlb_json .state.flows show listener edge http)" = "$1" ]
	}
	wait_for 5 flows_are 1
}

@test "flows and packets of the listener are counted, flows listed" {
	local flows packets
	tls_apply
	flows=$(counter flows_created)
	packets=$(counter packets_in)
	tls_many 10 >/dev/null
	equal "flows created" $(($(counter flows_created) - flows)) 10
	[ "$(counter packets_in)" -gt "$((packets + 50))" ]
	xlb flow kill --all --yes
	tls_open kept
	[[ $(tls_talk kept) == web* ]]
	equal "flows of the open connection" "$(xlb_json .matched flow list --listener edge/http --state established)" 1
}
