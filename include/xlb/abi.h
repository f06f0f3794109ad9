/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the datapath (bpf/) and the daemon (user/): every map key and value.
 *
 * Rules of this file:
 *  - fixed-width types only, explicit pads, no enum members, no bit-fields, no packed; a size assert
 *    follows every struct and -Wpadded is an error between push and pop;
 *  - __be16 is network byte order, every other integer is host order;
 *  - a map value may be written while packets read it only if each aligned 8-byte word of it is
 *    consistent by itself: the kernel copies values word by word, wider values tear. Structs below
 *    mark such words "live"; everything else is written before the first reference to the id;
 *  - id 0 means "none" in every id space;
 *  - any change of layout or meaning raises XLB_ABI, which is part of the pin path.
 */
#ifndef XLB_ABI_H
#define XLB_ABI_H

#include <linux/types.h>

#define XLB_ABI 9

#define XLB_MAX_INTERFACES 256	 /* NICs and VLAN devices on them */
#define XLB_MAX_ADDRESSES  32768 /* VIPs, SNAT addresses, servers of nat groups */
#define XLB_MAX_VIPS	   4096
#define XLB_MAX_LBS	   4096 /* load balancers */
#define XLB_MAX_LISTENERS  8192
#define XLB_MAX_GROUPS	   4096
#define XLB_MAX_SERVERS	   16384
#define XLB_MAX_NEXTHOPS   16384
#define XLB_MAX_SNATS	   1024 /* SNAT addresses */
#define XLB_MAX_PORT_PAGES 16384
#define XLB_MAX_PROBES	   65536
#define XLB_MAX_HOPS	   65536   /* learned ways back to clients */
#define XLB_MAX_QUIC_IDS   131072  /* learned connection ids: 13 MiB */
#define XLB_MAX_AFFINITIES 262144  /* source addresses with a server */
#define XLB_DEFAULT_FLOWS  1048576 /* of each family, unless the daemon is told otherwise */

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

#define XLB_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(struct type) == (size), "size of struct " #type " is part of the ABI")

/* An address of either family; IPv4 is stored as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct xlb_addr {
	union {
		__u8 bytes[16];
		__u32 words[4]; /* network order inside each word */
	};
};
XLB_ASSERT_SIZE(xlb_addr, 16);

/* families as flows and servers carry them */
#define XLB_IPV4 4
#define XLB_IPV6 6

#define XLB_INTERFACE_RETURNS 1U /* there are nat groups: packets may be replies by their source */
#define XLB_INTERFACE_PROBES  2U /* there are health checks through the datapath, see `probes` */
#define XLB_INTERFACE_TAGGED  4U /* a VLAN device */

/* VLAN tags as they lie in a frame, EtherType first; the outer one first, 0: none. */
#define XLB_VLAN_TAGS 2
struct xlb_vlan_tags {
	__be32 tag[XLB_VLAN_TAGS];
};
XLB_ASSERT_SIZE(xlb_vlan_tags, 8);

/*
 * table `interfaces`: interface slot -> a NIC, or a VLAN device on one, which is a way in and out like a NIC of its own
 * whose frames have tags. Slots are handed out by the daemon, 1 .. MAX-1.
 */
struct xlb_interface {
	/* live word */
	__u32 ifindex; /* of the NIC */
	__u32 mtu;
	/* live word */
	__u8 mac[6];
	__u8 flags; /* XLB_INTERFACE_* */
	__u8 nic;   /* slot of the NIC: of one that is a NIC, its own */
	/* live word; without priority, none for a NIC */
	struct xlb_vlan_tags tags __attribute__((aligned(8)));
};
XLB_ASSERT_SIZE(xlb_interface, 24);
_Static_assert(XLB_MAX_INTERFACES <= 256, "a slot is a byte of struct xlb_interface");

/*
 * table `interface_slots`: which slot a NIC has; a port of a bond has the bond's. An ifindex may be in XLB_PROBES places from ifindex %
 * XLB_INTERFACE_PLACES on, up to the first that was never used; slot 0: free again.
 */
#define XLB_INTERFACE_PLACES 1024
#define XLB_PROBES	     16
struct xlb_interface_slot {
	/* live word */
	__u32 ifindex;
	__u32 slot;
};
XLB_ASSERT_SIZE(xlb_interface_slot, 8);

