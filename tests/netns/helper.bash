# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the namespace tests share: one lab per file, one configuration per test.

# shellcheck source=tests/lab.sh
. "$BATS_TEST_DIRNAME/../lab.sh"

# lab_for_file two-arm|one-arm [SERVERS]: for setup_file. Makes nothing where a lab is not possible: the
# tests skip by themselves.
lab_for_file() {
	lab_possible >/dev/null || return 0
	lab_init "xlbt-$$"
	lab_network "$1" "${2:-3}"
	# shellcheck disable=SC2046 # a list of words
	lab_web $(lab_servers "${2:-3}")
	lab_xlbd
	xlb attach "$LAB_FRONT"
	[ "$LAB_BACK" = "$LAB_FRONT" ] || xlb attach "$LAB_BACK"
}

lab_servers() {
	seq -f 'web%g' "$1"
}

# for setup
skip_without_lab() {
	local reason
	reason=$(lab_possible) || skip "$reason"
}

# for teardown_file; bats shows nothing of it unless the file failed. Every checksum of every packet that clients and
# servers got was right: the kernel has counted those that were not.
lab_end_of_file() {
	local wrong=""
	[ -n "${LAB_DIR:-}" ] || return 0
	wrong=$(lab_wrong_checksums)
	lab_cleanup
	[ -z "$wrong" ] || {
		echo "wrong checksums: $wrong"
		return 1
	}
}

# for teardown: what xlbd said is shown if the test failed; a conversation left open would be waited for, and load
# meet the next test
end_of_test() {
	lab_kill wrk
	[ -z "${talk_pid:-}" ] || kill "$talk_pid" 2>/dev/null || true
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 15 "$LAB_DIR/xlbd.log"
}

# xlbctl beside the daemon
xlb() {
	in_ns lb xlbctl "$@" 3>&-
}

# xlb_json FILTER COMMAND...: the answer through jq
xlb_json() {
	local filter=$1
	shift
	xlb --json "$@" | jq -r "$filter"
}

# config: the load balancer `edge` in front of all servers, as YAML. Words after it replace parts:
# config listener='{...}' group='more: keys' weights='50 50 100'
config() {
	local listener="{protocol: tcp, port: 80, server_group: web}" group="" weights="100 100 100"
	local addresses="$LAB_VIP4, \"$LAB_VIP6\"" port=8080 number=0 weight word
	local check="{type: http, port: 8080, path: /healthz, interval: 200ms, timeout: 5s, healthy_threshold: 1, unhealthy_threshold: 2}"
	for word; do
		local "${word%%=*}=${word#*=}"
	done
	cat <<-END
		version: 1
		load_balancers:
		  edge:
		    addresses: [$addresses]
		    listeners:
		      http: $listener
		server_groups:
		  web:
		    health_check: $check
	END
	[ -z "$group" ] || echo "    $group"
	echo "    servers:"
	for weight in $weights; do
		number=$((number + 1))
		echo "      web$number: {address: [10.0.1.$((number + 10)), \"2001:db8:1::$((number + 10))\"], port: $port, weight: $weight}"
	done
}

# apply_config PART...: applies it and waits until every server with a weight is up
apply_config() {
	config "$@" >"$LAB_DIR/test.yaml"
	xlb apply "$LAB_DIR/test.yaml" --yes --now
	wait_for 5 all_up
}

# every server is up, and packets meet it so
all_up() {
	[ "$(xlb_json '(.pending | not) and ([.server_groups[].state | .up == .servers] | all)' status)" = true ]
}

# what the daemon knows has reached the maps
in_line() {
	[ "$(xlb_json .pending status)" = false ]
}

# server_is GROUP SERVER STATE
server_is() {
	[ "$(xlb_json .state.state show server "$1" "$2")" = "$3" ] && in_line
}

# flows_at_least NUMBER: the count is refreshed by a sweep of the flow table
flows_at_least() {
	[ "$(xlb_json .flows status)" -ge "$1" ]
}

# drops REASON: dropped or reset for that reason since the start
drops() {
	xlb_json ".drops.$1 // 0" status
}

