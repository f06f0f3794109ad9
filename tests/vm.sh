#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vm.sh [KERNEL...]: TAP of what must also hold on other kernels (6.1 and 6.12), the oldest supported among them: the
# object loads, the packet rows pass, real traffic goes through in every mode. The guests run at the same time; what
# each has said comes in one piece. Runs itself inside of the guest with --inside.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}

if [ "${1:-}" = --inside ]; then
	status=0
	CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/verifier/verifier" || status=1
	CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/packet/packet" || status=1
	bats --tap tests/vm || status=1
	exit $status
fi

work=$(mktemp -d)
guests=()
finish() {
	local guest
	for guest in "${guests[@]}"; do
		kill "$guest" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap finish EXIT

[ $# -gt 0 ] || set -- 6.1 6.12
for kernel; do
	# what a kernel can do otherwise is done once in a guest; what is repeated to be thorough, an eighth as often
	scripts/vm.sh -k "$kernel" -t 1800 env BUILD="$build" LAB_PATIENCE=10 LAB_SMALL=4 PACKET_PART=8 \
		tests/vm.sh --inside >"$work/$kernel" 2>"$work/$kernel.err" &
	guests+=($!)
done

status=0
for kernel; do
	result=0
	wait "${guests[0]}" || result=$?
	guests=("${guests[@]:1}")
	echo "# Linux $kernel"
	if [ $result = 126 ]; then
		echo 1..1
		echo "ok 1 - Linux $kernel # SKIP $(tail -n 1 "$work/$kernel.err")"
		continue
	fi
	cat "$work/$kernel"
	cat "$work/$kernel.err" >&2
	[ $result = 0 ] || status=1
done
exit $status
