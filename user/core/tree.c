// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/tree.h"

#include <errno.h>
#include <libfyaml.h>
#include <string.h>
/* lack of memory marks the member instead of ending the process */
#define HASH_NONFATAL_OOM	     1
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>

#include "core/tree_feed.h"
#include "core/tree_text.h"

#define CHUNK_SIZE (64U << 10)

/* Memory that is given back at once. */
struct chunk {
	struct chunk *next;
	size_t used, size;
	char bytes[] __attribute__((aligned(16)));
};

struct tree_memory {
	struct tree tree; /* first: what the caller sees */
	struct chunk *chunks;
};

/* A key of a map that is being read. */
struct member {
	uint32_t line, column;
	bool lost;
	UT_hash_handle hh;
};

/* A list or map that is being read. */
struct frame {
	struct node *node, *last;
	struct member *members; /* hash of the keys so far */
	bool has_key;		/* the map's next node is the value of `key` */
	const char *key;
	struct place key_place;
};

struct reader {
	struct tree_memory *memory;
	struct xlb_err *err;
	struct feed feed;
	struct frame frames[TREE_MAX_DEPTH];
	uint32_t depth, nodes, max_nodes;
	bool has_document;
	struct place last; /* end of the last event that has a place */
	struct cursor cursor;
};

static void *tree_alloc(struct tree_memory *memory, size_t size)
{
	struct chunk *chunk = memory->chunks;
	size_t room;
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (!chunk || chunk->size - chunk->used < size) {
		room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct chunk){ .next = memory->chunks, .size = room };
		memory->chunks = chunk;
	}
	p = chunk->bytes + chunk->used;
	chunk->used += size;
	return p;
}

static char *tree_copy(struct tree_memory *memory, const char *text, size_t length)
{
	char *copy = tree_alloc(memory, length + 1);

	if (copy) {
		memcpy(copy, text, length);
		copy[length] = 0;
	}
	return copy;
}

struct tree *tree_free(struct tree *tree)
{
	struct tree_memory *memory = (struct tree_memory *)tree;
	struct chunk *chunk, *next;

	if (!memory)
		return NULL;
	for (chunk = memory->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(memory);
	return NULL;
}

static int no_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

/* The position of an error whose text is already set. */
static int fail_at(struct reader *reader, const struct place *place)
{
	const struct tree *tree = &reader->memory->tree;

	text_locate(tree->file, tree->source, place, reader->err);
	return -EINVAL;
}

/* A libfyaml mark in the text as the user wrote it, 1-based. */
static struct place place_of(const struct reader *reader, const struct fy_mark *mark)
{
	struct place place = { (uint32_t)mark->line + 1, (uint32_t)mark->column + 1, 1 };

	feed_unmark(&reader->feed, &place);
	return place;
}

/* What a token covers in the text as the user wrote it. */
struct span {
	const char *start, *end;
	bool one_line;
	enum fy_scalar_style style;
};

/*
 * The place of a token and the text between its marks. Marks of a quoted scalar lie inside its quotes; their
 * input_pos is of no use, since it starts anew with every piece that is fed.
 */
static struct place token_place(struct reader *reader, struct fy_token *token, struct span *ret)
{
	const struct fy_mark *from = fy_token_start_mark(token), *to = fy_token_end_mark(token);
	struct place place, end;
	bool quoted;

