/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host and the checker as the engine of engine_lab.h meets them; part of that file. */
#ifndef XLB_TESTS_ENGINE_LAB_HOST_H
#define XLB_TESTS_ENGINE_LAB_HOST_H

int host_open(const char *owner_file, host_changed changed, void *arg, struct host **ret,
	      struct xlb_err *err)
{
	(void)owner_file;
	(void)err;
	lab_world.changed = changed;
	lab_world.changed_arg = arg;
	*ret = (struct host *)&lab_world;
	return 0;
}

struct host *host_close(struct host *host)
{
	(void)host;
	return NULL;
}

int host_fd(const struct host *host)
{
	static int fd = -1;

	(void)host;
	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd;
}

void host_dispatch(struct host *host)
{
	(void)host;
}

struct sink *host_sink(struct host *host)
{
	(void)host;
	return sink_fake_sink(lab_world.host);
}

int host_link(struct host *host, const char *name, struct host_link *ret, struct xlb_err *err)
{
	(void)host;
	if (strncmp(name, "eth", 3) || (lab_world.missing && !strcmp(name, lab_world.missing)))
		return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENODEV, "there is no interface '%s'",
				   name);
	*ret = (struct host_link){ .ifindex = (uint32_t)(name[3] - '0') + 2,
				   .mtu = 1500,
				   .up = !lab_world.unplugged || strcmp(name, lab_world.unplugged),
				   .mac = { 2 } };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int host_vlans(struct host *host, uint32_t ifindex, struct vlan_device **ret, uint32_t *ret_count)
{
	(void)host;
	(void)ifindex;
	*ret = NULL;
	*ret_count = 0;
	return 0;
}

int host_ports(struct host *host, uint32_t bond, struct bond_port **ret, uint32_t *ret_count)
{
	(void)host;
	(void)bond;
	*ret = NULL;
	*ret_count = 0;
	return 0;
}

void host_below_vlans(struct host *host, const char *ifname, char ret[IFNAMSIZ])
{
	(void)host;
	snprintf(ret, IFNAMSIZ, "%s", ifname);
}

bool host_setting_changes(const char *ifname, enum xlb_setting setting)
{
	(void)ifname;
	(void)setting;
	return false;
}

int host_nic(struct host *host, const char *name, struct nic *ret, struct xlb_err *err)
{
	*ret = (struct nic){ .driver = "veth", .features[NIC_GRO] = { .known = true, .on = true } };
	return host_link(host, name, &ret->link, err);
}

void host_system(struct host *host, struct host_system *ret)
{
	(void)host;
	*ret = (struct host_system){};
}

void host_settings_release(struct host *host, const char *ifname)
{
	(void)host;
	(void)ifname;
	lab_world.released++;
}

uint32_t datapath_pinned_program(const char *pin_dir, const char *ifname)
{
	(void)pin_dir;
	(void)ifname;
	return 0;
}

void datapath_program_name(uint32_t id, char ret[16])
{
	(void)id;
	strcpy(ret, "other");
}

int host_memory(uint64_t *ret_total, uint64_t *ret_available)
{
	*ret_total = *ret_available = LAB_MEMORY;
	return 0;
}

int host_route(struct host *host, const struct xlb_addr *addr, struct host_route *ret,
	       struct xlb_err *err)
{
	char text[ADDR_TEXT_MAX];
	bool servers;

	(void)host;
	(void)err;
	format_addr(addr, text);
	servers = !strncmp(text, "10.0.1.", 7);
	*ret = (struct host_route){ .ifindex = servers ? 3 : 2 };
	strcpy(ret->ifname, servers ? "eth1" : "eth0");
	return parse_addr(servers ? "10.0.1.1" : "198.51.100.1", &ret->source);
}

int host_neighbour(struct host *host, uint32_t ifindex, const struct xlb_addr *addr,
		   uint8_t ret_mac[6])
{
	(void)host;
	(void)ifindex;
	memcpy(ret_mac, (uint8_t[]){ 2, 0, 0, 0, lab_world.mac_byte, addr->bytes[15] }, 6);
	return lab_world.mac_byte == 1 ? -ENOENT : 0;
}

