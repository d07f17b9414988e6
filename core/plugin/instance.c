/* SPDX-License-Identifier: MIT */
#include "plugin/instance.h"

#include "base/text.h"

#include <stddef.h>
#include <string.h>

/* ---- services ----------------------------------------------------------------------------- */

static void *service_keep(struct mn_cx *cx, size_t bytes) {
    /* The instance is the host's to change; units only see it const. */
    struct mn__instance *unit = (struct mn__instance *)mn__cx_of(cx)->unit;
    void *at = unit == NULL ? NULL : mn__instance_keep(unit, bytes);
    if (at == NULL) {
        mn_fail(cx, unit == NULL ? MN_INTERNAL : MN_NOMEM, "no memory to keep %zu bytes", bytes);
    }
    return at;
}

/* What another process has, what others can have, or memory like any other. */
static void *service_keep_shared(struct mn_cx *cx, size_t bytes, int *filled) {
    struct mn__cx *c = mn__cx_of(cx);
    struct mn__instance *unit = (struct mn__instance *)c->unit;
    const void *at = NULL;
    if (unit == NULL || unit->n_shared == MN__MOST_SHARED) {
        return service_keep(cx, bytes);
    }
    if (c->shared != NULL) {
        at = mn__share_map(c->shared, unit->n_shared, bytes);
        *filled = at != NULL;
    } else if (c->sharing) {
        at = mn__share_make(&unit->share, bytes);
    }
    if (at == NULL) {
        return service_keep(cx, bytes);
    }
    unit->shared[unit->n_shared++] = (struct mn__shared){at, bytes};
    return (void *)(uintptr_t)at;
}

static struct mn__mark option_mark(const struct mn__instance *unit, const char *key) {
    const struct mn__yaml *node = mn__yaml_get(unit->section, key);
    return node != NULL ? node->mark : unit->mark;
}

static int service_bad_option(struct mn_cx *cx, const char *key, const char *format, va_list args) {
    const struct mn__instance *unit = mn__cx_of(cx)->unit;
    char text[1024], place[512];
    vsnprintf(text, sizeof text, format, args);
    if (unit == NULL) {
        return mn_fail(cx, MN_CONFIG, "%s: %s", key, text);
    }
    mn__mark_text(option_mark(unit, key), place, sizeof place);
    return mn_fail(cx, MN_CONFIG, "%s%s: %s: %s", place, unit->label, key, text);
}

void mn__instance_install(struct mn_host *host) {
    host->keep = service_keep;
    host->keep_shared = service_keep_shared;
    host->bad_option = service_bad_option;
}

/* ---- instances ---------------------------------------------------------------------------- */

static void copy_vtable(struct mn__instance *instance) {
    const void *from = instance->unit.unit->vtable;
    const size_t there = *(const uint32_t *)from;
    const size_t here = mn__kind_vtable_size(instance->unit.unit->kind);
    memset(&instance->table, 0, sizeof instance->table);
    memcpy(&instance->table, from, there < here ? there : here);
}

/* `check` is the second function of every vtable, after size and reserved. */
static int run_check(struct mn__instance *instance, struct mn_cx *cx) {
    int (*check)(const void *self, struct mn_cx *cx) = instance->table.dataset.check;
    _Static_assert(
        offsetof(struct mn_dataset, check) == offsetof(struct mn_mixer, check) &&
            offsetof(struct mn_dataset, check) == offsetof(struct mn_search_space, check) &&
            offsetof(struct mn_dataset, check) == offsetof(struct mn_task_learner, check) &&
            offsetof(struct mn_dataset, check) == offsetof(struct mn_meta_learner, check) &&
            offsetof(struct mn_dataset, check) == offsetof(struct mn_operation, check) &&
            offsetof(struct mn_dataset, check) == offsetof(struct mn_executor, check),
        "check stands at one place in all kinds");
    if (check == NULL) {
        return MN_OK;
    }
    struct mn__call call = mn__call_begin(cx, instance);
    return mn__call_end(&call, check(instance->self, cx));
}

