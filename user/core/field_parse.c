// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/field_parse.h"
#include "core/tls.h"
#include "core/unbuilt.h"

#define BYTES_ACCEPTED \
	"%" PRIu64 "-%" PRIu64 " bytes, where \\xHH, \\r, \\n, \\t and \\\\ stand for one each"

int no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

/* Of values that are written with a unit. */
static void units_accepted(const struct field *field, char *ret, size_t size)
{
	void (*format)(uint64_t value, char *text, size_t length) =
		field->kind == FIELD_TIME ? format_duration : format_rate;
	char from[32], to[32];

	format(field->min, from, sizeof(from));
	format(field->max, to, sizeof(to));
	snprintf(ret, size, "%s-%s", from, to);
}

static void words_accepted(const struct field *field, char *ret, size_t size)
{
	size_t used =
		(size_t)snprintf(ret, size, "%s", field->kind == FIELD_WORDS ? "a list of " : "");

	for (const struct word *word = field->words; word->word && used < size; word++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s",
					 word == field->words ? "" : ", ", word->word);
}

void field_accepted(const struct field *field, char *ret, size_t size)
{
	if (field->words && size) {
		words_accepted(field, ret, size);
		return;
	}
	switch (field->kind) {
	case FIELD_BOOL:
		snprintf(ret, size, "true, false");
		return;
	case FIELD_UINT:
		snprintf(ret, size, "%" PRIu64 "-%" PRIu64, field->min, field->max);
		return;
	case FIELD_TIME:
	case FIELD_RATE:
		units_accepted(field, ret, size);
		return;
	case FIELD_QUOTA:
		snprintf(ret, size, "%" PRIu64 "-%" PRIu64 " or 1%%-100%%", field->min, field->max);
		return;
	case FIELD_TEXT:
		if (field->flags & FIELD_BYTES)
			snprintf(ret, size, BYTES_ACCEPTED, field->min, field->max);
		else
			snprintf(ret, size,
				 "text of %" PRIu64 "-%" PRIu64 " characters without blanks",
				 field->min, field->max);
		return;
	case FIELD_TEXTS:
		snprintf(ret, size,
			 "a list of at most %" PRIu64
			 " texts, each of 1-255 printable ASCII characters",
			 field->max);
		return;
	case FIELD_CERTIFICATES:
		snprintf(ret, size,
			 "a list of at most %" PRIu64
			 " of {chain: FILE, key: FILE}, or CHAIN:KEY on a command line",
			 field->max);
		return;
	case FIELD_REF:
		snprintf(ret, size, "the name of a %s", field->ref->singular);
		return;
	case FIELD_REFS:
		snprintf(ret, size, "the name of a %s or a list of at most %" PRIu64,
			 field->ref->singular, field->max);
		return;
	case FIELD_NETS:
		snprintf(ret, size,
			 "a network like 10.0.0.0/8, an address, or a list of at most %" PRIu64,
			 field->max);
		return;
	case FIELD_ADDRS:
		snprintf(ret, size, "an IPv4 or IPv6 address or a list of at most %" PRIu64,
			 field->max);
		return;
	case FIELD_PORTS:
		snprintf(ret, size,
			 "1-65535, a range like 10000-20000, a list like [80, 443], or any");
		return;
	case FIELD_RANGE:
		snprintf(ret, size, "a range within %" PRIu64 "-%" PRIu64, field->min, field->max);
		return;
	case FIELD_EXPECT:
		snprintf(ret, size,
			 "a status code, a range like 200-299, or a list, within %" PRIu64
			 "-%" PRIu64 "; of udp " BYTES_ACCEPTED,
			 field->min, field->max, (uint64_t)1, (uint64_t)CHECK_BYTES_MAX);
		return;
	case FIELD_SHARES:
		snprintf(ret, size,
			 "the name of a %s, or a map of at most %u with their weights, 0-%" PRIu64,
			 field->ref->singular, XLB_SPLIT_GROUPS, field->max);
		return;
	case FIELD_WORD:
	case FIELD_WORDS:
		break;
	}
	snprintf(ret, size, "nothing");
}

/* `port "70000": accepted are 1-65535, ...`; reason NULL: none but what is accepted. */
static int refuse(const struct field *field, const char *text, const char *reason,
		  struct xlb_err *err)
{
	char accepted[200], quoted[QUOTE_MAX];

