// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Known health across restarts: a header, then "group server address up|down ever_up since" a line. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "xlbd/health_private.h"

#define FILE_HEADER "xlb health 1"

void checker_forget_known(struct checker *checker)
{
	struct known *known, *next;

	HASH_ITER(hh, checker->known, known, next) {
		HASH_DEL(checker->known, known);
		free(known);
	}
}

static int state_of(const char *word, enum health *ret)
{
	enum health state;

	for (state = HEALTH_UP; state <= HEALTH_DOWN; state++) {
		if (!strcmp(word, health_word(state))) {
			*ret = state;
			return 0;
		}
	}
	return -EINVAL;
}

static int known_parse(char *line, struct known *ret)
{
	char *words[6], *save = NULL, *word;
	struct xlb_addr addr;
	uint64_t ever_up;
	size_t n = 0;

	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		if (n == 6)
			return -EINVAL;
		words[n++] = word;
	}
	if (n != 6 || strlen(words[0]) >= NAME_TEXT_MAX || strlen(words[1]) >= NAME_TEXT_MAX ||
	    parse_addr(words[2], &addr) || state_of(words[3], &ret->state) ||
	    parse_uint(words[4], 0, 1, &ever_up) || parse_uint(words[5], 0, INT64_MAX, &ret->since))
		return -EINVAL;
	check_key_fill(&ret->key, words[0], words[1], &addr);
	ret->ever_up = ever_up;
	return 0;
}

static int known_add(struct checker *checker, const struct known *known)
{
	struct known *copy;

	HASH_FIND(hh, checker->known, &known->key, sizeof(known->key), copy);
	if (copy)
		return -EINVAL;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *known;
	HASH_ADD(hh, checker->known, key, sizeof(copy->key), copy);
	return 0;
}

static int read_known(struct checker *checker, FILE *in, const char *file, struct xlb_err *err)
{
	AUTO_FREE char *line = NULL;
	struct known known = {};
	unsigned int number = 0;
	size_t size = 0;
	int r;

	while (getline(&line, &size, in) > 0) {
		number++;
		if (number == 1)
			r = strcmp(line, FILE_HEADER "\n") ? -EINVAL : 0;
		else
			r = known_parse(line, &known);
		if (!r && number > 1)
			r = known_add(checker, &known);
		if (r)
			return xlb_err_set(err, XLB_ERR_FAILED, r,
					   "%s:%u: not a line of known health", file, number);
	}
	return ferror(in) ? xlb_err_set(err, XLB_ERR_FAILED, -EIO, "cannot read %s", file) : 0;
}

int checker_load(struct checker *checker, const char *file, struct xlb_err *err)
{
	AUTO_FCLOSE FILE *in = fopen(file, "re");
	int r;

	if (!in && errno == ENOENT)
		return 0;
	if (!in)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot open %s: %s", file,
				   strerror(errno));
	r = read_known(checker, in, file, err);
	if (r)
		checker_forget_known(checker);
	return r;
}

static int write_known(const struct checker *checker, const char *path)
{
	const struct check *check;
	bool failed;
	FILE *out;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	fputs(FILE_HEADER "\n", out);
	for (check = checker->checks; check; check = check->hh.next) {
		char addr[ADDR_TEXT_MAX];

		if (check->machine.state == HEALTH_INITIAL)
			continue;
		format_addr(&check->key.addr, addr);
		fprintf(out, "%s %s %s %s %d %llu\n", check->key.group, check->key.server, addr,
			health_word(check->machine.state), check->machine.ever_up,
			(unsigned long long)check->since);
	}
	failed = ferror(out);
	return fclose(out) || failed ? -EIO : 0;
}

int checker_save(const struct checker *checker, const char *file, struct xlb_err *err)
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s.new", file);
	r = write_known(checker, path);
	if (!r && rename(path, file))
		r = -errno;
	if (r)
		xlb_err_set(err, XLB_ERR_FAILED, r, "cannot save known health in %s: %s", file,
			    strerror(-r));
	return r;
}
