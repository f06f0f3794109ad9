#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# check.sh: installs what is missing, builds everything with warnings as errors, and runs every test, the
# cheap ones first. The last line is "N passed, N failed, N skipped"; exit status 1 if anything failed.
# Needs root (or sudo): the tests make network namespaces and load BPF programs.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "check.sh: must be root: the tests make network namespaces, and sudo is not installed" >&2
		exit 1
	}
	exec sudo -- "$0" "$@"
fi

scripts/deps.sh test

# for the demo too, which is run as a test: other flags would make it build anew
export WERROR=1
mkdir -p build/log
build() {
	echo "building: $*"
	if ! make --no-print-directory -j"$(nproc)" "$@" >build/log/make.log 2>&1; then
		grep -E 'error:|warning:|\*\*\*' build/log/make.log | head -n 40
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
}

sanitized=build/san-address-undefined
build all tools packet-build oracle-build verifier-build bench-build guard-build fuzz-build
build SAN=address,undefined unit-build
build CC=clang-14 BUILD=build/clang all

UNIT_BUILD=$sanitized exec tests/run "${@:-all}"
