// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The configuration that HAProxy gets of rows, and the hash of what of it takes a reload to change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/parse.h"
#include "sys/haproxy_private.h"

#define TEXT \
	"# edge/https\nfrontend l5\n" TLS_BIND_MARK "ssl crt a.pem\n" \
	"\tuse_backend l5-g%[rand(10000),map_int(" TLS_FILES_MARK \
	"split-5.map),map_str(" TLS_FILES_MARK "takers.map)]\n" \
	"# web\nbackend l5-g1\n\tbalance roundrobin\n\tserver s1 10.0.0.1:80\n\tserver s2 10.0.0.2:80 ssl\n"

/* Rows in order of table and key: setting, two servers of group 1, a listener at two addresses. */
struct lab {
	struct haproxy haproxy;
	struct tls_row rows[4];
	struct tls_wanted wanted;
	struct haproxy_state limits;
	char hash[CONFIG_HASH_MAX];
	char *text;
};

static void set_row(struct tls_row *row, enum table_id table, const void *key, const void *value)
{
	row->row.table = table;
	memcpy(row->row.key, key, tables[table].key_size);
	memcpy(row->row.value, value, tables[table].value_size);
}

static struct tls_content *listener_of(const char *text)
{
	size_t binds = 2 * sizeof(struct tls_bind);
	struct tls_content *content =
		calloc(1, sizeof(*content) + sizeof(struct content_tls_listener) + binds +
				  strlen(text) + 1);
	struct content_tls_listener *listener = (void *)content->data;

	listener->bind_count = 2;
	listener->text_size = (uint32_t)strlen(text) + 1;
	for (int i = 0; i < 2; i++) {
		struct tls_bind *bind = &listener->binds[i];

		parse_addr(i ? "2001:db8::10" : "198.51.100.10", &bind->addr);
		bind->port = bind->from = 443;
		bind->to = i ? 450 : 443;
		strcpy(bind->ifname, "eth0");
	}
	memcpy(&listener->binds[2], text, listener->text_size);
	return content;
}

static void write_config(struct lab *lab)
{
	free(lab->text);
	config_limits(&lab->wanted, &lab->limits);
	lab->text = config_text(&lab->haproxy, &lab->wanted, &lab->limits, lab->hash);
	assert_non_null(lab->text);
}

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	strcpy(lab->haproxy.paths.secrets, "/run/xlb/tls");
	strcpy(lab->haproxy.paths.worker, "/run/xlb/haproxy.sock");
	set_row(&lab->rows[0], TABLE_TLS_SETTING, &(struct row_id){ 0 },
		&(struct row_tls_setting){ .max_connections = 50, .threads = 3 });
	set_row(&lab->rows[1], TABLE_TLS_SERVER, &(struct row_tls_server_key){ 1, 1 },
		&(struct row_tls_server){ .weight = 100 });
	set_row(&lab->rows[2], TABLE_TLS_SERVER, &(struct row_tls_server_key){ 1, 2 },
		&(struct row_tls_server){ .weight = 0 });
	set_row(&lab->rows[3], TABLE_TLS_LISTENER, &(struct row_id){ 5 }, &(struct row_hash){ 0 });
	lab->rows[3].content = listener_of(TEXT);
	lab->wanted = (struct tls_wanted){ .rows = lab->rows, .count = 4 };
	write_config(lab);
	*state = lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	free(lab->rows[3].content);
	free(lab->text);
	free(lab);
	return 0;
}

static void has(const struct lab *lab, const char *part)
{
	if (!strstr(lab->text, part))
		fail_msg("not there: %s\nin\n%s", part, lab->text);
}

static void lines_of_a_listener(void **state)
{
	const struct lab *lab = *state;
	char description[CONFIG_HASH_MAX + 20];

	has(lab, "\tmaxconn 50\n\tnbthread 3\n");
	has(lab, "\tstats socket /run/xlb/haproxy.sock mode 600 level admin expose-fd listeners\n");
	has(lab, "frontend l5\n"
		 "\tbind 198.51.100.10:443 interface eth0 transparent ssl crt a.pem\n"
		 "\tbind ipv6@2001:db8::10:443 interface eth0 transparent ssl crt a.pem\n"
		 "\tuse_backend l5-g%[rand(10000),map_int(/run/xlb/tls/split-5.map),"
		 "map_str(/run/xlb/tls/takers.map)]\n");
	has(lab, "\tserver s1 10.0.0.1:80 weight 100\n\tserver s2 10.0.0.2:80 ssl disabled\n");
	snprintf(description, sizeof(description), "\tdescription %s\n", lab->hash);
	has(lab, description);
	assert_int_equal(lab->limits.max_connections, 50);
	assert_int_equal(lab->limits.files, 2 * 50 + 1000);
}

/* Weights are told to a running HAProxy; anything else takes a reload. */
static void what_takes_a_reload(void **state)
{
	struct lab *lab = *state;
	struct tls_bind *binds = ((struct content_tls_listener *)lab->rows[3].content->data)->binds;
	char before[CONFIG_HASH_MAX];

	memcpy(before, lab->hash, sizeof(before));
	set_row(&lab->rows[2], TABLE_TLS_SERVER, &(struct row_tls_server_key){ 1, 2 },
		&(struct row_tls_server){ .weight = 7 });
	write_config(lab);
	has(lab, "\tserver s2 10.0.0.2:80 ssl weight 7\n");
	assert_string_equal(lab->hash, before);

	binds[0].from = binds[0].port = 442;
	write_config(lab);
	assert_string_not_equal(lab->hash, before);
	binds[0].from = binds[0].port = 443;
	/* how far a range goes is the kernel's */
	binds[1].to = 460;
	write_config(lab);
	assert_string_equal(lab->hash, before);

	set_row(&lab->rows[0], TABLE_TLS_SETTING, &(struct row_id){ 0 },
		&(struct row_tls_setting){ .max_connections = 51, .threads = 3 });
	write_config(lab);
	assert_string_not_equal(lab->hash, before);
	memcpy(before, lab->hash, sizeof(before));

	free(lab->rows[3].content);
	lab->rows[3].content = listener_of(TEXT "\tserver s3 10.0.0.3:80\n");
	write_config(lab);
	has(lab, "\tserver s3 10.0.0.3:80 disabled\n");
	assert_string_not_equal(lab->hash, before);
}

/* One that cannot be served is not HAProxy's to fail on. */
static void a_listener_that_failed(void **state)
{
	struct lab *lab = *state;
	struct tls_known failed = { .id = 5, .state = TLS_FAILED };
	char before[CONFIG_HASH_MAX];

	memcpy(before, lab->hash, sizeof(before));
	HASH_ADD(hh, lab->haproxy.known, id, sizeof(failed.id), &failed);
	write_config(lab);
	assert_null(strstr(lab->text, "frontend"));
	assert_string_not_equal(lab->hash, before);
	HASH_DEL(lab->haproxy.known, &failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_of_a_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(what_takes_a_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(a_listener_that_failed, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("haproxy config", tests, NULL, NULL);
}
