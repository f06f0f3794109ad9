/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files of tls listeners: certificates with their keys, authorities, lists of what these have revoked. */
#ifndef XLB_XLBD_TLS_FILES_H
#define XLB_XLBD_TLS_FILES_H

#include "core/compile.h"

/* What is known of a file that a listener names. Texts are cut. */
struct tls_file_facts {
	bool known; /* it was read once, and that is in use */
	int64_t not_before,
		expires; /* seconds since the epoch; of revocations when the next ones are due, 0: not said */
	char names[256], subject[128], issuer[128], serial[48], key[24];
	char trouble[512]; /* why what is in the file now is not in use, "" */
};
/* What a file says. */
struct tls_file_read {
	char *pem; /* owned by the caller, who wipes it */
	size_t size;
	struct tls_file_facts facts;
	bool in_other; /* what is wrong is the other file */
};
/*
 * Reads a file below `directory` (/etc/xlb). 0 or -errno with err filled and nothing in ret but in_other. Blocks: not for
 * the loop.
 */
int tls_file_read(const char *directory, const struct tls_file_name *name,
		  struct tls_file_read *ret, struct xlb_err *err);
/* Whether clients would take it now: 0, or -EINVAL. */
int tls_file_check_dates(const struct tls_file_name *name, const struct tls_file_facts *facts,
			 struct xlb_err *err);
/* All files of all tls listeners, dates too: 0, or -EINVAL with err pointing at the field. Blocks as well. */
int tls_files_check(const struct model *model, const char *directory, struct xlb_err *err);

#endif
