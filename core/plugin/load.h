/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_LOAD_H
#define NAS_PLUGIN_LOAD_H

/* Opening one plugin file. load.c is the only file that includes <ltdl.h>. */

#include "base/ctx.h"
#include "base/ownership.h"

/* Open the plugin at an absolute path and check its descriptor (docs/architecture.md, loading
 * checks). The result lives as long as the program: plugins are never unloaded. On failure the
 * message tells what is wrong with this file and what to do. */
int nas_plugin_load(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership,
                    const struct mn_plugin **out);

/* How far a plugin got: the step that failed. */
enum nas_load_step {
    NAS_LOAD_FILE,   /* the file itself: there, regular, whole, of somebody who is trusted */
    NAS_LOAD_OPEN,   /* the dynamic linker: symbols, libraries */
    NAS_LOAD_ENTRY,  /* mn_plugin_entry */
    NAS_LOAD_TABLES, /* the descriptor and its tables */
    NAS_LOAD_DONE
};
/* As nas_plugin_load, and tells the step. */
int nas_plugin_load_steps(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership,
                          const struct mn_plugin **out, enum nas_load_step *step);

/* The checks alone, for a descriptor that came from elsewhere (tests, static plugins). `file` names
 * it in messages. */
int nas_plugin_check(struct mn_ctx *ctx, const char *file, const struct mn_plugin *plugin);

/* May a plugin or a unit be called so: [a-z][a-z0-9_]*, at most 60 letters? NULL may not. */
int nas_plugin_name_ok(const char *name);

#endif
