/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Table `attachment`: XDP links, pinned so that they outlive the daemon. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/datapath_private.h"

/* bpffs refuses dots in names, names of NICs cannot have colons. */
static void name_swap(char *name, char from, char to)
{
	for (; *name; name++)
		if (*name == from)
			*name = to;
}

static void link_path(const char *pin_dir, const char *ifname, char ret[PATH_MAX])
{
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "%s", ifname);
	name_swap(name, '.', ':');
	snprintf(ret, PATH_MAX, "%s/links/%s", pin_dir, name);
}

static struct attachment *attachment_find(const struct datapath *dp, const char *ifname)
{
	struct attachment *attachment;

	TAILQ_FOREACH(attachment, &dp->attachments, entry)
		if (!strcmp(attachment->ifname, ifname))
			return attachment;
	return NULL;
}

static int attachment_add(struct datapath *dp, const char *ifname, int fd)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));

	if (!attachment)
		return -ENOMEM;
	snprintf(attachment->ifname, sizeof(attachment->ifname), "%s", ifname);
	attachment->fd = fd;
	TAILQ_INSERT_TAIL(&dp->attachments, attachment, entry);
	return 0;
}

static void attachment_forget(struct datapath *dp, struct attachment *attachment)
{
	TAILQ_REMOVE(&dp->attachments, attachment, entry);
	close(attachment->fd);
	free(attachment);
}

/* Without its pin and handle the kernel takes the link off the NIC. */
static void attachment_destroy(struct datapath *dp, struct attachment *attachment)
{
	char path[PATH_MAX];

	if (dp->pin_dir) {
		link_path(dp->pin_dir, attachment->ifname, path);
		unlink(path);
	}
	/* at once, also if something else holds a handle */
	bpf_link_detach(attachment->fd);
	attachment_forget(dp, attachment);
}

void attachments_close(struct datapath *dp)
{
	struct attachment *attachment;

	while ((attachment = TAILQ_FIRST(&dp->attachments)))
		attachment_forget(dp, attachment);
}

/* What a link is attached to: ifindex 0 if its NIC is gone. */
static int link_read(int fd, struct bpf_link_info *ret)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.type != BPF_LINK_TYPE_XDP)
		return -EINVAL;
	*ret = info;
	return 0;
}

/*
 * -ENODEV: the NIC is gone, the link is dead. Mode 0: the link lives, but on a NIC that has been renamed,
 * or in a mode that is not xlb's.
 */
static int attachment_read(const struct attachment *attachment, struct attachment_info *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info;
	int r = link_read(attachment->fd, &info);

	if (r < 0)
		return r;
	if (!info.xdp.ifindex)
		return -ENODEV;
	*ret = (struct attachment_info){ .program_id = info.prog_id };
	if (info.xdp.ifindex != if_nametoindex(attachment->ifname) ||
	    bpf_xdp_query((int)info.xdp.ifindex, 0, &query) < 0)
		return 0;
	if (query.drv_prog_id == info.prog_id)
		ret->mode = XLB_ATTACH_NATIVE;
	else if (query.skb_prog_id == info.prog_id)
		ret->mode = XLB_ATTACH_GENERIC;
	return 0;
}

int attachments_switch(struct datapath *dp, int program_fd, struct xlb_err *err)
{
	struct attachment *attachment;
	int before = dp->program_fd, r;

	dp->program_fd = program_fd;
	TAILQ_FOREACH(attachment, &dp->attachments, entry) {
		/* of a NIC that has gone: nothing to switch */
		if (!bpf_link_update(attachment->fd, program_fd, NULL) || errno == ENOLINK)
			continue;
		r = datapath_err(err, -errno, "cannot switch the program of interface '%s'",
				 attachment->ifname);
		dp->program_fd = before;
		TAILQ_FOREACH(attachment, &dp->attachments, entry)
			bpf_link_update(attachment->fd, before, NULL);
		return r;
	}
	return 0;
}

static int attachment_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
			   struct xlb_err *err)
{
	struct attachment *attachment;

	(void)err;
	TAILQ_FOREACH(attachment, &dp->attachments, entry) {
		struct row_attachment_key key = {};
		struct attachment_info info;
		struct row_attachment value;
		struct row row;

		if (attachment_read(attachment, &info) < 0)
			continue;
		memcpy(key.ifname, attachment->ifname, sizeof(key.ifname));
		value.mode = info.mode;
		datapath_row(table, &key, &value, &row);
		add(arg, &row);
	}
	return 0;
}

/* --- attaching -------------------------------------------------------------------------------------- */

static void driver_of(const char *ifname, char *ret, size_t size)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = {};

	memcpy(request.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	request.ifr_data = (void *)&info;
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request))
		snprintf(info.driver, sizeof(info.driver), "unknown");
	snprintf(ret, size, "%s", info.driver);
}

