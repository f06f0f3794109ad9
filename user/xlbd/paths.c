// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xlb/abi.h"

static int check_instance(const char *instance, struct xlb_err *err)
{
	size_t length = strlen(instance);

	if (length < sizeof(((struct paths *)NULL)->instance) &&
	    strspn(instance, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
	    instance[0] != '-')
		return 0;
	return xlb_err_set(
		err, XLB_ERR_USAGE, -EINVAL,
		"instance '%.64s' is not 1-31 of the characters a-z, 0-9 and - (and must not begin with -)",
		instance);
}

int paths_init(struct paths *paths, const char *instance, struct xlb_err *err)
{
	struct paths new = {};
	char name[48];
	int r;

	if (!instance)
		instance = "";
	r = instance[0] ? check_instance(instance, err) : 0;
	if (r)
		return r;
	snprintf(new.instance, sizeof(new.instance), "%s", instance);
	snprintf(name, sizeof(name), "xlb%s%s", instance[0] ? "-" : "", new.instance);
	snprintf(new.run_dir, sizeof(new.run_dir), "/run/%s", name);
	snprintf(new.socket, sizeof(new.socket), "/run/%s/xlbd.sock", name);
	snprintf(new.state_dir, sizeof(new.state_dir), "/var/lib/%s", name);
	snprintf(new.state_file, sizeof(new.state_file), "/var/lib/%s/current", name);
	snprintf(new.health_file, sizeof(new.health_file), "/var/lib/%s/health", name);
	snprintf(new.owner_file, sizeof(new.owner_file), "/var/lib/%s/owned", name);
	snprintf(new.config_dir, sizeof(new.config_dir), "/etc/%s", name);
	snprintf(new.config_file, sizeof(new.config_file), "/etc/%s/xlb.yaml", name);
	snprintf(new.pin_dir, sizeof(new.pin_dir), "/sys/fs/bpf/%s/abi%d", name, XLB_ABI);
	*paths = new;
	return 0;
}
