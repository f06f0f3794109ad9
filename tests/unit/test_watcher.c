// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The watcher on a variant of the program that is none, with slices that are over after some calls. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xlbd/slice.h"
#include "xlbd/watcher.h"

#define CALLS_PER_SLICE 8
#define LEFT_BEHIND	5000  /* flows in the map before a measurement */
#define COUNTED		65536 /* in it when the measurement is over */

static struct variant {
	int events; /* a pipe's end that nothing comes to */
} no_variant;

static struct {
	uint32_t calls; /* of the slice */
	uint32_t turns; /* that took flows out */
	uint32_t in_map;
	bool measuring, attached;
	uint32_t astray; /* watches that were set in a variant that does not run */
} fake;
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

/* --- what the watcher stands on -------------------------------------------------------------------- */

uint64_t slice_begin(void)
{
	fake.calls = 0;
	fake.turns++;
	return 0;
}

bool slice_is_over(uint64_t end)
{
	(void)end;
	return fake.calls == CALLS_PER_SLICE;
}

int variant_load(const struct datapath *dp, enum variant_kind kind, struct variant **ret,
		 struct xlb_err *err)
{
	(void)dp, (void)kind, (void)err;
	pthread_mutex_lock(&loading);
	*ret = &no_variant;
	pthread_mutex_unlock(&loading);
	return 0;
}

struct variant *variant_free(struct variant *variant)
{
	(void)variant;
	return NULL;
}

int variant_attach(struct datapath *dp, struct variant *variant, struct xlb_err *err)
{
	(void)dp, (void)variant, (void)err;
	fake.attached = true;
	return 0;
}

int variant_detach(struct datapath *dp, struct variant *variant, struct xlb_err *err)
{
	(void)dp, (void)variant, (void)err;
	fake.attached = false;
	return 0;
}

int variant_fd(const struct variant *variant)
{
	return variant->events;
}

bool variant_read(struct variant *variant, uint32_t budget, variant_event take, void *arg)
{
	(void)variant, (void)budget, (void)take, (void)arg;
	return false;
}

void variant_watch(struct variant *variant, uint32_t index, const struct xlb_watch *watch)
{
	(void)index, (void)watch;
	fake.astray += !variant || !fake.attached;
}

void variant_unwatch(struct variant *variant, uint32_t index)
{
	(void)variant, (void)index;
}

uint64_t variant_skipped(const struct variant *variant, uint32_t index, uint32_t slot)
{
	(void)variant, (void)index, (void)slot;
	return 0;
}

void variant_measure(struct variant *variant, bool on)
{
	(void)variant;
	if (on && !fake.measuring) {
		assert_int_equal(fake.in_map, 0);
		fake.in_map = COUNTED;
	}
	fake.measuring = on;
}

/* The flows of the map are numbered by what is left in it. */
int variant_traffic_take(struct variant *variant, struct flow_traffic *rows, size_t *ret_count,
			 bool *ret_done, struct xlb_err *err)
{
	uint32_t count = 0;

	(void)variant, (void)err;
	assert_false(fake.measuring);
	fake.calls++;
	for (; count < VARIANT_TRAFFIC_STEP && fake.in_map; count++)
		rows[count] = (struct flow_traffic){ .traffic = { .packets = fake.in_map-- } };
	*ret_count = count;
	*ret_done = !fake.in_map;
	return 0;
}

/* --- tests ----------------------------------------------------------------------------------------- */

struct fixture {
	struct event_base *base;
	struct watcher *watcher;
	struct watch_session *session;
	uint32_t told;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(&fake, 0, sizeof(fake));
	f->base = event_base_new();
	f->watcher = watcher_new(f->base, NULL);
	*state = f;
	return f->watcher ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	watcher_free(f->watcher);
	event_base_free(f->base);
	free(f);
	return 0;
}

