# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What must hold in every forwarding mode. A VIP's ports are the servers' own, as modes of direct return keep
# them: nginx on 8080, tests/tools/echo on TCP 7000 and UDP 7001, dnsmasq on UDP 5300, iperf3 on 5201 of web1 only. The servers have
# the VIPs on their loopbacks and a way to the client past lb; only packets from a VIP take it.

SMALL=${LAB_SMALL:-10} # MiB

# modes_for_file two-arm|one-arm: for setup_file
modes_for_file() {
	local server
	lab_for_file "$1"
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_direct web1 web2 web3
	for server in web1 web2 web3; do
		lab_echo $server tcp 7000 udp 7001
		lab_dns $server
	done
	lab_run iperf3 web1 iperf3 -s
	wait_for 5 lab_listens web1 5201
	head -c "${SMALL}M" /dev/urandom >"$LAB_DIR/files/big"
}

# lab_dns SERVER: dnsmasq on port 5300, which knows by its name `who.test` which server it is, and has much to say of
# `big.test`
lab_dns() {
	local big
	big=$(printf ',%0200d' {1..16})
	lab_run "$1-dns" "$1" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --port=5300 \
		--no-resolv --no-hosts --txt-record="who.test,$1" --txt-record="big.test$big" --edns-packet-max=4096
	wait_for 5 lab_bound "$1" udp 5300
}

# mode FORWARD [KEY=VALUE...]: applies a configuration in which group web has forward: FORWARD. only: the
# family of the servers' addresses, 4 or 6; more: YAML lines of the group; check: keys of its health check;
# patience: how long it waits; servers: their numbers
mode() {
	local forward=$1 only="" more="" check="" patience=1s servers="1 2 3" vips="$LAB_VIP4, \"$LAB_VIP6\"" group
	shift
	for word; do
		local "${word%%=*}=${word#*=}"
	done
	{
		cat <<-END
			version: 1
			load_balancers:
			  edge:
			    addresses: [$vips]
			    listeners:
			      http: {protocol: tcp, port: 8080, server_group: web}
			      tcp: {protocol: tcp, port: 7000, server_group: web}
			      udp: {protocol: udp, port: 7001, server_group: web}
			      dns: {protocol: udp, port: 5300, server_group: web}
			      iperf: {protocol: tcp, port: 5201, server_group: one}
			server_groups:
		END
		for group in web one; do
			mode_group $group
		done
	} >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

mode_group() {
	local number address
	cat <<-END
		  $1:
		    forward: $forward
		    health_check: {${check}type: http, port: 8080, path: /healthz, interval: 200ms, timeout: ${patience:-1s}, healthy_threshold: 1, unhealthy_threshold: 2}
	END
	[ -z "$more" ] || echo "    $more"
	echo "    servers:"
	[ "$1" = web ] || servers=1
	for number in $servers; do
		case $only in
		4) address="10.0.1.1$number" ;;
		6) address="\"2001:db8:1::1$number\"" ;;
		*) address="[10.0.1.1$number, \"2001:db8:1::1$number\"]" ;;
		esac
		echo "      web$number: {address: $address}"
	done
}

# --- what is asked of a mode: with the family of the client, 4 or 6 ------------------------------------

vip() {
	if [ "$1" = 4 ]; then echo "$LAB_VIP4"; else echo "$LAB_VIP6"; fi
}

client_address() {
	if [ "$1" = 4 ]; then echo 198.51.100.2; else echo 2001:db8::2; fi
}

snat_address() {
	if [ "$1" = 4 ]; then echo 10.0.1.1; else echo 2001:db8:1::1; fi
}

# url VIP: of its web server
url() {
	case $1 in
	*:*) echo "http://[$1]:8080" ;;
	*) echo "http://$1:8080" ;;
	esac
}

