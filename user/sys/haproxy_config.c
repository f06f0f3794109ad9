// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The configuration that HAProxy gets: what all listeners share, then each of them as its row says. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "base/parse.h"
#include "sys/haproxy_private.h"

#define CONNECTION_BYTES 65536 /* that a connection in use takes, both ends of it and TLS */
#define MEMORY_PART	 4     /* of the machine's memory at most one in so many */
#define SPARE_FILES	 1000  /* sockets that listen, commands, logs */
#define FILES_MAX	 1048576

/* Of what a process may open at most: sysctl fs.nr_open, or less where that cannot be asked for. */
static uint32_t files_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max > FILES_MAX)
		return FILES_MAX;
	return (uint32_t)limit.rlim_max;
}

void config_limits(const struct tls_wanted *wanted, struct haproxy_state *ret)
{
	const struct tls_row *row = wanted_find(wanted, TABLE_TLS_SETTING, &(struct row_id){ 0 });
	struct row_tls_setting setting = {};
	struct sysinfo machine = {};
	uint64_t most;

	if (row)
		memcpy(&setting, row->row.value, sizeof(setting));
	ret->files_max = files_max();
	ret->max_connections = setting.max_connections;
	if (!ret->max_connections) {
		sysinfo(&machine);
		most = (uint64_t)machine.totalram * machine.mem_unit / MEMORY_PART /
		       CONNECTION_BYTES;
		ret->max_connections = (uint32_t)(most < 100 ? 100 : most);
	}
	if (ret->files_max > SPARE_FILES &&
	    ret->max_connections > (ret->files_max - SPARE_FILES) / 2)
		ret->max_connections = (ret->files_max - SPARE_FILES) / 2;
	ret->files = 2 * ret->max_connections + SPARE_FILES;
	ret->memory = (uint64_t)ret->max_connections * CONNECTION_BYTES;
}

bool config_leaves_out(const struct haproxy *h, uint32_t listener)
{
	const struct tls_known *known;

	HASH_FIND(hh, h->known, &listener, sizeof(listener), known);
	return known && known->state == TLS_FAILED;
}

static void write_head(FILE *out, const struct haproxy *h, const struct tls_wanted *wanted,
		       const struct haproxy_state *limits)
{
	const struct tls_row *row = wanted_find(wanted, TABLE_TLS_SETTING, &(struct row_id){ 0 });
	struct row_tls_setting setting = {};

	if (row)
		memcpy(&setting, row->row.value, sizeof(setting));
	fprintf(out,
		"# Written by xlbd, which writes it anew: change the tls listeners of xlb instead.\n"
		"global\n"
		"\tuser haproxy\n"
		"\tgroup haproxy\n"
		"\tstats socket %s mode 600 level admin expose-fd listeners\n"
		"\tstats timeout 10s\n"
		"\tlog %s len 1024 local0 info\n"
		"\tcrt-base %s\n"
		"\tca-base %s\n"
		"\tmaxconn %" PRIu32 "\n",
		h->paths.worker, h->paths.log, h->paths.secrets, h->paths.secrets,
		limits->max_connections);
	if (setting.threads)
		fprintf(out, "\tnbthread %" PRIu32 "\n", setting.threads);
	fputs("defaults\n"
	      "\tmode tcp\n"
	      "\tlog global\n"
	      "\toption tcplog\n"
	      "\toption dontlog-normal\n"
	      "\terror-log-format \"tls %f %[fc_err] %[ssl_fc_err] %[ssl_c_err] %[ssl_fc_err_str]\"\n"
	      "\ttimeout connect 5s\n"
	      "\ttimeout client 900s\n"
	      "\ttimeout server 900s\n",
	      out);
}

static void write_binds(FILE *out, const struct content_tls_listener *content, const char *options)
{
	for (uint32_t i = 0; i < content->bind_count; i++) {
		const struct tls_bind *bind = &content->binds[i];
		char addr[ADDR_TEXT_MAX];

		/* the kernel brings the other ports to it */
		if (!tls_bind_has_socket(bind))
			continue;
		format_addr(&bind->addr, addr);
		/* transparent: the VIP may come later, or be others' to put on an interface */
		fprintf(out, "\tbind %s%s:%u interface %s transparent %s\n",
			addr_family(&bind->addr) == XLB_IPV6 ? "ipv6@" : "", addr, bind->port,
			bind->ifname, options);
	}
}

