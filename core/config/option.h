/* SPDX-License-Identifier: MIT */
#ifndef NAS_CONFIG_OPTION_H
#define NAS_CONFIG_OPTION_H

/* Option tables against a tree: check every key of a section and fill the fields. */

#include "config/yaml.h"
#include "metanas/option.h"

struct nas_options {
    const struct mn_opt *at;
    uint32_t n;
};

/* Fill `instance` from `section` (NULL = all defaults). Every fault is added: unknown key (with the
 * nearest known one), wrong type (what it looks like), out of range (the range), missing required
 * key. `skip` is a key that the caller handles itself ("use"), or NULL. Text and lists live in
 * `arena`. MN_OPT_PATH values are made relative to the file of their mark (a --set value: to the
 * working directory). MN_OPT_MERGE reads the file and merges its keys. The section of an
 * MN_OPT_UNIT is left to the caller. `what` names the section in messages: "op_mixer soft_prune".
 */
/* The path that a scalar names: relative ones start at the folder of the file that it stands in, ~
 * is the home folder. NULL = no memory. */
const char *nas_schema_path(struct nas_arena *arena, const struct nas_yaml *node);

void nas_schema_bind(struct nas_arena *arena, const struct nas_options *options,
                     struct nas_yaml *section, const char *skip, const char *what, void *instance,
                     struct nas_faults *faults);

/* Write the instance's options as YAML lines `key: value` with `indent` spaces, every default
 * spelled out, such that binding them again gives the same bits. Paths are written absolute.
 * MN_OPT_MERGE paths are left out (their keys are there), deprecated options at their default, and
 * MN_OPT_UNIT (nas_instance_write). */
void nas_schema_write(const struct nas_options *options, const void *instance, int indent,
                      FILE *out);
/* The same but for options with one of these flags (enum mn_opt_flag). */
void nas_schema_write_without(const struct nas_options *options, const void *instance,
                              uint32_t flags, int indent, FILE *out);

/* The value of the option `key`, as a configuration would have it but without quotes, in arena;
 * NULL = there is no such option, or no memory (arena->failed). */
const char *nas_schema_value(const struct nas_options *options, const void *instance,
                             const char *key, struct nas_arena *arena);

/* Whether a number is one that the option takes. */
int nas_option_in_range(const struct mn_opt *option, double x);

/* "int, 1 to 100", "one of: a, b", ... for help and faults; into out. */
const char *nas_option_range(const struct mn_opt *option, char *out, size_t size);
/* The default as text, "(required)" for required ones. */
const char *nas_option_default(const struct mn_opt *option, char *out, size_t size);

#endif
