#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Bad input: refused with the place, the line, a caret and what is accepted; nothing applied, nothing lost.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	lab_for_file two-arm
	[ -z "${LAB_DIR:-}" ] || apply_config
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
	good=$(xlb export)
}

teardown() {
	end_of_test
}

# refused LINE:COLUMN WORD TEXT...: what comes on stdin is not applied. The message names the place, shows the
# line with a caret below the word, and has each of the texts; the configuration is as before.
refused() {
	local place=$1 word=$2 text caret
	shift 2
	cat >"$LAB_DIR/bad.yaml"
	run -3 xlb apply "$LAB_DIR/bad.yaml" --yes
	echo "$output"
	[[ $output == *"bad.yaml:$place: error: "* ]]
	caret=${lines[2]%%^*}
	equal "word above the caret" "${lines[1]:${#caret}:${#word}}" "$word"
	for text; do
		[[ $output == *"$text"* ]]
	done
	equal "configuration" "$(xlb export)" "$good"
}

# with SED-COMMAND: the good configuration, changed
with() {
	config | sed "$1"
}

@test "unknown key" {
	with 's/server_group: web/server_grup: web/' | refused 6:39 server_grup 'did you mean "server_group"'
}

@test "duplicate key" {
	with 's/port: 80,/port: 80, port: 81,/' | refused 6:39 port duplicate
}

@test "a key that is not built yet" {
	with 's/    addresses:/    security_groups: [public]\n&/' | refused 4:22 '[public]' 'does not exist'
}

@test "wrong type" {
	with 's/    listeners:/    listeners: 5\n    x:/' | refused 5:16 5 listeners
}

@test "duration without a unit" {
	with 's/interval: 200ms/interval: 200/' | refused 9:70 200 unit
}

@test "port 0" {
	with 's/port: 80,/port: 0,/' | refused 6:35 0, 1-65535
}

@test "port 70000" {
	with 's/port: 80,/port: 70000,/' | refused 6:35 70000 1-65535
}

@test "reversed range" {
	with 's/port: 80,/port: 2000-1000,/; s/port: 8080, weight/weight/' | refused 6:35 2000-1000 1000-2000
}

@test "overlapping TCP listeners" {
	with 's/^      http:.*/&\n      more: {protocol: tcp, port: 80, server_group: web}/' | refused 7:35 80 'listener http'
}

@test "unknown group" {
	with 's/server_group: web/server_group: wed/' | refused 6:53 wed 'did you mean "web"'
}

@test "duplicate server" {
	with 's/^      web2: .*/      web2: {address: 10.0.1.11, port: 8080}/' | refused 12:23 10.0.1.11 web1
}

@test "bad address" {
	with 's/10.0.1.12/10.0.1.256/' | refused 12:24 10.0.1.256
}

@test "host name as a server" {
	with 's/10.0.1.12/web2.example/' | refused 12:24 web2.example
}

@test "unquoted IPv6 address that YAML reads as something else" {
	with 's/address: \[10.0.1.12.*\], port/address: [2001:db8:1::], port/' | refused 12:24 2001:db8:1: quote
}

@test "weight 101" {
	with 's/weight: 100/weight: 101/' | refused 11:74 101 0-100
}

@test "server on the host itself" {
	with 's/10.0.1.12/10.0.1.1/' | refused 12:23 '[10.0.1.1' 'address of this host'
}

@test "server behind an interface that is not attached" {
	in_ns lb ip link add other type veth peer name other-peer
	in_ns lb ip address add 192.0.2.1/24 dev other
	in_ns lb ip link set other up
	in_ns lb ip link set other-peer up
	with 's/10.0.1.12/192.0.2.7/' | refused 12:23 '[192.0.2.7' 'xlbctl attach other'
	in_ns lb ip link del other
}

@test "VIP answered by another host" {
	in_ns client ip address add 198.51.100.66/32 dev eth0
	with 's/198.51.100.10/198.51.100.66/' >"$LAB_DIR/bad.yaml"
	run ! xlb apply "$LAB_DIR/bad.yaml" --yes
	[[ $output == *198.51.100.66* && $output == *02:00:00:00:00:02* ]]
	equal "configuration" "$(xlb export)" "$good"
	in_ns client ip address del 198.51.100.66/32 dev eth0
}

@test "range listener with a server port" {
	with 's/port: 80,/port: 1000-2000,/' | refused 11:60 8080 range
}

@test "YAML anchor" {
	with 's/version: 1/version: 1\nx: \&a 1/' | refused 2:4 '&a' anchors
}

@test "YAML alias" {
	with 's/version: 1/version: 1\nx: *a/' | refused 2:4 '*a' alias
}

@test "YAML tag" {
	with 's/port: 80,/port: !!int 80,/' | refused 6:35 '!!int' tag
}

@test "YAML % directive" {
	{
		echo '%YAML 1.2'
		echo '---'
		config
	} | refused 1:1 '%YAML' directive
}

@test "YAML depth bomb" {
	{
		config
		printf 'x: '
		printf '[%.0s' $(seq 100000)
	} >"$LAB_DIR/bad.yaml"
	run -3 timeout 60 nsenter --net="/run/netns/$LAB-lb" xlbctl apply "$LAB_DIR/bad.yaml"
	[[ $output == *bad.yaml:* ]]
	equal "configuration" "$(xlb export)" "$good"
}

@test "10 MB of garbage" {
	head -c 10000000 /dev/urandom >"$LAB_DIR/bad.yaml"
	run -3 timeout 60 nsenter --net="/run/netns/$LAB-lb" xlbctl apply "$LAB_DIR/bad.yaml"
	equal "configuration" "$(xlb export)" "$good"
}

@test "a million keys are refused in under 2 s of processor time" {
	local before
	{
		echo "version: 1"
		echo "server_groups:"
		seq -f '  g%.0f: {}' 1000000
	} >"$LAB_DIR/bad.yaml"
	before=$(cpu_ms)
	run -3 xlb apply "$LAB_DIR/bad.yaml" --yes
	within "milliseconds" $(($(cpu_ms) - before)) 0 2000
	equal "configuration" "$(xlb export)" "$good"
}

@test "empty file" {
	: >"$LAB_DIR/bad.yaml"
	run -3 xlb apply "$LAB_DIR/bad.yaml"
	equal "configuration" "$(xlb export)" "$good"
}

@test "missing file" {
	run ! xlb apply "$LAB_DIR/none.yaml"
	[[ $output == *"$LAB_DIR/none.yaml"*"No such file"* ]]
}

@test "unreadable file: a folder" {
	run ! xlb apply "$LAB_DIR"
	[[ $output == *"$LAB_DIR"* ]]
}

@test "requests are answered all the while" {
	equal "requests over IPv4 and IPv6" "$(ask -n 60 http "$LAB_VIP4,$LAB_VIP6" 80 | awk '{ sum += $2 } END { print sum }')" 60
}
