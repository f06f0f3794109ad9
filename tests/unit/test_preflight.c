// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The judgement of preflight on made-up facts. */
#include "xlbd/preflight.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_bonding.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/tree.h"

#define ON \
	{ \
		.known = true, .on = true \
	}
#define OFF \
	{ \
		.known = true \
	}

/* A healthy server NIC on a healthy host. */
static struct preflight_facts healthy(void)
{
	return (struct preflight_facts){
		.nic = {
			.link = { .name = "eth0", .ifindex = 2, .mtu = 1500, .up = true, .bond_mode = -1 },
			.driver = "ixgbe",
			.features = { [NIC_LRO] = OFF, [NIC_GRO] = ON, [NIC_RX_VLAN] = ON },
			.channels = { .combined = 8, .max_combined = 63 },
			.has_rp_filter = true,
		},
		.system = {
			.release = "6.1.0-28-amd64",
			.version = 6001,
			.capabilities = ~0ULL,
			.bpffs = true,
			.tracepoints = true,
			.neighbour_limit = { 1024, 1024 },
		},
		.mode = XLB_ATTACH_NATIVE,
		.cpus = 8,
	};
}

static struct preflight_facts veth(void)
{
	struct preflight_facts facts = healthy();

	strcpy(facts.nic.link.kind, "veth");
	strcpy(facts.nic.driver, "veth");
	facts.nic.channels = (struct nic_channels){ .rx = 1, .tx = 1 };
	facts.nic.peer = (struct nic_peer){
		.present = true,
		.elsewhere = true,
		.netns = "client",
		.name = "eth7",
		.mtu = 1500,
		.has_program = true,
		.features = { [NIC_GRO] = ON, [NIC_TX_CHECKSUM] = OFF },
		.channels = { .rx = 1, .tx = 1 },
	};
	return facts;
}

static struct preflight judged; /* of the facts looked at last */

static const struct preflight_finding *find(const struct preflight_facts *facts, const char *check)
{
	preflight_judge(facts, &judged);
	for (uint32_t i = 0; i < judged.count; i++)
		if (!strcmp(judged.findings[i].check, check))
			return &judged.findings[i];
	return NULL;
}

/* The check says that level, its text has the words, and this is its fix. */
static void expect_at(int line, const struct preflight_facts *facts, const char *check,
		      enum preflight_level level, const char *words, const char *fix)
{
	const struct preflight_finding *finding = find(facts, check);

	if (!finding)
		fail_msg("line %d: check %s says nothing", line, check);
	if (finding->level != level || !strstr(finding->text, words) || strcmp(finding->fix, fix))
		fail_msg(
			"line %d: %s: level %d, \"%s\", fix \"%s\"; wanted level %d, \"%s\", fix \"%s\"",
			line, check, finding->level, finding->text, finding->fix, level, words,
			fix);
}
#define expect(...) expect_at(__LINE__, __VA_ARGS__)

static void healthy_is_ok(void **state)
{
	struct preflight_facts facts = healthy(), cable = veth();
	struct xlb_err err = {};

	(void)state;
	preflight_judge(&facts, &judged);
	for (uint32_t i = 0; i < judged.count; i++)
		if (judged.findings[i].level != PREFLIGHT_OK)
			fail_msg("%s: %s", judged.findings[i].check, judged.findings[i].text);
	assert_int_equal(judged.failures, 0);
	assert_int_equal(judged.warnings, 0);
	assert_string_equal(judged.ifname, "eth0");
	assert_true(judged.count > 12);
	assert_int_equal(preflight_refusal(&facts, &err), 0);
	assert_int_equal(preflight_settings(&facts), 0);

	preflight_judge(&cable, &judged);
	assert_int_equal(judged.failures, 0);
	assert_int_equal(judged.warnings, 0);
}

