#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# demo.sh [--keep]: shows xlb at work on this machine. Installs what is missing, builds, makes a network of
# namespaces (a client, the load balancer, three nginx servers), and takes it through live changes and a
# dead server. Every xlbctl command is printed as it is run. Nothing outside of the namespaces is touched:
# the daemon is an instance of its own, whose files go with it. --keep leaves it all up and prints commands to play with;
# demo.sh --remove NAME ends that. Exit status 0 if everything happened as it should.
set -eu
cd "$(dirname "$0")/.."

usage() {
	echo "usage: demo.sh [--keep] | --remove NAME" >&2
	exit 2
}

keep=0
case ${1:-} in
'') ;;
--keep) keep=1 ;;
--remove)
	[[ ${2:-} =~ ^demo-[0-9]+$ ]] || usage
	;;
*) usage ;;
esac

scripts/deps.sh demo
[ -x build/xlbd ] || echo "demo.sh: building"
if ! make --no-print-directory -s -j"$(nproc)" all tools; then
	echo "demo.sh: the build failed" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "demo.sh: must be root: the demo makes network namespaces, and sudo is not installed" >&2
		exit 1
	}
	exec sudo -- "$0" "$@"
fi

# shellcheck source=tests/lab.sh
. tests/lab.sh
if [ "${1:-}" = --remove ]; then
	lab_names "$2"
	lab_cleanup
	exit 0
fi

# --- how it is shown -----------------------------------------------------------------------------

step_number=0
step() {
	step_number=$((step_number + 1))
	printf '\n%d. %s\n' "$step_number" "$*"
}

say() {
	printf '   %s\n' "$*"
}

indent() {
	sed 's/^/   /'
}

# Runs xlbctl where the load balancer is, and says so.
xlb() {
	printf '   $ xlbctl %s\n' "$*"
	in_ns lb xlbctl "$@" 2>&1 | indent
}

fail() {
	printf '\nFAILED: %s\n' "$*" >&2
	if [ -s "$LAB_DIR/xlbd.log" ]; then
		echo "last words of xlbd:" >&2
		tail -n 10 "$LAB_DIR/xlbd.log" >&2
	fi
	exit 1
}

# expect TEXT COMMAND...
expect() {
	local text=$1
	shift
	"$@" || fail "$text"
}

# requests http|https ADDRESS COUNT: that many requests by curl, each on a connection of its own; the names of the
# servers that answered
requests() {
	local address=$2 url number options=()
	case $address in *:*) address="[$address]" ;; esac
	url=http://$address/
	if [ "$1" = https ]; then
		url=https://www.example/
		options=(--cacert "$LAB_DIR/www.pem" --connect-to "::$address:")
	fi
	for number in $(seq "$3"); do
		printf 'url = "%s?%d"\n' "$url" "$number"
	done | in_ns client curl -sS -g --max-time 20 -H 'Connection: close' "${options[@]}" -K - | cut -d' ' -f1
}

# new_certificate SERIAL: for www.example, where the listener's is; each file is replaced in one step
new_certificate() {
	local file
	(umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -set_serial "$1" \
		-subj /CN=www.example -addext subjectAltName=DNS:www.example \
		-keyout "$LAB_DIR/www.key" -out "$LAB_DIR/www.pem" 2>"$LAB_DIR/openssl.log") || fail "$(cat "$LAB_DIR/openssl.log")"
	for file in www.key www.pem; do
		cp -p "$LAB_DIR/$file" "$tls/.$file"
		mv "$tls/.$file" "$tls/$file"
	done
}

# shown_is SERIAL: of the certificate that a client is shown
shown_is() {
	[ "$(in_ns client openssl s_client -connect "$LAB_VIP4:443" -servername www.example </dev/null 2>/dev/null |
		openssl x509 -noout -serial)" = "serial=$1" ]
}

# trace_reason_is REASON VIP
trace_reason_is() {
	in_ns lb xlbctl trace 198.51.100.2:51000 "$2" tcp --json | grep -q "\"reason\":\"$1\""
}

# The program on `front`; while somebody captures it is another one, that observes
program() {
	in_ns lb ip link show front | grep -o 'prog/xdp id [0-9]*'
}
program_is_not() {
	[ "$(program)" != "$1" ]
}
request_ends_capture() {
	http "$LAB_VIP4" && lab_gone "$(cat "$LAB_DIR/pids/capture")"
}

# who_answers NUMBER [https]: who answers at both addresses? count4[name] and count6[name] keep the numbers.
declare -A count4 count6
who_answers() {
	local number=$1 scheme=${2:-http} name
	count4=() count6=()
	if [ "$scheme" = http ]; then
		printf '   $ curl http://%s/  and  http://[%s]/, %d times each\n' "$LAB_VIP4" "$LAB_VIP6" "$number"
	else
		printf '   $ curl --cacert www.pem https://www.example/, %d times each, at %s and %s\n' "$number" "$LAB_VIP4" "$LAB_VIP6"
	fi
	while read -r name; do
		count4[$name]=$((${count4[$name]:-0} + 1))
	done < <(requests "$scheme" "$LAB_VIP4" "$number")
	while read -r name; do
		count6[$name]=$((${count6[$name]:-0} + 1))
	done < <(requests "$scheme" "$LAB_VIP6" "$number")
	printf '   %-14s %14s %14s\n' 'answered by' 'over IPv4' 'over IPv6'
	for name in web1 web2 web3; do
		printf '   %-14s %14d %14d\n' "$name" "${count4[$name]:-0}" "${count6[$name]:-0}"
	done
	expect "not every request over IPv4 was answered" total_is "$number" "${count4[@]}"
	expect "not every request over IPv6 was answered" total_is "$number" "${count6[@]}"
}

