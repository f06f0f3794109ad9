// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* HAProxy as a process: found, started, told to read its configuration anew, stopped. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "sys/haproxy_private.h"

#define PROGRAM	      "/usr/sbin/haproxy"
#define UNIT	      "xlb-tls.service"
#define OLDEST	      "2.6" /* of the versions that have what is used of the runtime API */
#define OLDEST_NUMBER 206
#define WORDS_MAX     4096
#define EXEC_TURNS    100 /* of 1 ms, that execve may take */
#define LOOK_TURNS    100 /* of 10 ms, that a master which is there may not listen */
#define STOP_TURNS    100 /* of 10 ms, until it does not listen any more */
#define RELOAD_TURNS  100 /* of 100 ms, until the new worker answers */

/* In the child: what it says goes to the pipe. */
static void __attribute__((noreturn)) become(const char *const *argv, int pipe)
{
	int null = open("/dev/null", O_RDWR);
	struct rlimit files;

	dup2(null, STDIN_FILENO);
	dup2(pipe, STDOUT_FILENO);
	dup2(pipe, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_DFL);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/*
 * Runs a program to its end: its exit status or -errno, the end of what it said in `ret`. What it leaves running may keep
 * the pipe open, so nothing is read before it has ended, and no more than a pipe holds.
 */
static int run(const char *const *argv, char *ret, size_t size)
{
	int ends[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	ret[0] = '\0';
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	pid = fork();
	if (!pid)
		become(argv, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -EAGAIN;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	while ((n = read(ends[0], ret + used, size - 1 - used)) > 0) {
		used += (size_t)n;
		if (used < size - 1)
			continue;
		/* the end is what matters */
		memmove(ret, ret + used / 2, used - used / 2);
		used -= used / 2;
	}
	ret[used] = '\0';
	close(ends[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int haproxy_find(struct xlb_err *err)
{
	const char *const argv[] = { PROGRAM, "-v", NULL };
	unsigned int major = 0, minor = 0;
	char words[WORDS_MAX] = "";
	const char *version;
	int r = access(PROGRAM, X_OK) ? -ENOENT : 0;

	if (r) {
		xlb_err_set(err, XLB_ERR_UNSUPPORTED, r,
			    "HAProxy, which ends TLS, is not installed (" PROGRAM ")");
		xlb_err_hint(err, "apt install haproxy");
		return r;
	}
	if (!run(argv, words, sizeof(words)))
		version = strstr(words, "version ");
	else
		version = NULL;
	if (version && sscanf(version, "version %u.%u", &major, &minor) == 2 &&
	    major * 100 + minor >= OLDEST_NUMBER)
		return 0;
	xlb_err_set(err, XLB_ERR_UNSUPPORTED, -ENOTSUP,
		    "HAProxy, which ends TLS, is too old or does not run: " PROGRAM
		    " -v says \"%.60s\", "
		    "wanted is " OLDEST " or newer",
		    strtok(words, "\n") ? words : "nothing");
	xlb_err_hint(err, "apt install haproxy");
	return -ENOTSUP;
}

/* The words of an [ALERT] of HAProxy's, or the last of what it said. */
static const char *alert_of(char *words)
{
	char *alert = strstr(words, "[ALERT]"), *text;

	if (!alert)
		return words;
	text = strstr(alert, " : ");
	text = text ? text + 3 : alert;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

int process_check(struct haproxy *h, const char *config, struct xlb_err *err)
{
	const char *const argv[] = { PROGRAM, "-c", "-f", config, NULL };
	char words[WORDS_MAX];
	int r = haproxy_find(err);

	if (r)
		return r;
	(void)h;
	r = run(argv, words, sizeof(words));
	return r ? xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
			       "HAProxy refuses its configuration: %.400s", alert_of(words)) :
		   0;
}

bool process_has_unit(void)
{
	/* where `make install` and administrators put units */
	static const char *const places[] = {
		"/etc/systemd/system/" UNIT,
		"/usr/local/lib/systemd/system/" UNIT,
		"/usr/lib/systemd/system/" UNIT,
		"/lib/systemd/system/" UNIT,
	};

	if (access("/run/systemd/system", F_OK))
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!access(places[i], F_OK))
			return true;
	return false;
}

/* --- what runs ---------------------------------------------------------------------------------- */

static void read_info(void *arg, char *line)
{
	struct haproxy *h = arg;
	char version[sizeof(h->state.version)];

	sscanf(line, "description: %23s", h->hash);
	if (sscanf(line, "Version: %31s", version) == 1)
		memcpy(h->state.version, version, sizeof(version));
}

struct processes {
	pid_t master, worker;
	uint32_t old;
	bool are_old;
};

static void read_process(void *arg, char *line)
{
	struct processes *processes = arg;
	char type[16];
	int pid;

	if (*line == '#') {
		processes->are_old = strstr(line, "old workers") != NULL;
		return;
	}
	if (sscanf(line, "%d %15s", &pid, type) != 2)
		return;
	if (!strcmp(type, "master"))
		processes->master = pid;
	else if (processes->are_old)
		processes->old++;
	else if (!strcmp(type, "worker"))
		processes->worker = pid;
}

static void watch_master(struct haproxy *h, pid_t master)
{
	if (h->state.pid == master && h->pidfd >= 0)
		return;
	if (h->pidfd >= 0)
		close(h->pidfd);
	h->pidfd = master > 0 ? (int)syscall(SYS_pidfd_open, master, 0) : -1;
}

/* Whether it has ended, although its parent may not have heard of that. */
static bool has_ended(pid_t pid)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool ended = end.fd < 0 ? errno == ESRCH : poll(&end, 1, 0) == 1;

	if (end.fd >= 0)
		close(end.fd);
	return ended;
}

/* The words that it was started with, a space after each: how long they are. */
static size_t command_of(pid_t pid, char *ret, size_t size)
{
	char path[64];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, ret, size - 1);
	n = n < 0 ? 0 : n;
	for (ssize_t i = 0; i < n; i++)
		ret[i] = ret[i] ? ret[i] : ' ';
	ret[n] = '\0';
	return (size_t)n;
}

bool process_owns(struct haproxy *h, pid_t pid)
{
	static const struct timespec turn = { .tv_nsec = 1000000 };
	char command[512];

	/* who is just executing a program, as a master does that begins anew, has no words */
	for (int i = 0; !command_of(pid, command, sizeof(command)); i++) {
		if (i == EXEC_TURNS || has_ended(pid))
			return false;
		nanosleep(&turn, NULL);
	}
	return strstr(command, h->paths.config) != NULL;
}

/* A master that reloads does not listen for a moment, but is still there. */
static int ask_master(struct haproxy *h, char **ret)
{
	static const struct timespec turn = { .tv_nsec = 10000000 };
	int r;

	for (int i = 0; i < LOOK_TURNS; i++) {
		r = cli_ask(h->paths.master, "show proc", ret);
		if ((r != -ECONNREFUSED && r != -ENOENT) || h->state.pid <= 0 ||
		    !process_owns(h, h->state.pid))
			break;
		nanosleep(&turn, NULL);
	}
	return r;
}

void process_look(struct haproxy *h)
{
	AUTO_FREE char *info = NULL, *processes = NULL;
	struct processes found = {};

	h->hash[0] = '\0';
	if (!ask_master(h, &processes))
		cli_lines(processes, read_process, &found);
	/* by way of the master: at the socket of workers an old one may answer that is just leaving */
	if (found.worker && !cli_ask_worker(h, found.worker, "show info", &info)) {
		cli_lines(info, read_info, h);
		h->worker = found.worker;
	}
	watch_master(h, found.master);
	h->state.pid = found.master;
	h->state.old_workers = found.old;
	h->state.running = found.master > 0 && *h->hash;
}

/* --- to another state --------------------------------------------------------------------------- */

/*
 * Whether the master that was started last has ended: its pid is in the file before it does anything else. That nobody
 * listens says nothing, as a machine may be slow.
 */
static bool start_has_ended(struct haproxy *h)
{
	AUTO_CLOSE int fd = -1;
	char text[16] = "";

	if (h->starting <= 0) {
		fd = open(h->paths.pid, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
			h->starting = atoi(text);
	}
	return h->starting > 0 && has_ended(h->starting);
}

/* Waits for a worker that has the configuration with the hash. -ESRCH: the master that was started has ended instead. */
static int await(struct haproxy *h, const char *hash, bool starts, struct xlb_err *err)
{
	static const struct timespec turn = { .tv_nsec = 100000000 };

	for (int i = 0; i < RELOAD_TURNS; i++) {
		process_look(h);
		if (h->state.running && !strcmp(h->hash, hash))
			return 0;
		if (starts && start_has_ended(h))
			return xlb_err_set(err, XLB_ERR_FAILED, -ESRCH,
					   "HAProxy ended right after its start; it is started "
					   "again every 5 s");
		nanosleep(&turn, NULL);
	}
	return xlb_err_set(err, XLB_ERR_FAILED, -ETIMEDOUT,
			   "HAProxy does not run as it should after %d s", RELOAD_TURNS / 10);
}

/* A master without a worker that answers would only be in the way, unless it was told to end. */
static void end_master(struct haproxy *h, pid_t master)
{
	if (master > 0 && master != h->stopping && process_owns(h, master))
		kill(master, SIGKILL);
}

/* A worker whose master was killed may still hold the sockets for a while, and would serve nobody for long. */
void process_end_orphan(struct haproxy *h)
{
	static const struct timespec turn = { .tv_nsec = 10000000 };

	end_master(h, h->state.pid);
	end_master(h, h->starting);
	if (h->worker <= 0 || !process_owns(h, h->worker))
		return;
	kill(h->worker, SIGKILL);
	for (int i = 0; i < STOP_TURNS && process_owns(h, h->worker); i++)
		nanosleep(&turn, NULL);
}

int process_start(struct haproxy *h, const char *hash, struct xlb_err *err)
{
	char master[HAPROXY_PATH_MAX + 32], words[WORDS_MAX];
	const char *const by_hand[] = { PROGRAM,	 "-W", "-D",	     "-S", master, "-f",
					h->paths.config, "-p", h->paths.pid, NULL };
	const char *const by_unit[] = { "/usr/bin/systemctl", "restart", UNIT, NULL };
	int r;

	snprintf(master, sizeof(master), "%s,mode,600,level,admin", h->paths.master);
	/* somebody may have ended it: once more, and then in peace */
	for (int tries = 2; tries; tries--) {
		log_notice("starting HAProxy for tls listeners");
		h->state.starts++;
		h->starting = 0;
		unlink(h->paths.pid);
		r = run(h->unit ? by_unit : by_hand, words, sizeof(words));
		if (r)
			return xlb_err_set(err, XLB_ERR_FAILED, -ECHILD,
					   "HAProxy does not start: %.400s", alert_of(words));
		r = await(h, hash, true, err);
		if (r != -ESRCH)
			break;
	}
	return r;
}

int process_reload(struct haproxy *h, const char *hash, struct xlb_err *err)
{
	AUTO_FREE char *answer = NULL;
	int r = cli_ask_once(h->paths.master, "reload", &answer);

	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "HAProxy does not answer: %s",
				   strerror(-r));
	h->state.reloads++;
	return await(h, hash, false, err);
}

static bool answers(const struct haproxy *h)
{
	AUTO_FREE char *info = NULL;

	return !cli_ask(h->paths.worker, "show info", &info);
}

void process_stop(struct haproxy *h)
{
	static const struct timespec turn = { .tv_nsec = 10000000 };

	process_look(h);
	if (!h->state.pid)
		return;
	log_notice("no tls listener is left: HAProxy ends with its last connection");
	/* it stops listening in a moment, and ends when its connections have */
	h->stopping = h->state.pid;
	kill(h->state.pid, SIGUSR1);
	for (int i = 0; i < STOP_TURNS && answers(h); i++)
		nanosleep(&turn, NULL);
	watch_master(h, 0);
	h->state.pid = 0;
	h->state.running = false;
	h->worker = 0;
	h->hash[0] = '\0';
}
