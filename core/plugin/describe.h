/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_DESCRIBE_H
#define MN__PLUGIN_DESCRIBE_H

/* Help texts from descriptors. */

#include "plugin/registry.h"

/* A unit's name, doc line, plugin and version, and a table of its options: key, type and range,
 * default, doc. Plain text that fits `width` columns. */
void mn__describe_unit(const struct mn__unit *unit, int width, FILE *out);
/* The same as Markdown, for docs/reference. */
void mn__describe_markdown(const struct mn__unit *unit, FILE *out);
/* A table of options alone (the fixed sections run, task, evaluation), as text and as Markdown. */
void mn__describe_options(const struct mn__options *options, int width, FILE *out);
void mn__describe_table(const struct mn__options *options, FILE *out);

#endif
