/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capture files, as draft-ietf-opsawg-pcapng describes them: blocks of one section, in the byte order of
 * this host, Ethernet frames, times in nanoseconds since 1970.
 */
#ifndef XLB_CORE_PCAPNG_H
#define XLB_CORE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* bytes of a text that are kept */
#define PCAPNG_TEXT_MAX		   500
/* enough for every block that is written here with at most so many captured bytes */
#define PCAPNG_BLOCK_MAX(captured) ((captured) + 1200)

#define PCAPNG_SECTION	  0x0a0d0d0aU
#define PCAPNG_INTERFACE  1U
#define PCAPNG_STATISTICS 5U
#define PCAPNG_PACKET	  6U

/* options of a PACKET and of STATISTICS */
#define PCAPNG_COMMENT	     1
#define PCAPNG_FLAGS	     2
#define PCAPNG_PACKET_ID     5
#define PCAPNG_VERDICT	     7
#define PCAPNG_START_TIME    2
#define PCAPNG_END_TIME	     3
#define PCAPNG_IF_RECEIVED   4
#define PCAPNG_IF_DROPPED    5
#define PCAPNG_USER_RECEIVED 8

/* values of PCAPNG_FLAGS, which direction a packet had */
#define PCAPNG_INBOUND	1U
#define PCAPNG_OUTBOUND 2U

struct pcapng_packet {
	uint32_t interface; /* its number in the section, by order of pcapng_interface() */
	uint64_t time;	    /* ns */
	uint32_t length;    /* of the frame; `captured` bytes of it are in data */
	uint32_t captured;
	const uint8_t *data;
	const char *comment; /* NULL: none */
	uint32_t flags;	     /* 0: direction not known */
	uint64_t id;	     /* of the packet, the same wherever it is seen; 0: none */
	int verdict;	     /* the action of XDP, -1: none */
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t start, end; /* ns */
	uint64_t received,
		dropped;     /* packets that matched, those of them that are not in the file */
	const char *comment; /* NULL: none */
};

/*
 * Each writes one block to ret and returns its length, or 0 if it does not fit into size. A file is a section,
 * its interfaces (others may follow later), packets, in the end statistics of each interface.
 */
size_t pcapng_section(const char *application, const char *comment, uint8_t *ret, size_t size);
size_t pcapng_interface(const char *name, uint32_t snap, uint8_t *ret, size_t size);
size_t pcapng_packet(const struct pcapng_packet *packet, uint8_t *ret, size_t size);
size_t pcapng_statistics(const struct pcapng_statistics *statistics, uint8_t *ret, size_t size);

/* Reading back what was written here. */
struct pcapng_block {
	uint32_t type;
	const uint8_t *data; /* the whole block */
	uint32_t length;
};
/* The block at the start of data: 0; -EAGAIN if there are not yet all bytes of it; -EINVAL if there is none. */
int pcapng_read(const uint8_t *data, size_t size, struct pcapng_block *ret);
/* Value of an option of a PACKET or of STATISTICS; NULL if there is none of that length (0: any). */
const uint8_t *pcapng_option(const struct pcapng_block *block, uint16_t code, uint16_t length);

#endif