static void links_and_kinds(void **state)
{
	struct preflight_facts facts = healthy();
	struct xlb_err err = {};

	(void)state;
	facts.nic.link.up = false;
	expect(&facts, "link", PREFLIGHT_FAIL, "eth0 is down", "ip link set dev eth0 up");

	facts = healthy();
	strcpy(facts.nic.link.name, "eth0.100");
	strcpy(facts.nic.link.kind, "vlan");
	strcpy(facts.nic.below, "eth0");
	expect(&facts, "kind", PREFLIGHT_FAIL,
	       "eth0.100 is a VLAN device: attach eth0 instead, which serves its VLANs too",
	       "xlbctl attach eth0");
	assert_int_equal(preflight_refusal(&facts, &err), -EOPNOTSUPP);
	assert_int_equal(err.class, XLB_ERR_UNSUPPORTED);
	assert_string_equal(
		err.text,
		"eth0.100 is a VLAN device: attach eth0 instead, which serves its VLANs too");
	assert_string_equal(err.hint, "run: xlbctl attach eth0");

	facts = healthy();
	strcpy(facts.nic.link.kind, "team");
	facts.nic.lower_count = 1;
	strcpy(facts.nic.lowers[0].name, "eth5");
	expect(&facts, "kind", PREFLIGHT_FAIL, "team device", "xlbctl attach eth5");
	assert_int_equal(preflight_refusal(&facts, &err), -EOPNOTSUPP);
	facts.mode = XLB_ATTACH_GENERIC;
	assert_null(find(&facts, "kind"));

	facts = healthy();
	strcpy(facts.nic.master, "bond0");
	strcpy(facts.nic.master_kind, "bond");
	expect(&facts, "kind", PREFLIGHT_FAIL, "eth0 is a port of bond bond0: attach bond0 instead",
	       "xlbctl attach bond0");
	assert_int_equal(preflight_refusal(&facts, &err), -EOPNOTSUPP);
	strcpy(facts.nic.master_kind, "team");
	expect(&facts, "kind", PREFLIGHT_WARN, "eth0 is a port of team bond0", "");
	strcpy(facts.nic.master_kind, "bridge");
	assert_null(find(&facts, "kind"));
}

static void bonds(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	strcpy(facts.nic.link.name, "bond0");
	strcpy(facts.nic.link.kind, "bond");
	strcpy(facts.nic.driver, "bonding");
	facts.nic.link.bond_mode = BOND_MODE_8023AD;
	facts.nic.lower_count = 2;
	facts.nic.lowers[0] = (struct nic_lower){ "eth1", "ixgbe" };
	facts.nic.lowers[1] = (struct nic_lower){ "eth2", "mystery" };
	expect(&facts, "kind", PREFLIGHT_OK, "eth1 (ixgbe), eth2 (driver not known)", "");
	assert_null(find(&facts, "driver"));
	/* the tightest of its ports */
	facts.nic.link.mtu = 3100;
	expect(&facts, "mtu", PREFLIGHT_WARN, "3050", "");
	facts.nic.link.bond_mode = BOND_MODE_BROADCAST;
	expect(&facts, "kind", PREFLIGHT_FAIL, "mode that cannot run XDP", "");
	strcpy(facts.nic.lowers[1].driver, "e1000e");
	expect(&facts, "kind", PREFLIGHT_FAIL, "port eth2 of bond bond0 has driver e1000e",
	       "xlbctl attach bond0 --mode generic");
}

static void drivers(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	expect(&facts, "driver", PREFLIGHT_OK, "driver ixgbe runs native XDP", "");
	strcpy(facts.nic.driver, "e1000e");
	expect(&facts, "driver", PREFLIGHT_FAIL, "driver e1000e has no native XDP",
	       "xlbctl attach eth0 --mode generic");
	strcpy(facts.nic.driver, "mystery");
	expect(&facts, "driver", PREFLIGHT_WARN, "driver mystery", "");
	/* what the kernel says counts more than the table */
	facts.nic.xdp_known = true;
	expect(&facts, "driver", PREFLIGHT_FAIL, "driver mystery has no native XDP",
	       "xlbctl attach eth0 --mode generic");
	facts.nic.xdp_features = NIC_XDP_BASIC;
	expect(&facts, "driver", PREFLIGHT_OK, "driver mystery runs native XDP", "");
	strcpy(facts.nic.driver, "ixgbe");
	facts.nic.xdp_features = 0;
	expect(&facts, "driver", PREFLIGHT_FAIL, "cannot run it as it is now", "");
	facts.mode = XLB_ATTACH_GENERIC;
	expect(&facts, "driver", PREFLIGHT_WARN, "generic mode", "");
}

