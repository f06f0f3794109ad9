/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the host is like: kernel, rights of this process, file systems, neighbour tables. */
#include <errno.h>
#include <linux/magic.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include "base/tracefs.h"
#include "sys/host_nic.h"
#include "sys/host_private.h"

static void read_kernel(struct host_system *system)
{
	struct utsname names;
	unsigned int major = 0, minor = 0;

	if (uname(&names))
		return;
	snprintf(system->release, sizeof(system->release), "%s", names.release);
	if (sscanf(names.release, "%u.%u", &major, &minor) == 2)
		system->version = major * 1000 + minor;
}

int host_memory(uint64_t *ret_total, uint64_t *ret_available)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	int found = 0;
	char line[128];

	while (file && found < 2 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			*ret_total = kib << 10;
		else if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			*ret_available = kib << 10;
		else
			continue;
		found++;
	}
	return found == 2 ? 0 : -ENODATA;
}

static void read_capabilities(struct host_system *system)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "CapEff:", 7))
			system->capabilities = strtoull(line + 7, NULL, 16);
}

/* As the datapath looks for them. */
static bool has_tracepoints(void)
{
	AUTO_CLOSE int tracefs = tracefs_open();

	return tracefs >= 0 && tracefs_tracepoint(tracefs, "xdp/xdp_redirect_err") >= 0;
}

static void read_file_systems(struct host_system *system)
{
	struct statfs status;

	system->bpffs = !statfs("/sys/fs/bpf", &status) && status.f_type == BPF_FS_MAGIC;
	system->tracepoints = has_tracepoints();
}

/* --- neighbours ----------------------------------------------------------------------------------- */

static uint32_t read_number(const char *path)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char text[16] = "";
	uint64_t value;

	if (!file || !fgets(text, sizeof(text), file))
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_uint(text, 0, UINT32_MAX, &value) ? 0 : (uint32_t)value;
}

static void count_neighbours(struct host *host, struct host_system *system)
{
	const struct neighbour *neighbour, *next;

	HASH_ITER(hh, host->neighbours, neighbour, next)
		if (!neighbour->learned && !(neighbour->state & (NUD_PERMANENT | NUD_NOARP)))
			system->neighbours[addr_family(&neighbour->key.addr) == XLB_IPV6]++;
	system->neighbour_limit[0] = read_number("/proc/sys/net/ipv4/neigh/default/gc_thresh3");
	system->neighbour_limit[1] = read_number("/proc/sys/net/ipv6/neigh/default/gc_thresh3");
}

void host_system(struct host *host, struct host_system *ret)
{
	HOST_LOCK(host);
	*ret = (struct host_system){};
	read_kernel(ret);
	read_capabilities(ret);
	read_file_systems(ret);
	host_firewall(ret);
	ret->forwards[0] = read_number("/proc/sys/net/ipv4/ip_forward");
	ret->forwards[1] = read_number("/proc/sys/net/ipv6/conf/all/forwarding");
	host_sync(host);
	count_neighbours(host, ret);
}