	*ret = (struct span){ .start = "", .end = "" };
	if (!from || !to)
		return reader->last;
	place = place_of(reader, from);
	end = place_of(reader, to);
	ret->style = fy_token_scalar_style(token);
	quoted = ret->style == FYSS_DOUBLE_QUOTED || ret->style == FYSS_SINGLE_QUOTED;
	ret->one_line = place.line == end.line;
	ret->start = text_seek(&reader->cursor, &place);
	if (ret->one_line)
		place.length = end.column - place.column + (quoted ? 2 : 0);
	else
		place.length = text_rest_of_line(ret->start) + quoted;
	ret->end = text_seek(&reader->cursor, &end);
	if (quoted && place.column > 1)
		place.column--;
	return place;
}

/* --- nodes -------------------------------------------------------------------------------------- */

static struct frame *top_frame(struct reader *reader)
{
	return reader->depth ? &reader->frames[reader->depth - 1] : NULL;
}

static bool wants_key(struct reader *reader)
{
	struct frame *frame = top_frame(reader);

	return frame && frame->node->kind == NODE_MAP && !frame->has_key;
}

/* Links a node of the kind under what is being read. */
static int node_add(struct reader *reader, enum node_kind kind, const struct place *place,
		    struct node **ret)
{
	struct frame *frame = top_frame(reader);
	struct node *node;

	if (++reader->nodes > reader->max_nodes) {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -E2BIG,
			    "more than %u values: no configuration is that big", reader->max_nodes);
		return fail_at(reader, place);
	}
	node = tree_alloc(reader->memory, sizeof(*node));
	if (!node)
		return no_memory(reader->err);
	*node = (struct node){ .kind = kind,
			       .line = place->line,
			       .column = place->column,
			       .length = place->length,
			       .text = "" };
	if (!frame) {
		reader->memory->tree.root = node;
	} else {
		if (frame->last)
			frame->last->next = node;
		else
			frame->node->first = node;
		frame->last = node;
		frame->node->count++;
		if (frame->has_key) {
			node->key = frame->key;
			node->key_line = frame->key_place.line;
			node->key_column = frame->key_place.column;
			node->key_length = frame->key_place.length;
			frame->has_key = false;
		}
	}
	*ret = node;
	return 0;
}

/* The text of a scalar, by its chunks: fy_token_get_text of libfyaml 0.7.12 may leak. */
static int token_text(struct reader *reader, struct fy_token *token, char **ret, size_t *ret_length)
{
	struct fy_token_iter *iterator = fy_token_iter_create(token);
	FILE *out = open_memstream(ret, ret_length);
	const struct fy_iter_chunk *chunk = NULL;
	int failed = !iterator;

	while (out && !failed && (chunk = fy_token_iter_chunk_next(iterator, chunk, &failed)))
		fwrite(chunk->str, 1, chunk->len, out);
	fy_token_iter_destroy(iterator);
	return !out || fclose(out) || failed ? no_memory(reader->err) : 0;
}

static int single_quoted_text(struct reader *reader, const struct span *span, char **ret,
			      size_t *ret_length)
{
	FILE *out = open_memstream(ret, ret_length);

	if (out)
		text_unquote(out, span->start, span->end);
	return !out || fclose(out) ? no_memory(reader->err) : 0;
}

/* True if the value is what stands between the marks: on one line and without escapes. */
static bool is_literal(const struct span *span)
{
	size_t length = (size_t)(span->end - span->start);

	if (!span->one_line)
		return false;
	switch (span->style) {
	case FYSS_PLAIN:
		return true;
	case FYSS_SINGLE_QUOTED:
		return !memchr(span->start, '\'', length);
	case FYSS_DOUBLE_QUOTED:
		return !memchr(span->start, '\\', length);
	default:
		return false;
	}
}

/* The text of a scalar in the tree's memory. libfyaml 0.7.12 garbles '' that follow each other. */
static int scalar_text(struct reader *reader, struct fy_token *token, const struct span *span,
		       const struct place *place, const char **ret)
{
	AUTO_FREE char *made = NULL;
	const char *p = span->start;
	size_t length = (size_t)(span->end - span->start);
	int r = 0;

	if (!is_literal(span)) {
		if (span->style == FYSS_SINGLE_QUOTED)
			r = single_quoted_text(reader, span, &made, &length);
		else
			r = token_text(reader, token, &made, &length);
		p = made;
	}
	if (r)
		return r;
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f) {
			xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL,
				    "the value holds a control character (0x%02x): remove it",
				    p[i]);
			return fail_at(reader, place);
		}
	*ret = tree_copy(reader->memory, p, length);
	return *ret ? 0 : no_memory(reader->err);
}