static void mtu_limits(void **state)
{
	struct preflight_facts facts = healthy();
	struct xlb_err err;

	(void)state;
	strcpy(facts.nic.driver, "bnxt_en");
	facts.nic.xdp_known = false;
	facts.nic.link.mtu = 9000;
	expect(&facts, "mtu", PREFLIGHT_WARN, "whether driver bnxt_en has it is not known", "");
	facts.nic.link.mtu = 3502;
	expect(&facts, "mtu", PREFLIGHT_OK, "up to 3502 without", "");
	/* what the kernel says of the driver, since 6.3 */
	facts.nic.link.mtu = 9000;
	facts.nic.xdp_known = true;
	facts.nic.xdp_features = NIC_XDP_BASIC;
	expect(&facts, "mtu", PREFLIGHT_FAIL, "above what driver bnxt_en takes (3502)",
	       "ip link set dev eth0 mtu 3502");
	facts.nic.xdp_features |= NIC_XDP_LARGE;
	strcpy(facts.large_arm, "eth1");
	expect(&facts, "mtu", PREFLIGHT_OK, "with xdp.frags", "");
	assert_int_equal(preflight_refusal(&facts, &err), 0);
	/* before that it redirects no such frames */
	facts.nic.xdp_known = false;
	expect(&facts, "mtu", PREFLIGHT_FAIL, "cannot go from eth0 to eth1",
	       "ip link set dev eth0 mtu 3502");
	assert_int_equal(preflight_refusal(&facts, &err), -EOPNOTSUPP);
	facts.mode = XLB_ATTACH_GENERIC;
	facts.nic.link.mtu = 9000;
	expect(&facts, "mtu", PREFLIGHT_OK, "no limit", "");
	facts = healthy();
	strcpy(facts.nic.driver, "mystery");
	facts.nic.xdp_known = false;
	facts.nic.link.mtu = 3507;
	expect(&facts, "mtu", PREFLIGHT_WARN, "above 3506", "");
	facts.nic.link.mtu = 1500;
	expect(&facts, "mtu", PREFLIGHT_OK, "not known", "");
	/* of a veth the other end's counts */
	facts = veth();
	facts.nic.link.mtu = 9000;
	expect(&facts, "mtu", PREFLIGHT_OK, "eth7 in namespace client 1500", "");
	facts.nic.peer.mtu = 9000;
	expect(&facts, "mtu", PREFLIGHT_OK, "mtu 9000 (above 3506: with xdp.frags)", "");
}

static void queue_rules(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	strcpy(facts.nic.driver, "ena");
	facts.nic.channels = (struct nic_channels){ .combined = 8, .max_combined = 8 };
	expect(&facts, "queues", PREFLIGHT_FAIL, "ena uses 8 of 8 channels; XDP needs half",
	       "ethtool -L eth0 combined 4");
	facts.nic.channels.combined = 4;
	expect(&facts, "queues", PREFLIGHT_OK, "4 of 8", "");
	strcpy(facts.nic.driver, "virtio_net");
	facts.nic.channels = (struct nic_channels){ .combined = 8, .max_combined = 8 };
	expect(&facts, "queues", PREFLIGHT_WARN, "each of 8 CPUs", "");
	facts.nic.channels.max_combined = 12;
	expect(&facts, "queues", PREFLIGHT_WARN, "8 of 12", "ethtool -L eth0 combined 4");
	facts.nic.channels.combined = 4;
	expect(&facts, "queues", PREFLIGHT_OK, "4 of 12", "");
	facts = veth();
	facts.nic.peer.channels.tx = 4;
	expect(&facts, "queues", PREFLIGHT_FAIL, "has 4 tx queues, eth0 only 1",
	       "ethtool -L eth0 rx 4");
}

