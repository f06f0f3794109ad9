#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Every reason of a drop is reached by packets, and the same word with a count that rose is seen in four places:
# xlbctl drops, the API (drops and status), the metrics, a capture.
#
# The table: for each reason a test of its name, and the functions
#   make_REASON   what the network or the configuration must be like (may be missing)
#   send_REASON   packets that are dropped for it; called until the count rises
#   undo_REASON   puts right what the next test cannot (may be missing)

bats_require_minimum_version 1.5.0
load helper
load drops

setup_file() {
	lab_for_file two-arm 2
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_echo web1 tcp 7000
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	undo=
}

teardown() {
	local name
	for name in "$LAB_DIR"/pids/capture-*; do
		[ ! -e "$name" ] || lab_kill "${name##*/}" KILL
	done
	[ -z "$undo" ] || "$undo"
	end_of_test
}

# --- where a reason is seen -------------------------------------------------------------------------

api() {
	in_ns lb curl -sS --max-time 30 --unix-socket "/run/xlb-$XLB_INSTANCE/xlbd.sock" "$@"
}

in_cli() {
	xlb_json ".drops[] | select(.reason == \"$1\").total" drops --all
}

in_drops() {
	api "http://xlb/v1/drops?reason=$1" | jq '.drops[0].total'
}

in_status() {
	api http://xlb/v1/status | jq ".drops.$1 // 0"
}

in_interfaces() {
	api http://xlb/v1/status | jq "[.interfaces[].state.drops.$1 // 0] | add"
}

in_metrics() {
	api http://xlb/metrics | awk -v reason="reason=\"$1\"" '
		/^xlb_drops_total/ && index($0, reason) { sum += $NF } END { print sum + 0 }'
}

columns='cli drops status interfaces metrics'

# --- one reason -------------------------------------------------------------------------------------

capture_start() {
	rm -f "$LAB_DIR/capture-$1"
	lab_run "capture-$1" lb xlbctl capture --reason "$1" -o "$LAB_DIR/capture-$1"
	wait_for 10 test -s "$LAB_DIR/capture-$1"
}

# has_risen COLUMN REASON BEFORE
has_risen() {
	[ "$("in_$1" "$2")" -gt "$3" ]
}

# sent REASON BEFORE: sends, and says whether the count has risen since
sent() {
	"send_$1" || true
	has_risen cli "$1" "$2"
}

# The word is in the capture: in the comment of a packet
is_captured() {
	grep -aqF "$1" "$LAB_DIR/capture-$1"
}

sent_and_captured() {
	"send_$1" || true
	is_captured "$1"
}

# What the CLI tells of the reason is what people can read
reads_well() {
	local output
	output=$(xlb drops --reason "$1")
	[[ $output == *"$1"* && $output == *"xlbctl capture --reason $1"* ]]
}

reason_is_seen_everywhere() {
	local reason=$1 column
	local -A before
	! declare -F "undo_$reason" >/dev/null || undo=undo_$reason
	! declare -F "make_$reason" >/dev/null || "make_$reason"
	for column in $columns; do
		before[$column]=$("in_$column" "$reason")
	done
	capture_start "$reason"
	wait_for 20 sent "$reason" "${before[cli]}" || {
		xlb drops --all
		return 1
	}
	for column in $columns; do
		wait_for 5 has_risen "$column" "$reason" "${before[$column]}" || {
			echo "$reason does not rise from ${before[$column]} in: $column"
			return 1
		}
	done
	wait_for 20 sent_and_captured "$reason"
	reads_well "$reason"
}

# --- the table --------------------------------------------------------------------------------------

make_bad_packet() {
	one_server
}
send_bad_packet() {
	packets cut "$LAB_VIP4" 80
}

make_fragment() {
	one_server
}
send_fragment() {
	packets fragment "$LAB_VIP4" 80 count=3
}

make_no_listener() {
	one_server
}
send_no_listener() {
	request "$LAB_VIP4:81"
}

# a client of IPv6, and no server with such an address
make_no_server() {
	one_server group='address_family_affinity: same'
	xlb set server web web1 --address 10.0.1.11 --yes --now
	wait_for 5 in_line
}
send_no_server() {
	request "[$LAB_VIP6]"
}

make_no_flow() {
	one_server
}
send_no_flow() {
	packets segment "$LAB_VIP4" 80 from=61000
}

# nobody has the server's address
make_no_neighbour() {
	one_server
	xlb set server web web1 --address 10.0.1.99 --yes --now
	wait_for 5 in_line
}
send_no_neighbour() {
	request "$LAB_VIP4"
}

