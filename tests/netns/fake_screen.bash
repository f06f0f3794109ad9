# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What xlbctl draws on a terminal, of a daemon that only answers.

load fake
load terminal

teardown() {
	terminal_end
}
