/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_DESCRIBE_H
#define NAS_PLUGIN_DESCRIBE_H

/* Help texts from descriptors. */

#include "plugin/registry.h"

/* A unit's name, doc line, plugin and version, and a table of its options: key, type and range,
 * default, doc. Plain text that fits `width` columns. */
void nas_describe_unit(const struct nas_unit *unit, int width, FILE *out);
/* The same as Markdown, for docs/reference. */
void nas_describe_markdown(const struct nas_unit *unit, FILE *out);
/* A table of options alone (the fixed sections run, task, evaluation), as text and as Markdown. */
void nas_describe_options(const struct nas_options *options, int width, FILE *out);
void nas_describe_table(const struct nas_options *options, FILE *out);

#endif
