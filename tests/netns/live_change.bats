#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# For each kind of change: what happens to flows that exist, and to new ones. The conversations are held with
# tests/tools/echo, TCP on 7000 and UDP on 7001.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -n "${LAB_DIR:-}" ] || return 0
	for server in web1 web2 web3; do
		lab_echo $server tcp 7000,7002 udp 7001
	done
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	for server in web1 web2 web3; do
		lab_well $server
	done
	# a test's configuration is applied to servers known to be well, whatever the one before left
	wait_for 5 all_up || true
}

teardown() {
	end_of_test
}

tcp_config() {
	apply_config listener='{protocol: tcp, port: 7000, server_group: web}' port=7000 "$@"
}

udp_config() {
	apply_config listener='{protocol: udp, port: 7001, server_group: web}' port=7001 "$@"
}

# new_flows [NAME]: who answers 60 new connections, as "name count" lines; of NAME the number only
new_flows() {
	local answers
	answers=$(ask -n 60 "${LAB_PROTOCOL:-tcp}" "$LAB_VIP4,$LAB_VIP6" "${LAB_PORT:-7000}") || return 1
	if [ $# = 0 ]; then
		echo "$answers"
	else
		share "$1" <<<"$answers"
	fi
}

takes_no_new() {
	[ "$(new_flows "$1")" = 0 ]
}

# talk_is NAME: the conversation goes on with that server
talk_is() {
	equal "answer on the kept connection" "$(talk)" "$1"
}

vip_is_there() {
	in_ns lb ip -o address show dev "$LAB_FRONT" | grep -q " $LAB_VIP4/32 "
}

vip_is_gone() {
	! vip_is_there
}

@test "listener re-pointed: old flows keep their server, new ones go to the new group" {
	tcp_config weights="100"
	xlb add group other --health-check.type tcp --health-check.port 8080
	xlb add server other web2 '10.0.1.12:7000,[2001:db8:1::12]:7000'
	wait_for 5 all_up
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set listener edge http --server-group other
	equal "new connections to the new group" "$(new_flows web2)" 60
	talk_is web1
	end_conversation
}

@test "weights changed: old flows keep their server, new ones follow the weights" {
	tcp_config weights="100 0 0"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	xlb set server web web1 --weight 0
	equal "new connections to the server with all the weight" "$(new_flows web2)" 60
	talk_is web1
	end_conversation
}

@test "server address changed: old flows keep the old address, new ones take the new" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web1 --address 10.0.1.13,2001:db8:1::13
	wait_for 5 all_up
	equal "new connections to the new address" "$(new_flows web3)" 60
	talk_is web1
	end_conversation
}

@test "server port changed: old flows keep the old port, new ones take the new" {
	local answer
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web1 --port 7002
	wait_for 5 all_up
	# the answer names the port that was asked: not 7000 any more, which ask finds wrong
	run -1 ask tcp "$LAB_VIP4" 7000
	[[ $output == *"another port"* ]]
	talk_is web1
	end_conversation
}

@test "snat changed: old flows keep their source address, new ones take the new" {
	in_ns lb ip address add 10.0.1.2/24 dev back
	apply_config weights="100"
	in_ns client "$LAB_TOOLS/ask" -n 1 http "$LAB_VIP4" 80
	xlb set group web --snat.addresses 10.0.1.2
	equal "source of new connections" "$(http "$LAB_VIP4" | cut -d' ' -f2)" 10.0.1.2
	xlb set group web --snat.addresses ''
	in_ns lb ip address del 10.0.1.2/24 dev back
}

@test "weight 0: old flows finish, no new ones" {
	tcp_config weights="100 0 0"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web1 --weight 0
	xlb set server web web2 --weight 100
	equal "new connections to the server of weight 0" "$(new_flows web1)" 0
	talk_is web1
	end_conversation
}

@test "server disabled: old flows finish, no new ones; enabled again it takes new ones" {
	tcp_config weights="100 0 0"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	xlb disable web/web1
	equal "new connections to the disabled server" "$(new_flows web1)" 0
	talk_is web1
	xlb enable web/web1
	wait_for 5 server_is web web1 up
	[ "$(new_flows web1)" -gt 0 ]
	end_conversation
}

@test "server removed: old flows finish" {
	tcp_config weights="100 0 0"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	xlb rm server web web1 --yes
	equal "new connections to the removed server" "$(new_flows web1)" 0
	talk_is web1
	talk_is web1
	end_conversation
}

