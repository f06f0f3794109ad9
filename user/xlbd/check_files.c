// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/check_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/field.h"
#include "core/object.h"
#include "xlbd/check_tls.h"

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
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
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

int check_file_open(const char *path, struct xlb_err *err)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r;

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

int check_program(const char *path, struct xlb_err *err)
{
	AUTO_CLOSE int fd = check_file_open(path, err);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) || (status.st_mode & (S_IROTH | S_IXOTH)) != (S_IROTH | S_IXOTH))
		return xlb_err_set(err, XLB_ERR_CONFIG, -EACCES,
				   "%s cannot be run by the user nobody (mode %04o): chmod o+rx %s",
				   path, status.st_mode & 07777, path);
	return 0;
}

/* --- in a configuration --- */

/* Gives what was found a place in the configuration. */
static int refuse(const struct server_group *group, const char *field, const struct xlb_err *cause,
		  struct xlb_err *err)
{
	return object_fail(&group->object, field, err, "%s: %s", field, cause->text);
}

static bool lies_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && path[length] == '/' && !strstr(path, "/../");
}

static int check_certificates(const struct server_group *group, const char *directory,
			      struct xlb_err *err)
{
	const char *path = group->health_check.ca;
	struct xlb_err cause = {};

	if (group->health_check.type != CHECK_HTTPS || !path)
		return 0;
	if (*path == '/' && !lies_below(path, directory))
		return object_fail(&group->object, "health_check.ca", err,
				   "health_check.ca \"%.100s\": the file must lie below %s", path,
				   directory);
	return tls_try(path, &cause) ? refuse(group, "health_check.ca", &cause, err) : 0;
}

static int check_command(const struct server_group *group, const char *directory,
			 struct xlb_err *err)
{
	const struct texts *command = &group->health_check.command;
	struct xlb_err cause = {};
	char programs[128];

	if (group->health_check.type != CHECK_EXEC)
		return 0;
	snprintf(programs, sizeof(programs), "%s/checks", directory);
	if (!lies_below(command->texts[0], programs) ||
	    strchr(command->texts[0] + strlen(programs) + 1, '/'))
		return object_fail(&group->object, "health_check.command", err,
				   "health_check.command \"%.100s\": the program must lie in %s",
				   command->texts[0], programs);
	return check_program(command->texts[0], &cause) ?
		       refuse(group, "health_check.command", &cause, err) :
		       0;
}

/* Both want the same files. */
static bool wants_same(const struct server_group *a, const struct server_group *b)
{
	const struct health_check *x = &a->health_check, *y = &b->health_check;

	return x->type == y->type && texts_equal(&x->command, &y->command) &&
	       (x->ca && y->ca ? !strcmp(x->ca, y->ca) : x->ca == y->ca);
}

int check_files_of_group(const struct server_group *group, const struct model *current,
			 const char *directory, struct xlb_err *err)
{
	const struct server_group *before;
	int r;

	if (group->health_check.type != CHECK_HTTPS && group->health_check.type != CHECK_EXEC)
		return 0;
	before = model_group(current, group->object.name);
	if (before && wants_same(group, before))
		return 0;
	r = check_certificates(group, directory, err);
	return r ? r : check_command(group, directory, err);
}

int check_files_of_model(const struct model *model, const struct model *current,
			 const char *directory, struct xlb_err *err)
{
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, &model->server_groups, link) {
		r = check_files_of_group((const struct server_group *)object, current, directory,
					 err);
		if (r)
			break;
	}
	return r;
}
