// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/* `output`: takes what the program prints, -1: as it is. */
static void __attribute__((noreturn)) become(const char *const *argv, bool quiet, int output)
{
	const char *path = getenv("PATH");
	int null = quiet ? open("/dev/null", O_WRONLY) : -1;
	char *longer;

	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	if (output >= 0)
		dup2(output, STDOUT_FILENO);
	if (asprintf(&longer, "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin") > 0)
		setenv("PATH", longer, 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int wait_for_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const char *const *argv, bool quiet)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		become(argv, quiet, -1);
	return wait_for_end(pid);
}

int process_output(const char *const *argv, char **ret)
{
	AUTO_CLOSE int reader = -1, writer = -1;
	char piece[4096];
	size_t size;
	FILE *text;
	ssize_t n;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	reader = ends[0];
	writer = ends[1];
	text = open_memstream(ret, &size);
	if (!text)
		return -ENOMEM;
	pid = fork();
	if (!pid)
		become(argv, false, writer);
	close(writer);
	writer = -1;
	while (pid > 0 && (n = read(reader, piece, sizeof(piece))) > 0)
		fwrite(piece, 1, (size_t)n, text);
	fclose(text);
	return pid < 0 ? -EAGAIN : wait_for_end(pid);
}
