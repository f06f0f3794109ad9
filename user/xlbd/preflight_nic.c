// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checks of the interface itself. */
#include "xlbd/preflight.h"

#include <linux/if_bonding.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array[0]))
#define PLACE_MAX    160

static const char *name_of(const struct preflight_facts *facts)
{
	return facts->nic.link.name;
}

/* --- what it is ----------------------------------------------------------------------------------- */

static void judge_link(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct host_link *link = &facts->nic.link;

	if (link->up) {
		preflight_say(ret, PREFLIGHT_OK, "%s is up%s%s", link->name,
			      link->kind[0] ? ", a " : "", link->kind);
		return;
	}
	preflight_say(ret, PREFLIGHT_FAIL, "%s is down or has no carrier", link->name);
	preflight_fix(ret, "ip link set dev %s up", link->name);
}

static void judge_vlan_device(const struct nic *nic, struct preflight_finding *ret)
{
	preflight_say(ret, PREFLIGHT_FAIL,
		      "%s is a VLAN device: attach %s instead, which serves its VLANs too",
		      nic->link.name, nic->below);
	preflight_fix(ret, "xlbctl attach %s", nic->below);
	ret->refuses = true;
}

static void judge_team(const struct nic *nic, struct preflight_finding *ret)
{
	preflight_say(ret, PREFLIGHT_FAIL,
		      "%s is a team device and cannot run native XDP: attach to its ports",
		      nic->link.name);
	if (nic->lower_count)
		preflight_fix(ret, "xlbctl attach %s", nic->lowers[0].name);
	ret->refuses = true;
}

static void judge_bond_port(const struct nic *nic, struct preflight_finding *ret)
{
	preflight_say(ret, PREFLIGHT_FAIL,
		      "%s is a port of bond %s: attach %s instead, whose packets it carries",
		      nic->link.name, nic->master, nic->master);
	preflight_fix(ret, "xlbctl attach %s", nic->master);
	ret->refuses = true;
}

static bool bond_can_xdp(int32_t mode)
{
	return mode == BOND_MODE_ROUNDROBIN || mode == BOND_MODE_ACTIVEBACKUP ||
	       mode == BOND_MODE_XOR || mode == BOND_MODE_8023AD;
}

static void judge_bond(const struct nic *nic, struct preflight_finding *ret)
{
	char ports[NIC_LOWERS_MAX * 56] = "";

	for (uint32_t i = 0; i < nic->lower_count; i++) {
		const struct preflight_driver *driver = preflight_driver(nic->lowers[i].driver);

		if (driver && !driver->native) {
			preflight_say(ret, PREFLIGHT_FAIL,
				      "port %s of bond %s has driver %s, which has no native XDP",
				      nic->lowers[i].name, nic->link.name, nic->lowers[i].driver);
			preflight_fix(ret, "xlbctl attach %s --mode generic", nic->link.name);
			return;
		}
		snprintf(ports + strlen(ports), sizeof(ports) - strlen(ports), "%s%s (%s)",
			 i ? ", " : "", nic->lowers[i].name,
			 driver ? driver->name : "driver not known");
	}
	if (bond_can_xdp(nic->link.bond_mode))
		preflight_say(ret, PREFLIGHT_OK, "bond of %.250s", ports[0] ? ports : "no ports");
	else
		preflight_say(
			ret, PREFLIGHT_FAIL,
			"bond %s has a mode that cannot run XDP: balance-rr, active-backup, balance-xor "
			"and 802.3ad can",
			nic->link.name);
}

static void judge_kind(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic *nic = &facts->nic;

	if (!strcmp(nic->link.kind, "vlan")) {
		judge_vlan_device(nic, ret);
	} else if (!strcmp(nic->link.kind, "team") && preflight_is_native(facts)) {
		judge_team(nic, ret);
	} else if (!strcmp(nic->link.kind, "bond") && preflight_is_native(facts)) {
		judge_bond(nic, ret);
	} else if (!strcmp(nic->master_kind, "bond")) {
		judge_bond_port(nic, ret);
	} else if (!strcmp(nic->master_kind, "team")) {
		preflight_say(
			ret, PREFLIGHT_WARN,
			"%s is a port of team %s: its addresses and routes belong to that one",
			nic->link.name, nic->master);
	}
}

