/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables between two sizes, under the rows of other files. */
#ifndef XLB_TESTS_PACKET_RESIZE_H
#define XLB_TESTS_PACKET_RESIZE_H

/* Called before each frame: in the test that wants it so, all that is known lies in the old extents then. */
void resize_before_frame(void);

#endif
