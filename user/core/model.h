/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model: what the user configured. Plain structs; the field tables of types.c and types_group.c say how each member
 * is named, parsed, checked, printed and documented.
 */
#ifndef XLB_CORE_MODEL_H
#define XLB_CORE_MODEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "base/sink.h"

#define NAME_TEXT_MAX 64 /* object names: [A-Za-z0-9][A-Za-z0-9._-]*, at most 63 */

struct type;
struct tree;
struct node;

TAILQ_HEAD(object_list, object);

/* The head of every configured object. */
struct object {
	const struct type *type;
	struct object *parent; /* NULL: top level */
	char name[NAME_TEXT_MAX];
	uint64_t set; /* bit i: field i of the type was given, not defaulted */
	char *kept;   /* see model_write_kept; owned, not copied with the object */
	TAILQ_ENTRY(object) link;
};

/* Owned arrays; count 0 means absent. */
struct addr_list {
	struct xlb_addr *addrs;
	uint32_t count;
};
struct port_list {
	struct port_range *ranges; /* `any` is 1-65535 with any = true */
	uint32_t count;
	bool any;
};
struct range_list { /* HTTP status codes */
	struct port_range *ranges;
	uint32_t count;
};

/* A server group's part of the new flows. */
struct share {
	char group[NAME_TEXT_MAX]; /* zero behind its end */
	uint32_t weight;
};
struct share_list {
	struct share *shares;
	uint32_t count;
};
#define SHARE_WEIGHT_ALONE 100 /* of a group that is named without a weight */
/* So many of a whole, or so many percent of it. */
struct quota {
	uint32_t number;
	bool percent;
};
struct prefix_list {
	struct prefix *prefixes;
	uint32_t count;
};
struct name_list { /* of objects of one type */
	char (*names)[NAME_TEXT_MAX];
	uint32_t count;
};
struct texts {
	char **texts; /* owned, as the array */
	uint32_t count;
};
/* What a health check wants to hear: one text may be both. */
struct expectation {
	struct range_list codes; /* HTTP status codes */
	char *text;		 /* as written, see parse_bytes; owned; NULL: a list of codes */
};

struct interface {
	struct object object; /* name = NIC */
	uint32_t mode;	      /* enum xlb_attach_mode */
	uint32_t fix;	      /* bit i: enum xlb_setting i */
};

struct flow_table {
	struct object object; /* without a name */
	uint32_t max;	      /* flows of each family; 0: from the machine's memory */
};

/* What may come in a second, or be open at a time; 0: no limit. */
struct limit_set {
	uint64_t new_connections, connections, bits, packets;
};
struct limits {
	struct limit_set all, per_source;
};

struct load_balancer {
	struct object object;
	struct addr_list addresses;
	uint32_t address_management; /* enum address_management */
	struct name_list security_groups;
	struct limits limits;
	bool enabled;
	struct object_list listeners;
};
enum address_management { ADDRESS_MANAGEMENT_XLB, ADDRESS_MANAGEMENT_NONE };

#define PROTOCOL_TLS (0x100 | IPPROTO_TCP) /* ended by xlb, over TCP */
enum alpn {
	ALPN_NONE,
	ALPN_HTTP1_ONLY,
	ALPN_HTTP2_ONLY,
	ALPN_HTTP2_OPTIONAL,
	ALPN_HTTP2_PREFERRED
};
enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_OPTIONAL, CLIENT_AUTH_REQUIRE };
enum proxy_protocol { PROXY_PROTOCOL_NONE, PROXY_PROTOCOL_V2 };
#define CA_SYSTEM "system" /* certificates that the host trusts */
/* What a listener of protocol: tls is; texts are owned. */
struct listener_tls {
	struct texts certificates; /* "chain:key"; the first is the default */
	char *policy;		   /* of the system, or the name of a tls_policy */
	uint32_t alpn;		   /* enum alpn */
	uint32_t proxy_protocol;   /* enum proxy_protocol */
	struct {
		uint32_t mode;	/* enum client_auth */
		char *ca, *crl; /* paths; NULL: none */
	} client_auth;
	struct {
		char *ca;    /* path or CA_SYSTEM; NULL: none */
		bool verify; /* with neither this nor ca, servers are spoken to in plain */
		char *name;  /* NULL: the one that the client asks for */
	} server;
};