/*
 * table `vlan_slots`: which slot a VLAN device has. One may be in XLB_PROBES places from xlb_hash_vlan on, up to the
 * first that was never used; the tags are written while the slot is 0, which says that the place is free.
 */
#define XLB_VLAN_PLACES 1024
struct xlb_vlan_slot {
	struct xlb_interface_slot nic
		__attribute__((aligned(8))); /* live word: ifindex of the NIC */
	struct xlb_vlan_tags tags;
};
XLB_ASSERT_SIZE(xlb_vlan_slot, 16);

#define XLB_ADDRESS_RETURNS 1U /* a server's whose packets to clients come back through xlb (nat) */

/* Role of an address. */
struct xlb_address {
	__u32 vip;   /* id of the VIP, 0: not a VIP */
	__u16 snat;  /* id of the SNAT address, 0: not one */
	__u16 flags; /* XLB_ADDRESS_* */
};
XLB_ASSERT_SIZE(xlb_address, 8);

/*
 * table `addresses`: looked up for every packet's destination, and for its source where XLB_INTERFACE_RETURNS says
 * so. An address may be in XLB_PROBES places from xlb_hash_addr on, up to the first that was never used; addr is
 * written while the role is all zero, which says that the place is free.
 */
#define XLB_ADDRESS_PLACES 131072
struct xlb_address_place {
	struct xlb_address role __attribute__((aligned(8))); /* live word */
	struct xlb_addr addr;
};
XLB_ASSERT_SIZE(xlb_address_place, 24);

#define XLB_VIP_HOST 1U /* the host's own address: what no listener matches passes to the stack */

/* table `vips`: VIP id -> its two port sets */
struct xlb_vip {
	/* live word: root pages in `port_pages`, 0: no listener of that protocol */
	__u32 tcp_root;
	__u32 udp_root;
	/* live word */
	__u32 flags; /* XLB_VIP_* */
	__u32 rules; /* rule set of echo requests, 0: none */
};
XLB_ASSERT_SIZE(xlb_vip, 16);

/*
 * map `port_pages`: radix-256 port match. A root page is indexed by the port's high byte, a leaf page
 * by its low byte. An entry is 0 (no listener), a listener id, or (root pages only) XLB_PORT_PAGE |
 * index of a leaf page. Pages are written only while nothing refers to them.
 */
#define XLB_PORT_PAGE 0x80000000U
struct xlb_port_page {
	__u32 entry[256];
	__u64 hash; /* of the whole port set; root pages only, for adoption after a restart */
};
XLB_ASSERT_SIZE(xlb_port_page, 1032);

#define XLB_LISTENER_DISABLED 1U /* keeps its flows, takes no new ones */
#define XLB_LISTENER_SPLIT    2U /* row `splits` says which group takes a new flow */
#define XLB_LISTENER_SOURCE   4U /* ... by the client's address alone */

#define XLB_LIMITED_LISTENER  1U
#define XLB_LIMITED_LB	      2U
#define XLB_LIMITED_SOURCE    4U /* by the listener, for its source address */
#define XLB_LIMITED_LB_SOURCE 8U
#define XLB_LIMITED_SOURCES   (XLB_LIMITED_SOURCE | XLB_LIMITED_LB_SOURCE)

/* What a listener's packets are held to (one live word). */
struct xlb_limited {
	__u32 lb; /* load balancer id, 0: none */
	__u32 by; /* XLB_LIMITED_* */
};
XLB_ASSERT_SIZE(xlb_limited, 8);

/* table `listeners` */
struct xlb_listener {
	/* live word */
	__u32 group; /* server group id; with SPLIT one of them, as good as any for what they have in common */
	__u32 flags; /* XLB_LISTENER_* */
	/* live word */
	__u32 idle_timeout; /* seconds */
	__u16 mss;   /* the most that SYN segments may announce, 0: what fits the interfaces */
	__u16 rules; /* rule set of packets that start a flow, 0: none */
	struct xlb_limited limited __attribute__((aligned(8)));
};
XLB_ASSERT_SIZE(xlb_listener, 24);

/*
 * table `splits`: listener id -> groups that share its new flows. Each has the hashes (xlb_hash_split) from the limit
 * of the one before up to its own, which is the last of them; the last group's is the last of all.
 */
