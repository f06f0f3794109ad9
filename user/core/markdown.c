// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The key tables of docs/config.md. */
#include "core/field.h"

void types_markdown(FILE *out)
{
	for (const struct type *const *type = types; *type; type++) {
		fprintf(out, "### %s\n\n", (*type)->plural);
		fprintf(out, "%s%s%s: %s.\n\n", (*type)->parent ? "Below `" : "Top level",
			(*type)->parent ? (*type)->parent->plural : "",
			(*type)->parent ? ".NAME`" : "", (*type)->help);
		fprintf(out, "| key | accepted | default | meaning |\n|---|---|---|---|\n");
		for (size_t i = 0; i < (*type)->field_count; i++) {
			const struct field *field = &(*type)->fields[i];
			char accepted[200];

			field_accepted(field, accepted, sizeof(accepted));
			fprintf(out, "| `%s` | %s | %s | %s |\n", field->name, accepted,
				field->flags & FIELD_REQUIRED ? "required" :
				field->preset		      ? field->preset :
								"",
				field->help);
		}
		fputc('\n', out);
	}
}
