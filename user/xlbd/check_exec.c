// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An exec check runs a program, which passes by the exit code 0. It runs as nobody in a process group of its own, of
 * which nothing is left when the check ends, in whatever way.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "xlbd/check.h"
#include "xlbd/check_files.h"

#define RUNNING_MAX 32	  /* programs at once; further checks wait for their turn */
#define NOBODY	    65534 /* user and group, on every Linux */
#define SAYS_MAX    80	  /* characters of what a program says are told */
#define ENVIRONMENT 7

struct exec {
	pid_t pid;  /* and process group; 0: none runs */
	int output; /* reads what it says; valid while one runs */
};

/* What the child needs; it shares the memory of the parent, which waits meanwhile. */
struct launch {
	char *const *arguments;
	char *const *environment;
	int input, output;
	bool become_nobody;
	volatile int error; /* why it could not be run */
};

/* Of the loop's thread. */
static unsigned int running;

/* --- the child: system calls only --- */

/*
 * The C library would have all threads become nobody, and those are the parent's. No program can gain rights
 * from here on, and none outlives xlbd.
 */
static bool give_up_rights(const struct launch *launch)
{
	if (launch->become_nobody &&
	    (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) ||
	     syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY)))
		return false;
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void __attribute__((noreturn)) become_program(struct launch *launch)
{
	static const struct sigaction preset = { .sa_handler = SIG_DFL };
	static const struct rlimit no_core;
	sigset_t none;

	sigaction(SIGPIPE, &preset, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	if (setsid() >= 0 && !chdir("/") && dup2(launch->input, STDIN_FILENO) >= 0 &&
	    dup2(launch->output, STDOUT_FILENO) >= 0 && dup2(launch->output, STDERR_FILENO) >= 0 &&
	    !syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) && give_up_rights(launch))
		execve(launch->arguments[0], launch->arguments, launch->environment);
	launch->error = errno;
	_exit(127);
}

/*
 * fork would copy the page tables of the flow tables, which takes long. Signals wait, so that none of xlbd's
 * handlers runs in the child.
 */
static pid_t launch_program(struct launch *launch)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (!pid)
		become_program(launch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* --- starting --- */

static bool fill_environment(const struct probe *probe, char *environment[ENVIRONMENT])
{
	char addr[ADDR_TEXT_MAX];
	bool made;

	format_addr(&probe->addr, addr);
	made = asprintf(&environment[0], "XLB_GROUP=%s", probe->group) > 0 &&
	       asprintf(&environment[1], "XLB_SERVER=%s", probe->server) > 0 &&
	       asprintf(&environment[2], "XLB_ADDRESS=%s", addr) > 0 &&
	       asprintf(&environment[3], "XLB_PORT=%u", probe->port_h) > 0 &&
	       asprintf(&environment[4], "XLB_FAMILY=%s",
			addr_family(&probe->addr) == XLB_IPV4 ? "ipv4" : "ipv6") > 0;
	environment[5] = strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	return made && environment[5];
}

/* -errno, or the program runs and its pidfd and output are the probe's. */
static int run(struct probe *probe, char *const *arguments, char *const *environment)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct exec *exec = probe->state;
	struct launch launch = {
		.arguments = arguments,
		.environment = environment,
		.input = null,
		.become_nobody = !geteuid(),
	};
	int ends[2];
	pid_t pid;

	if (null < 0 || pipe2(ends, O_CLOEXEC))
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	launch.output = ends[1];
	pid = launch_program(&launch);
	close(ends[1]);
	if (pid > 0 && launch.error) {
		waitpid(pid, NULL, 0);
		errno = launch.error;
		pid = -1;
	}
	if (pid < 0) {
		close(ends[0]);
		return -errno;
	}
	*exec = (struct exec){ .pid = pid, .output = ends[0] };
	running++;
	probe->fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return probe->fd < 0 ? -errno : 0;
}

static enum probe_step skip(struct probe *probe, const char *text)
{
	probe_fail(probe, "xlbd: %s", text);
	return PROBE_SKIPPED;
}

static enum probe_step exec_start(struct probe *probe)
{
	const struct texts *command = &probe->config->command;
	char *environment[ENVIRONMENT] = {}, *arguments[CHECK_COMMAND_MAX + 1];
	struct xlb_err err = {};
	int r;

	if (running >= RUNNING_MAX)
		return PROBE_LATER;
	/* the file may be another one by now */
	if (check_program(command->texts[0], &err))
		return skip(probe, err.text);
	memcpy(arguments, command->texts, command->count * sizeof(*arguments));
	arguments[command->count] = NULL;
	r = fill_environment(probe, environment) ? run(probe, arguments, environment) : -ENOMEM;
	for (size_t i = 0; i < ENVIRONMENT; i++)
		free(environment[i]);
	if (!r)
		return PROBE_WAIT_READ;
	xlb_err_set(&err, XLB_ERR_FAILED, r, "cannot run %s: %s", command->texts[0], strerror(-r));
	return skip(probe, err.text);
}

/* --- ending --- */

/* A killed process may take a while to go: the loop waits for it. */
static void on_gone(evutil_socket_t fd, short what, void *arg)
{
	siginfo_t info;

	(void)what;
	(void)arg;
	waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
	close(fd);
}

/* Nothing of the group is left. It is told before the leader is reaped, since then its number may be another's. */
static void exec_stop(struct probe *probe)
{
	struct exec *exec = probe->state;
	siginfo_t info = {};

	if (!exec->pid)
		return;
	kill(-exec->pid, SIGKILL);
	if (waitid(P_PID, (id_t)exec->pid, &info, WEXITED | WNOHANG) || info.si_pid) {
		/* it is gone */
	} else if (probe->fd >= 0 &&
		   !event_base_once(probe->base, probe->fd, EV_READ, on_gone, NULL, NULL)) {
		probe->fd = -1;
	} else {
		waitpid(exec->pid, NULL, 0);
	}
	close(exec->output);
	exec->pid = 0;
	running--;
}

/* The first line of what the program has said, "" if it said nothing. */
static void read_output(const struct exec *exec, char ret[SAYS_MAX])
{
	ssize_t n = read(exec->output, ret, SAYS_MAX - 1), i;

	ret[n > 0 ? n : 0] = '\0';
	for (i = 0; ret[i]; i++)
		if (!isprint((unsigned char)ret[i]))
			ret[i] = ret[i] == '\n' ? '\0' : '?';
}

static enum probe_step exec_ready(struct probe *probe)
{
	const struct exec *exec = probe->state;
	char says[SAYS_MAX], ending[40];
	siginfo_t info = {};

	/* reaped by exec_stop */
	if (waitid(P_PID, (id_t)exec->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return PROBE_WAIT_READ;
	if (info.si_code == CLD_EXITED && !info.si_status)
		return PROBE_PASSED;
	snprintf(ending, sizeof(ending),
		 info.si_code == CLD_EXITED ? "exit code %d" : "ended by signal %d",
		 info.si_status);
	read_output(exec, says);
	return probe_fail(probe, "%s%s%s", ending, *says ? ": " : "", says);
}

const struct check_kind check_exec = {
	.state_size = sizeof(struct exec),
	.start = exec_start,
	.ready = exec_ready,
	.stop = exec_stop,
};
