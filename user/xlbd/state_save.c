// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes the state file; see state.c for reading. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "xlbd/state_private.h"

static int io_error(struct xlb_err *err, const char *what, const char *path)
{
	int error = errno;

	return xlb_err_set(err, XLB_ERR_FAILED, -error, "cannot %s %s: %s", what, path,
			   strerror(error));
}

/* Double-quoted YAML. */
static void write_quoted(FILE *f, const char *text)
{
	putc_unlocked('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			putc_unlocked(c, f);
	}
	putc_unlocked('"', f);
}

/* Without the zeros at the end. */
static void write_frozen(FILE *f, const struct id_entry *entry)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * sizeof(entry->frozen) + 1];
	size_t i, length = sizeof(entry->frozen);

	while (length && !entry->frozen[length - 1])
		length--;
	for (i = 0; i < length; i++) {
		hex[2 * i] = digits[entry->frozen[i] >> 4];
		hex[2 * i + 1] = digits[entry->frozen[i] & 15];
	}
	hex[2 * length] = '\0';
	if (length)
		fprintf(f, ", frozen: \"%s\"", hex);
}

struct writing {
	FILE *f;
	const struct ids *ids;
};

/* Usual values are left out: tens of thousands of ids stay small and quick to read. */
static void write_id(void *arg, struct id_entry *whole)
{
	struct writing *writing = arg;
	/* in a part of the ids it may be another than in the whole */
	const struct id_entry *entry = ids_by_id(writing->ids, whole->kind, whole->id);
	FILE *f = writing->f;

	fprintf(f, "    - {id: %u, key: ", entry->id);
	write_quoted(f, entry->key);
	if (!entry->live)
		fputs(", live: false", f);
	if (entry->draining)
		fputs(", draining: true", f);
	if (entry->since)
		fprintf(f, ", since: %" PRIu64, entry->since);
	if (entry->deadline != UINT64_MAX)
		fprintf(f, ", deadline: %" PRIu64, entry->deadline);
	write_frozen(f, entry);
	fputs("}\n", f);
}

void state_text_done(struct state_text *text)
{
	free(text->ids);
	*text = (struct state_text){};
}

static int print_ids(const struct ids *ids, struct state_text *text)
{
	struct writing writing = { .ids = ids };
	enum id_kind kind;
	size_t size;

	state_text_done(text);
	writing.f = open_memstream(&text->ids, &size);
	if (!writing.f)
		return -ENOMEM;
	for (kind = 0; kind < ID_KIND_COUNT; kind++) {
		fprintf(writing.f, "  %s:\n", state_kind_word(kind));
		/* the visitor only reads */
		ids_each((struct ids *)ids_whole(ids), kind, write_id, &writing);
	}
	if (fclose(writing.f)) {
		state_text_done(text);
		return -ENOMEM;
	}
	text->version = ids_version(ids);
	return 0;
}

static int write_state(FILE *f, const struct state_wanted *wanted, struct state_text *text)
{
	char stamp[TIME_TEXT_MAX];
	int r = 0;

	if (!text->ids || text->version != ids_version(wanted->ids))
		r = print_ids(wanted->ids, text);
	if (r)
		return r;
	format_utc(time(NULL), stamp);
	fprintf(f,
		"# written by xlbd; change it with xlbctl\nstate: %d\nrevision: %" PRIu64
		"\norigin: ",
		STATE_VERSION, wanted->revision);
	write_quoted(f, wanted->origin);
	fprintf(f, "\ntime: \"%s\"\nmodel:\n", stamp);
	r = model_write_kept(f, wanted->model, wanted->instead);
	fprintf(f, "abi: %d\nids:\n%scomplete: true\n", XLB_ABI, text->ids);
	return r;
}

static int make_directory(const char *path, struct xlb_err *err)
{
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return io_error(err, "make directory", path);
	return 0;
}

static int sync_directory(const char *path, struct xlb_err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return io_error(err, "sync directory", path);
	return 0;
}

/* The revision a state file holds, from its first lines; false if it has none. */
static bool read_revision(const char *path, uint64_t *ret)
{
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	char line[128];
	int i;

	for (i = 0; f && i < 4 && fgets(line, sizeof(line), f); i++)
		if (sscanf(line, "revision: %" SCNu64, ret) == 1)
			return true;
	return false;
}

/* Gives the file that is about to be replaced a second name. */
static int keep_revision(const struct paths *paths, struct xlb_err *err)
{
	char dir[STATE_PATH_MAX], kept[STATE_PATH_MAX];
	uint64_t revision;
	int r;

	if (!read_revision(paths->state_file, &revision))
		return 0;
	snprintf(dir, sizeof(dir), "%s/revisions", paths->state_dir);
	snprintf(kept, sizeof(kept), "%s/revisions/%" PRIu64, paths->state_dir, revision);
	r = make_directory(dir, err);
	if (r)
		return r;
	if (unlink(kept) < 0 && errno != ENOENT)
		return io_error(err, "replace", kept);
	if (link(paths->state_file, kept) < 0)
		return io_error(err, "keep a revision as", kept);
	return sync_directory(dir, err);
}

static void forget_old_revisions(const struct paths *paths)
{
	size_t i, count;
	AUTO_FREE uint64_t *numbers = state_revisions(paths, &count);

	for (i = 0; i + STATE_REVISIONS_KEPT < count; i++) {
		char path[STATE_PATH_MAX];

		snprintf(path, sizeof(path), "%s/revisions/%" PRIu64, paths->state_dir, numbers[i]);
		unlink(path); /* what stays is removed by the next change */
	}
}

int state_save(const struct paths *paths, const struct state_wanted *wanted,
	       struct state_text *text, struct xlb_err *err)
{
	AUTO_FCLOSE FILE *f = NULL;
	char temp[STATE_PATH_MAX];
	int r;

	r = make_directory(paths->state_dir, err);
	if (r)
		return r;
	snprintf(temp, sizeof(temp), "%s.new", paths->state_file);
	f = fopen(temp, "we");
	if (!f || fchmod(fileno(f), 0640) < 0)
		return io_error(err, "write", temp);
	r = write_state(f, wanted, text);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "out of memory");
	if (fflush(f) || ferror(f) || fsync(fileno(f)) < 0) {
		r = io_error(err, "write", temp);
		unlink(temp);
		return r;
	}
	r = wanted->new_revision ? keep_revision(paths, err) : 0;
	if (r)
		return r;
	if (rename(temp, paths->state_file) < 0)
		return io_error(err, "replace", paths->state_file);
	r = sync_directory(paths->state_dir, err);
	if (!r && wanted->new_revision)
		forget_old_revisions(paths);
	return r;
}
