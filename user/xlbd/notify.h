/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tells a service manager how the daemon is: systemd's notify protocol, a datagram a message. */
#ifndef XLB_XLBD_NOTIFY_H
#define XLB_XLBD_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1", "STATUS=..." to $NOTIFY_SOCKET; 0 also if there is none, else -errno. */
int notify_send(const char *message);
/* Microseconds within which WATCHDOG=1 must come, 0: nobody watches. */
uint64_t notify_watchdog(void);

#endif
