#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154
#
# xlbctl capture against a daemon that only answers.

bats_require_minimum_version 1.5.0

load fake

# sent_query: the query of the capture, a line for each option, without its name
sent_query() {
	sed -n 's/^POST .v1.capture?//p' "$FAKE/log" | tr '&' '\n' | grep -v '^name=xlbctl-[0-9]*$'
}

@test "capture: options become a query, lines for people come of JSON" {
	answer POST /v1/capture 200 '{"time":"2026-11-28T10:00:00.123456789Z","stage":"before","interface":"eth0","egress":"eth1","protocol":"tcp","tcp_flags":"SYN","length":74,"source":"203.0.113.9","source_port":51000,"destination":"198.51.100.10","destination_port":80,"new_source":"10.0.1.2","new_source_port":40112,"new_destination":"10.0.1.11","new_destination_port":8080,"verdict":"redirect","reason":null,"listener":"edge/http","server":"web/web1@10.0.1.11"}
{"time":"2026-11-28T10:00:01.000000001Z","stage":"before","interface":"eth0","egress":null,"protocol":"udp","tcp_flags":null,"length":60,"source":"2001:db8::9","source_port":53,"destination":"2001:db8::10","destination_port":81,"new_source":null,"verdict":"drop","reason":"no_listener","server":null}
{"time":"2026-11-28T10:00:02.000000000Z","stage":"lost","interface":"eth0","egress":"eth1","frames":3,"verdict":"drop","reason":"redirect_failed","error":"No such device"}
{"time":"2026-11-28T10:00:03Z","stage":"end","packets":3,"skipped":7}
'
	TZ=UTC run --separate-stderr -0 "$XLBCTL" capture --text --address 192.0.2.0/24 --address 2001:db8::1 --port 80 \
		--protocol tcp --interface eth0 --listener edge/http --server web/web1 --verdict drop --reason no_flow -c 9 --for 1500ms
	diff - <(sent_query) <<-'END'
		format=json
		address=192.0.2.0%2F24
		address=2001%3Adb8%3A%3A1
		port=80
		protocol=tcp
		listener=edge%2Fhttp
		server=web%2Fweb1
		interface=eth0
		verdict=drop
		reason=no_flow
		side=before
		count=9
		seconds=2
	END
	diff - <(printf '%s\n' "$output") <<-'END'
		10:00:00.123456 eth0 203.0.113.9:51000 > 198.51.100.10:80 tcp SYN 74 -> redirect web/web1@10.0.1.11 (as 10.0.1.2:40112 > 10.0.1.11:8080 by eth1)
		10:00:01.000000 eth0 [2001:db8::9]:53 > [2001:db8::10]:81 udp 60 -> drop no_listener
		10:00:02.000000 eth0 3 frames lost towards eth1: redirect_failed: No such device
	END
	[ "$stderr" = "3 packets (2 before, 0 after), 7 skipped" ]
}

@test "capture: what is no capture, and files that cannot be written" {
	answer POST /v1/capture 200 'no blocks at all, but some bytes of text'
	run -1 "$XLBCTL" capture -o "$BATS_TEST_TMPDIR/file"
	[[ $output == *"is no capture"* ]]
	run -1 "$XLBCTL" capture -o "$BATS_TEST_TMPDIR/none/file"
	[[ $output == *"cannot write '$BATS_TEST_TMPDIR/none/file': No such file or directory"* ]]
	# an error of the daemon leaves no file
	answer POST /v1/capture 404 '{"type": "not-found", "title": "no listener", "status": 404}'
	rm "$FAKE"/POST,v1,capture.1
	run -6 "$XLBCTL" capture -o "$BATS_TEST_TMPDIR/other"
	[ ! -e "$BATS_TEST_TMPDIR/other" ]
}

@test "capture: bytes do not go to a terminal" {
	run -0 script -qec "$XLBCTL capture -o -; echo status \$?" /dev/null
	[[ $output == *"binary data to the terminal"* && $output == *"tshark"* && $output == *"status 2"* ]]
}
