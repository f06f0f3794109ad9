// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/tls_text.h"

#include <inttypes.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 5000
#define SOURCES_KEPT	   "100k" /* that affinity remembers, of each group */

static void write_bind(FILE *out, const struct tls_text *text)
{
	const struct listener_tls *tls = &text->listener->tls;
	const struct tls_suites *suites = &text->suites;
	const char *alpn = tls_alpn(tls->alpn);

	fputs(TLS_BIND_MARK "ssl", out);
	for (uint32_t i = 0; i < text->certificate_count; i++)
		fprintf(out, " crt %s", text->certificates[i]);
	/* HAProxy calls the first version without its number */
	fprintf(out, " ssl-min-ver %s ssl-max-ver %s", suites->min, suites->max);
	if (*suites->ciphers)
		fprintf(out, " ciphers %s", suites->ciphers);
	if (*suites->ciphersuites)
		fprintf(out, " ciphersuites %s", suites->ciphersuites);
	if (alpn)
		fprintf(out, " alpn %s", alpn);
	if (text->ca)
		fprintf(out, " verify %s ca-file %s",
			tls->client_auth.mode == CLIENT_AUTH_REQUIRE ? "required" : "optional",
			text->ca);
	if (text->crl)
		fprintf(out, " crl-file %s", text->crl);
	if (text->listener->mss)
		fprintf(out, " mss %" PRIu32, text->listener->mss);
	fputc('\n', out);
}

/* True if who takes new connections is not always the same group. */
static bool has_choice(const struct tls_text *text)
{
	return text->group_count > 1;
}

static void write_frontend(FILE *out, const struct tls_text *text)
{
	fprintf(out, "# %s/%s\nfrontend l%" PRIu32 "\n", text->lb->object.name,
		text->listener->object.name, text->id);
	write_bind(out, text);
	fprintf(out, "\ttimeout client %" PRIu64 "ms\n", text->listener->idle_timeout);
	/* counts handshakes by version; a connection of the session is one whose handshake is over */
	fputs("\tstick-table type string len 12 size 16 store conn_cnt\n"
	      "\ttcp-request session track-sc0 ssl_fc_protocol\n",
	      out);
	if (has_choice(text))
		fprintf(out,
			"\tuse_backend l%" PRIu32 "-g%%[%s,map_int(" TLS_FILES_MARK "split-%" PRIu32
			".map),map_str(" TLS_FILES_MARK "takers.map)]\n",
			text->id, text->by_source ? "src,sdbm(1),mod(10000)" : "rand(10000)",
			text->id);
	else
		fprintf(out, "\tdefault_backend l%" PRIu32 "-g%" PRIu32 "\n", text->id,
			text->groups[0].id);
}

static void write_balance(FILE *out, const struct server_group *group)
{
	if (group->scheduler == SCHEDULER_WLC)
		fputs("\tbalance leastconn\n", out);
	else if (group->hash == HASH_SOURCE)
		fputs("\tbalance source\n\thash-type consistent\n", out);
	else
		fputs("\tbalance roundrobin\n", out);
	if (group->affinity_timeout != UINT64_MAX)
		fprintf(out,
			"\tstick-table type ipv6 size " SOURCES_KEPT " expire %" PRIu64
			"ms\n\tstick on src\n",
			group->affinity_timeout);
}

static void write_server_options(FILE *out, const struct tls_text *text)
{
	const struct listener_tls *tls = &text->listener->tls;

	if (tls->proxy_protocol == PROXY_PROTOCOL_V2)
		fputs(" send-proxy-v2", out);
	if (!tls_encrypts_to_servers(text->listener))
		return;
	if (tls->server.verify)
		fprintf(out, " ssl verify required ca-file %s",
			text->server_ca ? text->server_ca : "@system-ca");
	else
		fputs(" ssl verify none", out);
	if (tls->server.name)
		fprintf(out, " sni str(%s)%s%s", tls->server.name,
			tls->server.verify ? " verifyhost " : "",
			tls->server.verify ? tls->server.name : "");
	else
		fputs(" sni ssl_fc_sni", out);
	/* what the client has agreed on is what the server hears */
	if (tls_alpn(tls->alpn))
		fprintf(out, " alpn %s", tls_alpn(tls->alpn));
}

static void write_server(FILE *out, const struct tls_text *text,
			 const struct tls_text_server *server)
{
	bool ipv6 = addr_family(server->addr) == XLB_IPV6;
	char addr[ADDR_TEXT_MAX], port[8];

	format_addr(server->addr, addr);
	snprintf(port, sizeof(port), server->server->port ? "%" PRIu32 : "+0",
		 server->server->port);
	fprintf(out, "\tserver s%" PRIu32 " %s%s%s:%s", server->id, ipv6 ? "[" : "", addr,
		ipv6 ? "]" : "", port);
	write_server_options(out, text);
	fputc('\n', out);
}

static void write_backend(FILE *out, const struct tls_text *text,
			  const struct tls_text_group *group)
{
	fprintf(out, "# %s\nbackend l%" PRIu32 "-g%" PRIu32 "\n", group->group->object.name,
		text->id, group->id);
	write_balance(out, group->group);
	fprintf(out,
		"\ttimeout connect %dms\n\ttimeout server %" PRIu64
		"ms\n\toption redispatch 1\n\tretries 3\n",
		CONNECT_TIMEOUT_MS, text->listener->idle_timeout);
	for (uint32_t i = 0; i < group->server_count; i++)
		write_server(out, text, &group->servers[i]);
}

void tls_text_write(FILE *out, const struct tls_text *text)
{
	write_frontend(out, text);
	for (uint32_t i = 0; i < text->group_count; i++)
		write_backend(out, text, &text->groups[i]);
}
