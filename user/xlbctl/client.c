// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/errors.h"

#define ANSWER_MAX	(256U << 20)
#define CONNECT_SECONDS 10L
#define ANSWER_SECONDS	120L

DEFINE_CLEANUP(void, curl_easy_cleanup)
DEFINE_CLEANUP(struct curl_slist, curl_slist_free_all)

void answer_clear(struct answer *answer)
{
	free(answer->body);
	json_decref(answer->json);
	*answer = (struct answer){ 0 };
}

int client_init(struct ctl *ctl)
{
	const char *name = ctl->instance ? ctl->instance : getenv("XLB_INSTANCE");
	int n;

	if (!name)
		name = "";
	ctl->instance = name;
	if (strlen(name) > 31 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "instance \"%.64s\": at most 31 of a-z, 0-9 and - are accepted",
				   name);
	n = snprintf(ctl->run_dir, sizeof(ctl->run_dir), "/run/xlb%s%s", *name ? "-" : "", name);
	snprintf(ctl->socket, sizeof(ctl->socket), "%.*s/xlbd.sock", n, ctl->run_dir);
	return 0;
}

void put_encoded(FILE *out, const char *word)
{
	for (const unsigned char *p = (const unsigned char *)word; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("-._~", *p);

		fprintf(out, plain ? "%c" : "%%%02X", *p);
	}
}

char *path_fill(const char *template, const char *const *words)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (const char *p = template; *p; p++) {
		if (p[0] == '{' && p[1] == '}') {
			put_encoded(out, *words++);
			p++;
		} else {
			fputc(*p, out);
		}
	}
	return fclose(out) ? NULL : text;
}

int client_request(struct ctl *ctl, const char *query, long timeout, struct request *ret)
{
	if (!query)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	*ret = (struct request){ .method = ctl->command->method,
				 .path = ctl->command->path,
				 .query = *query ? query : NULL,
				 .timeout = timeout };
	return 0;
}

/* The body while it arrives. */
struct incoming {
	FILE *stream;
	size_t size;
};

static size_t receive(char *data, size_t size, size_t count, void *arg)
{
	struct incoming *incoming = arg;

	incoming->size += size * count;
	if (incoming->size > ANSWER_MAX)
		return 0;
	return fwrite(data, size, count, incoming->stream);
}

static int unreachable(struct ctl *ctl, CURLcode code, int os_error, long timeout)
{
	const struct passwd *user = getpwuid(geteuid());
	const char *name = user ? user->pw_name : "not in the user list";

	if (code == CURLE_OPERATION_TIMEDOUT) {
		xlb_err_set(&ctl->err, XLB_ERR_TIMEOUT, -ETIMEDOUT,
			    "xlbd at %s did not answer within %ld s", ctl->socket, timeout);
		return -ETIMEDOUT;
	}
	if (code != CURLE_COULDNT_CONNECT)
		return xlb_err_set(&ctl->err, XLB_ERR_UNREACHABLE, -EIO,
				   "no answer from xlbd at %s: %s", ctl->socket,
				   curl_easy_strerror(code));
	xlb_err_set(&ctl->err, XLB_ERR_UNREACHABLE, -ENOENT, "cannot reach xlbd at %s: %s",
		    ctl->socket, strerror(os_error ? os_error : ENOENT));
	if (os_error == EACCES || os_error == EPERM) {
		xlb_err_hint(&ctl->err, "you are %s; join group xlb (read) or xlb-admin (change)",
			     name);
		return -EACCES;
	}
	ctl->not_running = true;
	if (*ctl->instance)
		xlb_err_hint(&ctl->err,
			     "xlbd is not running: xlbctl --instance %s attach IFACE starts it",
			     ctl->instance);
	else
		xlb_err_hint(
			&ctl->err,
			"xlbd is not running: systemctl start xlbd, or xlbctl attach IFACE starts it");
	return -ENOENT;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[512];
	struct curl_slist *longer;

	snprintf(line, sizeof(line), "%s: %s", name, value);
	/* file names and the like: nothing that ends a header */
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	longer = curl_slist_append(*list, line);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* `request_timeout`: seconds, 0 for an answer that may last for ever. */
static int set_request(struct ctl *ctl, CURL *curl, const struct request *request,
		       long request_timeout, struct curl_slist **headers)
{
	char url[1024];
	int r;

	if (snprintf(url, sizeof(url), "http://xlb%s%s%s", request->path, request->query ? "?" : "",
		     request->query ? request->query : "") >= (int)sizeof(url))
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "a name is longer than 63 characters");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, ctl->socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, request_timeout);
	r = add_header(headers, "X-XLB-Origin", ctl->origin);
	if (!r) /* without a value libcurl leaves the header out */
		r = add_header(headers, "Content-Type", request->body ? request->body_type : "");
	if (!r && request->last_event_id)
		r = add_header(headers, "Last-Event-ID", request->last_event_id);
	if (r)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, r, "out of memory");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
	if (request->body || !strcmp(request->method, "POST")) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	return 0;
}

