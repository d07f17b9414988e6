/* SPDX-License-Identifier: MIT */
#include "network/operations.h"

#include "base/text.h"
#include "network/op.h"

#include <string.h>

struct nas_operation {
    struct nas_op op;
    struct nas_instance instance;
    struct nas_operation *next;
};

enum { NAMES = 512 };

/* At the end of the list, so that it keeps the order of the configuration. */
static struct nas_operation *append(struct nas_operations *o, struct mn_ctx *ctx,
                                    const char *name) {
    struct nas_operation *x = nas_arena_zeroed(&o->arena, sizeof *x);
    const char *copy = nas_arena_text(&o->arena, name);
    if (x == NULL || copy == NULL) {
        mn_fail(ctx, MN_NOMEM, "no memory for operation %s", name);
        return NULL;
    }
    struct nas_operation **end = &o->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    x->op = (struct nas_op){.name = copy, .unit = &x->instance};
    *end = x;
    return x;
}

/* Names become parts of weights' names and of genotypes. */
static int is_name(const char *name) {
    return name[0] >= 'a' && name[0] <= 'z' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* ---- the section -------------------------------------------------------------------------- */

int nas_operations_init(struct nas_operations *o, struct mn_ctx *ctx, struct nas_registry *registry,
                        struct nas_yaml *section, struct nas_faults *faults) {
    o->registry = registry;
    if (section != NULL && section->kind != NAS_YAML_MAP) {
        nas_fault_add(faults, section->mark,
                      "operations: expected names of operations with their plugins, such as "
                      "operations: {se: {use: squeeze_excitation}}");
        return MN_OK;
    }
    for (struct nas_yaml *entry = section != NULL ? section->first : NULL; entry != NULL;
         entry = entry->next) {
        const char *name = entry->key;
        if (nas_op_find(name) != NULL) {
            nas_fault_add(faults, entry->key_mark,
                          "operations: '%s' is built in; choose another name for this one", name);
            continue;
        }
        if (!is_name(name)) {
            nas_fault_add(faults, entry->key_mark,
                          "operations: '%s' is no name: a small letter, then small letters, digits "
                          "and '_'",
                          name);
            continue;
        }
        if (entry->kind != NAS_YAML_MAP) {
            nas_fault_add(faults, entry->mark,
                          "operations: %s: expected a section; to choose a plugin write %s: {use: "
                          "NAME}",
                          name, name);
            continue;
        }
        const char *label = nas_arena_format(&o->arena, "operations.%s", name);
        struct nas_operation *x = label != NULL ? append(o, ctx, name) : NULL;
        if (x == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for operations");
        }
        TRY(nas_instance_init(&x->instance, ctx, registry, MN_OPERATION, label, entry, NULL,
                              entry->key_mark, faults));
    }
    return MN_OK;
}

void nas_operations_fini(struct nas_operations *o) {
    for (struct nas_operation *x = o->first; x != NULL; x = x->next) {
        nas_instance_fini(&x->instance);
    }
    nas_arena_fini(&o->arena);
    memset(o, 0, sizeof *o);
}

const char *nas_operations_built_in(size_t i) {
    return i < nas_op_count() ? nas_op_at(i)->name : NULL;
}

const struct nas_instance *nas_operations_at(const struct nas_operations *o, int i,
                                             const char **name) {
    const struct nas_operation *x = o->first;
    while (x != NULL && i-- > 0) {
        x = x->next;
    }
    *name = x != NULL ? x->op.name : NULL;
    return x != NULL ? &x->instance : NULL;
}

/* ---- by name ------------------------------------------------------------------------------ */

/* What `use` names, with its defaults. */
static int load(struct nas_operations *o, struct mn_ctx *ctx, const char *name, const char *use,
                const struct nas_op **out) {
    struct nas_faults faults = {.arena = &o->arena};
    struct nas_operation *x = append(o, ctx, name);
    if (x == NULL) {
        return MN_NOMEM;
    }
    int status = nas_instance_init(&x->instance, ctx, o->registry, MN_OPERATION, NULL, NULL, use,
                                   (struct nas_mark){0}, &faults);
    if (status == MN_OK && faults.count > 0) {
        status = mn_fail(ctx, MN_CONFIG,
                         "operation %s: %s; its options are given by operations: {%s: {use: %s, "
                         "...}}",
                         name, faults.first != NULL ? faults.first->text : "no memory", name, use);
    }
    if (status != MN_OK) {
        x->op.name = ""; /* nobody finds it again */
    }
    *out = &x->op;
    return status;
}

int nas_operations_find(struct nas_operations *o, struct mn_ctx *ctx, const char *name,
                        const struct nas_op **out) {
    const char *names[NAMES]; /* of those that are known, in case of a slip */
    char file[4096];
    size_t n = 0;
    for (; n < nas_op_count(); n++) {
        names[n] = nas_op_at(n)->name;
    }
    *out = nas_op_find(name);
    for (struct nas_operation *x = o != NULL ? o->first : NULL; x != NULL && *out == NULL;
         x = x->next) {
        if (strcmp(x->op.name, name) == 0) {
            *out = &x->op;
        } else if (n < NAMES) {
            names[n++] = x->op.name;
        }
    }
    if (*out != NULL) {
        return MN_OK;
    }
    if (o != NULL && o->registry != NULL && o->beside != NULL &&
        nas_plugin_unit(o->beside, MN_OPERATION, name) != NULL) {
        char use[160];
        snprintf(use, sizeof use, "%s/%s", o->beside->name, name);
        return load(o, ctx, name, use, out);
    }
    const char *near = nas_text_nearest(name, names, n);
    if (o == NULL || o->registry == NULL || !is_name(name) ||
        (near != NULL && !nas_registry_file(o->registry, name, file, sizeof file))) {
        char hint[256];
        return mn_fail(ctx, MN_CONFIG, "unknown operation '%s'%s", name,
                       nas_text_hint(near, "", hint, sizeof hint));
    }
    return load(o, ctx, name, name, out);
}
