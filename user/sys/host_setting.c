/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Table `setting`: what xlb changes on a NIC while it is attached. The value before is noted in the owner file
 * first. A setting that somebody else changes afterwards is theirs: it is neither put again nor restored.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "sys/host_ethtool.h"
#include "sys/host_private.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* How a setting is read and written. */
struct setting_kind {
	bool is_feature;
	enum nic_feature_id feature;
};
static const struct setting_kind kinds[XLB_SETTING_COUNT] = {
	[XLB_SETTING_LRO] = { true, NIC_LRO },
	[XLB_SETTING_GRO] = { true, NIC_GRO },
	[XLB_SETTING_GRO_HW] = { true, NIC_GRO_HW },
	[XLB_SETTING_RX_VLAN] = { true, NIC_RX_VLAN },
	[XLB_SETTING_RX_VLAN_STAG] = { true, NIC_RX_VLAN_STAG },
	[XLB_SETTING_RP_FILTER] = { false, 0 },
};

static void rp_filter_path(const char *ifname, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "/proc/sys/net/ipv4/conf/%s/rp_filter", ifname);
}

static int file_read(const char *path, char *ret, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

static int read_rp_filter(const char *ifname, uint32_t *ret)
{
	char path[PATH_MAX], text[16];
	uint64_t value;
	int r;

	rp_filter_path(ifname, path);
	r = file_read(path, text, sizeof(text));
	if (r)
		return r == -ENOENT ? -EOPNOTSUPP : r;
	if (parse_uint(text, 0, UINT32_MAX, &value))
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static int write_rp_filter(const char *ifname, uint32_t value)
{
	char path[PATH_MAX];
	AUTO_CLOSE int fd = -1;

	rp_filter_path(ifname, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || dprintf(fd, "%" PRIu32 "\n", value) < 0 ? -errno : 0;
}

static int read_feature(const char *ifname, enum xlb_setting setting, struct nic_feature *ret)
{
	struct nic_feature features[NIC_FEATURE_COUNT];
	AUTO_CLOSE int fd = ethtool_open(NULL);

	if (fd < 0)
		return fd;
	ethtool_features(fd, ifname, features);
	*ret = features[kinds[setting].feature];
	return ret->known ? 0 : -EOPNOTSUPP;
}

int host_setting(const char *ifname, enum xlb_setting setting, uint32_t *ret)
{
	struct nic_feature feature;
	int r;

	if (!kinds[setting].is_feature)
		return read_rp_filter(ifname, ret);
	r = read_feature(ifname, setting, &feature);
	if (!r)
		*ret = feature.on;
	return r;
}

bool host_setting_changes(const char *ifname, enum xlb_setting setting)
{
	struct nic_feature feature;

	return !kinds[setting].is_feature ||
	       (!read_feature(ifname, setting, &feature) && !feature.fixed);
}

static int setting_write(const char *ifname, enum xlb_setting setting, uint32_t value)
{
	AUTO_CLOSE int fd = -1;

	if (!kinds[setting].is_feature)
		return write_rp_filter(ifname, value);
	fd = ethtool_open(NULL);
	return fd < 0 ? fd : ethtool_set_feature(fd, ifname, kinds[setting].feature, value);
}

/* --- marks ---------------------------------------------------------------------------------------- */

static void boot_id(char ret[40])
{
	if (file_read(BOOT_ID_FILE, ret, 40))
		strcpy(ret, "-");
}

static struct setting_mark *mark_find(const struct host *host, const struct row_setting_key *key)
{
	struct setting_mark *mark;

	HASH_FIND(hh, host->settings, key, sizeof(*key), mark);
	return mark;
}

/* A NIC that was away, or a boot, has reset its settings. */
static bool mark_counts(const struct setting_mark *mark)
{
	char boot[40];

	boot_id(boot);
	return mark->ifindex == if_nametoindex(mark->key.ifname) && !strcmp(mark->boot, boot);
}

static struct setting_mark *mark_current(const struct host *host, const struct row_setting_key *key)
{
	struct setting_mark *mark = mark_find(host, key);

	return mark && mark_counts(mark) ? mark : NULL;
}

bool setting_mark_put(struct host *host, const struct setting_mark *mark)
{
	struct setting_mark *known = mark_find(host, &mark->key);

	if (known) {
		known->was = mark->was;
		known->given = mark->given;
		known->ifindex = mark->ifindex;
		memcpy(known->boot, mark->boot, sizeof(known->boot));
		return true;
	}
	known = malloc(sizeof(*known));
	if (!known)
		return false;
	*known = *mark;
	HASH_ADD(hh, host->settings, key, sizeof(known->key), known);
	return true;
}

static void mark_drop(struct host *host, const struct row_setting_key *key)
{
	struct setting_mark *mark = mark_find(host, key);

	if (!mark)
		return;
	HASH_DEL(host->settings, mark);
	free(mark);
}

bool settings_prune(struct host *host)
{
	struct setting_mark *mark, *next;
	bool pruned = false;

	HASH_ITER(hh, host->settings, mark, next) {
		if (mark_counts(mark))
			continue;
		HASH_DEL(host->settings, mark);
		free(mark);
		pruned = true;
	}
	return pruned;
}

void settings_done(struct host *host)
{
	struct setting_mark *mark, *next;

	HASH_ITER(hh, host->settings, mark, next) {
		HASH_DEL(host->settings, mark);
		free(mark);
	}
}

void setting_print(const struct setting_mark *mark, FILE *file)
{
	fprintf(file, "setting %s %s %u %u %u %s\n", mark->key.ifname,
		setting_words[mark->key.setting], mark->was, mark->given, mark->ifindex,
		mark->boot);
}

static bool next_number(char **saved, uint32_t *ret)
{
	const char *word = strtok_r(NULL, " \n", saved);
	uint64_t value;

	if (!word || parse_uint(word, 0, UINT32_MAX, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool setting_parse(char **saved, struct setting_mark *ret)
{
	const char *ifname = strtok_r(NULL, " \n", saved), *word = strtok_r(NULL, " \n", saved);
	struct setting_mark mark = {};
	const char *boot;

	if (!ifname || strlen(ifname) >= IFNAMSIZ || !word)
		return false;
	strcpy(mark.key.ifname, ifname);
	while (mark.key.setting < XLB_SETTING_COUNT &&
	       strcmp(setting_words[mark.key.setting], word))
		mark.key.setting++;
	if (mark.key.setting == XLB_SETTING_COUNT || !next_number(saved, &mark.was) ||
	    !next_number(saved, &mark.given) || !next_number(saved, &mark.ifindex))
		return false;
	boot = strtok_r(NULL, " \n", saved);
	if (!boot || strlen(boot) >= sizeof(mark.boot))
		return false;
	strcpy(mark.boot, boot);
	*ret = mark;
	return true;
}

/* --- rows ----------------------------------------------------------------------------------------- */

static int setting_fail(int r, const char *what, const struct row_setting_key *key,
			struct xlb_err *err)
{
	const char *word = setting_words[key->setting];

	if (r != -EOPNOTSUPP)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "%s: cannot %s %s: %s", key->ifname,
				   what, word, strerror(-r));
	xlb_err_set(err, XLB_ERR_UNSUPPORTED, r,
		    "%s: cannot %s %s: the driver does not let it change", key->ifname, what, word);
	xlb_err_hint(err, "take %s out of `fix` of interface %s", word, key->ifname);
	return r;
}

static int setting_change(struct host *host, const struct setting_mark *mark, uint32_t now,
			  struct xlb_err *err)
{
	const struct setting_mark *known = mark_find(host, &mark->key);
	struct setting_mark before = known ? *known : (struct setting_mark){};
	struct xlb_err ignored;
	int r = 0;

	if (!setting_mark_put(host, mark))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = owner_save(host, err);
	if (!r && now != mark->given) {
		r = setting_write(mark->key.ifname, mark->key.setting, mark->given);
		if (r)
			setting_fail(r, "change", &mark->key, err);
	}
	if (!r)
		return 0;
	if (before.boot[0])
		setting_mark_put(host, &before);
	else
		mark_drop(host, &mark->key);
	owner_save(host, &ignored);
	return r;
}

int setting_put(struct host *host, const struct row *row, struct xlb_err *err)
{
	const struct setting_mark *known;
	struct setting_mark mark = {};
	struct row_setting value;
	uint32_t now;
	int r;

	memcpy(&mark.key, row->key, sizeof(mark.key));
	memcpy(&value, row->value, sizeof(value));
	r = host_setting(mark.key.ifname, mark.key.setting, &now);
	if (r)
		return setting_fail(r, "read", &mark.key, err);
	known = mark_current(host, &mark.key);
	mark.was = known && known->given == now ? known->was : now;
	mark.given = value.value;
	mark.ifindex = if_nametoindex(mark.key.ifname);
	boot_id(mark.boot);
	return setting_change(host, &mark, now, err);
}

int setting_del(struct host *host, const struct row *row, struct xlb_err *err)
{
	const struct setting_mark *mark;
	struct row_setting_key key;
	struct xlb_err ignored;
	uint32_t now;
	int r;

	memcpy(&key, row->key, sizeof(key));
	mark = mark_current(host, &key);
	if (mark && mark->was != mark->given && !host_setting(key.ifname, key.setting, &now) &&
	    now == mark->given) {
		r = setting_write(key.ifname, key.setting, mark->was);
		if (r && r != -ENODEV)
			return setting_fail(r, "restore", &key, err);
	}
	/* It is as it was; a mark left in the file does no harm: the value is not the one given any more. */
	mark_drop(host, &key);
	owner_save(host, &ignored);
	return 0;
}

/* What somebody else changed is listed like the rest: it is left to them. */
void setting_list(struct host *host, void (*add)(void *arg, const struct row *row), void *arg)
{
	const struct setting_mark *mark, *next;

	HASH_ITER(hh, host->settings, mark, next) {
		struct row_setting value = { .value = mark->given };
		struct row row = { .table = TABLE_SETTING };

		if (!mark_counts(mark))
			continue;
		memcpy(row.key, &mark->key, sizeof(mark->key));
		memcpy(row.value, &value, sizeof(value));
		add(arg, &row);
	}
}

uint32_t host_settings(struct host *host, const char *ifname,
		       struct host_setting_state ret[XLB_SETTING_COUNT])
{
	HOST_LOCK(host);
	struct row_setting_key key = {};
	uint32_t count = 0;

	memcpy(key.ifname, ifname, strnlen(ifname, sizeof(key.ifname) - 1));
	for (; key.setting < XLB_SETTING_COUNT; key.setting++) {
		const struct setting_mark *mark = mark_current(host, &key);
		struct host_setting_state state;

		if (!mark || host_setting(ifname, key.setting, &state.now))
			continue;
		state.setting = key.setting;
		state.was = mark->was;
		state.given = mark->given;
		ret[count++] = state;
	}
	return count;
}

void host_settings_release(struct host *host, const char *ifname)
{
	HOST_LOCK(host);
	struct host_setting_state states[XLB_SETTING_COUNT];
	uint32_t count = host_settings(host, ifname, states);
	struct row_setting_key key = {};
	bool released = false;
	struct xlb_err ignored;

	memcpy(key.ifname, ifname, strnlen(ifname, sizeof(key.ifname) - 1));
	for (uint32_t i = 0; i < count; i++) {
		if (states[i].now == states[i].given)
			continue;
		key.setting = states[i].setting;
		mark_drop(host, &key);
		released = true;
	}
	/* a mark left in the file says what the host's setting was: still true for a restart */
	if (released)
		owner_save(host, &ignored);
}
