/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "plugin/kinds.h"
#include "plugin/load.h"

#include <math.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

/* The smallest descriptor and table entries a host of this major can read. */
static const size_t least_plugin = sizeof(struct mn_plugin);
static const size_t least_unit = sizeof(struct mn_unit);
static const size_t least_opt = sizeof(struct mn_opt);

static const struct mn_unit *unit_at(const struct mn_plugin *p, uint32_t i) {
    return (const struct mn_unit *)(const void *)((const char *)p->units +
                                                  (size_t)i * p->unit_stride);
}

int nas_plugin_name_ok(const char *name) {
    if (name == NULL || name[0] < 'a' || name[0] > 'z' || strlen(name) > 60) {
        return 0;
    }
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int check_abi(struct mn_ctx *ctx, const char *file, const struct mn_plugin *p) {
    if (p->magic != MN_MAGIC) {
        return mn_fail(ctx, MN_CONFIG, "%s: wrong magic number 0x%08x: not a METANAS plugin", file,
                       p->magic);
    }
    const int fits = p->abi_major == MN_ABI_MAJOR && p->abi_minor >= MN_ABI_OLDEST &&
                     p->abi_minor <= MN_ABI_MINOR;
    if (!fits) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: built for plugin ABI %d.%d, this host offers %d.%d: upgrade metanas or "
                       "rebuild the plugin",
                       file, p->abi_major, p->abi_minor, MN_ABI_MAJOR, MN_ABI_MINOR);
    }
    if (p->size < least_plugin || p->unit_stride < least_unit || p->opt_stride < least_opt) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: its descriptor is too small (%u bytes, units of %d, options of %d): "
                       "rebuild the plugin with this host's headers",
                       file, p->size, p->unit_stride, p->opt_stride);
    }
    if (p->unit_stride % alignof(struct mn_unit) != 0 ||
        p->opt_stride % alignof(struct mn_opt) != 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: its tables are not aligned (units of %d bytes, options of %d): rebuild "
                       "the plugin with this host's headers",
                       file, p->unit_stride, p->opt_stride);
    }
    if (p->real_bytes != sizeof(mn_real)) {
        return mn_fail(
            ctx, MN_CONFIG,
            "%s: built for %u-byte reals, this host computes with %zu-byte ones: use the "
            "%s build of the plugin",
            file, p->real_bytes, sizeof(mn_real),
            sizeof(mn_real) == 4 ? "float" : "double (MN_REAL_DOUBLE)");
    }
    return MN_OK;
}

/* ---- options ------------------------------------------------------------------------------ */

static size_t field_size(int32_t type) {
    switch (type) {
    case MN_OPT_INT:
        return sizeof(int64_t);
    case MN_OPT_REAL:
        return sizeof(double);
    case MN_OPT_BOOL:
        return sizeof(bool);
    case MN_OPT_TEXT:
    case MN_OPT_PATH:
        return sizeof(const char *);
    case MN_OPT_CHOICE:
        return sizeof(int32_t);
    case MN_OPT_INTS:
    case MN_OPT_REALS:
    case MN_OPT_TEXTS:
        return sizeof(struct mn_texts);
    default:
        return 0;
    }
}

static size_t field_alignment(int32_t type) {
    const size_t size = field_size(type);
    return size > sizeof(int64_t) ? sizeof(int64_t) : size;
}

static int default_in_range(const struct mn_opt *o) {
    if ((o->flags & MN_OPT_REQUIRED) != 0) {
        return 1;
    }
    if (o->type == MN_OPT_CHOICE) {
        int n = 0;
        while (o->choices[n] != NULL) {
            n++;
        }
        return o->def >= 0 && o->def < n && o->def == floor(o->def);
    }
    if (o->type == MN_OPT_BOOL) {
        return o->def == 0 || o->def == 1;
    }
    if (o->type != MN_OPT_INT && o->type != MN_OPT_REAL) {
        return 1;
    }
    if (o->type == MN_OPT_INT && o->def != floor(o->def)) {
        return 0;
    }
    const int above = (o->flags & MN_OPT_OPEN_MIN) != 0 ? o->def > o->min : o->def >= o->min;
    const int below = (o->flags & MN_OPT_OPEN_MAX) != 0 ? o->def < o->max : o->def <= o->max;
    return above && below;
}

