#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vm.sh: TAP of what must also hold on other kernels, the oldest supported among them: the object loads, the
# packet rows pass, real traffic goes through in every mode. Runs itself inside of the guest with --inside.
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

status=0
for kernel in 6.1 6.12; do
	echo "# Linux $kernel"
	if ! reason=$(scripts/vm.sh -k $kernel true 2>&1); then
		echo 1..1
		echo "ok 1 - Linux $kernel # SKIP ${reason##*$'\n'}"
		continue
	fi
	scripts/vm.sh -k $kernel -t 2400 env BUILD="$build" LAB_PATIENCE=10 LAB_SMALL=4 MUTATIONS=20000 PACKET_SKIP='icmp: dry runs*' \
		tests/vm.sh --inside || status=1
done
exit $status
