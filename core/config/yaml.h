/* SPDX-License-Identifier: MIT */
#ifndef NAS_CONFIG_YAML_H
#define NAS_CONFIG_YAML_H

/* A YAML file as a tree whose every node keeps its place. Built from libyaml events. Refused, with
 * file:line:column: duplicate keys, aliases and anchors, tags, several documents, depth over 10,
 * more than 1 MiB, 100,000 nodes or 1,000 keys in one map, keys that are not plain text. Scalars
 * stay text; the schema types them. */

#include "base/ctx.h"

enum nas_yaml_kind { NAS_YAML_SCALAR, NAS_YAML_LIST, NAS_YAML_MAP };

struct nas_mark {
    const char *file; /* or "argument 3" for --set */
    int line, column; /* from 1; 0 = no line (--set) */
};

struct nas_yaml {
    enum nas_yaml_kind kind;
    struct nas_mark mark;
    const char *text; /* scalar */
    int quoted;       /* scalar in quotes */
    const char *key;  /* under a map */
    struct nas_mark key_mark;
    int existed;            /* was there before the assignments that are being made */
    const char *use_before; /* map: its `use` before them, or NULL */
    struct nas_yaml *first; /* list, map: children in order */
    struct nas_yaml *next;
};

/* "file:line:column: ", "file: " without a line, "" without a file: for the front of a message. */
void nas_mark_text(struct nas_mark mark, char *out, size_t size);

/* All faults of a configuration, in the order found. */
struct nas_fault {
    struct nas_mark mark;
    const char *text;
    int warning; /* 1 = printed, not counted */
    struct nas_fault *next;
};
struct nas_faults {
    struct nas_arena *arena;
    struct nas_fault *first, *last;
    int count;      /* without warnings */
    int unreadable; /* errno of the last file that could not be read; 0 = there is none */
};

__attribute__((format(printf, 3, 4))) void
nas_fault_add(struct nas_faults *faults, struct nas_mark mark, const char *format, ...);
__attribute__((format(printf, 3, 4))) void
nas_fault_warn(struct nas_faults *faults, struct nas_mark mark, const char *format, ...);
/* "file:line:column: text" lines, faults and warnings, fit for a terminal. */
void nas_faults_print(const struct nas_faults *faults, FILE *out);

/* Read a file, or text that stands for one (fuzzing, tests). The tree lives in `arena`. An empty
 * file is an empty map; the top must be a map. NULL = nothing could be read, and faults say why (an
 * unreadable file is one, with errno's text). A tree may come with faults too: what follows them is
 * still worth checking. */
struct nas_yaml *nas_yaml_read(struct nas_arena *arena, const char *path,
                               struct nas_faults *faults);
struct nas_yaml *nas_yaml_parse(struct nas_arena *arena, const char *file, const char *text,
                                size_t length, struct nas_faults *faults);

/* Text that stands for one value of any kind: what follows the = of --set. An empty text is NULL.
 */
struct nas_yaml *nas_yaml_parse_value(struct nas_arena *arena, const char *file, const char *text,
                                      struct nas_faults *faults);

/* A deep copy, marks and all. NULL = no memory. */
struct nas_yaml *nas_yaml_copy(struct nas_arena *arena, const struct nas_yaml *node);

/* The value of `key` in a map, or NULL. */
struct nas_yaml *nas_yaml_get(const struct nas_yaml *map, const char *key);
/* The same by a path of keys, "cost.budget". */
struct nas_yaml *nas_yaml_find(const struct nas_yaml *map, const char *path);

/* Add or replace `key` of `map`. 0 = no memory for a copy of the key; the map is as it was. */
int nas_yaml_put(struct nas_arena *arena, struct nas_yaml *map, const char *key,
                 struct nas_yaml *value);

#endif