	field_accepted(field, accepted, sizeof(accepted));
	quote_text(text, quoted);
	if (reason)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s \"%s\": %s", field->name,
				   quoted, reason);
	return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s \"%s\": accepted are %s", field->name,
			   quoted, accepted);
}

static int parse_bool(const struct field *field, const char *text, bool *ret, struct xlb_err *err)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return refuse(field, text, NULL, err);
	*ret = !strcmp(text, "true");
	return 0;
}

static int parse_number(const struct field *field, const char *text, uint32_t *ret,
			struct xlb_err *err)
{
	uint64_t value;

	if (parse_uint(text, field->min, field->max, &value))
		return refuse(field, text, NULL, err);
	*ret = (uint32_t)value;
	return 0;
}

static int parse_limit(const struct field *field, const char *text, uint64_t *ret,
		       struct xlb_err *err)
{
	char accepted[80], reason[200];
	int r = parse_rate(text, field->min, field->max, ret);

	if (!r)
		return 0;
	field_accepted(field, accepted, sizeof(accepted));
	if (!strcmp(text, "0") || *text == '-')
		snprintf(reason, sizeof(reason), "accepted are %s; for no limit leave the key out",
			 accepted);
	else if (r == -ERANGE)
		return refuse(field, text, NULL, err);
	else
		snprintf(reason, sizeof(reason),
			 "not a whole number, alone or with k, M, G or T behind it, as in 100M; "
			 "accepted are %s",
			 accepted);
	return refuse(field, text, reason, err);
}

static int parse_time(const struct field *field, const char *text, uint64_t *ret,
		      struct xlb_err *err)
{
	char accepted[80], reason[160];
	int r = parse_duration(text, field->min, field->max, ret);

	if (!r)
		return 0;
	field_accepted(field, accepted, sizeof(accepted));
	if (r == -ERANGE)
		return refuse(field, text, NULL, err);
	if (*text && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text))
		snprintf(reason, sizeof(reason),
			 "a time needs a unit (ms, s, m, h, d), as in %ss; accepted are %s", text,
			 accepted);
	else
		snprintf(reason, sizeof(reason),
			 "not a time like 500ms, 60s, 5m, 2h or 7d; accepted are %s", accepted);
	return refuse(field, text, reason, err);
}

/* "2" or "50%" */
static int parse_quota(const struct field *field, const char *text, struct quota *ret,
		       struct xlb_err *err)
{
	size_t length = strlen(text);
	bool percent = length && text[length - 1] == '%';
	char number[24];
	uint64_t value;

	snprintf(number, sizeof(number), "%.*s", (int)(length - percent), text);
	if (length >= sizeof(number) ||
	    parse_uint(number, percent ? 1 : field->min, percent ? 100 : field->max, &value))
		return refuse(field, text, NULL, err);
	*ret = (struct quota){ .number = (uint32_t)value, .percent = percent };
	return 0;
}

static const struct word *find_word(const struct field *field, const char *text,
				    struct xlb_err *err)
{
	const char *candidates[16];
	const char *nearest, *why;
	char accepted[200], quoted[QUOTE_MAX];
	size_t n = 0;

	for (const struct word *word = field->words; word->word; word++) {
		if (!strcasecmp(word->word, text))
			return word;
		if (n < sizeof(candidates) / sizeof(candidates[0]))
			candidates[n++] = word->word;
	}
	why = unbuilt_word(field, text);
	if (why) {
		field_accepted(field, accepted, sizeof(accepted));
		xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL, "%s \"%s\" %s: accepted are %s",
			    field->name, quote_text(text, quoted), why, accepted);
		return NULL;
	}
	refuse(field, text, NULL, err);
	nearest = nearest_word(text, candidates, n);
	if (nearest)
		xlb_err_hint(err, "did you mean \"%s\"?", nearest);
	return NULL;
}

/* Printable ASCII and blanks with escapes for all other bytes, so that it can be shown as it is. */
static int check_bytes(const struct field *field, const char *text, struct xlb_err *err)
{
	uint8_t bytes[CHECK_BYTES_MAX];
	int r = parse_bytes(text, bytes, sizeof(bytes));

	for (const char *p = text; *p; p++)
		if (!isprint((unsigned char)*p))
			return refuse(
				field, text,
				"write \\xHH for what cannot be printed, in single quotes, as "
				"double ones turn it into that byte",
				err);
	return r > 0 ? 0 : refuse(field, text, NULL, err);
}