# A question that comes in fragments, and an answer that does. Senders may first have to learn what fits.
fragments_arrive() {
	local answer
	answer=$(in_ns client dig +notcp +ignore +bufsize=4096 +tries=5 +time=2 -p 5300 "@$(vip "$1")" big.test TXT)
	[ "$(sed -n 's/^;; MSG SIZE .*: //p' <<<"$answer")" -gt 3200 ]
	in_ns client "$BATS_TEST_DIRNAME/large.py" "$(vip "$1")" 7001
}

# everything FAMILY ADDRESS: requests to every server, transfers both ways, datagrams, whole and in fragments, streams, and the
# address that servers see
everything() {
	local server
	transfers_are_unharmed "$1"
	datagrams_come_back "$1"
	names_resolve "$1"
	fragments_arrive "$1"
	streams_flow "$1"
	servers_see "$1" "$2"
}

# FAMILY [NAMESPACE]: from there, not from the client
transfers_are_unharmed() {
	download_is_unharmed "$@"
	upload_is_unharmed "$@"
}

download_is_unharmed() {
	in_ns "${2:-client}" curl -sS -g --max-time 120 "$(url "$(vip "$1")")/files/big" | cmp - "$LAB_DIR/files/big"
}

upload_is_unharmed() {
	local server
	server=$(in_ns "${2:-client}" curl -sS -g --max-time 120 -T "$LAB_DIR/files/big" -D - -o /dev/null \
		"$(url "$(vip "$1")")/upload/big" | tr -d '\r' | sed -n 's/^X-Server: //p')
	cmp "$LAB_DIR/$server/upload/big" "$LAB_DIR/files/big"
	rm "$LAB_DIR/$server/upload/big"
}

datagrams_come_back() {
	local answers server
	answers=$(ask -n 60 udp "$(vip "$1")" 7001)
	for server in web1 web2 web3; do
		within "datagrams answered by $server" "$(share $server <<<"$answers")" 5 45
	done
}

names_resolve() {
	local answer number
	for number in 1 2 3; do
		answer=$(in_ns client dig +short +tries=1 +time=10 -p 5300 "@$(vip "$1")" who.test TXT)
		[[ $answer == '"web'?'"' ]]
	done
}

# a moment of load each way; iperf3 fails unless all bytes arrive
streams_flow() {
	local option
	for option in -P2 -R; do
		in_ns client timeout 120 iperf3 -c "$(vip "$1")" -n "${SMALL}M" $option -J >"$LAB_DIR/iperf3.json"
	done
}

# servers_see FAMILY ADDRESS: and each is reached
servers_see() {
	local url answers
	url=$(url "$(vip "$1")")
	answers=$(for number in $(seq 60); do
		echo "url = $url/?$number"
	done | in_ns client curl -sS -g --max-time 120 -H 'Connection: close' -K - | sort -u)
	equal "who answers, and to whom" "$answers" "$(printf '%s\n' "web1 $2" "web2 $2" "web3 $2")"
}

# --- the way of the answers ----------------------------------------------------------------------------

# packets that xlb sent to clients
replies_through_xlb() {
	xlb_json '[.load_balancers[].listeners[].state.counters.packets_out] | add' status
}

# bytes that reached lb from the servers' side, by the kernel's own count
bytes_from_servers() {
	in_ns lb ip -s -j link show dev "$LAB_BACK" | jq '.[0].stats64.rx.bytes'
}

# past_xlb COMMAND...: while it runs, and in a download after it, the servers' answers do not touch lb. What may
# arrive there is the client's acknowledgements (in one-arm) and the answers to health checks.
past_xlb() {
	local before sent
	sent=$(replies_through_xlb)
	"$@"
	before=$(bytes_from_servers)
	in_ns client curl -sS -g --max-time 120 -o /dev/null "$(url "$(vip "$2")")/files/big"
	within "bytes that reached lb" $(($(bytes_from_servers) - before)) 0 $((SMALL << 18))
	equal "packets that xlb sent to clients" $(($(replies_through_xlb) - sent)) 0
}

# --- in the middle of a transfer -------------------------------------------------------------------------

