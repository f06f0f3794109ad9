# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Completion of xlbctl: xlbctl itself says what may follow, with names from the daemon.

_xlbctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 2]:-}/$previous in
	iface/check | interface/check | */attach)
		mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/net)" -- "$current")
		return
		;;
	*/apply | */check | */diff)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W \
		"$(xlbctl --complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "$current")
}

complete -F _xlbctl xlbctl
