# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests of tls listeners share: certificates, servers of several protocols, clients of TLS.

# tls_for_file: for setup_file. Two-arm, three servers; nothing where a lab or TLS is not possible.
tls_for_file() {
	tls_possible >/dev/null || return 0
	lab_for_file two-arm 3
	[ -n "${LAB_DIR:-}" ] || return 0
	TLS=/etc/xlb-$XLB_INSTANCE/tls
	TLS_RUN=/run/xlb-$XLB_INSTANCE
	export TLS TLS_RUN
	tls_authorities
	for name in web1 web2 web3; do
		tls_web $name
	done
}

tls_possible() {
	local tool
	for tool in haproxy:haproxy nghttp:nghttp2-client h2load:nghttp2-client openssl:openssl socat:socat; do
		command -v "${tool%:*}" >/dev/null || {
			echo "${tool%:*} is missing: apt install ${tool#*:}"
			return 1
		}
	done
}

# for setup
skip_without_tls() {
	local reason
	skip_without_lab
	reason=$(tls_possible) || skip "$reason"
}

# --- certificates ----------------------------------------------------------------------------------

# Authorities `ca` and `other`, and what they have signed, all in $TLS: for listeners a, b, c (EC) and rsa, which is for
# a.example too; for clients good, revoked, expired and, of `other`, foreign.
tls_authorities() {
	mkdir -p "$TLS" "$LAB_DIR/ca" "$LAB_DIR/other"
	tls_authority ca
	tls_authority other
	tls_sign ca a a.example
	tls_sign ca b b.example
	tls_sign ca c c.example
	tls_sign ca rsa a.example rsa:2048
	tls_sign ca good good.example
	tls_sign ca revoked revoked.example
	tls_sign other foreign foreign.example
	tls_sign ca expired expired.example ec 20200101000000Z 20210101000000Z
	tls_openssl ca -config "$LAB_DIR/ca/config" -revoke "$TLS/revoked.pem"
	tls_openssl ca -config "$LAB_DIR/ca/config" -gencrl -crldays 30 -out "$TLS/crl.pem"
}

# tls_openssl ...: openssl, heard only when it fails
tls_openssl() {
	openssl "$@" >"$LAB_DIR/openssl.log" 2>&1 || {
		cat "$LAB_DIR/openssl.log"
		return 1
	}
}

# tls_authority NAME: $TLS/NAME.pem, its key and its book in $LAB_DIR/NAME
tls_authority() {
	local dir=$LAB_DIR/$1
	touch "$dir/index"
	cat >"$dir/config" <<-END
		[ca]
		default_ca = book
		[book]
		database = $dir/index
		new_certs_dir = $dir
		certificate = $TLS/$1.pem
		private_key = $dir/key
		default_md = sha256
		policy = any
		unique_subject = no
		rand_serial = yes
		copy_extensions = copy
		[any]
		commonName = supplied
	END
	tls_openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300 -subj "/CN=$1" \
		-addext keyUsage=keyCertSign,cRLSign -keyout "$dir/key" -out "$TLS/$1.pem"
}