static int attach_native_err(struct xlb_err *err, int r, const char *ifname)
{
	char driver[32];

	driver_of(ifname, driver, sizeof(driver));
	xlb_err_set(err, XLB_ERR_UNSUPPORTED, r,
		    "interface '%s' does not take the program in native mode: driver '%s': %s",
		    ifname, driver, strerror(-r));
	if (r == -ERANGE || r == -EINVAL)
		xlb_err_hint(
			err,
			"often the MTU is too large for XDP (of a veth: its peer's MTU, at most 3506); lower it, "
			"or use --mode generic (slower)");
	else
		xlb_err_hint(err, "use --mode generic (slower), or a NIC whose driver knows XDP");
	return r;
}

static int attach_busy_err(struct xlb_err *err, int r, const char *ifname, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id = 0;

	if (bpf_xdp_query((int)ifindex, 0, &query) == 0)
		id = query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
	if (!id)
		return xlb_err_set(
			err, XLB_ERR_FAILED, r,
			"an interface above '%s' (bond, bridge) has an XDP program already",
			ifname);
	datapath_program_name(id, name);
	xlb_err_set(err, XLB_ERR_FAILED, r,
		    "another XDP program (id %u \"%s\") is attached to interface '%s'", id, name,
		    ifname);
	xlb_err_hint(
		err,
		"look at it with `bpftool prog show id %u`; remove it with the tool that attached it, "
		"or `ip link set dev %s xdp off`",
		id, ifname);
	return r;
}

static int attach_err(struct xlb_err *err, int r, const char *ifname, uint32_t ifindex,
		      uint32_t mode)
{
	switch (r) {
	case -EBUSY:
	case -EEXIST:
		return attach_busy_err(err, r, ifname, ifindex);
	case -EPERM:
	case -EACCES:
	case -ENOMEM:
	case -ENODEV:
		break;
	default:
		if (mode == XLB_ATTACH_NATIVE)
			return attach_native_err(err, r, ifname);
	}
	return datapath_err(err, r, "cannot attach to interface '%s'", ifname);
}

static bool takes_large_frames(const char *ifname)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {};

	memcpy(request.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return fd >= 0 && !ioctl(fd, SIOCGIFMTU, &request) && request.ifr_mtu > ETH_DATA_LEN;
}

/* Attaches the program that takes frames of several buffers, after the kernel has refused the other one with r. */
static int attach_jumbo(struct datapath *dp, const char *ifname, uint32_t ifindex, int r,
			struct xlb_err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	bool is_mtu = r == -ERANGE ||
		      ((r == -EINVAL || r == -EOPNOTSUPP) && takes_large_frames(ifname));
	int fd;

	if (!is_mtu)
		return attach_err(err, r, ifname, ifindex, XLB_ATTACH_NATIVE);
	r = jumbo_use(dp, err);
	if (r)
		return r;
	fd = bpf_link_create(dp->own_program_fd, (int)ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return attach_err(err, -errno, ifname, ifindex, XLB_ATTACH_NATIVE);
	r = dp->pin_dir ? pins_stages_commit(dp->pin_dir, STAGES_JUMBO, err) : 0;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

static int attach(struct datapath *dp, const char *ifname, uint32_t mode, struct xlb_err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == XLB_ATTACH_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	uint32_t ifindex = if_nametoindex(ifname);
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	int r;

	if (!ifindex)
		return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENODEV, "there is no interface '%s'",
				   ifname);
	fd = bpf_link_create(dp->program_fd, (int)ifindex, BPF_XDP, &opts);
	if (fd < 0 && mode == XLB_ATTACH_NATIVE)
		fd = attach_jumbo(dp, ifname, ifindex, -errno, err);
	else if (fd < 0)
		return attach_err(err, -errno, ifname, ifindex, mode);
	if (fd < 0)
		return fd;
	if (dp->pin_dir) {
		link_path(dp->pin_dir, ifname, path);
		unlink(path); /* of a link that is dead */
		if (bpf_obj_pin(fd, path))
			return datapath_err(err, -errno,
					    "cannot pin the link of interface '%s' as '%s'", ifname,
					    path);
	}
	r = attachment_add(dp, ifname, fd);
	if (r < 0) {
		if (dp->pin_dir)
			unlink(path);
		return datapath_err(err, r, "cannot attach to interface '%s'", ifname);
	}
	fd = -1;
	return 0;
}

/*
 * The kernel does not switch modes and a NIC has one program at a time: the old link goes first and comes
 * back if the new one fails.
 */
static int attachment_put(struct datapath *dp, const struct row *row, const void *content,
			  size_t size, struct xlb_err *err)
{
	struct attachment_info info = {};
	struct row_attachment_key key;
	struct row_attachment value;
	struct attachment *old;
	int r;

	(void)content, (void)size;
	memcpy(&key, row->key, sizeof(key));
	memcpy(&value, row->value, sizeof(value));
	if (strnlen(key.ifname, IFNAMSIZ) == IFNAMSIZ ||
	    (value.mode != XLB_ATTACH_NATIVE && value.mode != XLB_ATTACH_GENERIC))
		return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL,
				   "attach mode %u of '%.*s' is not known", value.mode, IFNAMSIZ,
				   key.ifname);
	old = attachment_find(dp, key.ifname);
	if (old && attachment_read(old, &info) == 0 && info.mode == value.mode)
		return 0;
	if (old)
		attachment_destroy(dp, old);
	r = attach(dp, key.ifname, value.mode, err);
	if (r < 0 && info.mode) {
		struct xlb_err again;

		if (attach(dp, key.ifname, info.mode, &again) < 0)
			xlb_err_prefix(err, "interface '%s' is now detached (%s)", key.ifname,
				       again.text);
	}
	tracepoints_follow(dp);
	return r;
}

