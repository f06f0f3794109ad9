// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What policies of TLS are in HAProxy's words, and the rows of tls listeners. */
#include "compile_lab.h"

#include "core/tls.h"

#define ECDHE_2 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:" \
	"ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:" \
	"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
#define RSA \
	":AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA"
#define SUITES_3 \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:" \
	"TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"

static void test_policies(void **state)
{
	static const struct {
		const char *name, *min, *max, *ciphers, *ciphersuites;
	} rows[] = {
		{ "tls_cipher_policy_1_0", "TLSv1.0", "TLSv1.2", ECDHE_2 RSA ":@SECLEVEL=0", "" },
		{ "tls_cipher_policy_1_1", "TLSv1.1", "TLSv1.2", ECDHE_2 RSA ":@SECLEVEL=0", "" },
		{ "tls_cipher_policy_1_2", "TLSv1.2", "TLSv1.2", ECDHE_2 RSA, "" },
		{ "tls_cipher_policy_1_2_strict", "TLSv1.2", "TLSv1.2", ECDHE_2, "" },
		{ "tls_cipher_policy_1_2_strict_with_1_3", "TLSv1.2", "TLSv1.3", ECDHE_2,
		  SUITES_3 },
	};
	struct model *model = model_of("version: 1\n");
	struct tls_suites suites;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(tls_policy_suites(model, rows[i].name, &suites), 0);
		assert_string_equal(suites.min, rows[i].min);
		assert_string_equal(suites.max, rows[i].max);
		assert_string_equal(suites.ciphers, rows[i].ciphers);
		assert_string_equal(suites.ciphersuites, rows[i].ciphersuites);
	}
	assert_int_equal(tls_policy_suites(model, "tls_cipher_policy_1_3", &suites), -ENOENT);
	model_free(model);
}

static int some_file(void *arg, const struct tls_file_name *name, struct tls_file *ret,
		     struct xlb_err *err)
{
	static char pem[] = "PEM";

	(void)arg, (void)name, (void)err;
	ret->pem = pem;
	ret->size = strlen(pem);
	return 0;
}

static int some_engine(void *arg, struct xlb_err *err)
{
	(void)arg, (void)err;
	return 0;
}

/* Two listeners that share a certificate have one file between them. */
static void test_shared_certificate(void **state)
{
	struct fixture *fixture = *state;

	fixture->world.tls_file = some_file;
	fixture->world.tls_engine = some_engine;
	run_ok(fixture,
	       "version: 1\n"
	       "interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
	       "load_balancers:\n"
	       "  edge:\n"
	       "    addresses: [198.51.100.10]\n"
	       "    listeners:\n"
	       "      one: {protocol: tls, port: 443, server_group: web, certificates: [{chain: /a.pem, key: /a.key}]}\n"
	       "      two: {protocol: tls, port: 444, server_group: web, certificates: [{chain: /a.pem, key: /a.key}, "
	       "{chain: /b.pem, key: /b.key}]}\n"
	       "server_groups:\n"
	       "  web:\n"
	       "    servers: {web1: {address: 10.0.1.11, port: 8080}}\n");
	assert_int_equal(count_rows(fixture, TABLE_TLS_LISTENER), 2);
	assert_int_equal(count_rows(fixture, TABLE_TLS_FILE), 2);
	assert_int_equal(count_rows(fixture, TABLE_TLS_SERVER), 1);
	assert_int_equal(count_rows(fixture, TABLE_TLS_TAKER), 1);
	assert_int_equal(count_rows(fixture, TABLE_TLS_SPLIT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test_setup_teardown(test_shared_certificate, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
