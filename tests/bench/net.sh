#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# net.sh: what a load balancer costs, xlb and others beside plain routing to the same servers (make bench-net).
#
#   client ------------------------- lb ------------------------- bridge -- web1, web2
#   198.51.100.2-5     the VIP, 198.51.100.10      10.0.1.1-4               10.0.1.11, 10.0.1.12
#      `------------------------ answers of dr --------------------'
#
# Each round measures each subject once in each way, one subject right after the other, and begins with another
# subject. Ratios are taken round by round, because the speed of a shared machine drifts; medians of rounds.
#
#   keepalive      HTTP requests/s of 1 KiB, on 64 connections that stay: wrk -t2 -c64
#   connections    HTTP requests/s of 1 KiB, a connection for each, 64 at a time: tests/tools/dial
#   udp            datagrams/s of 64 bytes, questions and their answers, 64 flows with 4 under way each: tests/tools/volley
#
# Each with the CPU seconds of the whole machine for a million of them, less those of processes that have nothing to do
# with it; how much that was is said. In the environment:
#
#   BENCH_NET_ROUNDS (5)   BENCH_NET_SECONDS (2) of one measurement   BENCH_NET_JSON (build/bench-net.json)
#   BENCH_NET_SUBJECTS, BENCH_NET_MEASURES: some only, "direct fullnat nft"
#
# Needs root, build/ and the tools. Exit status 1 if there is nothing to show.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=tests/lab.sh
. tests/lab.sh
# shellcheck source=tests/bench/net_subjects.sh
. tests/bench/net_subjects.sh

rounds=${BENCH_NET_ROUNDS:-5} seconds=${BENCH_NET_SECONDS:-2}
json=${BENCH_NET_JSON:-$LAB_BUILD/bench-net.json}
read -ra subjects <<<"${BENCH_NET_SUBJECTS:-direct pass fullnat nat dr nft nft-nat haproxy nginx}"
read -ra measures <<<"${BENCH_NET_MEASURES:-keepalive connections udp}"

fail() {
	echo "net.sh: $*" >&2
	exit 1
}

# --- what is measured ------------------------------------------------------------------------------
# run_MEASURE ADDRESS...: prints "UNITS RATE FAULTS"

