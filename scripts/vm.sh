#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vm.sh [-k 6.1|6.12] [-m MIB] [-t SECONDS] [-i] COMMAND...
#
# Runs a command as root on a Debian kernel under QEMU, in this directory of this very root file system:
# the guest sees it read-only (virtiofs) below a tmpfs that takes its writes, and has no network. The
# kernel is downloaded by apt once and kept in ${XDG_CACHE_HOME:-/var/cache}/xlb-vm. Emulation (TCG), so
# it works inside of virtual machines too. Exit status: the command's; 125 if the guest gave none, 126 if no
# guest can run here (the reason is on stderr).
#
# -i: one processor whose clock counts the instructions that it has executed, one each ns, whatever else the
# host does: what a command measures as time is its work.
set -eu

series=6.1 memory=2048 limit=900 boot_limit=300
processor=(-accel "tcg,thread=multi" -smp 2)

# What makes emulation slow is left out. erms, rep_good: the kernel and the C library copy and clear memory by
# string instructions, which are emulated one unit at a time. Addresses that are other ones in each process
# (randmaps): what has been translated is found by its address, and would be translated again for each. Pages are
# cleared when they are allocated, although their user writes to them (init_on_alloc). Grace periods of RCU
# last until each processor comes by, but expedited ones.
cpu=max,la57=off,erms=off
kernel_options="mitigations=off clearcpuid=rep_good norandmaps init_on_alloc=0 rcupdate.rcu_expedited=1 \
tsc=reliable no_timer_check nokaslr random.trust_cpu=on"

fail() {
	echo "vm.sh: $*" >&2
	exit 125
}

impossible() {
	echo "vm.sh: $*" >&2
	exit 126
}

while getopts k:m:t:i option; do
	case $option in
	k) series=$OPTARG ;;
	m) memory=$OPTARG ;;
	t) limit=$OPTARG ;;
	i) processor=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -smp 1) ;;
	*) fail "usage: vm.sh [-k 6.1|6.12] [-m MIB] [-t SECONDS] [-i] COMMAND..." ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || fail "no command given"
[ "$(id -u)" = 0 ] || impossible "must be root: the guest reads all of this file system"

PATH=$PATH:/usr/sbin:/sbin
virtiofsd=/usr/lib/qemu/virtiofsd
for tool in qemu-system-x86_64 $virtiofsd busybox cpio depmod modprobe xz apt-get; do
	command -v "$tool" >/dev/null || impossible "$tool is missing: run scripts/deps.sh"
done

