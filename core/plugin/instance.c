/* SPDX-License-Identifier: MIT */
#include "plugin/instance.h"

#include "base/text.h"

#include <stddef.h>
#include <string.h>

/* ---- services ----------------------------------------------------------------------------- */

void *nas_service_keep(struct mn_ctx *ctx, size_t bytes) {
    /* The instance is the host's to change; units only see it const. */
    struct nas_instance *unit = (struct nas_instance *)nas_ctx_of(ctx)->unit;
    void *at = unit == NULL ? NULL : nas_arena_zeroed(&unit->arena, bytes);
    if (at == NULL) {
        mn_fail(ctx, unit == NULL ? MN_INTERNAL : MN_NOMEM, "no memory to keep %zu bytes", bytes);
    }
    return at;
}

/* What another process has, what others can have, or memory like any other. */
void *nas_service_keep_shared(struct mn_ctx *ctx, size_t bytes, int *filled) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    struct nas_instance *unit = (struct nas_instance *)c->unit;
    const void *at = NULL;
    if (unit == NULL || unit->n_mappings == NAS_SHM_MOST) {
        return nas_service_keep(ctx, bytes);
    }
    if (unit->shm_source != NULL) {
        at = nas_shm_map(unit->shm_source, unit->n_mappings, bytes);
        *filled = at != NULL;
    } else if (unit->shm_wanted) {
        at = nas_shm_create(&unit->shm, bytes);
    }
    if (at == NULL) {
        return nas_service_keep(ctx, bytes);
    }
    unit->mappings[unit->n_mappings++] = (struct nas_shm_mapping){at, bytes};
    return (void *)(uintptr_t)at;
}

int nas_service_bad_option(struct mn_ctx *ctx, const char *key, const char *format, va_list args) {
    const struct nas_instance *unit = nas_ctx_of(ctx)->unit;
    char text[1024], place[512];
    vsnprintf(text, sizeof text, format, args);
    if (unit == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: %s", key, text);
    }
    const struct nas_yaml *node = nas_yaml_find(unit->section, key);
    nas_mark_text(node != NULL ? node->mark : unit->mark, place, sizeof place);
    if (nas_ctx_of(ctx)->status == MN_OK) {
        nas_ctx_of(ctx)->named = unit->label;
    }
    return mn_fail(ctx, MN_CONFIG, "%s%s: %s: %s", place, unit->label, key, text);
}

/* ---- instances ---------------------------------------------------------------------------- */

/* `check` is the third field of every table, after size and reserved. */
#define VTABLE(name)                                                                               \
    _Static_assert(offsetof(struct mn_##name, check) == offsetof(struct mn_dataset, check), #name);
#include "plugin/kinds.def"

static const char *use_of(struct nas_yaml *section, const char *default_use,
                          struct nas_mark section_mark, struct nas_mark *mark,
                          struct nas_faults *faults, const char *kind) {
    const struct nas_yaml *use = nas_yaml_get(section, "use");
    *mark = section_mark;
    if (use == NULL) {
        if (default_use == NULL) {
            nas_fault_add(faults, section_mark, "%s: the key 'use' is required: which %s", kind,
                          kind);
        }
        return default_use;
    }
    *mark = use->mark;
    if (use->kind != NAS_YAML_SCALAR || use->text[0] == '\0') {
        nas_fault_add(faults, use->mark, "%s: use: expected the name of %s %s", kind,
                      nas_text_article(kind), kind);
        return NULL;
    }
    return use->text;
}

static int bind(struct nas_instance *instance, struct mn_ctx *ctx, struct nas_yaml *section,
                const char *kind, struct nas_faults *faults) {
    const struct mn_unit *unit = instance->unit.unit;
    instance->label = nas_arena_format(&instance->arena, "%s %s", kind, unit->name);
    instance->self = nas_arena_zeroed(&instance->arena, unit->instance_size);
    if (instance->label == NULL || instance->self == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %s %s", kind, unit->name);
    }
    const int before = faults->count;
    memcpy(&instance->table, unit->vtable, nas_kind(unit->kind)->size);
    nas_schema_bind(&instance->arena, &instance->unit.options, section, "use", instance->label,
                    instance->self, faults);
    int (*check)(const void *self, struct mn_ctx *ctx) = instance->table.dataset.check;
    if (check == NULL || faults->count > before) {
        return MN_OK;
    }
    struct nas_call call = nas_call_begin(ctx, instance);
    return nas_call_end(&call, check(instance->self, ctx));
}

/* What is wrong with a section is one fault among the others of the file. */
static int as_fault(struct mn_ctx *ctx, int status, struct nas_mark mark,
                    struct nas_faults *faults) {
    if (status != MN_CONFIG) {
        return status;
    }
    nas_fault_add(faults, mark, "%s", nas_ctx_message(ctx));
    nas_ctx_clear(ctx);
    return MN_OK;
}

int nas_instance_init(struct nas_instance *instance, struct mn_ctx *ctx,
                      struct nas_registry *registry, int kind, const char *name,
                      struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                      struct nas_faults *faults) {
    const char *kind_name = name != NULL ? name : nas_kind_name(kind);
    struct nas_mark use_mark;
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
    const int status = nas_registry_find(registry, ctx, kind, use, place[0] != '\0' ? place : NULL,
                                         &instance->unit);
    if (status != MN_OK) { /* the message names its places itself */
        return as_fault(ctx, status, (struct nas_mark){.file = "metanas"}, faults);
    }
    instance->section = section;
    instance->mark = use_mark;
    return as_fault(ctx, bind(instance, ctx, section, kind_name, faults), (struct nas_mark){0},
                    faults);
}

void nas_instance_fini(struct nas_instance *instance) {
    if (instance->started && instance->unit.unit->kind == MN_DATASET &&
        instance->table.dataset.stop != NULL) {
        instance->table.dataset.stop(instance->self);
    }
    for (int i = 0; i < instance->n_mappings; i++) {
        nas_shm_unmap(instance->mappings[i].at, instance->mappings[i].bytes);
    }
    nas_shm_close(&instance->shm);
    nas_arena_fini(&instance->arena);
    memset(instance, 0, sizeof *instance);
}

int nas_instance_wrong(struct mn_ctx *ctx, const struct nas_instance *instance, const char *format,
                       ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mn_fail(ctx, MN_INTERNAL, "%s: %s; this is an error of the plugin", instance->label,
                   text);
}

struct nas_call nas_call_begin(struct mn_ctx *ctx, const struct nas_instance *instance) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    const struct nas_call call = {ctx, instance, c->unit, nas_arena_mark(&c->scratch)};
    c->unit = instance;
    c->label = instance->label;
    return call;
}

int nas_call_end(struct nas_call *call, int status) {
    struct nas_ctx *c = nas_ctx_of(call->ctx);
    const int result = nas_ctx_result(call->ctx, call->unit->label, call->mark, status);
    c->unit = call->before;
    c->label = call->before != NULL ? call->before->label : NULL;
    return result;
}
