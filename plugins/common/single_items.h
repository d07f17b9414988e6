/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_SINGLE_ITEMS_H
#define PLUGINS_COMMON_SINGLE_ITEMS_H

/* A mixture whose choices are its items: all op mixers, and input mixers that weigh inputs apart.
 * As n_logits: one logit for every item. */

#include <metanas/plugin.h>

static inline int64_t single_n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static inline int single_holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

#endif
