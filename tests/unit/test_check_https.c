// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TLS servers on loopback, each in a thread of its own, with certificates made here. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include "check_lab.h"
#include "core/types.h"
#include "xlbd/check_files.h"

static char directory[] = "/tmp/xlbt-https-XXXXXX";

struct tls_server {
	SSL_CTX *context;
	int fd;
	uint16_t port;
	pthread_t thread;
	char asked_for[64]; /* the SNI of the last client, "" if there was none */
	const char *reply;
};

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

/* Signed by itself, for the name and 127.0.0.1, valid from `from` to `to` seconds from now. */
static struct identity identity_new(const char *name, long from, long to)
{
	struct identity identity = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *subject = X509_get_subject_name(identity.certificate);
	X509_EXTENSION *extension;
	char names[128];

	snprintf(names, sizeof(names), "DNS:%s,IP:127.0.0.1", name);
	X509_set_version(identity.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(identity.certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(identity.certificate), from);
	X509_gmtime_adj(X509_getm_notAfter(identity.certificate), to);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(identity.certificate, subject);
	X509_set_pubkey(identity.certificate, identity.key);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_add_ext(identity.certificate, extension, -1);
	X509_EXTENSION_free(extension);
	assert_true(X509_sign(identity.certificate, identity.key, EVP_sha256()) > 0);
	return identity;
}

static void identity_free(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

/* Writes the certificate as the file to trust; its path. */
static char *trusted(const struct identity *identity)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/ca.pem", directory);
	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	if (identity)
		PEM_write_X509(file, identity->certificate);
	else
		fputs("nothing of use\n", file);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void serve_one(struct tls_server *server, int connection)
{
	SSL *ssl = SSL_new(server->context);
	char request[1024];
	const char *name;

	SSL_set_fd(ssl, connection);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
		name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(server->asked_for, sizeof(server->asked_for), "%s", name ? name : "");
		SSL_write(ssl, server->reply, (int)strlen(server->reply));
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(connection);
}

static void *serve(void *arg)
{
	struct tls_server *server = arg;
	int connection;

	while ((connection = accept(server->fd, NULL, NULL)) >= 0)
		serve_one(server, connection);
	return NULL;
}

static void server_start(struct tls_server *server, const struct identity *identity)
{
	server->reply = "HTTP/1.1 200 OK\r\n\r\n";
	server->context = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(server->context, identity->certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server->context, identity->key), 1);
	server->fd = listen_on(&server->port, 128);
	/* its thread may wait */
	assert_int_equal(fcntl(server->fd, F_SETFL, 0), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct tls_server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	SSL_CTX_free(server->context);
}

static struct server_group *https_lab(struct lab *lab, const struct tls_server *server, char *ca)
{
	struct server_group *group = add_group(lab, "web", CHECK_HTTPS);

	group->health_check.verify = ca != NULL;
	group->health_check.ca = ca;
	group->health_check.timeout = 2000;
	add_server(group, "a", "127.0.0.1", server->port);
	configure(lab);
	return group;
}

static void https_verifies(void **state)
{
	struct identity own = identity_new("www.example.com", -60, 3600);
	struct identity other = identity_new("www.example.com", -60, 3600);
	struct tls_server server = {};
	struct lab *lab = *state;
	struct server_group *group;

	server_start(&server, &own);
	group = https_lab(lab, &server, trusted(&own));
	/* without a name, the address is what the certificate must have */
	wait_for(lab, HEALTH_UP, 1);
	assert_string_equal(server.asked_for, "");
	group->health_check.sni = (char *)(uintptr_t) "www.example.com";
	configure(lab);
	wait_for(lab, HEALTH_UP, 3);
	assert_string_equal(server.asked_for, "www.example.com");
	group->health_check.sni = (char *)(uintptr_t) "api.example.com";
	configure(lab);
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 4).reason,
			    "certificate refused: hostname mismatch");
	group->health_check.sni = (char *)(uintptr_t) "127.0.0.1";
	configure(lab);
	wait_for(lab, HEALTH_UP, 5);
	/* the file is read again when it has changed */
	trusted(&other);
	assert_non_null(strstr(wait_for(lab, HEALTH_DOWN, 6).reason, "certificate refused: "));
	trusted(&own);
	wait_for(lab, HEALTH_UP, 7);
	server_stop(&server);
	identity_free(&own);
	identity_free(&other);
}

