/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rows of a listener of protocol: tls. */
#ifndef XLB_CORE_TYPES_TLS_H
#define XLB_CORE_TYPES_TLS_H

#include "core/tls.h"
#include "core/types.h"

extern const struct word tls_alpns[], tls_client_auths[], tls_proxy_protocols[];

#define TLS_FIELD(word, member) .name = word, .offset = offsetof(struct listener, tls.member)
#define TLS_FIELDS \
	{ \
		TLS_FIELD("certificates", certificates), \
		.kind = FIELD_CERTIFICATES, \
		.max = TLS_CERTIFICATES_MAX, \
		.help = "tls only, required: files below /etc/xlb in PEM, the chain beginning with the server's own " \
			"certificate; the first is the default, others are chosen by the name that the client asks for " \
			"(SNI); read again when they change", \
	}, \
		{ \
			TLS_FIELD("tls_policy", policy), \
			.kind = FIELD_TEXT, \
			.min = 1, \
			.max = 63, \
			.help = "tls only: versions and ciphers: tls_cipher_policy_1_0, _1_1, _1_2, _1_2_strict, " \
				"_1_2_strict_with_1_3 (the default), or the name of one of tls_policies", \
		}, \
		{ \
			TLS_FIELD("alpn", alpn), \
			.kind = FIELD_WORD, \
			.preset = "none", \
			.words = tls_alpns, \
			.help = "tls only: what clients may agree on with servers (ALPN): http1-only, http2-only; " \
				"http2-optional and http2-preferred want servers that speak both", \
		}, \
		{ \
			TLS_FIELD("client_auth.mode", client_auth.mode), \
			.kind = FIELD_WORD, \
			.preset = "none", \
			.words = tls_client_auths, \
			.help = "tls only: whether clients show a certificate: require refuses those without; optional only " \
				"those whose certificate is not good", \
		}, \
		{ \
			TLS_FIELD("client_auth.ca", client_auth.ca), \
			.kind = FIELD_TEXT, \
			.min = 1, \
			.max = 255, \
			.help = "tls only: who must have signed clients' certificates: a file below /etc/xlb in PEM", \
		}, \
		{ \
			TLS_FIELD("client_auth.crl", client_auth.crl), \
			.kind = FIELD_TEXT, \
			.min = 1, \
			.max = 255, \
			.help = "tls only: certificates that were revoked: a file below /etc/xlb with a list of each CA in PEM", \
		}, \
		{ \
			TLS_FIELD("proxy_protocol", proxy_protocol), \
			.kind = FIELD_WORD, \
			.preset = "none", \
			.words = tls_proxy_protocols, \
			.help = "tls only: v2 tells servers the client's address in front of what it sends; they must expect it", \
		}, \
		{ \
			TLS_FIELD("server_tls.ca", server.ca), \
			.kind = FIELD_TEXT, \
			.min = 1, \
			.max = 255, \
			.help = "tls only: servers are spoken to in TLS, with a certificate that these have signed: a file " \
				"below /etc/xlb in PEM, or system for those that the host trusts", \
		}, \
		{ \
			TLS_FIELD("server_tls.verify", server.verify), \
			.kind = FIELD_BOOL, \
			.preset = "true", \
			.help = "tls only: false speaks TLS to servers whatever certificate they have", \
		}, \
	{ \
		TLS_FIELD("server_tls.name", server.name), \
			.kind = FIELD_TEXT, .min = 1, .max = 255, \
			.help = "tls only: the name to ask servers for, and to find in their certificates; default: the one " \
				"that the client asked for", \
	}

#endif
