// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/authority.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* SO_PEERCRED knows the primary group only; SO_PEERGROUPS says how much room it wants. */
static int read_groups(int fd, gid_t **ret, size_t *ret_count)
{
	AUTO_FREE gid_t *groups = NULL;
	socklen_t length = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) < 0 && errno != ERANGE)
		return -errno;
	if (!length)
		return 0;
	groups = malloc(length);
	if (!groups)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0)
		return -errno;
	*ret_count = length / sizeof(*groups);
	*ret = TAKE(groups);
	return 0;
}

int peer_read(int fd, struct peer *ret)
{
	socklen_t length = sizeof(struct ucred);
	struct ucred cred;
	struct peer peer = {};
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
		return -errno;
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	r = read_groups(fd, &peer.groups, &peer.group_count);
	if (r)
		return r;
	*ret = peer;
	return 0;
}

void peer_done(struct peer *peer)
{
	free(peer->groups);
	peer->groups = NULL;
	peer->group_count = 0;
}

bool group_lookup(const char *group_file, const char *name, gid_t *ret)
{
	AUTO_FCLOSE FILE *f = fopen(group_file, "re");
	const struct group *group;

	while (f && (group = fgetgrent(f)))
		if (!strcmp(group->gr_name, name)) {
			*ret = group->gr_gid;
			return true;
		}
	return false;
}

bool peer_may_write(const struct peer *peer, const char *group_file)
{
	gid_t writers;
	size_t i;

	if (peer->uid == 0)
		return true;
	if (!group_lookup(group_file, AUTHORITY_WRITERS, &writers))
		return false;
	if (peer->gid == writers)
		return true;
	for (i = 0; i < peer->group_count; i++)
		if (peer->groups[i] == writers)
			return true;
	return false;
}

void peer_format(const struct peer *peer, char *ret, size_t size)
{
	AUTO_FCLOSE FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *user;

	snprintf(ret, size, "uid %u", peer->uid);
	while (f && (user = fgetpwent(f)))
		if (user->pw_uid == peer->uid) {
			snprintf(ret, size, "%s(uid %u)", user->pw_name, peer->uid);
			return;
		}
}
