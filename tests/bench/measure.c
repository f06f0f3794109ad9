// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"
#include "xlb/abi.h"

#define OBJECT "tests/tools/vary.bpf.o" /* in the directory of the build */

#define READS	    200000
#define READ_ROUNDS 5

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

void front_open(struct front *front, uint32_t learnable)
{
	const char *build = getenv("BUILD");
	struct bpf_map *ends, *variables;
	struct bpf_object *object;
	char path[256];

	snprintf(path, sizeof(path), "%s/" OBJECT, build ? build : "build");
	object = bpf_object__open_file(path, NULL);
	if (!object)
		die("%s (make tools)", path);
	ends = bpf_object__find_map_by_name(object, "ends");
	bpf_map__set_max_entries(ends, learnable ? learnable : 1);
	if (bpf_object__load(object))
		die("%s", path);
	variables = bpf_object__find_map_by_name(object, ".bss");
	*front = (struct front){
		.object = object,
		.vary = mmap(NULL, sizeof(struct vary), PROT_READ | PROT_WRITE, MAP_SHARED,
			     bpf_map__fd(variables), 0),
		.next = bpf_object__find_map_fd_by_name(object, "next"),
		.trivial = bpf_program__fd(bpf_object__find_program_by_name(object, "trivial")),
	};
	if (front->vary == MAP_FAILED)
		die("the variables of %s", path);
}

void front_close(struct front *front)
{
	munmap(front->vary, sizeof(struct vary));
	bpf_object__close(front->object);
	front->object = NULL;
}

void front_aim(struct front *front, uint8_t family, bool reply)
{
	static const char *const names[2][2] = { { "request_ipv4", "request_ipv6" },
						 { "reply_ipv4", "reply_ipv6" } };
	const char *name = names[reply][family == XLB_IPV6];

	front->sender = bpf_program__fd(bpf_object__find_program_by_name(front->object, name));
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double timed_run(int program, struct bpf_test_run_opts *opts)
{
	double ns = cpu_ns();

	if (bpf_prog_test_run_opts(program, opts))
		die("BPF_PROG_TEST_RUN");
	return cpu_ns() - ns;
}

/* Returns the ns that the kernel took. */
static double call(struct front *front, int program, struct bpf_test_run_opts *opts)
{
	uint8_t frame[VARY_LENGTH];
	uint32_t zero = 0;
	double ns;

	memcpy(frame, front->vary->head, VARY_LENGTH);
	opts->data_in = frame;
	opts->data_size_in = VARY_LENGTH;
	front->vary->leaving = 0;
	if (bpf_map_update_elem(front->next, &zero, &program, BPF_ANY))
		die("cannot choose a program");
	ns = timed_run(front->sender, opts);
	if (opts->retval == 0)
		die("a packet could not be made (XDP_ABORTED)");
	return ns;
}

double front_run(struct front *front, int program, uint32_t repeat, uint32_t *ret_verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = (int)repeat);
	double ns = call(front, program, &opts);

	if (ret_verdict)
		*ret_verdict = opts.retval;
	return ns / repeat;
}

uint32_t front_send(struct front *front, int program, uint8_t *ret, uint32_t size,
		    uint32_t *ret_verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = 1, .data_out = ret, .data_size_out = size);

	call(front, program, &opts);
	*ret_verdict = opts.retval;
	return opts.data_size_out;
}

void pin_to_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("cannot run on CPU %d", cpu);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(const double *values, int count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, sizeof(*sorted) * (size_t)count);
	qsort(sorted, (size_t)count, sizeof(*sorted), by_value);
	return (sorted[count / 2] + sorted[(count - 1) / 2]) / 2;
}

uint64_t memory_available(void)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			return kib * 1024;
	die("/proc/meminfo");
}

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

double memory_read_ns(uint64_t bytes)
{
	const uint64_t words = bytes / sizeof(uint64_t);
	double rounds[READ_ROUNDS];
	uint64_t *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t state = 1;

	if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE))
		die("memory of %llu bytes", (unsigned long long)bytes);
	memset(memory, 0, bytes);
	for (int round = 0; round < READ_ROUNDS; round++) {
		uint64_t begin = thread_ns();

		for (int i = 0; i < READS; i++) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL; /* MMIX */
			state += *(volatile uint64_t *)&memory[(state >> 32) * words >> 32];
		}
		rounds[round] = (double)(thread_ns() - begin) / READS;
	}
	munmap(memory, bytes);
	return median(rounds, READ_ROUNDS);
}

uint64_t memory_of(int fd)
{
	AUTO_FCLOSE FILE *file = NULL;
	unsigned long long bytes;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			return bytes;
	return 0;
}

/* Of the maps inside of a map of maps. */
static uint64_t memory_inside(int fd)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info), id;
	uint64_t bytes = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &size) || info.type != BPF_MAP_TYPE_ARRAY_OF_MAPS)
		return 0;
	for (uint32_t key = 0; key < info.max_entries; key++) {
		AUTO_CLOSE int inner = -1;

		if (bpf_map_lookup_elem(fd, &key, &id))
			continue;
		inner = bpf_map_get_fd_by_id(id);
		bytes += memory_of(inner);
	}
	return bytes;
}

uint64_t memory_of_maps(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *entry;
	uint64_t bytes = 0;

	if (!dir)
		die("/proc/self/fdinfo");
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		uint64_t own = memory_of(fd);

		bytes += own;
		if (own)
			bytes += memory_inside(fd);
	}
	closedir(dir);
	return bytes;
}

struct figure figure_of(const double *times, const double *trivial, int rounds)
{
	double net[ROUNDS_MAX], ratio[ROUNDS_MAX];
	struct figure figure;

	for (int i = 0; i < rounds; i++) {
		net[i] = times[i] - trivial[i];
		ratio[i] = times[i] / trivial[i];
	}
	figure = (struct figure){
		.trivial = median(trivial, rounds),
		.net = median(net, rounds),
		.net_min = net[0],
		.net_max = net[0],
		.ratio = median(ratio, rounds),
	};
	for (int i = 1; i < rounds; i++) {
		figure.net_min = net[i] < figure.net_min ? net[i] : figure.net_min;
		figure.net_max = net[i] > figure.net_max ? net[i] : figure.net_max;
	}
	return figure;
}