# tls_sign AUTHORITY NAME DNS-NAME [ec|rsa:BITS [FROM TO]]: $TLS/NAME.pem and NAME.key
tls_sign() {
	local dir=$LAB_DIR/$1 key=(ec -pkeyopt ec_paramgen_curve:P-256) days=(-days 200)
	[ "${4:-ec}" = ec ] || key=("$4")
	[ $# -lt 6 ] || days=(-startdate "$5" -enddate "$6")
	tls_openssl req -newkey "${key[@]}" -nodes -subj "/CN=$3" -addext "subjectAltName=DNS:$3" \
		-keyout "$TLS/$2.key" -out "$dir/$2.csr"
	tls_openssl ca -config "$dir/config" -batch -notext "${days[@]}" -in "$dir/$2.csr" -out "$TLS/$2.pem"
	chmod 600 "$TLS/$2.key"
}

# --- servers ----------------------------------------------------------------------------------------

# tls_web NAME: a second nginx: 8081 HTTP/2 in plain, 8082 behind PROXY protocol, 8083 TLS as a.example,
# 9000-9003 plain. / answers
# "NAME CLIENT-ADDRESS PROTOCOL ASKED-NAME".
tls_web() {
	local dir=$LAB_DIR/$1-tls
	mkdir -p "$dir/temp"
	cat >"$dir/nginx.conf" <<-END
		user root;
		worker_processes 1;
		pid nginx.pid;
		events { worker_connections 4096; }
		http {
		  access_log off;
		  default_type text/plain;
		  client_body_temp_path temp/body; proxy_temp_path temp/proxy; fastcgi_temp_path temp/fastcgi;
		  uwsgi_temp_path temp/uwsgi; scgi_temp_path temp/scgi;
		  server {
		    listen 8081 http2; listen [::]:8081 ipv6only=on http2;
		    location / { return 200 "$1 \$remote_addr \$server_protocol\n"; }
		  }
		  server {
		    listen 8082 proxy_protocol; listen [::]:8082 ipv6only=on proxy_protocol;
		    location / { return 200 "$1 \$proxy_protocol_addr:\$proxy_protocol_server_port\n"; }
		  }
		  server {
		    listen 9000-9003; listen [::]:9000-9003 ipv6only=on;
		    location / { return 200 "$1 \$server_port\n"; }
		  }
		  server {
		    listen 8083 ssl http2; listen [::]:8083 ipv6only=on ssl http2;
		    ssl_certificate $TLS/a.pem; ssl_certificate_key $TLS/a.key;
		    location / { return 200 "$1 \$remote_addr \$server_protocol \$ssl_server_name\n"; }
		  }
		}
	END
	lab_run "$1-tls" "$1" nginx -p "$dir" -e error.log -c nginx.conf -g 'daemon off;'
	wait_for 5 lab_listens "$1" 8083 || {
		cat "$LAB_DIR/$1-tls.log"
		return 1
	}
}

# --- configuration -----------------------------------------------------------------------------------

# tls_listener PORT [FIELDS]: a listener of group $group (web) with the certificates $certificates (a b c)
tls_listener() {
	local name list=""
	for name in ${certificates:-a b c}; do
		list+="${list:+, }{chain: $TLS/$name.pem, key: $TLS/$name.key}"
	done
	echo "{protocol: tls, port: $1, server_group: ${group:-web}, certificates: [$list]${2:+, $2}}"
}

# tls_config PART...: as `config`, with `more`: listeners behind the first, and `top`: text at the end (more groups, sections)
tls_config() {
	local part parts=() more="" top="" listener
	listener=$(tls_listener 443)
	for part; do
		case $part in
		more=*) more=${part#more=} ;;
		top=*) top=${part#top=} ;;
		listener=*) listener=${part#listener=} ;;
		*) parts+=("$part") ;;
		esac
	done
	config listener="$listener${more:+$'\n'$more}" "${parts[@]}"
	[ -z "$top" ] || echo "$top"
}

# tls_apply PART...: applies it, with the options $tls_options; returns when servers are up and HAProxy does as it says
tls_apply() {
	tls_config "$@" >"$LAB_DIR/test.yaml"
	# shellcheck disable=SC2086 # words
	xlb apply "$LAB_DIR/test.yaml" --yes --now ${tls_options:-} >"$LAB_DIR/apply.log" || return
	wait_for 5 all_up || {
		cat "$LAB_DIR/apply.log"
		xlb status
		return 1
	}
}

# --- HAProxy ------------------------------------------------------------------------------------------

# haproxy_ask COMMAND: of the worker that takes connections
haproxy_ask() {
	echo "$1" | timeout 10 socat - "$TLS_RUN/haproxy.sock"
}

# haproxy_sessions: how many connections its listeners have accepted
haproxy_sessions() {
	haproxy_ask 'show stat' | awk -F, '$2 == "FRONTEND" && $1 ~ /^l/ { sum += $8 } END { print sum + 0 }'
}

# haproxy_master, haproxy_worker: their process ids
haproxy_master() {
	cat "$TLS_RUN/haproxy.pid"
}
haproxy_worker() {
	haproxy_ask 'show info' | sed -n 's/^Pid: //p'
}

# haproxy_sends SERVER yes|no: whether it gives the server of that address new connections
haproxy_sends() {
	local up no=no
	up=$(haproxy_ask 'show servers state' | awk -v addr="$1" '$5 == addr && $7 == 0 { print "yes" }' | head -n 1)
	[ "${up:-$no}" = "$2" ]
}

# --- clients -------------------------------------------------------------------------------------------

