# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# net_subjects.sh: the network of net.sh, and the load balancers that it compares. To be sourced after lab.sh.
#
# A subject is a row in bench_titles, `start_NAME`, which returns when it forwards, and, if that left something, `stop_NAME`.
# All serve a VIP's TCP port $bench_http and UDP port $bench_udp at the same ports of the servers, are given the same
# SNAT addresses if they use any, and only one of them is there at a time.

declare -A bench_titles=(
	[direct]="no LB" [pass]="no LB, XDP pass" [fullnat]="xlb fullnat" [nat]="xlb nat" [dr]="xlb dr" [nft]="nft dnat+snat" [nft-nat]="nft dnat"
	[haproxy]="HAProxy tcp" [nginx]="nginx stream"
)
bench_http=8080 bench_udp=7000
bench_clients=(198.51.100.2 198.51.100.3 198.51.100.4 198.51.100.5)
bench_snat=(10.0.1.1 10.0.1.2 10.0.1.3 10.0.1.4)
# All that XDP on a veth takes from its peer, so that it is the same without XDP; for the rest see lab_tune.
bench_segmentation=(tso off tx-udp-segmentation off tx-sctp-segmentation off tx-gso-list off)
export bench_offloads="tx off, gro on, ${bench_segmentation[*]}; XDP programs: xlb's only"

# join WORD...: with commas between
join() {
	local IFS=,
	echo "$*"
}

bench_titles_json() {
	local name
	for name in "${!bench_titles[@]}"; do
		jq -n --arg name "$name" --arg title "${bench_titles[$name]}" '{($name): $title}'
	done | jq -s add
}

# --- the network -----------------------------------------------------------------------------------

bench_network() {
	local name clients=("${bench_clients[@]/%//24}") snat=("${bench_snat[@]/%//24}")
	lab_network two-arm 2
	lab_pass off # a veth that has a program copies what its own stack receives
	lab_direct web1 web2
	lab_routing
	# a switch knows no netfilter
	[ ! -e /proc/sys/net/bridge ] || in_ns fabric sh -c 'echo 0 | tee /proc/sys/net/bridge/bridge-nf-call-*' >/dev/null
	for name in client lb web1 web2; do
		in_ns "$name" sh -c 'cd /proc/sys/net/ipv4; echo reno >tcp_congestion_control; echo 1 >tcp_tw_reuse'
	done
	for name in client:eth0 client:side lb:front lb:back fabric:to-lb fabric:to-side fabric:to-web1 fabric:to-web2 \
		web1:eth0 web2:eth0; do
		in_ns "${name%:*}" ethtool -K "${name#*:}" "${bench_segmentation[@]}" >/dev/null 2>&1
	done
	# the first ones are there already
	lab_address client eth0 "${clients[@]:1}"
	lab_address lb back "${snat[@]:1}"
	lab_address lb front "$LAB_VIP4/32" "$LAB_OTHER_VIP4/32"
	lab_web web1 web2
	lab_run udp1 web1 "$LAB_TOOLS/volley" serve $bench_udp 10.0.1.11 "$LAB_VIP4"
	lab_run udp2 web2 "$LAB_TOOLS/volley" serve $bench_udp 10.0.1.12 "$LAB_VIP4"
	for name in web1 web2; do
		wait_for 5 lab_bound "$name" udp $bench_udp
	done
}

# --- subjects --------------------------------------------------------------------------------------

# subject_addresses NAME: where its clients ask. The two of nftables have a VIP each: for 120 s conntrack knows what became
# of a client's port at a VIP, and takes a SYN that is now to go elsewhere for an error.
subject_addresses() {
	case $1 in
	direct | pass) echo 10.0.1.11 10.0.1.12 ;;
	nft-nat) echo "$LAB_OTHER_VIP4" ;;
	*) echo "$LAB_VIP4" ;;
	esac
}

# subject_can NAME MEASURE
subject_can() {
	[ "$1 $2" != "haproxy udp" ]
}

# subject_start NAME: fails with the reason on stderr
subject_start() {
	local address
	"start_$1" || return
	for address in $(subject_addresses "$1"); do
		wait_for 5 http "$address:$bench_http" /healthz || {
			http "$address:$bench_http" /healthz
			return 1
		}
	done
}

subject_stop() {
	! declare -F "stop_$1" >/dev/null || "stop_$1"
}

# need PROGRAM
need() {
	command -v "$1" >/dev/null || {
		echo "$1 is missing: scripts/deps.sh bench installs it" >&2
		return 1
	}
}

start_direct() {
	:
}

# What it costs that a veth copies each packet for XDP, which network cards do not
start_pass() {
	set_pass object "$LAB_TOOLS/pass.bpf.o" section xdp
}

stop_pass() {
	set_pass off
}

# set_pass WORDS: of ip link set xdp
set_pass() {
	in_ns lb ip link set "$LAB_FRONT" xdp "$@" && in_ns lb ip link set "$LAB_BACK" xdp "$@"
}

start_fullnat() {
	start_xlb fullnat "snat: {addresses: [$(join "${bench_snat[@]}")]}"
}

start_nat() {
	start_xlb nat
}

start_dr() {
	start_xlb dr
}