static void other_programs(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	facts.nic.link.foreign_program = 62;
	strcpy(facts.program, "xdp_dispatcher");
	expect(&facts, "program", PREFLIGHT_FAIL,
	       "another XDP program is attached (id 62 \"xdp_dispatcher\")",
	       "ip link set dev eth0 xdp off");
	facts.attached = true;
	expect(&facts, "program", PREFLIGHT_OK, "xlb's own", "");
}

static void veth_ends(void **state)
{
	struct preflight_facts facts = veth();

	(void)state;
	facts.nic.peer.has_program = false;
	expect(&facts, "redirect", PREFLIGHT_WARN, "has no XDP program", "");
	facts.nic.peer.features[NIC_GRO].on = false;
	expect(&facts, "redirect", PREFLIGHT_FAIL,
	       "vanishes: its other end eth7 in namespace client",
	       "ip netns exec client ethtool -K eth7 gro on");
	/* gro was switched on while the end was down: this end does not know */
	facts.nic.peer.features[NIC_GRO].on = true;
	facts.nic.xdp_known = true;
	facts.nic.xdp_features = NIC_XDP_BASIC;
	expect(&facts, "redirect", PREFLIGHT_FAIL, "vanishes",
	       "ip netns exec client sh -c 'ethtool -K eth7 gro off; ethtool -K eth7 gro on'");
	facts.nic.xdp_features |= NIC_XDP_TARGET;
	expect(&facts, "redirect", PREFLIGHT_WARN, "has no XDP program", "");
	facts.nic.peer.has_program = true;
	expect(&facts, "redirect", PREFLIGHT_OK, "receives", "");
	facts.nic.peer.features[NIC_TX_CHECKSUM].on = true;
	expect(&facts, "checksum", PREFLIGHT_WARN, "checksum",
	       "ip netns exec client ethtool -K eth7 tx off");
	facts.nic.peer.netns[0] = '\0';
	expect(&facts, "checksum", PREFLIGHT_WARN, "; run the command there",
	       "ethtool -K eth7 tx off");
	facts.nic.peer.elsewhere = false;
	expect(&facts, "checksum", PREFLIGHT_WARN, "its other end eth7 leaves",
	       "ethtool -K eth7 tx off");
}

static void targets_of_redirect(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	facts.nic.xdp_known = true;
	facts.nic.xdp_features = NIC_XDP_BASIC;
	assert_null(find(&facts, "redirect")); /* many drivers become one only when attached */
	facts.attached = true;
	expect(&facts, "redirect", PREFLIGHT_WARN, "does not take packets redirected", "");
	facts.nic.xdp_features |= NIC_XDP_TARGET;
	assert_null(find(&facts, "redirect"));
}

