#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# tls.sh [ROUNDS]: what a tls listener of xlb costs beside the same HAProxy run by hand, without xlb on the NICs: keep-alive
# requests and full handshakes a second, in turn, ROUNDS (5) times; prints both configurations, all rounds, the medians and
# their ratio. Needs root, build/ and the tools (`make all tools`).
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=tests/lab.sh
. tests/lab.sh
reason=$(lab_possible) || {
	echo "tls.sh: $reason" >&2
	exit 1
}
rounds=${1:-5}
lab_init xlbb
trap lab_cleanup EXIT
lab_network two-arm 2
lab_web web1 web2
# as XDP that only passes would cost both a copy
lab_pass off
tls=/etc/xlb-$XLB_INSTANCE/tls
mkdir -p "$tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tls/a.key" -out "$tls/a.pem" \
	-subj /CN=a.example -addext subjectAltName=DNS:a.example -days 30 2>/dev/null
chmod 600 "$tls/a.key"
cat "$tls/a.pem" "$tls/a.key" >"$LAB_DIR/hand.pem"

cat >"$LAB_DIR/xlb.yaml" <<-END
	version: 1
	interfaces: {$LAB_FRONT: {mode: native}, $LAB_BACK: {mode: native}}
	load_balancers:
	  edge:
	    addresses: $LAB_VIP4
	    listeners:
	      https: {protocol: tls, port: 443, server_group: web, certificates: [{chain: $tls/a.pem, key: $tls/a.key}]}
	server_groups:
	  web:
	    health_check: {type: none}
	    servers:
	      web1: {address: 10.0.1.11, port: 8080}
	      web2: {address: 10.0.1.12, port: 8080}
END
lab_xlbd
in_ns lb xlbctl apply "$LAB_DIR/xlb.yaml" --yes >/dev/null

serves() {
	in_ns client curl -sk --max-time 2 -o /dev/null "https://$1/"
}
wait_for 5 serves "$LAB_VIP4"
config=/run/xlb-$XLB_INSTANCE/haproxy.cfg

# By hand: what xlb's HAProxy has, on the host's own address, without what is xlb's alone.
sed -e "s/bind $LAB_VIP4:443 interface $LAB_FRONT transparent/bind 198.51.100.1:443/" \
	-e "/interface $LAB_BACK/d" -e '/stats /d' -e '/log/d' -e '/option/d' -e '/stick-table/d' -e '/track-sc0/d' \
	-e "s#crt crt-[^ ]*#crt $LAB_DIR/hand.pem#" -e '/crt-base/d' -e '/ca-base/d' -e '/^\tdescription/d' \
	"$config" >"$LAB_DIR/hand.cfg"
echo "--- xlb's"
cat "$config"
echo "--- by hand"
cat "$LAB_DIR/hand.cfg"
echo "---"

# requests ADDRESS: a second, on 64 connections that are kept
requests() {
	in_ns client wrk -t2 -c64 -d4s "https://$1/kib" | awk '/Requests\/sec/ { print int($2) }'
}

# handshakes ADDRESS: full ones a second, by eight clients at once
handshakes() {
	for _ in 1 2 3 4 5 6 7 8; do
		in_ns client openssl s_time -connect "$1:443" -new -time 3 2>/dev/null |
			awk '/connections in .*real seconds/ { print $1 / $4 }' &
	done | awk '{ sum += $1 } END { print int(sum) }'
}

by_xlb() {
	in_ns lb xlbctl apply "$LAB_DIR/xlb.yaml" --yes >/dev/null
	wait_for 5 serves "$LAB_VIP4"
	echo "$(requests "$LAB_VIP4") $(handshakes "$LAB_VIP4")"
}

by_hand() {
	in_ns lb xlbctl detach "$LAB_FRONT" --yes >/dev/null
	in_ns lb xlbctl detach "$LAB_BACK" --yes >/dev/null
	lab_run hand lb haproxy -db -f "$LAB_DIR/hand.cfg"
	wait_for 5 serves 198.51.100.1
	echo "$(requests 198.51.100.1) $(handshakes 198.51.100.1)"
	lab_kill hand
}

for round in $(seq "$rounds"); do
	echo "$round xlb $(by_xlb)"
	echo "$round hand $(by_hand)"
done | tee "$LAB_DIR/rounds"
awk '
	function median(who, column, n, i, j, values, t) {
		n = 0
		for (i = 1; i <= NR; i++)
			if (names[i] == who)
				values[++n] = numbers[i, column]
		for (i = 1; i <= n; i++)
			for (j = i + 1; j <= n; j++)
				if (values[j] < values[i]) { t = values[i]; values[i] = values[j]; values[j] = t }
		return values[int((n + 1) / 2)]
	}
	{ names[NR] = $2; numbers[NR, 1] = $3; numbers[NR, 2] = $4 }
	END {
		printf "keep-alive requests/s  xlb %d  by hand %d  ratio %.3f\n", median("xlb", 1), median("hand", 1), median("xlb", 1) / median("hand", 1)
		printf "full handshakes/s      xlb %d  by hand %d  ratio %.3f\n", median("xlb", 2), median("hand", 2), median("xlb", 2) / median("hand", 2)
	}' "$LAB_DIR/rounds"
