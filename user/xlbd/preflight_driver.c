// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What drivers accept, for kernels that do not say so themselves (before 6.3) and for limits that none
 * says. From the drivers' sources; where a limit is not certain it is left out.
 */
#include <string.h>

#include "xlbd/preflight.h"

static const struct preflight_driver drivers[] = {
	{ "atlantic", true, 0, QUEUES_ANY },
	{ "bnxt_en", true, 3502, QUEUES_ANY },
	{ "dpaa2_eth", true, 0, QUEUES_ANY },
	{ "ena", true, 3498, QUEUES_HALF },
	{ "fsl_enetc", true, 0, QUEUES_ANY },
	{ "gve", true, 0, QUEUES_HALF },
	{ "hv_netvsc", true, 3506, QUEUES_ANY },
	{ "i40e", true, 3046, QUEUES_ANY },
	{ "ice", true, 3046, QUEUES_ANY },
	{ "igb", true, 0, QUEUES_ANY },
	{ "igc", true, 1500, QUEUES_ANY },
	{ "ixgbe", true, 3050, QUEUES_ANY },
	{ "ixgbevf", true, 0, QUEUES_ANY },
	{ "mlx4_en", true, 3498, QUEUES_ANY },
	{ "mlx5_core", true, 3498, QUEUES_ANY },
	{ "mvneta", true, 0, QUEUES_ANY },
	{ "mvpp2", true, 0, QUEUES_ANY },
	{ "nfp", true, 0, QUEUES_ANY },
	{ "nicvf", true, 1500, QUEUES_ANY },
	{ "octeontx2-nicpf", true, 0, QUEUES_ANY },
	{ "qede", true, 0, QUEUES_ANY },
	{ "sfc", true, 0, QUEUES_ANY },
	{ "st_gmac", true, 0, QUEUES_ANY },
	{ "ti_cpsw", true, 0, QUEUES_ANY },
	{ "tun", true, 0, QUEUES_ANY },
	{ "veth", true, 3506, QUEUES_ANY },
	{ "virtio_net", true, 3506, QUEUES_PER_CPU },
	{ "vif", true, 0, QUEUES_ANY },
	{ "8139too", false, 0, QUEUES_ANY },
	{ "8139cp", false, 0, QUEUES_ANY },
	{ "alx", false, 0, QUEUES_ANY },
	{ "be2net", false, 0, QUEUES_ANY },
	{ "bnx2", false, 0, QUEUES_ANY },
	{ "bnx2x", false, 0, QUEUES_ANY },
	{ "bridge", false, 0, QUEUES_ANY },
	{ "cdc_ether", false, 0, QUEUES_ANY },
	{ "dummy", false, 0, QUEUES_ANY },
	{ "e1000", false, 0, QUEUES_ANY },
	{ "e1000e", false, 0, QUEUES_ANY },
	{ "enic", false, 0, QUEUES_ANY },
	{ "forcedeth", false, 0, QUEUES_ANY },
	{ "macvlan", false, 0, QUEUES_ANY },
	{ "r8152", false, 0, QUEUES_ANY },
	{ "r8169", false, 0, QUEUES_ANY },
	{ "sky2", false, 0, QUEUES_ANY },
	{ "tg3", false, 0, QUEUES_ANY },
	{ "vxlan", false, 0, QUEUES_ANY },
};

const struct preflight_driver *preflight_driver(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}