/* The weight that the server is to have, 0: none. */
static uint32_t weight_of(const struct tls_wanted *wanted, uint32_t group, uint32_t server)
{
	struct row_tls_server_key key = { group, server };
	const struct tls_row *row = wanted_find(wanted, TABLE_TLS_SERVER, &key);
	struct row_tls_server value = {};

	if (row)
		memcpy(&value, row->row.value, sizeof(value));
	return value.weight;
}

/* A line, with where files are in place of the marks for it. */
static void write_expanded(FILE *out, const struct haproxy *h, const char *line)
{
	const char *mark;

	for (; (mark = strstr(line, TLS_FILES_MARK)); line = mark + strlen(TLS_FILES_MARK))
		fprintf(out, "%.*s%s/", (int)(mark - line), line, h->paths.secrets);
	fputs(line, out);
}

/* One line of a listener's text into the configuration, and into what is hashed. */
static void write_line(FILE *out, FILE *hashed, const struct haproxy *h,
		       const struct content_tls_listener *content, const struct tls_wanted *wanted,
		       const char *line, uint32_t *group)
{
	uint32_t server, weight;

	if (!strncmp(line, TLS_BIND_MARK, strlen(TLS_BIND_MARK))) {
		write_binds(out, content, line + strlen(TLS_BIND_MARK));
		write_binds(hashed, content, line + strlen(TLS_BIND_MARK));
		return;
	}
	sscanf(line, "backend l%*u-g%" SCNu32, group);
	fprintf(hashed, "%s\n", line);
	write_expanded(out, h, line);
	if (sscanf(line, "\tserver s%" SCNu32, &server) == 1) {
		weight = weight_of(wanted, *group, server);
		if (weight)
			fprintf(out, " weight %" PRIu32, weight);
		else
			fputs(" disabled", out);
	}
	fputc('\n', out);
}

static int write_listener(FILE *out, FILE *hashed, const struct haproxy *h,
			  const struct tls_wanted *wanted,
			  const struct content_tls_listener *content)
{
	AUTO_FREE char *text = strdup(tls_listener_text(content));
	char *rest = text, *line;
	uint32_t group = 0;

	if (!text)
		return -1;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			write_line(out, hashed, h, content, wanted, line, &group);
	return 0;
}

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	return hash;
}

static int write_all(FILE *out, FILE *hashed, const struct haproxy *h,
		     const struct tls_wanted *wanted, const struct haproxy_state *limits)
{
	const struct tls_row *row = NULL;
	int r = 0;

	write_head(out, h, wanted, limits);
	write_head(hashed, h, wanted, limits);
	while (!r && (row = wanted_next(wanted, TABLE_TLS_LISTENER, row)))
		if (!config_leaves_out(h, row_number(row)))
			r = write_listener(out, hashed, h, wanted,
					   (const void *)row->content->data);
	return r;
}

char *config_text(const struct haproxy *h, const struct tls_wanted *wanted,
		  const struct haproxy_state *limits, char ret_hash[CONFIG_HASH_MAX])
{
	AUTO_FREE char *text = NULL, *hashed = NULL;
	size_t size, hashed_size;
	FILE *out = open_memstream(&text, &size), *all = open_memstream(&hashed, &hashed_size);
	int r = out && all ? write_all(out, all, h, wanted, limits) : -1;

	if (all && fclose(all))
		r = -1;
	if (!r) {
		snprintf(ret_hash, CONFIG_HASH_MAX, "xlb-%016" PRIx64, hash_of(hashed));
		/* by this a running one is known again */
		fprintf(out, "# what needs a reload to change\nglobal\n\tdescription %s\n",
			ret_hash);
	}
	if (out && fclose(out))
		r = -1;
	return r ? NULL : TAKE(text);
}
