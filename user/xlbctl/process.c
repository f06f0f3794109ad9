// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((noreturn)) become(const char *const *argv, bool quiet)
{
	const char *path = getenv("PATH");
	int null = quiet ? open("/dev/null", O_WRONLY) : -1;
	char *longer;

	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	if (asprintf(&longer, "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin") > 0)
		setenv("PATH", longer, 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

int process_run(const char *const *argv, bool quiet)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		become(argv, quiet);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
