// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * verifier [--update]: loads every program and compares what the kernel's verifier had to do with
 * instructions.txt, a line per program and kernel series: name, kernel, instructions processed, stack. A
 * program may use a quarter of the verifier's limit, and may not differ from its line by more than 10 %.
 * --update writes the lines of the running kernel.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlb/tables.h"

#include "sockets.skel.h"
#include "xlb.skel.h"

#define RECORD	     "tests/verifier/instructions.txt"
#define LIMIT	     (1000000 * 2 / 5)
#define LOG_STATS    4
#define LOG_SIZE     (1 << 20)
#define PROGRAMS_MAX 32
#define LINES_MAX    128
#define LINE_MAX     160

struct usage {
	char *name;
	unsigned long instructions;
	char stack[64];
	char *log;
};

static struct usage programs[PROGRAMS_MAX];
static size_t program_count;
static char kernel[16]; /* "6.1" */
static char lines[LINES_MAX][LINE_MAX];
static size_t line_count;
static int test, failed;

static void report(bool good, const char *name, const char *text)
{
	printf("%sok %d - %s %s\n", good ? "" : "not ", ++test, name, text);
	failed += !good;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

/* What a variant of the object is (bpf/variant.h); its programs are recorded under their names and this. */
struct variant {
	const char *word;
	bool observing, dry_run, jumbo;
};

static const struct variant variants[] = {
	{ "", false, false, false },
	{ "+observing", true, false, false },
	{ "+dry_run", true, true, false },
	{ "+jumbo", false, false, true },
};

/* From now on the verifier tells what it does with the program. */
static void listen_to(struct bpf_program *program, const char *word)
{
	struct usage *usage = &programs[program_count];

	if (++program_count > PROGRAMS_MAX ||
	    asprintf(&usage->name, "%s%s", bpf_program__name(program), word) < 0)
		abort();
	usage->log = calloc(1, LOG_SIZE);
	if (!usage->name || !usage->log)
		abort();
	bpf_program__set_log_level(program, LOG_STATS);
	bpf_program__set_log_buf(program, usage->log, LOG_SIZE);
}

/* What it has told, of the programs from the first on. */
static void read_usage(size_t first)
{
	for (size_t i = first; i < program_count; i++) {
		const char *processed = strstr(programs[i].log, "processed ");
		const char *stack = strstr(programs[i].log, "stack depth ");

		if (processed)
			sscanf(processed, "processed %lu", &programs[i].instructions);
		if (stack)
			sscanf(stack, "stack depth %63s", programs[i].stack);
	}
}

/* The program that chooses sockets. */
static int load_sockets(void)
{
	struct sockets *skel = sockets__open();
	size_t first = program_count;
	int r;

	if (!skel)
		return -errno;
	listen_to(skel->progs.xlb_sockets, "");
	r = sockets__load(skel);
	read_usage(first);
	sockets__destroy(skel);
	return r;
}

/* Loads all programs with small maps, and reads what the verifier said about each. */
static int load(const struct variant *variant)
{
	size_t first = program_count;
	struct bpf_program *program;
	struct xlb *skel = xlb__open();
	int r;

	if (!skel)
		return -errno;
	skel->rodata->observing = variant->observing;
	skel->rodata->dry_run = variant->dry_run;
	skel->rodata->jumbo = variant->jumbo;
	bpf_object__for_each_program(program, skel->obj)
	{
		/* the others are those of the first */
		bpf_program__set_autoload(program, !variant->word[0] ||
							   program == skel->progs.xlb ||
							   program == skel->progs.xlb_change ||
							   program == skel->progs.xlb_odd ||
							   program == skel->progs.xlb_fragment);
		if (!bpf_program__autoload(program))
			continue;
		if (variant->jumbo)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
		listen_to(program, variant->word);
	}
	r = xlb__load(skel);
	read_usage(first);
	xlb__destroy(skel);
	return r;
}

static int record_read(void)
{
	AUTO_FCLOSE FILE *file = fopen(RECORD, "re");

	if (!file)
		return -errno;
	while (line_count < LINES_MAX && fgets(lines[line_count], LINE_MAX, file))
		line_count++;
	return 0;
}

/* True if the line is about a program on the running kernel. */
static bool line_parse(const char *line, char ret_name[64], unsigned long *ret_instructions)
{
	char series[16];

	return sscanf(line, "%63s %15s %lu", ret_name, series, ret_instructions) == 3 &&
	       !strcmp(series, kernel);
}

static int record_write(void)
{
	AUTO_FCLOSE FILE *file = fopen(RECORD, "we");
	unsigned long instructions;
	char name[64];

	if (!file)
		return -errno;
	for (size_t i = 0; i < line_count; i++)
		if (!line_parse(lines[i], name, &instructions))
			fputs(lines[i], file);
	for (size_t i = 0; i < program_count; i++)
		fprintf(file, "%-24s %-6s %8lu  %s\n", programs[i].name, kernel,
			programs[i].instructions, programs[i].stack);
	return 0;
}

static void compare(const struct usage *usage)
{
	unsigned long recorded = 0, instructions;
	char name[64], text[160];
	long difference;

	for (size_t i = 0; i < line_count; i++)
		if (line_parse(lines[i], name, &instructions) && !strcmp(name, usage->name))
			recorded = instructions;
	snprintf(text, sizeof(text), "processes %lu instructions, at most %d, stack %s",
		 usage->instructions, LIMIT, usage->stack);
	report(usage->instructions && usage->instructions <= LIMIT, usage->name, text);
	if (!recorded) {
		snprintf(text, sizeof(text), "as recorded # SKIP no line for Linux %s", kernel);
		report(true, usage->name, text);
		return;
	}
	difference = (long)usage->instructions - (long)recorded;
	snprintf(text, sizeof(text),
		 "as recorded: %lu (make verifier-update after a change on purpose)", recorded);
	report(labs(difference) * 10 <= (long)recorded, usage->name, text);
}

int main(int argc, char **argv)
{
	bool update = argc == 2 && !strcmp(argv[1], "--update");
	unsigned int major, minor;
	struct utsname host;
	int r = 0;

	if (geteuid() != 0) {
		puts("1..1\nok 1 - the programs load # SKIP needs root");
		return 0;
	}
	uname(&host);
	if (sscanf(host.release, "%u.%u", &major, &minor) != 2)
		return 1;
	snprintf(kernel, sizeof(kernel), "%u.%u", major, minor);
	libbpf_set_print(silent);
	for (size_t i = 0; !r && i < sizeof(variants) / sizeof(variants[0]); i++)
		r = load(&variants[i]);
	if (!r)
		r = load_sockets();
	report(!r, "every program", "loads");
	if (r)
		for (size_t i = 0; i < program_count; i++)
			printf("# %s: %.2000s\n", programs[i].name, programs[i].log);
	r = record_read();
	if (update && r == -ENOENT)
		r = 0;
	if (!r && update)
		r = record_write();
	report(!r, "the record", update ? "is written" : "can be read (" RECORD ")");
	if (!update)
		for (size_t i = 0; i < program_count; i++)
			compare(&programs[i]);
	printf("1..%d\n", test);
	return failed != 0;
}
