/* SPDX-License-Identifier: MIT */
#ifndef MN__CONFIG_YAML_H
#define MN__CONFIG_YAML_H

/* A YAML file as a tree whose every node keeps its place. Built from libyaml events. Refused, with
 * file:line:column: duplicate keys, aliases and anchors, tags, several documents, depth over 6,
 * more than 1 MiB, 100,000 nodes or 1,000 keys in one map, keys that are not plain text. Scalars
 * stay text; the schema types them. */

#include "base/cx.h"

enum mn__yaml_kind { MN__YAML_SCALAR, MN__YAML_LIST, MN__YAML_MAP };

struct mn__mark {
    const char *file; /* or "argument 3" for --set */
    int line, column; /* from 1; 0 = no line (--set) */
};

struct mn__yaml {
    enum mn__yaml_kind kind;
    struct mn__mark mark;
    const char *text; /* scalar */
    int quoted;       /* scalar in quotes */
    const char *key;  /* under a map */
    struct mn__mark key_mark;
    int older;              /* was there before the assignments that are being made */
    const char *used;       /* map: its `use` before them, or NULL */
    struct mn__yaml *first; /* list, map: children in order */
    struct mn__yaml *next;
};

/* "file:line:column: ", "file: " without a line, "" without a file: for the front of a message. */
void mn__mark_text(struct mn__mark mark, char *out, size_t size);

/* All faults of a configuration, in the order found. */
struct mn__fault {
    struct mn__mark mark;
    const char *text;
    int warning; /* 1 = printed, not counted */
    struct mn__fault *next;
};
struct mn__faults {
    struct mn__arena *arena;
    struct mn__fault *first, *last;
    int count; /* without warnings */
};

__attribute__((format(printf, 3, 4))) void
mn__fault_add(struct mn__faults *faults, struct mn__mark mark, const char *format, ...);
__attribute__((format(printf, 3, 4))) void
mn__fault_warn(struct mn__faults *faults, struct mn__mark mark, const char *format, ...);
/* "file:line:column: text" lines, faults and warnings. */
void mn__faults_print(const struct mn__faults *faults, FILE *out);

/* Read a file, or text that stands for one (fuzzing, tests). The tree lives in `arena`. An empty
 * file is an empty map; the top must be a map. NULL = nothing could be read, and faults say why (an
 * unreadable file is one, with errno's text). A tree may come with faults too: what follows them is
 * still worth checking. */
struct mn__yaml *mn__yaml_read(struct mn__arena *arena, const char *path,
                               struct mn__faults *faults);
struct mn__yaml *mn__yaml_parse(struct mn__arena *arena, const char *file, const char *text,
                                size_t length, struct mn__faults *faults);

/* Text that stands for one value of any kind: what follows the = of --set. An empty text is NULL.
 */
struct mn__yaml *mn__yaml_parse_value(struct mn__arena *arena, const char *file, const char *text,
                                      struct mn__faults *faults);

/* A deep copy, marks and all. NULL = no memory. */
struct mn__yaml *mn__yaml_copy(struct mn__arena *arena, const struct mn__yaml *node);

/* The value of `key` in a map, or NULL. */
struct mn__yaml *mn__yaml_get(const struct mn__yaml *map, const char *key);

/* Add or replace `key` of `map`. 0 = no memory for a copy of the key; the map is as it was. */
int mn__yaml_put(struct mn__arena *arena, struct mn__yaml *map, const char *key,
                 struct mn__yaml *value);

#endif
