/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is at the other end of a Unix socket, and what they may do. */
#ifndef XLB_XLBD_AUTHORITY_H
#define XLB_XLBD_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define AUTHORITY_WRITERS "xlb-admin"
#define AUTHORITY_READERS "xlb"

struct peer {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned; supplementary groups */
	size_t group_count;
};

/* The process at the other end as of its connect(). 0 or -errno. */
int peer_read(int fd, struct peer *ret);
void peer_done(struct peer *peer);

/*
 * True for uid 0 and members of group xlb-admin in `group_file` (/etc/group). Files are read
 * directly, each time: a new group counts at once, and no remote name service can stop the loop.
 */
bool peer_may_write(const struct peer *peer, const char *group_file);
/* Id of a group in `group_file`, false if it has none. */
bool group_lookup(const char *group_file, const char *name, gid_t *ret);
/* "alice(uid 1000)" or "uid 1000". */
void peer_format(const struct peer *peer, char *ret, size_t size);

#endif