# start_xlb MODE [MORE]
start_xlb() {
	local group servers='{web1: {address: 10.0.1.11}, web2: {address: 10.0.1.12}}'
	{
		cat <<-END
			version: 1
			load_balancers:
			  edge:
			    addresses: [$LAB_VIP4]
			    address_management: none
			    listeners:
			      web: {protocol: tcp, port: $bench_http, server_group: web}
			      echo: {protocol: udp, port: $bench_udp, server_group: echo}
			server_groups:
		END
		for group in web echo; do
			printf '  %s:\n    forward: %s\n    health_check: {type: none}\n    servers: %s\n' $group "$1" "$servers"
			[ -z "${2:-}" ] || echo "    $2"
		done
	} >"$LAB_DIR/xlb.yaml"
	lab_xlbd && in_ns lb xlbctl attach "$LAB_FRONT" --no-confirm && in_ns lb xlbctl attach "$LAB_BACK" --no-confirm &&
		in_ns lb xlbctl apply "$LAB_DIR/xlb.yaml" --yes --now && wait_for 5 xlb_in_line
}

xlb_in_line() {
	[ "$(in_ns lb xlbctl --json status | jq .pending)" = false ]
}

# Also what has only begun to start. The daemon ends too: it would go on to sweep the flows that there were while others
# are measured.
stop_xlb() {
	in_ns lb xlbctl detach "$LAB_FRONT" --yes || true
	in_ns lb xlbctl detach "$LAB_BACK" --yes || true
	lab_kill xlbd
	! in_ns lb ip link show | grep prog/xdp
}

stop_fullnat() {
	stop_xlb
}

stop_nat() {
	stop_xlb
}

stop_dr() {
	stop_xlb
}

start_nft() {
	start_nft_rules "$(subject_addresses nft)" "ct status dnat snat to ${bench_snat[0]}-${bench_snat[-1]}"
}

start_nft-nat() {
	start_nft_rules "$(subject_addresses nft-nat)"
}

# start_nft_rules VIP [RULE]: of the chain after routing
start_nft_rules() {
	local protocol
	need nft && {
		echo "table ip bench {"
		echo "chain before { type nat hook prerouting priority dstnat;"
		for protocol in "tcp dport $bench_http" "udp dport $bench_udp"; do
			echo "ip daddr $1 $protocol dnat to jhash ip saddr . ${protocol% dport*} sport mod 2" \
				"map { 0 : 10.0.1.11, 1 : 10.0.1.12 }"
		done
		echo "}"
		echo "chain after { type nat hook postrouting priority srcnat;"
		echo "${2:-}"
		echo "}"
		echo "}"
	} | in_ns lb nft -f -
}

stop_nft() {
	! command -v nft || in_ns lb nft 'add table ip bench; delete table ip bench'
}

stop_nft-nat() {
	stop_nft
}

start_haproxy() {
	local address
	need haproxy && {
		cat <<-END
			global
			  maxconn 4000
			  nbthread 2
			defaults
			  mode tcp
			  timeout connect 5s
			  timeout client 1m
			  timeout server 1m
			listen web
			  bind $LAB_VIP4:$bench_http backlog 4096
		END
		# a source address for each pair of a server's lines, so that all are used
		for address in "${bench_snat[@]}"; do
			echo "  server web1-$address 10.0.1.11:$bench_http source $address"
			echo "  server web2-$address 10.0.1.12:$bench_http source $address"
		done
	} >"$LAB_DIR/haproxy.cfg" && lab_run haproxy lb haproxy -db -f "$LAB_DIR/haproxy.cfg" && proxy_listens haproxy
}

stop_haproxy() {
	lab_kill haproxy KILL
}

# proxy_listens NAME
proxy_listens() {
	wait_for 2 lab_listens lb $bench_http || {
		cat "$LAB_DIR/$1.log" >&2
		return 1
	}
}

start_nginx() {
	local modules
	modules=$(nginx -V 2>&1 | grep -o 'modules-path=[^ ]*')
	modules=${modules#*=}
	[ -e "$modules/ngx_stream_module.so" ] || {
		echo "nginx's stream module is missing: scripts/deps.sh bench installs it" >&2
		return 1
	}
	mkdir -p "$LAB_DIR/stream"
	cat >"$LAB_DIR/stream/nginx.conf" <<-END
		load_module $modules/ngx_stream_module.so;
		user root;
		worker_processes 2;
		pid nginx.pid;
		events { worker_connections 8192; }
		stream {
		  split_clients "\$remote_addr\$remote_port" \$snat {
		    25% ${bench_snat[0]}; 25% ${bench_snat[1]}; 25% ${bench_snat[2]}; * ${bench_snat[3]};
		  }
		  proxy_bind \$snat;
		  upstream web { server 10.0.1.11:$bench_http; server 10.0.1.12:$bench_http; }
		  upstream echo { server 10.0.1.11:$bench_udp; server 10.0.1.12:$bench_udp; }
		  server { listen $LAB_VIP4:$bench_http backlog=4096 reuseport; proxy_pass web; }
		  server { listen $LAB_VIP4:$bench_udp udp reuseport; proxy_pass echo; proxy_timeout 10s; }
		}
	END
	lab_run stream lb nginx -p "$LAB_DIR/stream" -e error.log -c nginx.conf -g 'daemon off;' && proxy_listens stream
}

stop_nginx() {
	lab_kill stream KILL
}
