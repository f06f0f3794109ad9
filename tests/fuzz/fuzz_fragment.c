// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a few frames that come one after the other, fragments above all: each is sound when it leaves, and the
 * later ones of a packet have the ends and the identification that the first one got.
 */
#include "sound.h"

#define FRAMES_MAX 8

/* What comes before each frame. */
enum {
	WAY,
	OPTIONS,
	PAUSE /* in quarters of a second, about */,
	SIZE /* two bytes */,
	FRAME = SIZE + 2
};

/* What identifies a packet whose fragments are under way. */
struct mark {
	struct xlb_addr source, destination;
	uint32_t id;
	uint8_t protocol;
};
/* As the first fragment came, and as it left. */
static struct seen {
	struct mark came, left;
} seen[FRAMES_MAX];
static size_t seen_count;

static struct mark mark_of(const struct bytes *frame)
{
	const struct decoded *packet = &frame->packet;
	struct mark mark = {};

	mark.source = packet->source;
	mark.destination = packet->destination;
	mark.protocol = packet->protocol;
	if (packet->family == XLB_IPV4)
		mark.id = (uint32_t)get16(frame->at + packet->l3 + 4);
	else
		memcpy(&mark.id, frame->at + packet->l4 - 4, sizeof(mark.id));
	return mark;
}

static struct seen *seen_find(const struct mark *came)
{
	for (size_t i = 0; i < seen_count; i++)
		if (!memcmp(&seen[i].came, came, sizeof(*came)))
			return &seen[i];
	return NULL;
}

/* A fragment that left as one: the first says how the others must look. */
static void check_mark(const struct bytes *in, const struct bytes *out)
{
	struct mark came = mark_of(in), left = mark_of(out);
	struct seen *known = seen_find(&came);

	if (fragment_place(in->at, &in->packet) >= 8) {
		check(known && !memcmp(&known->left, &left, sizeof(left)));
		return;
	}
	if (!known)
		known = &seen[seen_count++];
	*known = (struct seen){ came, left };
}

/* The frame at the begin of the input; how much of that it was, 0: there is none. */
static size_t take_frame(const uint8_t *data, size_t size)
{
	static uint8_t frame[SOUND_MAX + 4];
	size_t length = size < FRAME ? 0 : get16(data + SIZE);
	struct bytes in, out;

	if (length < ETH_HLEN || length > SOUND_MAX || length > size - FRAME)
		return 0;
	kernel_now += (uint64_t)data[PAUSE] << (XLB_STAMP_SHIFT - 2);
	memcpy(frame, data + FRAME, length);
	size = sound_dress(frame, length, &ways[data[WAY] % way_count], data[OPTIONS]);
	if (sound_run(frame, size, size, &in, &out) && in.packet.fragment && out.packet.fragment &&
	    !is_wrapped(&out))
		check_mark(&in, &out);
	return FRAME + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t used;

	if (!size)
		return 0;
	world_make();
	world_restore();
	memset(seen, 0, sizeof(seen));
	seen_count = 0;
	observing = data[0] & 1;
	data++;
	size--;
	for (int i = 0; i < FRAMES_MAX; i++, data += used, size -= used) {
		used = take_frame(data, size);
		if (!used)
			break;
	}
	return 0;
}
