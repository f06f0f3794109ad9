/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* In place of libbpf's header of this name, whose helpers only a kernel has. */
#include "../kernel.h"
