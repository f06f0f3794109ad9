// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rows of tls listeners: servers' weights, who takes a group's connections, parts of several groups, the host's own rows. */
#include "compile_lab.h"

#include "xlb/lists.h"

#define TLS(port) \
	"{protocol: tls, port: " #port ", certificates: [{chain: /a, key: /k}], server_group: "
#define EDGE_OF(listeners) \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {edge: {addresses: 198.51.100.10, listeners: {" listeners "}}}\n" \
	"server_groups:\n"
#define EDGE EDGE_OF("https: " TLS(443) "web}")
#define WEB_WITH(fields) \
	"  web: {" fields "servers: {web1: {address: [10.0.1.11, \"2001:db8:1::11\"], port: 80}, " \
	"web2: {address: 10.0.1.12, port: 80, weight: 50}, web3: {address: 10.0.1.13, port: 80, weight: 0}, " \
	"web4: {address: 10.0.1.14, port: 80, enabled: false}}}\n"
#define SPARE "  spare: {servers: {spare1: {address: 10.0.1.21, port: 80}}}\n"
#define LAST  "  last: {servers: {last1: {address: 10.0.1.31, port: 80}}}\n"

static int fake_tls_file(void *arg, const struct tls_file_name *name, struct tls_file *ret,
			 struct xlb_err *err)
{
	(void)arg;
	if (!strcmp(name->path, "/gone"))
		return xlb_err_set(err, XLB_ERR_CONFIG, -ENOENT, "/gone: no such file");
	*ret = (struct tls_file){ .pem = "PEM", .size = 3 };
	return 0;
}

static int fake_tls_engine(void *arg, struct xlb_err *err)
{
	(void)arg, (void)err;
	return 0;
}

static int setup_tls(void **state)
{
	struct fixture *fixture;

	setup(state);
	fixture = *state;
	fixture->world.tls_file = fake_tls_file;
	fixture->world.tls_engine = fake_tls_engine;
	return 0;
}

/* Who is down, in place of those that were. */
static void set_down(struct fixture *fixture, const char *const down[4])
{
	memcpy(fixture->fake.down, down, sizeof(fixture->fake.down));
}

static uint32_t group_id(const struct fixture *fixture, const char *name)
{
	const struct id_entry *entry = ids_find(fixture->ids, ID_GROUP, name);

	assert_non_null(entry);
	return entry->id;
}

struct looked_for {
	const char *name; /* "web/web1@10.0.1.11" */
	const struct id_entry *found;
};

static void look(void *arg, struct id_entry *entry)
{
	struct looked_for *wanted = arg;

	if (!strncmp(entry->key, wanted->name, strlen(wanted->name)))
		wanted->found = entry;
}

static uint32_t server_id(const struct fixture *fixture, const char *name)
{
	struct looked_for wanted = { .name = name };

	ids_each(fixture->ids, ID_SERVER, look, &wanted);
	if (!wanted.found)
		fail_msg("no server %s", name);
	return wanted.found->id;
}

static struct row_tls_server row_of(const struct fixture *fixture, uint32_t group,
				    const char *server)
{
	struct row_tls_server_key key = { group, server_id(fixture, server) };
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_TLS_SERVER, &key);
	struct row_tls_server value;

	if (!row)
		fail_msg("no row of %s", server);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

static uint32_t weight(const struct fixture *fixture, const char *server)
{
	return row_of(fixture, group_id(fixture, "web"), server).weight;
}

/* A server with two addresses counts once, by the first that can be used. */
static void weights_by_health(void **state)
{
	static const struct {
		const char *fields, *down[4];
		uint32_t first, sixth, second; /* web1 at both addresses, web2 */
	} rows[] = {
		{ "", { NULL }, 100, 0, 50 },
		{ "", { "10.0.1.11" }, 0, 100, 50 },
		{ "", { "web1" }, 0, 0, 50 },
		{ "fail_open: true, ", { "web1" }, 0, 0, 50 },
		{ "fail_open: true, ", { "web1", "web2" }, 100, 0, 50 },
		{ "fail_open: false, ", { "web1", "web2" }, 0, 0, 0 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_FREE char *text = NULL;

		assert_true(asprintf(&text, EDGE WEB_WITH("%s"), rows[i].fields) > 0);
		set_down(fixture, rows[i].down);
		run_ok(fixture, text);
		assert_int_equal(weight(fixture, "web/web1@10.0.1.11"), rows[i].first);
		assert_int_equal(weight(fixture, "web/web1@2001"), rows[i].sixth);
		assert_int_equal(weight(fixture, "web/web2"), rows[i].second);
		assert_int_equal(weight(fixture, "web/web3"), 0);
		assert_int_equal(weight(fixture, "web/web4"), 0);
	}
}

static uint32_t taker(const struct fixture *fixture, const char *group)
{
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_TLS_TAKER,
					  &(struct row_id){ group_id(fixture, group) });
	struct row_id value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value.id;
}