static void offloads(void **state)
{
	struct preflight_facts facts = healthy();
	struct xlb_err err = {};

	(void)state;
	facts.nic.features[NIC_LRO].on = true;
	expect(&facts, "lro", PREFLIGHT_FAIL, "lro is on", "ethtool -K eth0 lro off");
	assert_int_equal(preflight_settings(&facts), 1U << XLB_SETTING_LRO);
	assert_int_equal(preflight_refusal(&facts, &err), 0);
	facts.fix = 1U << XLB_SETTING_LRO;
	expect(&facts, "lro", PREFLIGHT_OK, "xlb turns it off", "");
	/* xlb did, and somebody turned it on again */
	facts.attached = true;
	expect(&facts, "lro", PREFLIGHT_FAIL, "lro is on", "ethtool -K eth0 lro off");
	facts.nic.features[NIC_LRO].fixed = true;
	expect(&facts, "lro", PREFLIGHT_FAIL, "does not let it be turned off", "");
	assert_int_equal(preflight_settings(&facts), 0);

	facts = healthy();
	facts.nic.features[NIC_GRO_HW] = (struct nic_feature)ON;
	expect(&facts, "gro_hw", PREFLIGHT_WARN, "rx-gro-hw", "ethtool -K eth0 rx-gro-hw off");
	strcpy(facts.nic.driver, "virtio_net");
	assert_null(find(&facts, "gro_hw"));
	facts.nic.features[NIC_GRO_HW].fixed = true;
	expect(&facts, "gro_hw", PREFLIGHT_FAIL, "hypervisor", "");

	facts = healthy();
	facts.nic.vlans = 2;
	expect(&facts, "rx_vlan", PREFLIGHT_OK,
	       "xlb turns it off while attached, as 2 VLAN devices lie on eth0", "");
	facts.attached = true; /* somebody has turned it on again */
	expect(&facts, "rx_vlan", PREFLIGHT_FAIL, "2 VLAN devices lie on eth0",
	       "ethtool -K eth0 rxvlan off");
	assert_int_equal(preflight_settings(&facts), 1U << XLB_SETTING_RX_VLAN);
	facts.nic.features[NIC_RX_VLAN].on = false;
	expect(&facts, "rx_vlan", PREFLIGHT_OK, "off", "");
	assert_null(find(&facts, "rx_vlan_stag"));
	facts.nic.features[NIC_RX_VLAN_STAG] = (struct nic_feature){ true, true, true };
	facts.attached = false;
	expect(&facts, "rx_vlan_stag", PREFLIGHT_FAIL, "does not let it be turned off", "");
}

/* The other end of a veth is a switch that must put tags into frames. */
static void veth_tags(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	facts.nic.peer.present = true;
	strcpy(facts.nic.peer.name, "far");
	facts.nic.peer.features[NIC_TX_VLAN] = (struct nic_feature)ON;
	assert_null(find(&facts, "tx_vlan"));
	facts.nic.vlans = 1;
	expect(&facts, "tx_vlan", PREFLIGHT_FAIL, "leaves VLAN tags to the NIC",
	       "ethtool -K far txvlan off tx-vlan-stag-hw-insert off");
	facts.nic.peer.features[NIC_TX_VLAN].on = false;
	assert_null(find(&facts, "tx_vlan"));
}

/* What a server of a nat group sends beside replies is for the host to route. */
static void nat_groups_need_a_router(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	assert_null(find(&facts, "forwarding"));
	assert_null(find(&facts, "masquerade"));
	facts.returns[0] = (struct preflight_returns){ .used = true, .bits = 96 + 24 };
	parse_addr("10.0.1.11", &facts.returns[0].server);
	expect(&facts, "forwarding", PREFLIGHT_WARN, "net.ipv4.ip_forward is 0",
	       "sysctl -w net.ipv4.ip_forward=1");
	expect(&facts, "masquerade", PREFLIGHT_OK,
	       "ip saddr 10.0.1.11/24 oifname != \"eth0\" masquerade", "");
	facts.system.forwards[0] = true;
	expect(&facts, "forwarding", PREFLIGHT_OK, "this host routes", "");
	facts.returns[1] = (struct preflight_returns){ .used = true, .bits = 64 };
	expect(&facts, "forwarding", PREFLIGHT_WARN, "net.ipv6.conf.all.forwarding is 0",
	       "sysctl -w net.ipv6.conf.all.forwarding=1");
}

#define EDGES \
	"version: 1\nload_balancers:\n" \
	"  edge: {addresses: [198.51.100.10, 198.51.100.11, \"2001:db8::10\"], listeners: {" \
	"https: {protocol: tls, port: [443, 8443-8450], server_group: web, certificates: [{chain: /a, key: /a}]}, " \
	"off: {protocol: tls, port: 444, enabled: false, server_group: web, certificates: [{chain: /a, key: /a}]}, " \
	"plain: {protocol: tcp, port: 80, server_group: web}}}\n" \
	"  other: {addresses: 198.51.100.12, listeners: {" \
	"https: {protocol: tls, port: 443, server_group: web, certificates: [{chain: /a, key: /a}]}}}\n" \
	"  away: {enabled: false, addresses: 198.51.100.13, listeners: {" \
	"https: {protocol: tls, port: 443, server_group: web, certificates: [{chain: /a, key: /a}]}}}\n" \
	"server_groups: {web: {health_check: {type: none}, servers: {web1: {address: 10.0.1.11}}}}\n"