# wrk spread over the addresses
run_keepalive() {
	local address
	for address; do
		in_ns client timeout $((seconds + 20)) wrk -t$((2 / $#)) -c$((64 / $#)) "-d${seconds}s" \
			"http://$address:$bench_http/kib" >"$LAB_DIR/wrk.$address" &
	done
	wait
	for address; do
		cat "$LAB_DIR/wrk.$address"
		rm "$LAB_DIR/wrk.$address"
	done | awk '
		/requests in/ { units += $1 }
		/^Requests\/sec/ { rate += $2 }
		/Socket errors/ { faults += $4 + $6 + $8 + $10 }
		/Non-2xx/ { faults += $NF }
		END { print units + 0, rate + 0, faults + 0 }'
}

run_connections() {
	run_tool 1 dial 100000 "$@" "$bench_http" /kib
}

run_udp() {
	run_tool 2 volley 10000000 "$@" "$bench_udp"
}

# run_tool COUNT TOOL MOST ADDRESS... ARGUMENTS: an answer counts for COUNT. MOST is what fits into the tables of flows
# and the ports that there are, however long a measurement may be.
run_tool() {
	local each=$1 tool=$2 most=$3 addresses=()
	shift 3
	while [[ ${1:-} == *.*.* ]]; do
		addresses+=("$1")
		shift
	done
	in_ns client timeout $((seconds + 20)) "$LAB_TOOLS/$tool" -s "$seconds" -n "$most" \
		-b "$(join "${bench_clients[@]}")" "$(join "${addresses[@]}")" "$@" | awk -v each="$each" '
		$1 == "units" { print $2 * each, $2 * each / $4, $6; found = 1 }
		END { if (!found) print "0 0 0" }'
}

# cpu_seconds: of this machine since its start, "OURS OTHERS". Others are the processes, with children that have ended, that
# are neither in the process group of this script nor in one of the lab's; all else, and so what the kernel does by
# itself, is taken for ours.
cpu_seconds() {
	{ cat /proc/stat /proc/[0-9]*/stat 2>/dev/null || true; } | # some end meanwhile
		awk -v hertz="$(getconf CLK_TCK)" -v own="$group $(cat "$LAB_DIR"/pids/* | tr '\n' ' ')" '
		BEGIN { count = split(own, words); for (i = 1; i <= count; i++) ours[words[i]] = 1 }
		/^cpu / { busy = $2 + $3 + $4 + $7 + $8 }
		/^[0-9]+ \(/ {
			sub(/.*\) /, "")
			parent = $2
			if (parent != 2 && !($3 in ours)) # 2: of kernel threads
				others += $12 + $13 + $14 + $15
		}
		END { printf "%.2f %.2f", (busy - others) / hertz, others / hertz }'
}

# resent: TCP segments that were sent again so far, in all namespaces
resent() {
	local name
	for name in client lb web1 web2; do
		in_ns "$name" awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp
	done | awk '{ sum += $1 } END { print sum }'
}

# Ends TIME_WAIT. The next subject would meet it at the servers: with a client's or SNAT port that was just used, but
# with timestamps that begin elsewhere, a SYN is taken for an old one and has to be sent again.
forget() {
	local name
	for name in client lb web1 web2; do
		in_ns "$name" ss -K -Htn state time-wait >/dev/null
	done
}

# measure ROUND MEASURE SUBJECT: a row of JSON for the results. With more than one fault in a hundred it has failed.
measure() {
	local round=$1 measure=$2 subject=$3 before segments units=0 rate=0 faults=0 cpu others
	segments=$(resent)
	before=$(cpu_seconds)
	# shellcheck disable=SC2046 # a list of words
	read -r units rate faults < <("run_$measure" $(subject_addresses "$subject") 2>"$LAB_DIR/why")
	read -r cpu others < <(echo "$before $(cpu_seconds)" | awk '{ print $3 - $1, $4 - $2 }')
	segments=$(($(resent) - segments))
	if awk -v units="$units" -v faults="$faults" 'BEGIN { exit units > 0 && faults <= units / 100 }'; then
		note "$round" "$measure" "$subject" "$units were answered, $faults not. $(tail -n 1 "$LAB_DIR/why")"
		return
	fi
	jq -cn --argjson round "$round" --arg measure "$measure" --arg subject "$subject" --argjson rate "$rate" \
		--argjson faults "$faults" --argjson resent "$segments" \
		--argjson units "$units" --argjson cpu "$cpu" --argjson others "$others" '$ARGS.named' >>"$LAB_DIR/results"
}

# note ROUND MEASURE SUBJECT TEXT: that it failed, for the eye and for the results
note() {
	printf '%s, %s, round %d: failed: %s\n' "${bench_titles[$3]}" "$2" "$1" "$4" >&2
	jq -cn --argjson round "$1" --arg measure "$2" --arg subject "$3" --arg error "$4" '$ARGS.named' >>"$LAB_DIR/results"
}

# --- all of it -------------------------------------------------------------------------------------

# One subject in one way, from its start to its end. What does not start is left out from then on.
declare -A absent
take() {
	local subject=$3
	[ -z "${absent[$subject]:-}" ] && subject_can "$subject" "$2" || return 0
	if subject_start "$subject" >"$LAB_DIR/why" 2>&1; then
		measure "$@"
	else
		note "$@" "$(tail -n 3 "$LAB_DIR/why" | tr '\n' ' ')"
		absent[$subject]=1
	fi
	subject_stop "$subject" >"$LAB_DIR/why" 2>&1 || {
		# what is left of it would be in the way of the others
		cat "$LAB_DIR/why" >&2
		fail "${bench_titles[$subject]} could not be stopped"
	}
	forget
}

run_rounds() {
	local round measure number count=${#subjects[@]}
	for round in $(seq "$rounds"); do
		for measure in "${measures[@]}"; do
			for number in $(seq 0 $((count - 1))); do
				take "$round" "$measure" "${subjects[(number + round - 1) % count]}"
			done
		done
		echo "round $round of $rounds done, $SECONDS s" >&2
	done
}

about() {
	jq -n --arg date "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --arg kernel "$(uname -r)" \
		--arg system "$(. /etc/os-release && echo "$PRETTY_NAME")" \
		--arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" --argjson cores "$(nproc)" \
		--argjson memory_gib "$(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)" \
		--arg load_before "$load_before" --arg command "$command" --argjson rounds "$rounds" \
		--argjson seconds "$seconds" --argjson client_addresses "${#bench_clients[@]}" --argjson snat_addresses "${#bench_snat[@]}" \
		--arg congestion_control reno --arg offloads "$bench_offloads" '$ARGS.named'
}

table() {
	jq -r -f tests/bench/net_table.jq "$1" | awk -F '\t' '
		NF < 2 { print; next }
		{ printf "%-14s %10s %10s %10s %7s %7s %7s %9s %7s %7s %7s %7s %7s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 }'
}

command="make bench-net"
for word in "${!BENCH_NET_@}"; do
	printf -v command '%s=%q %s' "$word" "${!word}" "$command"
done
load_before=$(cut -d' ' -f1-3 /proc/loadavg)
[[ $rounds =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ ]] || fail "rounds and seconds are whole numbers"
reason=$(lab_possible) || fail "$reason"
for tool in jq wrk nginx ethtool; do
	command -v $tool >/dev/null || fail "$tool is missing: scripts/deps.sh bench installs it"
done
for word in "${subjects[@]}"; do
	[ -n "${bench_titles[$word]:-}" ] || fail "no subject '$word': ${!bench_titles[*]}"
done
for word in "${measures[@]}"; do
	[[ $word =~ ^(keepalive|connections|udp)$ ]] || fail "no measure '$word': keepalive, connections, udp"
done

read -r _ _ _ _ group _ </proc/$$/stat
lab_init "xlbn-$$"
trap lab_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
bench_network
: >"$LAB_DIR/results"
about | tee "$LAB_DIR/about" | jq -r '"\(.date), Linux \(.kernel), \(.system), \(.cores) x \(.cpu), \(.memory_gib) GiB, load before: \(.load_before)
\(.command)
\(.rounds) rounds of \(.seconds) s; \(.client_addresses) client addresses, \(.snat_addresses) SNAT addresses, TCP \(.congestion_control)
all cables: \(.offloads)"'
run_rounds
jq -s --slurpfile about "$LAB_DIR/about" --argjson titles "$(bench_titles_json)" -f tests/bench/net.jq "$LAB_DIR/results" \
	>"$LAB_DIR/bench-net.json"
mv "$LAB_DIR/bench-net.json" "$json"
table "$json"
echo "$json"
jq -e '[.measures[][] | select(.rate)] | length > 0' "$json" >/dev/null