total_is() {
	local wanted=$1 sum=0 number
	shift
	for number; do
		sum=$((sum + number))
	done
	[ "$sum" = "$wanted" ]
}

# between NAME MIN MAX: the share of both families
between() {
	local count=$((${count4[$1]:-0} + ${count6[$1]:-0}))
	[ $count -ge "$2" ] && [ $count -le "$3" ]
}

# state_is GROUP SERVER STATE
state_is() {
	in_ns lb xlbctl --json show server "$1" "$2" | grep -qE "\"state\": ?\"$3\""
}

# time_is MICROSECONDS: whether it is that late
time_is() {
	[ "${EPOCHREALTIME/[.,]/}" -ge "$1" ]
}

finish() {
	local status=$?
	if [ $keep = 1 ] && [ $status = 0 ]; then
		return
	fi
	lab_cleanup
	exit $status
}

# --- the show ------------------------------------------------------------------------------------

if ! reason=$(lab_possible); then
	echo "demo.sh: $reason" >&2
	exit 1
fi
lab_init "demo-$$"
trap finish EXIT
trap 'exit 130' INT TERM HUP
started=$SECONDS

step "A network of namespaces: client -- load balancer -- three nginx servers"
lab_network two-arm 3
lab_web web1 web2 web3
for server in web1 web2 web3; do
	lab_echo "$server" udp 10000-20000
done
cat <<END
   client 198.51.100.2 -- front [lb] back -- web1 10.0.1.11, web2 10.0.1.12, web3 10.0.1.13
          2001:db8::2                             2001:db8:1::11    ...::12         ...::13
END

step "The daemon is started in the load balancer's namespace, and attached to both interfaces"
printf '   $ xlbd --instance %s &\n' "$XLB_INSTANCE"
lab_xlbd
xlb attach front
xlb attach back

step "A configuration: one load balancer with two addresses, one listener, three servers"
head -c 12M /dev/urandom >"$LAB_DIR/files/download"
config=$LAB_DIR/demo.yaml
cat >"$config" <<END
version: 1
load_balancers:
  edge:
    addresses: [$LAB_VIP4, "$LAB_VIP6"]
    listeners:
      http: {protocol: tcp, port: 80, server_group: web}
server_groups:
  web:
    health_check: {type: http, path: /healthz, interval: 500ms, timeout: 500ms, healthy_threshold: 2, unhealthy_threshold: 2}
    servers:
      web1: {address: [10.0.1.11, "2001:db8:1::11"], port: 8080, weight: 50}
      web2: {address: [10.0.1.12, "2001:db8:1::12"], port: 8080, weight: 50}
      web3: {address: [10.0.1.13, "2001:db8:1::13"], port: 8080, weight: 50}
END
indent <"$config"
xlb check "$config"
xlb apply "$config"
for server in web1 web2 web3; do
	expect "$server was not found healthy" wait_for 5 state_is web $server up
done

step "Real requests, spread over the servers"
who_answers 60
for server in web1 web2 web3; do
	expect "$server answered nothing" between $server 1 120
done

step "Weights are changed live: web1 now gets half. A download that has begun goes on"
lab_run download client curl -sS -g --limit-rate 4M -o "$LAB_DIR/downloaded" "http://$LAB_VIP4/files/download"
expect "the download does not begin" wait_for 5 test -s "$LAB_DIR/downloaded"
xlb server set web web1 --weight 100
xlb list server web
who_answers 150
expect "web1 did not get about half of the requests" between web1 110 190

step "A server is removed, and added again"
xlb rm server web web3 --yes
who_answers 60
expect "web3 still gets requests" between web3 0 0
xlb server add web web3 '10.0.1.13:8080,[2001:db8:1::13]:8080' --weight 50
expect "web3 was not found healthy" wait_for 5 state_is web web3 up
who_answers 60
expect "web3 gets no requests" between web3 1 120
expect "the download did not end" wait_for 15 lab_gone "$(cat "$LAB_DIR/pids/download")"
expect "the download was damaged" cmp -s "$LAB_DIR/files/download" "$LAB_DIR/downloaded"
say "The download of 12 MiB has ended meanwhile, unharmed."

