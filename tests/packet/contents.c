// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "contents.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/content.h"
#include "core/ports.h"

static uint64_t next_hash = 1;

/* By id: it has what it has at the start. */
static bool group_at_start[XLB_MAX_GROUPS], ports_at_start[XLB_MAX_VIPS];

void world_put_content(enum table_id table, const void *key, const void *content, size_t size)
{
	struct row_hash hash = { next_hash++ };

	/* both keys begin with the id of what the content is of */
	if (table == TABLE_MAGLEV)
		group_at_start[*(const uint32_t *)key] = false;
	if (table == TABLE_PORT_SET)
		ports_at_start[*(const uint32_t *)key] = false;
	world_put_row(table, key, &hash, content, size);
}

void world_group(enum service group, enum service server)
{
	world_group_of_two(group, server, server);
}

void world_group_of_two(enum service group, enum service even, enum service odd)
{
	AUTO_FREE struct content_maglev *content = calloc(1, sizeof(*content));

	assert_non_null(content);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct row_maglev_key key = { group, family };

		for (uint32_t i = 0; i < XLB_MAGLEV_SLOTS; i++)
			content->slot[i] = (uint16_t)id_server(
				i % 2 ? odd : even, service_family(i % 2 ? odd : even, family));
		world_put_content(TABLE_MAGLEV, &key, content, sizeof(*content));
	}
}

static void put_ports(enum vip vip, uint8_t family, uint8_t protocol, const struct port_rule *rules,
		      uint32_t count)
{
	struct row_port_set_key key = { id_vip(vip, family), protocol };
	AUTO_FREE struct content_port_set *content = NULL;
	size_t size;

	if (ports_build(rules, count, &content, &size) < 0)
		fail_msg("ports_build");
	world_put_content(TABLE_PORT_SET, &key, content, size);
}

void world_no_ports(enum vip vip, uint8_t family)
{
	put_ports(vip, family, IPPROTO_TCP, NULL, 0);
	put_ports(vip, family, IPPROTO_UDP, NULL, 0);
}

static void put_all_ports(enum vip vip, uint8_t family, uint8_t protocol)
{
	struct port_rule rules[SERVICE_COUNT + 1] = {};
	uint32_t count = 0;

	for (enum service service = WEB; service < SERVICE_COUNT; service++)
		rules[count++] = (struct port_rule){ service_port(service), service_port(service),
						     PORT_EXACT, id_listener(service, protocol) };
	if (vip == VIP_BOTH)
		rules[count++] =
			(struct port_rule){ 1, 65535, PORT_ANY, id_listener(WEB, protocol) };
	put_ports(vip, family, protocol, rules, count);
}

void contents_ports(enum vip vip, uint8_t family)
{
	if (ports_at_start[id_vip(vip, family)])
		return;
	put_all_ports(vip, family, IPPROTO_TCP);
	put_all_ports(vip, family, IPPROTO_UDP);
	ports_at_start[id_vip(vip, family)] = true;
}

void contents_group(enum service group)
{
	if (group == NO_SERVER || group_at_start[group])
		return;
	world_group(group, group);
	group_at_start[group] = true;
}

void contents_none(void)
{
	memset(group_at_start, 0, sizeof(group_at_start));
	memset(ports_at_start, 0, sizeof(ports_at_start));
}
