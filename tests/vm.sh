#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vm.sh: TAP of what must also hold on the oldest kernel supported: the object loads, the packet rows pass,
# real traffic goes through in every mode. Runs itself inside of the guest with --inside.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}

if [ "${1:-}" = --inside ]; then
	status=0
	CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/verifier/verifier" || status=1
	CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/packet/packet" || status=1
	bats --tap tests/vm/traffic.bats || status=1
	exit $status
fi

if ! reason=$(scripts/vm.sh -k 6.1 true 2>&1); then
	echo 1..1
	echo "ok 1 - Linux 6.1 # SKIP ${reason##*$'\n'}"
	exit 0
fi
exec scripts/vm.sh -k 6.1 env BUILD="$build" LAB_PATIENCE=10 LAB_SMALL=4 tests/vm.sh --inside