step "A server dies: nginx of web2 is killed"
lab_kill web2 KILL
killed=${EPOCHREALTIME/[.,]/}
expect "web2 is not noticed to be down" wait_for 5 state_is web web2 down
say "found dead after $(((${EPOCHREALTIME/[.,]/} - killed) / 1000)) ms"
xlb list server web
# what is promised: two checks, 500 ms apart and 500 ms each to answer, and half a second
wait_for 3 time_is $((killed + 2000000))
who_answers 60
expect "the dead server still gets requests" between web2 0 0
lab_web web2
expect "web2 is not noticed to be back" wait_for 5 state_is web web2 up
say "nginx of web2 is started again, and found up:"
who_answers 60
expect "web2 gets no requests" between web2 1 120

step "A listener on a range of ports: UDP 10000-20000, each to the same port of a server"
xlb add group games --health-check.type tcp --health-check.port 8080
xlb add server games g1 10.0.1.11,2001:db8:1::11
xlb add server games g2 10.0.1.12,2001:db8:1::12
xlb listener add edge games --protocol udp --port 10000-20000 --server-group games
expect "the game servers are not up" wait_for 10 state_is games g2 up
expect "the game servers are not up" wait_for 10 state_is games g1 up
ports=$(shuf -i 10000-20000 -n 200 | paste -sd,)
say "a datagram to each of 200 random ports of both addresses is answered from that port:"
answers=$(ask -n 400 udp "$LAB_VIP4,$LAB_VIP6" "$ports") || fail "not every port answered"
printf '   %-14s %14s\n' 'answered by' 'datagrams'
while read -r name number; do
	printf '   %-14s %14d\n' "$name" "$number"
done <<<"$answers"

step "TLS ends at xlb: a listener with a certificate, which is replaced while a client is connected"
tls=/etc/xlb-$XLB_INSTANCE/tls
mkdir -p "$tls"
chmod 700 "$tls"
new_certificate 01
xlb listener add edge https --protocol tls --port 443 --server-group web --certificates "$tls/www.pem:$tls/www.key"
expect "the certificate is not shown" wait_for 10 shown_is 01
who_answers 60 https
for server in web1 web2 web3; do
	expect "$server answered nothing over TLS" between $server 1 120
done
cp "$LAB_DIR/www.pem" "$LAB_DIR/www.first.pem"
rm "$LAB_DIR/downloaded"
lab_run download client curl -sS -g --limit-rate 2M -o "$LAB_DIR/downloaded" --cacert "$LAB_DIR/www.first.pem" \
	--connect-to "::$LAB_VIP4:" https://www.example/files/download
expect "the download over TLS does not begin" wait_for 5 test -s "$LAB_DIR/downloaded"
new_certificate 02
xlb cert reload
expect "the new certificate is not shown" wait_for 10 shown_is 02
say "www.pem and www.key are new, and shown to new clients:"
xlb cert list
who_answers 30 https
expect "the download over TLS did not end" wait_for 20 lab_gone "$(cat "$LAB_DIR/pids/download")"
expect "the download over TLS was damaged" cmp -s "$LAB_DIR/files/download" "$LAB_DIR/downloaded"
say "The download that began with the old one has ended, unharmed."

step "What XDP does, seen: a packet's way, drops with their reason, packets before and after, what has happened"
say "what would become of a packet, without sending one; and of one to a port that nobody serves:"
xlb trace 198.51.100.2:51000 "$LAB_VIP4:80" tcp
expect "the trace of a wrong port does not say so" trace_reason_is no_listener "$LAB_VIP4:81"
xlb trace 198.51.100.2:51000 "$LAB_VIP4:81" tcp
in_ns client curl -s --max-time 0.2 "http://$LAB_VIP4:81/" || true
xlb drops
say "packets of one connection, as they come and as they leave:"
forwarding=$(program)
lab_run capture lb xlbctl capture --text --listener edge/http -c 6
expect "the capture does not begin" wait_for 10 program_is_not "$forwarding"
# the program is switched interface by interface: the first request may come too early
expect "the capture does not end" wait_for 10 request_ends_capture
expect "the capture has no packets" grep -q 'redirect' "$LAB_DIR/capture.log"
indent <"$LAB_DIR/capture.log"
xlb flow list --listener edge/http --top 3
xlb events -n 4
say "the interface, looked at for what commonly goes wrong:"
xlb iface check front

step "Where it runs: the XDP mode and program, as the kernel says too"
xlb list interface
in_ns lb ip -br link show front | indent
in_ns lb ip link show front | grep -oE 'prog/xdp id [0-9]+.*' | indent
xlb status

if [ $keep = 1 ]; then
	cat <<END

The lab stays up. As root, for example:
   export XLB_INSTANCE=$XLB_INSTANCE PATH=$LAB_BUILD:\$PATH
   xlbctl status
   xlbctl server set web web2 --weight 5
   nsenter --net=/run/netns/$LAB-client curl http://$LAB_VIP4/
   nsenter --net=/run/netns/$LAB-client curl -g 'http://[$LAB_VIP6]/'
   nsenter --net=/run/netns/$LAB-client curl --cacert $LAB_DIR/www.pem --connect-to ::$LAB_VIP4: https://www.example/
   scripts/demo.sh --remove $LAB
END
	exit 0
fi

step "The end: the interfaces are detached, the namespaces removed"
xlb detach front --yes
xlb detach back --yes
lab_cleanup
printf '\nAll went as it should, in %d s.\n' $((SECONDS - started))