/* Remembers the key of the value that follows. */
static int key_begin(struct reader *reader, const char *key, const struct place *place)
{
	struct frame *frame = top_frame(reader);
	struct member *member = NULL;
	size_t length = strlen(key);
	char quoted[QUOTE_MAX];

	if (!length) {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL, "there is no key before ':'");
		return fail_at(reader, place);
	}
	HASH_FIND(hh, frame->members, key, length, member);
	if (member) {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL,
			    "duplicate key \"%s\", first at line %u, column %u",
			    quote_text(key, quoted), member->line, member->column);
		xlb_err_hint(reader->err, "remove one of them");
		return fail_at(reader, place);
	}
	member = malloc(sizeof(*member));
	if (!member)
		return no_memory(reader->err);
	*member = (struct member){ .line = place->line, .column = place->column };
	HASH_ADD_KEYPTR(hh, frame->members, key, length, member);
	if (member->lost) {
		free(member);
		return no_memory(reader->err);
	}
	frame->has_key = true;
	frame->key = key;
	frame->key_place = *place;
	return 0;
}

static void frame_done(struct frame *frame)
{
	struct member *member, *next;

	HASH_ITER(hh, frame->members, member, next) {
		HASH_DEL(frame->members, member);
		free(member);
	}
	frame->members = NULL;
}

/* --- events ------------------------------------------------------------------------------------- */

/* Where a value without text stands: at its key, else behind what came last. */
static struct place empty_place(struct reader *reader)
{
	struct frame *frame = top_frame(reader);

	return frame && frame->has_key ? frame->key_place : reader->last;
}

static int read_scalar(struct reader *reader, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	struct place place = empty_place(reader);
	struct node *node;
	struct span span;
	const char *text = "";
	int r = 0;

	if (fy_event_start_mark(event)) {
		place = token_place(reader, token, &span);
		r = scalar_text(reader, token, &span, &place, &text);
	}
	if (r)
		return r;
	if (wants_key(reader))
		return key_begin(reader, text, &place);
	r = node_add(reader, NODE_SCALAR, &place, &node);
	if (r)
		return r;
	node->text = text;
	node->plain = fy_token_scalar_style(token) == FYSS_PLAIN;
	return 0;
}

static int read_container(struct reader *reader, struct fy_event *event, enum node_kind kind)
{
	const struct fy_mark *mark = fy_event_start_mark(event);
	struct place place = mark ? place_of(reader, mark) : empty_place(reader);
	struct node *node;
	int r;

	if (wants_key(reader)) {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL,
			    "a key must be plain text, not a list or map");
		return fail_at(reader, &place);
	}
	if (reader->depth == TREE_MAX_DEPTH) {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL, "nested deeper than %d levels",
			    TREE_MAX_DEPTH);
		return fail_at(reader, &place);
	}
	r = node_add(reader, kind, &place, &node);
	if (r)
		return r;
	reader->frames[reader->depth++] = (struct frame){ .node = node };
	return 0;
}

/* The first line from `line` on that begins with %. */
static int refuse_directive(struct reader *reader, uint32_t line)
{
	const struct tree *tree = &reader->memory->tree;
	struct place place = { line, 1, 1 };
	const char *p = text_line(tree->source, line);

	for (; *p && *p != '%'; place.line++)
		p = text_line(p, 2);
	place.length = text_rest_of_line(p);
	xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL, "%% directives are not accepted");
	return fail_at(reader, &place);
}

static int read_document(struct reader *reader, struct fy_event *event)
{
	struct fy_document_state *state = event->document_start.document_state;
	const struct fy_mark *mark = fy_event_start_mark(event);
	struct place place = mark ? place_of(reader, mark) : reader->last;

	if (reader->has_document) {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL,
			    "a second document begins here: one is accepted");
		return fail_at(reader, &place);
	}
	reader->has_document = true;
	if (fy_document_state_version_explicit(state) || fy_document_state_tags_explicit(state))
		return refuse_directive(reader, 1);
	return 0;
}

