// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* capture: packets with what became of them, into a file, a pipe, or as lines on a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/pcapng.h"
#include "xlbctl/capture.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"

/* What has arrived and was not used yet: a part of a block or of a line. */
struct pending {
	char *data;
	size_t size;
};

struct session {
	struct ctl *ctl;
	bool text, lines; /* as text; as lines of JSON, of which text is made */
	FILE *out;
	struct pending pending;
	uint64_t packets, before, after, skipped;
	int r; /* why it was ended from here */
};

/* --- the request ---------------------------------------------------------------------------------- */

static void put_option(FILE *query, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(query, "&%s=", name);
	put_encoded(query, value);
}

/* The query of a capture; malloc'd. */
static char *capture_query(const struct ctl *ctl, const char *name, const struct session *session)
{
	const struct {
		const char *name, *value;
	} options[] = {
		{ "port", ctl->port },		 { "protocol", ctl->protocol },
		{ "listener", ctl->listener },	 { "server", ctl->server },
		{ "interface", ctl->interface }, { "verdict", ctl->verdict },
		{ "reason", ctl->reason },
	};
	/* a line tells both sides */
	bool before = ctl->before || (session->text && !ctl->after);
	char *text = NULL;
	size_t size;
	FILE *query = open_memstream(&text, &size);

	if (!query)
		return NULL;
	fprintf(query, "name=%s&format=%s", name, session->lines ? "json" : "pcapng");
	for (size_t i = 0; i < ctl->addresses.count; i++)
		put_option(query, "address", ctl->addresses.values[i]);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		put_option(query, options[i].name, options[i].value);
	if (before != ctl->after)
		put_option(query, "side", before ? "before" : "after");
	if (ctl->count)
		fprintf(query, "&count=%" PRIu64, ctl->count);
	if (ctl->for_ms)
		fprintf(query, "&seconds=%" PRIu64, (ctl->for_ms + 999) / 1000);
	if (ctl->snap)
		fprintf(query, "&snap=%" PRIu64, ctl->snap);
	return fclose(query) ? NULL : text;
}

/* --- what arrives ----------------------------------------------------------------------------------- */

static uint64_t option_u64(const struct pcapng_block *block, uint16_t code)
{
	const uint8_t *option = pcapng_option(block, code, sizeof(uint64_t));
	uint64_t value = 0;

	if (option)
		memcpy(&value, option, sizeof(value));
	return value;
}

static void count_block(struct session *session, const struct pcapng_block *block)
{
	const uint8_t *option;
	uint32_t flags = 0;

	if (block->type == PCAPNG_STATISTICS)
		session->skipped += option_u64(block, PCAPNG_IF_DROPPED);
	if (block->type != PCAPNG_PACKET)
		return;
	option = pcapng_option(block, PCAPNG_FLAGS, sizeof(flags));
	if (option)
		memcpy(&flags, option, sizeof(flags));
	session->packets++;
	session->before += flags == PCAPNG_INBOUND;
	session->after += flags == PCAPNG_OUTBOUND;
}

/* Opened when there is something to write: an error leaves no file behind. */
static int open_output(struct session *session)
{
	const char *path = session->ctl->output;
	int fd;

	if (session->out)
		return 0;
	if (!path || !strcmp(path, "-")) {
		session->out = stdout;
		return 0;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		session->out = fdopen(fd, "w");
	if (!session->out)
		return xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, -errno,
				   "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

static int write_error(struct session *session)
{
	int r = errno ? -errno : -EIO;

	return xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, r, "cannot write the capture: %s",
			   strerror(-r));
}

/* Whole blocks only, so that the file can be read whatever happens. Returns the bytes used or < 0. */
static ssize_t take_blocks(struct session *session, const char *data, size_t size)
{
	struct pcapng_block block;
	size_t used = 0;
	int r;

	while (!(r = pcapng_read((const uint8_t *)data + used, size - used, &block))) {
		if (fwrite(block.data, block.length, 1, session->out) != 1)
			return write_error(session);
		count_block(session, &block);
		used += block.length;
	}
	if (r == -EINVAL)
		return xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, -EPROTO,
				   "xlbd's answer is no capture");
	return (ssize_t)used;
}

static void count_line(struct session *session, const json_t *line)
{
	const char *stage = json_text_at(line, "stage");

	if (!strcmp(stage, "end")) {
		session->skipped = json_count_at(line, "skipped");
		return;
	}
	session->packets++;
	session->before += !strcmp(stage, "before");
	session->after += !strcmp(stage, "after");
	if (session->text)
		capture_put_line(session->out, line);
}

