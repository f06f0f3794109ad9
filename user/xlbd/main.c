// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Wiring only: options, lock, signals, loop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "xlbd/api.h"
#include "xlbd/notify.h"
#include "xlbd/version.h"

#define NOFILE_WANTED 1048576

struct options {
	const char *instance;
	const char *metrics; /* address, NULL: the socket only */
	uint32_t initial_flows;
	int ready_fd;
	const char *check_interface; /* only look at it, NULL: run */
	bool done;		     /* help or version was printed */
};

struct daemon {
	struct options options;
	struct paths paths;
	struct event_base *base;
	struct event *signals[3], *watchdog;
	struct engine *engine;
	struct api *api;
	int lock;
};

static const char help[] =
	"Usage: xlbd [OPTION]...\n"
	"The daemon of xlb: keeps the kernel's load balancer as configured. Use xlbctl to talk to it.\n"
	"\n"
	"      --instance NAME  separate socket, state and pins for NAME (default: $XLB_INSTANCE)\n"
	"      --foreground     stay in the foreground, log to stderr (this is the default)\n"
	"      --initial-flows N\n"
	"                       room for flows of each family at first, 1024-268435456 (default 1048576)\n"
	"      --metrics ADDRESS:PORT\n"
	"                       serve GET /metrics over TCP too: a loopback or management address\n"
	"      --ready-fd N     write \"ready\", or why not, to file descriptor N once, and close it\n"
	"      --check-interface NAME\n"
	"                       print what keeps xlb from working there as JSON, and end; needs no running xlbd\n"
	"      --version        print the version\n"
	"      --help           print this\n";

static int number_option(const char *name, uint64_t min, uint64_t max, uint64_t *ret,
			 struct xlb_err *err)
{
	if (!parse_uint(optarg, min, max, ret))
		return 0;
	return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
			   "--%s '%.32s' is not a number of %" PRIu64 "-%" PRIu64, name, optarg,
			   min, max);
}

static int parse_options(int argc, char **argv, struct options *ret, struct xlb_err *err)
{
	enum {
		INSTANCE,
		FOREGROUND,
		INITIAL_FLOWS,
		METRICS,
		READY_FD,
		CHECK_INTERFACE,
		VERSION,
		HELP,
	};
	static const struct option table[] = {
		{ "instance", required_argument, NULL, INSTANCE },
		{ "foreground", no_argument, NULL, FOREGROUND },
		{ "initial-flows", required_argument, NULL, INITIAL_FLOWS },
		{ "metrics", required_argument, NULL, METRICS },
		{ "ready-fd", required_argument, NULL, READY_FD },
		{ "check-interface", required_argument, NULL, CHECK_INTERFACE },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{}
	};
	struct options options = { .instance = getenv("XLB_INSTANCE"), .ready_fd = -1 };
	uint64_t number;
	int c, r = 0;

	opterr = 0;
	while (!r && !options.done && (c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case INSTANCE:
			options.instance = optarg;
			break;
		case FOREGROUND:
			break;
		case INITIAL_FLOWS:
			r = number_option("initial-flows", 1024, 1U << 28, &number, err);
			if (!r)
				options.initial_flows = (uint32_t)number;
			break;
		case METRICS:
			options.metrics = optarg;
			break;
		case READY_FD:
			r = number_option("ready-fd", 0, INT32_MAX, &number, err);
			if (!r)
				options.ready_fd = (int)number;
			break;
		case CHECK_INTERFACE:
			options.check_interface = optarg;
			break;
		case VERSION:
		case HELP:
			fputs(c == HELP ? help : "xlbd " XLB_VERSION "\n", stdout);
			options.done = true;
			break;
		default:
			r = xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
					"option '%s' is not known or lacks its value",
					argv[optind - 1]);
		}
	}
	if (!r && optind < argc && !options.done)
		r = xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "argument '%s' is not expected",
				argv[optind]);
	*ret = options;
	if (r)
		xlb_err_hint(err, "try xlbd --help");
	return r;
}

#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 20000000

/*
 * Takes the lock, or -errno. One that was killed holds it until its last thread is gone, which may be in a call of
 * the kernel that takes a while.
 */
static int lock_take(int fd)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE_NS }, NULL);
	}
	return -errno;
}

/* One xlbd an instance: the lock goes with the process, however it ends. */
static int lock_instance(const struct paths *paths, int *ret, struct xlb_err *err)
{
	char path[96];
	AUTO_CLOSE int fd = -1;
	int r;

	if (mkdir(paths->run_dir, 0755) < 0 && errno != EEXIST)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot make directory %s: %s",
				   paths->run_dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/lock", paths->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot open %s: %s", path,
				   strerror(errno));
	r = lock_take(fd);
	if (r) {
		r = xlb_err_set(err, XLB_ERR_CONFLICT, r,
				"another xlbd runs instance '%s' (it holds %s)",
				paths->instance[0] ? paths->instance : "default", path);
		xlb_err_hint(err, "use it, stop it, or start this one with another --instance");
		return r;
	}
	*ret = fd;
	fd = -1;
	return 0;
}

