#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2030,SC2031,SC2154
#
# xlbctl against a daemon that only answers: what is sent, what is printed, how it exits.

bats_require_minimum_version 1.5.0

load fake

CHANGE='{"revision":43,"added":1,"changed":0,"removed":0,"flows_affected":0,"warnings":[],"changes":["+ x"],"dry_run":false}'

STATUS='{"version":"0.1.0","instance":"","pid":1,"uptime":540000,"kernel":"6.1.0","revision":42,"origin":"xlb.yaml","file_differs":false,
"flows":10,"max_flows":262144,"confirm_in":0,
"interfaces":[{"name":"eth0","mode":"native","state":{"attached":true,"mode":"native","program_id":12,"program_tag":"9f3c0a71",
 "up":true,"mtu":1500,"counters":{"packets":1820000},"drops":{"no_listener":3,"no_flow":1}}}],
"load_balancers":[{"name":"edge","addresses":["198.51.100.10","2001:db8::10"],"state":{"flows":10},
 "listeners":{"http":{"name":"http","protocol":"tcp","ports":[{"from":80,"to":80},{"from":8000,"to":8010}],
  "server_groups":[{"group":"web","weight":100}],
  "state":{"flows":10,"counters":{"flows_created":12345,"bytes_in":1000,"bytes_out":999}}}}}],
"server_groups":[{"name":"web","forward":"fullnat","scheduler":"maglev","state":{"flows":10,"up":1,"servers":2,"fail_open":false},
 "servers":{"web1":{"name":"web1","address":["10.0.1.11"],"port":8080,"weight":100,"state":{"state":"up","flows":10,"weight_percent":100.0,"reason":""}},
  "web2":{"name":"web2","address":["10.0.1.12"],"port":8080,"weight":50,"state":{"state":"down","flows":0,"weight_percent":0.0,
   "since":"2020-01-01T00:00:00Z","reason":"connection refused"}}}}],
"drops":{"no_listener":3,"no_flow":0},
"problems":[{"level":"error","text":"group web: server web2 is down","command":"xlbctl show server web web2"}],
"retired":[{"kind":"server","key":"web/web9@10.0.1.19","flows":3,"deadline":240}]}'

# change METHOD PATH: answers it with CHANGE
change() {
	answer "$1" "$2" 200 "$CHANGE"
}

# as_table PLURAL FILTER COLUMN...: the objects that a jq filter finds in STATUS, as a brief answer has them
as_table() {
	local plural=$1 filter=$2
	shift 2
	jq -c --arg plural "$plural" '{($plural): {columns: $ARGS.positional, rows:
		[('"$filter"') as $object | [$ARGS.positional[] as $key | $object | getpath($key / ".")]]}}' \
		--args "$@" <<<"$STATUS"
}

# --- command line to request

