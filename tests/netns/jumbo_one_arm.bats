#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Frames larger than a page, that go back out of the interface they came by.

bats_require_minimum_version 1.5.0
load helper
load jumbo

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

@test "one arm: a capture sees them whole" {
	a_capture_sees_large_frames
}

@test "one arm: after a crash the next daemon goes on with them" {
	the_next_daemon_goes_on
}
