/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every path of an instance. The default instance is ""; "demo" makes /run/xlb-demo and so on. */
#ifndef XLB_XLBD_PATHS_H
#define XLB_XLBD_PATHS_H

#include "base/err.h"

struct paths {
	char instance[32];
	char run_dir[64];     /* /run/xlb */
	char socket[96];      /* /run/xlb/xlbd.sock */
	char state_dir[64];   /* /var/lib/xlb */
	char state_file[96];  /* /var/lib/xlb/current */
	char health_file[96]; /* /var/lib/xlb/health */
	char owner_file[96];  /* /var/lib/xlb/owned */
	char config_dir[56];  /* /etc/xlb */
	char config_file[64]; /* /etc/xlb/xlb.yaml (/etc/xlb-NAME/xlb.yaml) */
	char pin_dir[96];     /* /sys/fs/bpf/xlb/abi9 */
};

/* Instance names: [a-z0-9-], at most 31; NULL or "" is the default instance. */
int paths_init(struct paths *paths, const char *instance, struct xlb_err *err);

#endif