#define XLB_SPLIT_GROUPS 8
struct xlb_split_group {
	/* live word */
	__u32 group; /* id; 0: no more */
	__u32 limit;
};
XLB_ASSERT_SIZE(xlb_split_group, 8);
struct xlb_split {
	struct xlb_split_group groups[XLB_SPLIT_GROUPS] __attribute__((aligned(8)));
};
XLB_ASSERT_SIZE(xlb_split, 64);

/* Reference to a table inside a chunk of a map of maps (one live word). */
struct xlb_table_ref {
	__u16 chunk;  /* index in the outer map */
	__u16 offset; /* index of the table inside the chunk */
	__u32 epoch;  /* 0: no table; else raised by every switch */
};
XLB_ASSERT_SIZE(xlb_table_ref, 8);

#define XLB_QUIC_ID_MAX 20 /* bytes of a connection id (RFC 9000 section 17.2) */
#define XLB_QUIC_SERVER_ID_MAX \
	15		   /* of a server id in one, which has a first octet and a nonce of 4 */
#define XLB_QUIC_CONFIGS 7 /* values of its first three bits; the eighth: no server id */

/* By what a new flow takes a server from its group's table. */
#define XLB_BY_TUPLE  0 /* a slot by the hash of addresses, ports and protocol */
#define XLB_BY_SOURCE 1 /* a slot by the hash of the client's address */
#define XLB_BY_TURN   2 /* one slot after the other */
#define XLB_BY_LOAD \
	3 /* a row by chance, of its servers the one with fewest open flows for its weight */

/* What chooses a group's servers for packets of no flow (one live word). */
struct xlb_choice {
	__u8 id_length; /* bytes that count of a connection id of QUIC; 0: ids do not choose */
	__u8 server_id_length; /* 0: no server has an id */
	__u8 config; /* ids of which first bits have a server id; XLB_QUIC_CONFIGS: of any */
	__u8 by;     /* XLB_BY_* */
	__u32 affinity; /* seconds that a source address stays with its server after its last new flow; 0: it does not */
};
XLB_ASSERT_SIZE(xlb_choice, 8);

/* Groups in the place of one that has too few healthy servers (one live word); ids, 0: none. */
struct xlb_instead {
	__u16 ipv4;	/* takes its new flows from IPv4 clients */
	__u16 ipv6;	/* ... from IPv6 clients */
	__u16 fallback; /* its fallback, whether it takes any now or not */
	__u16 pad;
};
XLB_ASSERT_SIZE(xlb_instead, 8);
_Static_assert(XLB_MAX_GROUPS <= 1 << 16, "a group fits struct xlb_instead");
/* Groups in a row by their fallbacks, the first included. */
#define XLB_FALLBACKS 4

/* table `groups`: server group id -> one table of slots per family (two live words), and what is a row of its own */
struct xlb_group {
	struct xlb_table_ref table4;
	struct xlb_table_ref table6;
	struct xlb_choice choice __attribute__((aligned(8)));
	struct xlb_instead instead __attribute__((aligned(8)));
};
XLB_ASSERT_SIZE(xlb_group, 32);

/* map `quic_servers`: whom a server id names, for clients of either family (one live word); 0: nobody */
struct xlb_quic_server_key {
	__u32 group;
	__u8 id[16]; /* zero behind its end: all of a group are of one length */
};
XLB_ASSERT_SIZE(xlb_quic_server_key, 20);
struct xlb_quic_server {
	__u32 ipv4;
	__u32 ipv6;
};
XLB_ASSERT_SIZE(xlb_quic_server, 8);

/*
 * map `quic_ids`: which server a connection is with, by the id that the server has chosen for it, as seen in the
 * handshake. Made by the datapath, least recently used first out.
 */
struct xlb_quic_id {
	union {
		__u8 bytes[XLB_QUIC_ID_MAX]; /* the first id_length; zero behind */
		__u32 words[XLB_QUIC_ID_MAX / 4];
	};
	__u32 vip;   /* id */
	__be16 port; /* that the client asked for */
	__u8 pad[2];
};
XLB_ASSERT_SIZE(xlb_quic_id, 28);
struct xlb_quic_owner {
	__u32 server; /* id */
	__u32 seal; /* of what the server was then: an id may become another server's (xlb_server_seal) */
};
XLB_ASSERT_SIZE(xlb_quic_owner, 8);

