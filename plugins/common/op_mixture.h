/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_OP_MIXTURE_H
#define PLUGINS_COMMON_OP_MIXTURE_H

/* What all op mixers have in common: one choice and one logit for every candidate. */

#include <metanas/plugin.h>

static inline int64_t op_n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static inline int op_holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

#endif
