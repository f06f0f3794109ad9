# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# lab.sh: a network in namespaces, for the demo, the namespace tests and the benches. To be sourced.
#
#   two-arm                                              one-arm
#   client                 lb              servers       client          lb            servers
#   198.51.100.2           front  back     10.0.1.11..   198.51.100.2    eth0          10.0.1.11..
#   2001:db8::2    eth0 -- .1        .1 -- 2001:db8:1::11..       \       |  .1         /
#                          2001:db8::1                             +-- bridge of `fabric`
#                          2001:db8:1::1                          lb's eth0 has both subnets
#
# In two-arm the servers hang on a bridge in a namespace `fabric` as well. VIPs are for the caller to
# choose: LAB_VIP4, LAB_VIP6 and their seconds are free in the client's subnet.
#
# How to use it:
#   lab_init xlbt-$$; trap lab_cleanup EXIT   names namespaces xlbt-$$-client..., a folder, an instance of xlb
#   lab_network two-arm 3                     namespaces client, lb, fabric, web1, web2, web3
#   lab_web web1 web2 web3                    nginx on port 8080 of each
#   lab_xlbd                                  the daemon in lb
#   in_ns client curl http://$LAB_VIP4/
#
# Never `ip netns exec`: it mounts a new /sys, in which the pins of /sys/fs/bpf are missing.

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_BUILD=${BUILD:-$LAB_ROOT/build}
case $LAB_BUILD in /*) ;; *) LAB_BUILD=$LAB_ROOT/$LAB_BUILD ;; esac
LAB_TOOLS=$LAB_BUILD/tests/tools
LAB_VIP4=198.51.100.10 LAB_VIP6=2001:db8::10
LAB_OTHER_VIP4=198.51.100.20 LAB_OTHER_VIP6=2001:db8::20
export LAB_ROOT LAB_BUILD LAB_TOOLS LAB_VIP4 LAB_VIP6 LAB_OTHER_VIP4 LAB_OTHER_VIP6

# Prints what this machine lacks for a lab and fails, or succeeds.
lab_possible() {
	if [ "$(id -u)" != 0 ]; then
		echo "needs root"
		return 1
	fi
	if [ "$(stat -f -c %t /sys/fs/bpf 2>/dev/null)" != cafe4a11 ]; then
		echo "no BPF file system on /sys/fs/bpf"
		return 1
	fi
	if ! ip netns add "xlb-try$$" 2>/dev/null; then
		echo "network namespaces cannot be made here"
		return 1
	fi
	ip netns del "xlb-try$$"
}

# lab_names NAME: what belongs to the lab of that name, without making anything
lab_names() {
	LAB=$1
	LAB_DIR=${TMPDIR:-/tmp}/xlb-lab-$LAB
	XLB_INSTANCE=$LAB
	PATH=$LAB_BUILD:$PATH:/usr/sbin:/sbin
	export LAB LAB_DIR XLB_INSTANCE PATH
}

# lab_init NAME: [a-z0-9-]; nothing of that name may be there
lab_init() {
	lab_names "$1"
	mkdir -m 755 "$LAB_DIR"
	mkdir "$LAB_DIR/pids"
}

# in_ns NAMESPACE COMMAND...: NAMESPACE by its short name
in_ns() {
	local name=$1
	shift
	nsenter --net="/run/netns/$LAB-$name" -- "$@"
}

# wait_for SECONDS COMMAND...: runs the command until it succeeds; fails when the time is over.
# LAB_PATIENCE multiplies the time, which is that of a machine with nothing else to do: others are slower, and waiting for
# what does come costs nothing.
wait_for() {
	local fraction=000000 deadline pause=20
	case $1 in *.*) fraction=${1#*.}000000 ;; esac
	deadline=$((${EPOCHREALTIME/[.,]/} + (10#${1%.*} * 1000000 + 10#${fraction:0:6}) * ${LAB_PATIENCE:-6}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] || return 1
		sleep 0.0$pause
		# what takes long is asked for less often: each time costs several processes
		[ $pause -ge 80 ] || pause=$((pause * 5 / 4))
	done
}

# --- network -------------------------------------------------------------------------------------

lab_namespace() {
	local name=$1
	ip netns add "$LAB-$name"
	in_ns "$name" sh -c '
		cd /proc/sys/net
		for scope in all default; do
			echo 0 >ipv6/conf/$scope/accept_dad
			echo 0 >ipv6/conf/$scope/accept_ra
			echo 0 >ipv4/conf/$scope/rp_filter
		done
		ip link set lo up'
}

# lab_veth NS DEVICE NS DEVICE MAC: a cable. The MAC is the first end's; the other's has 1 as its fourth byte.
# The kernel's tracepoints know interfaces by number only, for all namespaces: each lab has numbers of its own.
lab_veth() {
	local peer_mac=${5%:*:*:*}:01:${5#*:*:*:*:}
	lab_index=$((${lab_index:-1000 + $$ % 100000 * 64} + 2))
	ip link add "$2" index $lab_index address "$5" netns "$LAB-$1" type veth \
		peer name "$4" index $((lab_index + 1)) address "$peer_mac" netns "$LAB-$3"
	lab_tune "$1" "$2"
	lab_tune "$3" "$4"
}

# Makes an end of a veth behave like a NIC: complete checksums, frames of a redirect are received (gro
# starts NAPI; the other end learns of it only if gro is switched on while this one is up), and bursts are
# queued.
lab_tune() {
	in_ns "$1" sh -c 'tc qdisc add dev "$1" root pfifo limit 2000 && ip link set "$1" up &&
		ethtool -K "$1" tx off gro off >/dev/null && ethtool -K "$1" gro on >/dev/null' sh "$2"
}

# lab_address NS DEVICE ADDRESS...
lab_address() {
	local name=$1 device=$2
	shift 2
	for address; do
		case $address in
		*:*) echo "address add $address dev $device nodad" ;;
		*) echo "address add $address dev $device" ;;
		esac
	done | in_ns "$name" ip -batch -
}

# lab_network two-arm|one-arm SERVERS
lab_network() {
	local shape=$1 servers=$2 number
	LAB_SHAPE=$shape
	for number in client lb fabric; do
		lab_namespace "$number"
	done
	in_ns fabric ip link add bridge0 type bridge forward_delay 0 mcast_snooping 0
	in_ns fabric ip link set bridge0 up
	if [ "$shape" = two-arm ]; then
		LAB_FRONT=front LAB_BACK=back
		lab_veth client eth0 lb front 02:00:00:00:00:02
		lab_veth lb back fabric to-lb 02:00:00:00:00:01
		lab_plug to-lb
	else
		LAB_FRONT=eth0 LAB_BACK=eth0
		lab_veth lb eth0 fabric to-lb 02:00:00:00:00:01
		lab_veth client eth0 fabric to-client 02:00:00:00:00:02
		lab_plug to-lb
		lab_plug to-client
	fi
	lab_pass on
	export LAB_SHAPE LAB_FRONT LAB_BACK
	lab_address lb $LAB_FRONT 198.51.100.1/24 2001:db8::1/64
	lab_address lb $LAB_BACK 10.0.1.1/24 2001:db8:1::1/64
	lab_address client eth0 198.51.100.2/24 2001:db8::2/64
	# many connections from one address; not in lb, whose SNAT ports are those the host leaves free
	in_ns client sh -c 'echo "1024 65535" >/proc/sys/net/ipv4/ip_local_port_range'
	in_ns client ip route add default via 198.51.100.1
	in_ns client ip route add default via 2001:db8::1
	for number in $(seq "$servers"); do
		lab_server "web$number" "$((number + 10))"
	done
}

# lab_pass on|off [SECTION]: an XDP program that passes everything on the far ends of lb's cables. Without one, veth keeps
# what lb answers by XDP_TX (RST, and all in one-arm) until something else wakes the receiver. On is the
# default; off only for measuring, as it costs the stack's own packets a copy.
lab_pass() {
	local end words=(off)
	[ "$1" = off ] || words=(object "$LAB_TOOLS/pass.bpf.o" section "${2:-xdp}")
	for end in fabric:to-lb $([ "$LAB_SHAPE" = one-arm ] || echo client:eth0); do
		in_ns "${end%:*}" ip link set "${end#*:}" xdp "${words[@]}"
	done
}

# lab_plug DEVICE...: makes it a port of the bridge
lab_plug() {
	in_ns fabric ip link set "$1" master bridge0
}

# lab_server NAME NUMBER: a namespace with the addresses 10.0.1.NUMBER and 2001:db8:1::NUMBER
declare -gA lab_numbers
lab_server() {
	lab_numbers[$1]=$2
	lab_namespace "$1"
	lab_veth "$1" eth0 fabric "to-$1" "02:00:00:00:01:$2"
	lab_plug "to-$1"
	lab_address "$1" eth0 "10.0.1.$2/24" "2001:db8:1::$2/64"
	in_ns "$1" ip route add default via 10.0.1.1
	in_ns "$1" ip route add default via 2001:db8:1::1
}

# lab_direct SERVER...: what servers need that answer clients themselves (direct return): the VIPs on the
# loopback, which neither ARP requests nor ARP answers may tell of, and a way to the client that is not lb's. In
# two-arm that is a second cable of the client, in one-arm the bridge. Packets from a VIP take it, those from the
# servers' own addresses still go by lb, so the same servers suit every mode. The advertised MSS leaves room for
# the outer headers of a tunnel: see lab_mss.
LAB_SIDE4=192.0.2.2 LAB_SIDE6=fe80::c2
lab_direct() {
	local name device=eth0
	if [ "$LAB_SHAPE" = two-arm ]; then
		device=side
		lab_veth client side fabric to-side 02:00:00:00:00:03
		lab_plug to-side
	fi
	lab_address client $device $LAB_SIDE4/32 $LAB_SIDE6/64
	for name; do
		in_ns "$name" sh -c 'cd /proc/sys/net/ipv4/conf/all; echo 1 >arp_ignore; echo 2 >arp_announce'
		lab_own_vips "$name"
		lab_past_lb "$name"
	done
}

# lab_own_vips SERVER: the VIPs on its loopback
lab_own_vips() {
	lab_address "$1" lo "$LAB_VIP4/32" "$LAB_OTHER_VIP4/32" "$LAB_VIP6/128" "$LAB_OTHER_VIP6/128"
}

# lab_past_lb NAME: a namespace on the servers' network sends what comes from VIPs to the client, past lb
lab_past_lb() {
	local vip
	for vip in "$LAB_VIP4" "$LAB_OTHER_VIP4"; do
		echo "rule add from $vip lookup 100"
	done | in_ns "$1" ip -4 -batch -
	for vip in "$LAB_VIP6" "$LAB_OTHER_VIP6"; do
		echo "rule add from $vip lookup 100"
	done | in_ns "$1" ip -6 -batch -
	# answers to health checks through the datapath are for lb itself
	in_ns "$1" ip route add throw 10.0.1.0/24 table 100
	in_ns "$1" ip -6 route add throw 2001:db8:1::/64 table 100
	lab_mss "$1" 1500
}

# lab_mss SERVER MTU: the longest packet that clients may send to the VIPs of the server. xlb drops what is
# longer than the link with the outer header, and says so to nobody; TCP clients never send such if the
# server's SYN-ACK asks for shorter segments.
lab_mss() {
	in_ns "$1" ip -batch - <<-END
		route replace default via $LAB_SIDE4 dev eth0 onlink advmss $(($2 - 40)) table 100
		route replace default via $LAB_SIDE6 dev eth0 advmss $(($2 - 60)) table 100
	END
}

# lab_decap SERVER...: the servers take off the outer headers of tunnels, by the kernel's own devices if it has
# them, otherwise by a program on eth0. LAB_DECAP says which: devices, program. After lab_direct.
lab_decap() {
	local name
	LAB_DECAP=program
	! modprobe -qa ipip ip6_tunnel sit fou fou6 || LAB_DECAP=devices
	export LAB_DECAP
	for name; do
		lab_mss "$name" 1452 # an outer IPv6 header and GUE's UDP header: 48
		if [ $LAB_DECAP = devices ]; then
			lab_decap_devices "$name"
		else
			in_ns "$name" ip link set eth0 xdp object "$LAB_TOOLS/decap.bpf.o" section xdp
		fi
	done
}

# lab_decapped SERVER: how many packets it has taken out of tunnels
lab_decapped() {
	local map
	if [ "$LAB_DECAP" = devices ]; then
		in_ns "$1" ip -s -j link show | jq '[.[] | select(.ifname | startswith("decap")) | .stats64.rx.packets] | add'
	else
		map=$(bpftool -j prog show id "$(in_ns "$1" ip -j link show eth0 | jq '.[0].xdp.prog.id')" | jq '.map_ids[0]')
		bpftool -j map dump id "$map" | jq '.[0].formatted.value'
	fi
}

# One device per outer and, in IPv4, inner family; the ports of GUE hand over to them.
lab_decap_devices() {
	local number=${lab_numbers[$1]}
	in_ns "$1" ip -batch - <<-END
		link add decap44 type ipip local 10.0.1.$number
		link add decap64 type sit local 10.0.1.$number
		link add decap6 type ip6tnl mode any local 2001:db8:1::$number remote ::
		link set decap44 up
		link set decap64 up
		link set decap6 up
		fou add port 6080 gue
	END
	in_ns "$1" ip -6 fou add port 6080 gue
}

# lab_routing [NAMESPACE]: lets it route between its sides; lb, as it would without a load balancer.
lab_routing() {
	in_ns "${1:-lb}" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

# --- processes -----------------------------------------------------------------------------------

# lab_run NAME NAMESPACE COMMAND...: starts it in the background, leading a process group of its own;
# output in $LAB_DIR/NAME.log
lab_run() {
	local name=$1 namespace=$2
	shift 2
	setsid nsenter --net="/run/netns/$LAB-$namespace" -- "$@" >>"$LAB_DIR/$name.log" 2>&1 </dev/null 3>&- &
	echo $! >"$LAB_DIR/pids/$name"
	# a shell that ends must neither wait for it nor report it
	disown $!
}

# lab_kill NAME [SIGNAL]: returns when the process is gone
lab_kill() {
	local pid
	pid=$(cat "$LAB_DIR/pids/$1" 2>/dev/null) || return 0
	kill -s "${2:-TERM}" -- "-$pid" 2>/dev/null || true
	if ! wait_for 5 lab_gone "$pid"; then
		kill -s KILL -- "-$pid"
		wait_for 5 lab_gone "$pid"
	fi
	rm "$LAB_DIR/pids/$1"
}

# Whether the process has ended
lab_gone() {
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
	[ "$state" = Z ]
}

# lab_web NAME...: nginx on port 8080. / answers "NAME CLIENT-ADDRESS", /kib a KiB, /healthz 200 unless lab_sick,
# /files/ are those of $LAB_DIR/files, PUT /upload/FILE lands in $LAB_DIR/NAME/upload.
lab_web() {
	local name
	mkdir -p "$LAB_DIR/files"
	for name; do
		mkdir -p "$LAB_DIR/$name/upload" "$LAB_DIR/$name/temp"
		lab_nginx_config "$name" >"$LAB_DIR/$name/nginx.conf"
		lab_run "$name" "$name" nginx -p "$LAB_DIR/$name" -e error.log -c nginx.conf -g 'daemon off;'
	done
	for name; do
		wait_for 5 lab_listens "$name" 8080 ||
			{
				echo "nginx of $name did not start:" >&2
				cat "$LAB_DIR/$name.log" >&2
				return 1
			}
	done
}

lab_nginx_config() {
	cat <<-EOF
		user root;
		worker_processes 1;
		pid nginx.pid;
		events { worker_connections 4096; }
		http {
		  access_log off;
		  default_type text/plain;
		  client_body_temp_path temp/body; proxy_temp_path temp/proxy; fastcgi_temp_path temp/fastcgi;
		  uwsgi_temp_path temp/uwsgi; scgi_temp_path temp/scgi;
		  keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
		  server {
		    listen 8080 backlog=4096; listen [::]:8080 ipv6only=on backlog=4096;
		    add_header X-Server $1;
		    location / { return 200 "$1 \$remote_addr\n"; }
		    location = /connection { return 200 "$1 \$connection\n"; }
		    location = /kib { return 200 "$(printf '%01024d' 0)"; }
		    location = /healthz { if (-f $LAB_DIR/$1/sick) { return 503; } return 200 "ok\n"; }
		    location /files/ { alias $LAB_DIR/files/; }
		    location /upload/ { alias $LAB_DIR/$1/upload/; dav_methods PUT; }
		  }
		}
	EOF
}

# lab_sick NAME, lab_well NAME: what /healthz answers
lab_sick() {
	touch "$LAB_DIR/$1/sick"
}
lab_well() {
	rm -f "$LAB_DIR/$1/sick"
}

# lab_listens NAMESPACE PORT: whether a TCP socket listens there
lab_listens() {
	[ -n "$(in_ns "$1" ss -Htln "sport = :$2")" ]
}

# lab_echo NAME tcp|udp PORTS...: tests/tools/echo in the server's namespace
lab_echo() {
	local name=$1 first
	shift
	lab_run "$name-echo" "$name" "$LAB_TOOLS/echo" "$name" "$@"
	first=${2%%[-,]*}
	wait_for 10 lab_bound "$name" "$1" "$first" || {
		cat "$LAB_DIR/$name-echo.log" >&2
		return 1
	}
}

lab_bound() {
	case $2 in
	tcp) lab_listens "$1" "$3" ;;
	udp) [ -n "$(in_ns "$1" ss -Hun -a "sport = :$3")" ] ;;
	esac
}

# Starts the daemon of this instance in lb; returns when it answers.
lab_xlbd() {
	lab_run xlbd lb xlbd
	wait_for 10 xlbctl status || {
		echo "xlbd did not start:" >&2
		cat "$LAB_DIR/xlbd.log" >&2
		return 1
	}
}

# --- traffic -------------------------------------------------------------------------------------

# ask ...: tests/tools/ask in the client's namespace, patient unless told otherwise
ask() {
	in_ns client "$LAB_TOOLS/ask" -t 10000 "$@"
}

# http ADDRESS[:PORT] [PATH]: one request by curl from the client
http() {
	in_ns client curl -sS -g --max-time 30 "http://$1${2:-/}"
}

# share NAME <ASK-OUTPUT: how many answers came from NAME
share() {
	awk -v name="$1" '$1 == name { count = $2 } END { print count + 0 }'
}

# Checksums that receivers in the lab found wrong, by namespace and counter; nothing if all were right.
lab_wrong_checksums() {
	local name
	for name in $(lab_namespaces); do
		in_ns "${name#"$LAB-"}" nstat -asz '*CsumErrors' |
			awk -v name="${name#"$LAB-"}" '/CsumErrors/ && $2 > 0 { print name, $1, $2 }'
	done
}

# --- the end -------------------------------------------------------------------------------------

# Ends all that was started, removes the namespaces, the folder and what the instance left on this host.
lab_cleanup() {
	local file name pid
	[ -n "${LAB_DIR:-}" ] || return 0
	for file in "$LAB_DIR"/pids/*; do
		[ ! -e "$file" ] || kill -- "-$(cat "$file")" 2>/dev/null || true
	done
	for file in "$LAB_DIR"/pids/*; do
		[ ! -e "$file" ] || lab_kill "${file##*/}" || true
	done
	for name in $(lab_namespaces); do
		for pid in $(ip netns pids "$name"); do
			kill -s KILL "$pid" 2>/dev/null || true
		done
	done
	rm -rf "/sys/fs/bpf/xlb-$XLB_INSTANCE" "/run/xlb-$XLB_INSTANCE" "/var/lib/xlb-$XLB_INSTANCE" \
		"/dev/shm/xlb-$XLB_INSTANCE-tls" "/etc/xlb-$XLB_INSTANCE/tls"
	rmdir "/etc/xlb-$XLB_INSTANCE" 2>/dev/null || true
	for name in $(lab_namespaces); do
		ip netns del "$name"
	done
	rm -rf "$LAB_DIR"
	unset LAB_DIR
}

lab_namespaces() {
	ip netns list | awk -v lab="$LAB-" 'index($1, lab) == 1 { print $1 }'
}
