// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/shift.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WEIGHT_MAX 1000

/* "5%", "0.25%" at the beginning of the text, 0-100 %: how long it is, 0: something else is there. */
static size_t scan_part(const char *text, uint32_t *ret)
{
	size_t digits = strspn(text, "0123456789"), used = digits;
	uint32_t part = 0, unit = SHIFT_WHOLE / 100;

	if (!digits || digits > 3)
		return 0;
	for (size_t i = 0; i < digits; i++)
		part = part * 10 + (uint32_t)(text[i] - '0');
	part *= unit;
	if (text[used] == '.') {
		for (used++; isdigit((unsigned char)text[used]) && unit > 1; used++) {
			unit /= 10;
			part += (uint32_t)(text[used] - '0') * unit;
		}
	}
	if (text[used] != '%' || part > SHIFT_WHOLE)
		return 0;
	*ret = part;
	return used + 1;
}

void shift_part_text(uint32_t part, char *ret, size_t size)
{
	if (part % 100 == 0)
		snprintf(ret, size, "%u%%", part / 100);
	else
		snprintf(ret, size, "%u.%0*u%%", part / 100, part % 10 ? 2 : 1,
			 part % 10 ? part % 100 : part % 100 / 10);
}

int shift_parse_steps(const char *text, struct shift_steps *ret, struct xlb_err *err)
{
	size_t length = strcspn(text, "="), used;
	struct shift_steps steps = {};

	if (!text[length] || !length || length >= sizeof(steps.group))
		return xlb_err_set(
			err, XLB_ERR_USAGE, -EINVAL,
			"\"%.100s\": which group, and what part of new flows at each step? such as web-next=5%%,25%%,100%%",
			text);
	memcpy(steps.group, text, length);
	for (text += length; *text; text += used) {
		used = *text == (steps.count ? ',' : '=') && steps.count < SHIFT_STEPS_MAX ?
			       scan_part(text + 1, &steps.parts[steps.count]) :
			       0;
		if (!used)
			return xlb_err_set(
				err, XLB_ERR_USAGE, -EINVAL,
				"\"%.100s\": parts are 0%%-100%% with a comma in between, at most %d of them",
				text + (*text != '\0'), SHIFT_STEPS_MAX);
		used++;
		steps.count++;
	}
	*ret = steps;
	return 0;
}

static size_t scan_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) ? 0 : length;
}

static size_t blanks(const char *text)
{
	return strspn(text, " \t");
}

/* One condition at the beginning of the text: how long it is, 0: there is none. */
static size_t scan_limit(const char *text, struct shift_limits *limits)
{
	size_t used = scan_word(text, "down"), length;

	if (used) {
		limits->down = true;
		return used;
	}
	used = scan_word(text, "reset_ratio");
	if (!used)
		return 0;
	used += blanks(text + used);
	if (text[used] != '>')
		return 0;
	used++;
	used += blanks(text + used);
	length = scan_part(text + used, &limits->reset_ratio);
	limits->by_resets = true;
	return length ? used + length : 0;
}

int shift_parse_limits(const char *text, struct shift_limits *ret, struct xlb_err *err)
{
	struct shift_limits limits = {};
	const char *at = text;
	size_t used;

	while (at) {
		at += blanks(at);
		used = scan_limit(at, &limits);
		at += used;
		if (used && !at[blanks(at)])
			break;
		/* "or" is a word */
		if (used && blanks(at) && scan_word(at + blanks(at), "or ")) {
			at += blanks(at) + strlen("or");
			continue;
		}
		return xlb_err_set(
			err, XLB_ERR_USAGE, -EINVAL,
			"--abort-if \"%.100s\": accepted are down and reset_ratio>N%%, joined by or, such as 'down or reset_ratio>2%%'",
			text);
	}
	*ret = limits;
	return 0;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Small numbers of the same ratio: they sum up to 100 if they can, and none is above what is accepted. */
static void scale(const uint64_t *values, struct shift_weights *ret)
{
	uint64_t divisor = 0, sum = 0, most = 0, factor, value;

	for (uint32_t i = 0; i < ret->count; i++) {
		divisor = common_divisor(divisor, values[i]);
		sum += values[i];
		most = values[i] > most ? values[i] : most;
	}
	factor = 100 % (sum / divisor) ? 1 : 100 / (sum / divisor);
	for (uint32_t i = 0; i < ret->count; i++) {
		value = values[i] / divisor * factor;
		if (most / divisor * factor > WEIGHT_MAX) {
			value = (values[i] * WEIGHT_MAX + most / 2) / most;
			value = values[i] && !value ? 1 : value;
		}
		ret->shares[i].weight = (uint32_t)value;
	}
}

int shift_weigh(const struct shift_weights *before, const char *group, uint32_t part,
		struct shift_weights *ret, struct xlb_err *err)
{
	uint64_t values[XLB_SPLIT_GROUPS], others = 0;
	struct shift_weights weights = *before;
	uint32_t at = 0;

	while (at < weights.count && strcmp(weights.shares[at].group, group) != 0)
		at++;
	if (at == XLB_SPLIT_GROUPS)
		return xlb_err_set(
			err, XLB_ERR_CONFIG, -EINVAL,
			"the listener has %d groups already, which is the most: %s would be one more",
			XLB_SPLIT_GROUPS, group);
	if (at == weights.count) {
		weights.count++;
		memset(&weights.shares[at], 0, sizeof(weights.shares[at]));
		snprintf(weights.shares[at].group, sizeof(weights.shares[at].group), "%s", group);
	}
	for (uint32_t i = 0; i < weights.count; i++)
		others += i == at ? 0 : weights.shares[i].weight;
	if (!others && part < SHIFT_WHOLE)
		return xlb_err_set(
			err, XLB_ERR_CONFIG, -EINVAL,
			"%s has all new flows, and no other group of the listener has a weight to share the rest by",
			group);
	for (uint32_t i = 0; i < weights.count; i++)
		values[i] = i == at ? part * (others ? others : 1) :
				      (uint64_t)weights.shares[i].weight * (SHIFT_WHOLE - part);
	scale(values, &weights);
	*ret = weights;
	return 0;
}

bool shift_weights_equal(const struct shift_weights *a, const struct shift_weights *b)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->shares[i].group, b->shares[i].group) != 0 ||
		    a->shares[i].weight != b->shares[i].weight)
			return false;
	return a->count == b->count;
}

void shift_weights_text(const struct shift_weights *weights, char *ret, size_t size)
{
	size_t used = 0;

	*ret = '\0';
	for (uint32_t i = 0; i < weights->count && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s=%u", i ? "," : "",
					 weights->shares[i].group, weights->shares[i].weight);
}
