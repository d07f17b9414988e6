/* SPDX-License-Identifier: MIT */
#include "plugin/kinds.h"

#include <string.h>

#define NEEDS(type, function)                                                                      \
    { #function, offsetof(struct type, function) }

static const struct nas_needed dataset[] = {NEEDS(mn_dataset, start), NEEDS(mn_dataset, describe),
                                            NEEDS(mn_dataset, sample)};
static const struct nas_needed search_space[] = {NEEDS(mn_search_space, build)};
static const struct nas_needed mixer[] = {NEEDS(mn_mixer, n_choices), NEEDS(mn_mixer, n_logits),
                                          NEEDS(mn_mixer, holds), NEEDS(mn_mixer, forward),
                                          NEEDS(mn_mixer, select)};
static const struct nas_needed task_learner[] = {NEEDS(mn_task_learner, adapt)};
static const struct nas_needed meta_learner[] = {NEEDS(mn_meta_learner, delta),
                                                 NEEDS(mn_meta_learner, update)};
static const struct nas_needed transport[] = {
    NEEDS(mn_transport, start),     NEEDS(mn_transport, stop), NEEDS(mn_transport, abort),
    NEEDS(mn_transport, broadcast), NEEDS(mn_transport, send), NEEDS(mn_transport, probe),
    NEEDS(mn_transport, receive)};
static const struct nas_needed operation[] = {
    NEEDS(mn_operation, shape), NEEDS(mn_operation, forward), NEEDS(mn_operation, backward)};

#define KIND_OR(name, type, least, table, ...)                                                     \
    { name, sizeof(struct type), least, table, sizeof table / sizeof table[0], __VA_ARGS__ }
#define KIND(name, type, least, table) KIND_OR(name, type, least, table, {NULL, 0})
/* The size that ended before a field which is newer. */
#define BEFORE(type, field) offsetof(struct type, field)

/* By enum mn_kind. The first size is this host's, the second that of MN_ABI_OLDEST. */
static const struct nas_kind kinds[NAS_KINDS + 1] = {
    {0},
    KIND("dataset", mn_dataset, BEFORE(mn_dataset, n_samples), dataset),
    KIND("search_space", mn_search_space, BEFORE(mn_search_space, budget), search_space),
    KIND("op_mixer", mn_mixer, BEFORE(mn_mixer, measure), mixer),
    KIND("input_mixer", mn_mixer, BEFORE(mn_mixer, measure), mixer),
    KIND("task_learner", mn_task_learner, BEFORE(mn_task_learner, check_adjoint), task_learner),
    KIND("meta_learner", mn_meta_learner, BEFORE(mn_meta_learner, traces), meta_learner),
    KIND("transport", mn_transport, sizeof(struct mn_transport), transport),
    KIND_OR("operation", mn_operation, BEFORE(mn_operation, maps), operation,
            NEEDS(mn_operation, maps)),
};

const struct nas_kind *nas_kind(int kind) {
    return kind >= 1 && kind <= NAS_KINDS ? &kinds[kind] : NULL;
}

const char *nas_kind_name(int kind) {
    return nas_kind(kind) != NULL ? kinds[kind].name : "?";
}

int nas_kind_from(const char *name) {
    for (int i = 1; i <= NAS_KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return i;
        }
    }
    return 0;
}

size_t nas_kind_vtable_size(int kind) {
    return nas_kind(kind) != NULL ? kinds[kind].size : 0;
}
