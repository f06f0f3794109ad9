/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owner marks: what this instance put on the host. The kernel's originator byte (HOST_PROTOCOL) says that
 * an entry is xlb's, the file says of which instance. One mark a line:
 *
 *	vip_addr 198.51.100.10 eth0
 *	neighbour eth0
 *	setting eth0 lro 1 0 3 BOOT-ID
 *
 * Neighbours are marked by interface: an interface belongs to one instance, and a file written for each
 * of thousands of servers would be slow. Settings are host_setting.c's.
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
	const struct setting_mark *setting, *setting_next;
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
	HASH_ITER(hh, host->settings, setting, setting_next)
		setting_print(setting, file);
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

int owner_save(const struct host *host, struct xlb_err *err)
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
	r = owner_save(host, err);
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
	r = owner_save(host, err);
	if (r)
		mark_add(host, key);
	return r;
}

/* 0, -EINVAL if the line is no mark, -ENOMEM. */
static int line_take(struct host *host, char *line)
{
	char *saved, *table = strtok_r(line, " \n", &saved), *first, *second = NULL;
	struct setting_mark setting = {};
	struct row_vip_addr_key key;
	struct xlb_addr addr = {};
	bool neighbour;

	if (!table)
		return -EINVAL;
	if (!strcmp(table, "setting")) {
		if (!setting_parse(&saved, &setting))
			return -EINVAL;
		return setting_mark_put(host, &setting) ? 0 : -ENOMEM;
	}
	neighbour = !strcmp(table, "neighbour");
	first = strtok_r(NULL, " \n", &saved);
	if (!neighbour && first)
		second = strtok_r(NULL, " \n", &saved);
	if (!neighbour && (strcmp(table, "vip_addr") || !second || parse_addr(first, &addr)))
		return -EINVAL;
	if (neighbour)
		second = first;
	if (!second || strlen(second) >= IFNAMSIZ)
		return -EINVAL;
	key = owner_key(&addr, second);
	return mark_add(host, &key) ? 0 : -ENOMEM;
}

int owner_load(struct host *host, struct xlb_err *err)
{
	AUTO_FCLOSE FILE *file = NULL;
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	int r;

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
		r = line_take(host, line);
		if (r == -EINVAL) {
			xlb_err_set(err, XLB_ERR_FAILED, -EINVAL, "%s:%u: not an owner mark",
				    host->owner_file, number);
			xlb_err_hint(err, "remove the line; what it marked is then the host's own");
			return -EINVAL;
		}
		if (r)
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
	bool pruned = settings_prune(host);

	HASH_ITER(hh, host->marks, mark, next) {
		if (!mark_is_stale(host, mark))
			continue;
		HASH_DEL(host->marks, mark);
		free(mark);
		pruned = true;
	}
	return pruned ? owner_save(host, err) : 0;
}

void owner_done(struct host *host)
{
	struct mark *mark, *next;

	HASH_ITER(hh, host->marks, mark, next) {
		HASH_DEL(host->marks, mark);
		free(mark);
	}
	settings_done(host);
}