/* Refuses the decorations that a value may have. */
static int refuse_decoration(struct reader *reader, struct fy_event *event)
{
	struct fy_token *anchor = fy_event_get_anchor_token(event),
			*tag = fy_event_get_tag_token(event);
	struct fy_token *token = event->type == FYET_ALIAS ? event->alias.anchor :
				 anchor			   ? anchor :
							     tag;
	struct place place;
	struct span span;

	if (!token)
		return 0;
	place = token_place(reader, token, &span);
	if (token != tag && place.column > 1) { /* the mark lies behind * or & */
		place.column--;
		place.length++;
	}
	xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL,
		    "%s are not accepted: write the value out",
		    event->type == FYET_ALIAS ? "aliases (*name)" :
		    anchor		      ? "anchors (&name)" :
						"tags (!name)");
	return fail_at(reader, &place);
}

static int read_event(struct reader *reader, struct fy_event *event)
{
	int r = refuse_decoration(reader, event);

	if (r)
		return r;
	switch (event->type) {
	case FYET_DOCUMENT_START:
		return read_document(reader, event);
	case FYET_SCALAR:
		return read_scalar(reader, event);
	case FYET_SEQUENCE_START:
		return read_container(reader, event, NODE_LIST);
	case FYET_MAPPING_START:
		return read_container(reader, event, NODE_MAP);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		frame_done(top_frame(reader));
		reader->depth--;
		return 0;
	default:
		return 0;
	}
}

/* The innermost [ or { that is still open, NULL if what is open is indented. */
static const struct node *open_bracket(struct reader *reader)
{
	const struct frame *frame = top_frame(reader);
	const char *source = reader->memory->tree.source;
	const char *p;

	if (!frame)
		return NULL;
	p = text_line(source, frame->node->line);
	for (uint32_t column = 1; column < frame->node->column && *p; column++)
		p = text_next_char(p);
	return *p == '[' || *p == '{' ? frame->node : NULL;
}

/* Turns libfyaml's first complaint into an error. */
static int fail_by_diag(struct reader *reader, struct fy_diag *diag)
{
	const char *source = reader->memory->tree.source;
	const struct node *bracket = open_bracket(reader);
	char quoted[QUOTE_MAX];
	struct fy_diag_error *error;
	struct place place;
	void *iterator = NULL;
	const char *line;

	error = fy_diag_errors_iterate(diag, &iterator);
	if (!error)
		return no_memory(reader->err);
	place = place_of(reader,
			 &(struct fy_mark){ .line = error->line - 1, .column = error->column - 1 });
	line = text_line(source, place.line);
	if (*line == '%')
		return refuse_directive(reader, place.line);
	if (!*line && bracket) {
		/* the end of the text is no help: say what was left open */
		place = (struct place){ bracket->line, bracket->column, 1 };
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL, "'%c' is never closed",
			    bracket->kind == NODE_LIST ? '[' : '{');
	} else {
		xlb_err_set(reader->err, XLB_ERR_CONFIG, -EINVAL, "%s",
			    quote_text(error->msg, quoted));
	}
	fail_at(reader, &place);
	if (memmem(line, strcspn(line, "\r\n"), "::", 2))
		xlb_err_hint(reader->err, "write IPv6 addresses in quotes");
	return -EINVAL;
}

static int fail_by_cut(struct reader *reader)
{
	xlb_err_set(
		reader->err, XLB_ERR_CONFIG, -E2BIG,
		"no end of the value within %u KiB: a quote or bracket is not closed, or this is no configuration",
		FEED_MAX >> 10);
	return fail_at(reader, &reader->last);
}