struct listener {
	struct object object; /* parent: load_balancer */
	uint32_t protocol;    /* IPPROTO_TCP, IPPROTO_UDP or PROTOCOL_TLS */
	struct port_list port;
	struct share_list server_group; /* at least one, of a weight above 0 */
	uint64_t idle_timeout;		/* ms; default 900 s tcp, 90 s udp (resolved, never 0) */
	uint32_t mss;			/* bytes; 0: what fits the interfaces */
	struct name_list security_groups;
	struct limits limits;
	struct listener_tls tls;
	bool enabled;
};
/* What the listener is to packets: IPPROTO_TCP or IPPROTO_UDP. */
static inline uint32_t listener_transport(const struct listener *listener)
{
	return listener->protocol & 0xff;
}
static inline bool listener_is_tls(const struct listener *listener)
{
	return listener->protocol == PROTOCOL_TLS;
}

#define CHECK_BYTES_MAX 512 /* of a request and of what is expected */
enum check_type {
	CHECK_DEFAULT,
	CHECK_TCP,
	CHECK_HTTP,
	CHECK_UDP,
	CHECK_ICMP,
	CHECK_HTTPS,
	CHECK_EXEC,
	CHECK_NONE
};
#define CHECK_COMMAND_MAX 32	   /* words of a command */
#define CHECK_CA_SYSTEM	  "system" /* certificates that the host trusts */
enum check_via { CHECK_VIA_ADDRESS, CHECK_VIA_DATAPATH };
struct health_check {
	uint32_t type; /* enum check_type; CHECK_DEFAULT = no health_check given: tcp on the server's port, 5 s */
	uint32_t port;	   /* 0: the server's port */
	uint32_t via;	   /* enum check_via; resolved by the group's forward */
	uint64_t interval; /* ms */
	uint64_t timeout;  /* ms */
	uint32_t healthy_threshold, unhealthy_threshold;
	char *method; /* http; owned; GET or HEAD */
	char *path;
	char *host;    /* NULL: the server's address */
	char *request; /* udp: the datagram, see parse_bytes; owned; NULL: an empty one */
	struct expectation expect; /* http(s): status codes; udp: how the answer begins, or nothing */
	char *sni;		   /* https; owned; NULL: host */
	char *ca; /* https; owned; the path of a file of certificates in PEM, or CHECK_CA_SYSTEM; NULL: none */
	bool verify;	      /* https: the server's certificate */
	struct texts command; /* exec: a path and arguments */
};

struct server_group {
	struct object object;
	uint32_t forward;	/* enum xlb_mode */
	uint32_t encapsulation; /* enum xlb_encapsulation */
	uint32_t affinity; /* enum affinity; resolved: AFFINITY_SAME where forward cannot cross families */
	uint32_t scheduler; /* enum scheduler; resolved: never one that is another's name */
	uint32_t hash;	    /* enum hash */
	uint32_t quic_id_length;
	uint32_t quic_config;	   /* XLB_QUIC_CONFIGS: any */
	uint64_t affinity_timeout; /* ms; UINT64_MAX: sources do not stay with a server */
	uint64_t slow_start;	   /* ms; UINT64_MAX: a server has all of its weight at once */
	bool fail_open;
	char fallback[NAME_TEXT_MAX];	 /* group; "": none */
	struct quota min_healthy;	 /* servers; fewer, and the fallback takes new flows */
	struct addr_list snat_addresses; /* none: the route's preferred source */
	struct port_range snat_ports;	 /* default 1024-65535 */
	uint64_t drain_timeout;		 /* ms; UINT64_MAX: no limit (the default) */
	uint32_t on_down;		 /* enum on_down */
	struct health_check health_check;
	struct passive_check {
		uint32_t failures; /* of clients' connections; 0: servers are not checked so */
		uint64_t window;   /* ms */
		struct quota max_ejected; /* of the addresses of its servers */
	} passive;
	struct object_list servers;
};
enum affinity { AFFINITY_NONE, AFFINITY_SAME };
enum scheduler {
	SCHEDULER_MAGLEV,
	SCHEDULER_WRR,
	SCHEDULER_RR,
	SCHEDULER_WLC,
	/* NLB's names for maglev with a hash */
	SCHEDULER_TCH,
	SCHEDULER_SCH,
	SCHEDULER_QCH,
};
enum hash { HASH_TUPLE, HASH_QUIC, HASH_SOURCE };
enum on_down { ON_DOWN_KEEP, ON_DOWN_RESET };

