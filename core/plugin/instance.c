/* SPDX-License-Identifier: MIT */
#include "plugin/instance.h"

#include "base/text.h"
#include "plugin/forward.h"

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
    struct nas_instance *unit = (struct nas_instance *)nas_instance_outermost(c->unit);
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

void nas_service_enter(struct mn_ctx *ctx, const struct mn_nested *nested) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    c->unit = nested->host;
    c->label = c->unit->label;
}

int nas_service_leave(struct mn_ctx *ctx, const struct mn_nested *nested, int status) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    const struct nas_instance *unit = nested->host;
    const int result = nas_ctx_result(ctx, unit->label, nas_arena_mark(&c->scratch), status);
    c->unit = unit->outer;
    c->label = unit->outer->label;
    return result;
}

/* ---- instances ---------------------------------------------------------------------------- */

/* `check` is the third field of every table, after size and reserved. */
#define VTABLE(name)                                                                               \
    _Static_assert(offsetof(struct mn_##name, check) == offsetof(struct mn_dataset, check), #name);
#include "plugin/kinds.def"

static const char *use_of(struct nas_yaml *section, const char *default_use,
                          struct nas_mark section_mark, struct nas_mark *mark,
                          struct nas_faults *faults, const char *name, const char *kind) {
    const struct nas_yaml *use = nas_yaml_get(section, "use");
    *mark = section_mark;
    if (use == NULL) {
        if (default_use == NULL) {
            nas_fault_add(faults, section_mark, "%s: the key 'use' is required: which %s", name,
                          kind);
        }
        return default_use;
    }
    *mark = use->mark;
    if (use->kind != NAS_YAML_SCALAR || use->text[0] == '\0') {
        nas_fault_add(faults, use->mark, "%s: use: expected the name of %s %s", name,
                      nas_text_article(kind), kind);
        return NULL;
    }
    return use->text;
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

static int init(struct nas_instance *instance, struct mn_ctx *ctx, struct nas_registry *registry,
                struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                struct nas_faults *faults);

/* Make the unit that the instance is around, and leave the rest of its functions to that. */
static int bind_nested(struct nas_instance *x, struct mn_ctx *ctx, struct nas_registry *registry,
                       const struct mn_opt *o, struct nas_yaml *section,
                       struct nas_faults *faults) {
    struct nas_yaml *inner = nas_yaml_get(section, o->key);
    const char *lacks, *instead;
    int depth = 1;
    if (inner == NULL || inner->kind != NAS_YAML_MAP) {
        return MN_OK; /* a fault was added */
    }
    for (const struct nas_instance *outer = x->outer; outer != NULL; outer = outer->outer) {
        depth++;
    }
    if (depth > NAS_MOST_NESTED) {
        nas_fault_add(faults, inner->key_mark,
                      "%s: %s: units are nested in one another up to %d deep", x->label, o->key,
                      NAS_MOST_NESTED);
        return MN_OK;
    }
    struct nas_instance *nested = nas_arena_zeroed(&x->arena, sizeof *nested);
    const char *name = nas_arena_format(&x->arena, "%s.%s", x->name, o->key);
    const char *within = nas_arena_format(&x->arena, "%s%s.", x->within, o->key);
    if (nested == NULL || name == NULL || within == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %s", x->label);
    }
    x->around = nested;
    nested->outer = x;
    nested->kind = x->kind;
    nested->name = name;
    nested->within = within;
    const int before = faults->count;
    TRY(init(nested, ctx, registry, inner, NULL, inner->mark, faults));
    if (faults->count > before) {
        return MN_OK;
    }
    const struct mn_nested at = {&nested->table, nested->self, nested, depth, 0};
    memcpy(x->self, &at, sizeof at);
    nas_forward_fill(x->kind, &x->table, &nested->table);
    lacks = nas_kind_lacks(x->kind, &x->table, &instead);
    if (lacks != NULL) {
        nas_fault_add(faults, nested->mark, "%s: it cannot be around %s, which has no %s", x->label,
                      nested->unit.unit->name, lacks);
    }
    return MN_OK;
}

static int bind(struct nas_instance *x, struct mn_ctx *ctx, struct nas_registry *registry,
                struct nas_yaml *section, struct nas_faults *faults) {
    const struct mn_unit *unit = x->unit.unit;
    const struct mn_opt *around = nas_forward_option(unit);
    x->label = nas_arena_format(&x->arena, "%s %s", x->name, unit->name);
    x->self = nas_arena_zeroed(&x->arena, unit->instance_size);
    if (x->label == NULL || x->self == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %s %s", x->name, unit->name);
    }
    const int before = faults->count;
    memcpy(&x->table, unit->vtable, nas_kind(unit->kind)->size);
    nas_schema_bind(&x->arena, &x->unit.options, section, "use", x->label, x->self, faults);
    if (around != NULL) {
        TRY(bind_nested(x, ctx, registry, around, section, faults));
    }
    x->bound = faults->count == before;
    return MN_OK;
}

/* The instance knows its kind, its name and what is around it. */
static int init(struct nas_instance *x, struct mn_ctx *ctx, struct nas_registry *registry,
                struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                struct nas_faults *faults) {
    struct nas_mark use_mark;
    const char *use = use_of(section, default_use, section != NULL ? section->mark : mark,
                             &use_mark, faults, x->name, nas_kind_name(x->kind));
    if (use == NULL) {
        return MN_OK; /* a fault was added */
    }
    char place[512] = "";
    if (use_mark.line > 0) {
        snprintf(place, sizeof place, "%s:%d:%d", use_mark.file, use_mark.line, use_mark.column);
    } else if (use_mark.file != NULL) {
        snprintf(place, sizeof place, "%s", use_mark.file);
    }
    const int status =
        nas_registry_find(registry, ctx, x->kind, use, place[0] != '\0' ? place : NULL, &x->unit);
    if (status != MN_OK) { /* the message names its places itself */
        return as_fault(ctx, status, (struct nas_mark){.file = "metanas"}, faults);
    }
    x->section = section;
    x->mark = use_mark;
    return bind(x, ctx, registry, section, faults);
}

int nas_instance_bind(struct nas_instance *instance, struct mn_ctx *ctx,
                      struct nas_registry *registry, int kind, const char *name,
                      struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                      struct nas_faults *faults) {
    memset(instance, 0, sizeof *instance);
    instance->kind = kind;
    instance->name = name != NULL ? name : nas_kind_name(kind);
    instance->within = "";
    return init(instance, ctx, registry, section, default_use, mark, faults);
}

int nas_instance_check(struct nas_instance *x, struct mn_ctx *ctx, struct nas_faults *faults) {
    int (*check)(const void *self, struct mn_ctx *ctx) = x->table.dataset.check;
    const int before = faults->count;
    if (!x->bound) {
        return MN_OK;
    }
    TRY(x->around != NULL ? nas_instance_check(x->around, ctx, faults) : MN_OK);
    if (check == NULL || faults->count > before) {
        return MN_OK;
    }
    struct nas_call call = nas_call_begin(ctx, x);
    return as_fault(ctx, nas_call_end(&call, check(x->self, ctx)), (struct nas_mark){0}, faults);
}

int nas_instance_init(struct nas_instance *instance, struct mn_ctx *ctx,
                      struct nas_registry *registry, int kind, const char *name,
                      struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                      struct nas_faults *faults) {
    TRY(nas_instance_bind(instance, ctx, registry, kind, name, section, default_use, mark, faults));
    return nas_instance_check(instance, ctx, faults);
}

void nas_instance_fini(struct nas_instance *instance) {
    if (instance->started && instance->unit.unit->kind == MN_DATASET &&
        instance->table.dataset.stop != NULL) {
        instance->table.dataset.stop(instance->self);
    }
    if (instance->around != NULL) {
        nas_instance_fini(instance->around);
    }
    for (int i = 0; i < instance->n_mappings; i++) {
        nas_shm_unmap(instance->mappings[i].at, instance->mappings[i].bytes);
    }
    nas_shm_close(&instance->shm);
    nas_arena_fini(&instance->arena);
    memset(instance, 0, sizeof *instance);
}

const struct nas_instance *nas_instance_outermost(const struct nas_instance *x) {
    while (x != NULL && x->outer != NULL) {
        x = x->outer;
    }
    return x;
}

const struct nas_instance *nas_instance_innermost(const struct nas_instance *x) {
    while (x->around != NULL) {
        x = x->around;
    }
    return x;
}

void nas_instance_write(const struct nas_instance *x, uint32_t without, int indent, FILE *out) {
    const struct nas_unit *u = &x->unit;
    if (strcmp(u->plugin->name, u->unit->name) == 0) {
        fprintf(out, "%*suse: %s", indent, "", u->unit->name);
    } else {
        fprintf(out, "%*suse: %s/%s", indent, "", u->plugin->name, u->unit->name);
    }
    fprintf(out, " # %s %s\n", u->plugin->name, u->plugin->version);
    nas_schema_write_without(&u->options, x->self, without, indent, out);
    if (x->around != NULL) {
        fprintf(out, "%*s%s:\n", indent, "", nas_forward_option(u->unit)->key);
        nas_instance_write(x->around, without, indent + 2, out);
    }
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
    if (c->unit == NULL) {
        c->services = ctx->host;
    }
    const struct nas_call call = {ctx, instance, c->unit, ctx->host, nas_arena_mark(&c->scratch)};
    ctx->host = c->services;
    c->unit = instance;
    c->label = instance->label;
    return call;
}

int nas_call_end(struct nas_call *call, int status) {
    struct nas_ctx *c = nas_ctx_of(call->ctx);
    const int result = nas_ctx_result(call->ctx, call->unit->label, call->mark, status);
    call->ctx->host = call->host;
    c->unit = call->before;
    c->label = call->before != NULL ? call->before->label : NULL;
    return result;
}
