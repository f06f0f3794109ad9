#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# layers.sh: checks the house rules of docs/architecture.md that a grep can check: who may include
# whom, which file may use which library, licence lines, sizes. TAP on stdout.
set -eu
cd "$(dirname "$0")/.."
shopt -s nullglob extglob

max_file_lines=700
max_function_lines=80
number=0

# report NAME FINDINGS: one test; findings are lines, none means it passed
report() {
	number=$((number + 1))
	if [ -z "$2" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '# %s\n' "${2//$'\n'/$'\n'# }"
	fi
}

# includes FILE...: 'file:line: <header' or 'file:line: "header' of every #include
includes() {
	[ $# = 0 ] || awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*[<"]/) {
		header = substr($0, RLENGTH + 1)
		sub(/[>"].*/, "", header)
		print FILENAME ":" FNR ": " substr($0, RLENGTH, 1) header
	}' "$@"
}

# may_include FOLDER PATTERN: own headers of user/FOLDER must match the pattern
may_include() {
	report "user/$1 includes only what its layer may" \
		"$(includes user/"$1"/*.[ch] | grep -E ': "(base|core|sys|xlbd|xlbctl|xlb)/' | grep -vE ": \"($2)/" || true)"
}

# library NAME HEADER FILES: headers that match may be included in files that match only
library() {
	report "$1 is used only in $4" \
		"$(includes user/*/*.[ch] | grep -E ": [<\"]$2" | grep -vE "^($3):" || true)"
}

# what a C file may not mention outside of comments: mentions WORDS FILE...
mentions() {
	local words=$1
	shift
	[ $# = 0 ] || awk -v words="$words" '
		{
			line = $0
			gsub(/\/\*.*\*\//, "", line)
			if (line ~ /^[ \t]*\*/ || line ~ /^[ \t]*\/\*/)
				next
			if (line ~ words)
				print FILENAME ":" FNR ": " $0
		}' "$@"
}

# long_functions FILE...: kernel style puts the braces of a function in column 1
long_functions() {
	[ $# = 0 ] || awk -v max=$max_function_lines '
		FNR == 1 { start = 0 }
		/^[a-z].*\(/ { head = $0 }
		/^\{/ { start = FNR }
		/^\}/ && start {
			if (FNR - start - 1 > max)
				print FILENAME ":" start ": " FNR - start - 1 " lines: " head
			start = 0
		}' "$@"
}

sources=(include/xlb/*.h bpf/*.[ch] user/*/*.[ch] tests/*/*.[ch])
scripts=(scripts/* tests/*.sh tests/run tests/summary tests/*/*.@(sh|bats) .ci/run Makefile)

echo 1..18
report "every file has its licence line" "$(
	for file in "${sources[@]}"; do
		head -n 1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' || echo "$file"
	done
	for file in "${scripts[@]}"; do
		[ ! -f "$file" ] || head -n 2 "$file" |
			grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' || echo "$file"
	done
)"
may_include base 'base|xlb'
may_include core 'core|base|xlb'
may_include sys 'sys|base|xlb'
may_include xlbd 'xlbd|core|sys|base|xlb'
may_include xlbctl 'xlbctl|core|base|xlb'
library libfyaml 'libfyaml' 'user/core/tree\.c' 'core/tree.c'
library libbpf '(bpf/|[a-z_]*\.skel\.h)' 'user/sys/datapath[a-z_]*\.[ch]' 'sys/datapath*.c'
library libnl 'netlink/' 'user/sys/host[a-z_]*\.[ch]' 'sys/host*.c'
library libevent '(event2/|event\.h)' 'user/xlbd/[a-z_]*\.[ch]' 'xlbd'
library 'libcurl or libsmartcols' '(curl/|libsmartcols)' 'user/xlbctl/[a-z_]*\.[ch]' 'xlbctl'
library ncurses 'ncurses' 'user/xlbctl/top_screen\.c' 'xlbctl/top_screen.c'
library OpenSSL 'openssl/' 'user/(sys/certificate[a-z_]*|xlbd/check_(tls|https))\.[ch]' \
	'sys/certificate*.c, xlbd/check_tls.c and check_https.c'
library jansson 'jansson\.h' 'user/(core/json\.[ch]|xlbd/api[a-z_]*\.[ch]|xlbctl/[a-z_]*\.[ch])' \
	'core/json.c, xlbd/api*.c and xlbctl'
report "core is pure: no files, no sockets, no clock" "$(includes user/core/*.[ch] |
	grep -E ': (<(unistd|fcntl|time|poll|sys/(socket|stat|time|timerfd|epoll|ioctl|mman)|linux/(bpf|netlink|rtnetlink))|"base/clock)\.h' || true)"
report "verdicts are given in bpf/xlb.bpf.c only; topic headers are joined only by the steps of its pipeline, by modes and by what those share" "$(
	mentions 'XDP_(PASS|DROP|TX|REDIRECT|ABORTED)' bpf/!(xlb.bpf|steps).[ch]
	includes bpf/!(maps|pkt|parse|csum|edit|count|state|variant|mode*|locator|record|work|direct|probe|quic|affinity|split|path_mtu|choose|steps|request|reply|serve|steady|icmp*|fragment|translate|lost|xlb.bpf).[ch] |
		grep -vE ': [<"](linux/|bpf/|xlb/|(maps|pkt|parse|csum|edit|count|state|variant|watch|vlan|outer|table|flow|source|listener)\.h|std)' || true
)"
report "files have at most $max_file_lines lines" "$(wc -l "${sources[@]}" "${scripts[@]}" 2>/dev/null |
	awk -v max=$max_file_lines '$2 != "total" && $1 > max { print $2 ": " $1 " lines" }')"
report "functions have at most $max_function_lines lines" "$(long_functions bpf/*.[ch] user/*/*.[ch] tests/*/*.[ch])"