/* The elements of a list's default go through the door that those of a configuration take. */
static int check_list_default(struct mn_ctx *ctx, const char *file, const struct mn_unit *u,
                              const struct mn_opt *o) {
    if (o->type < MN_OPT_INTS || (o->flags & MN_OPT_REQUIRED) != 0) {
        return MN_OK;
    }
    union {
        struct mn_ints ints;
        struct mn_reals reals;
        struct mn_texts texts;
    } list;
    struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    struct mn_opt alone = *o;
    alone.offset = 0;
    const struct nas_options options = {&alone, 1, sizeof alone};
    nas_schema_bind(&arena, &options, NULL, NULL, "default", &list, &faults);
    int status = MN_OK;
    if (faults.count > 0) {
        status = mn_fail(ctx, MN_CONFIG, "%s: unit %s: %s", file, u->name,
                         faults.first != NULL ? faults.first->text : "no memory");
    }
    nas_arena_fini(&arena);
    return status;
}

static int check_option(struct mn_ctx *ctx, const char *file, const struct mn_unit *u,
                        const struct mn_opt *o) {
    if (!nas_plugin_name_ok(o->key) || o->doc == NULL || o->doc[0] == '\0') {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: unit %s: an option without a proper key or doc line (%s)", file,
                       u->name, o->key != NULL ? o->key : "NULL");
    }
    const size_t size = field_size(o->type);
    if (size == 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s: option %s has unknown type %d", file, u->name,
                       o->key, o->type);
    }
    if (o->offset > u->instance_size || size > u->instance_size - o->offset) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: unit %s: option %s lies outside its instance (offset %u, %zu bytes, "
                       "instance %u)",
                       file, u->name, o->key, o->offset, size, u->instance_size);
    }
    if (o->offset % field_alignment(o->type) != 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: unit %s: option %s is not aligned (offset %u, alignment %zu)", file,
                       u->name, o->key, o->offset, field_alignment(o->type));
    }
    if (o->reserved > u->instance_size) {
        return mn_fail(
            ctx, MN_CONFIG,
            "%s: unit %s: option %s is a field of a struct of %u bytes, the instance has "
            "%u: the table is that of another unit",
            file, u->name, o->key, o->reserved, u->instance_size);
    }
    if (o->type == MN_OPT_CHOICE && (o->choices == NULL || o->choices[0] == NULL)) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s: option %s has no choices", file, u->name,
                       o->key);
    }
    if (!default_in_range(o)) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s: option %s: the default %g is out of range",
                       file, u->name, o->key, o->def);
    }
    return check_list_default(ctx, file, u, o);
}

/* ---- units -------------------------------------------------------------------------------- */

/* The host's own keys of a section. */
static int reserved_key(const struct mn_opt *o) {
    return strcmp(o->key, "use") == 0;
}

static int check_options(struct mn_ctx *ctx, const char *file, const struct mn_plugin *p,
                         const struct mn_unit *u) {
    const struct nas_options options = {u->opts, u->n_opts, p->opt_stride};
    if (u->n_opts > 0 && u->opts == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s: %u options but no table", file, u->name,
                       u->n_opts);
    }
    for (uint32_t i = 0; i < u->n_opts; i++) {
        const struct mn_opt *o = nas_option(&options, i);
        const int status = check_option(ctx, file, u, o);
        if (status != MN_OK) {
            return status;
        }
        int twice = reserved_key(o);
        for (uint32_t j = 0; j < i; j++) {
            const struct mn_opt *other = nas_option(&options, j);
            twice |= strcmp(other->key, o->key) == 0;
            if (!twice && o->offset < other->offset + field_size(other->type) &&
                other->offset < o->offset + field_size(o->type)) {
                return mn_fail(ctx, MN_CONFIG,
                               "%s: unit %s: the options %s and %s share a field (offsets %u and "
                               "%u): the one would overwrite the other",
                               file, u->name, other->key, o->key, other->offset, o->offset);
            }
        }
        if (twice) {
            return mn_fail(ctx, MN_CONFIG, "%s: unit %s: the option key %s is taken already", file,
                           u->name, o->key);
        }
    }
    return MN_OK;
}

