// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/drops: how often packets were dropped for each reason, and what the last one was. */
#include <errno.h>
#include <string.h>

#include "base/words.h"
#include "core/packet.h"
#include "xlbd/api_query.h"
#include "xlbd/traffic.h"

#define LIST_MAX 400

/* What is asked for, and the sums over the interfaces asked for. */
struct drop_sums {
	const struct api *api;
	const char *interface; /* NULL: all */
	uint32_t reason;       /* 0: all */
	bool all, found, measured;
	uint64_t totals[XLB_DROP_COUNT];
	double rates[XLB_DROP_COUNT];
	json_t *interfaces[XLB_DROP_COUNT]; /* name to count, what is not zero */
	struct timespec now, wall;
};

static void add_interface(void *arg, struct id_entry *entry)
{
	struct drop_sums *sums = arg;
	uint64_t drops[XLB_DROP_COUNT] = {};
	struct traffic_rates rates;
	bool measured;

	if (sums->interface && strcmp(entry->key, sums->interface))
		return;
	sums->found = true;
	if (datapath_drop_counters(engine_datapath(sums->api->engine), entry->id, drops))
		return;
	measured = traffic_rates(sums->api->traffic, entry->id, &rates);
	sums->measured |= measured;
	for (uint32_t reason = 1; reason < XLB_DROP_COUNT; reason++) {
		sums->totals[reason] += drops[reason];
		sums->rates[reason] += measured ? rates.reasons[reason] : 0;
		if (drops[reason])
			json_object_set_new(sums->interfaces[reason], entry->key,
					    json_integer((json_int_t)drops[reason]));
	}
}

/* NULL for what has no name. */
static json_t *name_json(const struct drop_sums *sums, enum id_kind kind, uint32_t id)
{
	char name[ID_KEY_MAX] = "";

	if (id)
		ids_name(engine_ids(sums->api->engine), kind, id, name);
	return name[0] ? json_string(name) : json_null();
}

static json_t *hex_json(const uint8_t *data, uint32_t size)
{
	char text[2 * XLB_SAMPLE_BYTES + 1] = "";

	for (uint32_t i = 0; i < size; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", data[i]);
	return json_string(text);
}

/* A frame that was lost after its verdict left no bytes. */
static json_t *packet_json(const struct xlb_drop_sample *sample)
{
	char text[PACKET_TEXT_MAX];
	struct packet_info info;

	if (!sample->captured)
		return json_null();
	packet_read(sample->data, sample->captured, &info);
	packet_format(&info, text);
	return json_string(text);
}

static json_t *sample_json(const struct drop_sums *sums, const struct xlb_drop_sample *sample,
			   const char *interface)
{
	double now = (double)sums->now.tv_sec + (double)sums->now.tv_nsec / 1e9;
	double age = now - (double)sample->time / 1e9;
	char when[TIME_TEXT_MAX];

	if (age < 0)
		age = 0;
	format_utc(sums->wall.tv_sec - (time_t)age, when);
	return json_pack("{s:s, s:f, s:s, s:o, s:I, s:o, s:o, s:o}", "time", when, "age", age,
			 "interface", interface, "packet", packet_json(sample), "length",
			 (json_int_t)sample->length, "listener",
			 name_json(sums, ID_LISTENER, sample->listener), "server",
			 name_json(sums, ID_SERVER, sample->server), "bytes",
			 hex_json(sample->data, sample->captured));
}

/*
 * The last packet of a reason, null if there is none. One of an interface that has not dropped for this
 * reason is not told: it is that of another NIC, which had the slot before.
 */
static json_t *last_json(const struct drop_sums *sums, uint32_t reason)
{
	struct xlb_drop_sample sample;
	char interface[ID_KEY_MAX];

	if (datapath_drop_sample(engine_datapath(sums->api->engine), reason, &sample))
		return json_null();
	ids_name(engine_ids(sums->api->engine), ID_INTERFACE, sample.slot, interface);
	if (!json_object_get(sums->interfaces[reason], interface))
		return json_null();
	return sample_json(sums, &sample, interface);
}

static json_t *drop_json(const struct drop_sums *sums, uint32_t reason)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:o, s:O, s:o}", "reason", reason_word(reason),
			 "meaning", reason_meaning(reason), "advice", reason_advice(reason),
			 "total", (json_int_t)sums->totals[reason], "rate",
			 sums->measured ? json_real(sums->rates[reason]) : json_null(),
			 "interfaces", sums->interfaces[reason], "last", last_json(sums, reason));
}

static json_t *drops_answer(struct drop_sums *sums)
{
	const char *uncounted = datapath_lost_uncounted(engine_datapath(sums->api->engine));
	json_t *list = json_array();
	char when[TIME_TEXT_MAX];

	for (uint32_t reason = 1; reason < XLB_DROP_COUNT; reason++)
		if ((!sums->reason || sums->reason == reason) &&
		    (sums->all || sums->reason || sums->totals[reason]))
			json_array_append_new(list, drop_json(sums, reason));
	format_utc(sums->wall.tv_sec, when);
	return json_pack("{s:s, s:s?, s:o}", "time", when, "uncounted",
			 uncounted[0] ? uncounted : NULL, "drops", list);
}

/* "a, b, c" */
static void append_word(char list[LIST_MAX], const char *word)
{
	size_t used = strlen(list);

	snprintf(list + used, LIST_MAX - used, "%s%s", used ? ", " : "", word);
}

static int read_query(struct call *call, struct drop_sums *sums, struct xlb_err *err)
{
	const char *word = query_text(call, "reason");
	char list[LIST_MAX] = "";

	sums->interface = query_text(call, "interface");
	if (word) {
		sums->reason = reason_by_word(word);
		for (uint32_t i = 1; i < XLB_DROP_COUNT; i++)
			append_word(list, reason_word(i));
		if (!sums->reason)
			return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "no reason '%.64s': %s",
					   word, list);
	}
	return query_flag(call, "all", &sums->all, err);
}

static void name_interface(void *arg, struct id_entry *entry)
{
	append_word(arg, entry->key);
}

static int no_interface(struct call *call, const char *name, struct xlb_err *err)
{
	char list[LIST_MAX] = "";

	ids_each(engine_ids(call->api->engine), ID_INTERFACE, name_interface, list);
	return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT, "no interface '%.64s' of xlb%s%s", name,
			   list[0] ? ": " : ", none is attached", list);
}

void api_drops(struct call *call)
{
	struct drop_sums sums = { .api = call->api };
	json_t *answer = NULL;
	struct xlb_err err = {};
	int r = read_query(call, &sums, &err);

	clock_gettime(CLOCK_MONOTONIC, &sums.now);
	clock_gettime(CLOCK_REALTIME, &sums.wall);
	for (uint32_t i = 0; i < XLB_DROP_COUNT; i++)
		sums.interfaces[i] = json_object();
	if (!r)
		ids_each(engine_ids(call->api->engine), ID_INTERFACE, add_interface, &sums);
	if (!r && sums.interface && !sums.found)
		r = no_interface(call, sums.interface, &err);
	if (!r)
		answer = drops_answer(&sums);
	for (uint32_t i = 0; i < XLB_DROP_COUNT; i++)
		json_decref(sums.interfaces[i]);
	if (r)
		call_reply_err(call, &err);
	else
		call_reply_json(call, answer);
}