/* Each health check may hold a socket. What cannot be had is not needed by small configurations. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < NOFILE_WANTED)
		limit.rlim_max = NOFILE_WANTED;
	limit.rlim_cur = limit.rlim_max;
	if (!setrlimit(RLIMIT_NOFILE, &limit) || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug("cannot raise the limit of open files: %s", strerror(errno));
}

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)what;
	log_notice("stopping on SIG%s; the datapath goes on", sigabbrev_np(signal));
	notify_send("STOPPING=1");
	event_base_loopbreak(daemon->base);
}

static void on_hangup(evutil_socket_t signal, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)signal;
	(void)what;
	log_notice("SIGHUP ignored: to load a changed file, use xlbctl apply %s",
		   daemon->paths.config_file);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	notify_send("WATCHDOG=1");
}

/* A check waits for a connection, then for an answer: the change list makes one call of the kernel of the two. */
static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int start_events(struct daemon *daemon, struct xlb_err *err)
{
	uint64_t watchdog = notify_watchdog() / 2;
	struct timeval period = { .tv_sec = (time_t)(watchdog / 1000000),
				  .tv_usec = (suseconds_t)(watchdog % 1000000) };
	size_t i;

	signal(SIGPIPE, SIG_IGN); /* a client that went away is an error of its write */
	daemon->base = make_base();
	if (!daemon->base)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "cannot make an event loop");
	daemon->signals[0] = evsignal_new(daemon->base, SIGTERM, on_stop, daemon);
	daemon->signals[1] = evsignal_new(daemon->base, SIGINT, on_stop, daemon);
	daemon->signals[2] = evsignal_new(daemon->base, SIGHUP, on_hangup, daemon);
	for (i = 0; i < 3; i++)
		if (!daemon->signals[i] || event_add(daemon->signals[i], NULL))
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "cannot watch signals");
	if (!watchdog)
		return 0;
	daemon->watchdog = event_new(daemon->base, -1, EV_PERSIST, on_watchdog, daemon);
	if (!daemon->watchdog || event_add(daemon->watchdog, &period))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "cannot start the watchdog timer");
	return 0;
}

static int daemon_open(struct daemon *daemon, struct xlb_err *err)
{
	int r;

	umask(0022);
	r = paths_init(&daemon->paths, daemon->options.instance, err);
	if (!r)
		r = lock_instance(&daemon->paths, &daemon->lock, err);
	if (r)
		return r;
	raise_file_limit();
	r = start_events(daemon, err);
	if (!r)
		r = engine_open(daemon->base, &daemon->paths, daemon->options.initial_flows,
				&daemon->engine, err);
	if (!r)
		r = api_open(daemon->base, &daemon->paths, daemon->engine, &daemon->api, err);
	if (!r && daemon->options.metrics)
		r = api_listen_metrics(daemon->api, daemon->options.metrics, err);
	return r;
}

static void daemon_close(struct daemon *daemon)
{
	size_t i;

	daemon->api = api_close(daemon->api);
	if (daemon->engine)
		daemon->engine = engine_close(daemon->engine);
	for (i = 0; i < 3; i++)
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	if (daemon->watchdog)
		event_free(daemon->watchdog);
	if (daemon->base)
		event_base_free(daemon->base);
	if (daemon->lock >= 0)
		close(daemon->lock);
}

/* "xlb.yaml:12:39: port must be ...; try ..." */
static void format_error(const struct xlb_err *err, char *ret, size_t size)
{
	char place[300] = "";

	if (err->file[0] && err->line)
		snprintf(place, sizeof(place), "%s:%u:%u: ", err->file, err->line, err->column);
	snprintf(ret, size, "%s%s%s%s", place, err->text, err->hint[0] ? "; " : "", err->hint);
}

/* Tells whoever started xlbd, once. */
static void report_start(const struct daemon *daemon, const char *error)
{
	char status[192];
	int fd = daemon->options.ready_fd;

	if (fd >= 0) {
		dprintf(fd, "%s\n", error ? error : "ready");
		close(fd);
	}
	if (error)
		return;
	snprintf(status, sizeof(status), "READY=1\nSTATUS=revision %" PRIu64 ", socket %s",
		 engine_revision(daemon->engine), daemon->paths.socket);
	if (notify_send(status))
		log_warning("cannot notify the service manager, proceeding");
	log_notice("xlbd %s ready: revision %" PRIu64 ", socket %s", XLB_VERSION,
		   engine_revision(daemon->engine), daemon->paths.socket);
}

/* Beside a daemon that runs, too: takes no lock and changes nothing. */
static int check_interface(const struct options *options, struct xlb_err *err)
{
	struct paths paths;
	int r = paths_init(&paths, options->instance, err);

	if (!r)
		return xlb_err_exit(preflight_print(&paths, options->check_interface, stdout));
	log_error("xlbd: %s", err->text);
	return xlb_err_exit(err->class);
}

int main(int argc, char **argv)
{
	struct daemon daemon = { .lock = -1 };
	struct xlb_err err = {};
	char error[1200];
	int r;

	r = parse_options(argc, argv, &daemon.options, &err);
	if (!r && daemon.options.done)
		return 0;
	if (!r && daemon.options.check_interface)
		return check_interface(&daemon.options, &err);
	if (!r)
		r = daemon_open(&daemon, &err);
	if (r) {
		format_error(&err, error, sizeof(error));
		log_error("xlbd: %s", error);
	}
	report_start(&daemon, r ? error : NULL);
	if (!r) {
		api_warm_up(daemon.api);
		event_base_dispatch(daemon.base);
	}
	daemon_close(&daemon);
	return r ? xlb_err_exit(err.class) : 0;
}
