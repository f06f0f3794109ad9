# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Of net.sh's results (rows of {round, measure, subject, units, rate, cpu, others, faults, resent} or, failed, {..., error}):
# medians, least and most, beside no LB of the same round, and whether xlb meets its targets. Numbers at three digits.

def short: if . == 0 then 0 else pow(10; 2 - (fabs | log10 | floor)) as $scale | (. * $scale | round) / $scale end;
def spread: if . == [] then null else sort | {median: .[(length - 1) / 2 | floor], min: .[0], max: .[-1]} | map_values(short) end;

def summary($direct):
	map(select(.rate)) as $rows |
	{errors: map(select(.error) | "round \(.round): \(.error)")} +
	if $rows == [] then {} else {
		rounds: ($rows | length),
		rate: ($rows | map(.rate) | spread),
		cpu_per_million: ($rows | map(.cpu / .units * 1e6) | spread),
		faults: ($rows | map(.faults) | add),
		resent: ($rows | map(.resent) | add)
	} end +
	([$rows[] | select($direct[.round | tostring]) | .rate / $direct[.round | tostring]] |
		if . == [] then {} else {ratio: spread} end);

# A row of the targets, if both figures are there.
def target($text; $value; $limit; $least):
	if ($value and $limit) then {text: $text, value: $value, limit: $limit,
		met: (if $least then $value >= $limit else $value <= $limit end)} else empty end;

. as $rows | group_by(.measure) | map(
	(map(select(.subject == "direct" and .rate) | {(.round | tostring): .rate}) | add // {}) as $direct |
	{(.[0].measure): (group_by(.subject) | map({(.[0].subject): ({title: $titles[.[0].subject]} + summary($direct))}) | add)}
) | (add // {}) as $measures | {
	about: ($about[0] + {others_cpu_share: ($rows | map(select(.rate) | .others / (.units / .rate) / $about[0].cores) | spread)}),
	measures: $measures,
	targets: ($measures | [
		target("keep-alive requests/s, at least 0.97 of no LB"; .keepalive.fullnat.ratio.median; 0.97; true),
		target("CPU for a keep-alive request, at most that of nftables";
			.keepalive.fullnat.cpu_per_million.median; .keepalive.nft.cpu_per_million.median; false),
		target("new connections/s of no LB, at least those of nftables";
			.connections.fullnat.ratio.median; .connections.nft.ratio.median; true),
		target("UDP datagrams/s, at least those of no LB"; .udp.fullnat.ratio.median; 1; true)
	])
}
