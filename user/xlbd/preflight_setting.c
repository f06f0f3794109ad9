// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checks of settings that xlb can change: what `attach --fix` is for. */
#include <string.h>

#include "xlbd/preflight.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static const char *name_of(const struct preflight_facts *facts)
{
	return facts->nic.link.name;
}

/* True for a setting that an attach is going to change: what it is now does not matter. */
static bool is_planned(const struct preflight_facts *facts, enum xlb_setting setting)
{
	return facts->fix & 1U << setting && !facts->attached;
}

/* The text is said already; adds how the feature is changed. */
static void feature_fix(const struct preflight_facts *facts, enum xlb_setting setting,
			const struct nic_feature *feature, const char *ethtool_word,
			struct preflight_finding *ret)
{
	if (is_planned(facts, setting)) {
		preflight_say(ret, PREFLIGHT_OK, "%s is on; xlb turns it off while attached",
			      setting_words[setting]);
		ret->refuses = false;
		return;
	}
	if (feature->fixed) {
		snprintf(ret->text + strlen(ret->text), sizeof(ret->text) - strlen(ret->text),
			 "; the driver does not let it be turned off");
		return;
	}
	preflight_fix(ret, "ethtool -K %s %s off", name_of(facts), ethtool_word);
	ret->setting = 1U << setting;
}

static void judge_lro(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic_feature *lro = &facts->nic.features[NIC_LRO];

	if (!lro->on) {
		preflight_say(ret, PREFLIGHT_OK, "lro is off");
		return;
	}
	preflight_say(
		ret, PREFLIGHT_FAIL,
		"lro is on: packets joined by it cannot be forwarded, and most drivers refuse XDP");
	ret->refuses = !preflight_is_native(facts);
	feature_fix(facts, XLB_SETTING_LRO, lro, "lro", ret);
}

static void judge_gro(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic_feature *gro = &facts->nic.features[NIC_GRO];

	if (!gro->on || preflight_is_native(facts)) {
		preflight_say(ret, PREFLIGHT_OK, "gro is %s%s", gro->on ? "on" : "off",
			      preflight_is_native(facts) ? " (matters in generic mode only)" : "");
		return;
	}
	preflight_say(ret, PREFLIGHT_FAIL,
		      "gro is on, and packets joined by it cannot be forwarded in generic mode");
	ret->refuses = true;
	feature_fix(facts, XLB_SETTING_GRO, gro, "gro", ret);
}

static void judge_gro_hw(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic_feature *gro_hw = &facts->nic.features[NIC_GRO_HW];
	bool virtio = !strcmp(facts->nic.driver, "virtio_net");

	/* virtio turns it off by itself, if the host lets it */
	if (!gro_hw->on || (virtio && preflight_is_native(facts) && !gro_hw->fixed))
		return;
	if (virtio && gro_hw->fixed) {
		preflight_say(
			ret, PREFLIGHT_FAIL,
			"the hypervisor joins packets (rx-gro-hw), and virtio_net refuses XDP: "
			"turn guest_tso4, guest_tso6, guest_ecn and guest_ufo off there");
		return;
	}
	preflight_say(ret, preflight_is_native(facts) ? PREFLIGHT_WARN : PREFLIGHT_FAIL,
		      "rx-gro-hw is on: packets joined by the NIC cannot be forwarded");
	ret->refuses = !preflight_is_native(facts);
	feature_fix(facts, XLB_SETTING_GRO_HW, gro_hw, "rx-gro-hw", ret);
}

/* A feature that takes tags off frames before XDP sees them: xlb turns it off by itself. */
static void judge_tags(const struct preflight_facts *facts, enum nic_feature_id id,
		       enum xlb_setting setting, const char *ethtool_word,
		       struct preflight_finding *ret)
{
	const struct nic_feature *feature = &facts->nic.features[id];
	const char *name = name_of(facts);

	if (!feature->on) {
		preflight_say(ret, PREFLIGHT_OK, "%s is off", ethtool_word);
	} else if (!facts->nic.vlans) {
		preflight_say(ret, PREFLIGHT_OK, "%s is on, and no VLAN device lies on %s",
			      ethtool_word, name);
	} else if (!facts->attached && !feature->fixed) {
		preflight_say(
			ret, PREFLIGHT_OK,
			"%s is on; xlb turns it off while attached, as %u VLAN device%s on %s",
			ethtool_word, facts->nic.vlans, facts->nic.vlans == 1 ? " lies" : "s lie",
			name);
	} else {
		preflight_say(ret, PREFLIGHT_FAIL,
			      "%s is on and %u VLAN device%s on %s: XDP does not see the tags",
			      ethtool_word, facts->nic.vlans,
			      facts->nic.vlans == 1 ? " lies" : "s lie", name);
		feature_fix(facts, setting, feature, ethtool_word, ret);
	}
}

static void judge_rx_vlan(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	judge_tags(facts, NIC_RX_VLAN, XLB_SETTING_RX_VLAN, "rxvlan", ret);
}

static void judge_rx_vlan_stag(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	if (facts->nic.features[NIC_RX_VLAN_STAG].on)
		judge_tags(facts, NIC_RX_VLAN_STAG, XLB_SETTING_RX_VLAN_STAG,
			   "rx-vlan-stag-hw-parse", ret);
}

static void judge_rp_filter(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct nic *nic = &facts->nic;
	uint32_t value = nic->rp_filter > nic->rp_filter_all ? nic->rp_filter : nic->rp_filter_all;
	char separator = strchr(name_of(facts), '.') ? '/' : '.';

	if (!nic->has_rp_filter)
		return;
	if (value != 1) {
		preflight_say(ret, PREFLIGHT_OK, "rp_filter is %u", value);
		return;
	}
	if (is_planned(facts, XLB_SETTING_RP_FILTER)) {
		preflight_say(ret, PREFLIGHT_OK, "rp_filter is 1; xlb makes it 2 while attached");
		return;
	}
	preflight_say(ret, PREFLIGHT_WARN,
		      "rp_filter is 1 (strict) for %s: what comes in here although its sender is "
		      "reached by another interface is dropped, answers to health checks too",
		      name_of(facts));
	preflight_fix(ret, "sysctl -w net%1$cipv4%1$cconf%1$c%2$s%1$crp_filter=2", separator,
		      name_of(facts));
	ret->setting = 1U << XLB_SETTING_RP_FILTER;
}

const struct preflight_check preflight_setting_checks[] = {
	{ "lro", judge_lro },
	{ "gro", judge_gro },
	{ "gro_hw", judge_gro_hw },
	{ "rx_vlan", judge_rx_vlan },
	{ "rx_vlan_stag", judge_rx_vlan_stag },
	{ "rp_filter", judge_rp_filter },
};
const uint32_t preflight_setting_check_count = COUNT(preflight_setting_checks);