static void judge_driver(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic *nic = &facts->nic;
	const char *driver = nic->driver[0]    ? nic->driver :
			     nic->link.kind[0] ? nic->link.kind :
						 "(none)";
	const struct preflight_driver *known = preflight_driver(driver);

	if (!preflight_is_native(facts)) {
		preflight_say(
			ret, PREFLIGHT_WARN,
			"generic mode: works with every driver, but every packet takes the slow path");
		return;
	}
	if (!strcmp(nic->link.kind, "bond"))
		return; /* its ports count */
	if (facts->attached || (nic->xdp_known && nic->xdp_features & NIC_XDP_BASIC) ||
	    (!nic->xdp_known && known && known->native)) {
		preflight_say(ret, PREFLIGHT_OK, "driver %s runs native XDP", driver);
	} else if (nic->xdp_known && known && known->native) {
		preflight_say(ret, PREFLIGHT_FAIL,
			      "driver %s knows native XDP, but %s cannot run it as it is now",
			      driver, nic->link.name);
	} else if (nic->xdp_known || known) {
		preflight_say(ret, PREFLIGHT_FAIL, "driver %s has no native XDP", driver);
		preflight_fix(ret, "xlbctl attach %s --mode generic", nic->link.name);
	} else {
		preflight_say(
			ret, PREFLIGHT_WARN,
			"whether driver %s runs native XDP is not known to xlb: attaching will tell",
			driver);
	}
}

static void judge_program(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	uint32_t id = facts->nic.link.foreign_program;

	if (facts->attached) {
		preflight_say(ret, PREFLIGHT_OK, "xlb's own program is attached (id %u)", id);
	} else if (!id) {
		preflight_say(ret, PREFLIGHT_OK, "no XDP program is attached");
	} else {
		preflight_say(ret, PREFLIGHT_FAIL, "another XDP program is attached (id %u \"%s\")",
			      id, facts->program);
		preflight_fix(ret, "ip link set dev %s xdp off", name_of(facts));
	}
}

/* --- the other end of a veth ---------------------------------------------------------------------- */

static const char *peer_place(const struct nic_peer *peer, char ret[PLACE_MAX])
{
	snprintf(ret, PLACE_MAX, "its other end%s%s%s%s", peer->name[0] ? " " : "", peer->name,
		 !peer->elsewhere ? "" :
		 peer->netns[0]	  ? " in namespace " :
				    " in a network namespace without a name",
		 peer->netns);
	return ret;
}

/* The command, to be run where the other end is. */
static void peer_fix(const struct nic_peer *peer, struct preflight_finding *ret,
		     const char *command)
{
	bool named = peer->elsewhere && peer->netns[0];

	preflight_fix(ret, "%s%s%s%s", named ? "ip netns exec " : "", named ? peer->netns : "",
		      named ? " " : "", command);
	if (peer->elsewhere && !named)
		snprintf(ret->text + strlen(ret->text), sizeof(ret->text) - strlen(ret->text),
			 "; run the command there");
}

static bool peer_receives(const struct nic *nic)
{
	if (nic->peer.has_program)
		return true;
	return nic->xdp_known ? nic->xdp_features & NIC_XDP_TARGET : nic->peer.features[NIC_GRO].on;
}

static void judge_redirect(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic *nic = &facts->nic;
	char place[PLACE_MAX], command[80];

	if (!nic->peer.present) {
		if (facts->attached && nic->xdp_known && !(nic->xdp_features & NIC_XDP_TARGET) &&
		    preflight_is_native(facts))
			preflight_say(
				ret, PREFLIGHT_WARN,
				"driver %s does not take packets redirected to %s: it serves as the only "
				"interface, with clients and servers behind it",
				nic->driver, nic->link.name);
		return;
	}
	if (!preflight_is_native(facts))
		return;
	peer_place(&nic->peer, place);
	if (!peer_receives(nic)) {
		preflight_say(
			ret, PREFLIGHT_FAIL,
			"what is redirected to %s vanishes: %s needs gro (switched on while it is up) or an "
			"XDP program to receive it",
			nic->link.name, place);
		snprintf(command, sizeof(command),
			 nic->peer.features[NIC_GRO].on ?
				 "sh -c 'ethtool -K %1$s gro off; ethtool -K %1$s gro on'" :
				 "ethtool -K %1$s gro on",
			 nic->peer.name);
		peer_fix(&nic->peer, ret, command);
	} else if (!nic->peer.has_program) {
		preflight_say(
			ret, PREFLIGHT_WARN,
			"%s has no XDP program: answers that go back out of %s (one arm, RST) may be held "
			"up there; a program that passes everything helps",
			place, nic->link.name);
	} else {
		preflight_say(ret, PREFLIGHT_OK, "%s receives what is redirected to %s", place,
			      nic->link.name);
	}
}

