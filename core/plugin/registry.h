/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_REGISTRY_H
#define MN__PLUGIN_REGISTRY_H

/* From `use: NAME` or `use: FILE/UNIT` to a unit. Nothing is scanned on the way: a run opens only
 * what it names. Search order: --plugin-dir, METANAS_PLUGIN_PATH (colon-separated, ignored under
 * setuid), the install directory. Elements must be absolute; the working directory is never
 * searched. [setup] one thread. */

#include "base/cx.h"
#include "config/schema.h"

struct mn__unit {
    const struct mn_plugin *plugin;
    const struct mn_unit *unit;
    const char *file; /* absolute path, "(static)" for registered ones */
    struct mn__options options;
};

struct mn__registry;

/* `directories` in search order from --plugin-dir, NULL-terminated, may be NULL. */
int mn__registry_new(struct mn_cx *cx, const char *const *directories, struct mn__registry **out);
void mn__registry_free(struct mn__registry *registry);

/* Register a descriptor without a file (tests, fuzzing). */
int mn__registry_add(struct mn__registry *registry, struct mn_cx *cx,
                     const struct mn_plugin *plugin);

/* Find the unit for `use` of `kind`. The message has the shape: cannot load plugin 'x' for KIND
 * (PLACE), the reason, where it was looked for, what to do; a near name of a plugin that exists is
 * offered. `place` is "file:line:column" or NULL. */
int mn__registry_find(struct mn__registry *registry, struct mn_cx *cx, int kind, const char *use,
                      const char *place, struct mn__unit *out);

/* The unit of that kind and name; NULL = there is none. */
const struct mn_unit *mn__plugin_unit(const struct mn_plugin *plugin, int kind, const char *name);

/* The file that `use: NAME` would open: 1 with its path in `out`, or 0. Nothing is opened. */
int mn__registry_file(const struct mn__registry *registry, const char *name, char *out,
                      size_t size);

/* Folder i of the search path, first to last, and what names it ("--plugin-dir", ...); NULL past
 * the last. It need not exist. */
const char *mn__registry_folder(const struct mn__registry *registry, int i, const char **from);

/* Every plugin file found in the search path, for `metanas list`: calls back in order of folder and
 * name. `plugin` is NULL, and `reason` given, for a rejected file. A file behind one of the same
 * name in an earlier folder is not opened: `first` is that one's path, else NULL. */
typedef void (*mn__registry_seen)(void *data, const char *file, const struct mn_plugin *plugin,
                                  const char *reason, const char *first);
int mn__registry_scan(struct mn__registry *registry, struct mn_cx *cx, mn__registry_seen seen,
                      void *data);

/* "op_mixer" and back (0 = unknown), in enum mn_kind order from 1 to MN__KINDS. The first
 * MN__SECTIONS have a section of their name in a configuration. */
enum { MN__SECTIONS = 6, MN__KINDS = 8 };
const char *mn__kind_name(int kind);
int mn__kind_from(const char *name);
/* Bytes of a kind's vtable in this host. */
size_t mn__kind_vtable_size(int kind);

#endif
