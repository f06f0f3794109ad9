#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# guard.sh [--update]: TAP of what packets cost, in instructions executed on each path of the datapath, which
# unlike time is the same on every machine. A path that has grown by more than 5 % of what
# tests/guard/cost.txt says has failed; --update records what is measured now. Two measurements of one program
# differ by less than half a percent.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
record=tests/guard/cost.txt
kernel=6.12
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

result=0
scripts/vm.sh -k $kernel -i env BUILD="$build" "$build/tests/guard/guard" >"$work/now" 2>"$work/err" || result=$?
if [ $result = 126 ] && [ "${1:-}" != --update ]; then
	echo 1..1
	echo "ok 1 - what packets cost # SKIP $(tail -n 1 "$work/err")"
	exit
fi
if [ $result != 0 ]; then
	echo 1..1
	echo "not ok 1 - what packets cost: cannot be measured"
	tail -n 5 "$work/now" "$work/err" | sed 's/^/# /'
	exit 1
fi
if [ "${1:-}" = --update ]; then
	{
		echo "# Instructions that a packet costs on each path: mode, family of the client, path, Linux $kernel."
		cat "$work/now"
	} >"$record"
	echo "$record is written"
	exit
fi

awk -v record="$record" '
	/^#/ { next }
	{
		cost = $NF
		sub(/ +[0-9]+$/, "")
		gsub(/ +/, " ")
	}
	FILENAME == record { recorded[$0] = cost; next }
	{ now[$0] = cost; order[++count] = $0 }
	END {
		for (path in recorded)
			if (!(path in now))
				order[++count] = path
		for (i = 1; i <= count; i++) {
			path = order[i]
			good = path in now && path in recorded && now[path] <= recorded[path] * 1.05
			failed = failed || !good
			printf "%sok %d - %s: %s instructions, recorded %s\n", good ? "" : "not ", i, path,
				path in now ? now[path] : "no", path in recorded ? recorded[path] : "none"
			if (!good)
				print "# after a change on purpose: make guard-update"
		}
		print "1.." count
		exit failed
	}' "$record" "$work/now"
