/* SPDX-License-Identifier: MIT */
#include "model/operations.h"

#include "base/text.h"
#include "model/op.h"

#include <string.h>

struct mn__operation {
    struct mn__op op;
    struct mn__instance instance;
    struct mn__operation *next;
};

enum { NAMES = 512 };

static const struct mn__op *named(const struct mn__operations *o, const char *name) {
    for (const struct mn__operation *x = o->first; x != NULL; x = x->next) {
        if (strcmp(x->op.name, name) == 0) {
            return &x->op;
        }
    }
    return NULL;
}

/* At the end of the list, so that it keeps the order of the configuration. */
static struct mn__operation *append(struct mn__operations *o, struct mn_cx *cx, const char *name) {
    struct mn__operation *x = mn__arena_zeroed(&o->arena, sizeof *x);
    const char *copy = mn__arena_text(&o->arena, name);
    if (x == NULL || copy == NULL) {
        mn_fail(cx, MN_NOMEM, "no memory for operation %s", name);
        return NULL;
    }
    struct mn__operation **end = &o->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    x->op =
        (struct mn__op){.name = copy, .table = &x->instance.table.operation, .unit = &x->instance};
    *end = x;
    return x;
}

/* Names become parts of weights' names and of genotypes. */
static int is_name(const char *name) {
    return name[0] >= 'a' && name[0] <= 'z' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* ---- the section -------------------------------------------------------------------------- */

static int check_entry(const struct mn__yaml *entry, struct mn__faults *faults) {
    if (mn__op_find(entry->key) != NULL) {
        mn__fault_add(faults, entry->key_mark,
                      "operations: '%s' is built in; choose another name for this one", entry->key);
    } else if (!is_name(entry->key)) {
        mn__fault_add(faults, entry->key_mark,
                      "operations: '%s' is no name: a small letter, then small letters, digits "
                      "and '_'",
                      entry->key);
    } else if (entry->kind != MN__YAML_MAP) {
        mn__fault_add(faults, entry->mark,
                      "operations: %s: expected a section; to choose a plugin write %s: {use: "
                      "NAME}",
                      entry->key, entry->key);
    } else {
        return 1;
    }
    return 0;
}

int mn__operations_init(struct mn__operations *o, struct mn_cx *cx, struct mn__registry *registry,
                        struct mn__yaml *section, struct mn__faults *faults) {
    o->registry = registry;
    if (section != NULL && section->kind != MN__YAML_MAP) {
        mn__fault_add(faults, section->mark,
                      "operations: expected names of operations with their plugins, such as "
                      "operations: {se: {use: squeeze_excitation}}");
        return MN_OK;
    }
    for (struct mn__yaml *entry = section != NULL ? section->first : NULL; entry != NULL;
         entry = entry->next) {
        struct mn__operation *x = NULL;
        const char *label = mn__arena_format(&o->arena, "operations.%s", entry->key);
        if (!check_entry(entry, faults)) {
            continue;
        }
        x = label != NULL ? append(o, cx, entry->key) : NULL;
        if (x == NULL) {
            return mn_fail(cx, MN_NOMEM, "no memory for operations");
        }
        const int status = mn__instance_init(&x->instance, cx, registry, MN_OPERATION, label, entry,
                                             NULL, entry->key_mark, faults);
        if (status != MN_OK) {
            return status;
        }
    }
    return MN_OK;
}

void mn__operations_fini(struct mn__operations *o) {
    for (struct mn__operation *x = o->first; x != NULL; x = x->next) {
        mn__instance_fini(&x->instance);
    }
    mn__arena_fini(&o->arena);
    memset(o, 0, sizeof *o);
}

const char *mn__operations_built_in(size_t i) {
    return i < mn__op_count() ? mn__op_at(i)->name : NULL;
}

const struct mn__instance *mn__operations_at(const struct mn__operations *o, int i,
                                             const char **name) {
    const struct mn__operation *x = o->first;
    while (x != NULL && i-- > 0) {
        x = x->next;
    }
    *name = x != NULL ? x->op.name : NULL;
    return x != NULL ? &x->instance : NULL;
}

/* ---- by name ------------------------------------------------------------------------------ */

static const char *nearest(const struct mn__operations *o, const char *name) {
    const char *names[NAMES];
    size_t n = 0;
    while (n < mn__op_count() && n < NAMES) {
        names[n] = mn__op_at(n)->name;
        n++;
    }
    for (const struct mn__operation *x = o != NULL ? o->first : NULL; x != NULL && n < NAMES;
         x = x->next) {
        names[n++] = x->op.name;
    }
    return mn__text_nearest(name, names, n);
}

static int unknown(struct mn_cx *cx, const char *name, const char *near) {
    char hint[256];
    return mn_fail(cx, MN_CONFIG, "unknown operation '%s'%s", name,
                   mn__text_hint(near, "", hint, sizeof hint));
}

/* What `use` names, with its defaults. */
static int load(struct mn__operations *o, struct mn_cx *cx, const char *name, const char *use,
                const struct mn__op **out) {
    struct mn__faults faults = {.arena = &o->arena};
    struct mn__operation *x = append(o, cx, name);
    if (x == NULL) {
        return MN_NOMEM;
    }
    int status = mn__instance_init(&x->instance, cx, o->registry, MN_OPERATION, NULL, NULL, use,
                                   (struct mn__mark){0}, &faults);
    if (status == MN_OK && faults.count > 0) {
        status = mn_fail(cx, MN_CONFIG,
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

int mn__operations_find(struct mn__operations *o, struct mn_cx *cx, const char *name,
                        const struct mn__op **out) {
    char file[4096];
    *out = mn__op_find(name);
    if (*out == NULL && o != NULL) {
        *out = named(o, name);
    }
    if (*out != NULL) {
        return MN_OK;
    }
    if (o != NULL && o->registry != NULL && o->beside != NULL &&
        mn__plugin_unit(o->beside, MN_OPERATION, name) != NULL) {
        char use[160];
        snprintf(use, sizeof use, "%s/%s", o->beside->name, name);
        return load(o, cx, name, use, out);
    }
    const char *near = nearest(o, name);
    if (o == NULL || o->registry == NULL || !is_name(name) ||
        (near != NULL && !mn__registry_file(o->registry, name, file, sizeof file))) {
        return unknown(cx, name, near);
    }
    return load(o, cx, name, name, out);
}
