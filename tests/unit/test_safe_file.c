// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files that xlbd trusts, and what it does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/safe_file.h"

static char directory[] = "/tmp/xlbt-safe-XXXXXX";
static char path[128], other[128];

static void write_file(const char *text, mode_t mode)
{
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void refused(const char *of, int error, const char *text)
{
	struct xlb_err err = {};
	char *content = NULL;
	size_t size = 77;

	assert_int_equal(safe_file_open(of, &err), error);
	assert_int_equal(err.class, XLB_ERR_CONFIG);
	if (!strstr(err.text, text) || !strstr(err.text, of))
		fail_msg("\"%s\" is not in: %s", text, err.text);
	assert_int_equal(safe_file_read(of, 100, &content, &size, NULL, NULL), error);
	assert_null(content);
	assert_int_equal(size, 77);
}

static void reads(void **state)
{
	struct xlb_err err = {};
	struct stat status;
	char *text;
	size_t size;

	(void)state;
	write_file("five5", 0640);
	assert_int_equal(safe_file_read(path, 5, &text, &size, &status, &err), 0);
	assert_int_equal(size, 5);
	assert_string_equal(text, "five5");
	assert_int_equal(status.st_mode & 07777, 0640);
	free(text);
	assert_int_equal(safe_file_read(path, 4, &text, &size, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.text, "is larger than 4 bytes"));
	assert_null(strstr(err.text, "five5"));
	write_file("", 0600);
	assert_int_equal(safe_file_read(path, 4, &text, &size, NULL, &err), 0);
	assert_int_equal(size, 0);
	assert_string_equal(text, "");
	free(text);
	/* a file that has more than its size says, as one that grows */
	assert_int_equal(safe_file_read("/proc/version", 4096, &text, &size, NULL, &err), -EAGAIN);
	assert_string_equal(err.text, "/proc/version has changed while it was read: try again");
	assert_int_equal(truncate(path, (8 << 20) + 1), 0);
	assert_int_equal(safe_file_read(path, 8 << 20, &text, &size, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.text, "is larger than 8 MiB"));
}

static void refuses_kinds(void **state)
{
	(void)state;
	unlink(path);
	refused(path, -ENOENT, "cannot open ");
	refused("", -EINVAL, "is no absolute path");
	refused("etc/passwd", -EINVAL, "is no absolute path");
	refused(directory, -EINVAL, "is not a regular file");
	refused("/dev/null", -EINVAL, "is not a regular file");
	assert_int_equal(mkfifo(path, 0600), 0);
	/* nobody writes to it, and yet it does not wait */
	refused(path, -EINVAL, "is not a regular file");
	write_file("", 0600);
	assert_int_equal(symlink(path, other), 0);
	refused(other, -ELOOP, "is a symbolic link: give the path of the file itself");
	assert_int_equal(unlink(other), 0);
}

static void refuses_writers(void **state)
{
	(void)state;
	write_file("", 0620);
	refused(path, -EINVAL, "can be written to by others than root (mode 0620): chmod go-w ");
	write_file("", 0602);
	refused(path, -EINVAL, "(mode 0602)");
	write_file("", 0600);
	if (geteuid())
		skip();
	assert_int_equal(chown(path, 65534, 0), 0);
	refused(path, -EINVAL, "belongs to user 65534: it must belong to root (chown root ");
	assert_int_equal(chown(path, 0, 65534), 0);
	assert_int_equal(close(safe_file_open(path, NULL)), 0);
}

static void refuses_directories(void **state)
{
	struct xlb_err err = {};

	(void)state;
	write_file("", 0600);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(safe_file_open(path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "can be written to by others than root (mode 0777)"));
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(close(safe_file_open(path, NULL)), 0);
	if (geteuid())
		skip();
	assert_int_equal(chown(directory, 65534, 0), 0);
	assert_int_equal(safe_file_open(path, &err), -EINVAL);
	assert_int_equal(chown(directory, 0, 0), 0);
	assert_non_null(strstr(err.text, "belongs to user 65534"));
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chmod(directory, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/file", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses_kinds),
		cmocka_unit_test(refuses_writers),
		cmocka_unit_test(refuses_directories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("safe_file", tests, make_directory, remove_directory);
}
