/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets of the host, from /proc/net: it is there on every kernel, while sock_diag needs a module for
 * each protocol. A socket of [::] is taken as open to IPv4 as well.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "sys/host.h"

/* states as /proc/net prints them (net/tcp_states.h) */
#define STATE_UNCONNECTED 0x07
#define STATE_LISTEN	  0x0a

/* Where /proc/net shows sockets of a protocol. */
struct source {
	const char *path;
	uint8_t protocol;
	unsigned int state; /* of the sockets wanted */
	bool state_first;   /* they come before all others */
	bool optional;	    /* absent if the kernel has no IPv6 */
};

static const struct source sources[] = {
	{ "/proc/net/tcp", IPPROTO_TCP, STATE_LISTEN, true, false },
	{ "/proc/net/tcp6", IPPROTO_TCP, STATE_LISTEN, true, true },
	{ "/proc/net/udp", IPPROTO_UDP, STATE_UNCONNECTED, false, false },
	{ "/proc/net/udp6", IPPROTO_UDP, STATE_UNCONNECTED, false, true },
};

/* A socket whose process is looked for. */
struct wanted {
	uint64_t inode;
	size_t index; /* in the list */
	UT_hash_handle hh;
};

struct list {
	struct host_socket *sockets;
	size_t count, capacity;
	struct wanted *wanted;
};

/* The hexadecimal words of /proc/net are 32-bit words in the machine's order. */
static bool parse_socket_addr(const char *text, struct xlb_addr *ret)
{
	size_t length = strlen(text), words = length / 8;
	struct xlb_addr addr = {};
	bool any = true;

	if (length != 8 && length != 32)
		return false;
	if (words == 1)
		addr.bytes[10] = addr.bytes[11] = 0xff;
	for (size_t i = 0; i < words; i++) {
		char word[9] = {};
		uint32_t value;

		memcpy(word, text + i * 8, 8);
		value = (uint32_t)strtoul(word, NULL, 16);
		memcpy(&addr.bytes[16 - words * 4 + i * 4], &value, 4);
		any = any && !value;
	}
	*ret = any ? (struct xlb_addr){} : addr;
	return true;
}

static bool parse_line(const char *line, struct host_socket *ret, unsigned int *ret_state,
		       uint64_t *ret_inode)
{
	struct host_socket sock = {};
	unsigned int port, state;
	unsigned long long inode;
	char addr[33];

	/* sl local remote st tx:rx tr:when retransmits uid timeout inode */
	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %llu", addr, &port,
		   &state, &inode) != 4)
		return false;
	if (port > UINT16_MAX || !parse_socket_addr(addr, &sock.addr))
		return false;
	sock.port_h = (uint16_t)port;
	*ret = sock;
	*ret_state = state;
	*ret_inode = inode;
	return true;
}

static int list_add(struct list *list, const struct host_socket *sock, uint64_t inode)
{
	struct wanted *wanted;

	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 64;
		struct host_socket *grown = reallocarray(list->sockets, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->sockets = grown;
		list->capacity = capacity;
	}
	list->sockets[list->count] = *sock;
	if (inode) {
		wanted = calloc(1, sizeof(*wanted));
		if (!wanted)
			return -ENOMEM;
		wanted->inode = inode;
		wanted->index = list->count;
		HASH_ADD(hh, list->wanted, inode, sizeof(wanted->inode), wanted);
	}
	list->count++;
	return 0;
}

static int read_source(const struct source *source, struct list *list)
{
	AUTO_FCLOSE FILE *file = fopen(source->path, "re");
	AUTO_FREE char *line = NULL;
	struct host_socket sock;
	unsigned int state;
	uint64_t inode;
	size_t size = 0;

	if (!file)
		return errno == ENOENT && source->optional ? 0 : -errno;
	while (getline(&line, &size, file) > 0) {
		if (!parse_line(line, &sock, &state, &inode))
			continue;
		/* Does not walk through a million connections. */
		if (state != source->state && source->state_first)
			break;
		if (state != source->state)
			continue;
		sock.protocol = source->protocol;
		if (list_add(list, &sock, inode))
			return -ENOMEM;
	}
	return 0;
}

static void read_name(int process_fd, char *ret, size_t size)
{
	AUTO_CLOSE int fd = openat(process_fd, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, ret, size - 1);

	ret[length > 0 ? length : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static void match_fd(struct list *list, int process_fd, uint32_t pid, int folder_fd,
		     const char *name)
{
	struct wanted *wanted = NULL;
	struct host_socket *sock;
	unsigned long long number;
	uint64_t inode;
	char target[64];
	ssize_t length = readlinkat(folder_fd, name, target, sizeof(target) - 1);

	if (length < 0)
		return;
	target[length] = '\0';
	if (sscanf(target, "socket:[%llu]", &number) != 1)
		return;
	inode = number;
	HASH_FIND(hh, list->wanted, &inode, sizeof(inode), wanted);
	if (!wanted)
		return;
	sock = &list->sockets[wanted->index];
	sock->pid = pid;
	read_name(process_fd, sock->process, sizeof(sock->process));
	HASH_DEL(list->wanted, wanted);
	free(wanted);
}

static void search_process(struct list *list, int proc_fd, const char *name)
{
	AUTO_CLOSE int process_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int folder_fd =
		process_fd < 0 ? -1 : openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = folder_fd < 0 ? NULL : fdopendir(folder_fd);
	const struct dirent *entry;

	if (!folder) {
		if (folder_fd >= 0)
			close(folder_fd);
		return;
	}
	while (list->wanted && (entry = readdir(folder)))
		match_fd(list, process_fd, (uint32_t)strtoul(name, NULL, 10), folder_fd,
			 entry->d_name);
	closedir(folder);
}

/* Best effort: processes come and go, and some may not be looked into. */
static void find_processes(struct list *list)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	if (!proc)
		return;
	while (list->wanted && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			search_process(list, dirfd(proc), entry->d_name);
	closedir(proc);
}

static void forget_wanted(struct list *list)
{
	struct wanted *wanted, *next;

	HASH_ITER(hh, list->wanted, wanted, next) {
		HASH_DEL(list->wanted, wanted);
		free(wanted);
	}
}

int host_sockets(struct host_socket **ret, uint32_t *ret_count, struct xlb_err *err)
{
	struct list list = {};
	int r = 0;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && !r; i++) {
		r = read_source(&sources[i], &list);
		if (r)
			xlb_err_set(err, XLB_ERR_FAILED, r,
				    "cannot read the host's sockets from %s: %s", sources[i].path,
				    strerror(-r));
	}
	if (!r)
		find_processes(&list);
	forget_wanted(&list);
	if (r) {
		free(list.sockets);
		return r;
	}
	*ret = list.sockets;
	*ret_count = (uint32_t)list.count;
	return 0;
}

struct port_range host_ephemeral_ports(void)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int from, to;

	if (!file || fscanf(file, "%u %u", &from, &to) != 2 || from > to || to > UINT16_MAX)
		return (struct port_range){ 32768, 60999 }; /* the kernel's default */
	return (struct port_range){ (uint16_t)from, (uint16_t)to };
}