static int attachment_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	struct row_attachment_key key;
	struct attachment *attachment;

	(void)err;
	memcpy(&key, row->key, sizeof(key));
	key.ifname[IFNAMSIZ - 1] = '\0';
	attachment = attachment_find(dp, key.ifname);
	if (attachment)
		attachment_destroy(dp, attachment);
	tracepoints_follow(dp);
	return 0;
}

uint32_t datapath_pinned_program(const char *pin_dir, const char *ifname)
{
	struct bpf_link_info info;
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];

	link_path(pin_dir, ifname, path);
	fd = bpf_obj_get(path);
	return fd < 0 || link_read(fd, &info) < 0 || !info.xdp.ifindex ? 0 : info.prog_id;
}

void datapath_program_name(uint32_t id, char ret[BPF_OBJ_NAME_LEN])
{
	AUTO_CLOSE int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		strcpy(info.name, "?");
	memcpy(ret, info.name, BPF_OBJ_NAME_LEN);
}

const struct table_ops attachment_ops = { attachment_list, attachment_put, attachment_del };

int datapath_attachment(struct datapath *dp, const char *ifname, struct attachment_info *ret)
{
	const struct attachment *attachment = attachment_find(dp, ifname);
	struct bpf_prog_info program = {};
	uint32_t size = sizeof(program);
	struct attachment_info info;
	AUTO_CLOSE int fd = -1;

	if (!attachment || attachment_read(attachment, &info) < 0 || !info.mode)
		return -ENOENT;
	fd = bpf_prog_get_fd_by_id(info.program_id);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &program, &size))
		return -errno;
	for (int i = 0; i < BPF_TAG_SIZE; i++)
		sprintf(info.program_tag + i * 2, "%02x", program.tag[i]);
	*ret = info;
	return 0;
}

/* --- adoption --------------------------------------------------------------------------------------- */

static int link_adopt(struct datapath *dp, const char *name, struct xlb_err *err)
{
	struct bpf_link_info info;
	AUTO_CLOSE int fd = -1;
	char ifname[IFNAMSIZ];
	char path[PATH_MAX];
	int r;

	if (strlen(name) >= sizeof(ifname))
		return 0; /* not ours */
	strcpy(ifname, name);
	name_swap(ifname, ':', '.');
	link_path(dp->pin_dir, ifname, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return datapath_err(err, -errno, "cannot open pinned link '%s'", path);
	r = link_read(fd, &info);
	if (r < 0)
		return datapath_err(err, r, "'%s' is not an XDP link", path);
	if (!info.xdp.ifindex) { /* its NIC has gone */
		unlink(path);
		return 0;
	}
	/* refused where its MTU needs the one that takes frames of several buffers */
	if (bpf_link_update(fd, dp->program_fd, NULL)) {
		r = jumbo_use(dp, err);
		if (r)
			return r;
		if (bpf_link_update(fd, dp->program_fd, NULL))
			return datapath_err(err, -errno,
					    "cannot switch interface '%s' to the new program",
					    ifname);
	}
	r = attachment_add(dp, ifname, fd);
	if (r < 0)
		return datapath_err(err, r, "cannot adopt pinned link '%s'", path);
	fd = -1;
	return 0;
}

int attachments_adopt(struct datapath *dp, struct xlb_err *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int r = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/links", dp->pin_dir);
	dir = opendir(path);
	if (!dir)
		return datapath_err(err, -errno, "cannot read '%s'", path);
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = link_adopt(dp, entry->d_name, err);
	closedir(dir);
	return r;
}