/*
 * map `affinities`: which server of a group a source address is with. Made by the datapath where the group's choice has
 * `affinity`, least recently used first out.
 */
struct xlb_affinity_key {
	__u32 group;
	struct xlb_addr client;
};
XLB_ASSERT_SIZE(xlb_affinity_key, 20);
struct xlb_affinity {
	__u32 server; /* id */
	__u32 seal;   /* of what the server was then, as of struct xlb_quic_owner */
	__u32 stamp;  /* as of flows, of the last new flow; changed in place */
};
XLB_ASSERT_SIZE(xlb_affinity, 12);

/*
 * map of maps `maglev_chunks`: each chunk is an array of __u64 holding XLB_MAGLEV_PER_CHUNK tables of
 * XLB_MAGLEV_WORDS words. Slot s of a table is the 16-bit server id in bits (s % 4) * 16 of word s / 4;
 * word XLB_MAGLEV_HASH_WORD is the content hash.
 * Of a group that goes by load (XLB_BY_LOAD) a word is a row of servers, which differ if the group has so many.
 */
#define XLB_MAGLEV_SLOTS     65537
#define XLB_ROWS	     16384
#define XLB_ROW_SERVERS	     4
#define XLB_MAGLEV_HASH_WORD 16385
#define XLB_MAGLEV_WORDS     16388
#define XLB_MAGLEV_PER_CHUNK 16
#define XLB_MAGLEV_CHUNKS    256

/*
 * map of maps `snat_chunks`: each chunk is an array of __u64 holding XLB_SNAT_PER_CHUNK port bitmaps of
 * XLB_SNAT_WORDS words. Bit (p % 64) of word p / 64 is set while port p is taken or not in the pool.
 * A bitmap serves one pair (server address, SNAT address): the same port serves many servers.
 * Ports below XLB_SNAT_FIRST_PORT are in no pool; of their words, word XLB_SNAT_RANGE_WORD tells the pool's
 * range: first port in bits 0-15, last port in bits 16-31 (where a search for a free port looks).
 */
#define XLB_SNAT_FIRST_PORT 1024
#define XLB_SNAT_RANGE_WORD 0
#define XLB_SNAT_WORDS	    1024
#define XLB_SNAT_PER_CHUNK  64
#define XLB_SNAT_CHUNKS	    256

/*
 * map of maps `rule_chunks`: the memory of rule sets (rules.h), XLB_RULES_PER_CHUNK pages of 4 KiB to a chunk, numbered
 * through. A set is a run of pages, which may go on in the next chunk.
 */
#define XLB_RULES_PER_CHUNK  256
#define XLB_RULES_CHUNKS     256
#define XLB_MAX_RULE_SETS    4096
#define XLB_RULES_PAGE_WORDS 512
struct xlb_rules_page {
	__u64 word[XLB_RULES_PAGE_WORDS];
};
XLB_ASSERT_SIZE(xlb_rules_page, 4096);

/* An answer: a bit, and which rules have decided: 1 + its number of all in the set, 0: none did */
#define XLB_RULES_ALLOW	    0x80000000U
#define XLB_RULES_HIT_BITS  15
#define XLB_RULES_RULES_MAX ((1U << XLB_RULES_HIT_BITS) - 2)
/* level 0: of the load balancer's groups, 1: of the listener's */
#define xlb_rules_hit(answer, level) \
	((answer) >> ((level)*XLB_RULES_HIT_BITS) & ((1U << XLB_RULES_HIT_BITS) - 1))

/* table `rule_sets`: rule set id -> its pages (one live word) */
struct xlb_rules_ref {
	__u32 page;  /* the first */
	__u32 epoch; /* 0: no set; else raised by every switch */
};
XLB_ASSERT_SIZE(xlb_rules_ref, 8);

/* table `snats`: SNAT address id -> address */
struct xlb_snat {
	struct xlb_addr addr;
};
XLB_ASSERT_SIZE(xlb_snat, 16);

/* One SNAT address usable towards a server. */
struct xlb_snat_pool {
	__u16 snat;   /* SNAT address id */
	__u16 bitmap; /* chunk = bitmap / XLB_SNAT_PER_CHUNK; bitmap ids start at 1 */
};
XLB_ASSERT_SIZE(xlb_snat_pool, 4);