static int parse_text(const struct field *field, const char *text, char **ret, struct xlb_err *err)
{
	const struct word *word;
	size_t length = strlen(text);

	if (field->words) {
		word = find_word(field, text, err);
		if (!word)
			return -EINVAL;
		text = word->word;
	} else if (field->flags & FIELD_BYTES) {
		if (check_bytes(field, text, err))
			return -EINVAL;
	} else {
		if (length < field->min || length > field->max)
			return refuse(field, text, NULL, err);
		/* what goes into a request line must not end it */
		for (const char *p = text; *p; p++)
			if (!isgraph((unsigned char)*p))
				return refuse(field, text,
					      "only printable ASCII without blanks is accepted",
					      err);
	}
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

int name_check(const struct type *type, const char *name, struct xlb_err *err)
{
	static const char accepted[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t max = type == &type_interface ? IFNAMSIZ - 1 : NAME_TEXT_MAX - 1;
	size_t length = strlen(name);
	char quoted[QUOTE_MAX];

	if (length && length <= max && isalnum((unsigned char)*name) &&
	    strspn(name, accepted) == length)
		return 0;
	return xlb_err_set(
		err, XLB_ERR_CONFIG, -EINVAL,
		"%s \"%s\": a name has letters, digits, '.', '_' and '-', at most %zu, and begins with a "
		"letter or digit",
		type->singular, quote_text(name, quoted), max);
}

static int parse_ref(const struct field *field, const char *text, char ret[NAME_TEXT_MAX],
		     struct xlb_err *err)
{
	int r = name_check(field->ref, text, err);

	if (!r)
		snprintf(ret, NAME_TEXT_MAX, "%.*s", NAME_TEXT_MAX - 1, text);
	return r;
}

static int parse_refs(const struct field *field, const char *const *items, size_t count,
		      struct name_list *ret, size_t *ret_bad, struct xlb_err *err)
{
	AUTO_FREE char(*names)[NAME_TEXT_MAX] = calloc(count, sizeof(*names));
	int r;

	if (!names)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		r = parse_ref(field, items[i], names[i], err);
		if (r)
			return r;
		for (size_t j = 0; j < i; j++)
			if (!strcmp(names[i], names[j]))
				return refuse(field, items[i], "the name is there twice", err);
	}
	*ret = (struct name_list){ .names = TAKE(names), .count = (uint32_t)count };
	return 0;
}

static int parse_networks(const struct field *field, const char *const *items, size_t count,
			  struct prefix_list *ret, size_t *ret_bad, struct xlb_err *err)
{
	AUTO_FREE struct prefix *prefixes = calloc(count, sizeof(*prefixes));
	char right[PREFIX_TEXT_MAX], reason[PREFIX_TEXT_MAX + 60];
	int r;

	if (!prefixes)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		r = parse_network(items[i], &prefixes[i]);
		if (!r)
			continue;
		if (r != -EDOM)
			return refuse(field, items[i], NULL, err);
		format_network(&prefixes[i], right);
		snprintf(reason, sizeof(reason),
			 "the address has bits behind the prefix length: write %s", right);
		return refuse(field, items[i], reason, err);
	}
	*ret = (struct prefix_list){ .prefixes = TAKE(prefixes), .count = (uint32_t)count };
	return 0;
}

/* Why a text that is no address is none. */
static const char *address_reason(const struct field *field, const char *text)
{
	struct xlb_addr addr;
	uint16_t port;
	bool has_port;

	if (!parse_addr_port(text, &addr, &port, &has_port))
		return field->flags & FIELD_SERVER_PORT ?
			       "write the address here and the port under port" :
			       "write the address without a port";
	if (strchr(text, '/'))
		return "write the address without a prefix length";
	if (strchr(text, '%'))
		return "link-local addresses with a scope are not accepted";
	if (!strchr(text, ':') && strspn(text, "0123456789.") != strlen(text))
		return "host names are not accepted: write the address";
	return "not an IPv4 or IPv6 address";
}