# the interface that a flow's client came by is detached; the server goes on: it ends, and repeats its FIN
make_no_interface() {
	one_server listener='{protocol: tcp, port: 7000, server_group: web}' port=7000
	conversation tcp "$LAB_VIP4" 7000
	equal "who answers" "$(talk)" web1
	xlb detach "$LAB_FRONT" --yes
	wait_for 5 in_line
	lab_kill web1-echo
}
send_no_interface() {
	true
}
undo_no_interface() {
	end_conversation
	lab_echo web1 tcp 7000
	xlb attach "$LAB_FRONT"
	wait_for 5 in_line
}

make_snat_exhausted() {
	one_server group='snat: {ports: 61000-61003}'
}
send_snat_exhausted() {
	packets segment "$LAB_VIP4" 80 flags=syn count=200
}

# tables of the smallest size, which only a new daemon makes
small_tables() {
	one_server
	lab_kill xlbd
	rm -r "/sys/fs/bpf/xlb-$XLB_INSTANCE"
	lab_run xlbd lb xlbd --initial-flows 1024
	wait_for 10 all_up
}
large_tables() {
	lab_kill xlbd
	rm -r "/sys/fs/bpf/xlb-$XLB_INSTANCE"
	lab_xlbd
}

# TCP alone could not fill them: half-open connections make way
make_flow_table_full() {
	small_tables
	xlb set flow-table --max 1024 --yes
	xlb add listener edge/datagrams --protocol udp --port 7001 --server-group web
}
send_flow_table_full() {
	packets datagram "$LAB_VIP4" 7001 count=4000
}
undo_flow_table_full() {
	large_tables
}

# a server of direct return that lacks the VIP asks for it: its own question would come back to it
make_hairpin() {
	one_server group="forward: dr" port=0 check="{type: none}"
}
send_hairpin() {
	in_ns web1 curl -sS -o /dev/null --max-time 0.5 "http://$LAB_VIP4/"
}

make_ttl_expired() {
	one_server
}
send_ttl_expired() {
	packets segment "$LAB_VIP4" 80 flags=syn ttl=1
}

make_mtu_exceeded() {
	one_server listener='{protocol: udp, port: 80, server_group: web}'
	in_ns lb ip link set "$LAB_BACK" mtu 1300
}
send_mtu_exceeded() {
	packets datagram "$LAB_VIP4" 80 bytes=1400 df=1
}
undo_mtu_exceeded() {
	in_ns lb ip link set "$LAB_BACK" mtu 1500
}

# a server that goes at once cuts its flows
make_flow_reset() {
	one_server listener='{protocol: tcp, port: 7000, server_group: web}' port=7000
	conversation tcp "$LAB_VIP4" 7000
	equal "who answers" "$(talk)" web1
	xlb rm server web web1 --yes --now
	wait_for 5 in_line
}
send_flow_reset() {
	talk
}
undo_flow_reset() {
	end_conversation
}

make_rate_limited() {
	one_server
}
send_rate_limited() {
	packets segment "$LAB_VIP4" 80 from=50000 count=6000
}

# What cannot happen unless xlb itself is wrong: a server whose forwarding mode the datapath does not know.
# Written into the map behind the daemon's back.
make_internal() {
	local id
	one_server
	for id in 1 2 3 4; do
		"$BATS_TEST_DIRNAME/poke.py" "$(echo "/sys/fs/bpf/xlb-$XLB_INSTANCE/abi"*)" \
			"$LAB_BUILD/xlb.bpf.o" servers $id mode 0
	done
}
send_internal() {
	request "$LAB_VIP4"
}
# as docs/drops.md says: a restart repairs the maps
undo_internal() {
	lab_kill xlbd
	lab_xlbd
	wait_for 5 all_up
	http "$LAB_VIP4"
}

# Flows that another CPU is just making: who comes to one that lies above it in the page gives way.
make_flow_busy() {
	small_tables
}
send_flow_busy() {
	packets segment "$LAB_VIP4" 80 flags=syn from=31000 count=30
	"$BATS_TEST_DIRNAME/flow_busy.py" "$(echo "/sys/fs/bpf/xlb-$XLB_INSTANCE/abi"*)" 9
	packets segment "$LAB_VIP4" 80 flags=syn from=31000 count=30
}
undo_flow_busy() {
	large_tables
}

# the far end of `back` takes no frames that were redirected
make_redirect_failed() {
	one_server
	far_end fabric to-lb deaf
}
send_redirect_failed() {
	packets segment "$LAB_VIP4" 80 flags=syn count=3
}
undo_redirect_failed() {
	far_end fabric to-lb awake
}