static int read_events(struct reader *reader, struct fy_parser *parser, struct fy_diag *diag)
{
	bool ended = false;
	int r = 0;

	while (!r && !ended) {
		struct fy_event *event = fy_parser_parse(parser);
		const struct fy_mark *end;

		if (!event)
			break;
		r = read_event(reader, event);
		ended = event->type == FYET_STREAM_END;
		end = fy_event_end_mark(event);
		if (end)
			reader->last = place_of(reader, end);
		feed_event(&reader->feed);
		fy_parser_event_free(parser, event);
	}
	if (r)
		return r;
	if (reader->feed.cut)
		return fail_by_cut(reader);
	/* directives that libfyaml does not know are warnings to it */
	return ended && !fy_diag_got_error(diag) &&
			       !fy_diag_errors_iterate(diag, &(void *){ NULL }) ?
		       0 :
		       fail_by_diag(reader, diag);
}

static void swallow(struct fy_diag *diag, void *user, const char *text, size_t length)
{
	(void)diag, (void)user, (void)text, (void)length;
}

static int read_text(struct reader *reader)
{
	struct fy_diag_cfg diag_config;
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
						FYPCF_JSON_NONE };
	struct fy_parser *parser = NULL;
	struct fy_diag *diag;
	int r;

	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	diag_config.output_fn = swallow;
	diag = fy_diag_create(&diag_config);
	if (diag) {
		fy_diag_set_collect_errors(diag, true);
		config.diag = diag;
		parser = fy_parser_create(&config);
	}
	if (!parser || fy_parser_set_input_callback(parser, &reader->feed, feed_read))
		r = no_memory(reader->err);
	else
		r = read_events(reader, parser, diag);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return r;
}

int tree_parse(const char *file, const char *text, size_t length, struct tree **ret,
	       struct xlb_err *err)
{
	return tree_parse_limited(file, text, length, TREE_MAX_NODES, ret, err);
}

int tree_parse_limited(const char *file, const char *text, size_t length, uint32_t max_nodes,
		       struct tree **ret, struct xlb_err *err)
{
	struct xlb_err scratch;
	struct reader reader = { .err = err ? err : &scratch,
				 .last = { 1, 1, 1 },
				 .max_nodes = max_nodes };
	struct tree_memory *memory;
	int r;

	err = reader.err;
	if (length > TREE_MAX_BYTES)
		return xlb_err_set(err, XLB_ERR_CONFIG, -E2BIG,
				   "%s: %zu MiB: at most %u MiB are read", file, length >> 20,
				   TREE_MAX_BYTES >> 20);
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* byte order mark */
		text += 3;
		length -= 3;
	}
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return no_memory(err);
	reader.memory = memory;
	memory->tree.file = tree_copy(memory, file, strlen(file));
	memory->tree.source = tree_copy(memory, text, length);
	if (!memory->tree.file || !memory->tree.source) {
		tree_free(&memory->tree);
		return no_memory(err);
	}
	reader.cursor = (struct cursor){ memory->tree.source, memory->tree.source, 1, 1 };
	r = text_check(memory->tree.source, length, err);
	if (r) {
		struct place place = { err->line, err->column, err->length };

		fail_at(&reader, &place);
	} else {
		r = feed_open(&reader.feed, memory->tree.source) ? no_memory(err) : 0;
	}
	if (!r)
		r = read_text(&reader);
	while (reader.depth)
		frame_done(&reader.frames[--reader.depth]);
	feed_close(&reader.feed);
	if (r)
		tree_free(&memory->tree);
	else
		*ret = &memory->tree;
	return r;
}

const struct node *node_get(const struct node *node, const char *key)
{
	if (!node || node->kind != NODE_MAP)
		return NULL;
	for (const struct node *child = node->first; child; child = child->next)
		if (!strcmp(child->key, key))
			return child;
	return NULL;
}

void tree_locate(const struct tree *tree, const struct node *node, bool at_key, struct xlb_err *err)
{
	struct place place = { node->line, node->column, node->length };

	if (!err)
		return;
	if (at_key && node->key) {
		place.line = node->key_line;
		place.column = node->key_column;
		place.length = node->key_length;
	}
	text_locate(tree->file, tree->source, &place, err);
}
