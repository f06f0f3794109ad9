// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/safe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static int no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

/* Who may write to it can make xlbd trust or run what they like. */
static int check_owner(const char *path, const struct stat *status, struct xlb_err *err)
{
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				   "%s belongs to user %u: it must belong to root (chown root %s)",
				   path, status->st_uid, path);
	if (status->st_mode & (S_IWGRP | S_IWOTH))
		return xlb_err_set(
			err, XLB_ERR_CONFIG, -EINVAL,
			"%s can be written to by others than root (mode %04o): chmod go-w %s", path,
			status->st_mode & 07777, path);
	return 0;
}

static int check_directory_of(const char *path, struct xlb_err *err)
{
	AUTO_FREE char *directory = strndup(path, (size_t)(strrchr(path, '/') - path));
	struct stat status;

	if (!directory)
		return no_memory(err);
	if (stat(*directory ? directory : "/", &status))
		return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "cannot look at %s: %m", directory);
	return check_owner(directory, &status, err);
}

static int check_opened(int fd, const char *path, struct xlb_err *err)
{
	struct stat status;
	int r;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s is not a regular file", path);
	r = check_owner(path, &status, err);
	return r ? r : check_directory_of(path, err);
}

int safe_file_open(const char *path, struct xlb_err *err)
{
	int fd, r;

	if (*path != '/')
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				   "%s is no absolute path: it must begin with /", path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP)
		return xlb_err_set(err, XLB_ERR_CONFIG, -ELOOP,
				   "%s is a symbolic link: give the path of the file itself", path);
	if (fd < 0)
		return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "cannot open %s: %m", path);
	r = check_opened(fd, path, err);
	if (!r)
		return fd;
	close(fd);
	return r;
}

/* Reads to the end of the file or of the buffer. Bytes read, or -1 with errno set. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size && (n = read(fd, buffer + done, size - done))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int too_large(const char *path, size_t max, struct xlb_err *err)
{
	bool even = max >> 20 && !(max & ((1U << 20) - 1));

	return xlb_err_set(err, XLB_ERR_CONFIG, -EFBIG, "%s is larger than %zu %s", path,
			   even ? max >> 20 : max, even ? "MiB" : "bytes");
}

int safe_file_read(const char *path, size_t max, char **ret, size_t *ret_size,
		   struct stat *ret_status, struct xlb_err *err)
{
	AUTO_CLOSE int fd = safe_file_open(path, err);
	AUTO_FREE char *text = NULL;
	struct stat status;
	size_t size;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status))
		return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "cannot look at %s: %m", path);
	size = (size_t)status.st_size;
	if (size > max)
		return too_large(path, max, err);
	/* one more than it has: what grows meanwhile is half of something */
	text = malloc(size + 1);
	if (!text)
		return no_memory(err);
	n = read_all(fd, text, size + 1);
	if (n < 0)
		return xlb_err_set(err, XLB_ERR_CONFIG, -errno, "cannot read %s: %m", path);
	if ((size_t)n != size)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EAGAIN,
				   "%s has changed while it was read: try again", path);
	text[size] = '\0';
	*ret = TAKE(text);
	*ret_size = size;
	if (ret_status)
		*ret_status = status;
	return 0;
}