# the same in front: what xlb answers by RST goes back out of the same interface
make_tx_failed() {
	one_server
	far_end client eth0 deaf
}
send_tx_failed() {
	packets segment "$LAB_VIP4" 80 from=62000 count=3
}
undo_tx_failed() {
	far_end client eth0 awake
}

make_icmp_unknown() {
	one_server
}
send_icmp_unknown() {
	packets error "$LAB_VIP4" 80 count=3
}

make_denied() {
	one_server
	xlb add security-group nobody
	xlb set lb edge --security_groups nobody
}
send_denied() {
	packets segment "$LAB_VIP4" 80 flags=syn count=3
}
undo_denied() {
	xlb set lb edge --security_groups ''
	xlb rm security-group nobody
}

# The listener has the limit; no other reason comes before it
limited() {
	one_server
	xlb set listener edge http "--limits.$1" "$2"
}
not_limited() {
	for word in new_connections_per_second connections bits_per_second packets_per_second; do
		xlb set listener edge http "--limits.$word" ''
	done
}

make_limit_new() {
	limited new_connections_per_second 1
}
send_limit_new() {
	packets segment "$LAB_VIP4" 80 flags=syn from=30000 count=20
}
undo_limit_new() {
	not_limited
}

make_limit_connections() {
	limited connections 1
}
send_limit_connections() {
	packets segment "$LAB_VIP4" 80 flags=syn from=31000 count=5
}
undo_limit_connections() {
	not_limited
}

make_limit_bits() {
	limited bits_per_second 10k
}
send_limit_bits() {
	packets segment "$LAB_VIP4" 80 flags=syn from=32000 count=60
}
undo_limit_bits() {
	not_limited
}

make_limit_packets() {
	limited packets_per_second 1
}
send_limit_packets() {
	packets segment "$LAB_VIP4" 80 flags=syn from=33000 count=20
}
undo_limit_packets() {
	not_limited
}

# --- the tests --------------------------------------------------------------------------------------

@test "drops: every reason of the program is in the table" {
	local reason missing=0 count=0
	for reason in $(xlb_json '.drops[].reason' drops --all); do
		count=$((count + 1))
		if ! declare -F "send_$reason" >/dev/null ||
			! grep -qx "@test \"drops: $reason\" {" "$BATS_TEST_FILENAME"; then
			echo "not in the table: $reason"
			missing=1
		fi
	done
	[ "$count" -gt 10 ]
	[ $missing = 0 ]
}

@test "drops: bad_packet" {
	reason_is_seen_everywhere bad_packet
}

@test "drops: fragment" {
	reason_is_seen_everywhere fragment
}

@test "drops: no_listener" {
	reason_is_seen_everywhere no_listener
}

@test "drops: no_server" {
	reason_is_seen_everywhere no_server
}

@test "drops: no_flow" {
	reason_is_seen_everywhere no_flow
}

@test "drops: no_neighbour" {
	reason_is_seen_everywhere no_neighbour
}

@test "drops: no_interface" {
	reason_is_seen_everywhere no_interface
}

@test "drops: snat_exhausted" {
	reason_is_seen_everywhere snat_exhausted
}

@test "drops: hairpin" {
	reason_is_seen_everywhere hairpin
}

@test "drops: ttl_expired" {
	reason_is_seen_everywhere ttl_expired
}

@test "drops: mtu_exceeded" {
	reason_is_seen_everywhere mtu_exceeded
}

@test "drops: flow_reset" {
	reason_is_seen_everywhere flow_reset
}

@test "drops: rate_limited" {
	reason_is_seen_everywhere rate_limited
}

@test "drops: internal" {
	reason_is_seen_everywhere internal
}

@test "drops: flow_busy" {
	reason_is_seen_everywhere flow_busy
}

@test "drops: redirect_failed" {
	reason_is_seen_everywhere redirect_failed
}

@test "drops: tx_failed" {
	reason_is_seen_everywhere tx_failed
}

@test "drops: denied" {
	reason_is_seen_everywhere denied
}

@test "drops: limit_new" {
	reason_is_seen_everywhere limit_new
}

@test "drops: limit_connections" {
	reason_is_seen_everywhere limit_connections
}

@test "drops: limit_bits" {
	reason_is_seen_everywhere limit_bits
}

@test "drops: limit_packets" {
	reason_is_seen_everywhere limit_packets
}

@test "drops: icmp_unknown" {
	reason_is_seen_everywhere icmp_unknown
}

@test "drops: flow_table_full" {
	reason_is_seen_everywhere flow_table_full
}