bool host_owns_address(struct host *host, const struct xlb_addr *addr)
{
	char text[ADDR_TEXT_MAX];

	(void)host;
	format_addr(addr, text);
	return !strcmp(text, "10.0.1.1") || !strcmp(text, "198.51.100.1");
}

uint8_t host_on_link(struct host *host, const char *ifname, const struct xlb_addr *addr)
{
	(void)host;
	(void)addr;
	return !strcmp(ifname, "eth0") ? 96 + 24 : 0;
}

int host_probe_addresses(struct host_probe *probes, size_t count, int timeout_ms)
{
	(void)timeout_ms;
	lab_world.probing = true;
	usleep((useconds_t)lab_world.probe_ms * 1000);
	while (count--) {
		memset(probes[count].mac, 2, 6);
		probes[count].r = lab_world.probe_busy ? -EADDRINUSE : 0;
	}
	return 0;
}

int host_announce_address(const char *ifname, const struct xlb_addr *addr, struct xlb_err *err)
{
	(void)ifname;
	(void)addr;
	(void)err;
	lab_world.announced++;
	return 0;
}

int host_sockets(struct host_socket **ret, uint32_t *ret_count, struct xlb_err *err)
{
	(void)err;
	*ret = calloc(1, sizeof(**ret));
	*ret_count = lab_world.busy_port ? 1 : 0;
	**ret = (struct host_socket){ .port_h = 80, .protocol = IPPROTO_TCP, .process = "sshd" };
	return lab_world.busy_port ? parse_addr(lab_world.busy_port, &(*ret)->addr) : 0;
}

struct port_range host_ephemeral_ports(void)
{
	return (struct port_range){ 32768, 60999 };
}

/* --- checker --- */

struct checker *checker_new(struct event_base *base, checker_changed changed, void *arg)
{
	(void)base;
	lab_world.health_changed = changed;
	lab_world.health_arg = arg;
	return (struct checker *)&lab_world;
}

void checker_through(struct checker *checker,
		     int (*begin)(void *arg, const struct xlb_probe_key *key,
				  const struct xlb_probe *probe),
		     void (*end)(void *arg, const struct xlb_probe_key *key), void *arg)
{
	(void)checker, (void)begin, (void)end, (void)arg;
}

struct checker *checker_free(struct checker *checker)
{
	(void)checker;
	return NULL;
}

int checker_configure(struct checker *checker, const struct model *model, struct xlb_err *err)
{
	(void)checker;
	(void)model;
	(void)err;
	return 0;
}

int checker_configure_group(struct checker *checker, const struct model *model,
			    const struct server_group *group, struct xlb_err *err)
{
	(void)checker, (void)model, (void)group, (void)err;
	lab_world.groups_configured++;
	return 0;
}

void checker_on_group(struct checker *checker, checker_group_changed changed, void *arg)
{
	(void)checker;
	lab_world.group_changed = changed;
	lab_world.group_arg = arg;
}

int checker_health(const struct checker *checker, const char *group, const char *server,
		   const struct xlb_addr *addr, enum health *ret)
{
	bool down = lab_world.down && !strcmp(lab_world.down, server);

	(void)checker;
	(void)group;
	(void)addr;
	*ret = down ? HEALTH_DOWN : HEALTH_UP;
	return 0;
}

void checker_on_transition(struct checker *checker, checker_transition transition, void *arg)
{
	(void)checker;
	lab_world.transition = transition;
	lab_world.transition_arg = arg;
}

int checker_eject(struct checker *checker, const char *group, const char *server,
		  const struct xlb_addr *addr, const char *reason, uint32_t results)
{
	(void)checker, (void)group, (void)server, (void)addr, (void)reason, (void)results;
	return -ENOENT;
}

bool checker_is_pending(const struct checker *checker)
{
	(void)checker;
	return false;
}

bool checker_group_ever_up(const struct checker *checker, const char *group)
{
	(void)checker;
	(void)group;
	return true;
}

int checker_load(struct checker *checker, const char *file, struct xlb_err *err)
{
	(void)checker;
	(void)file;
	(void)err;
	return 0;
}

int checker_save(const struct checker *checker, const char *file, struct xlb_err *err)
{
	(void)checker;
	(void)file;
	(void)err;
	return 0;
}

#endif
