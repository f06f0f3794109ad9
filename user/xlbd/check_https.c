// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An HTTPS check is an HTTP check in TLS, which fails too if the server's certificate is not to be trusted. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/parse.h"
#include "xlbd/check_http.h"
#include "xlbd/check_tls.h"

struct https {
	struct http http; /* first: it is what http_go_on gets */
	SSL *ssl;	  /* NULL until connected */
	bool shaken;	  /* hands */
};

static const char *name_of(const struct health_check *config)
{
	return config->sni ? config->sni : config->host;
}

static bool is_address(const char *name)
{
	struct xlb_addr addr;

	return !parse_addr(name, &addr);
}

/* The address is of either family, as the certificate has it. */
static bool expect_address(SSL *ssl, const struct xlb_addr *addr)
{
	size_t skip = addr_family(addr) == XLB_IPV4 ? 12 : 0;

	return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), addr->bytes + skip,
					 sizeof(addr->bytes) - skip) == 1;
}

/* Whom to ask for, and who must answer. RFC 6066 has no addresses as server names. */
static bool expect_server(const struct probe *probe, SSL *ssl)
{
	const char *name = name_of(probe->config);
	struct xlb_addr addr = probe->addr;

	if (!name || is_address(name)) {
		if (name)
			parse_addr(name, &addr);
		return !probe->config->verify || expect_address(ssl, &addr);
	}
	return SSL_set_tlsext_host_name(ssl, name) == 1 &&
	       (!probe->config->verify || SSL_set1_host(ssl, name) == 1);
}

static enum probe_step tls_begin(struct probe *probe, struct https *https)
{
	struct xlb_err err = {};
	SSL_CTX *context = tls_context(probe->kept, &err);

	if (!context) {
		probe_fail(probe, "xlbd: %s", err.text);
		return PROBE_SKIPPED;
	}
	https->ssl = SSL_new(context);
	if (!https->ssl || SSL_set_fd(https->ssl, probe->fd) != 1 ||
	    !expect_server(probe, https->ssl))
		return probe_error(probe, ENOMEM);
	SSL_set_connect_state(https->ssl);
	return PROBE_PASSED;
}

/* What OpenSSL waits for, or why it cannot go on; `during` for the message. */
static enum probe_step tls_trouble(struct probe *probe, struct https *https, int result,
				   const char *during)
{
	int error = errno, kind = SSL_get_error(https->ssl, result);
	long verdict = SSL_get_verify_result(https->ssl);
	const char *reason;

	if (kind == SSL_ERROR_WANT_READ)
		return PROBE_WAIT_READ;
	if (kind == SSL_ERROR_WANT_WRITE)
		return PROBE_WAIT_WRITE;
	if (probe->config->verify && verdict != X509_V_OK)
		return probe_fail(probe, "certificate refused: %s",
				  X509_verify_cert_error_string(verdict));
	if (kind == SSL_ERROR_SYSCALL && error)
		return probe_error(probe, error);
	reason = ERR_reason_error_string(ERR_peek_error());
	return probe_fail(probe, "tls failed during %s: %s", during,
			  reason ? reason : "connection closed");
}

static enum probe_step https_send(struct probe *probe, const char *bytes, size_t length,
				  size_t *ret_sent)
{
	struct https *https = probe->state;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write_ex(https->ssl, bytes, length, ret_sent);
	return r == 1 ? PROBE_PASSED : tls_trouble(probe, https, r, "the request");
}

static enum probe_step https_receive(struct probe *probe, char *buffer, size_t size,
				     size_t *ret_length)
{
	struct https *https = probe->state;
	int r;

	ERR_clear_error();
	errno = 0;
	*ret_length = 0;
	r = SSL_read_ex(https->ssl, buffer, size, ret_length);
	if (r == 1 || SSL_get_error(https->ssl, r) == SSL_ERROR_ZERO_RETURN)
		return PROBE_PASSED;
	return tls_trouble(probe, https, r, "the reply");
}

static enum probe_step https_start(struct probe *probe)
{
	struct https *https = probe->state;

	https->http.send = https_send;
	https->http.receive = https_receive;
	return probe_connect(probe);
}

static enum probe_step https_ready(struct probe *probe)
{
	struct https *https = probe->state;
	enum probe_step step = PROBE_PASSED;
	int r;

	if (!https->ssl) {
		step = probe_connected(probe);
		if (step == PROBE_PASSED)
			step = tls_begin(probe, https);
	}
	if (step != PROBE_PASSED)
		return step;
	if (!https->shaken) {
		ERR_clear_error();
		errno = 0;
		r = SSL_do_handshake(https->ssl);
		if (r != 1)
			return tls_trouble(probe, https, r, "the handshake");
		https->shaken = true;
	}
	return http_go_on(probe, &https->http);
}

static void https_stop(struct probe *probe)
{
	struct https *https = probe->state;

	http_done(&https->http);
	SSL_free(https->ssl);
	https->ssl = NULL;
	ERR_clear_error();
}

static int https_open(struct probe *probe)
{
	probe->kept = tls_take(probe->config->verify ? probe->config->ca : NULL);
	return probe->kept ? 0 : -ENOMEM;
}

static void https_close(struct probe *probe)
{
	tls_drop(probe->kept);
	probe->kept = NULL;
}

const struct check_kind check_https = {
	.state_size = sizeof(struct https),
	.open = https_open,
	.close = https_close,
	.start = https_start,
	.ready = https_ready,
	.stop = https_stop,
};
