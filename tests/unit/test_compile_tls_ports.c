// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which ports of a tls listener share which socket. */
#include "compile_lab.h"

static int any_file(void *arg, const struct tls_file_name *name, struct tls_file *ret,
		    struct xlb_err *err)
{
	static char pem[] = "x";

	(void)arg, (void)name, (void)err;
	*ret = (struct tls_file){ .pem = pem, .size = 1 };
	return 0;
}

static int some_engine(void *arg, struct xlb_err *err)
{
	(void)arg, (void)err;
	return 0;
}

/* Of the listeners of a VIP, all of them tls but `other`: the binds of the first, "443:443-443 ..." */
static void binds_are(struct fixture *fixture, const char *listeners, const char *expected)
{
	const struct content_tls_listener *content;
	const struct recipe *recipe;
	const struct row *row;
	char text[2048], is[512] = "";
	size_t used = 0;

	snprintf(text, sizeof(text),
		 "version: 1\n"
		 "interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
		 "load_balancers: {edge: {addresses: [198.51.100.10], listeners: {%s}}}\n"
		 "server_groups: {web: {health_check: {type: none}, servers: {web1: {address: "
		 "10.0.1.11}}}}\n",
		 listeners);
	run_ok(fixture, text);
	row = rows_find(&fixture->compiled.rows, TABLE_TLS_LISTENER, &(struct row_id){ 1 });
	assert_non_null(row);
	recipe = rows_find_recipe(&fixture->compiled.rows, row);
	content = recipe->data;
	for (uint32_t i = 0; i < content->bind_count; i++) {
		const struct tls_bind *bind = &content->binds[i];

		/* each is there for either interface */
		assert_string_equal(bind->ifname, i % 2 ? "eth1" : "eth0");
		if (i % 2)
			continue;
		used += (size_t)snprintf(is + used, sizeof(is) - used, "%s%u:%u-%u", i ? " " : "",
					 bind->port, bind->from, bind->to);
	}
	assert_string_equal(is, expected);
}

#define CERTIFICATE	     ", server_group: web, certificates: [{chain: /a, key: /b}]}"
#define LISTENER(name, port) name ": {protocol: tls, port: " port CERTIFICATE
#define PLAIN(name, port)    name ": {protocol: tcp, port: " port ", server_group: web}"

static void ports(void **state)
{
	static struct port_range used[] = { { 22, 22 }, { 20000, 20001 }, { 32768, 60999 } };
	struct fixture *fixture = *state;

	fixture->world.tls_file = any_file;
	fixture->world.tls_engine = some_engine;
	binds_are(fixture, LISTENER("a", "443"), "443:443-443");
	binds_are(fixture, LISTENER("a", "[443, 8443]"), "443:443-443 8443:8443-8443");
	binds_are(fixture, LISTENER("a", "20000-29999"), "20000:20000-29999");
	binds_are(fixture, LISTENER("a", "[443, 1000-1001]"), "443:443-443 1000:1000-1001");
	binds_are(fixture, LISTENER("a", "any"), "1:1-65535");
	/* a single port beats a range, a range beats any, whatever their protocol is */
	binds_are(fixture, LISTENER("a", "100-200") ", " LISTENER("b", "100"), "101:101-200");
	binds_are(fixture, LISTENER("a", "100-200") ", " PLAIN("b", "150"),
		  "100:100-149 100:151-200");
	binds_are(fixture, LISTENER("a", "100-200") ", " PLAIN("b", "any"), "100:100-200");
	binds_are(fixture, LISTENER("a", "any") ", " PLAIN("b", "1-1000") ", " PLAIN("c", "65535"),
		  "1001:1001-65534");
	/* what listens on the host keeps a socket from being bound there, no connection from coming there */
	fixture->fake.host_ports = (struct port_list){ .ranges = used, .count = 3 };
	binds_are(fixture, LISTENER("a", "20000-29999"), "20002:20000-29999");
	binds_are(fixture, LISTENER("a", "40000-40009"), "40000:40000-40009");
	/* but on its own address the host keeps its ports */
	fixture->fake.own[0] = "198.51.100.10";
	binds_are(fixture, LISTENER("a", "20-30"), "20:20-21 20:23-30");
	binds_are(fixture, LISTENER("a", "20000-40000"), "20002:20002-32767");
	binds_are(fixture, LISTENER("a", "40000-40009"), "");
	binds_are(fixture, LISTENER("a", "22"), "22:22-22");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