static int parse_addrs(const struct field *field, const char *const *items, size_t count,
		       struct addr_list *ret, size_t *ret_bad, struct xlb_err *err)
{
	AUTO_FREE struct xlb_addr *addrs = calloc(count, sizeof(*addrs));

	if (!addrs)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		if (parse_addr(items[i], &addrs[i]))
			return refuse(field, items[i], address_reason(field, items[i]), err);
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&addrs[i], &addrs[j]))
				return refuse(field, items[i], "the address is there twice", err);
	}
	*ret = (struct addr_list){ .addrs = TAKE(addrs), .count = (uint32_t)count };
	return 0;
}

static int parse_range(const struct field *field, const char *text, uint64_t min, uint64_t max,
		       struct port_range *ret, struct xlb_err *err)
{
	struct port_range range;
	unsigned int from, to;
	char reason[64], end;

	if (!parse_port_range(text, &range) && range.from >= min && range.to <= max) {
		*ret = range;
		return 0;
	}
	if (strlen(text) < 16 && sscanf(text, "%5u-%5u%c", &from, &to, &end) == 2 && from > to &&
	    from <= max) {
		snprintf(reason, sizeof(reason), "the range is reversed, write %u-%u", to, from);
		return refuse(field, text, reason, err);
	}
	return refuse(field, text, NULL, err);
}

static int parse_ports(const struct field *field, const char *const *items, size_t count,
		       struct port_list *ret, size_t *ret_bad, struct xlb_err *err)
{
	AUTO_FREE struct port_range *ranges = calloc(count, sizeof(*ranges));
	bool any = false;
	int r;

	if (!ranges)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		if (!strcmp(items[i], "any"))
			ranges[i] = (struct port_range){ 1, 65535 };
		else if ((r = parse_range(field, items[i], 1, 65535, &ranges[i], err)))
			return r;
		any = ranges[i].from == 1 && ranges[i].to == 65535;
		if (any && count > 1)
			return refuse(field, items[i], "any stands alone: it means all ports", err);
	}
	*ret = (struct port_list){ .ranges = TAKE(ranges), .count = (uint32_t)count, .any = any };
	return 0;
}

/* One text may be bytes that look like a code, or no code: the type of the check will tell. */
static int parse_expectation(const struct field *field, const char *const *items, size_t count,
			     struct expectation *ret, size_t *ret_bad, struct xlb_err *err)
{
	AUTO_FREE char *text = NULL;
	struct xlb_err trial = {};
	AUTO_FREE struct port_range *ranges = calloc(count, sizeof(*ranges));
	int r = 0;

	if (!ranges)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		r = parse_range(field, items[i], field->min, field->max, &ranges[i],
				count > 1 ? err : &trial);
		if (r && count > 1)
			return r;
	}
	if (count == 1) {
		text = strdup(*items);
		if (!text)
			return no_memory(err);
		count = r ? 0 : 1;
	}
	r = count ? 0 : check_bytes(field, text, err);
	if (r)
		return r;
	*ret = (struct expectation){
		.codes = { .ranges = count ? TAKE(ranges) : NULL, .count = (uint32_t)count },
		.text = TAKE(text),
	};
	return 0;
}

/* "web" or "web=95" */
static int parse_share(const struct field *field, const char *text, struct share *ret,
		       struct xlb_err *err)
{
	size_t length = strcspn(text, "=");
	char name[QUOTE_MAX], reason[80];
	uint64_t weight = SHARE_WEIGHT_ALONE;

	snprintf(name, sizeof(name), "%.*s", (int)length, text);
	if (text[length] && parse_uint(text + length + 1, 0, field->max, &weight)) {
		snprintf(reason, sizeof(reason), "a weight is a number, accepted are 0-%" PRIu64,
			 field->max);
		return refuse(field, text, reason, err);
	}
	ret->weight = (uint32_t)weight;
	return parse_ref(field, name, ret->group, err);
}

static int parse_shares(const struct field *field, const char *const *items, size_t count,
			struct share_list *ret, size_t *ret_bad, struct xlb_err *err)
{
	AUTO_FREE struct share *shares = calloc(count, sizeof(*shares));
	uint64_t sum = 0;
	int r;

