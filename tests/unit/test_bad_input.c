// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Texts that are refused: with which words, and where exactly. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bad_tls.h"
#include "core/model.h"
#include "core/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_text(const char *text, struct model **ret, struct xlb_err *err)
{
	AUTO(tree_free) struct tree *tree = NULL;
	int r = tree_parse("x.yaml", text, strlen(text), &tree, err);

	return r ? r : model_from_tree(tree, ret, err);
}

struct bad {
	const char *text;    /* the offending part in ^...^ */
	const char *words;   /* part of the message */
	const char *hint;    /* part of the hint, NULL: none */
	const char *pointer; /* NULL: not looked at */
};

#define GROUP "server_groups: {w: {servers: {a: {address: 10.0.0.1, port: 80}}}}\n"
#define LB(listeners) \
	"version: 1\n" GROUP \
	"load_balancers:\n  edge:\n    addresses: [198.51.100.10, \"2001:db8::10\"]\n    listeners:\n" listeners
#define SERVERS(servers) "version: 1\nserver_groups:\n  w:\n    servers:\n" servers
#define GROUP_OF(fields) "version: 1\nserver_groups:\n  w: {" fields "}\n"
#define NAMED(hash, servers) \
	"version: 1\nserver_groups:\n  w:\n    hash: " hash "\n    servers:\n" servers
#define FALLBACK(groups) "version: 1\nserver_groups: {" groups "}\n"
#define KEPT(forward, port, listeners) \
	"version: 1\nserver_groups:\n  w:\n    forward: " forward \
	"\n    health_check: {type: none}\n" \
	"    servers: {a: {address: 10.0.0.1, port: " port "}}\n" \
	"load_balancers: {e: {addresses: 1.2.3.4, listeners: {" listeners "}}}\n"

#define SECURITY(groups) "version: 1\nsecurity_groups:\n" groups "\n"

