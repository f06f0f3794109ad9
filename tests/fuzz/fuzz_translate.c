// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a frame of a flow, or as an ICMP error about one, through the whole datapath in all of its variants:
 * nothing outside of the frame is touched, and what leaves has the lengths, checksums and contents that it must have,
 * whatever family it came in and leaves in.
 */
#include "sound.h"

/* What comes before the frame. */
enum { VARIANT, WAY, OPTIONS, VISIBLE, FRAME };

#define VARIANT_OBSERVING 1U
#define VARIANT_DRY_RUN	  2U
#define VARIANT_JUMBO	  4U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[SOUND_MAX + 4];
	struct bytes in, out;
	size_t visible;

	if (size < FRAME + ETH_HLEN || size > FRAME + SOUND_MAX)
		return 0;
	world_make();
	world_restore();
	observing = data[VARIANT] & VARIANT_OBSERVING;
	dry_run = data[VARIANT] & VARIANT_DRY_RUN;
	jumbo = data[VARIANT] & VARIANT_JUMBO;
	memcpy(frame, data + FRAME, size - FRAME);
	size = sound_dress(frame, size - FRAME, &ways[data[WAY] % way_count], data[OPTIONS]);
	visible = jumbo ? ETH_HLEN + (size - ETH_HLEN) * data[VISIBLE] / 255 : size;
	sound_run(frame, size, visible, &in, &out);
	return 0;
}
