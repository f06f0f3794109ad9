/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* VLAN tags around the frames that other files send: while they are on, each frame has those of its link. */
#ifndef XLB_TESTS_PACKET_VLAN_H
#define XLB_TESTS_PACKET_VLAN_H

#include "world.h"

/* The frame with the tags of who sends it, known by the MAC; the frame itself if it has none. */
const uint8_t *vlan_tag(const uint8_t *data, size_t *length);
/* Takes the tags off what came out; the test fails if they are not those of its way. */
void vlan_untag(struct outcome *outcome);

#endif
