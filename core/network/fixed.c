/* SPDX-License-Identifier: MIT */
#include "network/fixed.h"

#include "base/text.h"
#include "config/option.h"

#include <math.h>
#include <string.h>

enum { MOST_PAIRS = 64, MOST_WEIGHT = 1000 };
static const char words[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* The next word of a pair, and the text behind it. */
static const char *word(struct nas_arena *arena, const char **at) {
    const char *begin = *at + strspn(*at, " \t");
    const size_t n = strcspn(begin, " \t,");
    *at = begin + n;
    return n > 0 ? nas_arena_format(arena, "%.*s", (int)n, begin) : NULL;
}

static int read_pair(struct nas_arena *arena, const char **at, struct nas_fixed_pair *out) {
    int64_t input;
    out->op = word(arena, at);
    const char *number = word(arena, at), *weight = word(arena, at);
    out->weight = 1;
    *at += strspn(*at, " \t");
    if (out->op == NULL || out->op[strspn(out->op, words)] != '\0' || number == NULL ||
        !nas_text_int(number, &input) || input < 0 || input >= MOST_PAIRS ||
        (weight != NULL && (!nas_text_real(weight, &out->weight) || !(out->weight > 0) ||
                            out->weight > MOST_WEIGHT)) ||
        (**at != '\0' && **at != ',')) {
        return 0;
    }
    out->input = (int)input;
    return 1;
}

static void read_node(struct nas_arena *arena, const struct nas_yaml *text,
                      struct nas_fixed_node *node, struct nas_faults *faults) {
    const char *at = text->kind == NAS_YAML_SCALAR ? text->text : "";
    node->mark = text->mark;
    node->pairs = nas_arena_zeroed(arena, MOST_PAIRS * sizeof *node->pairs);
    do {
        if (node->pairs == NULL || node->n == MOST_PAIRS ||
            !read_pair(arena, &at, &node->pairs[node->n++])) {
            nas_fault_add(faults, text->mark,
                          "genotype: %s: node %d: expected up to %d pairs of operation and input "
                          "such as 'conv_3x3 0, skip_connect 1', each with a weight over 0 behind "
                          "it or none",
                          node->type, node->index, MOST_PAIRS);
            return;
        }
    } while (*at++ == ',');
}

static int read_type(struct nas_fixed *out, struct mn_ctx *ctx, struct nas_arena *arena,
                     const struct nas_yaml *type, struct nas_faults *faults) {
    int n = 0;
    if (type->kind != NAS_YAML_LIST || type->first == NULL) {
        nas_fault_add(
            faults, type->mark,
            "genotype: %s: expected a list of nodes, such as [conv_3x3 0, skip_connect 1]",
            type->key);
        return MN_OK;
    }
    for (const struct nas_yaml *node = type->first; node != NULL; node = node->next) {
        out->at = nas_arena_append(arena, out->at, out->n, sizeof *out->at);
        if (out->at == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for the genotype");
        }
        struct nas_fixed_node *at = &out->at[out->n++];
        *at = (struct nas_fixed_node){.type = type->key, .index = n++};
        read_node(arena, node, at, faults);
    }
    return MN_OK;
}

int nas_fixed_read(struct nas_fixed *out, struct mn_ctx *ctx, struct nas_arena *arena,
                   struct nas_yaml *section, struct nas_faults *faults) {
    *out = (struct nas_fixed){0};
    if (section != NULL && section->kind == NAS_YAML_SCALAR) {
        const char *path = nas_schema_path(arena, section);
        const struct nas_mark mark = section->mark;
        section = path != NULL ? nas_yaml_read(arena, path, faults) : NULL;
        if (section == NULL) {
            nas_fault_add(faults, mark, "genotype: the file could not be used");
            return MN_OK;
        }
    }
    if (section != NULL && section->kind != NAS_YAML_MAP) {
        nas_fault_add(
            faults, section->mark,
            "genotype: expected types of cells with their nodes, or the path of a file of "
            "them");
        return MN_OK;
    }
    out->section = section;
    for (const struct nas_yaml *type = section != NULL ? section->first : NULL; type != NULL;
         type = type->next) {
        TRY(read_type(out, ctx, arena, type, faults));
    }
    return MN_OK;
}

void nas_fixed_write(const struct nas_fixed *fixed, FILE *out) {
    if (fixed->section == NULL) {
        return;
    }
    fputs("genotype:\n", out);
    for (const struct nas_yaml *type = fixed->section->first; type != NULL; type = type->next) {
        fprintf(out, "  %s:\n", type->key);
        for (const struct nas_yaml *node = type->first; node != NULL; node = node->next) {
            fprintf(out, "  - '%s'\n", node->text);
        }
    }
}

int nas_fixed_is(const char *type, int index, const char *group) {
    const char *dot = strrchr(group, '.');
    int64_t number = 0;
    const int numbered = dot != NULL && nas_text_int(dot + 1, &number);
    const size_t length = numbered ? (size_t)(dot - group) : strlen(group);
    return index == number && strlen(type) == length && strncmp(type, group, length) == 0;
}

const struct nas_fixed_node *nas_fixed_find(const struct nas_fixed *fixed, const char *group) {
    for (int i = 0; i < fixed->n; i++) {
        if (nas_fixed_is(fixed->at[i].type, fixed->at[i].index, group)) {
            return &fixed->at[i];
        }
    }
    return NULL;
}
