// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/process.h"
#include "xlbctl/xlbctl.h"

#define READY_FD    3
#define READY_MS    60000
#define OPTIONS_MAX 32

bool xlbd_find(char *ret)
{
	static const char system_dirs[] = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin";
	const char *path = getenv("PATH");
	char self[PATH_MAX] = "";
	AUTO_FREE char *dirs = NULL;
	char *rest, *dir;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = '\0';
	if (asprintf(&dirs, "%s:%s:%s", dirname(self), path ? path : "", system_dirs) < 0) {
		dirs = NULL;
		return false;
	}
	for (rest = dirs; (dir = strsep(&rest, ":"));) {
		if (*dir != '/' || snprintf(ret, PATH_MAX, "%s/xlbd", dir) >= PATH_MAX)
			continue;
		if (!access(ret, X_OK))
			return true;
	}
	return false;
}

/* XLB_OPTIONS, separated by blanks, as the unit takes it from /etc/default/xlbd. */
static void add_options(const char **argv, size_t count)
{
	const char *given = getenv("XLB_OPTIONS");
	char *rest = given ? strdup(given) : NULL, *word;
	size_t limit = count + OPTIONS_MAX;

	while ((word = strsep(&rest, " \t")) && count < limit)
		if (*word)
			argv[count++] = word;
	argv[count] = NULL;
}

/* In the child: a session of its own, no open files but the log and the pipe, then xlbd. */
static void __attribute__((noreturn))
become_daemon(const struct ctl *ctl, const char *program, int log, int ready)
{
	const char *argv[OPTIONS_MAX + 8] = { program, "--ready-fd", "3" };
	size_t count = 3;
	int null = open("/dev/null", O_RDONLY);

	_Static_assert(READY_FD == 3, "the argument above");
	if (*ctl->instance) {
		argv[count++] = "--instance";
		argv[count++] = ctl->instance;
	}
	add_options(argv, count);
	setsid();
	/* out of the way of the numbers wanted */
	ready = fcntl(ready, F_DUPFD, 10);
	log = fcntl(log, F_DUPFD, 10);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	dup2(ready, READY_FD);
	close_range(READY_FD + 1, ~0U, 0);
	if (chdir("/") == 0)
		execv(program, (char *const *)argv);
	dprintf(READY_FD, "cannot start %s: %s\n", program, strerror(errno));
	_exit(127);
}

/* Waits for "ready", or the words xlbd ends with. */
static int wait_ready(struct ctl *ctl, int fd, const char *log)
{
	char text[400] = "";
	size_t size = 0;

	while (size < sizeof(text) - 1 && !memchr(text, '\n', size)) {
		struct pollfd waiting = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (!poll(&waiting, 1, READY_MS)) {
			xlb_err_set(&ctl->err, XLB_ERR_TIMEOUT, -ETIMEDOUT,
				    "xlbd is not ready after %d s", READY_MS / 1000);
			xlb_err_hint(&ctl->err, "its log is %s", log);
			return -ETIMEDOUT;
		}
		n = read(fd, text + size, sizeof(text) - 1 - size);
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	text[strcspn(text, "\n")] = '\0';
	if (!strcmp(text, "ready"))
		return 0;
	xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ECHILD, "xlbd did not start: %s",
		    *text ? text : "it ended at once");
	xlb_err_hint(&ctl->err, "its log is %s", log);
	return -ECHILD;
}

static int start_in_background(struct ctl *ctl)
{
	char program[PATH_MAX], log_path[96];
	AUTO_CLOSE int log = -1, reader = -1, writer = -1;
	int ends[2];
	pid_t pid;

	if (!xlbd_find(program)) {
		xlb_err_set(&ctl->err, XLB_ERR_UNREACHABLE, -ENOENT,
			    "xlbd is not running and its program was not found");
		xlb_err_hint(&ctl->err, "make install puts it into /usr/local/sbin");
		return -ENOENT;
	}
	snprintf(log_path, sizeof(log_path), "%s/xlbd.log", ctl->run_dir);
	if (mkdir(ctl->run_dir, 0755) && errno != EEXIST)
		return xlb_err_set(&ctl->err, errno == EACCES ? XLB_ERR_PERMISSION : XLB_ERR_FAILED,
				   -errno, "cannot start xlbd: %s: %s", ctl->run_dir,
				   strerror(errno));
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (log < 0)
		return xlb_err_set(&ctl->err, errno == EACCES ? XLB_ERR_PERMISSION : XLB_ERR_FAILED,
				   -errno, "cannot start xlbd: %s: %s", log_path, strerror(errno));
	if (pipe2(ends, O_CLOEXEC))
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -errno, "cannot start xlbd: %s",
				   strerror(errno));
	reader = ends[0];
	writer = ends[1];
	pid = fork();
	if (pid < 0)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -errno, "cannot start xlbd: %s",
				   strerror(errno));
	if (!pid)
		become_daemon(ctl, program, log, writer);
	close(writer);
	writer = -1;
	fprintf(stderr, "xlbd was not running: started in the background, pid %d, log %s\n", pid,
		log_path);
	return wait_ready(ctl, reader, log_path);
}

int daemon_start(struct ctl *ctl)
{
	static const char *const cat[] = { "systemctl", "cat", "xlbd", NULL };
	/* enabled too: after a reboot the attachment is to be there again */
	static const char *const argv[] = { "systemctl", "enable", "--now", "xlbd", NULL };
	int status;

	if (access("/run/systemd/system", F_OK) || *ctl->instance || process_run(cat, true))
		return start_in_background(ctl);
	fprintf(stderr, "xlbd was not running: systemctl enable --now xlbd\n");
	status = process_run(argv, false);
	if (!status)
		return 0;
	xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ECHILD,
		    "systemctl enable --now xlbd failed (exit status %d)", status);
	xlb_err_hint(&ctl->err, "journalctl -u xlbd says why");
	return -ECHILD;
}
