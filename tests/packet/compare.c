// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "compare.h"

#include <netinet/in.h>
#include <string.h>

#include "frame.h"
#include "xlb/addr.h"

const char *compare_sums(const struct decoded *in, const struct decoded *out)
{
	if (out->l3_sum == SUM_WRONG && in->l3_sum != SUM_WRONG)
		return "wrong IPv4 header checksum";
	if (in->family == out->family && in->l3_sum == SUM_WRONG && out->l3_sum == SUM_RIGHT)
		return "a wrong IPv4 header checksum became right";
	if (in->l4_sum == SUM_ABSENT)
		return out->family == XLB_IPV6 && in->family == XLB_IPV4 &&
				       out->l4_sum != SUM_RIGHT ?
			       "no right checksum of UDP from IPv4" :
			       NULL;
	return in->l4_sum == out->l4_sum ? NULL : "checksum not as right as it was";
}

const char *compare_payload(const uint8_t *sent, const struct decoded *in, const uint8_t *got,
			    const struct decoded *out)
{
	size_t size = in->end - in->payload;

	return size == out->end - out->payload &&
			       !memcmp(sent + in->payload, got + out->payload, size) ?
		       NULL :
		       "another payload";
}

bool compare_is_reset(const struct decoded *in, const struct decoded *out)
{
	return out->protocol == IPPROTO_TCP && out->tcp_flags & RST &&
	       xlb_addr_equal(&out->source, &in->destination) &&
	       xlb_addr_equal(&out->destination, &in->source) && out->payload == out->end;
}

const char *compare_reset(const struct decoded *out)
{
	return out->l3_sum != SUM_WRONG && out->l4_sum == SUM_RIGHT ? NULL :
								      "wrong checksum of a RST";
}

const char *compare_refusal(const uint8_t *sent, const struct decoded *in, const uint8_t *got,
			    const struct decoded *out)
{
	size_t length = out->end - out->l4;

	if (out->l3_sum == SUM_WRONG || out->l4_sum != SUM_RIGHT)
		return "wrong checksum of an ICMP error";
	if (!xlb_addr_equal(&out->source, &in->destination) ||
	    !xlb_addr_equal(&out->destination, &in->source))
		return "an ICMP error that is no answer";
	return length <= 8 || memcmp(got + out->l4 + 8, sent + in->l3, length - 8) ?
		       "an ICMP error quotes what was not sent" :
		       NULL;
}
