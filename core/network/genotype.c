/* SPDX-License-Identifier: MIT */
#include "network/prune.h"

#include <stdarg.h>
#include <string.h>

enum { USUAL_INPUTS = 2 }; /* of a cell, so of its first node */

/* Text that grows as snprintf counts: past the room, only the length goes on. */
struct text {
    char *at;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const size_t room = t->used < t->size ? t->size - t->used : 0;
    const int n = vsnprintf(room > 0 ? t->at + t->used : NULL, room, format, args);
    va_end(args);
    t->used += n > 0 ? (size_t)n : 0;
}

/* Op mixtures i.. of one group, followed by its input mixture at `input`. */
static void put_node(struct text *t, const struct mn_model *m, int i, int input,
                     const uint8_t *keep) {
    const char *dot = strrchr(m->mixtures[i].group, '.');
    const char *plus = "";
    put(t, " %s:", dot != NULL ? dot + 1 : "0");
    for (; i < input; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (!nas_prune_item_stays(m, input, keep, x->edge)) {
            continue;
        }
        const char *separator = plus;
        for (int o = 0; o < x->n_items; o++) {
            if (nas_prune_item_stays(m, i, keep, o)) {
                put(t, "%s%s", separator, x->about.items[o]);
                separator = "&";
            }
        }
        put(t, "%s@%d", separator == plus ? plus : "", x->edge);
        plus = "+";
    }
}

/* Length of a group's cell type: "normal" of "normal.1". */
static size_t type_length(const char *group) {
    const char *dot = strrchr(group, '.');
    return dot != NULL ? (size_t)(dot - group) : strlen(group);
}

static int same_type(const char *a, const char *b) {
    return type_length(a) == type_length(b) && strncmp(a, b, type_length(a)) == 0;
}

/* Inputs of the first node of a type. */
static int inputs_of(const struct mn_model *m, const char *type) {
    for (int i = 0; i < m->n_mixtures; i++) {
        if (m->mixtures[i].is_input && same_type(m->mixtures[i].group, type)) {
            return m->mixtures[i].n_items;
        }
    }
    return USUAL_INPUTS;
}

size_t nas_model_genotype(const struct mn_model *m, const uint8_t *keep, char *out, size_t size) {
    struct text t = {out, size, 0};
    if (size > 0) {
        out[0] = '\0';
    }
    for (int i = 0; i < m->n_mixtures; i++) {
        const char *type = m->mixtures[i].group;
        int first = 0;
        while (!same_type(m->mixtures[first].group, type)) {
            first++;
        }
        if (first < i) {
            continue; /* the type has had its turn */
        }
        put(&t, "%s%.*s", i > 0 ? " | " : "", (int)type_length(type), type);
        if (inputs_of(m, type) != USUAL_INPUTS) {
            put(&t, "/%d", inputs_of(m, type));
        }
        put(&t, ":");
        for (int j = i, begin = i; j < m->n_mixtures; j++) {
            if (same_type(m->mixtures[j].group, type) && m->mixtures[j].is_input) {
                put_node(&t, m, begin, j, keep);
            }
            if (m->mixtures[j].is_input) {
                begin = j + 1;
            }
        }
    }
    return t.used;
}
