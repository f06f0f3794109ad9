// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What HAProxy reads beside its configuration: certificates with their keys, which stay in memory, and maps. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sys/haproxy_private.h"

#define TAKERS_MAP "takers.map"

static bool is_tmpfs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* A directory that nobody else can look into or has made. */
static int own_directory(const char *path)
{
	struct stat status;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	if (lstat(path, &status))
		return -errno;
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid())
		return -EPERM;
	return chmod(path, 0700) ? -errno : 0;
}

int files_open(struct haproxy *h, struct xlb_err *err)
{
	const char *name = strrchr(h->paths.run_dir, '/') + 1;
	char *path = h->paths.secrets;
	int r;

	if (is_tmpfs(h->paths.run_dir))
		snprintf(path, sizeof(h->paths.secrets), "%s/tls", h->paths.run_dir);
	else if (is_tmpfs("/dev/shm"))
		snprintf(path, sizeof(h->paths.secrets), "/dev/shm/%s-tls", name);
	else
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOTSUP,
				   "neither /run nor /dev/shm is a tmpfs: keys would be on a disk");
	r = own_directory(path);
	return r ? xlb_err_set(err, XLB_ERR_FAILED, r, "cannot use directory %s: %s", path,
			       strerror(-r)) :
		   0;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int file_write(const char *path, const void *data, size_t size)
{
	char next[HAPROXY_PATH_MAX + 8];
	AUTO_CLOSE int fd = -1;
	int r;

	snprintf(next, sizeof(next), "%s.next", path);
	unlink(next);
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (!r && rename(next, path))
		r = -errno;
	if (r)
		unlink(next);
	return r;
}

/* Whether a file has these bytes: one of a predecessor's, which HAProxy has read. */
static bool file_has(const char *path, const void *data, size_t size)
{
	AUTO_FREE uint8_t *there = malloc(size + 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (!there || fd < 0)
		return false;
	n = read(fd, there, size + 1);
	return n == (ssize_t)size && !memcmp(there, data, size);
}

static void path_of(const struct haproxy *h, const char *name, char ret[HAPROXY_PATH_MAX + 64])
{
	snprintf(ret, HAPROXY_PATH_MAX + 64, "%s/%s", h->paths.secrets, name);
}

static struct tls_written *written_find(struct haproxy *h, const char *name)
{
	struct tls_written *written;

	HASH_FIND_STR(h->written, name, written);
	if (written)
		return written;
	written = calloc(1, sizeof(*written));
	if (!written)
		return NULL;
	snprintf(written->name, sizeof(written->name), "%s", name);
	HASH_ADD_STR(h->written, name, written);
	return written;
}

static int write_one(struct haproxy *h, const char *name, uint64_t hash, const void *data,
		     size_t size, struct xlb_err *err)
{
	struct tls_written *written = written_find(h, name);
	char path[HAPROXY_PATH_MAX + 64];
	int r = 0;

	if (!written)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (written->hash == hash)
		return 0;
	path_of(h, name, path);
	written->loaded = !written->hash && file_has(path, data, size);
	if (!written->loaded)
		r = file_write(path, data, size);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot write %s: %s", path,
				   strerror(-r));
	written->hash = hash;
	return 0;
}

/* A text that was printed, as a file; `out` ends here. */
static int write_map(struct haproxy *h, const char *name, FILE *out, char **text, size_t *size,
		     struct xlb_err *err)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (fclose(out))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	for (size_t i = 0; i < *size; i++)
		hash = (hash ^ (uint8_t)(*text)[i]) * 0x100000001b3ULL;
	return write_one(h, name, hash | 1, *text, *size, err);
}

static void print_split(FILE *out, const struct content_tls_split *split)
{
	uint32_t from = 0;

	for (uint32_t i = 0; i < split->count; i++) {
		/* of a part too small for one number there is none */
		if (split->parts[i].to + 1 > from)
			fprintf(out, "%" PRIu32 ":%" PRIu32 " %" PRIu32 "\n", from,
				split->parts[i].to, split->parts[i].group);
		from = split->parts[i].to + 1;
	}
}

static int write_takers(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	const struct tls_row *row = NULL;
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct row_id taker;

	if (!out)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	while ((row = wanted_next(wanted, TABLE_TLS_TAKER, row))) {
		memcpy(&taker, row->row.value, sizeof(taker));
		fprintf(out, "%" PRIu32 " %" PRIu32 "\n", row_number(row), taker.id);
	}
	return write_map(h, TAKERS_MAP, out, &text, &size, err);
}

static int write_split(struct haproxy *h, const struct tls_row *row, struct xlb_err *err)
{
	AUTO_FREE char *text = NULL;
	char name[40];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	print_split(out, (const void *)row->content->data);
	snprintf(name, sizeof(name), "split-%" PRIu32 ".map", row_number(row));
	return write_map(h, name, out, &text, &size, err);
}

int files_write(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	const struct tls_row *row = NULL;
	struct row_hash value;
	int r = write_takers(h, wanted, err);

	while (!r && (row = wanted_next(wanted, TABLE_TLS_SPLIT, row)))
		r = write_split(h, row, err);
	row = NULL;
	while (!r && (row = wanted_next(wanted, TABLE_TLS_FILE, row))) {
		memcpy(&value, row->row.value, sizeof(value));
		r = write_one(h, (const char *)row->row.key, value.hash, row->content->data,
			      row->content->size, err);
	}
	return r;
}

