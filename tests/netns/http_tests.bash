# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What must hold in front of web servers, whatever the cabling. LAB_SMALL (MiB) makes it bearable under emulation.

requests_reach_every_server() {
	local answers server
	for address in "$LAB_VIP4" "$LAB_VIP6"; do
		answers=$(ask -n 150 http "$address" 80)
		for server in web1 web2 web3; do
			within "$server over $address" "$(share $server <<<"$answers")" 20 80
		done
	done
}

servers_see_the_snat_address() {
	local answer
	answer=$(http "$LAB_VIP4")
	equal "client address over IPv4" "${answer#* }" 10.0.1.1
	answer=$(http "[$LAB_VIP6]")
	equal "client address over IPv6" "${answer#* }" 2001:db8:1::1
}

connection_stays_with_its_server() {
	local address names
	for address in "$LAB_VIP4" "[$LAB_VIP6]"; do
		names=$(for number in $(seq 50); do echo "url = http://$address/?$number"; done |
			in_ns client curl -sS -g --max-time 120 -K - | cut -d' ' -f1 | sort -u)
		equal "servers that answered on one connection" "$(wc -l <<<"$names")" 1
	done
}

downloads_are_unharmed() {
	local address
	head -c "${LAB_SMALL:-100}M" /dev/urandom >"$LAB_DIR/files/big"
	for address in "$LAB_VIP4" "[$LAB_VIP6]"; do
		in_ns client curl -sS -g --max-time 120 "http://$address/files/big" | cmp - "$LAB_DIR/files/big"
	done
}

uploads_are_unharmed() {
	local address name
	head -c "${LAB_SMALL:-100}M" /dev/urandom >"$LAB_DIR/files/big"
	for address in "$LAB_VIP4" "[$LAB_VIP6]"; do
		name=$(in_ns client curl -sS -g --max-time 120 -T "$LAB_DIR/files/big" -D - -o /dev/null \
			"http://$address/upload/big" | tr -d '\r' | sed -n 's/^X-Server: //p')
		cmp "$LAB_DIR/$name/upload/big" "$LAB_DIR/files/big"
		rm "$LAB_DIR/$name/upload/big"
	done
}

port_without_listener_is_dropped() {
	local before
	before=$(drops no_listener)
	run -1 ask -t 300 tcp "$LAB_VIP4" 81
	[[ $output == *"in time"* || $output == *"timed out"* ]]
	[ "$(drops no_listener)" -gt "$before" ]
}

the_hosts_own_address_is_not_touched() {
	# the load balancer's own stack answers: nothing listens there
	run -1 ask tcp 198.51.100.1,2001:db8::1 81
	[[ $output == *refused* ]]
}

flows_and_counters_are_seen() {
	local before after
	before=$(xlb_json '.state.counters.flows_created' show listener edge http)
	ask -n 10 http "$LAB_VIP4" 80
	after=$(xlb_json '.state.counters.flows_created' show listener edge http)
	equal "flows created" $((after - before)) 10
}