# tls_get [CURL-OPTION...]: https://a.example/ at the IPv4 VIP, or what $tls_url, $tls_vip say
tls_get() {
	local host=${tls_url:-https://a.example/} port=443
	host=${host#https://} host=${host%%/*}
	[ "${host#*:}" = "$host" ] || port=${host#*:}
	in_ns client curl -sS -g --max-time "${tls_patience:-30}" --cacert "$TLS/ca.pem" \
		--resolve "${host%:*}:$port:${tls_vip:-$LAB_VIP4}" "$@" "${tls_url:-https://a.example/}"
}

# tls_many NUMBER: who answers so many new connections, one name a line
tls_many() {
	local number
	for number in $(seq "$1"); do
		printf 'url = "%s?%s"\n' "${tls_url:-https://a.example/}" "$number"
	done >"$LAB_DIR/many"
	in_ns client curl -sS -g --max-time 120 --cacert "$TLS/ca.pem" -H 'Connection: close' \
		--resolve "a.example:443:${tls_vip:-$LAB_VIP4}" -K "$LAB_DIR/many" | cut -d' ' -f1
}

# tls_share NAME <names: how many are that
tls_share() {
	grep -cx "$1" || true
}

# tls_hello ADDRESS PORT [S_CLIENT-OPTION...]: a handshake, and what openssl says about it
tls_hello() {
	local address=$1 port=$2
	shift 2
	in_ns client timeout 30 openssl s_client -connect "[$address]:$port" -CAfile "$TLS/ca.pem" "$@" </dev/null 2>&1
}

# --- connections held open ------------------------------------------------------------------------------

declare -gA tls_pids tls_ins tls_outs
# tls_open NAME [S_CLIENT-OPTION...]: a connection to the VIP's port 443 that stays; tls_talk sends a request on it and
# prints the name of the server that answers
tls_open() {
	local name=$1 in out
	shift
	rm -f "$LAB_DIR/$name.in" "$LAB_DIR/$name.out"
	mkfifo "$LAB_DIR/$name.in" "$LAB_DIR/$name.out"
	nsenter --net="/run/netns/$LAB-client" -- openssl s_client -quiet -connect "$LAB_VIP4:443" \
		-servername a.example -CAfile "$TLS/ca.pem" "$@" \
		<"$LAB_DIR/$name.in" >"$LAB_DIR/$name.out" 2>"$LAB_DIR/$name.err" 3>&- &
	tls_pids[$name]=$!
	exec {in}>"$LAB_DIR/$name.in" {out}<"$LAB_DIR/$name.out"
	tls_ins[$name]=$in
	tls_outs[$name]=$out
}

tls_talk() {
	local line
	printf 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n' >&"${tls_ins[$1]}"
	while read -r -t 30 line <&"${tls_outs[$1]}"; do
		[[ $line != web* ]] || {
			echo "${line%% *}"
			return
		}
	done
	echo "nobody: $(tail -n 1 "$LAB_DIR/$1.err")"
	return 1
}

# tls_is NAME SERVER: the connection goes on, with that server
tls_is() {
	equal "who answers on connection $1" "$(tls_talk "$1")" "$2"
}

tls_is_cut() {
	! kill -0 "${tls_pids[$1]}"
}

# tls_open_to SERVER NAME: one that this server has. Whose turn it is cannot be foretold: a weight that HAProxy is told
# moves its server in the order.
tls_open_to() {
	local _
	for _ in $(seq 10); do
		tls_open "$2"
		[ "$(tls_talk "$2")" != "$1" ] || return 0
		tls_close "$2"
	done
	echo "none of 10 connections went to $1"
	return 1
}

# tls_close [NAME...]: these, or all
tls_close() {
	local name in out
	[ $# -gt 0 ] || set -- "${!tls_pids[@]}"
	for name; do
		in=${tls_ins[$name]} out=${tls_outs[$name]}
		exec {in}>&- {out}<&-
		kill "${tls_pids[$name]}" 2>/dev/null || true
		wait "${tls_pids[$name]}" || true
		unset "tls_pids[$name]"
	done
}

# for teardown
end_of_tls_test() {
	tls_close
	end_of_test
	[ -n "${BATS_TEST_COMPLETED:-}" ] || haproxy_ask 'show servers state' | tail -n +2 | cut -d' ' -f2,4-8
}