@test "server removed with drain.timeout: TCP flows are cut by RST when it is over" {
	tcp_config weights="100 0 0" group="drain: {timeout: 5s}"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	xlb rm server web web1 --yes
	talk_is web1
	wait_for 10 talk_is_reset
	end_conversation
}

@test "xlbctl drain: no new flows, the old ones finish, --wait sees the end" {
	tcp_config weights="100 0 0"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	xlb drain web/web1
	equal "new connections to the draining server" "$(new_flows web1)" 0
	talk_is web1
	end_conversation
}

@test "server down: TCP flows are kept, no new ones" {
	tcp_config weights="100 0 0"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	lab_sick web1
	wait_for 5 server_is web web1 down
	# the health is known a moment before the maps follow
	wait_for 2 takes_no_new web1
	talk_is web1
	end_conversation
}

@test "server down with on_down: reset: TCP flows are cut" {
	tcp_config weights="100 0 0" group="on_down: reset"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb set server web web2 --weight 100
	lab_sick web1
	wait_for 5 server_is web web1 down
	wait_for 2 talk_is_reset
	end_conversation
}

@test "server down: UDP flows are re-picked at once" {
	udp_config weights="100 0 0"
	conversation udp "$LAB_VIP4" 7001
	talk_is web1
	xlb set server web web2 --weight 100
	talk_is web1
	lab_sick web1
	wait_for 5 server_is web web1 down
	wait_for 2 talk_is web2
	end_conversation
}

@test "listener disabled: old flows finish, new ones are dropped with a reason" {
	local before
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	before=$(drops no_listener)
	xlb disable listener edge http --yes
	run -1 ask -t 300 tcp "$LAB_VIP4" 7000
	[ "$(drops no_listener)" -gt "$before" ]
	talk_is web1
	end_conversation
}

@test "listener removed: refused while flows exist unless agreed; then the old ones finish" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	wait_for 5 flows_at_least 1
	run ! xlb rm listener edge http
	[[ $output == *--yes* ]]
	xlb rm listener edge http --yes
	run -1 ask -t 300 tcp "$LAB_VIP4" 7000
	talk_is web1
	end_conversation
}

@test "load balancer disabled: old flows finish, the VIP stays, new ones are dropped" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb disable lb edge --yes
	run -1 ask -t 300 tcp "$LAB_VIP4" 7000
	talk_is web1
	end_conversation
}

@test "load balancer removed: the VIP stays until the last flow has ended" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb rm lb edge --yes
	vip_is_there
	run -1 ask -t 300 tcp "$LAB_VIP4" 7000
	talk_is web1
	end_conversation
}

@test "load balancer removed --now: flows and VIP go at once" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	xlb rm lb edge --yes --now
	wait_for 3 vip_is_gone
	[[ "$(talk)" == error:* ]]
	end_conversation
}

@test "idle timeout shortened: holds for old flows from the next sweep" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	wait_for 5 flows_at_least 1
	xlb set listener edge http --idle-timeout 1s
	wait_for 8 no_flows
	[[ "$(talk)" == "error: Connection reset"* ]]
	end_conversation
}

no_flows() {
	[ "$(xlb_json .flows status)" = 0 ]
}

@test "detach: refused while flows exist unless agreed; attach brings traffic back" {
	tcp_config weights="100"
	conversation tcp "$LAB_VIP4" 7000
	talk_is web1
	wait_for 5 flows_at_least 1
	run ! xlb detach "$LAB_FRONT"
	[[ $output == *--yes* ]]
	xlb detach "$LAB_FRONT" --yes
	run -1 ask -t 300 tcp "$LAB_VIP4" 7000
	xlb attach "$LAB_FRONT"
	equal "new connections" "$(new_flows web1)" 60
	end_conversation
}

@test "keep-alive requests meet no error while weights change and a server comes and goes" {
	apply_config
	wrk_start
	for _ in $(seq 25); do
		xlb set server web web1 --weight $((RANDOM % 100 + 1))
		xlb rm server web web3 --yes
		client_sends 3000
		xlb add server web web3 '10.0.1.13:8080,[2001:db8:1::13]:8080' --weight $((RANDOM % 100 + 1))
		wait_for 5 server_is web web3 up
		client_sends 3000
	done
	wrk_end
}