static const struct bad bad_rows[] = {
	/* the whole text */
	{ "^a^: 1\n", "version is missing: begin with \"version: 1\"", NULL, NULL },
	{ "version: ^2^\n", "version \"2\": accepted is 1", NULL, "/version" },
	{ "^-^ 1\n", "expected a map that begins with \"version: 1\", found a list", NULL, NULL },
	{ "version: 1\n^server_grups^: {}\n",
	  "unknown key \"server_grups\": accepted are version, interfaces",
	  "did you mean \"server_groups\"?", "/server_grups" },
	{ "version: 1\n^certificates^: {}\n", "\"certificates\" is not built yet", NULL, NULL },
	TLS_ROWS{ "version: 1\nserver_groups: ^[^a]\n",
		  "expected a map of server_groups by name, found a list", NULL, NULL },
	{ "version: 1\n^interfaces^:\n", "found nothing", "write {} to detach", NULL },
	{ "version: 1\n^flow_tables^: {}\n",
	  "accepted are version, interfaces, flow_table, load_balancers, server_groups",
	  "did you mean \"flow_table\"?", "/flow_tables" },

	/* the flow table */
	{ "version: 1\nflow_table: {max: ^1023^}\n", "max \"1023\": accepted are 1024-268435456",
	  NULL, "/flow_table/max" },
	{ "version: 1\nflow_table: {max: ^268435457^}\n",
	  "max \"268435457\": accepted are 1024-268435456", NULL, NULL },
	{ "{\"version\": 1, \"flow_table\": {\"max\": ^-1^}}\n", "max \"-1\": accepted are", NULL,
	  "/flow_table/max" },
	{ "version: 1\nflow_table: {max: ^100k^}\n", "max \"100k\": accepted are", NULL, NULL },
	{ "version: 1\nflow_table: {max: ^[^2000]}\n", "max: expected a value, found a list", NULL,
	  NULL },
	{ "version: 1\nflow_table: {^max^: }\n", "max has no value: accepted are", NULL, NULL },
	{ "version: 1\nflow_table:\n  ^mx^: 2000\n",
	  "unknown key \"mx\" in flow table: accepted are max", "did you mean \"max\"?",
	  "/flow_table/mx" },
	{ "version: 1\nflow_table: ^2000^\n",
	  "flow table: expected a map of its fields, found a value", NULL, "/flow_table" },
	{ "version: 1\nflow_table: ^[^{max: 2000}]\n",
	  "flow table: expected a map of its fields, found a list", NULL, NULL },
	{ "version: 1\nflow_table: {max: 2000, ^max^: 3000}\n",
	  "duplicate key \"max\", first at line 2, column 14", "remove one of them", NULL },
	{ "version: 1\nflow_table: {max: 2000}\n^flow_table^: {max: 3000}\n",
	  "duplicate key \"flow_table\", first at line 2, column 1", "remove one of them", NULL },

	/* interfaces */
	{ "version: 1\ninterfaces: {eth0: {mode: ^natve^}}\n",
	  "mode \"natve\": accepted are native, generic", "did you mean \"native\"?",
	  "/interfaces/eth0/mode" },
	{ "version: 1\ninterfaces: {eth0: ^native^}\n",
	  "interface eth0: expected a map of its fields, found a value", NULL, NULL },
	{ "version: 1\ninterfaces: {^sixteencharacter^: {}}\n", "at most 15", NULL, NULL },

	/* keys */
	{ LB("      http: {protocol: tcp, port: 80, ^sevrer_group^: w}\n"),
	  "unknown key \"sevrer_group\" in listener edge/http: accepted are protocol, port, server_group",
	  "did you mean \"server_group\"?", "/load_balancers/edge/listeners/http/sevrer_group" },
	{ "version: 1\nserver_groups: {w: {health_check: {^intervall^: 3s}}}\n",
	  "unknown key \"intervall\" in server group w, health_check: accepted are type, port, via, interval",
	  "did you mean \"interval\"?", "/server_groups/w/health_check/intervall" },
	{ "version: 1\nserver_groups: {w: {^health_check.port^: 3}}\n",
	  "unknown key \"health_check.port\"", "did you mean \"health_check\"?", NULL },
	{ "version: 1\nserver_groups: {w: {^\"a/b~\"^: 3}}\n", "unknown key \"a/b~\"", NULL,
	  "/server_groups/w" },
	{ "version: 1\nserver_groups: {w: {health_check: {via: ^datapath^}}}\n",
	  "via: datapath has no meaning with forward: fullnat", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {^flows^: 1}}\n"),
	  "unknown key \"flows\" in listener edge/http, limits: accepted are new_connections_per_second, connections",
	  NULL, "/load_balancers/edge/listeners/http/limits/flows" },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {bits_per_second: ^0^}}\n"),
	  "limits.bits_per_second \"0\": accepted are 10k-1T; for no limit leave the key out", NULL,
	  "/load_balancers/edge/listeners/http/limits/bits_per_second" },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {connections: ^-1^}}\n"),
	  "limits.connections \"-1\": accepted are 1-1G; for no limit leave the key out", NULL,
	  NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {bits_per_second: ^999^}}\n"),
	  "limits.bits_per_second \"999\": accepted are 10k-1T", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {bits_per_second: ^2T^}}\n"),
	  "limits.bits_per_second \"2T\": accepted are 10k-1T", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {packets_per_second: ^10kb^}}\n"),
	  "limits.packets_per_second \"10kb\": not a whole number, alone or with k, M, G or T behind it, as in 100M; "
	  "accepted are 1-1G",
	  NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {per_source: {new_connections_per_second: ^1.5^}}}\n"),
	  "limits.per_source.new_connections_per_second \"1.5\": not a whole number", NULL,
	  "/load_balancers/edge/listeners/http/limits/per_source/new_connections_per_second" },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, limits: {per_source: ^10^}}\n"),
	  "limits.per_source: expected a map", NULL, NULL },
	{ "version: 1\nload_balancers: {edge: {addresses: 198.51.100.10, limits: {connections: ^99999999999999999999^}}}\n",
	  "limits.connections \"99999999999999999999\": accepted are 1-1G", NULL,
	  "/load_balancers/edge/limits/connections" },
	{ "version: 1\nserver_groups:\n  ^\"w w\"^: {}\n",
	  "server_group \"w w\": a name has letters", NULL, NULL },
	{ "version: 1\nserver_groups:\n  ^-w^: {}\n", "begins with a letter or digit", NULL, NULL },
	{ "version: 1\nserver_groups: {a: {}, ^a^: {}}\n",
	  "duplicate key \"a\", first at line 2, column 17", "remove one of them", NULL },

	/* words and kinds */
	{ GROUP_OF("affinity: {timeout: ^500ms^}"), "affinity.timeout \"500ms\": accepted are 1s-",
	  NULL, "/server_groups/w/affinity/timeout" },
	{ GROUP_OF("affinity: {timeout: ^0s^}"), "affinity.timeout \"0s\": accepted are 1s-", NULL,
	  NULL },
	{ GROUP_OF("slow_start: ^0s^"), "slow_start \"0s\": accepted are 1s-1h", NULL,
	  "/server_groups/w/slow_start" },
	{ GROUP_OF("slow_start: ^2h^"), "slow_start \"2h\": accepted are 1s-1h", NULL, NULL },
	{ GROUP_OF("slow_start: ^-5s^"), "slow_start \"-5s\": not a time like", NULL, NULL },
	{ GROUP_OF("slow_start: ^60^"), "slow_start \"60\": a time needs a unit", NULL, NULL },
	{ GROUP_OF("slow_start: ^{^time: 60s}"), "slow_start: expected a value, found a map", NULL,
	  NULL },
	{ GROUP_OF("affinity: ^1h^"), "affinity: expected a map, found a value", NULL, NULL },
	{ GROUP_OF("scheduler: ^wlcc^"),
	  "scheduler \"wlcc\": accepted are maglev, wrr, rr, wlc, tch, sch, qch",
	  "did you mean \"wlc\"?", "/server_groups/w/scheduler" },
	{ GROUP_OF("scheduler: wrr, hash: ^source^"),
	  "hash has no meaning with scheduler: wrr, only with maglev: remove it", NULL,
	  "/server_groups/w/hash" },
	{ GROUP_OF("scheduler: sch, hash: ^tuple^"),
	  "scheduler: sch means hash: source: write scheduler: maglev or remove hash", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {forward: ^local^}}\n",
	  "forward \"local\" is what listeners with protocol: tls use by themselves: accepted are fullnat, dr, tunnel, nat",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: ^quic^}}}\n",
	  "health_check.type \"quic\" is not built yet", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {fail_open: ^yes^}}\n",
	  "fail_open \"yes\": accepted are true, false", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {fail_open: ^[^true]}}\n",
	  "fail_open: expected a value, found a list", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {snat: ^10.0.0.1^}}\n",
	  "snat: expected a map, found a value", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {^health_check^: }}\n",
	  "health_check: expected a map, found nothing", NULL, "/server_groups/w/health_check" },
	{ SERVERS("      a: {address: 10.0.0.1, ^weight^: }\n"),
	  "weight has no value: accepted are 0-100", NULL, NULL },
	{ SERVERS("      ^a^: {port: 80}\n"), "server w/a has no address", NULL,
	  "/server_groups/w/servers/a" },
	{ SERVERS("      ^a^:\n"), "server w/a has no address", NULL, NULL },
	{ SERVERS("      ^-^ a\n"), "servers: expected a map of servers by name, found a list",
	  NULL, NULL },

	/* numbers, times */
	{ SERVERS("      a: {address: 10.0.0.1, weight: ^101^}\n"),
	  "weight \"101\": accepted are 0-100", NULL, "/server_groups/w/servers/a/weight" },
	{ SERVERS("      a: {address: 10.0.0.1, weight: ^-1^}\n"), "weight \"-1\"", NULL, NULL },
	{ SERVERS("      a: {address: 10.0.0.1, port: ^70000^}\n"),
	  "port \"70000\": accepted are 0-65535", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {interval: ^60^}}}\n",
	  "health_check.interval \"60\": a time needs a unit (ms, s, m, h, d), as in 60s; accepted are 100ms-1h",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {interval: ^61m^}}}\n",
	  "accepted are 100ms-1h", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {drain: {timeout: ^soon^}}}\n", "not a time like 500ms",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {snat: {ports: ^80-2000^}}}\n",
	  "accepted are a range within 1024-65535", NULL, NULL },
	{ LB("      http: {protocol: udp, port: 80, server_group: w, idle_timeout: ^25h^}\n"),
	  "accepted are 1s-24h", NULL, "/load_balancers/edge/listeners/http/idle_timeout" },

	{ LB("      http: {protocol: tcp, port: 80, server_group: w, mss: ^87^}\n"),
	  "mss \"87\": accepted are 88-65495, and 0 for what fits the interfaces", NULL,
	  "/load_balancers/edge/listeners/http/mss" },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, mss: ^65496^}\n"),
	  "mss \"65496\": accepted are 0-65495", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: w, mss: ^auto^}\n"),
	  "mss \"auto\": accepted are 0-65495", NULL, NULL },
	{ LB("      dns: {protocol: udp, port: 53, server_group: w, mss: ^1400^}\n"),
	  "mss has no meaning with protocol: udp, only with tcp and tls: remove it", NULL,
	  "/load_balancers/edge/listeners/dns/mss" },

	/* ports */
	{ LB("      http: {protocol: tcp, port: ^0^, server_group: w}\n"),
	  "port \"0\": accepted are 1-65535, a range like 10000-20000, a list like [80, 443], or any",
	  NULL, NULL },
	{ LB("      http: {protocol: tcp, port: ^70000^, server_group: w}\n"),
	  "port \"70000\": accepted are 1-65535", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: ^200-100^, server_group: w}\n"),
	  "the range is reversed, write 100-200", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: [80, ^http^], server_group: w}\n"), "port \"http\"",
	  NULL, NULL },
	{ LB("      http: {protocol: tcp, port: [80, ^any^], server_group: w}\n"),
	  "any stands alone", NULL, NULL },
	{ LB("      http: {protocol: tcp, ^port^: [], server_group: w}\n"), "port is an empty list",
	  NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, ^ports^: [{from: 80, to: 80}], server_group: w}\n"),
	  "port and ports are the same", NULL, NULL },
	{ LB("      http: {protocol: ^tpc^, port: 443, server_group: w}\n"),
	  "accepted are tcp, udp", "did you mean \"tcp\"?", NULL },
	{ LB("      ^http^: {port: 80, server_group: w}\n"), "listener edge/http has no protocol",
	  NULL, NULL },

	/* overlaps */
	{ LB("      a: {protocol: tcp, port: 80, server_group: w}\n"
	     "      b: {protocol: tcp, port: [443, ^80^], server_group: w}\n"),
	  "listener edge/b: tcp port 80 overlaps port 80 of listener a", NULL,
	  "/load_balancers/edge/listeners/b/port/1" },
	{ "version: 1\nserver_groups: {w: {health_check: {type: none}}}\n"
	  "load_balancers:\n  edge:\n    addresses: 198.51.100.10\n    listeners:\n"
	  "      a: {protocol: udp, port: 100-200, server_group: w}\n"
	  "      b: {protocol: udp, ports: [{from: 50, to: 60}, ^{^from: 200, to: 300}], server_group: w}\n",
	  "udp ports 200-300 overlaps ports 100-200 of listener a", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: none}}}\n"
	  "load_balancers:\n  edge:\n    addresses: 198.51.100.10\n    listeners:\n"
	  "      a: {protocol: tcp, port: 100-900, server_group: w}\n"
	  "      b: {protocol: tcp, port: 950-960, server_group: w}\n"
	  "      c: {protocol: tcp, port: ^120-130^, server_group: w}\n",
	  "tcp ports 120-130 overlaps ports 100-900 of listener a", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: none}}}\n"
	  "load_balancers:\n  edge:\n    addresses: 198.51.100.10\n    listeners:\n"
	  "      a: {protocol: tcp, port: any, server_group: w}\n"
	  "      b: {protocol: tcp, port: ^1-65535^, server_group: w}\n",
	  "tcp port any overlaps port any of listener a", NULL, NULL },
	{ LB("      a: {protocol: tcp, port: [80, 443, ^80^], server_group: w}\n"),
	  "overlaps its own port 80", NULL, NULL },

	/* references */
	{ LB("      http: {protocol: tcp, port: 80, server_group: ^wbe^}\n"),
	  "listener edge/http: server group \"wbe\" does not exist: there is w", NULL,
	  "/load_balancers/edge/listeners/http/server_group" },
	{ LB("      http: {protocol: tcp, port: 80, server_group: {w: 95, x: ^5^}}\n"),
	  "listener edge/http: server group \"x\" does not exist: there is w", NULL,
	  "/load_balancers/edge/listeners/http/server_group/1" },
	{ LB("      http: {protocol: tcp, port: 80, server_groups: [{group: w, weight: 1}, ^{^group: wx, weight: 1}]}\n"),
	  "server group \"wx\" does not exist", "did you mean \"w\"?",
	  "/load_balancers/edge/listeners/http/server_group/1" },
	{ LB("      http: {protocol: tcp, port: 80, ^server_group^: {w: 0}}\n"),
	  "server_group: the weights sum to 0: one of them must be above 0", NULL,
	  "/load_balancers/edge/listeners/http/server_group" },
	{ LB("      http: {protocol: tcp, port: 80, server_group: {w: ^1001^}}\n"),
	  "server_group \"w=1001\": a weight is a number, accepted are 0-1000", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: {w: ^-1^}}\n"),
	  "accepted are 0-1000", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: {w: ^5%^}}\n"),
	  "accepted are 0-1000", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: {^w^: }}\n"),
	  "server_group: expected the weight of group w, found nothing", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_group: {w: ^[^5]}}\n"),
	  "expected the weight of group w, found a list", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, server_groups: [w, ^w^]}\n"),
	  "the group is there twice", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, ^server_group^: {}}\n"),
	  "server_group is an empty list", NULL, NULL },
	{ LB("      http: {protocol: tcp, port: 80, ^server_group^: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1}}\n"),
	  "server_group has 9 values: at most 8 are accepted", NULL, NULL },
	{ "version: 1\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {h: {protocol: udp, port: 443, "
	  "server_group: {w: 1, q: ^1^}}}}}\nserver_groups: {w: {health_check: {type: none}}, "
	  "q: {hash: quic, health_check: {type: none}}}\n",
	  "groups w and q share it, but not how they look at connection ids", NULL, NULL },
	{ "version: 1\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {h: {protocol: tcp, port: 80, "
	  "server_group: ^w^}}}}\n",
	  "there is none", NULL, NULL },

	/* addresses */
	{ SERVERS("      a: {address: ^web1.example.com^, port: 80}\n"),
	  "address \"web1.example.com\": host names are not accepted: write the address", NULL,
	  NULL },
	{ SERVERS("      a: {address: ^10.0.0.300^, port: 80}\n"), "not an IPv4 or IPv6 address",
	  NULL, NULL },
	{ SERVERS("      a: {address: ^10.0.0.1/24^, port: 80}\n"), "without a prefix length", NULL,
	  NULL },
	{ SERVERS("      a: {address: ^\"10.0.0.1:80\"^}\n"), "the port under port", NULL, NULL },
	{ SERVERS("      a: {address: ^2001:db8::1^, port: 80}\n"),
	  "write IPv6 addresses in quotes", NULL, NULL },
	{ SERVERS("      a: {address: [10.0.0.1, ^2001:db8::1^], port: 80}\n"),
	  "write IPv6 addresses in quotes", NULL, NULL },
	{ SERVERS("      a: {address: [^2001:db8:^:], port: 80}\n"),
	  "write IPv6 addresses in quotes", NULL, NULL },
	{ SERVERS("      a:\n        port: 80\n        address:\n          - ^2001:db8:^:\n"),
	  "write IPv6 addresses in quotes", NULL, NULL },
	{ SERVERS("      a: {address: 2001:db8:^:^, port: 80}\n"), "",
	  "write IPv6 addresses in quotes", NULL },
	{ SERVERS("      a: {address: [10.0.0.1, ^10.0.0.1^], port: 80}\n"), "there twice", NULL,
	  NULL },
	{ SERVERS("      a: {address: [10.0.0.1, ^10.0.0.2^], port: 80}\n"),
	  "one IPv4 and one IPv6", NULL, NULL },
	{ SERVERS("      a: {^address^: [10.0.0.1, 10.0.0.2, 10.0.0.3], port: 80}\n"),
	  "at most 2 are accepted", NULL, NULL },
	{ SERVERS("      a: {address: ^127.0.0.1^, port: 80}\n"), "127.0.0.1 cannot be used", NULL,
	  NULL },
	{ SERVERS("      a: {address: 10.0.0.1, port: 80}\n      b: {address: ^10.0.0.1^, port: 80}\n"),
	  "server w/b: 10.0.0.1 port 80 is server a already", NULL,
	  "/server_groups/w/servers/b/address" },
	{ SERVERS("      b: {address: [10.0.0.1, \"2001:db8::1\"], port: 80}\n"
		  "      a: {address: [10.0.0.2, ^\"2001:db8::1\"^], port: 80}\n"),
	  "server w/a: 2001:db8::1 port 80 is server b already", NULL,
	  "/server_groups/w/servers/a/address/1" },
	{ "version: 1\nload_balancers: {a: {addresses: [1.2.3.4, ^224.0.0.1^]}}\n",
	  "224.0.0.1 cannot be used", NULL, "/load_balancers/a/addresses/1" },
	{ "version: 1\nload_balancers:\n  a: {addresses: 1.2.3.4}\n  b: {addresses: [1.2.3.5, ^1.2.3.4^]}\n",
	  "load balancer b: 1.2.3.4 belongs to load balancer a already", NULL, NULL },
	{ "version: 1\nload_balancers: {a: {addresses: 1.2.3.4}}\nserver_groups: {w: {servers: {s: {address: ^1.2.3.4^, "
	  "port: 80}}}}\n",
	  "server w/s: 1.2.3.4 is an address of load balancer a", NULL, NULL },
	{ "version: 1\nload_balancers: {a: {addresses: 1.2.3.4}}\nserver_groups: {w: {snat: {addresses: ^1.2.3.4^}}}\n",
	  "1.2.3.4 is an address of load balancer a", NULL, "/server_groups/w/snat/addresses" },

	/* what forwarding modes cannot have */
	{ GROUP_OF("forward: ^tunel^"), "forward \"tunel\": accepted are fullnat, dr, tunnel, nat",
	  "did you mean \"tunnel\"?", "/server_groups/w/forward" },
	{ GROUP_OF("forward: tunnel, encapsulation: ^vxlan^"),
	  "encapsulation \"vxlan\": accepted are ipip, gue", NULL,
	  "/server_groups/w/encapsulation" },
	{ GROUP_OF("address_family_affinity: ^any^"),
	  "address_family_affinity \"any\": accepted are none, same", NULL,
	  "/server_groups/w/address_family_affinity" },
	{ GROUP_OF("encapsulation: ^gue^"),
	  "encapsulation has no meaning with forward: fullnat, only with tunnel: remove it", NULL,
	  "/server_groups/w/encapsulation" },
	{ GROUP_OF("encapsulation: ^ipip^, forward: nat"),
	  "encapsulation has no meaning with forward: nat, only with tunnel: remove it", NULL,
	  NULL },
	{ GROUP_OF("forward: dr, encapsulation: ^ipip^"),
	  "encapsulation has no meaning with forward: dr, only with tunnel: remove it", NULL,
	  NULL },
	{ GROUP_OF("forward: dr, snat: {addresses: ^10.0.0.2^}"),
	  "snat.addresses has no meaning with forward: dr, only with fullnat, nat: remove it", NULL,
	  "/server_groups/w/snat/addresses" },
	{ GROUP_OF("forward: tunnel, snat: {ports: ^2000-3000^}"),
	  "snat.ports has no meaning with forward: tunnel, only with fullnat, nat: remove it", NULL,
	  "/server_groups/w/snat/ports" },
	{ GROUP_OF("forward: nat, address_family_affinity: ^none^"),
	  "forward: nat cannot serve a client of one family by a server of the other; fullnat, tunnel can",
	  NULL, "/server_groups/w/address_family_affinity" },
	{ GROUP_OF("address_family_affinity: ^none^, forward: dr"),
	  "forward: dr cannot serve a client of one family by a server of the other; fullnat, tunnel can",
	  NULL, NULL },
	{ KEPT("dr", "^8080^", "h: {protocol: tcp, port: 80, server_group: w}"),
	  "server w/a has port 8080, but with forward: dr it is asked for the port of listener e/h: remove the server's port",
	  "forward: fullnat or nat can change the port", "/server_groups/w/servers/a/port" },
	{ KEPT("tunnel", "^443^", "h: {protocol: tcp, port: [443, 80], server_group: w}"),
	  "server w/a has port 443, but with forward: tunnel it is asked for the port of listener e/h: remove the server's port",
	  "forward: fullnat or nat can change the port", "/server_groups/w/servers/a/port" },
	{ KEPT("dr", "^80^",
	       "h: {protocol: tcp, port: 80, server_group: w}, i: {protocol: udp, port: 81, server_group: w}"),
	  "server w/a has port 80, but with forward: dr it is asked for the port of listener e/h",
	  "forward: fullnat or nat can change the port", "/server_groups/w/servers/a/port" },
	{ KEPT("dr", "^80^", "h: {protocol: tcp, port: 80-90, server_group: w}"),
	  "server w/a has port 80, but listener e/h has a range of ports", NULL,
	  "/server_groups/w/servers/a/port" },

	/* connection ids */
	{ GROUP_OF("hash: ^quick^"), "hash \"quick\": accepted are tuple, source, quic",
	  "did you mean \"quic\"?", NULL },
	{ GROUP_OF("hash: quic, quic: {id_length: ^3^}"), "quic.id_length \"3\": accepted are 4-20",
	  NULL, "/server_groups/w/quic/id_length" },
	{ GROUP_OF("hash: quic, quic: {id_length: ^21^}"), "accepted are 4-20", NULL, NULL },
	{ GROUP_OF("hash: quic, quic: {config: ^7^}"),
	  "quic.config \"7\": accepted are any, 0, 1, 2, 3, 4, 5, 6", NULL, NULL },
	{ GROUP_OF("hash: quic, ^quic_id^: 00"), "unknown key \"quic_id\"", NULL, NULL },
	{ GROUP_OF("quic: {id_length: ^9^}"),
	  "quic.id_length has no meaning without hash: quic: remove it", NULL, NULL },
	{ GROUP_OF("hash: tuple, quic: {config: ^1^}"),
	  "quic.config has no meaning without hash: quic: remove it", NULL, NULL },
	{ GROUP_OF("scheduler: qch, hash: ^tuple^"), "scheduler: qch means hash: quic", NULL,
	  "/server_groups/w/hash" },
	{ NAMED("quic", "      a: {address: 10.0.0.1, port: 80, quic_id: ^0a0^}\n"),
	  "quic_id \"0a0\": accepted are 1-15 bytes in hexadecimal, as 0a0b", NULL,
	  "/server_groups/w/servers/a/quic_id" },
	{ NAMED("quic", "      a: {address: 10.0.0.1, port: 80, quic_id: ^0xa0^}\n"),
	  "quic_id \"0xa0\": accepted are 1-15 bytes in hexadecimal", NULL, NULL },
	{ NAMED("quic", "      a: {address: 10.0.0.1, port: 80, quic_id: ^0^}\n"),
	  "quic_id \"0\": accepted are text of 2-30 characters", NULL, NULL },
	{ NAMED("tuple", "      a: {address: 10.0.0.1, port: 80, quic_id: ^0a^}\n"),
	  "server w/a has a quic_id, which has no meaning without hash: quic in its group", NULL,
	  "/server_groups/w/servers/a/quic_id" },
	{ NAMED("quic", "      a: {address: 10.0.0.1, port: 80, quic_id: 0a}\n"
			"      b: {address: 10.0.0.2, port: 80, quic_id: ^0a0b^}\n"),
	  "server w/b has a quic_id of 2 bytes, others of its group one of 1", NULL,
	  "/server_groups/w/servers/b/quic_id" },
	{ NAMED("quic", "      a: {address: 10.0.0.1, port: 80, quic_id: 0a0b}\n"
			"      b: {address: 10.0.0.2, port: 80}\n"
			"      c: {address: 10.0.0.3, port: 80, quic_id: ^0A0B^}\n"),
	  "servers a and c of group w have the quic_id 0A0B both: give each its own", NULL,
	  "/server_groups/w/servers/c/quic_id" },
	{ NAMED("quic", "      a: {address: 10.0.0.1, port: 80, quic_id: ^0102030405060708^}\n"),
	  "server w/a: a quic_id of 8 bytes is not within the first 8 of a connection id", NULL,
	  "/server_groups/w/servers/a/quic_id" },

	/* fallbacks */
	{ FALLBACK("a: {fallback: ^spare^}"), "group a: server group \"spare\" does not exist",
	  NULL, "/server_groups/a/fallback" },
	{ FALLBACK("web: {fallback: ^web^}"), "group web is its own fallback", NULL,
	  "/server_groups/web/fallback" },
	{ FALLBACK("a: {fallback: ^b^}, b: {fallback: a}"),
	  "the fallbacks go round in a circle: a -> b -> a: remove one of them", NULL, NULL },
	{ FALLBACK("a: {fallback: b}, b: {fallback: ^c^}, c: {fallback: d}, d: {fallback: b}"),
	  "a circle: b -> c -> d -> b: remove", NULL, "/server_groups/b/fallback" },
	{ FALLBACK(
		  "a: {fallback: ^b^}, b: {fallback: c}, c: {fallback: d}, d: {fallback: e}, e: {}"),
	  "5 groups in a row are each other's fallback, from a to e: at most 4 are accepted", NULL,
	  NULL },
	{ FALLBACK("a: {fallback: ^b^, hash: quic}, b: {}"),
	  "groups a and b do not look at connection ids alike: give both the same hash", NULL,
	  NULL },
	{ FALLBACK("a: {fallback: ^b^, hash: quic}, b: {hash: quic, quic: {id_length: 9}}"),
	  "groups a and b do not look at connection ids alike", NULL, NULL },
	{ FALLBACK("a: {fallback: ^[^b]}, b: {}"), "fallback: expected a value, found a list", NULL,
	  NULL },
	{ FALLBACK("a: {min_healthy: ^2^}"),
	  "min_healthy has no meaning without fallback: add that or remove it", NULL,
	  "/server_groups/a/min_healthy" },
	{ FALLBACK("a: {fallback: b, min_healthy: ^0^}, b: {}"),
	  "min_healthy \"0\": accepted are 1-1000 or 1%-100%", NULL,
	  "/server_groups/a/min_healthy" },
	{ FALLBACK("a: {fallback: b, min_healthy: ^0%^}, b: {}"), "accepted are 1-1000 or 1%-100%",
	  NULL, NULL },
	{ FALLBACK("a: {fallback: b, min_healthy: ^101%^}, b: {}"),
	  "min_healthy \"101%\": accepted are 1-1000 or 1%-100%", NULL, NULL },
	{ FALLBACK("a: {fallback: b, min_healthy: ^half^}, b: {}"), "accepted are", NULL, NULL },
	{ FALLBACK("a: {fallback: b, min_healthy: ^\"%\"^}, b: {}"), "accepted are", NULL, NULL },
	/* what listeners ask of a group they ask of its fallbacks too */
	{ "version: 1\nserver_groups:\n  w: {fallback: v, health_check: {type: none}}\n"
	  "  v: {fallback: s, health_check: {type: none}}\n"
	  "  s: {servers: {a: {address: 10.0.0.1, port: ^80^}}}\n"
	  "load_balancers: {e: {addresses: 1.2.3.4, listeners: {h: {protocol: tcp, port: 1-9, server_group: w}}}}\n",
	  "server s/a has port 80, but listener e/h has a range of ports", NULL, NULL },

	/* groups and how they are used */
	{ "version: 1\nserver_groups: {w: {servers: {a: {address: 10.0.0.1, port: ^80^}}}}\nload_balancers: {e: {addresses: "
	  "1.2.3.4, listeners: {h: {protocol: tcp, port: 10-20, server_group: w}}}}\n",
	  "server w/a has port 80, but listener e/h has a range of ports", NULL,
	  "/server_groups/w/servers/a/port" },
	{ "version: 1\nserver_groups: {^w^: {servers: {a: {address: 10.0.0.1}}}}\n",
	  "server w/a has no port, so its health check must say type and port: add health_check: {type: tcp, port: N} or "
	  "health_check: {type: none}",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {^health_check^: {type: http}, servers: {a: {address: 10.0.0.1}}}}\n",
	  "must say the port", NULL, NULL },
	{ "version: 1\nserver_groups: {^w^: {servers: {a: {address: 10.0.0.1, port: 53}}}}\nload_balancers: {e: "
	  "{addresses: 1.2.3.4, listeners: {h: {protocol: udp, port: 53, server_group: w}}}}\n",
	  "it serves only udp", NULL, NULL },
	{ "version: 1\nserver_groups: {^w^: {}}\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {h: {protocol: tcp, "
	  "port: any, server_group: w}}}}\n",
	  "listener e/h has a range of ports", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: tcp, path: ^/x^}}}\n",
	  "health_check.path is for checks of type http or https only: add type: http or remove it",
	  NULL, "/server_groups/w/health_check/path" },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, path: ^x^}}}\n",
	  "a path begins with /", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, path: ^\"/a b\"^}}}\n",
	  "without blanks", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, host: ^\"a\\nb: c\"^}}}\n",
	  "without blanks", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, method: ^POST^}}}\n",
	  "accepted are GET, HEAD", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, expect: [200, ^600^]}}}\n",
	  "within 100-599", NULL, NULL },
	/* security groups */
	{ SECURITY("  s: {^rules^: {a: 1}}"), "rules: expected a list of rules, found a map", NULL,
	  NULL },
	{ SECURITY("  s: {rules: [^{^protocol: tcp}]}"), "rule s/1 has no action: add action", NULL,
	  "/security_groups/s/rules/0" },
	{ SECURITY("  s: {rules: [{action: allow}, {action: ^permit^}]}"),
	  "action \"permit\": accepted are allow, deny", NULL,
	  "/security_groups/s/rules/1/action" },
	{ SECURITY("  s: {rules: [{action: allow, source: ^10.0.0.1/8^}]}"),
	  "source \"10.0.0.1/8\": the address has bits behind the prefix length: write 10.0.0.0/8",
	  NULL, "/security_groups/s/rules/0/source" },
	{ SECURITY("  s: {rules: [{action: allow, source: [10.0.0.0/8, ^\"2001:db8::1/32\"^]}]}"),
	  "write 2001:db8::/32", NULL, "/security_groups/s/rules/0/source" },
	{ SECURITY("  s: {rules: [{action: allow, source: ^10.0.0.0/33^}]}"),
	  "source \"10.0.0.0/33\": accepted are a network like 10.0.0.0/8, an address", NULL,
	  NULL },
	{ SECURITY("  s: {rules: [{action: allow, source: ^example.org^}]}"),
	  "source \"example.org\": accepted are a network", NULL, NULL },
	{ SECURITY("  s: {rules: [{action: allow, protocol: icmp, port: ^80^}]}"),
	  "port has no meaning with protocol: icmp, only with tcp or udp", NULL,
	  "/security_groups/s/rules/0/port" },
	{ SECURITY("  s: {rules: [{action: allow, port: ^80^}]}"),
	  "port has no meaning with protocol: all, only with tcp or udp", NULL, NULL },
	{ SECURITY("  s: {rules: [{action: allow, source: 10.0.0.0/8, file: ^/etc/xlb/a^}]}"),
	  "source and file both say who is meant", NULL, "/security_groups/s/rules/0/file" },
	{ SECURITY("  s: {rules: [{action: allow, file: ^lists/a^}]}"),
	  "file \"lists/a\": accepted is a whole path", NULL, NULL },
	{ SECURITY("  s: {default: ^maybe^}"), "default \"maybe\": accepted are allow, deny", NULL,
	  "/security_groups/s/default" },
	{ SECURITY(
		  "  public: {}\nload_balancers: {e: {addresses: 1.2.3.4, security_groups: ^publik^}}"),
	  "load balancer e: security group \"publik\" does not exist: there is public",
	  "did you mean \"public\"?", "/load_balancers/e/security_groups" },
	{ SECURITY(
		  "  public: {}\nload_balancers: {e: {addresses: 1.2.3.4, security_groups: [public, ^x^]}}"),
	  "security group \"x\" does not exist", NULL, "/load_balancers/e/security_groups/1" },
	{ SECURITY(
		  "  public: {}\nload_balancers: {e: {addresses: 1.2.3.4, security_groups: [public, ^public^]}}"),
	  "the name is there twice", NULL, "/load_balancers/e/security_groups" },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, expect: ^600^}}}\n",
	  "health_check.expect \"600\": accepted are a status code, a range like 200-299, or a list, within 100-599",
	  NULL, "/server_groups/w/health_check/expect" },
	{ "version: 1\nserver_groups: {w: {health_check: {type: tcp, request: ^ping^}}}\n",
	  "health_check.request is for checks of type udp only: add type: udp or remove it", NULL,
	  "/server_groups/w/health_check/request" },
	{ "version: 1\nserver_groups: {w: {health_check: {type: none, expect: ^\"200\"^}}}\n",
	  "health_check.expect is for checks of type http, https or udp only: add type: http or remove it",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: udp, expect: ^[^200, 300]}}}\n",
	  "health_check.expect of a udp check is one text, not a list", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: udp, request: ^'a\\x0'^}}}\n",
	  "health_check.request \"a\\x0\": accepted are 1-512 bytes, where \\xHH, \\r, \\n, \\t and \\\\ stand for one each",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: udp, request: ^\"a\\xe9\"^}}}\n",
	  "write \\xHH for what cannot be printed, in single quotes", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: udp, request: ^\"\"^}}}\n",
	  "health_check.request \"\": accepted are 1-512 bytes", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: icmp, port: ^80^}}}\n",
	  "health_check.port is for checks of type tcp, http, https, udp or exec only", NULL,
	  NULL },
	{ "version: 1\nserver_groups: {w: {forward: dr, health_check: {type: icmp, via: ^datapath^}}}\n",
	  "via: datapath is not for checks of type icmp: a ping asks the host, not a service at the VIP",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {forward: dr, health_check: {type: exec, command: [/x], via: ^datapath^}}}\n",
	  "via: datapath is not for checks of type exec: a program makes connections of its own",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {^health_check^: {type: https, port: 443}}}\n",
	  "an https check must say whom it trusts: add ca: /etc/xlb/NAME.pem, ca: system, or verify: false",
	  NULL, "/server_groups/w/health_check" },
	{ "version: 1\nserver_groups: {w: {health_check: {type: https, verify: false, ca: ^system^}}}\n",
	  "health_check.ca has no meaning with verify: false", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: https, ca: ^ca.pem^}}}\n",
	  "health_check.ca \"ca.pem\": accepted are a path that begins with / and the word system",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: http, sni: ^a^}}}\n",
	  "health_check.sni is for checks of type https only", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {^health_check^: {type: exec}}}\n",
	  "an exec check must say what it runs: add command: [/etc/xlb/checks/NAME, ARGUMENT...]",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: exec, command: ^[^true]}}}\n",
	  "health_check.command \"true\": the first is the program's path, which begins with /",
	  NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: exec, command: [/a, ^\"b\\n\"^]}}}\n",
	  "accepted are a list of at most 32 texts, each of 1-255 printable ASCII characters", NULL,
	  NULL },
	{ "version: 1\nserver_groups: {w: {forward: dr, ^health_check^: {type: udp, port: 53}}}\n",
	  "a udp check that goes through the datapath needs an answer", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {passive: {failures: ^0^}}}\n",
	  "passive.failures \"0\": accepted are 1-1000000", NULL,
	  "/server_groups/w/passive/failures" },
	{ "version: 1\nserver_groups: {w: {passive: {failures: 3, window: ^2m^}}}\n",
	  "passive.window \"2m\": accepted are 1s-1m", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {passive: {failures: 3, max_ejected: ^101%^}}}\n",
	  "passive.max_ejected \"101%\"", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {passive: {window: ^10s^}}}\n",
	  "passive.window has no meaning without passive.failures", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {forward: dr, passive: {failures: ^3^}}}\n",
	  "passive checks need to see what servers answer", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {health_check: {type: none}, passive: {failures: ^3^}}}\n",
	  "only a health check can tell when a server that was ejected may come back", NULL, NULL },
	{ "version: 1\nserver_groups: {w: {^health_check^: {type: udp}, servers: {a: {address: 10.0.0.1}}}}\n",
	  "server w/a has no port, so its health check must say the port", NULL, NULL },
};

