// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cert list, cert reload: the certificates that tls listeners show. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

#define CERTIFICATES_PATH "/v1/certificates"

static const struct column columns[] = {
	{ "FILE", CELL_VALUE, "chain", true },
	{ "NAMES", CELL_VALUE, "names", true },
	{ "KEY", CELL_VALUE, "type", false },
	{ "EXPIRES", CELL_VALUE, "expires_in", false },
	{ "LISTENERS", CELL_VALUE, "listeners", true },
	{ "TROUBLE", CELL_VALUE, "trouble", true },
	{ 0 },
};

int verb_cert_list(struct ctl *ctl)
{
	const struct request request = { .method = ctl->command->method,
					 .path = ctl->command->path };
	AUTO_FREE struct table_row *rows = NULL;
	struct answer answer AUTO_ANSWER = { 0 };
	const json_t *list, *one;
	size_t i;
	int r = client_call(ctl, &request, &answer);

	if (r)
		return r;
	if (ctl->json) {
		print_body(stdout, &answer);
		return 0;
	}
	list = json_object_get(answer.json, "certificates");
	rows = calloc(json_array_size(list) + 1, sizeof(*rows));
	if (!rows)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	json_array_foreach(list, i, one)
		rows[i].object = one;
	if (json_array_size(list))
		print_table(stdout, columns, rows, json_array_size(list), NULL);
	else
		puts("no certificate: no tls listener");
	return 0;
}

/* Whether the list has the certificate as it is: of the same files, with the same serial number and end. */
static bool has_certificate(const json_t *list, const json_t *certificate)
{
	static const char *const members[] = { "chain", "key", "serial", "expires" };
	const json_t *one;
	size_t i, n;

	json_array_foreach(list, i, one) {
		for (n = 0; n < ARRAY_SIZE(members); n++)
			if (!json_equal(json_object_get(one, members[n]),
					json_object_get(certificate, members[n])))
				break;
		if (n == ARRAY_SIZE(members))
			return true;
	}
	return false;
}

static void print_new(const json_t *before, const json_t *after)
{
	const json_t *one;
	size_t i, count = 0;

	json_array_foreach(after, i, one) {
		if (has_certificate(before, one))
			continue;
		count++;
		fputs("  ", stdout);
		put_text(stdout, json_text_at(one, "chain"), strlen(json_text_at(one, "chain")));
		fputs(": ", stdout);
		put_text(stdout, json_text_at(one, "names"), strlen(json_text_at(one, "names")));
		printf(", expires %s\n", json_text_at(one, "expires_in"));
	}
	if (!count)
		puts("  no certificate has changed since xlbd looked last");
}

int verb_cert_reload(struct ctl *ctl)
{
	struct answer before AUTO_ANSWER = { 0 }, after AUTO_ANSWER = { 0 };
	int r = client_get(ctl, CERTIFICATES_PATH, &before);

	if (!r)
		r = verb_reload(ctl);
	if (r || ctl->json || ctl->dry_run)
		return r;
	r = client_get(ctl, CERTIFICATES_PATH, &after);
	if (!r)
		print_new(json_object_get(before.json, "certificates"),
			  json_object_get(after.json, "certificates"));
	return r;
}