static void judge_checksum(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic_peer *peer = &facts->nic.peer;
	char place[PLACE_MAX], command[80];

	if (!peer->present || !peer->features[NIC_TX_CHECKSUM].known)
		return;
	peer_place(peer, place);
	if (!peer->features[NIC_TX_CHECKSUM].on) {
		preflight_say(ret, PREFLIGHT_OK, "%s completes checksums", place);
		return;
	}
	preflight_say(
		ret, PREFLIGHT_WARN,
		"%s leaves checksums to the NIC: xlb would rewrite packets whose checksum is not "
		"there yet, and they are dropped",
		place);
	snprintf(command, sizeof(command), "ethtool -K %s tx off", peer->name);
	peer_fix(peer, ret, command);
}

static void judge_tx_vlan(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic_peer *peer = &facts->nic.peer;
	char place[PLACE_MAX], command[80];

	if (!peer->present || !facts->nic.vlans ||
	    !(peer->features[NIC_TX_VLAN].on || peer->features[NIC_TX_VLAN_STAG].on))
		return;
	preflight_say(ret, PREFLIGHT_FAIL,
		      "%s leaves VLAN tags to the NIC: XDP does not see them in the frames",
		      peer_place(peer, place));
	snprintf(command, sizeof(command), "ethtool -K %s txvlan off tx-vlan-stag-hw-insert off",
		 peer->name);
	peer_fix(peer, ret, command);
}

/* --- limits --------------------------------------------------------------------------------------- */

static uint32_t mtu_limit(const struct nic *nic)
{
	const struct preflight_driver *driver = preflight_driver(nic->driver);
	uint32_t limit = driver && driver->mtu_max ? driver->mtu_max : 0;

	for (uint32_t i = 0; i < nic->lower_count; i++) {
		driver = preflight_driver(nic->lowers[i].driver);
		if (driver && driver->mtu_max && (!limit || driver->mtu_max < limit))
			limit = driver->mtu_max;
	}
	return limit;
}

/* Above the limit: the program with xdp.frags, if the driver takes it. */
static void judge_large_mtu(const struct preflight_facts *facts, uint32_t mtu, uint32_t limit,
			    struct preflight_finding *ret)
{
	const struct nic *nic = &facts->nic;

	if (facts->large_arm[0] && !nic->xdp_known) {
		preflight_say(
			ret, PREFLIGHT_FAIL,
			"mtu %u: before Linux 6.3 packets above %u bytes cannot go from %s to %s or back; one "
			"of them alone can have such an mtu",
			mtu, limit, name_of(facts), facts->large_arm);
		preflight_fix(ret, "ip link set dev %s mtu %u", name_of(facts), limit);
		ret->refuses = true;
	} else if (facts->attached || nic->peer.present || nic->xdp_features & NIC_XDP_LARGE) {
		preflight_say(ret, PREFLIGHT_OK, "mtu %u (above %u: with xdp.frags)", mtu, limit);
	} else if (!nic->xdp_known) {
		preflight_say(
			ret, PREFLIGHT_WARN,
			"mtu %u is above %u: XDP needs xdp.frags then, and whether driver %s has it is "
			"not known: attaching will tell",
			mtu, limit, nic->driver);
	} else {
		preflight_say(ret, PREFLIGHT_FAIL,
			      "mtu %u is above what driver %s takes (%u): it has no xdp.frags", mtu,
			      nic->driver, limit);
		preflight_fix(ret, "ip link set dev %s mtu %u", name_of(facts), limit);
	}
}

