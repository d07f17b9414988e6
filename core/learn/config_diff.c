/* SPDX-License-Identifier: MIT */
#include "learn/config_diff.h"

#include "base/buffer.h"
#include "base/text.h"
#include "config/renamed.h"
#include "learn/configuration.h"

#include <stdlib.h>
#include <string.h>

const char *const nas_config_may_change[] = {"run.meta_epochs",      "run.transport",
                                             "run.workers",          "run.checkpoint_every",
                                             "run.keep_checkpoints", "run.on_nan",
                                             "run.max_loss",         "run.rollbacks",
                                             "dataset.path",         NULL};

int nas_config_text(const struct nas_experiment *e, struct mn_ctx *ctx, char **out) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    TRY(nas_buffer_open(&text, ctx));
    if (nas_configuration_write(e, text.out) != MN_OK) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the configuration");
    }
    TRY(nas_buffer_close(&text, ctx));
    *out = text.text;
    text.text = NULL;
    return MN_OK;
}

int nas_config_int(const char *resolved, const char *section, const char *key, int64_t *out) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    const struct nas_yaml *root =
        nas_yaml_parse(&arena, "configuration", resolved, strlen(resolved), &faults);
    const struct nas_yaml *node = nas_yaml_get(nas_yaml_get(root, section), key);
    return node != NULL && node->kind == NAS_YAML_SCALAR && nas_text_int(node->text, out);
}

int nas_config_is_one_of(const char *key, size_t length, const char *const *list) {
    for (; *list != NULL; list++) {
        const char *last = strrchr(*list, '.');
        const size_t n = strlen(*list), end = strlen(last);
        if (length >= n && strncmp(key, *list, n - end + 1) == 0 &&
            strncmp(key + length - end, last, end) == 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- comparing two trees ------------------------------------------------------------------ */

static void value_text(const struct nas_yaml *node, char *out, size_t size) {
    if (node == NULL) {
        snprintf(out, size, "nothing");
    } else if (node->kind == NAS_YAML_SCALAR) {
        snprintf(out, size, "%s", node->text);
    } else if (node->kind == NAS_YAML_MAP) {
        snprintf(out, size, "a section");
    } else {
        size_t used = (size_t)snprintf(out, size, "[");
        for (const struct nas_yaml *x = node->first; x != NULL && used < size; x = x->next) {
            used += (size_t)snprintf(out + used, size - used, "%s%s",
                                     x->kind == NAS_YAML_SCALAR ? x->text : "..",
                                     x->next != NULL ? ", " : "]");
        }
    }
}

static int same_list(const struct nas_yaml *a, const struct nas_yaml *b) {
    const struct nas_yaml *x = a->first, *y = b->first;
    while (x != NULL && y != NULL && x->kind == NAS_YAML_SCALAR && y->kind == NAS_YAML_SCALAR &&
           strcmp(x->text, y->text) == 0) {
        x = x->next;
        y = y->next;
    }
    return x == NULL && y == NULL;
}

/* In the order of the configuration now, then what is left of the other. */
static void compare(const char *key, const struct nas_yaml *there, const struct nas_yaml *here,
                    const char *const *list, struct nas_config_diff *out) {
    const struct nas_yaml *const both[] = {here, there};
    if (there == NULL || out->key[0] != '\0' || nas_config_is_one_of(key, strlen(key), list)) {
        return;
    }
    const int alike = here != NULL && here->kind == there->kind;
    for (int k = 0; k < 2 && alike && here->kind == NAS_YAML_MAP; k++) {
        for (const struct nas_yaml *x = both[k]->first; x != NULL; x = x->next) {
            const struct nas_yaml *now = nas_yaml_get(here, x->key);
            char inner[sizeof out->key];
            snprintf(inner, sizeof inner, "%s%s%s", key, key[0] != '\0' ? "." : "", x->key);
            if (k == 0 || now == NULL) {
                compare(inner, nas_yaml_get(there, x->key), now, list, out);
            }
        }
    }
    if (!alike || (here->kind == NAS_YAML_LIST && !same_list(there, here)) ||
        (here->kind == NAS_YAML_SCALAR && strcmp(there->text, here->text) != 0)) {
        snprintf(out->key, sizeof out->key, "%s", key);
        value_text(there, out->there, sizeof out->there);
        value_text(here, out->here, sizeof out->here);
    }
}

int nas_config_diff_texts(struct mn_ctx *ctx, const char *path, const char *then, const char *name,
                          const char *now, const char *const *list, struct nas_config_diff *out) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    out->key[0] = '\0';
    struct nas_yaml *there = nas_yaml_parse(&arena, path, then, strlen(then), &faults);
    struct nas_yaml *here = nas_yaml_parse(&arena, name, now, strlen(now), &faults);
    if (there == NULL || here == NULL || faults.count > 0) {
        return mn_fail(ctx, MN_IO, "%s: its configuration cannot be read: %s", path,
                       faults.first != NULL ? faults.first->text : "no memory");
    }
    nas_renamed_apply(there, NULL);
    nas_renamed_apply(here, NULL);
    compare("", there, here, list, out);
    return MN_OK;
}

int nas_config_diff_find(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                         const char *then, const char *const *list, struct nas_config_diff *out) {
    CLEANUP(nas_free) char *now = NULL;
    TRY(nas_config_text(e, ctx, &now));
    return nas_config_diff_texts(ctx, path, then, "configuration", now, list, out);
}