static ssize_t take_lines(struct session *session, const char *data, size_t size)
{
	const char *end;
	size_t used = 0;

	while ((end = memchr(data + used, '\n', size - used))) {
		size_t length = (size_t)(end + 1 - (data + used));
		json_t *line = json_loadb(data + used, length, 0, NULL);

		if (line)
			count_line(session, line);
		json_decref(line);
		if (!session->text)
			fwrite(data + used, length, 1, session->out);
		used += length;
	}
	return ferror(session->out) ? write_error(session) : (ssize_t)used;
}

static bool take(void *arg, const char *data, size_t size)
{
	struct session *session = arg;
	struct pending *pending = &session->pending;
	char *grown = realloc(pending->data, pending->size + size);
	ssize_t used;

	session->r = open_output(session);
	if (!grown && !session->r)
		session->r =
			xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (grown)
		pending->data = grown;
	if (session->r)
		return false;
	memcpy(pending->data + pending->size, data, size);
	pending->size += size;
	used = session->lines ? take_lines(session, pending->data, pending->size) :
				take_blocks(session, pending->data, pending->size);
	if (used >= 0 && fflush(session->out))
		used = write_error(session);
	if (used < 0) {
		session->r = (int)used;
		return false;
	}
	pending->size -= (size_t)used;
	memmove(pending->data, pending->data + used, pending->size);
	return true;
}

/* --- the end ---------------------------------------------------------------------------------------- */

struct stopper {
	struct ctl ctl; /* of its own: the stream has the other */
	char path[128];
	sigset_t signals;
};

/*
 * Waits for Ctrl-C and asks xlbd to end the capture, so that the file gets its end and its counts. A second
 * Ctrl-C, or xlbd not knowing the capture, ends xlbctl at once.
 */
static void *wait_for_signal(void *arg)
{
	struct stopper *stopper = arg;
	const struct request request = { .method = "POST", .path = stopper->path };
	struct answer answer AUTO_ANSWER = { 0 };
	int number;

	sigwait(&stopper->signals, &number);
	pthread_sigmask(SIG_UNBLOCK, &stopper->signals, NULL);
	if (client_call(&stopper->ctl, &request, &answer))
		_exit(128 + number);
	return NULL;
}

static void watch_signals(struct stopper *stopper)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	pthread_t thread;

	sigemptyset(&stopper->signals);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&stopper->signals, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &stopper->signals, NULL);
	if (pthread_create(&thread, NULL, wait_for_signal, stopper))
		pthread_sigmask(SIG_UNBLOCK, &stopper->signals, NULL);
	else
		pthread_detach(thread);
}

static int check_output(struct ctl *ctl)
{
	if (!ctl->output || strcmp(ctl->output, "-") || !isatty(STDOUT_FILENO))
		return 0;
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
		    "-o - would write binary data to the terminal");
	xlb_err_hint(&ctl->err, "use -o FILE, or xlbctl capture -o - | tshark -r -");
	return -EINVAL;
}

int verb_capture(struct ctl *ctl)
{
	static struct stopper stopper; /* outlives this function with its thread */
	bool text = !ctl->json && (ctl->text || (!ctl->output && isatty(STDOUT_FILENO)));
	struct session session = { .ctl = ctl, .text = text, .lines = text || ctl->json };
	struct request request = { .method = "POST", .path = ctl->command->path };
	AUTO_FREE char *query = NULL;
	char name[32];
	int r = check_output(ctl);

	if (r)
		return r;
	snprintf(name, sizeof(name), "xlbctl-%d", (int)getpid());
	query = capture_query(ctl, name, &session);
	if (!query)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	request.query = query;
	stopper.ctl = *ctl;
	snprintf(stopper.path, sizeof(stopper.path), "/v1/capture/%s/stop", name);
	watch_signals(&stopper);
	r = client_stream(ctl, &request, take, &session);
	/* a reader that has seen enough is no error */
	if (session.r)
		r = session.r == -EPIPE ? 0 : session.r;
	if (session.out && session.out != stdout && fclose(session.out) && !r)
		r = write_error(&session);
	free(session.pending.data);
	if (!r || session.packets)
		fprintf(stderr,
			"%" PRIu64 " packets (%" PRIu64 " before, %" PRIu64 " after), %" PRIu64
			" skipped\n",
			session.packets, session.before, session.after, session.skipped);
	return r;
}
