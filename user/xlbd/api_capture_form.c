// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The forms of a capture: pcapng, and a JSON object a line. */
#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/words.h"
#include "core/packet.h"
#include "xlbd/api_capture.h"
#include "xlbd/version.h"

/* --- words -------------------------------------------------------------------------------------- */

static const char *const stages[] = {
	[XLB_EVENT_BEFORE] = "before",
	[XLB_EVENT_AFTER] = "after",
	[XLB_EVENT_LOST] = "lost",
};

static const char *stage_word(uint32_t stage)
{
	return stage < sizeof(stages) / sizeof(stages[0]) ? stages[stage] : NULL;
}

static const char *capture_name_of(const struct capture *capture, enum id_kind kind, uint32_t id,
				   char ret[ID_KEY_MAX])
{
	return ids_name(engine_ids(capture->call->api->engine), kind, id, ret);
}

/* --- pcapng -------------------------------------------------------------------------------------- */

/* what XDP was told, as <linux/bpf.h> has it */
static const int actions[XLB_VERDICT_COUNT] = {
	[XLB_VERDICT_NONE] = -1, [XLB_VERDICT_PASS] = 2, [XLB_VERDICT_DROP] = 1,
	[XLB_VERDICT_RESET] = 3, [XLB_VERDICT_TX] = 3,	 [XLB_VERDICT_REDIRECT] = 4,
	[XLB_VERDICT_ICMP] = 3,
};

static void put_block(struct capture *capture, const uint8_t *block, size_t length)
{
	evbuffer_add(capture->piece, block, length);
}

/* The number of an interface in the section; it is told now if it was not before. */
static uint32_t interface_number(struct capture *capture, uint32_t slot)
{
	struct capture_interface *interface = &capture->interfaces[slot];
	uint8_t block[PCAPNG_BLOCK_MAX(0)];
	char name[ID_KEY_MAX];

	if (!interface->number) {
		interface->number = ++capture->interface_count;
		capture_name_of(capture, ID_INTERFACE, slot, name);
		put_block(capture, block,
			  pcapng_interface(name, capture->watch.snap, block, sizeof(block)));
	}
	return interface->number - 1;
}

/* "address=192.0.2.1 port=80" */
static void options_text(const struct capture *capture, char *ret, size_t size)
{
	const struct evkeyval *pair;
	size_t used = 0;

	ret[0] = '\0';
	TAILQ_FOREACH(pair, &capture->call->query, next)
		if (used < size)
			used += (size_t)snprintf(ret + used, size - used, "%s%s=%s",
						 used ? " " : "", pair->key, pair->value);
}

static void pcapng_begin(struct capture *capture)
{
	struct ids *ids = engine_ids(capture->call->api->engine);
	uint8_t block[PCAPNG_BLOCK_MAX(0)];
	char options[PCAPNG_TEXT_MAX];

	options_text(capture, options, sizeof(options));
	put_block(capture, block,
		  pcapng_section("xlbd " XLB_VERSION, options, block, sizeof(block)));
	for (uint32_t slot = 1; slot < XLB_MAX_INTERFACES; slot++)
		if (ids_by_id(ids, ID_INTERFACE, slot))
			interface_number(capture, slot);
}

