/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps pinned in bpffs: what lets the datapath outlive the daemon. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "sys/datapath_private.h"

/* Fails unless the nearest ancestor of `path` that exists lies on a bpf file system. */
static int bpffs_check(const char *path, struct xlb_err *err)
{
	AUTO_FREE char *ancestor = strdup(path);
	struct statfs fs;

	if (!ancestor)
		return datapath_err(err, -ENOMEM, "cannot prepare '%s'", path);
	while (statfs(ancestor, &fs)) {
		char *slash = strrchr(ancestor, '/');

		if (errno != ENOENT || !slash)
			return datapath_err(err, -errno, "cannot reach '%s'", path);
		slash[slash == ancestor] = '\0';
	}
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	xlb_err_set(err, XLB_ERR_FAILED, -ENOTSUP,
		    "'%s' is not on a bpf file system ('%s' is not one)", path, ancestor);
	xlb_err_hint(err, "mount it: mount -t bpf bpf /sys/fs/bpf");
	return -ENOTSUP;
}

static int make_directories(const char *path, struct xlb_err *err)
{
	AUTO_FREE char *copy = strdup(path);

	if (!copy)
		return datapath_err(err, -ENOMEM, "cannot prepare '%s'", path);
	for (char *end = copy + 1;; end++) {
		char separator = *end;

		if (separator && separator != '/')
			continue;
		*end = '\0';
		if (mkdir(copy, 0700) && errno != EEXIST)
			return datapath_err(err, -errno, "cannot create the directory '%s'", copy);
		*end = separator;
		if (!separator)
			return 0;
	}
}

int pins_prepare(const char *pin_dir, struct xlb_err *err)
{
	char links[PATH_MAX];
	int r;

	if (pin_dir[0] != '/' || strlen(pin_dir) + IFNAMSIZ + sizeof("/links/") > sizeof(links))
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "pin directory '%s' is not an absolute path of usable length",
				   pin_dir);
	r = bpffs_check(pin_dir, err);
	if (r < 0)
		return r;
	snprintf(links, sizeof(links), "%s/links", pin_dir);
	return make_directories(links, err);
}

static int map_compare(const struct bpf_map *map, const struct bpf_map_info *pinned,
		       const char *path, struct xlb_err *err)
{
	uint32_t flags = pinned->map_flags;
	const struct {
		const char *word;
		uint32_t pinned, wanted;
	} properties[] = {
		{ "type", pinned->type, bpf_map__type(map) },
		{ "key size", pinned->key_size, bpf_map__key_size(map) },
		{ "value size", pinned->value_size, bpf_map__value_size(map) },
		{ "size", pinned->max_entries, bpf_map__max_entries(map) },
		/* the kernel adds this flag to device maps by itself and refuses it at creation */
		{ "flags",
		  pinned->type == BPF_MAP_TYPE_DEVMAP ? flags & ~(uint32_t)BPF_F_RDONLY_PROG :
							flags,
		  bpf_map__map_flags(map) },
	};

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		if (properties[i].pinned == properties[i].wanted)
			continue;
		xlb_err_set(err, XLB_ERR_FAILED, -EEXIST,
			    "pinned map '%s' has %s %u, this version of xlb needs %u", path,
			    properties[i].word, properties[i].pinned, properties[i].wanted);
		xlb_err_hint(
			err,
			"it was made by another version: detach with that version, or remove the directory "
			"(this ends all flows)");
		return -EEXIST;
	}
	return 0;
}

/* 1: adopted, 0: there is none */
static int map_adopt(const char *pin_dir, struct bpf_map *map, struct xlb_err *err)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s", pin_dir, map_word(map));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ?
			       0 :
			       datapath_err(err, -errno, "cannot open pinned map '%s'", path);
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return datapath_err(err, -errno, "cannot read the properties of pinned map '%s'",
				    path);
	r = map_compare(map, &info, path, err);
	if (r < 0)
		return r;
	r = bpf_map__reuse_fd(map, fd);
	return r < 0 ? datapath_err(err, r, "cannot adopt pinned map '%s'", path) : 1;
}

int pins_adopt(const char *pin_dir, struct bpf_object *object, uint64_t *ret_adopted,
	       struct xlb_err *err)
{
	uint64_t adopted = 0, bit = 1;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		int r = map_is_shared(map) ? map_adopt(pin_dir, map, err) : 0;

		if (r < 0)
			return r;
		if (r)
			adopted |= bit;
		bit <<= 1;
	}
	*ret_adopted = adopted;
	return 0;
}

int pins_complete(const char *pin_dir, struct bpf_object *object, uint64_t adopted,
		  struct xlb_err *err)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		bool there = adopted & 1;
		char path[PATH_MAX];

		adopted >>= 1;
		if (there || !map_is_shared(map) || !bpf_map__autocreate(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", pin_dir, map_word(map));
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return datapath_err(err, -errno, "cannot pin a map as '%s'", path);
	}
	return 0;
}

static void stages_paths(const char *pin_dir, const char *name, char now[PATH_MAX],
			 char next[PATH_MAX])
{
	snprintf(now, PATH_MAX, "%s/%s", pin_dir, name);
	snprintf(next, PATH_MAX, "%s/%s_next", pin_dir, name);
}

int pins_stages_prepare(const char *pin_dir, const char *name, const struct bpf_map *stages,
			struct xlb_err *err)
{
	char now[PATH_MAX], next[PATH_MAX];

	stages_paths(pin_dir, name, now, next);
	/* left by a daemon that was killed between the two: its program may be the one that runs */
	if (!access(next, F_OK) && rename(next, now))
		return datapath_err(err, -errno, "cannot rename '%s'", next);
	if (bpf_obj_pin(bpf_map__fd(stages), next))
		return datapath_err(err, -errno, "cannot pin a map as '%s'", next);
	return 0;
}

int pins_stages_commit(const char *pin_dir, const char *name, struct xlb_err *err)
{
	char now[PATH_MAX], next[PATH_MAX];

	stages_paths(pin_dir, name, now, next);
	return rename(next, now) && errno != ENOENT ?
		       datapath_err(err, -errno, "cannot rename '%s'", next) :
		       0;
}

void pins_stages_remove(const char *pin_dir, const char *name)
{
	char now[PATH_MAX], next[PATH_MAX];

	stages_paths(pin_dir, name, now, next);
	unlink(now);
	unlink(next);
}

static void directory_clear(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

void pins_remove(const char *pin_dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/links", pin_dir);
	directory_clear(path);
	snprintf(path, sizeof(path), "%s/tracepoints", pin_dir);
	directory_clear(path);
	directory_clear(pin_dir);
	/* the parent belongs to the instance and goes if this was its last ABI */
	snprintf(path, sizeof(path), "%s", pin_dir);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}