@test "server add with address:port and options" {
	change POST /v1/server_groups/web/servers/web3
	run "$XLBCTL" server add web web3 10.0.1.13:8080 --weight 50
	[ "$status" -eq 0 ]
	[ "$output" = "+ x
r43: 1 added, 0 changed, 0 removed" ]
	sent 'POST /v1/server_groups/web/servers/web3
Content-Type: application/json
{"address":"10.0.1.13","port":"8080","weight":"50"}'
	grep -qx 'X-XLB-Origin: xlbctl server add web web3 10.0.1.13:8080 --weight 50' "$FAKE/log"
}

@test "add server web/web3 of two families, one port" {
	change POST /v1/server_groups/web/servers/web3
	run -0 "$XLBCTL" add server web/web3 '10.0.1.13:8080,[2001:db8:1::13]:8080'
	sent 'POST /v1/server_groups/web/servers/web3
Content-Type: application/json
{"address":"10.0.1.13,2001:db8:1::13","port":"8080"}'
}

@test "two ports for one server are refused" {
	run -2 "$XLBCTL" add server web/web3 '10.0.1.13:80,10.0.1.14:81'
	[ "$output" = "xlbctl: two ports, 80 and 81: a server has one port for all its addresses" ]
	[ ! -e "$FAKE/log" ]
}

@test "listener add: fields by name, dashes or underscores" {
	change POST /v1/load_balancers/edge/listeners/dns
	run -0 "$XLBCTL" listener add edge dns --protocol udp --port=53 --server-group web --idle_timeout 30s
	sent 'POST /v1/load_balancers/edge/listeners/dns
Content-Type: application/json
{"protocol":"udp","port":"53","server_group":"web","idle_timeout":"30s"}'
}

@test "lb add: the last positional list takes all words" {
	change POST /v1/load_balancers/edge
	run -0 "$XLBCTL" lb add edge 198.51.100.10 2001:db8::10
	sent 'POST /v1/load_balancers/edge
Content-Type: application/json
{"addresses":"198.51.100.10,2001:db8::10"}'
}

@test "set: nested fields, an empty value resets" {
	change PATCH /v1/server_groups/web
	run -0 "$XLBCTL" set group web --health-check.interval 2s --health_check.path /up --drain.timeout ''
	sent 'PATCH /v1/server_groups/web
Content-Type: application/json
{"health_check":{"interval":"2s","path":"/up"},"drain":{"timeout":null}}'
}

@test "options of changes become the query" {
	change DELETE /v1/server_groups/web/servers/web1
	run -0 "$XLBCTL" rm server web web1 -n --yes --force --now --if-revision 42
	sent 'DELETE /v1/server_groups/web/servers/web1?dry_run=1&yes=1&force=1&now=1&if_revision=42'
	[ "${lines[1]}" = "dry run: valid, 1 added, 0 changed, 0 removed; nothing applied" ]
}

@test "enable and disable, with and without a type" {
	change PATCH /v1/server_groups/web/servers/web1
	change PATCH /v1/load_balancers/edge/listeners/http
	run -0 "$XLBCTL" disable web/web1
	run -0 "$XLBCTL" enable server web web1
	run -0 "$XLBCTL" disable listener edge http
	sent 'PATCH /v1/server_groups/web/servers/web1
Content-Type: application/json
{"enabled":"false"}
PATCH /v1/server_groups/web/servers/web1
Content-Type: application/json
{"enabled":"true"}
PATCH /v1/load_balancers/edge/listeners/http
Content-Type: application/json
{"enabled":"false"}'
}

@test "names are percent-encoded" {
	run -6 "$XLBCTL" show server 'a b' 'c?d'
	sent 'GET /v1/server_groups/a%20b/servers/c%3Fd'
}

@test "drain waits until no flow is left" {
	change POST /v1/server_groups/web/servers/web1/drain
	answer GET /v1/server_groups/web/servers/web1 200 '{"name":"web1","state":{"flows":7}}'
	answer GET /v1/server_groups/web/servers/web1 200 '{"name":"web1","state":{"flows":0}}'
	run -0 "$XLBCTL" drain web/web1 --wait
	[[ "${lines[2]}" == "web/web1: 7 flows left after "*s ]]
	[[ "${lines[3]}" == "web/web1: 0 flows left after "*s ]]
}

@test "drain --timeout ends with 10" {
	change POST /v1/server_groups/web/servers/web1/drain
	answer GET /v1/server_groups/web/servers/web1 200 '{"name":"web1","state":{"flows":7}}'
	run -10 "$XLBCTL" server drain web web1 --wait --timeout 10ms
}

@test "an instance option beats the environment" {
	run -4 env XLB_INSTANCE=other "$XLBCTL" --instance "none$$" list lb
	[[ "$output" == *"/run/xlb-none$$/xlbd.sock"* ]]
	change GET /v1/load_balancers
	run -0 env XLB_INSTANCE=other "$XLBCTL" list lb --instance "$XLB_INSTANCE"
}

# --- usage

@test "unknown command: the nearest word, exit 2" {
	run -2 "$XLBCTL" stauts
	[ "$output" = 'xlbctl: unknown command "stauts"
hint: did you mean status? Else try xlbctl help' ]
}

@test "unknown option, field, type, missing value, surplus words: exit 2, nothing sent" {
	run -2 "$XLBCTL" --jsno
	[ "${lines[1]}" = 'hint: did you mean --json?' ]
	run -2 "$XLBCTL" server set web web1 --wieght 10
	[ "$output" = 'xlbctl: server has no field "wieght"
hint: did you mean --weight?' ]
	run -2 "$XLBCTL" list widgets
	[[ "$output" == 'xlbctl: unknown type "widgets"; types are iface, '* ]]
	run -2 "$XLBCTL" server set web web1 --weight
	[ "$output" = 'xlbctl: --weight needs a value' ]
	run -2 "$XLBCTL" show server web web1 web2
	run -2 "$XLBCTL" show server web
	run -2 "$XLBCTL" server set web web1
	run -2 "$XLBCTL" attach
	run -2 "$XLBCTL" list lb --yes
	run -2 "$XLBCTL" rm lb edge --if-revision x
	run -2 "$XLBCTL" enable group web
	run -2 "$XLBCTL" server attach eth0
	run -2 "$XLBCTL" --instance 'A/b' status
	[ ! -e "$FAKE/log" ]
}

@test "help: general, of a command, of a type; --help sends nothing" {
	run -0 "$XLBCTL" help
	[ "${lines[0]}" = "usage: xlbctl [OPTION...] COMMAND [WORD...]" ]
	run -0 "$XLBCTL" help drain
	[ "${lines[0]}" = "usage: xlbctl drain GROUP/SERVER" ]
	run -0 "$XLBCTL" help server
	[[ "$output" == *"--weight: 0-100"* ]]
	run -0 "$XLBCTL" apply --help
	[ "${lines[0]}" = "usage: xlbctl apply FILE" ]
	[ ! -e "$FAKE/log" ]
}

# --- files

@test "apply sends the bytes of a file as they are" {
	change POST /v1/apply
	printf 'version: 1\n# \303\244\n' >"$BATS_TEST_TMPDIR/x.yaml"
	cd "$BATS_TEST_TMPDIR"
	run -0 "$XLBCTL" apply x.yaml
	sent 'POST /v1/apply
Content-Type: application/yaml
X-XLB-Origin: x.yaml
version: 1
# ä
'
}

@test "apply - reads standard input" {
	change POST /v1/apply
	run -0 "$XLBCTL" apply - <<<'version: 1'
	grep -qx 'X-XLB-Origin: <stdin>' "$FAKE/log"
}

@test "apply counts flows that drain, diff and check print theirs" {
	answer POST /v1/apply 200 '{"revision":43,"added":1,"changed":0,"removed":2,"flows_affected":131,"changes":["+ a","- b","- c"],"warnings":["vip is slow"]}'
	answer POST /v1/diff 200 '{"added":0,"changed":1,"removed":0,"changes":["~ a: 1 -> 2"]}'
	answer POST /v1/check 200 '{"ok":true,"warnings":["old"]}'
	echo 'version: 1' >"$BATS_TEST_TMPDIR/x.yaml"
	run -0 --separate-stderr "$XLBCTL" apply "$BATS_TEST_TMPDIR/x.yaml"
	[ "$output" = "+ a
- b
- c
r43: 1 added, 0 changed, 2 removed; 131 flows drain" ]
	[ "$stderr" = "warning: vip is slow" ]
	run -0 --separate-stderr "$XLBCTL" diff "$BATS_TEST_TMPDIR/x.yaml"
	[ "$output" = "~ a: 1 -> 2
0 to add, 1 to change, 0 to remove" ]
	run -0 --separate-stderr "$XLBCTL" check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$output" = "$BATS_TEST_TMPDIR/x.yaml: valid" ]
	[ "$stderr" = "warning: old" ]
}

@test "files that cannot be read" {
	run -1 "$XLBCTL" apply /nowhere/x.yaml
	[ "$output" = "xlbctl: cannot read /nowhere/x.yaml: No such file or directory" ]
	run -1 "$XLBCTL" check "$BATS_TEST_TMPDIR"
	[ "$output" = "xlbctl: cannot read $BATS_TEST_TMPDIR: Is a directory" ]
	truncate -s 65M "$BATS_TEST_TMPDIR/big"
	run -3 "$XLBCTL" apply "$BATS_TEST_TMPDIR/big"
	[[ "$output" == *"larger than 64 MiB"* ]]
	[ ! -e "$FAKE/log" ]
}

@test "a large file is sent whole" {
	change POST /v1/apply
	head -c 10000000 /dev/zero | tr '\0' a >"$BATS_TEST_TMPDIR/big"
	run -0 "$XLBCTL" apply "$BATS_TEST_TMPDIR/big"
	grep -qx '10000000 bytes' "$FAKE/log"
}

# --- errors

# problem PATH STATUS JSON: a check of any file answers this
problem() {
	rm -f "$FAKE"/*
	answer POST /v1/check "$1" "$2"
	echo x >"$BATS_TEST_TMPDIR/f"
	run --separate-stderr "$XLBCTL" check "$BATS_TEST_TMPDIR/f"
	[ -z "$output" ]
}

@test "an error with a position: line, caret, hint, exit 3" {
	problem 422 '{"type":"config-invalid","title":"port must be 1-65535 or a range like 10000-20000","status":422,"hint":"use 1-65535",
		"file":"xlb.yaml","line":12,"column":36,"length":11,"source":"      games: {protocol: tcp, port: 1000-700000, group: games}"}'
	[ "$status" -eq 3 ]
	[ "$stderr" = "xlb.yaml:12:36: error: port must be 1-65535 or a range like 10000-20000
      games: {protocol: tcp, port: 1000-700000, group: games}
                                   ^~~~~~~~~~~
hint: use 1-65535
1 error, nothing applied" ]
}

@test "the caret follows tabs and characters of several bytes" {
	problem 422 '{"type":"config-invalid","title":"tab","status":422,"file":"x","line":1,"column":4,"length":2,"source":"\t\u00e4 \tbad"}'
	[ "$stderr" = "x:1:4: error: tab
$(printf '\t')ä $(printf '\t')bad
$(printf '\t')  ^~
1 error, nothing applied" ]
}

@test "of a long line only the part around the caret" {
	# beyond column 120 the daemon sends a window, in which the place is column 101
	long=...$(printf '%0197d' 0)
	problem 422 '{"type":"config-invalid","title":"long","status":422,"file":"x","line":1,"column":150,"length":300,"source":"'"$long"'"}'
	[ "${#stderr_lines[1]}" -eq 102 ]
	[[ "${stderr_lines[1]}" == ...0*0... ]]
	[ "${stderr_lines[2]}" = "   $(printf '%48s' '')^$(printf '%47s' '' | tr ' ' '~')" ]
}

@test "an error without a position; control characters do not reach the terminal" {
	problem 500 '{"type":"failed","title":"it \u001b[31m failed","status":500,"hint":"retry"}'
	[ "$status" -eq 1 ]
	[ "$stderr" = "xlbctl: it ?[31m failed
hint: retry" ]
}

@test "exit codes follow the type of the problem" {
	for pair in failed:1 usage:2 config-invalid:3 unreachable:4 not-permitted:5 not-found:6 conflict:7 faults-found:8 unsupported:9 \
		timed-out:10 needs-confirmation:1; do
		problem 400 "{\"type\":\"${pair%:*}\",\"title\":\"t\",\"status\":400}"
		[ "$status" -eq "${pair#*:}" ] || { echo "$pair: $status"; return 1; }
	done
}

@test "an answer that is no problem document" {
	problem 403 'go away'
	[ "$status" -eq 5 ]
	[ "$stderr" = "xlbctl: xlbd answered HTTP 403: go away" ]
}

@test "with --json errors are problem documents on stderr" {
	answer GET /v1/load_balancers/x 404 '{"type":"not-found","title":"no load balancer x","status":404}'
	run -6 --separate-stderr "$XLBCTL" --json show lb x
	[ -z "$output" ]
	[ "$(jq -r .title <<<"$stderr")" = "no load balancer x" ]
}

@test "no daemon: exit 4 and what to do" {
	run -4 "$XLBCTL" --instance "none$$" status
	[ "$output" = "xlbctl: cannot reach xlbd at /run/xlb-none$$/xlbd.sock: No such file or directory
hint: xlbd is not running: xlbctl --instance none$$ attach IFACE starts it" ]
}

@test "a socket nobody listens on" {
	mkdir -p "/run/xlb-dead$$"
	python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('/run/xlb-dead$$/xlbd.sock')"
	run -4 "$XLBCTL" --instance "dead$$" status
	rm -rf "/run/xlb-dead$$"
	[[ "$output" == *"Connection refused"*"xlbd is not running"* ]]
}

@test "a socket one may not use names the groups" {
	chmod 600 "$RUN_DIR/xlbd.sock"
	run -4 setpriv --reuid=65534 --regid=65534 --clear-groups "$XLBCTL" status
	chmod 755 "$RUN_DIR/xlbd.sock"
	[ "$output" = "xlbctl: cannot reach xlbd at $RUN_DIR/xlbd.sock: Permission denied
hint: you are nobody; join group xlb (read) or xlb-admin (change)" ]
}

# --- agreement

NEEDS='{"type":"needs-confirmation","title":"12 flows would be cut","status":409}'

@test "without a terminal nothing is asked: exit 1, --yes is named" {
	answer DELETE /v1/load_balancers/edge 409 "$NEEDS"
	run -1 "$XLBCTL" rm lb edge </dev/null
	[ "$output" = "xlbctl: 12 flows would be cut
hint: to agree, repeat the command with --yes" ]
	sent 'DELETE /v1/load_balancers/edge'
}

# at_terminal ANSWER COMMAND...: runs a command on a terminal where somebody types ANSWER
at_terminal() {
	python3 - "$@" <<-'PYTHON'
		import os, pty, sys
		pid, fd = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[2], sys.argv[2:])
		text = b""
		while b"[y/N]" not in text:
		    text += os.read(fd, 1000)
		os.write(fd, sys.argv[1].encode() + b"\n")
		try:
		    while data := os.read(fd, 1000):
		        text += data
		except OSError:
		    pass
		sys.stdout.write(text.decode())
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PYTHON
}

@test "at a terminal the question is asked; y repeats with yes=1" {
	answer DELETE /v1/load_balancers/edge 409 "$NEEDS"
	change DELETE /v1/load_balancers/edge
	run -0 at_terminal y "$XLBCTL" rm lb edge
	[[ "$output" == *"12 flows would be cut"*"Continue? [y/N]"*"r43:"* ]]
	sent 'DELETE /v1/load_balancers/edge
DELETE /v1/load_balancers/edge?yes=1'
}

@test "at a terminal; n changes nothing" {
	answer DELETE /v1/load_balancers/edge 409 "$NEEDS"
	run -1 at_terminal n "$XLBCTL" rm lb edge
	[[ "$output" == *"not confirmed, nothing changed"* ]]
	sent 'DELETE /v1/load_balancers/edge'
}

# --- attach

@test "attach prints mode and program; an interface of no default route is not guarded" {
	change POST /v1/interfaces/lo/attach
	answer GET /v1/interfaces/lo 200 "$(jq -c '.interfaces[0]' <<<"$STATUS")"
	run -0 "$XLBCTL" attach lo --mode generic
	[ "$output" = "lo: attached, native mode, program 12 (9f3c0a71)" ]
	sent 'POST /v1/interfaces/lo/attach
Content-Type: application/json
{"mode":"generic"}
GET /v1/interfaces/lo
GET /v1/interfaces/lo/check'
}

@test "attach where this SSH session runs is guarded, unless --no-confirm" {
	change POST /v1/interfaces/lo/attach
	answer GET /v1/interfaces/lo 200 "$(jq -c '.interfaces[0]' <<<"$STATUS")"
	# the variable is found in an ancestor as well: sudo drops it
	run -0 env SSH_CONNECTION="192.0.2.1 50000 127.0.0.1 22" sh -c "env -u SSH_CONNECTION '$XLBCTL' attach lo; true"
	[[ "$output" == *"warning: lo carries this SSH session: xlb detaches by itself in 60 s unless you confirm
hint: if all is well, type: xlbctl --instance $XLB_INSTANCE confirm" ]]
	grep -qx 'POST /v1/interfaces/lo/attach?confirm=60' "$FAKE/log"
	run -0 env SSH_CONNECTION="192.0.2.1 50000 127.0.0.1 22" "$XLBCTL" attach lo --no-confirm
	[ "${#lines[@]}" -eq 1 ]
	grep -qx 'POST /v1/interfaces/lo/attach' "$FAKE/log"
}

@test "attach on the interface of the default route is guarded" {
	change POST /v1/interfaces/up0/attach
	answer GET /v1/interfaces/up0 200 "$(jq -c '.interfaces[0]' <<<"$STATUS")"
	run -0 unshare --net sh -c "ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up &&
		ip route add default dev up0 && '$XLBCTL' attach up0"
	[[ "$output" == *"warning: up0 carries the default route: "* ]]
	run -0 unshare --net sh -c "ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up &&
		ip -6 route add default dev up0 && '$XLBCTL' attach up0"
	[[ "$output" == *"warning: up0 carries the default route: "* ]]
}

@test "detach prints the flows that ended" {
	answer POST /v1/interfaces/eth0/detach 200 '{"revision":44,"added":0,"changed":0,"removed":1,"flows_affected":9,"changes":[],"warnings":[]}'
	run -0 "$XLBCTL" detach eth0 --yes
	[ "$output" = "eth0: detached; 9 flows ended" ]
	sent 'POST /v1/interfaces/eth0/detach?yes=1'
}

@test "confirm" {
	answer POST /v1/confirm 200 '{"revision":44}'
	run -0 "$XLBCTL" confirm
	sent 'POST /v1/confirm'
}

@test "attach starts xlbd in the background and waits until it is ready" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$XLBCTL" "$BATS_TEST_TMPDIR/bin/xlbctl"
	cat >"$BATS_TEST_TMPDIR/bin/xlbd" <<-'SHELL'
		#!/bin/sh
		echo "args: $*"
		echo "no BPF here" >&3
	SHELL
	chmod +x "$BATS_TEST_TMPDIR/bin/xlbd"
	cp "$XLBCTL" "$BATS_TEST_TMPDIR/bin/xlbctl.real"
	run -1 "$BATS_TEST_TMPDIR/bin/xlbctl.real" --instance "start$$" attach eth0
	log=$(cat "/run/xlb-start$$/xlbd.log")
	rm -rf "/run/xlb-start$$"
	[[ "$output" == *"xlbd was not running: started in the background, pid "*"xlbctl: xlbd did not start: no BPF here"* ]]
	[ "$log" = "args: --ready-fd 3 --instance start$$" ]
}

# --- test

# servers FLOWS1 FLOWS2: the group as it is before or after the test
servers() {
	answer GET /v1/server_groups/web 200 '{"name":"web","servers":{
		"web1":{"state":{"weight_percent":75.0,"addresses":[{"counters":{"flows_created":'"$1"'}}]}},
		"web2":{"state":{"weight_percent":25.0,"addresses":[{"counters":{"flows_created":'"$2"'}}]}}}}'
}

# test_answers PROTOCOL PORT CHECK: what the daemon says during a test of a VIP of our own
test_answers() {
	answer GET /v1/status 200 '{"pid":1,"interfaces":[{"name":"eth0","state":{"attached":true,"mode":"native"}}],
		"load_balancers":[{"name":"edge","addresses":["192.0.2.1","2001:db8::1"],"listeners":{"x":{"name":"x","protocol":"'"$1"'",
		"ports":[{"from":'"$2"',"to":'"$2"'}],"server_groups":[{"group":"web","weight":100}]}}}],
		"server_groups":[{"name":"web","health_check":{"type":"'"$3"'","path":"/up"}}]}'
	change POST /v1/interfaces/xlbt0/attach
	answer GET /v1/interfaces/xlbt0 200 '{"name":"xlbt0","state":{"attached":true,"drops":{"no_server":9}}}'
	change POST /v1/interfaces/xlbt0/detach
}

# in_host COMMAND...: in a namespace that has the VIPs, with a web server on port 80 of the first
in_host() {
	unshare --net bash -c '
		ip link set lo up
		ip addr add 192.0.2.1/32 dev lo
		ip -6 addr add 2001:db8::1/128 dev lo nodad
		python3 -m http.server --bind 192.0.2.1 80 >/dev/null 2>&1 3>&- &
		server=$!
		until ss -Hltn | grep -q :80; do sleep 0.05; done
		"$@"
		status=$?
		ip -br link | grep xlbt && status=99
		kill $server
		exit $status' bash "$@"
}

@test "test: http through a namespace of its own, lost connections are faults" {
	test_answers tcp 80 http
	servers 100 200
	servers 103 201
	run -8 --separate-stderr in_host "$XLBCTL" test edge/x -n 4
	# nobody listens on the IPv6 address
	[ "$output" = "edge/x 192.0.2.1:80 tcp: 4 connections, 4 answered (http 404)
SERVER FLOWS SHARE EXPECTED
web1       3 75.0%    75.0%
web2       1 25.0%    25.0%
edge/x [2001:db8::1]:80 tcp: 4 connections, 0 answered, 4 refused
SERVER FLOWS SHARE EXPECTED
web1       0  0.0%    75.0%
web2       0  0.0%    25.0%
dropped no_server: 9" ]
	[ "$stderr" = "xlbctl: edge/x: 4 connections were not answered
hint: xlbctl server list web" ]
	sent 'GET /v1/status
POST /v1/interfaces/xlbt0/attach
Content-Type: application/json
{"mode":"native"}
GET /v1/interfaces/xlbt0
GET /v1/server_groups/web
GET /v1/server_groups/web
GET /v1/server_groups/web
GET /v1/server_groups/web
GET /v1/interfaces/xlbt0
POST /v1/interfaces/xlbt0/detach?yes=1&now=1'
}

@test "test: datagrams need no answer" {
	test_answers udp 9 tcp
	servers 0 0
	servers 5 5
	run -0 in_host "$XLBCTL" listener test edge x -n 10
	[[ "${lines[0]}" == "edge/x 192.0.2.1:9 udp: 10 datagrams, 0 answered, "* ]]
}

@test "test: an interrupt cleans up" {
	test_answers udp 9 tcp
	servers 0 0
	# a service that never answers: the test waits
	export -f interrupted wait_for
	run -1 in_host bash -c "python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((\"192.0.2.1\", 9))
time.sleep(3600)' 3>&- & service=\$!; interrupted /v1/server_groups/web '$XLBCTL' test edge/x --count 100; r=\$?; kill \$service; exit \$r"
	[[ "$output" == *"xlbctl: the test was interrupted"* ]]
	grep -q 'POST /v1/interfaces/xlbt0/detach?yes=1&now=1' "$FAKE/log"
}

@test "test: no such listener, nothing attached, not root" {
	test_answers tcp 80 http
	run -6 "$XLBCTL" test edge/y
	[ "$output" = "xlbctl: no listener edge/y" ]
	answer GET /v1/status 200 '{"load_balancers":[{"name":"edge","listeners":{"x":{"name":"x"}}}],"interfaces":[]}'
	run -6 "$XLBCTL" test edge/y
	run -1 "$XLBCTL" test edge/x
	[[ "$output" == *"no interface is attached"* ]]
	run -5 setpriv --reuid=65534 --regid=65534 --clear-groups "$XLBCTL" test edge/x
}

# --- reading

@test "list: the columns of each type" {
	answer GET /v1/interfaces 200 "$(as_table interfaces '.interfaces[]' name state.attached state.mode \
		state.program_tag state.mtu state.counters.packets state.drops)"
	answer GET /v1/load_balancers 200 "$(as_table load_balancers '.load_balancers[] | .listeners |= length' \
		name addresses state.flows listeners)"
	answer GET /v1/load_balancers 200 "$(as_table listeners \
		'.load_balancers[] | .name as $parent | .listeners[] | .parent = $parent' parent name protocol ports \
		server_groups state.flows state.counters.flows_created state.counters.bytes_in \
		state.counters.bytes_out)"
	answer GET /v1/server_groups 200 "$(as_table server_groups '.server_groups[]' name forward scheduler \
		state.flows state.up state.servers)"
	answer GET /v1/server_groups 200 "$(as_table servers \
		'.server_groups[] | .name as $parent | .servers[] | .parent = $parent' parent name address port weight \
		state.state state.flows state.reason state.since state.weight_percent)"
	run -0 "$XLBCTL" list interface
	[ "$output" = "NAME MODE   STATE    PROG      MTU PACKETS DROPS
eth0 native attached 9f3c0a71 1500   1.82M     4" ]
	run -0 "$XLBCTL" lb list
	[ "$output" = "NAME ADDRESSES                  LISTENERS FLOWS
edge 198.51.100.10 2001:db8::10         1    10" ]
	run -0 "$XLBCTL" listeners
	[ "$output" = "LB   NAME PROTO PORT         GROUP FLOWS   NEW     IN  OUT
edge http tcp   80 8000-8010 web      10 12.3k 1.00kB 999B" ]
	run -0 "$XLBCTL" list groups
	[ "$output" = "NAME FORWARD SCHEDULER  UP FLOWS
web  fullnat maglev    1/2    10" ]
	run -0 "$XLBCTL" server list
	[[ "${lines[0]}" == "GROUP NAME ADDRESS   WEIGHT  SHARE STATE FLOWS SINCE"*"REASON" ]]
	[[ "${lines[2]}" == "web   web2 10.0.1.12     50   0.0% down      0 "*"connection refused" ]]
}

@test "list below a parent, and an empty list" {
	answer GET /v1/server_groups/web/servers 200 '{"servers":{"rows":[],"columns":[]}}'
	run -0 "$XLBCTL" server list web
	[ "$output" = "no servers in web" ]
	# a table asks for what it shows, --json for everything
	sent 'GET /v1/server_groups/web/servers?brief=1'
	run -0 "$XLBCTL" --json server list web
	[ "$output" = '{"servers":{"rows":[],"columns":[]}}' ]
	answer GET /v1/server_groups 200 '{"servers":{"rows":[],"columns":[]}}'
	run -0 "$XLBCTL" server list
	[ "$output" = "no servers" ]
	[ "$(sed -n 's/^GET //p' "$FAKE/log" | tail -n 2)" = "/v1/server_groups/web/servers
/v1/server_groups?brief=1&children=1" ]
}

@test "list: columns come by their keys, many lines keep theirs, what is missing is a dash" {
	answer GET /v1/load_balancers 200 '{"load_balancers":{"columns":["new","state.flows","name","listeners","addresses"],
		"rows":[[1,12345,"edge",100,["192.0.2.1"]],[1,0,"a-longer-name",0,[]]]}}'
	run -0 "$XLBCTL" lb list
	[ "$output" = "NAME          ADDRESSES LISTENERS FLOWS
edge          192.0.2.1       100 12.3k
a-longer-name -                 0     0" ]
}

@test "metrics: the text as it comes, narrowed by scope" {
	answer GET /metrics 200 '# TYPE xlb_config_revision gauge
xlb_config_revision 42'
	run -0 "$XLBCTL" metrics
	[ "$output" = "# TYPE xlb_config_revision gauge
xlb_config_revision 42" ]
	sent 'GET /metrics'
	run -0 "$XLBCTL" metrics --scope config,drops
	[ "$(sed -n 's/^GET //p' "$FAKE/log" | tail -n 1)" = "/metrics?scope=config%2Cdrops" ]
	run -2 "$XLBCTL" list lb --scope config
}

@test "show prints YAML-like lines and the children as a table" {
	answer GET /v1/load_balancers/edge 200 "$(jq -c '.load_balancers[0]' <<<"$STATUS")"
	run -0 "$XLBCTL" show lb edge
	[ "$output" = "name: edge
addresses: [198.51.100.10, 2001:db8::10]
state:
  flows: 10

NAME PROTO PORT         GROUP FLOWS   NEW     IN  OUT
http tcp   80 8000-8010 web      10 12.3k 1.00kB 999B" ]
}

@test "flow list: options become a query, the answer a table" {
	answer GET /v1/flows 200 '{"matched":1234567,"scanned":2000000,"flows":[{"client":"203.0.113.9:51000","vip":"198.51.100.10:80",
"protocol":"tcp","load_balancer":"edge","listener":"http","server_group":"web","server":"web1","server_address":"10.0.1.11:8080",
"snat":"10.0.1.2:40112","state":"established","age":725.9,"idle":0.4,"retired":false}]}'
	run -0 "$XLBCTL" flow list --listener edge/http --client '[2001:db8::9]:80' --top 1 --by idle
	[ "$output" = "CLIENT            VIP              SERVER   SNAT           STATE         AGE IDLE
203.0.113.9:51000 198.51.100.10:80 web/web1 10.0.1.2:40112 established 12m5s   0s
1 of 1 234 567 flows that match" ]
	sent 'GET /v1/flows?listener=edge%2Fhttp&client=%5B2001%3Adb8%3A%3A9%5D%3A80&by=idle&limit=1'
	rm "$FAKE"/GET*
	answer GET /v1/flows 200 '{"matched":0,"scanned":5,"flows":[]}'
	run -0 "$XLBCTL" flow
	[ "$output" = "no flow matches" ]
}

@test "flow list: what was measured is shown per second" {
	answer GET /v1/flows 200 '{"matched":1,"scanned":1,"seconds":2,"flows":[{"client":"203.0.113.9:51000","vip":"198.51.100.10:80",
"server_group":null,"server":null,"state":"established","age":3,"idle":0,"packets":3000,"bytes":3000000}]}'
	run -0 "$XLBCTL" flow list --by bytes --for 2s
	[ "$output" = "CLIENT            VIP              SERVER SNAT STATE       AGE IDLE PACKETS/S BITS/S
203.0.113.9:51000 198.51.100.10:80 -      -    established  3s   0s      1500  12.0M" ]
	sent 'GET /v1/flows?by=bytes&for=2'
}

@test "flow kill: asks for agreement, then says what was killed" {
	answer POST /v1/flows/kill 409 '{"type":"needs-confirmation","title":"this would cut 2 flows","status":409}'
	run -1 "$XLBCTL" flow kill --server web/web1
	[[ "$output" == *"cut 2 flows"*--yes* ]]
	rm "$FAKE"/*
	answer POST /v1/flows/kill 200 '{"matched":2345,"killed":2344,"already_ended":1,"not_told":3,"dry_run":false}'
	run -0 "$XLBCTL" flow kill --server web/web1 --yes
	[ "$output" = "2 344 flows killed, 1 had ended already, an end of 3 learns of it at its next segment only" ]
	sent 'POST /v1/flows/kill?server=web%2Fweb1&yes=1'
	rm "$FAKE"/*
	answer POST /v1/flows/kill 200 '{"matched":1,"killed":0,"already_ended":0,"not_told":0,"dry_run":true}'
	run -0 "$XLBCTL" flow kill --all -n
	[ "$output" = "dry run: 1 flow would be killed" ]
	run -2 "$XLBCTL" flow kill --all --force
	[[ "$output" == *'unknown option "--force"'* ]]
	run -2 "$XLBCTL" --client 10.0.0.1 list lb
	[[ "$output" == *"list does not take --client"* ]]
}

@test "export and version" {
	answer GET /v1/export 200 'version: 1
'
	answer GET /v1/version 200 '{"version":"0.1.0","instance":""}'
	run -0 "$XLBCTL" export
	[ "$output" = "version: 1" ]
	run -0 "$XLBCTL" version
	[ "${lines[1]}" = "xlbd 0.1.0" ]
}

@test "completion asks the daemon for names" {
	answer GET /v1/server_groups 200 "$STATUS"
	run -0 "$XLBCTL" --complete drain
	[ "${lines[0]}" = "web/web1" ]
	run -0 "$XLBCTL" --complete listener set edge/http --server_group
	[ "${lines[0]}" = "web" ]
	run -0 "$XLBCTL" --complete
	[[ "$output" == *"attach"*"server"* ]]
}

@test "the manual pages are up to date with the tables" {
	"$(root)/docs/man/update" --check "$XLBCTL"
}