# halfway up|down VIP: a transfer by web1 that stops soon after its beginning, in the background; returns when it
# is under way. the_other_half: lets it go on, waits for its end and fails unless all has arrived.
halfway() {
	half_port=$((${half_port:-22000 + BATS_TEST_NUMBER * 20} + 1)) half_way=$1
	rm -f "$LAB_DIR/go"
	set -- "$1" "$(url "$2")" curl -sS -g --max-time 120 --local-port $half_port
	if [ "$1" = down ]; then
		in_ns client "${@:3}" "$2/files/big" 3>&- | half >"$LAB_DIR/half" &
	else
		half <"$LAB_DIR/files/big" | in_ns client "${@:3}" -T - "$2/upload/half" 3>&- &
	fi
	half_pid=$!
	wait_for 5 half_is_there
}

half() {
	head -c 100k
	until [ -e "$LAB_DIR/go" ]; do
		sleep 0.02
	done
	cat
}

half_is_there() {
	[ "$(half_flow .state)" = established ]
}

# half_flow FIELD: of the transfer's flow
half_flow() {
	xlb_json ".flows[] | select(.client | endswith(\":$half_port\")) | $1" flow list
}

the_other_half() {
	local there=$LAB_DIR/half
	half_is_there
	touch "$LAB_DIR/go"
	wait "$half_pid"
	[ "$half_way" = down ] || there=$LAB_DIR/web1/upload/half
	cmp "$there" "$LAB_DIR/files/big"
	rm "$there"
}

# for teardown: a transfer that nobody lets go on
end_halfway() {
	[ -z "${half_pid:-}" ] || touch "$LAB_DIR/go"
}

# --- the loss of flows -----------------------------------------------------------------------------------

# For modes that keep the client's port: another xlb takes over, which knows nothing of the connections.
connection_outlives_its_flow() {
	local address first
	for address in "$LAB_VIP4" "$LAB_VIP6"; do
		conversation tcp "$address" 7000
		first=$(talk)
		[[ $first == web? ]]
		lab_kill xlbd
		rm -rf "/sys/fs/bpf/xlb-$XLB_INSTANCE"
		lab_xlbd
		wait_for 5 all_up
		equal "flows of the new one" "$(xlb_json .flows status)" 0
		equal "who goes on" "$(talk)" "$first"
		end_conversation
	done
}

# --- clients beside the servers --------------------------------------------------------------------------

# web4, which has no VIP on its loopback, where it would ask itself
neighbour() {
	[ ! -e "$LAB_DIR/web4" ] || return 0
	lab_server web4 14
	lab_web web4
}

# neighbour_asks VIP PATH [OPTION...]
neighbour_asks() {
	in_ns web4 curl -sS -g --max-time 120 "$(url "$1")$2" "${@:3}"
}

# fullnat_hairpin FAMILY ADDRESS: a server whose address is of the family asks the VIPs of which it is the server
fullnat_hairpin() {
	local vip
	neighbour
	mode fullnat servers=4 only="$1"
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		equal "the VIP $vip asked by its server" "$(neighbour_asks "$vip" /)" "web4 $2"
		neighbour_asks "$vip" /files/big | cmp - "$LAB_DIR/files/big"
		neighbour_asks "$vip" /upload/big -T "$LAB_DIR/files/big"
		cmp "$LAB_DIR/web4/upload/big" "$LAB_DIR/files/big"
		rm "$LAB_DIR/web4/upload/big"
	done
}

# A neighbour would be answered past xlb: it is fullnatted.
nat_serves_neighbours() {
	neighbour
	mode nat servers=1
	equal "over IPv4" "$(neighbour_asks "$LAB_VIP4" /)" "web1 10.0.1.1"
	equal "over IPv6" "$(neighbour_asks "$LAB_VIP6" /)" "web1 2001:db8:1::1"
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		neighbour_asks "$vip" /files/big | cmp - "$LAB_DIR/files/big"
	done
}
