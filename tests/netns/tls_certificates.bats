#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Certificates of tls listeners as people see them: listed, read anew, near their end.

bats_require_minimum_version 1.5.0
load helper
load tls

setup_file() {
	tls_for_file
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_tls
	[ -e "$LAB_DIR/pids/xlbd" ] || lab_xlbd
	tls_sign ca a a.example
	tls_sign ca b b.example
}

teardown() {
	end_of_tls_test
}

# in_days NUMBER: a minute before that, as openssl ca takes it: what is looked at in the same second has less than NUMBER left
in_days() {
	date -u -d "$1 days -1 minute" +%Y%m%d%H%M%SZ
}

# tls_sign_until NAME DAYS: NAME.example is valid since 2020, for so many days from now
tls_sign_until() {
	tls_sign ca "$1" "$1.example" ec 20200101000000Z "$(in_days "$2")"
}

# certificate NAME FIELD: as `cert list` has it
certificate() {
	xlb_json ".certificates[] | select(.chain == \"$TLS/$1.pem\") | .$2" cert list
}

# serial_of FILE
serial_of() {
	openssl x509 -noout -serial -in "$1" | cut -d= -f2
}

# served: the serial of what clients of a.example see
served() {
	tls_hello "$LAB_VIP4" 443 -servername a.example >"$LAB_DIR/hello"
	serial_of "$LAB_DIR/hello"
}

# problem WORD NAME: the text of that problem with the certificate's files, in status
problem() {
	xlb_json ".problems[] | select(.kind == \"$1\" and (.text | contains(\"$TLS/$2.\"))) | .text" status
}

has_problem() {
	[ -n "$(problem "$1" "$2")" ]
}

# warnings NAME: of its end, in the log since the line $since
warnings() {
	tail -n "+$since" "$LAB_DIR/xlbd.log" | grep "certificate $TLS/$1.pem " || true
}

has_warning() {
	[[ "$(warnings "$1")" == *"$2"* ]]
}

mark_log() {
	since=$(($(wc -l <"$LAB_DIR/xlbd.log") + 1))
}

# events NAME: the texts of those about the certificate
events() {
	xlb --json events --kind certificate | jq -r "select(.certificate == \"$TLS/$1.pem\") | .text"
}

# --- cert list, cert reload ---------------------------------------------------------------------------

@test "cert list: what is in use, for which names and listeners, until when" {
	tls_apply more="      other: $(certificates=b tls_listener 444)"
	equal "serial of a" "$(certificate a serial)" "$(serial_of "$TLS/a.pem")"
	equal "names of b" "$(certificate b names)" b.example
	equal "listeners of a" "$(certificate a 'listeners | join(" ")')" edge/http
	equal "listeners of b" "$(certificate b 'listeners | sort | join(" ")')" "edge/http edge/other"
	equal "end of a" "$(certificate a expires)" \
		"$(date -d "$(openssl x509 -noout -enddate -in "$TLS/a.pem" | cut -d= -f2)" +%s)"
	run -0 xlb cert list
	[[ ${lines[0]} == FILE*NAMES*EXPIRES*LISTENERS* ]]
	equal "lines" ${#lines[@]} 4
	[[ $output == *"$TLS/a.pem"*"a.example"*"in 199d"*"edge/http"* ]]
	xlb rm listener edge http --yes
	xlb rm listener edge other --yes
	run -0 xlb cert list
	[[ $output == "no certificate"* ]]
}

# reload_tells: a new certificate, and what `cert reload` says of it, unless xlbd has looked at the files in between
reload_tells() {
	tls_sign ca a a.example
	xlb cert reload >"$LAB_DIR/reload" && grep -q "$TLS/a.pem: a.example, expires in 199d" "$LAB_DIR/reload"
}

@test "cert reload takes what has changed, and says what that is" {
	tls_apply
	wait_for 20 reload_tells
	run ! grep "$TLS/b.pem" "$LAB_DIR/reload"
	equal "in use" "$(certificate a serial)" "$(serial_of "$TLS/a.pem")"
	equal "what is served" "$(served)" "$(serial_of "$TLS/a.pem")"
	run -0 xlb cert reload
	[[ $output == *"no certificate has changed"* ]]
}

@test "cert reload refuses a bad file, says which, and what was there stays" {
	local before revision
	tls_apply
	before=$(served)
	revision=$(xlb_json .revision status)
	cp "$TLS/b.key" "$TLS/a.key"
	run -3 xlb cert reload
	[[ $output == *"edge/http"*"$TLS/a.key"* ]]
	equal "in use" "$(certificate a serial)" "$before"
	equal "what is served" "$(served)" "$before"
	equal "revision" "$(xlb_json .revision status)" "$revision"
	tls_sign_until a -1
	run -3 xlb cert reload
	[[ $output == *"$TLS/a.pem has expired 1d ago"* ]]
	# xlbd has looked at it by itself, too
	wait_for 15 has_problem certificate a
	equal "what is served in place of what has expired" "$(served)" "$before"
}

# --- the end of a certificate ---------------------------------------------------------------------------

@test "a certificate near its end is warned of once for each of 30, 14 and 3 days" {
	mark_log
	tls_sign_until a 10
	tls_apply
	wait_for 15 has_warning a "expires in 9d"
	[[ "$(problem certificate_expires a)" == *"expires in 9d" ]]
	equal "metric" "$(xlb metrics | grep "^xlb_tls_certificate_expires_timestamp_seconds.*$TLS/a.pem" | awk '{ printf "%d", $NF }')" \
		"$(certificate a expires)"
	# read again, which is no news; when the other one is warned of, all have been looked at
	xlb cert reload
	tls_sign_until b 25
	wait_for 15 has_warning b "expires in 24d"
	has_problem certificate_expires b
	equal "warnings of a" "$(warnings a | wc -l)" 1
	equal "events of a" "$(events a)" "certificate $TLS/a.pem expires in 9d"
	equal "events of b" "$(events b)" "certificate $TLS/b.pem expires in 24d"
	tls_sign_until b 2
	wait_for 15 has_warning b "expires in 1d"
	equal "events of b" "$(events b | tail -n 1)" "certificate $TLS/b.pem expires in 1d"
	equal "warnings of a" "$(warnings a | wc -l)" 1
}

@test "a certificate that has expired stays in use, and is an error of status" {
	tls_sign_until a 10
	tls_apply
	lab_kill xlbd KILL
	tls_sign_until a -2
	mark_log
	lab_xlbd
	wait_for 15 has_warning a "expired 2d ago"
	[[ "$(problem certificate_expired a)" == *"$TLS/a.pem expired 2d ago" ]]
	equal "level" "$(xlb_json '.problems[] | select(.kind == "certificate_expired") | .level' status)" error
	equal "event" "$(events a)" "certificate $TLS/a.pem expired 2d ago"
	[ "$(certificate a expires)" -lt "$(date +%s)" ]
	wait_for 10 is_served a
}

is_served() {
	[ "$(served)" = "$(serial_of "$TLS/$1.pem")" ]
}
