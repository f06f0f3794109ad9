// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The field tables of what is about TLS and not in a listener, and the words of what is. */
#include "core/types_tls.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

const struct word tls_alpns[] = {
	{ "none", ALPN_NONE },
	{ "http1-only", ALPN_HTTP1_ONLY },
	{ "http2-only", ALPN_HTTP2_ONLY },
	{ "http2-optional", ALPN_HTTP2_OPTIONAL },
	{ "http2-preferred", ALPN_HTTP2_PREFERRED },
	{},
};
const struct word tls_client_auths[] = {
	{ "none", CLIENT_AUTH_NONE },
	{ "optional", CLIENT_AUTH_OPTIONAL },
	{ "require", CLIENT_AUTH_REQUIRE },
	{},
};
const struct word tls_proxy_protocols[] = {
	{ "none", PROXY_PROTOCOL_NONE },
	{ "v2", PROXY_PROTOCOL_V2 },
	{},
};
static const struct word versions[] = {
	{ "TLSv1.0", 1 << 0 },
	{ "TLSv1.1", 1 << 1 },
	{ "TLSv1.2", 1 << 2 },
	{ "TLSv1.3", 1 << 3 },
	{},
};

static const struct field tls_fields[] = {
	{
		.name = "max_connections",
		.kind = FIELD_UINT,
		.offset = offsetof(struct tls_setting, max_connections),
		.min = 100,
		.max = 10000000,
		.help = "connections of clients that all tls listeners together hold at a time, others wait; default: from "
			"the machine's memory and limit of open files, see docs/tls.md",
	},
	{
		.name = "threads",
		.kind = FIELD_UINT,
		.offset = offsetof(struct tls_setting, threads),
		.min = 1,
		.max = 64,
		.help = "threads that end TLS; default: one for each CPU",
	},
};

static const struct field tls_policy_fields[] = {
	{
		.name = "versions",
		.kind = FIELD_WORDS,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct tls_policy, versions),
		.words = versions,
		.help = "versions of TLS that clients may speak, without a gap",
	},
	{
		.name = "ciphers",
		.kind = FIELD_TEXTS,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct tls_policy, ciphers),
		.max = TLS_CIPHERS_MAX,
		.help = "suites, the preferred ones first, by the names that OpenSSL has for them: see docs/tls.md",
	},
};

const struct type type_tls = {
	.singular = "tls",
	.plural = "tls",
	.cli = "tls",
	.size = sizeof(struct tls_setting),
	.fields = tls_fields,
	.field_count = COUNT(tls_fields),
	.single = true,
	.list_offset = offsetof(struct model, tls),
	.help = "what all tls listeners share",
};

const struct type type_tls_policy = {
	.singular = "tls_policy",
	.plural = "tls_policies",
	.cli = "tls-policy",
	.size = sizeof(struct tls_policy),
	.fields = tls_policy_fields,
	.field_count = COUNT(tls_policy_fields),
	.list_offset = offsetof(struct model, tls_policies),
	.finish = tls_finish_policy,
	.help = "versions and ciphers of TLS that listeners may name",
};