/* "before verdict=redirect listener=edge/http server=web/web1@10.0.1.11 egress=eth1" */
static void comment(const struct capture *capture, const struct xlb_event *event, char *ret,
		    size_t size)
{
	const struct {
		const char *key;
		enum id_kind kind;
		uint32_t id;
	} parts[] = {
		{ "listener", ID_LISTENER, event->listener },
		{ "server", ID_SERVER, event->server },
		{ "link", ID_INTERFACE, event->link == event->slot ? 0 : event->link },
		{ "egress", ID_INTERFACE, event->egress_link },
	};
	const char *meaning = reason_meaning(event->reason);
	char name[ID_KEY_MAX];
	int used = snprintf(ret, size, "%s verdict=%s", stage_word(event->stage),
			    verdict_word(event->verdict));

	if (meaning)
		used += snprintf(ret + used, size - (size_t)used, " reason=%s",
				 reason_word(event->reason));
	if (event->stage == XLB_EVENT_LOST)
		used += snprintf(ret + used, size - (size_t)used, " frames=%u error=\"%s\"",
				 event->lost, event->error ? strerror(event->error) : "");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (capture_name_of(capture, parts[i].kind, parts[i].id, name)[0])
			used += snprintf(ret + used, size - (size_t)used, " %s=%.160s",
					 parts[i].key, name);
	if (event->found & XLB_FOUND_REPLY)
		used += snprintf(ret + used, size - (size_t)used, " reply");
	if (meaning)
		snprintf(ret + used, size - (size_t)used, ": %s", meaning);
}

static void pcapng_event(struct capture *capture, const struct xlb_event *event,
			 const uint8_t *data)
{
	static const uint32_t flags[] = { [XLB_EVENT_BEFORE] = PCAPNG_INBOUND,
					  [XLB_EVENT_AFTER] = PCAPNG_OUTBOUND,
					  [XLB_EVENT_LOST] = 0 };
	uint32_t snap = capture->watch.snap;
	uint8_t block[PCAPNG_BLOCK_MAX(XLB_EVENT_BYTES_MAX)];
	char text[1024];
	struct pcapng_packet packet = {
		.interface = interface_number(capture, capture_slot(event)),
		.time = event->time + capture->offset,
		.length = event->length,
		.captured = event->captured < snap ? event->captured : snap,
		.data = data,
		.comment = text,
		.flags = flags[event->stage],
		.id = event->number,
		.verdict = actions[event->verdict],
	};

	comment(capture, event, text, sizeof(text));
	put_block(capture, block, pcapng_packet(&packet, block, sizeof(block)));
}

static void pcapng_end(struct capture *capture)
{
	for (uint32_t slot = 0; slot < XLB_MAX_INTERFACES; slot++) {
		const struct capture_interface *interface = &capture->interfaces[slot];
		uint64_t skipped = capture_skipped_at(capture, slot);
		uint8_t block[PCAPNG_BLOCK_MAX(0)];
		char text[160] = "";
		struct pcapng_statistics statistics = {
			.start = capture->start,
			.end = clock_ns(CLOCK_REALTIME),
			.received = interface->sent + skipped,
			.dropped = skipped,
			.comment = text,
		};

		if (!interface->number && !skipped)
			continue;
		statistics.interface = interface_number(capture, slot);
		if (skipped)
			snprintf(
				text, sizeof(text),
				"skipped=%llu: %llu as they came too fast for xlbd, %llu as the reader was slow",
				(unsigned long long)skipped,
				(unsigned long long)(skipped - interface->skipped),
				(unsigned long long)interface->skipped);
		put_block(capture, block, pcapng_statistics(&statistics, block, sizeof(block)));
	}
}

const struct capture_form capture_form_pcapng = {
	.content_type = "application/x-pcapng",
	.bytes = true,
	.begin = pcapng_begin,
	.packet = pcapng_event,
	.end = pcapng_end,
};

/* --- JSON ---------------------------------------------------------------------------------------- */

static void nothing(struct capture *capture)
{
	(void)capture;
}

/* Names of objects, addresses, words: nothing in them needs an escape. NULL or "" becomes null. */
static void put_member(struct capture *capture, const char *key, const char *text)
{
	if (text && text[0])
		evbuffer_add_printf(capture->piece, ",\"%s\":\"%s\"", key, text);
	else
		evbuffer_add_printf(capture->piece, ",\"%s\":null", key);
}

static void put_number(struct capture *capture, const char *key, uint64_t number)
{
	evbuffer_add_printf(capture->piece, ",\"%s\":%llu", key, (unsigned long long)number);
}

