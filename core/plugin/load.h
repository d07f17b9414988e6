/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_LOAD_H
#define MN__PLUGIN_LOAD_H

/* Opening one plugin file. load.c is the only file that includes <ltdl.h>. */

#include "base/cx.h"
#include "base/trust.h"

/* Open the plugin at an absolute path and check its descriptor (docs/architecture.md, loading
 * checks). The result lives as long as the program: plugins are never unloaded. On failure the
 * message tells what is wrong with this file and what to do. */
int mn__plugin_load(struct mn_cx *cx, const char *path, enum mn__trust trust,
                    const struct mn_plugin **out);

/* How far a plugin got: the step that failed. */
enum mn__load_step {
    MN__LOAD_FILE,   /* the file itself: there, regular, whole, of somebody who is trusted */
    MN__LOAD_OPEN,   /* the dynamic linker: symbols, libraries */
    MN__LOAD_ENTRY,  /* mn_plugin_entry */
    MN__LOAD_TABLES, /* the descriptor and its tables */
    MN__LOAD_DONE
};
/* As mn__plugin_load, and tells the step. */
int mn__plugin_load_steps(struct mn_cx *cx, const char *path, enum mn__trust trust,
                          const struct mn_plugin **out, enum mn__load_step *step);

/* The checks alone, for a descriptor that came from elsewhere (tests, static plugins). `file` names
 * it in messages. */
int mn__plugin_check(struct mn_cx *cx, const char *file, const struct mn_plugin *plugin);

/* May a plugin or a unit be called so: [a-z][a-z0-9_]*, at most 60 letters? NULL may not. */
int mn__plugin_name_ok(const char *name);

#endif
