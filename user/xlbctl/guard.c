// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/guard.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define ENVIRON_MAX   65536
#define ANCESTORS_MAX 32
#define ROUTE_REJECT  0x200 /* RTF_REJECT of linux/route.h */

/* The kernel's IPv4 routes as text: name, destination, ..., mask is the 8th column. */
static bool is_default_route4(const char *line, const char *ifname)
{
	char name[IFNAMSIZ];
	unsigned int destination, mask;

	return sscanf(line, "%15s %x %*s %*s %*s %*s %*s %x", name, &destination, &mask) == 3 &&
	       !destination && !mask && !strcmp(name, ifname);
}

/* IPv6: destination, its prefix length, ..., flags, name. */
static bool is_default_route6(const char *line, const char *ifname)
{
	char name[IFNAMSIZ], destination[33];
	unsigned int length, flags;

	return sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %x %15s", destination, &length, &flags,
		      name) == 4 &&
	       !length && strspn(destination, "0") == 32 && !(flags & ROUTE_REJECT) &&
	       !strcmp(name, ifname);
}

static bool has_default_route(const char *path,
			      bool (*is_default)(const char *line, const char *ifname),
			      const char *ifname)
{
	AUTO_FCLOSE FILE *in = fopen(path, "re");
	char line[512];

	while (in && fgets(line, sizeof(line), in))
		if (is_default(line, ifname))
			return true;
	return false;
}

/* Value of a variable in a block of NUL-terminated NAME=VALUE, NULL if absent. */
static const char *block_value(const char *block, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = block; p < block + size; p += strlen(p) + 1)
		if (!strncmp(p, name, length) && p[length] == '=')
			return p + length + 1;
	return NULL;
}

static int parent_of(int pid)
{
	char path[32], line[512];
	AUTO_FCLOSE FILE *in = NULL;
	const char *end;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	in = fopen(path, "re");
	if (!in || !fgets(line, sizeof(line), in))
		return 0;
	/* the name may hold blanks and parentheses: count from the last one */
	end = strrchr(line, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static char *environ_value(int pid, const char *name)
{
	AUTO_FREE char *block = calloc(1, ENVIRON_MAX + 1);
	AUTO_FCLOSE FILE *in = NULL;
	const char *value;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	in = fopen(path, "re");
	if (!in || !block)
		return NULL;
	value = block_value(block, fread(block, 1, ENVIRON_MAX, in), name);
	return value ? strdup(value) : NULL;
}

/*
 * SSH_CONNECTION of this session. sudo takes it out of the environment, so the ancestors are asked too.
 * malloc'd, NULL if there is none.
 */
static char *ssh_connection(void)
{
	static const char name[] = "SSH_CONNECTION";
	const char *own = getenv(name);
	int pid = getppid();

	if (own)
		return strdup(own);
	for (int depth = 0; pid > 1 && depth < ANCESTORS_MAX; depth++) {
		char *value = environ_value(pid, name);

		if (value)
			return value;
		pid = parent_of(pid);
	}
	return NULL;
}

static bool sockaddr_equal(const struct sockaddr *a, const struct xlb_addr *b)
{
	struct xlb_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };

	if (a->sa_family == AF_INET)
		memcpy(addr.bytes + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
	else if (a->sa_family == AF_INET6)
		memcpy(addr.bytes, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
	else
		return false;
	return addr_equal(&addr, b);
}

/* True if the session's server address, the third word of "CLIENT PORT SERVER PORT", is on the NIC. */
static bool has_ssh_session(const char *ifname)
{
	AUTO_FREE char *connection = ssh_connection();
	char server[64] = "";
	struct ifaddrs *list = NULL;
	struct xlb_addr addr;
	bool found = false;

	if (!connection || sscanf(connection, "%*s %*s %63s", server) != 1)
		return false;
	server[strcspn(server, "%")] = '\0'; /* a link-local address brings its scope */
	if (parse_addr(server, &addr) || getifaddrs(&list))
		return false;
	for (const struct ifaddrs *entry = list; entry && !found; entry = entry->ifa_next)
		found = entry->ifa_addr && !strcmp(entry->ifa_name, ifname) &&
			sockaddr_equal(entry->ifa_addr, &addr);
	freeifaddrs(list);
	return found;
}

const char *guard_reason(const char *ifname)
{
	if (has_ssh_session(ifname))
		return "this SSH session";
	if (has_default_route("/proc/net/route", is_default_route4, ifname) ||
	    has_default_route("/proc/net/ipv6_route", is_default_route6, ifname))
		return "the default route";
	return NULL;
}
