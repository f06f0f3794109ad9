// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cert list: the certificates that tls listeners show. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/print.h"

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
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -12, "out of memory");
	json_array_foreach(list, i, one)
		rows[i].object = one;
	if (json_array_size(list))
		print_table(stdout, columns, rows, json_array_size(list), NULL);
	else
		puts("no certificate: no tls listener");
	return 0;
}