/* One turn of the loop after the other; none takes more than a slice. */
static void run_until(struct fixture *f, uint32_t told)
{
	for (int i = 0; i < 1000 && f->told < told; i++) {
		uint32_t turns = fake.turns;

		event_base_loop(f->base, EVLOOP_ONCE);
		assert_in_range(fake.calls, 0, CALLS_PER_SLICE);
		assert_in_range(fake.turns - turns, 0, 1);
	}
	assert_int_equal(f->told, told);
}

static void measured(void *arg, int r, struct flow_traffic *rows, size_t count,
		     const struct xlb_err *err)
{
	struct fixture *f = arg;

	(void)err;
	assert_int_equal(r, 0);
	assert_int_equal(count, COUNTED);
	for (size_t i = 0; i < count; i++)
		if (rows[i].traffic.packets != count - i)
			fail_msg("row %zu is flow %llu", i,
				 (unsigned long long)rows[i].traffic.packets);
	free(rows);
	watcher_leave(TAKE(f->session));
	f->told++;
}

static void measure(struct fixture *f)
{
	struct xlb_err err;

	assert_int_equal(watcher_measure(f->watcher, 1, measured, f, &f->session, &err), 0);
}

static void measurement_in_slices(void **state)
{
	const uint32_t per_slice = CALLS_PER_SLICE * VARIANT_TRAFFIC_STEP;
	struct fixture *f = *state;

	fake.in_map = LEFT_BEHIND;
	measure(f);
	run_until(f, 1);
	assert_int_equal(fake.turns,
			 (LEFT_BEHIND + per_slice - 1) / per_slice + COUNTED / per_slice);
	/* nothing is left for the next one to clear */
	fake.turns = 0;
	measure(f);
	run_until(f, 2);
	assert_int_equal(fake.turns, 1 + COUNTED / per_slice);
}

/* Whoever leaves between two slices leaves the rest to the next one. */
static void measurement_left(void **state)
{
	struct fixture *f = *state;

	measure(f);
	for (int i = 0; i < 1000 && (!fake.in_map || fake.in_map == COUNTED); i++)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_in_range(fake.in_map, 1, COUNTED - 1);
	watcher_leave(TAKE(f->session));
	measure(f);
	run_until(f, 1);
}

static void ready(void *arg, int r, const struct xlb_err *err)
{
	struct fixture *f = arg;

	(void)err;
	assert_int_equal(r, 0);
	f->told++;
}

static struct watch_session *join(struct fixture *f)
{
	static const struct watch_handler handler = { .ready = ready };
	struct watch_session *session;
	struct xlb_err err;

	assert_int_equal(
		watcher_join(f->watcher, &(struct xlb_watch){}, &handler, f, &session, &err), 0);
	return session;
}

static void joined_at_the_end(void **state)
{
	struct fixture *f = *state;

	join(f);
	run_until(f, 1);
	join(f);
	f->watcher = watcher_free(f->watcher);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->told, 1);
}

/* The variant that the second one joined has gone when the third one waits for another. */
static void joined_the_last_moment(void **state)
{
	struct watch_session *first, *second;
	struct fixture *f = *state;

	first = join(f);
	run_until(f, 1);
	second = join(f);
	watcher_leave(first);
	watcher_leave(second);
	assert_false(fake.attached);
	pthread_mutex_lock(&loading);
	join(f);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	pthread_mutex_unlock(&loading);
	assert_int_equal(f->told, 1);
	assert_int_equal(fake.astray, 0);
	run_until(f, 2);
}

static void joined_together(void **state)
{
	struct fixture *f = *state;

	join(f);
	run_until(f, 1);
	join(f);
	join(f);
	assert_int_equal(f->told, 1);
	run_until(f, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(measurement_in_slices, setup, teardown),
		cmocka_unit_test_setup_teardown(measurement_left, setup, teardown),
		cmocka_unit_test_setup_teardown(joined_together, setup, teardown),
		cmocka_unit_test_setup_teardown(joined_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(joined_the_last_moment, setup, teardown),
	};
	int ends[2];

	if (pipe(ends))
		return EXIT_FAILURE;
	no_variant.events = ends[0];
	return cmocka_run_group_tests_name("watcher", tests, NULL, NULL);
}