	if (!shares)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		r = parse_share(field, items[i], &shares[i], err);
		if (r)
			return r;
		for (size_t j = 0; j < i; j++)
			if (!strcmp(shares[i].group, shares[j].group))
				return refuse(field, items[i], "the group is there twice", err);
		sum += shares[i].weight;
	}
	*ret_bad = count;
	if (!sum)
		return xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				   "%s: the weights sum to 0: one of them must be above 0, to stop "
				   "taking new flows use enabled: false",
				   field->name);
	*ret = (struct share_list){ .shares = TAKE(shares), .count = (uint32_t)count };
	return 0;
}

static int parse_texts(const struct field *field, const char *const *items, size_t count,
		       struct texts *ret, size_t *ret_bad, struct xlb_err *err)
{
	/* texts_copy only reads them */
	const struct texts list = { (char **)(uintptr_t)items, (uint32_t)count };

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(items[i]);

		*ret_bad = i;
		for (const char *p = items[i]; *p; p++)
			length = isprint((unsigned char)*p) ? length : 0;
		if (!length || length > 255)
			return refuse(field, items[i], NULL, err);
	}
	return texts_copy(&list, ret) ? no_memory(err) : 0;
}

static int parse_certificates(const struct field *field, const char *const *items, size_t count,
			      struct texts *ret, size_t *ret_bad, struct xlb_err *err)
{
	for (size_t i = 0; i < count; i++) {
		const char *reason = certificate_paths_fault(items[i]);

		*ret_bad = i;
		for (size_t j = 0; !reason && j < i; j++)
			if (!strcmp(items[i], items[j]))
				reason = "the certificate is there twice";
		if (reason)
			return refuse(field, items[i], reason, err);
	}
	return parse_texts(field, items, count, ret, ret_bad, err);
}

static int parse_words(const struct field *field, const char *const *items, size_t count,
		       uint32_t *ret, size_t *ret_bad, struct xlb_err *err)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < count; i++) {
		const struct word *word = find_word(field, items[i], err);

		*ret_bad = i;
		if (!word)
			return -EINVAL;
		if (bits & word->value)
			return refuse(field, items[i], "the word is there twice", err);
		bits |= word->value;
	}
	*ret = bits;
	return 0;
}

int parse_value(const struct field *field, const char *const *items, size_t count, union value *ret,
		size_t *ret_bad, struct xlb_err *err)
{
	const struct word *word;

	switch (field->kind) {
	case FIELD_BOOL:
		return parse_bool(field, *items, &ret->truth, err);
	case FIELD_UINT:
		return parse_number(field, *items, &ret->number, err);
	case FIELD_TIME:
		return parse_time(field, *items, &ret->time, err);
	case FIELD_QUOTA:
		return parse_quota(field, *items, &ret->quota, err);
	case FIELD_RATE:
		return parse_limit(field, *items, &ret->time, err);
	case FIELD_WORD:
		word = find_word(field, *items, err);
		if (word)
			ret->number = word->value;
		return word ? 0 : -EINVAL;
	case FIELD_WORDS:
		return parse_words(field, items, count, &ret->number, ret_bad, err);
	case FIELD_TEXT:
		return parse_text(field, *items, &ret->text, err);
	case FIELD_REF:
		return parse_ref(field, *items, ret->name, err);
	case FIELD_RANGE:
		return parse_range(field, *items, field->min, field->max, &ret->range, err);
	case FIELD_ADDRS:
		return parse_addrs(field, items, count, &ret->addrs, ret_bad, err);
	case FIELD_REFS:
		return parse_refs(field, items, count, &ret->names, ret_bad, err);
	case FIELD_NETS:
		return parse_networks(field, items, count, &ret->networks, ret_bad, err);
	case FIELD_PORTS:
		return parse_ports(field, items, count, &ret->ports, ret_bad, err);
	case FIELD_SHARES:
		return parse_shares(field, items, count, &ret->shares, ret_bad, err);
	case FIELD_TEXTS:
		return parse_texts(field, items, count, &ret->texts, ret_bad, err);
	case FIELD_CERTIFICATES:
		return parse_certificates(field, items, count, &ret->texts, ret_bad, err);
	case FIELD_EXPECT:
		return parse_expectation(field, items, count, &ret->expect, ret_bad, err);
	}
	return -EINVAL;
}
