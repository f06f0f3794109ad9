// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/check_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/field.h"
#include "core/object.h"
#include "sys/safe_file.h"
#include "xlbd/check_tls.h"

int check_program(const char *path, struct xlb_err *err)
{
	AUTO_CLOSE int fd = safe_file_open(path, err);
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
