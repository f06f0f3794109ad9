// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checks of an interface without a running daemon, for `xlbd --check-interface`. */
#include <errno.h>

#include "core/json.h"
#include "xlbd/api_private.h"
#include "xlbd/state.h"

static int check_here(const struct paths *paths, const struct state *state, const char *ifname,
		      json_t **ret, struct xlb_err *err)
{
	AUTO(host_close) struct host *host = NULL;
	struct preflight_source source = {
		.model = state->model,
		.ids = state->ids,
		.pin_dir = paths->pin_dir,
	};
	struct preflight_walk walk = {};
	struct preflight_facts facts;
	int r;

	r = host_open(NULL, NULL, NULL, &host, err);
	if (r)
		return r;
	source.host = host;
	r = preflight_gather(&source, ifname, &facts, err);
	if (r)
		return r;
	while (!preflight_walk_step(&source, &walk, &facts))
		;
	*ret = preflight_json(&facts);
	return 0;
}

/* The state, or an empty one before the first start. */
static int read_state(const struct paths *paths, struct state *ret, struct xlb_err *err)
{
	int r = state_load(paths, ret, err);

	if (r != -ENOENT)
		return r;
	*ret = (struct state){ .model = model_new(), .ids = ids_new() };
	return ret->model && ret->ids ? 0 :
					xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

enum xlb_err_class preflight_print(const struct paths *paths, const char *ifname, FILE *out)
{
	struct state state = {};
	struct xlb_err err = {};
	json_t *json = NULL;
	int r;

	r = read_state(paths, &state, &err);
	if (!r)
		r = check_here(paths, &state, ifname, &json, &err);
	state_done(&state);
	if (r)
		json = err_json(&err);
	json_dumpf(json, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(json);
	return r ? err.class : XLB_ERR_NONE;
}
