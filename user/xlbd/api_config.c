// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_config.h"

#include <string.h>
#include <sys/stat.h>

#include "core/object.h"
#include "xlbd/api_worker.h"
#include "xlbd/config_file.h"

/* What tells one version of the file from another; all zero while there is none. */
struct stamp {
	int64_t mtime_ns;
	uint64_t size, inode;
};

struct config_watch {
	struct stamp stamp;  /* of the file as it was read */
	struct model *model; /* what it says, NULL: nothing that could run */
	bool has_interfaces; /* of its own; else the model has those that run */
	bool compared;
	uint64_t revision; /* compared with */
	bool differs;
};

struct config_watch *config_watch_new(void)
{
	return calloc(1, sizeof(struct config_watch));
}

struct config_watch *config_watch_free(struct config_watch *watch)
{
	if (!watch)
		return NULL;
	model_free(watch->model);
	free(watch);
	return NULL;
}

static struct stamp stamp_now(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return (struct stamp){};
	return (struct stamp){
		.mtime_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
		.size = (uint64_t)status.st_size,
		.inode = status.st_ino,
	};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->mtime_ns == b->mtime_ns && a->size == b->size && a->inode == b->inode;
}

struct reading {
	void (*then)(struct call *call);
	char path[sizeof(((struct paths *)NULL)->config_file)];
	struct stamp stamp; /* taken before: a file that changes meanwhile is read again */
	struct model *model;
};

static void read_file(const struct call *call, void *arg)
{
	struct reading *reading = arg;
	struct xlb_err ignored;

	(void)call;
	if (config_file_parse(reading->path, &reading->model, &ignored))
		reading->model = NULL;
}

static void file_is_read(struct call *call, void *arg)
{
	struct config_watch *watch = call->api->config;
	struct reading *reading = arg;

	model_free(watch->model);
	watch->stamp = reading->stamp;
	watch->model = TAKE(reading->model);
	watch->has_interfaces = watch->model && watch->model->has_interfaces;
	watch->compared = false;
	reading->then(call);
}

static void reading_free(void *arg)
{
	struct reading *reading = arg;

	model_free(reading->model);
	free(reading);
}

void call_know_config(struct call *call, void (*then)(struct call *call))
{
	static const struct work work = { read_file, file_is_read, reading_free };
	const struct paths *paths = &call->api->paths;
	struct stamp stamp = stamp_now(paths->config_file);
	struct reading *reading;

	if (same_stamp(&stamp, &call->api->config->stamp)) {
		then(call);
		return;
	}
	reading = calloc(1, sizeof(*reading));
	if (reading) {
		reading->then = then;
		reading->stamp = stamp;
		memcpy(reading->path, paths->config_file, sizeof(reading->path));
	}
	worker_run(call, &work, reading);
}

/* Like `xlbctl diff`: a file without interfaces leaves those that run alone. */
static bool compare(struct config_watch *watch, const struct model *current)
{
	struct model_changes changes = {};
	bool differs = true;

	if (!watch->model)
		return true;
	if (!watch->has_interfaces) {
		object_list_free(&watch->model->interfaces);
		watch->model->has_interfaces = false;
	}
	if (!model_keep_interfaces(watch->model, current) &&
	    !model_diff(current, watch->model, &changes))
		differs = changes.added || changes.changed || changes.removed;
	free(changes.lines);
	return differs;
}

bool config_differs(const struct api *api)
{
	uint64_t revision = engine_revision(api->engine);
	struct config_watch *watch = api->config;

	if (!watch->stamp.inode)
		return false;
	if (!watch->compared || watch->revision != revision) {
		watch->differs = compare(watch, engine_model(api->engine));
		watch->revision = revision;
		watch->compared = true;
	}
	return watch->differs;
}