static const char *use_of(struct mn__yaml *section, const char *default_use,
                          struct mn__mark section_mark, struct mn__mark *mark,
                          struct mn__faults *faults, const char *kind) {
    const struct mn__yaml *use = mn__yaml_get(section, "use");
    *mark = section_mark;
    if (use == NULL) {
        if (default_use == NULL) {
            mn__fault_add(faults, section_mark, "%s: the key 'use' is required: which %s", kind,
                          kind);
        }
        return default_use;
    }
    *mark = use->mark;
    if (use->kind != MN__YAML_SCALAR || use->text[0] == '\0') {
        mn__fault_add(faults, use->mark, "%s: use: expected the name of %s %s", kind,
                      mn__text_article(kind), kind);
        return NULL;
    }
    return use->text;
}

static int bind(struct mn__instance *instance, struct mn_cx *cx, struct mn__yaml *section,
                const char *kind, struct mn__faults *faults) {
    const struct mn_unit *unit = instance->unit.unit;
    instance->label = mn__arena_format(&instance->arena, "%s %s", kind, unit->name);
    instance->self = mn__arena_zeroed(&instance->arena, unit->instance_size);
    if (instance->label == NULL || instance->self == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for %s %s", kind, unit->name);
    }
    const int before = faults->count;
    copy_vtable(instance);
    mn__schema_bind(&instance->arena, &instance->unit.options, section, "use", instance->label,
                    instance->self, faults);
    return faults->count > before ? MN_OK : run_check(instance, cx);
}

/* A rule that `check` found broken is one fault among the others of the file. */
static int as_fault(struct mn_cx *cx, int status, struct mn__faults *faults) {
    if (status != MN_CONFIG) {
        return status;
    }
    mn__fault_add(faults, (struct mn__mark){0}, "%s", mn__cx_message(cx));
    mn__cx_clear(cx);
    return MN_OK;
}

int mn__instance_init(struct mn__instance *instance, struct mn_cx *cx,
                      struct mn__registry *registry, int kind, const char *name,
                      struct mn__yaml *section, const char *default_use, struct mn__mark mark,
                      struct mn__faults *faults) {
    const char *kind_name = name != NULL ? name : mn__kind_name(kind);
    struct mn__mark use_mark;
    memset(instance, 0, sizeof *instance);
    const char *use = use_of(section, default_use, section != NULL ? section->mark : mark,
                             &use_mark, faults, kind_name);
    if (use == NULL) {
        return MN_OK; /* a fault was added */
    }
    char place[512] = "";
    if (use_mark.line > 0) {
        snprintf(place, sizeof place, "%s:%d:%d", use_mark.file, use_mark.line, use_mark.column);
    } else if (use_mark.file != NULL) {
        snprintf(place, sizeof place, "%s", use_mark.file);
    }
    int status = mn__registry_find(registry, cx, kind, use, place[0] != '\0' ? place : NULL,
                                   &instance->unit);
    if (status == MN_OK) {
        instance->section = section;
        instance->mark = use_mark;
        status = bind(instance, cx, section, kind_name, faults);
    }
    return as_fault(cx, status, faults);
}

void mn__instance_fini(struct mn__instance *instance) {
    if (instance->started && instance->unit.unit->kind == MN_DATASET &&
        instance->table.dataset.stop != NULL) {
        instance->table.dataset.stop(instance->self);
    }
    for (int i = 0; i < instance->n_shared; i++) {
        mn__share_unmap(instance->shared[i].at, instance->shared[i].bytes);
    }
    mn__share_close(&instance->share);
    mn__arena_fini(&instance->arena);
    memset(instance, 0, sizeof *instance);
}

int mn__instance_wrong(struct mn_cx *cx, const struct mn__instance *instance, const char *format,
                       ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mn_fail(cx, MN_INTERNAL, "%s: %s; this is an error of the plugin", instance->label,
                   text);
}

void *mn__instance_keep(struct mn__instance *instance, size_t bytes) {
    return mn__arena_zeroed(&instance->arena, bytes);
}

struct mn__call mn__call_begin(struct mn_cx *cx, const struct mn__instance *instance) {
    struct mn__cx *c = mn__cx_of(cx);
    const struct mn__call call = {cx, instance, c->unit, mn__arena_mark(&c->scratch)};
    c->unit = instance;
    return call;
}

int mn__call_end(struct mn__call *call, int status) {
    struct mn__cx *c = mn__cx_of(call->cx);
    const int result = mn__cx_result(call->cx, call->unit, call->mark, status);
    c->unit = call->before;
    c->batch_room = c->batch_unit == call->unit ? 0 : c->batch_room; /* its scratch is released */
    return result;
}