cache=${XDG_CACHE_HOME:-/var/cache}/xlb-vm
work=$(mktemp -d /tmp/xlb-vm.XXXXXX)
daemon='' guest=''
finish() {
	local pid
	for pid in $guest $daemon; do
		kill "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap finish EXIT

# --- the kernel: $kernel_dir is its package unpacked ---------------------------------------------

# Newest package of the series, by Debian's own ordering of versions.
newest_package() {
	apt-cache search --names-only "^linux-image-${series//./\\.}\\.[0-9].*-cloud-amd64\$" |
		awk '{ print $1 }' | sort -V | tail -n 1
}

fetch_kernel() {
	local package
	package=$(newest_package)
	if [ -z "$package" ]; then
		apt-get -q update >&2
		package=$(newest_package)
	fi
	[ -n "$package" ] || impossible "apt knows no linux-image-$series.*-cloud-amd64"
	echo "vm.sh: downloading $package" >&2
	(cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package" >&2) || {
		apt-get -q update >&2
		(cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package" >&2)
	} || impossible "cannot download $package"
	dpkg -x "$work"/linux-image-*.deb "$work/kernel"
	version=$(basename "$work"/kernel/boot/vmlinuz-*)
	depmod -b "$work/kernel" "${version#vmlinuz-}"
	make_initrd "$work/kernel" "${version#vmlinuz-}"
	rm -rf "${cache:?}/$series"
	mv "$work/kernel" "$cache/$series"
}

# An initial file system that only finds the shared root and goes there; the command's file is named on
# the kernel's command line.
make_initrd() {
	local kernel=$1 version=$2 root=$work/initrd number=100 how file
	mkdir -p "$root"/{bin,modules,proc,sys,dev,shared,writes,root}
	cp "$(command -v busybox)" "$root/bin/busybox"
	modprobe -d "$kernel" -S "$version" --show-depends -a virtio_pci virtiofs overlay | awk '!seen[$0]++' >"$work/modules"
	while read -r how file _; do
		number=$((number + 1))
		case $how,$file in
		insmod,*.xz) xz -dc "$file" >"$root/modules/$number.ko" ;;
		insmod,*) cp "$file" "$root/modules/$number.ko" ;;
		esac
	done <"$work/modules"
	cat >"$root/init" <<-'END'
		#!/bin/busybox sh
		busybox=/bin/busybox
		$busybox mount -t proc proc /proc
		$busybox mount -t sysfs sysfs /sys
		$busybox mount -t devtmpfs dev /dev
		for module in /modules/*.ko; do $busybox insmod $module; done
		for word in $($busybox cat /proc/cmdline); do
		  case $word in xlb.run=*) run=${word#*=} ;; xlb.modules=*) modules=${word#*=} ;; esac
		done
		$busybox mount -t virtiofs -o ro root /shared
		$busybox mount -t tmpfs -o mode=755 tmpfs /writes
		$busybox mkdir /writes/upper /writes/work
		$busybox mount -t overlay -o lowerdir=/shared,upperdir=/writes/upper,workdir=/writes/work overlay /root
		$busybox mkdir -p /root/proc /root/sys /root/dev /root/run /root/lib/modules
		$busybox mount --bind /root$modules /root/lib/modules
		$busybox mount -t tmpfs -o mode=755 tmpfs /root/run
		for place in proc sys dev; do $busybox mount --move /$place /root/$place; done
		exec $busybox chroot /root /bin/bash $run
	END
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$kernel/initrd"
}

kernel_dir=$cache/$series
mkdir -p "$cache"
{
	flock 9 # apt and the cache are for one at a time
	[ -s "$kernel_dir/initrd" ] || fetch_kernel
} 9>"$cache/lock"
image=$(echo "$kernel_dir"/boot/vmlinuz-*)

# --- the command ---------------------------------------------------------------------------------

# Its output goes to the second serial port, its status to the third; a reboot then ends QEMU.
{
	echo 'export HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
	echo 'mkdir -p /dev/pts /dev/shm /run/lock'
	echo 'mount -t devpts devpts /dev/pts'
	echo 'mount -t tmpfs tmpfs /dev/shm'
	echo 'mount -t bpf bpf /sys/fs/bpf'
	echo 'ln -sfn /proc/self/fd /dev/fd'
	echo 'ip link set lo up'
	echo 'for port in /dev/ttyS1 /dev/ttyS2; do stty -F $port raw -echo; done'
	printf 'cd %q\n' "$PWD"
	echo 'echo begins >/dev/ttyS2'
	printf '('
	printf ' %q' "$@"
	printf ' ) </dev/null >/dev/ttyS1 2>&1\n'
	echo 'echo $? >/dev/ttyS2'
	echo 'echo b >/proc/sysrq-trigger'
} >"$work/run"

# begun: the guest has come as far as the command
begun() {
	grep -q begins "$work/status" 2>/dev/null
}

# boot: until the command has ended, or the guest has not come as far as it within the time it has for that. $qemu_status is
# QEMU's exit status, 124 when all of the time was over.
boot() {
	local deadline
	rm -f "$work/socket" "$work/status"
	$virtiofsd --socket-path="$work/socket" -o source=/ -o cache=always -o sandbox=chroot \
		--thread-pool-size=2 >"$work/virtiofsd.log" 2>&1 &
	daemon=$!
	while [ ! -S "$work/socket" ]; do
		kill -0 $daemon 2>/dev/null || impossible "virtiofsd does not run here: $(tail -n 1 "$work/virtiofsd.log")"
		sleep 0.02
	done
	timeout -k 5 "$limit" qemu-system-x86_64 -nodefaults -no-user-config -machine pc \
		"${processor[@]}" -cpu "$cpu" -m "$memory" \
		-object memory-backend-memfd,id=memory,size="${memory}M",share=on -numa node,memdev=memory \
		-display none -nic none -no-reboot -device virtio-rng-pci \
		-chardev socket,id=root,path="$work/socket" -device vhost-user-fs-pci,chardev=root,tag=root,queue-size=1024 \
		-serial file:"$work/console" -chardev stdio,id=output,signal=off -serial chardev:output \
		-serial file:"$work/status" \
		-kernel "$image" -initrd "$kernel_dir/initrd" \
		-append "console=ttyS0 panic=-1 loglevel=4 $kernel_options \
xlb.run=$work/run xlb.modules=$kernel_dir/lib/modules" </dev/null &
	guest=$!
	deadline=$((SECONDS + boot_limit))
	while kill -0 $guest 2>/dev/null && ! begun; do
		[ $SECONDS -lt $deadline ] || kill $guest 2>/dev/null || true
		sleep 0.2
	done
	qemu_status=0
	wait $guest || qemu_status=$?
	guest=''
	[ $qemu_status != 1 ] || impossible "QEMU does not run here" # it has said why
	kill $daemon 2>/dev/null || true
	wait $daemon || true
	daemon=''
}

# Emulation on several processors is not always faithful to code that changes itself, as a kernel's does while it boots.
for tries in 2 1 0; do
	boot
	if [ $tries = 0 ] || [ $qemu_status = 124 ] || begun; then
		break
	fi
	echo "vm.sh: the guest did not come as far as the command" \
		"($(grep -m 1 -o 'Oops.*' "$work/console" || echo 'it hung')): once more" >&2
done
status=$(grep -x '[0-9]*' "$work/status") || {
	tail -n 30 "$work/console" >&2 || true
	fail "the guest ended without a status"
}
exit "$status"
