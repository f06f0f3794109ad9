# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What net.jq made, as rows of columns between tabs, and lines without any.

def count: if . == null then "-" elif . >= 100 then round else . end | tostring;

{
	keepalive: "keep-alive HTTP requests/s",
	connections: "new connections/s, an HTTP request each",
	udp: "UDP datagrams/s, both ways"
} as $titles |
(.measures as $measures | $titles | to_entries[] | select($measures[.key]) |
	"", .value,
	(["", "median", "min", "max", "ratio", "min", "max", "CPU s/1M", "min", "max", "ratio", "faults", "resent"] | @tsv),
	($measures[.key] | to_entries | sort_by(-(.value.ratio.median // 0))[].value |
		([.title, (.rate | .median, .min, .max), (.ratio | .median, .min, .max), (.cpu_per_million | .median, .min, .max), .cpu_ratio.median,
			.faults, .resent]
			| map(if type == "string" then . else count end) | @tsv),
		(.errors[] | "    failed: " + .))),
"",
(.about.others_cpu_share | select(.) | map_values(. * 100 | round) |
	"other processes used \(.median) % of the CPUs meanwhile (\(.min)-\(.max) %)"),
(.targets[] | "xlb fullnat, \(.text) \(.limit): \(.value), \(if .met then "met" else "NOT MET" end)")
