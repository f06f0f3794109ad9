/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of test_bad_input.c about tls listeners and policies. */
#ifndef XLB_TESTS_BAD_TLS_H
#define XLB_TESTS_BAD_TLS_H

#define TLS(fields) \
	"version: 1\nload_balancers:\n  e:\n    addresses: 1.2.3.4\n    listeners:\n      l:\n        protocol: tls\n" \
	"        port: 443\n        server_group: w\n        " fields \
	"\nserver_groups: {w: {servers: {a: {address: 10.0.0.1, port: 80}}}}\n"
#define CERTIFICATE	   "certificates: [{chain: /a, key: /a}]"
#define TLS_LISTENER	   "/load_balancers/e/listeners/l/"
#define TLS_POLICY(fields) "version: 1\ntls_policies: {p: {" fields "}}\n"
/* 260 of them, no two of which are neighbours */
#define TLS_TEN_PORTS(n) \
#n "01," #n "03," #n "05," #n "07," #n "09," #n "11," #n "13," #n "15," #n "17," #n "19"
#define TLS_50_PORTS(n) \
	TLS_TEN_PORTS(n##1) \
	"," TLS_TEN_PORTS(n##2) "," TLS_TEN_PORTS(n##3) "," TLS_TEN_PORTS(n##4) "," TLS_TEN_PORTS( \
		n##5)
#define TLS_MANY_PORTS \
	TLS_50_PORTS(1) \
	"," TLS_50_PORTS(2) "," TLS_50_PORTS(3) "," TLS_50_PORTS(4) "," TLS_50_PORTS( \
		5) "," TLS_TEN_PORTS(6)
#define TLS_ROWS \
	{ "version: 1\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {l: {protocol: ^tls^, port: 443, " \
	  "server_group: w}}}}\n", \
	  "protocol: tls wants certificates: add certificates: [{chain: FILE, key: FILE}]", NULL, \
	  TLS_LISTENER "protocol" }, \
		{ TLS("certificates: [^{^key: /etc/xlb/a.key}]"), \
		  "certificates: expected {chain: FILE, key: FILE}, found a map", NULL, \
		  TLS_LISTENER "certificates" }, \
		{ TLS("certificates: [^{^chain: a.pem, key: a.key}]"), \
		  "accepted are whole paths, as /etc/xlb/tls/edge.pem", NULL, \
		  TLS_LISTENER "certificates" }, \
		{ TLS("certificates: [{chain: /a, key: /b}, ^{^chain: /a, key: /b}]"), \
		  "the certificate is there twice", NULL, TLS_LISTENER "certificates" }, \
		{ TLS(CERTIFICATE "\n        tls_policy: ^tls_cipher_policy_1_4^"), \
		  "tls_policy \"tls_cipher_policy_1_4\" does not exist", "did you mean", \
		  TLS_LISTENER "tls_policy" }, \
		{ TLS(CERTIFICATE "\n        alpn: ^h2^"), \
		  "alpn \"h2\": accepted are none, http1-only, http2-only, http2-optional, http2-preferred", \
		  NULL, TLS_LISTENER "alpn" }, \
		{ TLS(CERTIFICATE "\n        client_auth: {mode: ^require^}"), \
		  "client_auth: nobody's certificates are good without ca", NULL, \
		  TLS_LISTENER "client_auth/mode" }, \
		{ TLS(CERTIFICATE "\n        client_auth: {ca: ^/etc/xlb/ca.pem^}"), \
		  "client_auth: no client is asked for a certificate", NULL, \
		  TLS_LISTENER "client_auth/ca" }, \
		{ TLS(CERTIFICATE "\n        server_tls: {verify: ^true^}"), \
		  "server_tls: no server is trusted without ca", NULL, \
		  TLS_LISTENER "server_tls/verify" }, \
		{ TLS(CERTIFICATE "\n        server_tls: {verify: false, ca: ^system^}"), \
		  "server_tls: with verify: false no certificate is looked at", NULL, \
		  TLS_LISTENER "server_tls/ca" }, \
		{ TLS(CERTIFICATE \
		      "\n        server_tls: {verify: false}\n        alpn: ^http2-optional^"), \
		  "alpn: with server_tls it must be one protocol", NULL, TLS_LISTENER "alpn" }, \
		{ "version: 1\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {l: {protocol: tcp, port: 443, " \
		  "server_group: w, alpn: ^http2-only^}}}}\n", \
		  "alpn has no meaning with protocol: tcp, only with tls: remove it", NULL, \
		  TLS_LISTENER "alpn" }, \
		{ "version: 1\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {l: {protocol: tls, port: ^[^\n  " TLS_MANY_PORTS \
		  "], " \
		  "server_group: w, " CERTIFICATE "}}}}\n", \
		  "port: a tls listener has at most 256 ports and ranges, not 260", NULL, \
		  TLS_LISTENER "port" }, \
		{ "version: 1\nload_balancers: {e: {addresses: 1.2.3.4, listeners: {l: {protocol: tls, port: 443, " \
		  "server_group: w, " CERTIFICATE "}}}}\n" \
		  "server_groups: {w: {forward: ^dr^, health_check: {type: none}, servers: {a: {address: 10.0.0.1}}}}\n", \
		  "with forward: dr servers answer clients themselves, but listener e/l, which is tls, does that", \
		  NULL, "/server_groups/w/forward" }, \
		{ TLS_POLICY("versions: ^[^TLSv1.0, TLSv1.2], ciphers: [AES128-SHA]"), \
		  "versions: there is a gap between them", NULL, "/tls_policies/p/versions" }, \
		{ TLS_POLICY("versions: [TLSv1.2], ciphers: ^[^AES128-SHB]"), \
		  "ciphers: \"AES128-SHB\" is not known", "did you mean \"AES128-SHA\"?", \
		  "/tls_policies/p/ciphers" }, \
		{ TLS_POLICY("versions: [TLSv1.2], ciphers: ^[^TLS_AES_128_GCM_SHA256]"), \
		  "ciphers: none of the versions has TLS_AES_128_GCM_SHA256: remove it", NULL, \
		  "/tls_policies/p/ciphers" }, \
		{ TLS_POLICY("versions: ^[^TLSv1.2, TLSv1.3], ciphers: [AES128-SHA]"), \
		  "versions: TLSv1.3 has none of the ciphers: add one, or remove the version", \
		  NULL, "/tls_policies/p/versions" },

#endif