#define XLB_SERVER_DOWN	   1U /* failed its health check: its UDP flows are re-picked at once */
#define XLB_SERVER_RESET   2U /* drain is over: its TCP flows get RST, its UDP flows are forgotten */
#define XLB_SERVER_QUIC	   4U /* its group goes by connection ids: they are learned from its flows */
#define XLB_SERVER_METERED 8U /* a listener that it serves has limits for every packet */
#define XLB_SERVER_POOLS   8

/* table `servers`: one address of one server under one forwarding mode; anything else is a new id */
struct xlb_server {
	struct xlb_addr addr;
	__be16 port;	    /* 0: keep the client's destination port */
	__u8 family;	    /* XLB_IPV4 or XLB_IPV6 */
	__u8 mode;	    /* enum xlb_mode */
	__u8 encapsulation; /* enum xlb_encapsulation, of a mode that has one */
	__u8 near_bits; /* clients that share so many bits of addr answer it past xlb, so nat gives way to fullnat */
	__u8 pool_count;
	__u8 pad;
	/* live word */
	__u16 nexthop;
	__u16 weight; /* of a group that goes by load or has affinity: the server's share of new flows, 0: it takes none */
	__u32 flags;  /* XLB_SERVER_* */
	/* with encapsulation the first names the source of the outer header and has no bitmap */
	struct xlb_snat_pool pools[XLB_SERVER_POOLS];
};
XLB_ASSERT_SIZE(xlb_server, 64);
_Static_assert(XLB_MAX_NEXTHOPS <= 1 << 16, "a next hop fits struct xlb_server");

/* tables `nexthops` and `hops`: one live word; interface 0: not resolved */
struct xlb_nexthop {
	__u8 mac[6];
	__u16 interface; /* interface slot */
};
XLB_ASSERT_SIZE(xlb_nexthop, 8);

/* A flow's identity in words: the client, the VIP (not its address: one VIP id per address) and the port asked for. */
struct xlb_flow_key {
	struct xlb_addr client;
	__u32 vip;
	__be16 client_port;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family;   /* of the client side, XLB_IPV4 or XLB_IPV6 */
	__u8 pad[2];
};
XLB_ASSERT_SIZE(xlb_flow_key, 28);

/*
 * How a reply finds its flow: by the server's end and the end that the server takes for the client's, which
 * is a SNAT address and port, or with nat the client's own address.
 */
struct xlb_reply_key {
	struct xlb_addr server;
	struct xlb_addr peer;
	__be16 server_port;
	__be16 peer_port;
	__u8 protocol;
	__u8 pad[3];
};
XLB_ASSERT_SIZE(xlb_reply_key, 40);

/* TCP states of a flow; UDP flows are new until the server answers, then established. */
#define XLB_FLOW_FREE	     0
#define XLB_FLOW_NEW	     1
#define XLB_FLOW_ESTABLISHED 2
#define XLB_FLOW_CLOSING     3 /* one FIN, or a RST that may still be proven false */
#define XLB_FLOW_CLOSED	     4
#define XLB_FLOW_TOMBSTONE   5 /* killed, idled out or drained: answers the next segment with RST */
#define XLB_FLOW_BUSY	     6 /* being made */
#define XLB_FLOW_DEAD	     7 /* claimed by the one who deletes it; gone in a moment */

#define XLB_FLOW_SHOWN 1U /* of a busy one: its key is written */

#define XLB_FLOW_FIN_CLIENT 1U
#define XLB_FLOW_FIN_SERVER 2U
#define XLB_FLOW_RST_CLIENT 4U
#define XLB_FLOW_RST_SERVER 8U

/* seconds; a flow in the state is forgotten this long after its last packet */
#define XLB_TIMEOUT_NEW_TCP   30
#define XLB_TIMEOUT_CLOSING   120
#define XLB_TIMEOUT_RST	      10
#define XLB_TIMEOUT_CLOSED    60
#define XLB_TIMEOUT_TOMBSTONE 60

/* stamps count units of 2^30 ns of CLOCK_MONOTONIC (coarse): 1.07 s */
#define XLB_STAMP_SHIFT 30

/*
 * map `probes`: a socket of a health check that goes the way of clients. While it speaks to the server, packets
 * on the wire are to the VIP and from it.
 */