static int has_function(const struct mn_unit *u, const struct nas_needed *wanted) {
    void (*function)(void) = NULL;
    if (wanted->offset + sizeof function <= *(const uint32_t *)u->vtable) {
        memcpy(&function, (const char *)u->vtable + wanted->offset, sizeof function);
    }
    return function != NULL;
}

static int check_functions(struct mn_ctx *ctx, const char *file, const struct mn_unit *u,
                           const struct nas_kind *kind) {
    const struct nas_needed *instead = &kind->instead;
    if (instead->name != NULL && has_function(u, instead)) {
        return MN_OK;
    }
    for (size_t i = 0; i < kind->n_needed; i++) {
        if (!has_function(u, &kind->needed[i])) {
            return mn_fail(ctx, MN_CONFIG, "%s: unit %s: %s %s must have the function %s%s%s", file,
                           u->name, nas_text_article(kind->name), kind->name, kind->needed[i].name,
                           instead->name != NULL ? ", or " : "",
                           instead->name != NULL ? instead->name : "");
        }
    }
    return MN_OK;
}

static int check_vtable(struct mn_ctx *ctx, const char *file, const struct mn_unit *u) {
    const struct nas_kind *kind = nas_kind(u->kind);
    if (u->vtable == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s has no vtable", file, u->name);
    }
    const uint32_t size = *(const uint32_t *)u->vtable;
    if (size < kind->least) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: unit %s: its vtable has %u bytes, %s %s needs %zu (is .size set?)",
                       file, u->name, size, nas_text_article(kind->name), kind->name, kind->least);
    }
    return check_functions(ctx, file, u, kind);
}

static int check_unit(struct mn_ctx *ctx, const char *file, const struct mn_plugin *p,
                      const struct mn_unit *u) {
    if (!nas_plugin_name_ok(u->name)) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit name '%s': lower case letters, digits and _ only",
                       file, u->name != NULL ? u->name : "");
    }
    if (nas_kind(u->kind) == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s is of unknown kind %d", file, u->name, u->kind);
    }
    if (u->doc == NULL || u->doc[0] == '\0') {
        return mn_fail(ctx, MN_CONFIG, "%s: unit %s has no doc line", file, u->name);
    }
    const int status = check_vtable(ctx, file, u);
    return status != MN_OK ? status : check_options(ctx, file, p, u);
}

/* The second of two units of one kind and name could never be found. */
static int check_distinct(struct mn_ctx *ctx, const char *file, const struct mn_unit *a,
                          const struct mn_unit *b) {
    if (a->kind == b->kind && strcmp(a->name, b->name) == 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: offers the %s %s twice", file, nas_kind_name(a->kind),
                       a->name);
    }
    return MN_OK;
}

int nas_plugin_check(struct mn_ctx *ctx, const char *file, const struct mn_plugin *p) {
    int status = check_abi(ctx, file, p);
    if (status != MN_OK) {
        return status;
    }
    if (!nas_plugin_name_ok(p->name)) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: plugin name '%s': lower case letters, digits and _ only", file,
                       p->name != NULL ? p->name : "");
    }
    if (p->version == NULL || p->author == NULL || p->license == NULL || p->url == NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: its version, author, license or url is NULL: use \"\" for none", file);
    }
    if (p->n_units == 0 || p->units == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: offers no units", file);
    }
    for (uint32_t i = 0; status == MN_OK && i < p->n_units; i++) {
        status = check_unit(ctx, file, p, unit_at(p, i));
        for (uint32_t j = 0; status == MN_OK && j < i; j++) {
            status = check_distinct(ctx, file, unit_at(p, i), unit_at(p, j));
        }
    }
    return status;
}
