# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What must hold in every forwarding mode. A VIP's ports are the servers' own, as modes of direct return keep
# them: nginx on 8080, tests/tools/echo on TCP 7000 and UDP 7001, iperf3 on 5201 of web1 only. The servers have
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
	done
	lab_run iperf3 web1 iperf3 -s
	wait_for 5 lab_listens web1 5201
	head -c "${SMALL}M" /dev/urandom >"$LAB_DIR/files/big"
	head -c 4M /dev/urandom >"$LAB_DIR/files/slow"
}

# mode FORWARD [KEY=VALUE...]: applies a configuration in which group web has forward: FORWARD. only: the
# family of the servers' addresses, 4 or 6; more: YAML lines of the group; check: keys of its health check;
# servers: their numbers
mode() {
	local forward=$1 only="" more="" check="" servers="1 2 3" vips="$LAB_VIP4, \"$LAB_VIP6\"" group
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
		    health_check: {${check}type: http, port: 8080, path: /healthz, interval: 200ms, timeout: 200ms, healthy_threshold: 1, unhealthy_threshold: 2}
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

# everything FAMILY ADDRESS: requests to every server, transfers both ways, datagrams and streams, and the
# address that servers see
everything() {
	local server
	transfers_are_unharmed "$1"
	datagrams_come_back "$1"
	streams_flow "$1"
	servers_see "$1" "$2"
}

transfers_are_unharmed() {
	local url server
	url=$(url "$(vip "$1")")
	in_ns client curl -sS -g --max-time 30 "$url/files/big" | cmp - "$LAB_DIR/files/big"
	server=$(in_ns client curl -sS -g --max-time 30 -T "$LAB_DIR/files/big" -D - -o /dev/null "$url/upload/big" |
		tr -d '\r' | sed -n 's/^X-Server: //p')
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

# a moment of load each way; iperf3 fails unless all bytes arrive
streams_flow() {
	local option
	for option in -P2 -R; do
		in_ns client timeout 30 iperf3 -c "$(vip "$1")" -n "${SMALL}M" $option -J >"$LAB_DIR/iperf3.json"
	done
}

# servers_see FAMILY ADDRESS: and each is reached
servers_see() {
	local url answers
	url=$(url "$(vip "$1")")
	answers=$(for number in $(seq 60); do
		echo "url = $url/?$number"
	done | in_ns client curl -sS -g --max-time 20 -H 'Connection: close' -K - | sort -u)
	equal "who answers, and to whom" "$answers" "$(printf '%s\n' "web1 $2" "web2 $2" "web3 $2")"
}

# --- the way of the answers ----------------------------------------------------------------------------

# replies_through_xlb: packets that xlb sent to clients since the configuration was applied
replies_through_xlb() {
	xlb_json '[.load_balancers[].listeners[].state.counters.packets_out] | add' status
}

# bytes that reached lb from the servers' side, by the kernel's own count
bytes_from_servers() {
	in_ns lb ip -s -j link show dev "$LAB_BACK" | jq '.[0].stats64.rx.bytes'
}

# past_xlb COMMAND...: while it runs the servers' answers do not touch lb. Health checks do, and in one-arm
# what the client sends: so the most that may arrive there is a part of what the transfers measure.
past_xlb() {
	local before
	before=$(bytes_from_servers)
	"$@"
	equal "packets that xlb sent to clients" "$(replies_through_xlb)" 0
	[ "$LAB_SHAPE" = one-arm ] ||
		within "bytes from the servers to lb" $(($(bytes_from_servers) - before)) 0 $((SMALL << 18))
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