struct server {
	struct object object;	  /* parent: server_group */
	struct addr_list address; /* at most one of each family */
	uint32_t port;		  /* 0: keep the client's */
	uint32_t weight;	  /* 0-100 */
	bool enabled;
	char *quic_id; /* hexadecimal; owned; NULL: none */
};

enum action { ACTION_DENY, ACTION_ALLOW };
struct security_group {
	struct object object;
	uint32_t otherwise; /* enum action: of what no rule matches */
	struct object_list rules;
};

/* A bit for each enum xlb_rules_protocol of rules.h. */
enum rule_protocol { RULE_TCP = 1, RULE_UDP = 2, RULE_ICMP = 4, RULE_ALL = 7 };
struct rule {
	struct object object;	   /* parent: security_group; the name is its place, from 1 */
	uint32_t action;	   /* enum action */
	uint32_t protocol;	   /* enum rule_protocol */
	struct port_range port;	   /* that the client asks for */
	struct prefix_list source; /* with file: none */
	char *file;		   /* owned; NULL: none */
};

/* What ends TLS: one for all listeners. */
struct tls_setting {
	struct object object; /* without a name */
	uint32_t max_connections; /* of clients, of all listeners together; 0: from the machine's memory */
	uint32_t threads;	  /* 0: one for each CPU */
};
#define TLS_VERSIONS 4 /* bit i: TLS 1.i */
struct tls_policy {
	struct object object;
	uint32_t versions; /* a bit for each; without gaps */
	struct texts ciphers;
};

struct model {
	bool has_interfaces; /* the text had `interfaces:`; without it attachments stay as they are */
	struct object_list interfaces, load_balancers, server_groups, security_groups, tls_policies;
	struct flow_table flow_table;
	struct tls_setting tls;
};

struct model *model_new(void);
struct model *model_free(struct model *model);
DEFINE_CLEANUP(struct model, model_free)
/* Deep copy, NULL on lack of memory. */
struct model *model_copy(const struct model *model);

/*
 * Builds and checks a model from a parsed text: unknown keys, kinds, ranges, references, overlaps,
 * duplicates. Errors point into the tree.
 */
int model_from_tree(const struct tree *tree, struct model **ret, struct xlb_err *err);
/* The same from a map node inside a tree (the state file keeps the model under a key). */
int model_from_node(const struct tree *tree, const struct node *node, struct model **ret,
		    struct xlb_err *err);
/* Gives an error that has a pointer its position in the text that the model was made from. */
void model_locate(const struct tree *tree, struct xlb_err *err);
/* A text without `interfaces` leaves attachments alone: gives `next` those of `current`. 0 or -ENOMEM. */
int model_keep_interfaces(struct model *next, const struct model *current);
/* Cross-object checks of a whole model; err carries a JSON pointer. */
int model_check(const struct model *model, struct xlb_err *err);
/* The same of one server group, which is to take the place of the model's group of that name. */
int model_check_group(const struct model *model, const struct server_group *group,
		      struct xlb_err *err);
/* Puts the group, which it takes over, in the place of the one with its name; returns that, to be freed. */
struct server_group *model_swap_group(struct model *model, struct server_group *group);
/* The model as YAML that parses back to the same model; malloc'd, NULL on lack of memory. */
char *model_export(const struct model *model);
/*
 * Writes the same text, indented by two blanks. The text of each object of a list at the top is kept beside it and used
 * again, so nothing of the model may change any more. `instead`, if given, stands for the group of its name. 0 or -ENOMEM.
 */
int model_write_kept(FILE *out, struct model *model, struct server_group *instead);
/* One line per difference, "+ path: value", "- path", "~ path: old -> new"; malloc'd; counts by object. */
struct model_changes {
	char *lines;
	uint32_t added, changed, removed;
};
int model_diff(const struct model *from, const struct model *to, struct model_changes *ret);
int model_diff_group(const struct server_group *from, const struct server_group *to,
		     struct model_changes *ret);

/* Lookups: NULL if absent. */
struct object *object_find(const struct object_list *list, const char *name);
struct server_group *model_group(const struct model *model, const char *name);
/* Whether the group is one of the listener's. */
bool listener_names(const struct listener *listener, const char *group);
struct load_balancer *model_lb(const struct model *model, const char *name);
struct security_group *model_security_group(const struct model *model, const char *name);

#endif
