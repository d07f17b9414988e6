/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SWEEP_READ_H
#define METANAS_SWEEP_READ_H

/* What the readers of the parts of a sweep file share. Faults are added, and reading goes on. */

#include "file.h"

enum { MOST_ARMS = 10000 };

struct sweep_reader {
    struct sweep *sweep;
    struct nas_faults *faults;
    int halving; /* of arms by rungs, which tell run.meta_epochs */
};

/* file.c: zeroed room for n items in the sweep's arena; NULL = a fault was added. */
void *sweep_room(struct sweep_reader *reader, int n, size_t size);
int sweep_count(const struct nas_yaml *node); /* its children */
/* Keys of a map that are none of `known`; `otherwise` is said where none is near. */
void sweep_check_keys(struct sweep_reader *reader, const struct nas_yaml *map,
                      const char *const *known, size_t n, const char *otherwise);
/* Whether a name is that of an option or a section, which an axis of that name sets. */
int sweep_is_key(const char *name);
/* The key of a node as the name of an axis. */
void sweep_check_name(struct sweep_reader *reader, const struct nas_yaml *node);
/* An axis: its key and a list of values or a map of labels and values. */
void sweep_read_axis(struct sweep_reader *reader, const struct nas_yaml *node,
                     struct sweep_axis *out);
/* One value of the list or map `axis`, without a look at its label. */
void sweep_read_value(struct sweep_reader *reader, const struct nas_yaml *axis,
                      const struct nas_yaml *value, struct sweep_value *out);
/* No axis undoes what another one sets. */
void sweep_check_axes(struct sweep_reader *reader);
void sweep_check_label(struct sweep_reader *reader, const struct sweep_value *value);

/* search.c: the section `search`. */
void sweep_read_search(struct sweep_reader *reader, const struct nas_yaml *node);

#endif
