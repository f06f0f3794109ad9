// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/testnet.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/process.h"

#define PEER	     "xlbp"
#define ADDRESS_TEXT 48

/* Addresses of both ends, made from the host's process id. */
struct addresses {
	char host4[ADDRESS_TEXT], peer4[ADDRESS_TEXT]; /* with prefix length */
	char host6[ADDRESS_TEXT], peer6[ADDRESS_TEXT];
	char gateway4[ADDRESS_TEXT], gateway6[ADDRESS_TEXT];
};

/* what the client process says when it is set up */
struct setup_answer {
	int r;
	bool has_ipv6;
};

static void make_addresses(pid_t pid, struct addresses *ret)
{
	unsigned int n = (unsigned int)pid % 12800; /* /30s in 169.254.16.0 - 169.254.215.255 */
	unsigned int high = (unsigned int)pid >> 16, low = (unsigned int)pid & 0xffff;
	unsigned int third = 16 + n / 64, fourth = n % 64 * 4;

	snprintf(ret->gateway4, ADDRESS_TEXT, "169.254.%u.%u", third, fourth + 1);
	snprintf(ret->host4, ADDRESS_TEXT, "169.254.%u.%u/30", third, fourth + 1);
	snprintf(ret->peer4, ADDRESS_TEXT, "169.254.%u.%u/30", third, fourth + 2);
	snprintf(ret->gateway6, ADDRESS_TEXT, "fd78:6c62:%x:%x::1", high, low);
	snprintf(ret->host6, ADDRESS_TEXT, "fd78:6c62:%x:%x::1/64", high, low);
	snprintf(ret->peer6, ADDRESS_TEXT, "fd78:6c62:%x:%x::2/64", high, low);
}

#define IP(quiet, ...) process_run((const char *const[]){ "ip", __VA_ARGS__, NULL }, quiet)

/*
 * Complete checksums from the client, as NICs deliver them, and GRO, which starts NAPI on its end. GRO must
 * be turned on while the link is up: only then is the host's end made a target of redirects (6.3 and later).
 */
static int set_offloads(void)
{
	static const struct {
		uint32_t command, on;
	} settings[] = { { ETHTOOL_STXCSUM, 0 }, { ETHTOOL_SGRO, 1 } };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct ethtool_value value = { .cmd = settings[i].command, .data = settings[i].on };
		struct ifreq request = { .ifr_name = PEER };

		request.ifr_data = (void *)&value;
		if (ioctl(fd, SIOCETHTOOL, &request))
			return -errno;
	}
	return 0;
}

/* The client's end, in its namespace. */
static struct setup_answer setup_peer(const struct addresses *addresses)
{
	struct setup_answer answer = { 0 };

	if (IP(false, "link", "set", "lo", "up") || IP(false, "link", "set", PEER, "up") ||
	    set_offloads() || IP(false, "addr", "add", addresses->peer4, "dev", PEER) ||
	    IP(false, "route", "add", "default", "via", addresses->gateway4)) {
		answer.r = -EIO;
		return answer;
	}
	answer.has_ipv6 =
		!IP(true, "-6", "addr", "add", addresses->peer6, "dev", PEER, "nodad") &&
		!IP(true, "-6", "route", "add", "default", "via", addresses->gateway6, "dev", PEER);
	return answer;
}

/* The client process: says that its namespace is there, sets up its end when told, then runs plans. */
static void __attribute__((noreturn)) run_client(int control, const struct addresses *addresses)
{
	int r = unshare(CLONE_NEWNET) ? -errno : 0;
	struct setup_answer answer;
	struct probe_plan plan;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (send(control, &r, sizeof(r), MSG_NOSIGNAL) < 0 || r || recv(control, &go, 1, 0) != 1)
		_exit(1);
	answer = setup_peer(addresses);
	if (send(control, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
		_exit(1);
	while (recv(control, &plan, sizeof(plan), 0) == sizeof(plan)) {
		struct probe_result result;

		probe_run(&plan, &result);
		if (send(control, &result, sizeof(result), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static int setup_host(struct testnet *net, const struct addresses *addresses, bool *ret_ipv6)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", net->child);
	if (IP(false, "link", "add", net->ifname, "type", "veth", "peer", "name", PEER, "netns",
	       pid) ||
	    IP(false, "addr", "add", addresses->host4, "dev", net->ifname) ||
	    IP(false, "link", "set", net->ifname, "up"))
		return -EIO;
	*ret_ipv6 = !IP(true, "-6", "addr", "add", addresses->host6, "dev", net->ifname, "nodad");
	return 0;
}

/* Makes both ends; the client process runs already. */
static int setup(struct testnet *net, const struct addresses *addresses, struct xlb_err *err)
{
	struct setup_answer answer;
	bool host_ipv6;
	int r;

	if (recv(net->control, &r, sizeof(r), 0) != sizeof(r))
		r = -EIO;
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot make a network namespace: %s",
				   strerror(-r));
	if (setup_host(net, addresses, &host_ipv6))
		return xlb_err_set(err, XLB_ERR_FAILED, -EIO,
				   "cannot make the veth pair %s (see above)", net->ifname);
	if (send(net->control, "", 1, MSG_NOSIGNAL) != 1 ||
	    recv(net->control, &answer, sizeof(answer), 0) != sizeof(answer) || answer.r)
		return xlb_err_set(err, XLB_ERR_FAILED, -EIO,
				   "cannot set up the test's client (see above)");
	net->has_ipv6 = host_ipv6 && answer.has_ipv6;
	return 0;
}

int testnet_open(struct testnet *net, struct xlb_err *err)
{
	struct addresses addresses;
	int ends[2], r;

	make_addresses(getpid(), &addresses);
	snprintf(net->ifname, sizeof(net->ifname), "xlbt%d", getpid());
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot make a socket: %s",
				   strerror(errno));
	net->child = fork();
	if (!net->child) {
		close(ends[0]);
		run_client(ends[1], &addresses);
	}
	close(ends[1]);
	net->control = ends[0];
	if (net->child < 0) {
		net->child = 0;
		close(ends[0]);
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot start a process: %s",
				   strerror(errno));
	}
	r = setup(net, &addresses, err);
	if (r)
		testnet_close(net);
	return r;
}

int testnet_probe(struct testnet *net, const struct probe_plan *plan, struct probe_result *ret,
		  struct xlb_err *err)
{
	struct probe_result result;
	ssize_t n;

	if (send(net->control, plan, sizeof(*plan), MSG_NOSIGNAL) != sizeof(*plan))
		return xlb_err_set(err, XLB_ERR_FAILED, -EPIPE, "the test's client ended");
	do
		n = recv(net->control, &result, sizeof(result), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(result))
		return xlb_err_set(err, XLB_ERR_FAILED, -EINTR, "the test was interrupted");
	*ret = result;
	return 0;
}

void testnet_close(struct testnet *net)
{
	if (!net->child)
		return;
	close(net->control);
	kill(net->child, SIGKILL);
	while (waitpid(net->child, NULL, 0) < 0 && errno == EINTR)
		;
	/* else the pair lives until the kernel has taken the namespace down, some time later */
	IP(true, "link", "del", net->ifname);
	net->child = 0;
}
