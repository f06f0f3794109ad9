/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A part of engine_lab.h: HAProxy, whose rows lie with those of the datapath. */
#ifndef XLB_TESTS_LAB_TLS_H
#define XLB_TESTS_LAB_TLS_H

int haproxy_open(const char *run_dir, const char *pin_dir, const char *instance,
		 struct haproxy **ret, struct xlb_err *err)
{
	(void)run_dir, (void)pin_dir, (void)instance, (void)err;
	*ret = (struct haproxy *)&lab_world;
	return 0;
}

struct haproxy *haproxy_close(struct haproxy *haproxy)
{
	(void)haproxy;
	return NULL;
}

struct sink *haproxy_sink(struct haproxy *haproxy)
{
	(void)haproxy;
	return sink_fake_sink(lab_world.datapath);
}

void haproxy_commit(struct haproxy *haproxy)
{
	(void)haproxy;
}

bool haproxy_owns(struct haproxy *haproxy, pid_t pid)
{
	(void)haproxy, (void)pid;
	return false;
}

int haproxy_fd(const struct haproxy *haproxy)
{
	static int fd;

	(void)haproxy;
	if (!fd)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd;
}

int haproxy_find(struct xlb_err *err)
{
	(void)err;
	return 0;
}

uint32_t haproxy_connections(struct haproxy *haproxy, uint32_t server)
{
	(void)haproxy, (void)server;
	return 0;
}

void haproxy_servers(struct haproxy *haproxy,
		     void (*visit)(void *arg, uint32_t server, uint32_t connections), void *arg)
{
	(void)haproxy, (void)visit, (void)arg;
}

void haproxy_state(struct haproxy *haproxy, struct haproxy_state *ret)
{
	(void)haproxy;
	*ret = (struct haproxy_state){};
}

void datapath_server_others(struct datapath *dp, uint32_t server, uint64_t connections)
{
	(void)dp, (void)server, (void)connections;
}

#endif
