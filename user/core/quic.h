/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups that go by connection ids of QUIC, and server ids in those. */
#ifndef XLB_CORE_QUIC_H
#define XLB_CORE_QUIC_H

#include "core/model.h"

/* Bytes of a server id from hexadecimal text: how many, 1 to XLB_QUIC_SERVER_ID_MAX, or -EINVAL. */
int quic_id_parse(const char *text, uint8_t ret[XLB_QUIC_SERVER_ID_MAX]);
/* The length that all server ids of the group have, 0: it has none. */
uint32_t quic_server_id_length(const struct server_group *group);
/* How many bytes of connection ids the group looks at, 0: it does not go by them. */
uint32_t quic_id_length(const struct server_group *group);
/* The part of `finish` of a group that is about its hash, and that of a server. */
int quic_finish_group(struct object *object, struct xlb_err *err);
int quic_finish_server(struct object *object, struct xlb_err *err);
/* Server ids are for groups that go by ids, of one length that fits there, and differ. err carries a JSON pointer. */
int check_quic(const struct server_group *group, struct xlb_err *err);

#endif