/* Takes the ^ out of the text; they say where the error must be. */
static void find_mark(const char *marked, char *text, uint32_t *line, uint32_t *column,
		      uint32_t *length)
{
	const char *open = strchr(marked, '^'), *close = strchr(open + 1, '^');
	const char *start = open;

	while (start > marked && start[-1] != '\n')
		start--;
	*line = 1;
	for (const char *p = marked; p < open; p++)
		*line += *p == '\n';
	*column = (uint32_t)(open - start) + 1;
	*length = (uint32_t)(close - open) - 1;
	sprintf(text, "%.*s%.*s%s", (int)(open - marked), marked, (int)(close - open - 1), open + 1,
		close + 1);
}

static char *line_of(char *text, uint32_t line)
{
	while (line-- > 1)
		text = strchr(text, '\n') + 1;
	return text;
}

static void bad_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_rows); i++) {
		const struct bad *row = &bad_rows[i];
		uint32_t line, column, length;
		struct model *model = NULL;
		struct xlb_err err = {};
		char text[2000];

		find_mark(row->text, text, &line, &column, &length);
		print_message("# %zu: %s\n", i, row->words);
		assert_int_equal(read_text(text, &model, &err), -EINVAL);
		print_message("# %s:%u:%u+%u: %s [%s]\n", err.file, err.line, err.column,
			      err.length, err.text, err.hint);
		assert_null(model);
		assert_int_equal(err.class, XLB_ERR_CONFIG);
		assert_string_equal(err.file, "x.yaml");
		assert_non_null(strstr(err.text, row->words));
		if (row->hint)
			assert_non_null(strstr(err.hint, row->hint));
		else
			assert_string_equal(err.hint, "");
		if (row->pointer)
			assert_string_equal(err.pointer, row->pointer);
		assert_int_equal(err.line, line);
		assert_int_equal(err.column, column);
		assert_int_equal(err.length, length);
		assert_string_equal(err.source, strtok(line_of(text, line), "\n"));
	}
}

static void empty_text(void **state)
{
	struct model *model = NULL;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(read_text("", &model, &err), -EINVAL);
	assert_string_equal(err.text, "x.yaml holds no configuration: begin with \"version: 1\"");
	assert_int_equal(read_text("---\n", &model, &err), -EINVAL);
	assert_int_equal(err.class, XLB_ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_input),
		cmocka_unit_test(empty_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("bad input", tests, NULL, NULL);
}
