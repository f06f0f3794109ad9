/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owner marks: what this instance put on the host. The kernel's originator byte (HOST_PROTOCOL) says that
 * an entry is xlb's, the file says of which instance. One mark a line:
 *
 *	vip_addr 198.51.100.10 eth0
 *	neighbour eth0
 *
 * Neighbours are marked by interface: an interface belongs to one instance, and a file written for each
 * of thousands of servers would be slow.
 */
#include <errno.h>
#include <string.h>

#include "sys/host_private.h"

struct row_vip_addr_key owner_key(const struct xlb_addr *addr, const char *ifname)
{
	struct row_vip_addr_key key = { .addr = *addr };

	strncpy(key.ifname, ifname, sizeof(key.ifname) - 1);
	return key;
}

struct row_vip_addr_key owner_neighbour_key(const char *ifname)
{
	static const struct xlb_addr none;

	return owner_key(&none, ifname);
}

static bool is_neighbour_key(const struct row_vip_addr_key *key)
{
	static const struct xlb_addr none;

	return addr_equal(&key->addr, &none);
}

static struct mark *mark_find(const struct host *host, const struct row_vip_addr_key *key)
{
	struct mark *mark;

	HASH_FIND(hh, host->marks, key, sizeof(*key), mark);
	return mark;
}

bool owner_has(const struct host *host, const struct row_vip_addr_key *key)
{
	return mark_find(host, key);
}

bool owner_has_addr(const struct host *host, const struct xlb_addr *addr)
{
	const struct mark *mark, *next;

	HASH_ITER(hh, host->marks, mark, next)
		if (addr_equal(&mark->key.addr, addr))
			return true;
	return false;
}

static bool mark_add(struct host *host, const struct row_vip_addr_key *key)
{
	struct mark *mark = mark_find(host, key);

	if (mark)
		return true;
	mark = calloc(1, sizeof(*mark));
	if (!mark)
		return false;
	mark->key = *key;
	HASH_ADD(hh, host->marks, key, sizeof(mark->key), mark);
	return true;
}

static void mark_remove(struct host *host, const struct row_vip_addr_key *key)
{
	struct mark *mark = mark_find(host, key);

	if (!mark)
		return;
	HASH_DEL(host->marks, mark);
	free(mark);
}

static void marks_print(const struct host *host, FILE *file)
{
	const struct mark *mark, *next;
	char text[ADDR_TEXT_MAX];

	HASH_ITER(hh, host->marks, mark, next) {
		if (is_neighbour_key(&mark->key)) {
			fprintf(file, "neighbour %s\n", mark->key.ifname);
			continue;
		}
		format_addr(&mark->key.addr, text);
		fprintf(file, "vip_addr %s %s\n", text, mark->key.ifname);
	}
}

static int marks_write(const struct host *host, const char *path)
{
	AUTO_FCLOSE FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	marks_print(host, file);
	if (fflush(file) || fsync(fileno(file)))
		return -errno;
	return 0;
}

static int marks_save(const struct host *host, struct xlb_err *err)
{
	AUTO_FREE char *temporary = NULL;
	int r;

	if (!host->owner_file)
		return 0;
	if (asprintf(&temporary, "%s.new", host->owner_file) < 0) {
		temporary = NULL;
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	r = marks_write(host, temporary);
	if (!r && rename(temporary, host->owner_file))
		r = -errno;
	if (r) {
		unlink(temporary);
		return xlb_err_set(err, XLB_ERR_FAILED, r,
				   "cannot write the owner marks to '%s': %s", host->owner_file,
				   strerror(-r));
	}
	return 0;
}

int owner_add(struct host *host, const struct row_vip_addr_key *key, struct xlb_err *err)
{
	int r;

	if (owner_has(host, key))
		return 0;
	if (!mark_add(host, key))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = marks_save(host, err);
	if (r)
		mark_remove(host, key);
	return r;
}

int owner_remove(struct host *host, const struct row_vip_addr_key *key, struct xlb_err *err)
{
	int r;

	if (!owner_has(host, key))
		return 0;
	mark_remove(host, key);
	r = marks_save(host, err);
	if (r)
		mark_add(host, key);
	return r;
}

static bool line_parse(char *line, struct row_vip_addr_key *ret)
{
	char *saved, *table = strtok_r(line, " \n", &saved), *first = strtok_r(NULL, " \n", &saved);
	char *second = strtok_r(NULL, " \n", &saved);
	struct xlb_addr addr = {};
	const char *ifname;

	if (!table || !first)
		return false;
	ifname = !strcmp(table, "neighbour") ? first : second;
	if (!ifname || strlen(ifname) >= IFNAMSIZ)
		return false;
	if (ifname == second && (strcmp(table, "vip_addr") || parse_addr(first, &addr)))
		return false;
	*ret = owner_key(&addr, ifname);
	return true;
}

int owner_load(struct host *host, struct xlb_err *err)
{
	AUTO_FCLOSE FILE *file = NULL;
	AUTO_FREE char *line = NULL;
	struct row_vip_addr_key key;
	size_t size = 0;

	if (!host->owner_file)
		return 0;
	file = fopen(host->owner_file, "re");
	if (!file && errno == ENOENT)
		return 0;
	if (!file)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno,
				   "cannot read the owner marks in '%s': %s", host->owner_file,
				   strerror(errno));
	for (unsigned int number = 1; getline(&line, &size, file) > 0; number++) {
		if (!line_parse(line, &key)) {
			xlb_err_set(err, XLB_ERR_FAILED, -EINVAL, "%s:%u: not an owner mark",
				    host->owner_file, number);
			xlb_err_hint(err, "remove the line; what it marked is then the host's own");
			return -EINVAL;
		}
		if (!mark_add(host, &key))
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	return 0;
}

static bool mark_is_stale(struct host *host, const struct mark *mark)
{
	struct address_key key = { .addr = mark->key.addr, .prefix_length = ADDR_BITS };
	struct address *address;

	key.ifindex = if_nametoindex(mark->key.ifname);
	if (is_neighbour_key(&mark->key))
		return !cache_has_own_neighbour(host, key.ifindex);
	HASH_FIND(hh, host->addresses, &key, sizeof(key), address);
	return !address || !address_is_ours(host, address);
}

int owner_prune(struct host *host, struct xlb_err *err)
{
	struct mark *mark, *next;
	bool pruned = false;

	HASH_ITER(hh, host->marks, mark, next) {
		if (!mark_is_stale(host, mark))
			continue;
		HASH_DEL(host->marks, mark);
		free(mark);
		pruned = true;
	}
	return pruned ? marks_save(host, err) : 0;
}

void owner_done(struct host *host)
{
	struct mark *mark, *next;

	HASH_ITER(hh, host->marks, mark, next) {
		HASH_DEL(host->marks, mark);
		free(mark);
	}
}
