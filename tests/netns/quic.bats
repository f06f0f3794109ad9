#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# hash: quic with a real client and real servers: the port of the client changes in the middle of connections, which go on.
# The servers choose connection ids of 18 random bytes.

bats_require_minimum_version 1.5.0
load helper
load modes

PORT=4433 RETRY_PORT=4434
CLIENTS=12 # a connection that is served by anybody finds its server with a chance of one in three

setup_file() {
	local server
	lab_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	lab_direct web1 web2 web3
	lab_decap web1 web2 web3
	lab_routing
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=lab \
		-keyout "$LAB_DIR/key.pem" -out "$LAB_DIR/cert.pem" 2>/dev/null
	for server in web1 web2 web3; do
		mkdir "$LAB_DIR/$server/h3"
		echo $server >"$LAB_DIR/$server/h3/who"
		quic_server $server h3 $PORT
		quic_server $server retry $RETRY_PORT --validate-addr
	done
	for server in web1 web2 web3; do
		wait_for 5 lab_bound $server udp $PORT
		wait_for 5 lab_bound $server udp $RETRY_PORT
	done
}

# quic_server SERVER NAME PORT [OPTION...]
quic_server() {
	lab_run "$1-$2" "$1" gtlsserver --quiet -d "$LAB_DIR/$1/h3" "${@:4}" '*' "$3" "$LAB_DIR/key.pem" "$LAB_DIR/cert.pem"
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
}

teardown() {
	end_of_test
}

# quic_group FORWARD [only=4|6] [hash=tuple] [more='KEY: VALUE']: as `mode` of modes.bash, for listeners of QUIC
# shellcheck disable=SC2034 # mode_group reads them
quic_group() {
	local forward=$1 only="" hash=quic more="" check="via: address, " servers="1 2 3"
	shift
	for word; do
		local "${word%%=*}=${word#*=}"
	done
	xlb_direct "$forward" || check=""
	{
		cat <<-END
			version: 1
			load_balancers:
			  edge:
			    addresses: [$LAB_VIP4, "$LAB_VIP6"]
			    listeners:
			      h3: {protocol: udp, port: $PORT, server_group: web}
			      retry: {protocol: udp, port: $RETRY_PORT, server_group: web}
			server_groups:
		END
		mode_group web
		echo "    hash: $hash"
	} >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

xlb_direct() {
	[ "$1" = dr ] || [ "$1" = tunnel ]
}

# connect VIP PORT [OPTION...]: CLIENTS connections at once. Each changes its port when it is there, and asks for a file
# later. Output in $LAB_DIR/client/N.
connect() {
	local number
	asked=$1:$2
	[[ $1 != *:* ]] || asked=[$1]:$2
	clients=()
	# a flow that is left would keep what comes from its port
	xlb flow kill --all --yes
	rm -rf "$LAB_DIR/client"
	mkdir "$LAB_DIR/client"
	for number in $(seq $CLIENTS); do
		mkdir "$LAB_DIR/client/$number"
		in_ns client timeout 120 gtlsclient --timeout="${PATIENCE:-60s}" --change-local-addr="${CHANGE:-300ms}" --nat-rebinding \
			--delay-stream="${ASK:-600ms}" --exit-on-all-streams-close --no-quic-dump --no-http-dump \
			--download="$LAB_DIR/client/$number" "${@:3}" "$1" "$2" https://lab/who \
			>"$LAB_DIR/client/$number/log" 2>&1 3>&- &
		clients+=($!)
	done
}

# ports NUMBER: the two of a client
ports() {
	sed -nE 's/^(Sent packet: local=|Local address is now )\[[^]]*\]:([0-9]+).*/\2/p' "$LAB_DIR/client/$1/log" | awk '!seen[$0]++'
}

# servers_of NUMBER: of the client's flows
servers_of() {
	local port
	for port in $(ports "$1"); do
		jq -r --arg vip "$asked" ".flows[] | select(.vip == \$vip and .state != \"tombstone\" and (.client | endswith(\":$port\"))) | .server" "$LAB_DIR/flows"
	done
}

# all_went_on: every connection was answered from its server, by which both of its flows are
all_went_on() {
	local number server met=""
	wait "${clients[@]}" || true
	xlb --json flow list --top 1000 >"$LAB_DIR/flows"
	for number in $(seq $CLIENTS); do
		server=$(cat "$LAB_DIR/client/$number/who") || {
			tail -n 5 "$LAB_DIR/client/$number/log"
			return 1
		}
		grep -q '^Changing local address' "$LAB_DIR/client/$number/log"
		equal "servers of client $number" "$(servers_of "$number")" "$(printf '%s\n%s' "$server" "$server")"
		met+="$server "
	done
	# new connections are spread
	[ "$(tr ' ' '\n' <<<"$met" | sort -u | grep -c web)" -gt 1 ]
}

# goes_on FORWARD [PART...]: for clients of both families
goes_on() {
	local vip
	quic_group "$@"
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		connect "$vip" $PORT
		all_went_on
	done
}

@test "quic, fullnat: connections outlive a change of the client's port" {
	goes_on fullnat
}

@test "quic, fullnat: the same with servers of the other family" {
	goes_on fullnat only=4
	goes_on fullnat only=6
}

@test "quic, nat: connections outlive a change of the client's port" {
	goes_on nat
}

@test "quic, dr: connections outlive a change of the client's port" {
	goes_on dr
}

@test "quic, tunnel: connections outlive a change of the client's port" {
	goes_on tunnel more="encapsulation: ipip"
	goes_on tunnel more="encapsulation: gue"
}

@test "quic: servers that send Retry first" {
	quic_group fullnat
	connect "$LAB_VIP4" $RETRY_PORT
	all_went_on
	quic_group dr
	connect "$LAB_VIP4" $RETRY_PORT
	all_went_on
}

@test "quic: a version that xlb does not know" {
	quic_group fullnat
	connect "$LAB_VIP4" $PORT -v v2draft
	all_went_on
	quic_group tunnel
	connect "$LAB_VIP6" $PORT -v v2draft
	all_went_on
}

# for wait_for: every client has its connection
are_connected() {
	[ "$(grep -l '^QUIC handshake has completed' "$LAB_DIR"/client/*/log | wc -l)" = $CLIENTS ]
}

@test "quic: a server that is drained goes on with its connections" {
	quic_group fullnat
	CHANGE=4s ASK=5s connect "$LAB_VIP4" $PORT
	wait_for 5 are_connected
	xlb server set web web1 --weight 0
	xlb server set web web2 --weight 0
	all_went_on
}

@test "quic: what xlb has seen outlives the daemon" {
	quic_group nat
	CHANGE=4s ASK=5s connect "$LAB_VIP6" $PORT
	wait_for 5 are_connected
	lab_kill xlbd KILL
	lab_xlbd
	all_went_on
}

@test "quic: with hash: tuple most of the connections break" {
	local answered
	quic_group fullnat hash=tuple
	PATIENCE=4s connect "$LAB_VIP4" $PORT
	wait "${clients[@]}" || true
	answered=$(cat "$LAB_DIR"/client/*/who | wc -l)
	within "connections that were answered" "$answered" 0 $((CLIENTS - 1))
}
