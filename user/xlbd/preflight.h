/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What keeps xlb from working on an interface, found before packets get lost: facts are gathered from the host,
 * then judged by a table of checks. Nothing is changed.
 */
#ifndef XLB_XLBD_PREFLIGHT_H
#define XLB_XLBD_PREFLIGHT_H

#include "core/ids.h"
#include "core/model.h"
#include "sys/host_nic.h"

#define PREFLIGHT_NAMES_MAX 160
/* What fits into a page of 4 KiB with the room that XDP and the kernel need: no driver takes more without frags. */
#define PREFLIGHT_MTU_PAGE  3506

/* The ways to servers, as the last compile saw them and as they are now. */
struct preflight_hops {
	uint32_t count;				    /* next hops behind the interface */
	uint32_t unresolved;			    /* of these, how many do not answer */
	char unresolved_names[PREFLIGHT_NAMES_MAX]; /* some of them, "10.0.1.9 (web/web1), ..." */
	uint32_t unattached; /* server addresses behind another interface, not attached */
	char unattached_names[PREFLIGHT_NAMES_MAX];
	char unattached_ifname[IFNAMSIZ]; /* of the first of them */
};

/* Servers whose packets to clients must come back through xlb, of one family. */
struct preflight_returns {
	bool used;
	struct xlb_addr server; /* one of them */
	uint8_t bits; /* of its network, of struct xlb_addr's 128, if that is the interface's; else 128 */
};

#define PREFLIGHT_MATCHES   2
#define PREFLIGHT_MATCH_MAX 160
/* What a firewall has to let in for tls listeners, of one family. */
struct preflight_tls {
	char matches[PREFLIGHT_MATCHES]
		    [PREFLIGHT_MATCH_MAX]; /* of nftables, one of each load balancer */
	uint32_t count, left_out;	   /* load balancers in `matches`, and not */
};

struct preflight_facts {
	struct nic nic;
	struct host_system system;
	uint32_t mode; /* enum xlb_attach_mode: as configured, else native */
	uint32_t fix;  /* settings that xlb changes while attached, as in struct interface */
	bool attached; /* xlb's program is the one on it */
	char large_arm
		[IFNAMSIZ]; /* another interface of the configuration with a larger MTU than fits a page */
	char program[16]; /* name of the program on it */
	uint32_t cpus;
	struct preflight_hops hops;
	struct preflight_returns returns[2]; /* 0: IPv4, 1: IPv6 */
	struct preflight_tls tls[2];	     /* the same */
};

enum preflight_level { PREFLIGHT_OK, PREFLIGHT_WARN, PREFLIGHT_FAIL };

struct preflight_finding {
	const char *check; /* word */
	enum preflight_level level;
	char text[1280];
	char fix[1024];	  /* commands, "" if none would help */
	uint32_t setting; /* bit of the setting that `attach --fix` would change, 0: none */
	bool refuses;	  /* attaching would do harm: it is not tried */
};
#define PREFLIGHT_FINDINGS_MAX 32
struct preflight {
	char ifname[IFNAMSIZ];
	struct preflight_finding findings[PREFLIGHT_FINDINGS_MAX];
	uint32_t count, failures, warnings;
};

/* Where facts come from. */
struct preflight_source {
	struct host *host;
	const struct model *model;
	const struct ids *ids;
	const char *pin_dir; /* links of xlb are pinned below it */
};

/* All facts but those of hops and system. `mode` 0: as configured. -ENODEV with err naming the interfaces present. */
int preflight_gather_nic(const struct preflight_source *source, const char *ifname, uint32_t mode,
			 struct preflight_facts *ret, struct xlb_err *err);
/* The same and the system, for preflight_judge. */
int preflight_gather(const struct preflight_source *source, const char *ifname,
		     struct preflight_facts *ret, struct xlb_err *err);

/* Looks at the ways to servers, some at a time; starts zeroed. */
struct preflight_walk {
	uint32_t nexthop, server; /* ids looked at */
	uint32_t asked;		  /* routes */
	uint32_t unresolved[4];	  /* next hops that are still to be named by a server */
};
/* A step of at most 1 ms or so; true when all has been seen and facts->hops is whole. */
bool preflight_walk_step(const struct preflight_source *source, struct preflight_walk *walk,
			 struct preflight_facts *facts);

/* Pure. */
void preflight_judge(const struct preflight_facts *facts, struct preflight *ret);
/* 0, or -EOPNOTSUPP with err if the NIC is not one to attach to. */
int preflight_refusal(const struct preflight_facts *facts, struct xlb_err *err);
/* Bits of the settings that would help. */
uint32_t preflight_settings(const struct preflight_facts *facts);

/* A check: looks at the facts and fills level and text, with ret zeroed; an empty text: nothing to say. */
struct preflight_check {
	const char *word;
	void (*judge)(const struct preflight_facts *facts, struct preflight_finding *ret);
};
extern const struct preflight_check preflight_nic_checks[], preflight_setting_checks[],
	preflight_host_checks[];
extern const uint32_t preflight_nic_check_count, preflight_setting_check_count,
	preflight_host_check_count;

static inline bool preflight_is_native(const struct preflight_facts *facts)
{
	return facts->mode == XLB_ATTACH_NATIVE;
}

void preflight_say(struct preflight_finding *ret, enum preflight_level level, const char *format,
		   ...) __attribute__((format(printf, 3, 4)));
void preflight_fix(struct preflight_finding *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* All of the model's tls listeners that are enabled; `ret` is zeroed. */
void preflight_look_at_tls(const struct model *model, struct preflight_tls ret[2]);
/* A row of preflight_host_checks. */
void preflight_judge_tls(const struct preflight_facts *facts, struct preflight_finding *ret);

/* What is known of a driver. */
struct preflight_driver {
	const char *name;
	bool native;
	uint32_t mtu_max; /* for XDP without frags, with pages of 4 KiB; 0: not known */
	enum { QUEUES_ANY, QUEUES_HALF, QUEUES_PER_CPU } queues;
};
/* NULL if the driver is not known. */
const struct preflight_driver *preflight_driver(const char *name);

#endif
