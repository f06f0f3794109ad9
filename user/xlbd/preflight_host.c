// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checks of what lies around the interface: servers, kernel, rights, firewall. */
#include <linux/capability.h>
#include <string.h>

#include "xlbd/preflight.h"

#define COUNT(array)   (sizeof(array) / sizeof(array[0]))
#define KERNEL_MIN     6001
#define FILLED_PERCENT 90

static void judge_neighbours(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct preflight_hops *hops = &facts->hops;

	if (!hops->count)
		return;
	if (!hops->unresolved) {
		preflight_say(ret, PREFLIGHT_OK, "all next hops behind %s are resolved (%u)",
			      facts->nic.link.name, hops->count);
		return;
	}
	preflight_say(ret, PREFLIGHT_WARN,
		      "%u of %u next hops behind %s do not answer ARP or ND: %s", hops->unresolved,
		      hops->count, facts->nic.link.name, hops->unresolved_names);
}

static void judge_neighbour_limit(const struct preflight_facts *facts,
				  struct preflight_finding *ret)
{
	const struct host_system *system = &facts->system;

	for (int i = 0; i < 2; i++) {
		uint32_t limit = system->neighbour_limit[i];

		if (!limit ||
		    (uint64_t)system->neighbours[i] * 100 < (uint64_t)limit * FILLED_PERCENT)
			continue;
		preflight_say(
			ret, PREFLIGHT_WARN,
			"%u neighbours of IPv%c are known and at most %u are kept: new ones are "
			"refused",
			system->neighbours[i], i ? '6' : '4', limit);
		preflight_fix(ret, "sysctl -w net.ipv%c.neigh.default.gc_thresh3=%llu",
			      i ? '6' : '4', 4ULL * limit);
	}
}

static void judge_servers(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct preflight_hops *hops = &facts->hops;

	if (!hops->unattached)
		return;
	preflight_say(ret, PREFLIGHT_FAIL,
		      "%u server%s reached through %s, which is not attached: %s", hops->unattached,
		      hops->unattached == 1 ? " is" : "s are", hops->unattached_ifname,
		      hops->unattached_names);
	preflight_fix(ret, "xlbctl attach %s", hops->unattached_ifname);
}

static void judge_kernel(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct host_system *system = &facts->system;

	if (system->version < KERNEL_MIN)
		preflight_say(ret, PREFLIGHT_FAIL, "kernel %s is too old: xlb needs %u.%u",
			      system->release, KERNEL_MIN / 1000, KERNEL_MIN % 1000);
	else
		preflight_say(ret, PREFLIGHT_OK, "kernel %s (%u.%u or later is needed)",
			      system->release, KERNEL_MIN / 1000, KERNEL_MIN % 1000);
}

static void judge_capabilities(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	static const struct {
		int bit;
		const char *name;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" }, { CAP_NET_RAW, "CAP_NET_RAW" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" }, { CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
	};
	char lacking[100] = "";

	for (size_t i = 0; i < COUNT(needed); i++)
		if (!(facts->system.capabilities & 1ULL << needed[i].bit))
			snprintf(lacking + strlen(lacking), sizeof(lacking) - strlen(lacking),
				 "%s%s", lacking[0] ? ", " : "", needed[i].name);
	if (!lacking[0]) {
		preflight_say(ret, PREFLIGHT_OK, "xlbd has the capabilities that it needs");
		return;
	}
	preflight_say(
		ret, PREFLIGHT_FAIL,
		"xlbd lacks %s: run it as root, and see CapabilityBoundingSet in xlbd.service",
		lacking);
	preflight_fix(ret, "systemctl edit xlbd");
}

static void judge_bpffs(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	if (facts->system.bpffs) {
		preflight_say(ret, PREFLIGHT_OK, "a BPF file system is on /sys/fs/bpf");
		return;
	}
	preflight_say(ret, PREFLIGHT_FAIL, "no BPF file system is on /sys/fs/bpf");
	preflight_fix(ret, "mount -t bpf bpf /sys/fs/bpf");
}

static void judge_tracepoints(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	if (facts->system.tracepoints)
		preflight_say(ret, PREFLIGHT_OK, "the kernel's XDP tracepoints can be read");
	else
		preflight_say(
			ret, PREFLIGHT_WARN,
			"the kernel's XDP tracepoints cannot be read: packets that it loses after "
			"xlb has sent them on are not counted");
}

static void judge_firewall(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	if (!facts->system.firewall[0]) {
		preflight_say(ret, PREFLIGHT_OK, "no firewall on this host");
		return;
	}
	preflight_say(ret, PREFLIGHT_WARN,
		      "the firewall of this host (%s) does not see packets of listeners, but "
		      "of tls ones: XDP takes them first",
		      facts->system.firewall);
}

/* Of nat groups: xlb takes what is a reply of a flow, the rest is for the host to route. */
static void judge_forwarding(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	static const char *const settings[] = { "net.ipv4.ip_forward",
						"net.ipv6.conf.all.forwarding" };

	for (int i = 0; i < 2; i++) {
		if (!facts->returns[i].used || ret->fix[0])
			continue;
		if (facts->system.forwards[i]) {
			preflight_say(
				ret, PREFLIGHT_OK,
				"this host routes what servers of nat groups send beside replies");
			continue;
		}
		preflight_say(
			ret, PREFLIGHT_WARN,
			"what servers of nat groups send beside replies ends here: %s is 0, and this host "
			"is their router",
			settings[i]);
		preflight_fix(ret, "sysctl -w %s=1", settings[i]);
	}
}

/* The same: behind private addresses those packets need another source, which no setting of xlb's gives them. */
static void judge_masquerade(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	for (int i = 0; i < 2; i++) {
		const struct preflight_returns *returns = &facts->returns[i];
		const char *family = i ? "ip6" : "ip";
		char text[ADDR_TEXT_MAX], out[40] = "";

		if (!returns->used || ret->text[0])
			continue;
		format_addr(&returns->server, text);
		/* what this host itself sends to the servers stays as it is */
		if (returns->bits < 128)
			snprintf(out, sizeof(out), "oifname != \"%s\" ", facts->nic.link.name);
		preflight_say(
			ret, PREFLIGHT_OK,
			"if servers of nat groups have private addresses, let this host stand for them in "
			"what they begin themselves: nft 'table %s xlb_nat { chain out { type nat hook "
			"postrouting priority 100; %s saddr %s/%u %smasquerade; }; }'",
			family, family, text, returns->bits - (i ? 0U : 96U), out);
	}
}

const struct preflight_check preflight_host_checks[] = {
	{ "neighbours", judge_neighbours },
	{ "neighbour_limit", judge_neighbour_limit },
	{ "servers", judge_servers },
	{ "kernel", judge_kernel },
	{ "capabilities", judge_capabilities },
	{ "bpffs", judge_bpffs },
	{ "tracepoints", judge_tracepoints },
	{ "firewall", judge_firewall },
	{ "forwarding", judge_forwarding },
	{ "masquerade", judge_masquerade },
	{ "tls_firewall", preflight_judge_tls },
};
const uint32_t preflight_host_check_count = COUNT(preflight_host_checks);
