/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Security groups: which rules a listener's clients are judged by, in which order; checks; files of networks. */
#ifndef XLB_CORE_SECURITY_H
#define XLB_CORE_SECURITY_H

#include "core/model.h"

#define SECURITY_GROUPS_MAX 8	   /* of a load balancer or a listener */
#define NETWORKS_FILE_MAX   100000 /* networks in a file */

/* The part of `finish` of a rule. */
int security_finish_rule(struct object *object, struct xlb_err *err);
/* Groups that load balancers and listeners name exist. err carries a JSON pointer. */
int check_security(const struct model *model, struct xlb_err *err);

/*
 * The rules of the set that judges a listener's clients, or, of listener NULL, pings to the load balancer's VIPs: the load
 * balancer's groups (level 0), then the listener's (level 1). Numbers count from 0 over both.
 */
struct rule_walk {
	const struct model *model;
	const struct name_list *levels[2]; /* NULL: none */
	uint32_t level, group;		   /* of the next rule's group */
	const struct object *next;	   /* NULL: to be looked for */
	uint32_t number;		   /* of the rule that was last given */
	bool begun;
};
struct rule_walk rule_walk_begin(const struct model *model, const struct load_balancer *lb,
				 const struct listener *listener);
/* NULL behind the last; *ret_level may be NULL. */
const struct rule *rule_walk_next(struct rule_walk *walk, uint32_t *ret_level);
/* What stands for the set in ids; "" if there is no group. */
void security_set_name(const struct load_balancer *lb, const struct listener *listener, char *ret,
		       size_t size);

/*
 * Networks of a text, one a line; `#` begins a comment. Errors name the line and quote nothing. ret->prefixes is
 * malloc'd, NULL if there are none.
 */
int networks_parse(const char *text, size_t size, struct prefix_list *ret, struct xlb_err *err);

#endif
