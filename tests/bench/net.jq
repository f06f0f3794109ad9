# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Of net.sh's results (rows of {round, measure, subject, units, rate, cpu, others, faults, resent} or, failed, {..., error}):
# medians, least and most, beside no LB of the same round, and whether xlb meets its targets. Numbers at three digits.

def short: if . == 0 then 0 else pow(10; 2 - (fabs | log10 | floor)) as $scale | (. * $scale | round) / $scale end;
def spread: if . == [] then null
	else sort | {median: .[(length - 1) / 2 | floor], min: .[0], max: .[-1]} | map_values(short) end;
def cost: .cpu / .units * 1e6;

map(select(.rate)) as $rows |

# A figure of a subject beside that of another, round by round.
def beside($measure; $subject; $other; figure):
	[$rows[] | select(.measure == $measure and .subject == $subject) as $mine |
		$rows[] | select(.measure == $measure and .subject == $other and .round == $mine.round) |
		($mine | figure) / figure] | spread;

def summary:
	.[0] as {$measure, $subject} | map(select(.rate)) as $good |
	{title: $titles[$subject], errors: map(select(.error) | "round \(.round): \(.error)")} +
	if $good == [] then {} else {
		rounds: ($good | length),
		rate: ($good | map(.rate) | spread),
		ratio: beside($measure; $subject; "direct"; .rate),
		cpu_per_million: ($good | map(cost) | spread),
		cpu_ratio: beside($measure; $subject; "direct"; cost),
		faults: ($good | map(.faults) | add),
		resent: ($good | map(.resent) | add)
	} end;

# For xlb as it is by default; none if it or the other was not measured.
def target($measure; $other; figure; $text; $limit; $least):
	beside($measure; "fullnat"; $other; figure) | select(.) |
	{text: $text, value: .median, limit: $limit, met: (if $least then .median >= $limit else .median <= $limit end)};

{
	about: ($about[0] + {others_cpu_share: ($rows | map(.others / (.units / .rate) / $about[0].cores) | spread)}),
	measures: (group_by(.measure) |
		map({(.[0].measure): (group_by(.subject) | map({(.[0].subject): summary}) | add)}) | add // {}),
	targets: [
		target("keepalive"; "direct"; .rate; "keep-alive requests/s to no LB, at least"; 0.97; true),
		target("keepalive"; "nft"; cost; "CPU of a keep-alive request to nft dnat+snat, at most"; 1; false),
		target("connections"; "nft"; .rate; "new connections/s to nft dnat+snat, at least"; 1; true),
		target("udp"; "direct"; .rate; "UDP datagrams/s to no LB, at least"; 1; true)
	],
	rows: .
}
