#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# deps.sh [build|demo|test|bench]: installs what is missing to build xlb, to run the demo (as well), to run every
# test (as well; the default), or to measure xlb beside others (as well). Debian 12. Does nothing, and needs no root, when all is there.
set -eu

build_packages='make gcc libc6-dev clang-14 bpftool pkg-config libbpf-dev linux-libc-dev libnl-3-dev
	libevent-dev libjansson-dev libfyaml-dev libcurl4-openssl-dev libsmartcols-dev
	uthash-dev libncurses-dev libssl-dev'
demo_packages='iproute2 ethtool util-linux procps nginx curl ca-certificates socat haproxy openssl'
test_packages='libcmocka-dev clang-format-14 libclang-rt-14-dev shellcheck bats jq wrk iperf3 bind9-dnsutils dnsmasq-base python3 iputils-ping traceroute python3-scapy tshark tmux nftables
	qemu-system-x86 qemu-system-common busybox-static cpio kmod xz-utils prometheus python3-prometheus-client
	ngtcp2-client ngtcp2-server nghttp2-client'
bench_packages='libnginx-mod-stream'

fail() {
	echo "deps.sh: $*" >&2
	exit 1
}

purpose=${1:-test}
case $purpose in
build) packages=$build_packages ;;
demo) packages="$build_packages $demo_packages" ;;
test) packages="$build_packages $demo_packages $test_packages" ;;
bench) packages="$build_packages $demo_packages $test_packages $bench_packages" ;;
*) fail "unknown purpose '$purpose': build, demo, test or bench" ;;
esac

missing() {
	# shellcheck disable=SC2086 # a list of words
	dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null |
		awk -v wanted="$packages" '
			$2 == "installed" { installed[$1] = 1 }
			END {
				count = split(wanted, names)
				for (i = 1; i <= count; i++)
					if (!(names[i] in installed))
						print names[i]
			}'
}

has_bpffs() {
	[ "$purpose" = build ] || [ "$(stat -f -c %t /sys/fs/bpf 2>/dev/null)" = cafe4a11 ]
}

wanted=$(missing)
if [ -z "$wanted" ] && has_bpffs; then
	exit 0
fi
command -v apt-get >/dev/null || fail "apt-get not found: this script is for Debian. Packages needed: ${wanted//$'\n'/ }"

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null ||
		fail "must be root to install ${wanted//$'\n'/ } and to mount /sys/fs/bpf, and sudo is not installed: run it as root"
	exec sudo -- "$0" "$purpose"
fi

# Installed services must not start: nginx would take port 80 of this host.
policy=/usr/sbin/policy-rc.d
own_policy=0
log=$(mktemp)
finish() {
	[ $own_policy = 0 ] || rm -f "$policy"
	rm -f "$log"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
forbid_services() {
	if [ ! -e "$policy" ]; then
		own_policy=1
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
}

# what apt says goes to the log
apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1
}

known() {
	local list
	# shellcheck disable=SC2086 # a list of words
	list=$(apt-cache --no-all-versions show $wanted 2>/dev/null | grep -c '^Package:') || true
	[ "$list" -ge "$(wc -w <<<"$wanted")" ]
}

if [ -n "$wanted" ]; then
	echo "deps.sh: installing ${wanted//$'\n'/ }"
	forbid_services
	known || apt update || true
	# lists from before a point release name files that are gone: then once more with new ones
	# shellcheck disable=SC2086 # a list of words
	apt install --no-install-recommends $wanted || {
		apt update && apt install --no-install-recommends $wanted
	} || {
		tail -n 40 "$log" >&2
		fail "apt could not install them"
	}
fi
if ! has_bpffs; then
	mount -t bpf bpf /sys/fs/bpf
fi