static void look_at_edges(struct preflight_facts *facts)
{
	AUTO(tree_free) struct tree *tree = NULL;
	AUTO(model_free) struct model *model = NULL;
	struct xlb_err err = {};

	if (tree_parse("x", EDGES, strlen(EDGES), &tree, &err) ||
	    model_from_tree(tree, &model, &err))
		fail_msg("%u:%u %s", err.line, err.column, err.text);
	preflight_look_at_tls(model, facts->tls);
}

/* What the host's firewall has to let in: a note, and a warning where it lets nothing in that it has no rule for. */
static void tls_listeners_need_the_firewall(void **state)
{
	struct preflight_facts facts = healthy();
	struct host_input *inputs = facts.system.inputs;

	(void)state;
	assert_null(find(&facts, "tls_firewall"));
	look_at_edges(&facts);
	expect(&facts, "tls_firewall", PREFLIGHT_OK,
	       ": nft insert rule inet filter input ip daddr { 198.51.100.10, 198.51.100.11 } tcp "
	       "dport { 443, 8443-8450 } accept; "
	       "nft insert rule inet filter input ip daddr 198.51.100.12 tcp dport 443 accept; "
	       "nft insert rule inet filter input ip6 daddr 2001:db8::10 tcp dport { 443, 8443-8450 } accept",
	       "");
	inputs[1] = (struct host_input){ "ip6", "guard", "in", false };
	expect(&facts, "tls_firewall", PREFLIGHT_OK,
	       "nft insert rule ip6 guard in ip6 daddr 2001:db8::10 tcp", "");
	inputs[1].drops = true;
	expect(&facts, "tls_firewall", PREFLIGHT_WARN, "nftables, ip6 guard in, drops",
	       "nft insert rule ip6 guard in ip6 daddr 2001:db8::10 tcp dport { 443, 8443-8450 } accept");
	facts.tls[1] = (struct preflight_tls){};
	expect(&facts, "tls_firewall", PREFLIGHT_OK, "ip daddr 198.51.100.12", "");
	facts.tls[0].left_out = 2;
	expect(&facts, "tls_firewall", PREFLIGHT_OK, "(2 more load balancers need the same)", "");
}

static void generic_mode_needs_single_packets(void **state)
{
	struct preflight_facts facts = healthy();
	struct xlb_err err = {};

	(void)state;
	facts.mode = XLB_ATTACH_GENERIC;
	expect(&facts, "gro", PREFLIGHT_FAIL, "gro is on", "ethtool -K eth0 gro off");
	assert_int_equal(preflight_settings(&facts), 1U << XLB_SETTING_GRO);
	assert_int_equal(preflight_refusal(&facts, &err), -EOPNOTSUPP);
	assert_string_equal(
		err.text,
		"eth0: gro is on, and packets joined by it cannot be forwarded in generic mode");
	assert_string_equal(err.hint, "run: ethtool -K eth0 gro off, or attach with --fix");
	facts.fix = 1U << XLB_SETTING_GRO;
	assert_int_equal(preflight_refusal(&facts, &err), 0);
	facts.nic.features[NIC_LRO].on = true;
	assert_int_equal(preflight_refusal(&facts, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "lro"));
	facts.nic.features[NIC_GRO].on = facts.nic.features[NIC_LRO].on = false;
	facts.fix = 0;
	expect(&facts, "gro", PREFLIGHT_OK, "gro is off", "");
	assert_int_equal(preflight_refusal(&facts, &err), 0);
}

