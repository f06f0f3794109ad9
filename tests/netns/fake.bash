# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A daemon that only answers (fake_xlbd.py), one for each file.

# shellcheck source=tests/lab.sh
. "$BATS_TEST_DIRNAME/../lab.sh" # wait_for

root() {
	cd "$BATS_TEST_DIRNAME/../.." && pwd
}

setup_file() {
	export XLBCTL="${BUILD:-$(root)/build}/xlbctl"
	case $XLBCTL in /*) ;; *) XLBCTL=$(root)/$XLBCTL ;; esac
	export XLB_INSTANCE="ctl$$"
	export RUN_DIR="/run/xlb-$XLB_INSTANCE"
	export FAKE="$BATS_FILE_TMPDIR/answers"
	[ "$(id -u)" = 0 ] || return 0
	mkdir -p "$RUN_DIR" "$FAKE"
	"$(root)/tests/netns/fake_xlbd.py" "$RUN_DIR/xlbd.sock" "$FAKE" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	wait_for 5 test -S "$RUN_DIR/xlbd.sock"
}

teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/pid")"
	rm -rf "$RUN_DIR"
}

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -x "$XLBCTL" ] || skip "build/xlbctl is not built"
	rm -f "$FAKE"/*
	unset SSH_CONNECTION
}

# answer METHOD PATH STATUS BODY: the next answer to that request
answer() {
	local name
	name="$FAKE/$1${2//\//,}"
	n=$((${n:-0} + 1))
	printf '%s\n%s' "$3" "$4" >"$name.$n"
}

# sent TEXT: the whole log of requests
sent() {
	diff <(printf '%s\n' "$1") <(grep -v '^X-XLB-Origin: xlbctl' "$FAKE/log")
}

# interrupted REQUEST COMMAND...: Ctrl-C once the daemon was asked for that. A shell's background commands would ignore it.
interrupted() {
	local request=$1
	shift
	env --default-signal=INT "$@" 3>&- &
	wait_for 10 grep -qF "$request" "$FAKE/log"
	kill -s INT $!
	wait $!
}