/* Each group of the row is known to who ends TLS, and who takes its connections. */
static void takers_of_a_row(void **state)
{
	static const struct {
		const char *down[4], *taker;
	} rows[] = {
		{ { NULL }, "web" },
		{ { "web1" }, "web" },
		{ { "web1", "web2" }, "spare" },
		{ { "web1", "web2", "spare1" }, "last" },
		{ { "web1", "web2", "spare1", "last1" }, "web" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_down(fixture, rows[i].down);
		run_ok(fixture,
		       EDGE WEB_WITH(
			       "fallback: spare, ") "  spare: {fallback: last, servers: {spare1: "
						    "{address: 10.0.1.21, port: 80}}}\n" LAST);
		assert_int_equal(count_rows(fixture, TABLE_TLS_TAKER), 3);
		assert_int_equal(taker(fixture, "web"), group_id(fixture, rows[i].taker));
		assert_int_equal(taker(fixture, "last"), group_id(fixture, "last"));
	}
}

static const struct content_tls_split *split_of(const struct fixture *fixture)
{
	const struct id_entry *entry = ids_find(fixture->ids, ID_LISTENER, "edge/https");
	const struct row *row;

	assert_non_null(entry);
	row = rows_find(&fixture->compiled.rows, TABLE_TLS_SPLIT, &(struct row_id){ entry->id });
	return row ? rows_find_recipe(&fixture->compiled.rows, row)->data : NULL;
}

/* Of 10000 parts each group has those after the one before; one of weight 0 has none, and is known all the same. */
static void parts_of_groups(void **state)
{
	struct fixture *fixture = *state;
	const struct content_tls_split *split;

	run_ok(fixture, EDGE WEB_WITH(""));
	assert_null(split_of(fixture));
	run_ok(fixture,
	       EDGE_OF("https: " TLS(443) "{web: 2, spare: 0, last: 1}}") WEB_WITH("") SPARE LAST);
	split = split_of(fixture);
	assert_non_null(split);
	assert_int_equal(split->sum, 10000);
	assert_int_equal(split->count, 2);
	assert_int_equal(split->parts[0].group, group_id(fixture, "web"));
	assert_int_equal(split->parts[0].to, 6665);
	assert_int_equal(split->parts[1].group, group_id(fixture, "last"));
	assert_int_equal(split->parts[1].to, 9999);
	assert_int_equal(count_rows(fixture, TABLE_TLS_TAKER), 3);
}

/* To the datapath such a listener leads to the host. Groups that no tls listener leads to are not HAProxy's concern. */
static void rows_of_the_host(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_listener listener;
	const struct row *row;
	uint32_t host;

	run_ok(fixture, EDGE_OF("http: {protocol: tcp, port: 80, server_group: web}, "
				"https: " TLS(443) "web, enabled: false}") WEB_WITH(""));
	assert_null(ids_find(fixture->ids, ID_GROUP, "(host)"));
	assert_int_equal(count_rows(fixture, TABLE_TLS_SERVER), 0);
	run_ok(fixture, EDGE WEB_WITH("") SPARE);
	host = server_id(fixture, "(host)");
	assert_int_equal(server_row(fixture, host).mode, XLB_MODE_LOCAL);
	row = rows_find(&fixture->compiled.rows, TABLE_LISTENER,
			&(struct row_id){ ids_find(fixture->ids, ID_LISTENER, "edge/https")->id });
	assert_non_null(row);
	memcpy(&listener, row->value, sizeof(listener));
	assert_int_equal(listener.group, group_id(fixture, "(host)"));
	for (int i = 0; i < 2; i++)
		assert_non_null(
			rows_find(&fixture->compiled.rows, TABLE_MAGLEV,
				  &(struct row_maglev_key){ .group = listener.group,
							    .family = i ? XLB_IPV6 : XLB_IPV4 }));
	assert_int_equal(count_rows(fixture, TABLE_TLS_SETTING), 1);
	assert_int_equal(count_rows(fixture, TABLE_TLS_LISTENER), 1);
	assert_int_equal(count_rows(fixture, TABLE_TLS_FILE), 1);
	assert_int_equal(count_rows(fixture, TABLE_TLS_TAKER), 1);
}

/* A user is told; a running xlbd leaves the listener out, and others go on. */
static void a_file_is_missing(void **state)
{
	static const char text[] = EDGE_OF("https: " TLS(
		443) "web}, other: {protocol: tls, port: 444, server_group: "
		     "web, certificates: [{chain: /a, key: /k}, {chain: /gone, key: /k}]}")
		WEB_WITH("");
	struct fixture *fixture = *state;

	run(fixture, text);
	assert_int_equal(fixture->r, -EINVAL);
	assert_string_equal(fixture->err.pointer,
			    "/load_balancers/edge/listeners/other/certificates/1/chain");
	assert_non_null(strstr(fixture->err.text, "/gone: no such file"));
	fixture->world.strict = false;
	run_ok(fixture, text);
	assert_int_equal(count_rows(fixture, TABLE_TLS_LISTENER), 1);
	assert_int_equal(count_rows(fixture, TABLE_LISTENER), 2);
	assert_non_null(strstr(fixture->compiled.warnings, "edge/other: /gone: no such file"));
}

/* What is left of a server that was removed goes on until its drain is over. */
static void a_removed_server(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, EDGE
	       "  web: {drain: {timeout: 10s}, servers: {web1: {address: 10.0.1.11, port: 80}, "
	       "web2: {address: 10.0.1.12, port: 80}}}\n");
	assert_int_equal(count_rows(fixture, TABLE_TLS_SERVER), 2);
	for (int late = 0; late < 2; late++) {
		run_ok(fixture, EDGE "  web: {drain: {timeout: 10s}, servers: {web2: {address: "
				     "10.0.1.12, port: 80}}}\n");
		assert_int_equal(count_rows(fixture, TABLE_TLS_SERVER), 1 + late);
		fixture->world.now += 10;
	}
	assert_int_equal(row_of(fixture, 0, "web/web1").cut, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(weights_by_health, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(takers_of_a_row, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(parts_of_groups, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(rows_of_the_host, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_missing, setup_tls, teardown),
		cmocka_unit_test_setup_teardown(a_removed_server, setup_tls, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("compile tls", tests, NULL, NULL);
}