static void rp_filters(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	facts.nic.rp_filter_all = 1;
	expect(&facts, "rp_filter", PREFLIGHT_WARN, "strict",
	       "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
	assert_int_equal(preflight_settings(&facts), 1U << XLB_SETTING_RP_FILTER);
	strcpy(facts.nic.link.name, "eth0.7");
	expect(&facts, "rp_filter", PREFLIGHT_WARN, "strict",
	       "sysctl -w net/ipv4/conf/eth0.7/rp_filter=2");
	facts.fix = 1U << XLB_SETTING_RP_FILTER;
	expect(&facts, "rp_filter", PREFLIGHT_OK, "xlb makes it 2", "");
	facts.fix = 0;
	facts.nic.rp_filter = 2; /* the larger one counts */
	expect(&facts, "rp_filter", PREFLIGHT_OK, "2", "");
	facts.nic.has_rp_filter = false;
	assert_null(find(&facts, "rp_filter"));
}

static void servers_and_neighbours(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	facts.hops.count = 3;
	expect(&facts, "neighbours", PREFLIGHT_OK, "(3)", "");
	facts.hops.unresolved = 1;
	strcpy(facts.hops.unresolved_names, "10.0.1.9 (web/web9)");
	expect(&facts, "neighbours", PREFLIGHT_WARN,
	       "1 of 3 next hops behind eth0 do not answer ARP or ND: 10.0.1.9 (web/web9)", "");
	facts.hops.unattached = 2;
	strcpy(facts.hops.unattached_ifname, "eth1");
	strcpy(facts.hops.unattached_names, "web/web1, web/web2");
	expect(&facts, "servers", PREFLIGHT_FAIL,
	       "2 servers are reached through eth1, which is not attached: web/web1, web/web2",
	       "xlbctl attach eth1");
	facts.system.neighbours[1] = 1000;
	expect(&facts, "neighbour_limit", PREFLIGHT_WARN, "1000 neighbours of IPv6",
	       "sysctl -w net.ipv6.neigh.default.gc_thresh3=4096");
}

static void hosts(void **state)
{
	struct preflight_facts facts = healthy();

	(void)state;
	facts.system.version = 5015;
	strcpy(facts.system.release, "5.15.0");
	expect(&facts, "kernel", PREFLIGHT_FAIL, "kernel 5.15.0 is too old: xlb needs 6.1", "");
	facts.system.capabilities &= ~(1ULL << CAP_BPF);
	expect(&facts, "capabilities", PREFLIGHT_FAIL,
	       "xlbd lacks CAP_BPF:", "systemctl edit xlbd");
	facts.system.bpffs = facts.system.tracepoints = false;
	expect(&facts, "bpffs", PREFLIGHT_FAIL, "/sys/fs/bpf", "mount -t bpf bpf /sys/fs/bpf");
	expect(&facts, "tracepoints", PREFLIGHT_WARN, "cannot be read", "");
	strcpy(facts.system.firewall, "nftables: filter");
	expect(&facts, "firewall", PREFLIGHT_WARN, "(nftables: filter) does not see packets", "");
	assert_true(judged.failures >= 3 && judged.warnings >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(healthy_is_ok),
		cmocka_unit_test(links_and_kinds),
		cmocka_unit_test(bonds),
		cmocka_unit_test(veth_tags),
		cmocka_unit_test(drivers),
		cmocka_unit_test(mtu_limits),
		cmocka_unit_test(queue_rules),
		cmocka_unit_test(other_programs),
		cmocka_unit_test(veth_ends),
		cmocka_unit_test(targets_of_redirect),
		cmocka_unit_test(offloads),
		cmocka_unit_test(nat_groups_need_a_router),
		cmocka_unit_test(tls_listeners_need_the_firewall),
		cmocka_unit_test(generic_mode_needs_single_packets),
		cmocka_unit_test(rp_filters),
		cmocka_unit_test(servers_and_neighbours),
		cmocka_unit_test(hosts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("preflight", tests, NULL, NULL);
}