struct xlb_probe_key {
	__be16 port; /* the host's, which no other socket has */
	__u8 protocol;
	__u8 family;
};
XLB_ASSERT_SIZE(xlb_probe_key, 4);

struct xlb_probe {
	struct xlb_addr server;
	struct xlb_addr vip; /* of the same family */
	__u8 encapsulation;  /* enum xlb_encapsulation, 0: none */
	__u8 pad[7];
};
XLB_ASSERT_SIZE(xlb_probe, 40);

/* packets that xlb makes for what belongs to no flow, or cannot go on */
enum xlb_answer {
	XLB_ANSWER_RST,
	XLB_ANSWER_ICMP,
	XLB_ANSWER_COUNT,
};

#define XLB_ANSWERS_PER_SECOND 1000 /* of each kind, on each CPU */

/* map `budgets`: enum xlb_answer -> those already made in a second of CLOCK_MONOTONIC (coarse) */
struct xlb_budget {
	__u64 second;
	__u64 sent;
};
XLB_ASSERT_SIZE(xlb_budget, 16);

/*
 * table `path_mtus`: what routers have said of the way to servers that get outer headers, by xlb_hash_addr of the
 * server's address. One word, written by the datapath: what a collision forgets is learned again.
 */
#define XLB_PATH_MTUS	  4096
#define XLB_PATH_MTU	  0, 16
#define XLB_PATH_STAMP	  16, 20 /* as of flows, when it was last heard */
#define XLB_PATH_TAG	  36, 20 /* upper bits of the hash: whose it is */
#define XLB_PATH_SET	  63, 1
#define XLB_PATH_LIFETIME 600 /* seconds; then a larger packet is tried (RFC 1191 section 6.3) */

#define XLB_MAX_FRAGMENTED    8192 /* packets of which fragments are under way; the oldest gives way */
#define XLB_FRAGMENT_LIFETIME 30 /* seconds from the first fragment on */

/* map `fragmented`: what the first fragment of a packet has said. Written by the datapath alone. */
struct xlb_fragment_key {
	struct xlb_addr source, destination;
	__u32 id; /* as it lies in the packet */
	__u8 protocol;
	__u8 family;
	__u8 pad[2];
};
XLB_ASSERT_SIZE(xlb_fragment_key, 40);

struct xlb_fragment {
	struct xlb_addr source, destination; /* that it is to have, in modes that change them */
	__u32 listener, server;
	__u32 hop; /* of a reply: number of the way back */
	union {
		__u32 id; /* that it is to have */
		/* of a mode that keeps all of a packet: those of the first one, which outer headers are spread by */
		struct {
			__be16 source_port, destination_port;
		};
	};
	__u32 stamp; /* as of flows */
	__u8 mode;   /* enum xlb_mode */
	__u8 family; /* that it is to have */
	__u8 reply;
	__u8 pad;
};
XLB_ASSERT_SIZE(xlb_fragment, 56);

#define XLB_END_DELETE	  1 /* the entry, its reply locator and its SNAT port go */
#define XLB_END_TOMBSTONE 2 /* the next segment of either side is answered with RST */

/* bytes of a dropped packet that are kept */
#define XLB_SAMPLE_BYTES  128
/* a reason's sample on a CPU is renewed no sooner than after so many ns */
#define XLB_SAMPLE_PERIOD 100000000ULL

/* map `drop_samples`, per CPU: reason -> the last packet dropped for it, as it was when it was dropped */
struct xlb_drop_sample {
	__u32 sequence; /* odd while the program writes */
	__u32 slot;
	__u64 time; /* CLOCK_MONOTONIC (coarse), ns; 0: none yet */
	__u32 listener, server;
	__u32 length;	/* of the frame */
	__u32 captured; /* bytes of it in data */
	__u8 data[XLB_SAMPLE_BYTES];
};
XLB_ASSERT_SIZE(xlb_drop_sample, 160);

/*
 * What the datapath tells who watches it, through the ring buffer `events` of an observing variant of the
 * program (bpf/variant.h). `captured` bytes of the frame follow the struct.
 */
