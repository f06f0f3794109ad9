#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Frames larger than a page, which go back out of an interface on every kernel, to another one since 6.3.

bats_require_minimum_version 1.5.0
load ../netns/helper
load ../netns/jumbo

setup_file() {
	jumbo_for_file one-arm
}

teardown_file() {
	lab_end_of_file
}

setup() {
	skip_without_lab
}

teardown() {
	end_of_test
}

@test "one arm: downloads go in frames larger than a page" {
	downloads_go_in_large_frames
}

@test "another arm with such an MTU is refused where the kernel cannot redirect them" {
	lab_veth lb extra fabric to-extra 02:00:00:00:00:09
	in_ns lb ip link set extra mtu 9000
	in_ns fabric ip link set to-extra mtu 9000
	case $(uname -r) in
	6.1.*)
		run -9 xlb attach extra
		[[ $output == *"cannot go from extra to eth0"* ]]
		;;
	*) xlb attach extra ;;
	esac
}
