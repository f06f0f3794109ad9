// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"

int tracefs_open(void)
{
	AUTO_CLOSE int fs = fsopen("tracefs", FSOPEN_CLOEXEC);
	int root;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return root < 0 ? -errno : root;
}

int tracefs_tracepoint(int tracefs, const char *name)
{
	char path[64], text[16] = "";
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "events/%s/id", name);
	fd = openat(tracefs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	return atoi(text);
}