void files_note_loaded(struct haproxy *h)
{
	struct tls_written *written, *next;

	HASH_ITER(hh, h->written, written, next)
		written->loaded = true;
}

/* --- to a HAProxy that runs --------------------------------------------------------------------- */

/* What HAProxy calls a kind of file, by how names of it begin. */
static const char *kind_of(const char *name)
{
	return !strncmp(name, "crt-", 4) ? "cert" :
	       !strncmp(name, "ca-", 3)	 ? "ca-file" :
					   "crl-file";
}

/* True if the answer to a command that ends with success says so. */
static bool succeeded(const char *answer)
{
	return strstr(answer, "Success!") != NULL;
}

static int push_file(struct haproxy *h, const struct tls_row *row, struct xlb_err *err)
{
	const char *name = (const char *)row->row.key, *kind = kind_of(name);
	AUTO_FREE char *command = NULL, *answer = NULL;
	char path[HAPROXY_PATH_MAX + 64];
	int r, n;

	path_of(h, name, path);
	n = asprintf(&command, "set ssl %s %s <<\n%.*s\n", kind, path, (int)row->content->size,
		     (const char *)row->content->data);
	if (n < 0) {
		command = NULL;
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	r = cli_ask(h->paths.worker, command, &answer);
	explicit_bzero(command, (size_t)n);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "HAProxy does not answer: %s",
				   strerror(-r));
	/* a listener that is on its way: its file is read with the configuration that names it */
	if (strstr(answer, "not referenced"))
		return 0;
	free(answer);
	answer = NULL;
	snprintf(command, (size_t)n, "commit ssl %s %s", kind, path);
	r = cli_ask(h->paths.worker, command, &answer);
	if (!r && succeeded(answer))
		return 0;
	return xlb_err_set(err, XLB_ERR_FAILED, -EIO, "HAProxy did not take %s anew: %.200s", name,
			   r ? strerror(-r) : answer);
}

/* Reads a map from its file again, in one piece. */
static int push_map(struct haproxy *h, const char *name, struct xlb_err *err)
{
	char path[HAPROXY_PATH_MAX + 64], command[2 * HAPROXY_PATH_MAX];
	AUTO_FREE char *answer = NULL, *text = NULL, *commands = NULL;
	char version[24] = "", key[24], value[24];
	AUTO_FCLOSE FILE *file = NULL;
	size_t size;
	FILE *out;
	int r;

	path_of(h, name, path);
	snprintf(command, sizeof(command), "prepare map %s", path);
	r = cli_ask(h->paths.worker, command, &answer);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "HAProxy does not answer: %s",
				   strerror(-r));
	/* no listener uses it as long as none has a choice */
	if (sscanf(answer, "New version created: %23s", version) != 1)
		return 0;
	file = fopen(path, "re");
	out = open_memstream(&commands, &size);
	if (!file || !out) {
		if (out)
			fclose(out);
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	while (fscanf(file, "%23s %23s", key, value) == 2)
		fprintf(out, "add map @%s %s %s %s; ", version, path, key, value);
	fprintf(out, "commit map @%s %s", version, path);
	if (fclose(out))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = cli_ask(h->paths.worker, commands, &text);
	return r ? xlb_err_set(err, XLB_ERR_FAILED, r, "HAProxy does not answer: %s",
			       strerror(-r)) :
		   0;
}

int files_push(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	struct tls_written *written, *next;
	int r = 0;

	HASH_ITER(hh, h->written, written, next) {
		struct row_tls_file_key key = {};
		const struct tls_row *row;

		if (written->loaded || r)
			continue;
		memcpy(key.name, written->name, sizeof(key.name));
		row = wanted_find(wanted, TABLE_TLS_FILE, &key);
		if (row)
			r = push_file(h, row, err);
		else if (strstr(written->name, ".map"))
			r = push_map(h, written->name, err);
		written->loaded = !r;
	}
	return r;
}

static bool is_wanted(const struct tls_wanted *wanted, const char *name)
{
	struct row_tls_file_key key = {};
	uint32_t listener;

	if (!strcmp(name, TAKERS_MAP))
		return wanted_next(wanted, TABLE_TLS_LISTENER, NULL);
	if (sscanf(name, "split-%" SCNu32, &listener) == 1)
		return wanted_find(wanted, TABLE_TLS_SPLIT, &(struct row_id){ listener });
	snprintf(key.name, sizeof(key.name), "%s", name);
	return wanted_find(wanted, TABLE_TLS_FILE, &key);
}

void files_clean(struct haproxy *h, const struct tls_wanted *wanted)
{
	DIR *dir = opendir(h->paths.secrets);
	struct tls_written *written, *next;
	const struct dirent *entry;

	HASH_ITER(hh, h->written, written, next) {
		if (is_wanted(wanted, written->name))
			continue;
		HASH_DEL(h->written, written);
		free(written);
	}
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !is_wanted(wanted, entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}
