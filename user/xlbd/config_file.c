// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/tree.h"

#define CONFIG_MAX_BYTES (64U << 20)

/* Reads a file the operator owns: regular, of limited size, never a link somebody else may have made. */
static int read_config(const char *path, char **ret, size_t *ret_size, struct xlb_err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	struct stat status;
	ssize_t n;

	if (fd < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot read %s: %m", path);
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size > CONFIG_MAX_BYTES)
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "%s is not a regular file of at most 64 MiB", path);
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	n = read(fd, text, (size_t)status.st_size);
	if (n < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot read %s: %m", path);
	text[n] = '\0';
	*ret_size = (size_t)n;
	*ret = TAKE(text);
	return 0;
}

int config_file_parse(const char *path, struct model **ret, struct xlb_err *err)
{
	AUTO(tree_free) struct tree *tree = NULL;
	AUTO_FREE char *text = NULL;
	size_t size = 0;
	int r;

	r = read_config(path, &text, &size, err);
	if (!r)
		r = tree_parse(path, text, size, &tree, err);
	return r ? r : model_from_tree(tree, ret, err);
}
