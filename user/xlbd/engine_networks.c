// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files of networks that rules name: read for each apply, and kept for the compiles in between. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/security.h"
#include "xlbd/engine_private.h"

#define FILE_BYTES_MAX (8U << 20)

struct networks {
	char *path;
	struct prefix_list list; /* in effect */
	struct prefix_list next; /* as read by the change under way */
	bool read, next_read;
	UT_hash_handle hh;
};

/* "/etc/xlb" of this instance. */
static void config_dir(const struct engine *engine, char ret[64])
{
	snprintf(ret, 64, "%s", engine->paths.config_file);
	*strrchr(ret, '/') = '\0';
}

/* Below the directory, and no way out of it. */
static bool is_below(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	return !strncmp(path, dir, length) && path[length] == '/' && !strstr(path, "/../");
}

static int check_file(int fd, struct xlb_err *err)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "%m");
	if (!S_ISREG(stat.st_mode))
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "not a regular file");
	if (stat.st_size > FILE_BYTES_MAX)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EFBIG, "larger than %u MiB",
				   FILE_BYTES_MAX >> 20);
	return 0;
}

/* malloc'd text. It may grow while it is read: no more than the limit is taken. */
static int read_text(int fd, char **ret, size_t *ret_size, struct xlb_err *err)
{
	AUTO_FREE char *text = malloc(FILE_BYTES_MAX);
	size_t size = 0;
	ssize_t n;

	if (!text)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	while (size < FILE_BYTES_MAX && (n = read(fd, text + size, FILE_BYTES_MAX - size))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "%m");
		size += (size_t)n;
	}
	*ret = TAKE(text);
	*ret_size = size;
	return 0;
}

static int networks_read(const struct engine *engine, const char *path, struct prefix_list *ret,
			 struct xlb_err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;
	char dir[64];
	size_t size = 0;
	int r;

	config_dir(engine, dir);
	if (!is_below(path, dir))
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "accepted are files below %s",
				   dir);
	/* what looks like a file may be a pipe, or lead elsewhere */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "%s",
				   errno == ELOOP ? "symbolic links are not followed" :
						    strerror(errno));
	r = check_file(fd, err);
	if (!r)
		r = read_text(fd, &text, &size, err);
	return r ? r : networks_parse(text, size, ret, err);
}

static struct networks *networks_find(struct engine *engine, const char *path)
{
	struct networks *known;

	HASH_FIND_STR(engine->networks, path, known);
	if (known)
		return known;
	known = calloc(1, sizeof(*known));
	if (known)
		known->path = strdup(path);
	if (!known || !known->path) {
		free(known);
		return NULL;
	}
	HASH_ADD_STR(engine->networks, path, known);
	return known;
}

int engine_networks(struct engine *engine, const char *path, bool anew,
		    const struct prefix_list **ret, struct xlb_err *err)
{
	struct networks *known = networks_find(engine, path);
	struct prefix_list *list;
	bool *read;
	int r = 0;

	if (!known)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	read = anew ? &known->next_read : &known->read;
	list = anew ? &known->next : &known->list;
	if (!*read)
		r = networks_read(engine, path, list, err);
	if (r)
		return r;
	*read = true;
	*ret = list;
	return 0;
}

void engine_networks_begin(struct engine *engine)
{
	struct networks *known, *next;

	HASH_ITER(hh, engine->networks, known, next) {
		free(known->next.prefixes);
		known->next = (struct prefix_list){};
		known->next_read = false;
	}
}

static void networks_free(struct engine *engine, struct networks *known)
{
	HASH_DEL(engine->networks, known);
	free(known->list.prefixes);
	free(known->next.prefixes);
	free(known->path);
	free(known);
}

void engine_networks_adopt(struct engine *engine)
{
	struct networks *known, *next;

	HASH_ITER(hh, engine->networks, known, next) {
		if (!known->next_read) {
			networks_free(engine, known); /* no rule names it any more */
			continue;
		}
		free(known->list.prefixes);
		known->list = known->next;
		known->read = true;
		known->next = (struct prefix_list){};
		known->next_read = false;
	}
}

void engine_networks_close(struct engine *engine)
{
	struct networks *known, *next;

	HASH_ITER(hh, engine->networks, known, next)
		networks_free(engine, known);
}