attached_program() {
	xlb_json .state.program_id show iface front
}

# Whether the program on front is the one that tells of packets, for a capture or a trace: it has a ring of events
somebody_watches() {
	local rings
	rings=$(bpftool -j map show | jq -c '[.[] | select(.type == "ringbuf") | .id]')
	bpftool -j prog show id "$(attached_program)" |
		jq -e --argjson rings "$rings" '.map_ids - (.map_ids - $rings) | length > 0'
}

nobody_watches() {
	! somebody_watches
}

# --- a connection held open over several steps ------------------------------------------------------

# conversation tcp|udp ADDRESS PORT: opens one; `talk` then exchanges a word on it and prints who answered.
# The server side is tests/tools/echo.
conversation() {
	rm -f "$LAB_DIR/talk.in" "$LAB_DIR/talk.out"
	mkfifo "$LAB_DIR/talk.in" "$LAB_DIR/talk.out"
	nsenter --net="/run/netns/$LAB-client" -- "$LAB_TOOLS/ask" -i -t "${TALK_TIMEOUT:-5000}" "$@" \
		<"$LAB_DIR/talk.in" >"$LAB_DIR/talk.out" 2>/dev/null 3>&- &
	talk_pid=$!
	exec {talk_in}>"$LAB_DIR/talk.in" {talk_out}<"$LAB_DIR/talk.out"
}

talk() {
	local answer
	echo >&"$talk_in"
	read -r -t 30 answer <&"$talk_out"
	echo "$answer"
}

# Whether the conversation is cut by a RST: for wait_for, as every answer until then is one more exchange
talk_is_reset() {
	[[ "$(talk)" == "error: Connection reset"* ]]
}

end_conversation() {
	exec {talk_in}>&- {talk_out}<&-
	kill "$talk_pid" 2>/dev/null || true
	wait "$talk_pid" || true
	talk_pid=
}

# --- load ------------------------------------------------------------------------------------------

# wrk_run NAME OPTION...: keep-alive requests to the VIP in the background, by what processor time the tests beside leave
wrk_run() {
	local name=$1
	shift
	lab_run "$name" client nice -n 19 wrk -d1h "$@" "http://$LAB_VIP4:80/"
}

# wrk_start: 64 keep-alive connections to the VIP, in the background, which have begun when it returns. wrk_end ends
# them and fails unless all went well. The port is named, as wrk would look for the word http in /etc/services.
wrk_start() {
	rm -f "$LAB_DIR/wrk.log"
	wrk_run wrk -t2 -c64
	client_sends 1000
}

wrk_end() {
	lab_kill wrk INT
	cat "$LAB_DIR/wrk.log"
	# wrk prints these lines only if there was something to count
	run ! grep -E 'Socket errors|Non-2xx' "$LAB_DIR/wrk.log"
	grep -qE '^ *[1-9][0-9]* requests in' "$LAB_DIR/wrk.log"
}

# client_sends NUMBER: returns when the client has sent so many more packets
client_sends() {
	wait_for 30 client_has_sent $(($(client_sent) + $1))
}

client_has_sent() {
	[ "$(client_sent)" -ge "$1" ]
}

client_sent() {
	in_ns client ip -s -j link show eth0 | jq '.[0].stats64.tx.packets'
}

# client_is_done: its connections have ended, at both ends; for wait_for
client_is_done() {
	[ -z "$(in_ns client ss -Htan state connected exclude time-wait)" ]
}

# cpu_ms: the processor time that the daemon has used so far
cpu_ms() {
	awk '{ print ($14 + $15) * 10 }' "/proc/$(cat "$LAB_DIR/pids/xlbd")/stat"
}

# --- assertions --------------------------------------------------------------------------------------

# equal WHAT ACTUAL EXPECTED
equal() {
	[ "$2" = "$3" ] || {
		echo "$1: is \"$2\", should be \"$3\""
		return 1
	}
}

# within WHAT ACTUAL MIN MAX
within() {
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		echo "$1: is $2, should be $3-$4"
		return 1
	fi
}