static void put_time(struct capture *capture, uint64_t time)
{
	time_t seconds = (time_t)(time / NS_PER_SECOND);
	struct tm parts;
	char text[32];

	gmtime_r(&seconds, &parts);
	strftime(text, sizeof(text), "%FT%T", &parts);
	evbuffer_add_printf(capture->piece, "{\"time\":\"%s.%09lluZ\"", text,
			    (unsigned long long)(time % NS_PER_SECOND));
}

static void put_end(struct capture *capture, const char *key, bool known,
		    const struct xlb_addr *addr, __be16 port)
{
	char text[ADDR_TEXT_MAX], port_key[32];

	snprintf(port_key, sizeof(port_key), "%s_port", key);
	if (known) {
		format_addr(addr, text);
		put_member(capture, key, text);
		put_number(capture, port_key, ntohs(port));
	} else {
		put_member(capture, key, NULL);
		put_member(capture, port_key, NULL);
	}
}

static void put_ends(struct capture *capture, const struct xlb_event *event)
{
	static const struct xlb_addr none;
	bool known = !addr_equal(&event->source, &none);
	bool forwarded = event->egress && event->stage != XLB_EVENT_LOST;

	put_end(capture, "source", known, &event->source, event->source_port);
	put_end(capture, "destination", known, &event->destination, event->destination_port);
	put_end(capture, "new_source", forwarded, &event->new_source, event->new_source_port);
	put_end(capture, "new_destination", forwarded, &event->new_destination,
		event->new_destination_port);
}

/* "SYN,ACK" */
static const char *flags_text(uint8_t flags, char ret[40])
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };

	ret[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & 1U << i)
			sprintf(ret + strlen(ret), "%s%s", ret[0] ? "," : "", names[i]);
	return ret;
}

static void json_event(struct capture *capture, const struct xlb_event *event, const uint8_t *data)
{
	const char *word = packet_protocol_word(event->protocol);
	char name[ID_KEY_MAX], flags[40], protocol[8];

	(void)data;
	snprintf(protocol, sizeof(protocol), "%u", event->protocol);
	put_time(capture, event->time + capture->offset);
	put_member(capture, "stage", stage_word(event->stage));
	put_number(capture, "packet", event->number);
	put_member(capture, "interface", capture_name_of(capture, ID_INTERFACE, event->slot, name));
	put_member(capture, "link", capture_name_of(capture, ID_INTERFACE, event->link, name));
	put_member(capture, "egress",
		   capture_name_of(capture, ID_INTERFACE, event->egress_link, name));
	put_member(capture, "protocol", word ? word : event->protocol ? protocol : NULL);
	put_member(capture, "tcp_flags",
		   event->protocol == IPPROTO_TCP ? flags_text(event->tcp_flags, flags) : NULL);
	put_number(capture, "length", event->length);
	put_ends(capture, event);
	put_member(capture, "verdict", verdict_word(event->verdict));
	put_member(capture, "reason", reason_word(event->reason));
	put_member(capture, "listener",
		   capture_name_of(capture, ID_LISTENER, event->listener, name));
	put_member(capture, "server", capture_name_of(capture, ID_SERVER, event->server, name));
	evbuffer_add_printf(capture->piece, ",\"reply\":%s",
			    event->found & XLB_FOUND_REPLY ? "true" : "false");
	put_number(capture, "frames", event->stage == XLB_EVENT_LOST ? event->lost : 1);
	put_member(capture, "error", event->error ? strerror(event->error) : NULL);
	evbuffer_add_printf(capture->piece, "}\n");
}

static void json_end(struct capture *capture)
{
	put_time(capture, clock_ns(CLOCK_REALTIME));
	put_member(capture, "stage", "end");
	put_number(capture, "packets", capture->sent);
	put_number(capture, "skipped", capture_skipped(capture));
	evbuffer_add_printf(capture->piece, "}\n");
}

const struct capture_form capture_form_json = {
	.content_type = "application/x-ndjson",
	.begin = nothing,
	.packet = json_event,
	.end = json_end,
};
