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
#include "xlbctl/lines.h"

struct session {
	struct ctl *ctl;
	bool text, lines_wanted; /* as text; as lines of JSON, of which text is made */
	FILE *out;
	struct lines lines;
	uint8_t *blocks; /* a part of a block, owned */
	size_t size;
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
	fprintf(query, "name=%s&format=%s", name, session->lines_wanted ? "json" : "pcapng");
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

/* Whole blocks only, so that the file can be read whatever happens. */
static int take_blocks(struct session *session, const char *data, size_t size)
{
	uint8_t *grown = realloc(session->blocks, session->size + size);
	struct pcapng_block block;
	size_t used = 0;
	int r;

	if (!grown)
		return xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	session->blocks = grown;
	memcpy(grown + session->size, data, size);
	session->size += size;
	while (!(r = pcapng_read(grown + used, session->size - used, &block))) {
		if (fwrite(block.data, block.length, 1, session->out) != 1)
			return write_error(session);
		count_block(session, &block);
		used += block.length;
	}
	if (r == -EINVAL)
		return xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, -EPROTO,
				   "xlbd's answer is no capture");
	session->size -= used;
	memmove(grown, grown + used, session->size);
	return 0;
}

static bool take_line(void *arg, const char *line, size_t length)
{
	struct session *session = arg;
	json_t *json = json_loadb(line, length, 0, NULL);
	const char *stage = json ? json_text_at(json, "stage") : "";
	bool end = !strcmp(stage, "end");

	if (end)
		session->skipped = json_count_at(json, "skipped");
	session->packets += !end;
	session->before += !strcmp(stage, "before");
	session->after += !strcmp(stage, "after");
	if (!session->text)
		fprintf(session->out, "%.*s\n", (int)length, line);
	else if (!end)
		capture_put_line(session->out, json);
	json_decref(json);
	if (ferror(session->out))
		session->r = write_error(session);
	return !session->r;
}

static bool take(void *arg, const char *data, size_t size)
{
	struct session *session = arg;

	session->r = open_output(session);
	if (session->r)
		return false;
	if (session->lines_wanted) {
		if (!lines_take(&session->lines, data, size) && !session->r)
			session->r = xlb_err_set(&session->ctl->err, XLB_ERR_FAILED, -EPROTO,
						 "xlbd's answer has no lines");
	} else {
		session->r = take_blocks(session, data, size);
	}
	if (!session->r && fflush(session->out))
		session->r = write_error(session);
	return !session->r;
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
	struct session session = { .ctl = ctl, .text = text, .lines_wanted = text || ctl->json };
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
	session.lines = (struct lines){ .take = take_line, .arg = &session };
	r = client_stream(ctl, &request, take, &session);
	/* a reader that has seen enough is no error */
	if (session.r)
		r = session.r == -EPIPE ? 0 : session.r;
	if (session.out && session.out != stdout && fclose(session.out) && !r)
		r = write_error(&session);
	free(session.blocks);
	lines_done(&session.lines);
	if (!r || session.packets)
		fprintf(stderr,
			"%" PRIu64 " packets (%" PRIu64 " before, %" PRIu64 " after), %" PRIu64
			" skipped\n",
			session.packets, session.before, session.after, session.skipped);
	return r;
}
