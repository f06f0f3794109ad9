// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A policy of the model, and the text that HAProxy gets of a tls listener. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/tls_text.h"
#include "core/tree.h"

static struct model *model_of(const char *text)
{
	AUTO(tree_free) struct tree *tree = NULL;
	struct model *model = NULL;
	struct xlb_err err = {};

	if (tree_parse("x", text, strlen(text), &tree, &err) || model_from_tree(tree, &model, &err))
		fail_msg("%u:%u %s", err.line, err.column, err.text);
	return model;
}

static void policy_of_the_model(void **state)
{
	AUTO(model_free)
	struct model *model =
		model_of("version: 1\ntls_policies: {mine: {versions: [TLSv1.2, TLSv1.3], ciphers: "
			 "[ECDHE-RSA-AES256-GCM-SHA384, TLS_AES_256_GCM_SHA384, "
			 "ECDHE-RSA-AES128-GCM-SHA256]}}\n");
	struct tls_suites suites;

	(void)state;
	assert_int_equal(tls_policy_suites(model, "mine", &suites), 0);
	assert_string_equal(suites.min, "TLSv1.2");
	assert_string_equal(suites.max, "TLSv1.3");
	/* in the order of the configuration */
	assert_string_equal(suites.ciphers,
			    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256");
	assert_string_equal(suites.ciphersuites, "TLS_AES_256_GCM_SHA384");
}

static void paths(void **state)
{
	struct certificate_paths paths = certificate_paths("/etc/xlb/a.pem:/etc/xlb/a.key");

	(void)state;
	assert_string_equal(paths.chain, "/etc/xlb/a.pem");
	assert_string_equal(paths.key, "/etc/xlb/a.key");
	assert_null(certificate_paths_fault("/a:/b"));
	assert_non_null(certificate_paths_fault("/a"));
	assert_non_null(certificate_paths_fault("/a:/b:/c"));
	assert_non_null(certificate_paths_fault("a:/b"));
	assert_non_null(certificate_paths_fault("/a:b"));
}

#define GROUPS \
	"server_groups:\n  web: {servers: {w: {address: [10.0.0.1, \"2001:db8::1\"], port: 80}}}\n" \
	"  next: {scheduler: wlc, affinity: {timeout: 60s}, health_check: {type: none}, " \
	"servers: {n: {address: 10.0.0.2}}}\n"

/* The text of the only listener, with ids from 1 on; malloc'd. */
static char *text_of(const char *fields)
{
	AUTO_FREE char *yaml = NULL;
	AUTO(model_free) struct model *model = NULL;
	const char *certificates[] = { "crt-1.pem", "crt-2.pem" };
	struct tls_text_server servers[3];
	struct tls_text_group groups[2] = {};
	struct tls_text text = {};
	char *ret = NULL;
	size_t size;
	FILE *out;

	assert_true(
		asprintf(
			&yaml,
			"version: 1\nload_balancers: {edge: {addresses: 1.2.3.4, listeners: {https: "
			"{protocol: tls, port: 443, certificates: [{chain: /a, key: /a}], %s}}}}\n" GROUPS,
			fields) > 0);
	model = model_of(yaml);
	text.lb = model_lb(model, "edge");
	text.listener = (const struct listener *)TAILQ_FIRST(&text.lb->listeners);
	text.id = 5;
	text.certificates = certificates;
	text.certificate_count = 2;
	text.ca = text.listener->tls.client_auth.ca ? "ca-1.pem" : NULL;
	text.server_ca = text.listener->tls.server.ca ? "ca-2.pem" : NULL;
	text.suites = (struct tls_suites){
		.min = "TLSv1.2", .max = "TLSv1.3", .ciphers = "A:B", .ciphersuites = "C"
	};
	for (uint32_t i = 0; i < text.listener->server_group.count; i++) {
		const struct server_group *group =
			model_group(model, text.listener->server_group.shares[i].group);
		const struct server *server = (const struct server *)TAILQ_FIRST(&group->servers);
		uint32_t first = i * 2;

		groups[i] = (struct tls_text_group){ .id = i + 1,
						     .group = group,
						     .servers = &servers[first],
						     .server_count = server->address.count };
		for (uint32_t n = 0; n < server->address.count; n++)
			servers[first + n] = (struct tls_text_server){ first + n + 1,
								       &server->address.addrs[n],
								       server };
	}
	text.groups = groups;
	text.group_count = text.listener->server_group.count;
	out = open_memstream(&ret, &size);
	tls_text_write(out, &text);
	assert_int_equal(fclose(out), 0);
	return ret;
}

static void text_of_one_group(void **state)
{
	AUTO_FREE char *text = text_of("server_group: web");

	(void)state;
	assert_string_equal(
		text,
		"# edge/https\nfrontend l5\n"
		"\tbind * ssl crt crt-1.pem crt crt-2.pem ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3 ciphers A:B "
		"ciphersuites C\n"
		"\ttimeout client 900000ms\n"
		"\tstick-table type string len 12 size 16 store conn_cnt\n"
		"\ttcp-request session track-sc0 ssl_fc_protocol\n"
		"\tdefault_backend l5-g1\n"
		"# web\nbackend l5-g1\n"
		"\tbalance roundrobin\n"
		"\ttimeout connect 5000ms\n\ttimeout server 900000ms\n\toption redispatch 1\n\tretries 3\n"
		"\tserver s1 10.0.0.1:80\n"
		"\tserver s2 [2001:db8::1]:80\n");
}

static void text_of_more(void **state)
{
	AUTO_FREE char *text =
		text_of("server_group: {web: 90, next: 10}, alpn: http2-only, idle_timeout: 30s, "
			"client_auth: {mode: require, ca: /ca}, proxy_protocol: v2, "
			"server_tls: {ca: /b, name: inside.example}");
	static const char *const parts[] = {
		" alpn h2 verify required ca-file ca-1.pem\n",
		"\ttimeout client 30000ms\n",
		"\tuse_backend l5-g%[rand(10000),map_int(" TLS_FILES_MARK
		"split-5.map),map_str(" TLS_FILES_MARK "takers.map)]\n",
		"\tserver s1 10.0.0.1:80 send-proxy-v2 ssl verify required ca-file ca-2.pem sni "
		"str(inside.example) verifyhost inside.example alpn h2\n",
		"backend l5-g2\n\tbalance leastconn\n\tstick-table type ipv6 size 100k expire "
		"60000ms\n\tstick on src\n",
		"\tserver s3 10.0.0.2:+0 send-proxy-v2 ssl ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strstr(text, parts[i]))
			fail_msg("not there: %s\nin\n%s", parts[i], text);
	assert_null(strstr(text, "default_backend"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_of_the_model),
		cmocka_unit_test(paths),
		cmocka_unit_test(text_of_one_group),
		cmocka_unit_test(text_of_more),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("tls text", tests, NULL, NULL);
}
