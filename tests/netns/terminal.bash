# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A terminal for programs that want one, by tmux. One at a time; terminal_end in teardown.

terminals=0

terminal() {
	tmux -L "xlbt-$$-$BATS_TEST_NUMBER-$terminals" -f /dev/null "$@" 3>&-
}

# terminal_start WIDTH HEIGHT COMMAND...: what the command leaves on the screen stays there after its end
terminal_start() {
	local width=$1 height=$2
	shift 2
	# a server of its own: the one that was ended may still take, and lose, what comes to its socket
	terminals=$((terminals + 1))
	terminal new-session -d -x "$width" -y "$height" "$(printf '%q ' "$@"); echo; echo ended; sleep 600"
}

terminal_keys() {
	terminal send-keys "$@"
}

terminal_resize() {
	terminal resize-window -x "$1" -y "$2"
}

terminal_text() {
	terminal capture-pane -p
}

# terminal_shows PATTERN: whether a line has it; for wait_for
terminal_shows() {
	terminal_text | grep -qE -- "$1"
}

terminal_lacks() {
	! terminal_shows "$1"
}

# terminal_waits PATTERN: until it is there; else shows what is
terminal_waits() {
	wait_for "${2:-10}" terminal_shows "$1" || {
		echo "no \"$1\" on the screen:"
		terminal_text
		return 1
	}
}

terminal_end() {
	terminal kill-server 2>/dev/null || true
}