struct xlb_event {
	__u64 time;   /* CLOCK_MONOTONIC, ns */
	__u64 number; /* joins BEFORE and AFTER of one packet; the CPU in bits 48-63 */
	__u64 flow;   /* word `live` of the flow that the packet found */
	__u32 length; /* of the frame */
	__u32 captured;
	__u32 slot;	   /* NIC it came in by */
	__u32 link;	   /* the same, or the VLAN device on it */
	__u32 egress;	   /* slot of the NIC it leaves by, 0: it does not */
	__u32 egress_link; /* the same, or the VLAN device on it */
	__u32 vip;	   /* role of its destination */
	__u32 snat;	   /* the same */
	__u32 listener;	   /* ids, 0 while not known */
	__u32 group;
	__u32 server;
	__u32 maglev_slot; /* with XLB_FOUND_SLOT */
	__u32 nexthop;	   /* id; 0: the hop that the flow has learned */
	__u32 lost;	   /* frames, of LOST */
	__u8 stage;	   /* XLB_EVENT_* */
	__u8 verdict;	   /* enum xlb_verdict */
	__u8 reason;	   /* enum xlb_reason */
	__u8 found;	   /* XLB_FOUND_* */
	__u8 watches;	   /* bit per entry of `watches` that it is for */
	__u8 error;	   /* errno, of LOST */
	__u8 protocol;
	__u8 tcp_flags;
	/* ends of the packet as it came and, if it is forwarded, as it leaves */
	struct xlb_addr source, destination, new_source, new_destination;
	__be16 source_port, destination_port, new_source_port, new_destination_port;
};
XLB_ASSERT_SIZE(xlb_event, 160);

#define XLB_EVENT_BEFORE 1 /* decided; the bytes are those that came */
#define XLB_EVENT_AFTER	 2 /* the bytes are those that leave */
#define XLB_EVENT_LOST	 3 /* frames lost after the verdict, no bytes */

#define XLB_FOUND_FLOW	1U   /* a flow */
#define XLB_FOUND_REPLY 2U   /* that it comes from a server */
#define XLB_FOUND_SLOT	4U   /* a server by its hash */
#define XLB_FOUND_NEW	8U   /* that a flow must be made */
#define XLB_FOUND_NAMED 16U  /* the server that a connection id of QUIC names */
#define XLB_FOUND_OWNER 32U  /* the server that was seen to choose the connection id */
#define XLB_FOUND_ID	64U  /* the slot by the connection id */
#define XLB_FOUND_KEPT	128U /* the server that the source address is with */

#define XLB_EVENT_BYTES_MAX 4096 /* of a frame */

/* One end of a packet: an address under a mask and a port (0: any). */
struct xlb_watch_end {
	struct xlb_addr addr, mask;
	__be16 port;
	__u8 pad[6];
};
XLB_ASSERT_SIZE(xlb_watch_end, 40);

/* which members of struct xlb_watch count */
#define XLB_WATCH_ACTIVE   1U
#define XLB_WATCH_SLOT	   2U
#define XLB_WATCH_LISTENER 4U
#define XLB_WATCH_SERVER   8U
#define XLB_WATCH_PROTOCOL 16U
#define XLB_WATCH_VERDICT  32U
#define XLB_WATCH_REASON   64U
#define XLB_WATCH_ENDS	   128U /* each must be found among the packet's ends, before or after */

#define XLB_WATCHES	    4
#define XLB_WATCH_ENDS_MAX  3
/* bit of variable `watched` beside those of the watches: packets are counted per flow */
#define XLB_WATCHED_MEASURE 128U

/* Who wants which packets; variable `watches` of an observing variant. */
struct xlb_watch {
	__u32 set;  /* XLB_WATCH_*; 0: nobody */
	__u32 snap; /* bytes of each packet wanted, at most XLB_EVENT_BYTES_MAX */
	__u32 slot;
	__u32 listener;
	__u32 server;
	__u32 other_server; /* as good as `server`: a server has an id per address; 0: none */
	__u8 protocol;
	__u8 verdict;
	__u8 reason;
	__u8 without; /* bit 1 << XLB_EVENT_*: events not wanted */
	struct xlb_watch_end ends[XLB_WATCH_ENDS_MAX];
};
XLB_ASSERT_SIZE(xlb_watch, 148);

/* map `flow_traffic` of an observing variant: what flows did while that was wanted */
struct xlb_flow_traffic {
	__u64 packets;
	__u64 bytes; /* layer 2 included, both directions */
};
XLB_ASSERT_SIZE(xlb_flow_traffic, 16);

#pragma GCC diagnostic pop

#endif