/* Of a veth what its other end may send counts. */
static void judge_mtu(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic *nic = &facts->nic;
	uint32_t known = mtu_limit(nic), limit = known ? known : PREFLIGHT_MTU_PAGE;
	bool is_veth = nic->peer.present && nic->peer.mtu;
	uint32_t mtu = is_veth ? nic->peer.mtu : nic->link.mtu;
	char place[PLACE_MAX];

	if (!preflight_is_native(facts))
		preflight_say(ret, PREFLIGHT_OK, "mtu %u (generic mode has no limit)",
			      nic->link.mtu);
	else if (mtu > limit)
		judge_large_mtu(facts, mtu, limit, ret);
	else if (is_veth)
		preflight_say(ret, PREFLIGHT_OK, "mtu %u, at %s %u (up to %u without xdp.frags)",
			      nic->link.mtu, peer_place(&nic->peer, place), mtu, limit);
	else if (known)
		preflight_say(ret, PREFLIGHT_OK, "mtu %u (up to %u without xdp.frags)", mtu, limit);
	else
		preflight_say(ret, PREFLIGHT_OK, "mtu %u (the driver's limit is not known)", mtu);
}

static void judge_half_queues(const struct nic *nic, struct preflight_finding *ret)
{
	const struct nic_channels *queues = &nic->channels;

	if (!queues->max_combined || queues->combined * 2 <= queues->max_combined)
		return;
	preflight_say(ret, PREFLIGHT_FAIL, "%s uses %u of %u channels; XDP needs half of them free",
		      nic->driver, queues->combined, queues->max_combined);
	preflight_fix(ret, "ethtool -L %s combined %u", nic->link.name,
		      queues->max_combined > 1 ? queues->max_combined / 2 : 1);
}

static void judge_cpu_queues(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic_channels *queues = &facts->nic.channels;

	if (!queues->max_combined || queues->combined + facts->cpus <= queues->max_combined)
		return;
	preflight_say(
		ret, PREFLIGHT_WARN,
		"%s uses %u of %u queue pairs; XDP wants one more for each of %u CPUs, else they "
		"share queues under a lock, which is slower",
		facts->nic.driver, queues->combined, queues->max_combined, facts->cpus);
	if (queues->max_combined > facts->cpus)
		preflight_fix(ret, "ethtool -L %s combined %u", name_of(facts),
			      queues->max_combined - facts->cpus);
}

static void judge_peer_queues(const struct nic *nic, struct preflight_finding *ret)
{
	char place[PLACE_MAX];

	if (!nic->channels.rx || nic->channels.rx >= nic->peer.channels.tx)
		return;
	preflight_say(ret, PREFLIGHT_FAIL,
		      "%s has %u tx queues, %s only %u rx queues: native XDP needs as many",
		      peer_place(&nic->peer, place), nic->peer.channels.tx, nic->link.name,
		      nic->channels.rx);
	preflight_fix(ret, "ethtool -L %s rx %u", nic->link.name, nic->peer.channels.tx);
}

static void judge_queues(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct preflight_driver *driver = preflight_driver(facts->nic.driver);
	const struct nic_channels *queues = &facts->nic.channels;

	if (preflight_is_native(facts) && driver && driver->queues == QUEUES_HALF)
		judge_half_queues(&facts->nic, ret);
	else if (preflight_is_native(facts) && driver && driver->queues == QUEUES_PER_CPU)
		judge_cpu_queues(facts, ret);
	else if (preflight_is_native(facts) && facts->nic.peer.present)
		judge_peer_queues(&facts->nic, ret);
	if (ret->text[0])
		return;
	if (queues->combined)
		preflight_say(ret, PREFLIGHT_OK, "%u of %u queue pairs are used", queues->combined,
			      queues->max_combined);
	else if (queues->rx)
		preflight_say(ret, PREFLIGHT_OK, "%u rx and %u tx queues are used", queues->rx,
			      queues->tx);
}

const struct preflight_check preflight_nic_checks[] = {
	{ "link", judge_link },		{ "kind", judge_kind },
	{ "driver", judge_driver },	{ "program", judge_program },
	{ "mtu", judge_mtu },		{ "queues", judge_queues },
	{ "redirect", judge_redirect }, { "checksum", judge_checksum },
	{ "tx_vlan", judge_tx_vlan },
};
const uint32_t preflight_nic_check_count = COUNT(preflight_nic_checks);
