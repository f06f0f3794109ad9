// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Interfaces that cannot work are refused before anything is touched; `attach --fix` changes what it can. */
#include "core/types.h"
#include "xlbd/engine_private.h"
#include "xlbd/preflight.h"

struct preflight_source engine_preflight_source(const struct engine *engine)
{
	return (struct preflight_source){
		.host = engine->host,
		.model = engine->model,
		.ids = engine->ids,
		.pin_dir = engine->paths.pin_dir,
	};
}

/* What is known of the interface as it would be attached. */
static int gather(const struct engine *engine, const struct interface *interface,
		  struct preflight_facts *ret, struct xlb_err *err)
{
	struct preflight_source source = engine_preflight_source(engine);
	int r = preflight_gather_nic(&source, interface->object.name, interface->mode, ret, err);

	if (!r)
		ret->fix = interface->fix;
	return r;
}

static int check_interface(struct engine *engine, const struct interface *interface,
			   struct xlb_err *err)
{
	struct preflight_facts facts;
	int r = gather(engine, interface, &facts, err);

	if (!r)
		r = preflight_refusal(&facts, err);
	if (r)
		snprintf(err->pointer, sizeof(err->pointer), "/interfaces/%s",
			 interface->object.name);
	return r;
}

int engine_check_interfaces(struct engine *engine, const struct model *next, struct xlb_err *err)
{
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, &next->interfaces, link) {
		const struct interface *interface = (const struct interface *)object;
		const struct object *before = object_find(&engine->model->interfaces, object->name);

		if (!r && (!before || ((const struct interface *)before)->mode != interface->mode))
			r = check_interface(engine, interface, err);
	}
	return r;
}

uint32_t engine_fixable(struct engine *engine, const struct interface *interface, bool dry_run)
{
	struct preflight_facts facts;
	struct xlb_err ignored;

	if (gather(engine, interface, &facts, &ignored))
		return 0;
	/* what somebody has changed since xlb did is taken again: that is what this is asked for */
	if (!dry_run) {
		host_settings_release(engine->host, interface->object.name);
		engine->host_stale = true;
	}
	return preflight_settings(&facts);
}