static void https_expired(void **state)
{
	struct identity old = identity_new("old", -7200, -3600);
	struct tls_server server = {};
	struct lab *lab = *state;
	struct server_group *group;

	server_start(&server, &old);
	group = https_lab(lab, &server, trusted(&old));
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason,
			    "certificate refused: certificate has expired");
	group->health_check.verify = false;
	group->health_check.ca = NULL;
	configure(lab);
	wait_for(lab, HEALTH_UP, 3);
	server_stop(&server);
	identity_free(&old);
}

static void https_is_http(void **state)
{
	struct identity own = identity_new("own", -60, 3600);
	struct tls_server server = {};
	struct lab *lab = *state;
	struct server_group *group;

	server_start(&server, &own);
	group = https_lab(lab, &server, NULL);
	group->health_check.path = (char *)(uintptr_t) "/healthz";
	configure(lab);
	wait_for(lab, HEALTH_UP, 1);
	server.reply = "HTTP/1.1 503 Busy\r\n\r\n";
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 3).reason, "http 503 from /healthz");
	server.reply = "";
	while (strcmp(status_of(lab, "a").reason, "connection closed before a status line") != 0)
		event_base_loop(lab->base, EVLOOP_ONCE);
	server_stop(&server);
	identity_free(&own);
}

/* A server that speaks no TLS, one that closes, one that says nothing. */
static void https_without_tls(void **state)
{
	struct lab *lab = *state;
	struct listening *plain =
		add_listening(lab, 0, (struct server_options){ .close_at_once = true });
	struct tls_server server = { .port = plain->port };
	struct server_group *group = https_lab(lab, &server, NULL);

	assert_non_null(strstr(wait_for(lab, HEALTH_DOWN, 2).reason, ""));
	group->health_check.timeout = 100;
	event_del(plain->event);
	configure(lab);
	while (strcmp(status_of(lab, "a").reason, "timed out after 100ms") != 0)
		event_base_loop(lab->base, EVLOOP_ONCE);
}

/* What is wrong with the file is said before a configuration is taken; later, it is nothing that the server did. */
static void https_unreadable(void **state)
{
	struct identity own = identity_new("own", -60, 3600);
	struct tls_server server = {};
	struct lab *lab = *state;
	struct server_group *group;
	struct model none = {};
	struct xlb_err err = {};

	TAILQ_INIT(&none.server_groups);
	server_start(&server, &own);
	group = https_lab(lab, &server, trusted(&own));
	group->object.type = &type_server_group;
	wait_for(lab, HEALTH_UP, 1);
	assert_int_equal(check_files_of_group(group, &none, directory, &err), 0);
	assert_int_equal(check_files_of_group(group, &none, "/etc/xlb", &err), -EINVAL);
	assert_non_null(strstr(err.text, "the file must lie below /etc/xlb"));
	trusted(NULL);
	assert_int_equal(check_files_of_group(group, &none, directory, &err), -EINVAL);
	assert_non_null(strstr(err.text, "has no certificate: it must have one or more in PEM"));
	assert_null(strstr(err.text, "nothing of use"));
	assert_string_equal(err.pointer, "/server_groups/web/health_check/ca");
	while (!strstr(status_of(lab, "a").reason, "xlbd: "))
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(status_of(lab, "a").health, HEALTH_UP);
	server_stop(&server);
	identity_free(&own);
}

static int make_directory(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return !mkdtemp(directory) || chmod(directory, 0755);
}

static int remove_directory(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/ca.pem", directory);
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(https_verifies),    LAB_TEST(https_expired),	 LAB_TEST(https_is_http),
		LAB_TEST(https_without_tls), LAB_TEST(https_unreadable),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("check_https", tests, make_directory, remove_directory);
}