int client_call(struct ctl *ctl, const struct request *request, struct answer *ret)
{
	AUTO(curl_easy_cleanup) CURL *curl = curl_easy_init();
	AUTO(curl_slist_free_all) struct curl_slist *headers = NULL;
	struct answer answer AUTO_ANSWER = { 0 };
	struct incoming incoming = { .stream = open_memstream(&answer.body, &answer.size) };
	long timeout = request->timeout ? request->timeout : ANSWER_SECONDS;
	long status = 0, os_error = 0;
	CURLcode code;
	int r;

	ctl->not_running = false;
	if (!curl || !incoming.stream)
		r = xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	else
		r = set_request(ctl, curl, request, timeout, &headers);
	if (r) {
		if (incoming.stream)
			fclose(incoming.stream);
		return r;
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &incoming);
	code = curl_easy_perform(curl);
	fclose(incoming.stream);
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
	if (code != CURLE_OK)
		return unreachable(ctl, code, (int)os_error, timeout);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (!request->raw || status < 200 || status > 299)
		answer.json = json_loadb(answer.body, answer.size, JSON_ALLOW_NUL, NULL);
	if (status < 200 || status > 299) {
		error_from_answer(status, answer.body, answer.json, &ctl->err);
		return -EREMOTEIO;
	}
	*ret = answer;
	answer = (struct answer){ 0 };
	return 0;
}

struct incoming_stream {
	CURL *curl;
	client_take take;
	void *arg;
	bool ended; /* by take */
	struct incoming problem;
};

static size_t receive_piece(char *data, size_t size, size_t count, void *arg)
{
	struct incoming_stream *stream = arg;
	long status = 0;

	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return receive(data, size, count, &stream->problem);
	stream->ended = !stream->take(stream->arg, data, size * count);
	return stream->ended ? 0 : size * count;
}

int client_stream(struct ctl *ctl, const struct request *request, client_take take, void *arg)
{
	AUTO(curl_easy_cleanup) CURL *curl = curl_easy_init();
	AUTO(curl_slist_free_all) struct curl_slist *headers = NULL;
	struct answer answer AUTO_ANSWER = { 0 };
	struct incoming_stream stream = { .curl = curl, .take = take, .arg = arg };
	long status = 0, os_error = 0;
	CURLcode code;
	int r;

	ctl->not_running = false;
	stream.problem.stream = open_memstream(&answer.body, &answer.size);
	if (!curl || !stream.problem.stream)
		r = xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	else
		r = set_request(ctl, curl, request, 0, &headers);
	if (!r) {
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_piece);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &stream);
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	}
	if (stream.problem.stream)
		fclose(stream.problem.stream);
	if (r || stream.ended)
		return r;
	if (code != CURLE_OK)
		return unreachable(ctl, code, (int)os_error, ANSWER_SECONDS);
	if (status >= 200 && status <= 299)
		return 0;
	answer.json = json_loadb(answer.body, answer.size, JSON_ALLOW_NUL, NULL);
	error_from_answer(status, answer.body, answer.json, &ctl->err);
	return -EREMOTEIO;
}

int client_json(struct ctl *ctl, const struct request *request, struct answer *ret)
{
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_call(ctl, request, &answer);

	if (r)
		return r;
	if (!answer.json)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -EPROTO,
				   "xlbd's answer to %s %s is not JSON", request->method,
				   request->path);
	*ret = answer;
	answer = (struct answer){ 0 };
	return 0;
}

int client_get(struct ctl *ctl, const char *path, struct answer *ret)
{
	const struct request request = { .method = "GET", .path = path };

	return client_json(ctl, &request, ret);
}

/* The options of changes as a query, behind what the request already has; malloc'd. */
static char *change_query(const struct ctl *ctl, const char *query)
{
	const struct {
		bool set;
		const char *text;
	} flags[] = {
		{ ctl->dry_run, "dry_run=1" },
		{ ctl->yes, "yes=1" },
		{ ctl->force, "force=1" },
		{ ctl->now, "now=1" },
	};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const char *separator = "";

	if (!out)
		return NULL;
	if (query) {
		fputs(query, out);
		separator = "&";
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!flags[i].set)
			continue;
		fprintf(out, "%s%s", separator, flags[i].text);
		separator = "&";
	}
	if (ctl->if_revision)
		fprintf(out, "%sif_revision=%llu", separator, (unsigned long long)ctl->if_revision);
	return fclose(out) ? NULL : text;
}

int client_change(struct ctl *ctl, const struct request *request, struct answer *ret)
{
	struct request change = *request;
	int r;

	for (;;) {
		AUTO_FREE char *query = change_query(ctl, request->query);

		if (!query)
			return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		change.query = *query ? query : NULL;
		r = client_call(ctl, &change, ret);
		if (r != -EREMOTEIO || ctl->err.class != XLB_ERR_CONFIRM || ctl->yes ||
		    !confirm_ask(ctl))
			return r;
		ctl->yes = true;
	}
}
