/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "config/option.h"
#include "plugin/forward.h"
#include "plugin/kinds.h"
#include "plugin/load.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* What is checked, for messages. */
struct checked {
    struct mn_ctx *ctx;
    const char *file;
    const struct mn_unit *unit;
};

MN_PRINTF(2, 3)
static int refuse(const struct checked *c, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return c->unit == NULL
               ? mn_fail(c->ctx, MN_CONFIG, "%s: %s", c->file, text)
               : mn_fail(c->ctx, MN_CONFIG, "%s: unit %s: %s", c->file, c->unit->name, text);
}

int nas_plugin_name_ok(const char *name) {
    if (name == NULL || name[0] < 'a' || name[0] > 'z' || strlen(name) > 60) {
        return 0;
    }
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int check_abi(const struct checked *c, const struct mn_plugin *p) {
    if (p->magic != MN_MAGIC) {
        return refuse(c, "wrong magic number 0x%08x: not a METANAS plugin", p->magic);
    }
    if (p->abi_major != MN_ABI_MAJOR || p->abi_minor != MN_ABI_MINOR) {
        const int newer = p->abi_major > MN_ABI_MAJOR ||
                          (p->abi_major == MN_ABI_MAJOR && p->abi_minor > MN_ABI_MINOR);
        return refuse(c, "built for plugin ABI %d.%d, this host offers %d.%d: %s", p->abi_major,
                      p->abi_minor, MN_ABI_MAJOR, MN_ABI_MINOR,
                      newer ? "upgrade metanas, or rebuild the plugin with this host's headers"
                            : "rebuild the plugin with this host's headers");
    }
    if (p->size != sizeof *p || p->unit_stride != sizeof(struct mn_unit) ||
        p->opt_stride != sizeof(struct mn_opt)) {
        return refuse(c,
                      "its descriptor has %u bytes, units of %d, options of %d; this host's have "
                      "%zu, %zu and %zu: rebuild the plugin with this host's headers",
                      p->size, p->unit_stride, p->opt_stride, sizeof *p, sizeof(struct mn_unit),
                      sizeof(struct mn_opt));
    }
    if (p->real_bytes != sizeof(mn_real)) {
        return refuse(c,
                      "built for %u-byte reals, this host computes with %zu-byte ones: use the "
                      "%s build of the plugin",
                      p->real_bytes, sizeof(mn_real),
                      sizeof(mn_real) == 4 ? "float" : "double (MN_REAL_DOUBLE)");
    }
    return MN_OK;
}

/* ---- options ------------------------------------------------------------------------------ */

/* By enum mn_opt_type; 0 = unknown. */
static size_t field_size(int32_t type) {
    static const size_t sizes[] = {[MN_OPT_INT] = sizeof(int64_t),
                                   [MN_OPT_REAL] = sizeof(double),
                                   [MN_OPT_BOOL] = sizeof(bool),
                                   [MN_OPT_TEXT] = sizeof(char *),
                                   [MN_OPT_PATH] = sizeof(char *),
                                   [MN_OPT_CHOICE] = sizeof(int32_t),
                                   [MN_OPT_INTS] = sizeof(struct mn_ints),
                                   [MN_OPT_REALS] = sizeof(struct mn_reals),
                                   [MN_OPT_TEXTS] = sizeof(struct mn_texts),
                                   [MN_OPT_UNIT] = sizeof(struct mn_nested)};
    return type >= 0 && (size_t)type < sizeof sizes / sizeof sizes[0] ? sizes[type] : 0;
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
    return (o->type != MN_OPT_INT && o->type != MN_OPT_REAL) ||
           (nas_option_in_range(o, o->def) && (o->type == MN_OPT_REAL || o->def == floor(o->def)));
}

/* A name, or two with a dot between them. */
static int key_ok(const char *key) {
    const char *dot = key != NULL ? strchr(key, '.') : NULL;
    char outer[64] = "";
    if (dot == NULL) {
        return nas_plugin_name_ok(key);
    }
    snprintf(outer, sizeof outer, "%.*s", (int)(dot - key), key);
    return dot - key < (int)sizeof outer && nas_plugin_name_ok(outer) &&
           nas_plugin_name_ok(dot + 1);
}

/* The same key, or the section that another lies in. */
static int keys_collide(const char *a, const char *b) {
    const size_t n = strlen(a), m = strlen(b);
    return strncmp(a, b, n < m ? n : m) == 0 && (n == m || (n < m ? b[n] : a[m]) == '.');
}

static int check_option(const struct checked *c, const struct mn_opt *o) {
    const uint32_t instance = c->unit->instance_size;
    if (!key_ok(o->key) || o->doc == NULL || o->doc[0] == '\0') {
        return refuse(c, "an option without a proper key or doc line (%s)",
                      o->key != NULL ? o->key : "NULL");
    }
    const size_t size = field_size(o->type);
    const size_t alignment = size > sizeof(int64_t) ? sizeof(int64_t) : size;
    if (size == 0) {
        return refuse(c, "option %s has unknown type %d", o->key, o->type);
    }
    if (o->offset > instance || size > instance - o->offset) {
        return refuse(c, "option %s lies outside its instance (offset %u, %zu bytes, instance %u)",
                      o->key, o->offset, size, instance);
    }
    if (o->offset % alignment != 0) {
        return refuse(c, "option %s is not aligned (offset %u, alignment %zu)", o->key, o->offset,
                      alignment);
    }
    if (o->reserved > instance) {
        return refuse(
            c,
            "option %s is a field of a struct of %u bytes, the instance has %u: the table "
            "is that of another unit",
            o->key, o->reserved, instance);
    }
    if (o->type == MN_OPT_CHOICE && (o->choices == NULL || o->choices[0] == NULL)) {
        return refuse(c, "option %s has no choices", o->key);
    }
    if (o->type == MN_OPT_UNIT &&
        (o->offset != 0 || o->flags != MN_OPT_REQUIRED || strchr(o->key, '.') != NULL)) {
        return refuse(c,
                      "option %s is a unit: it has to be the first field of the instance and "
                      "required, as MN_AROUND makes it",
                      o->key);
    }
    if (!default_in_range(o)) {
        return refuse(c, "option %s: the default %g is out of range", o->key, o->def);
    }
    if (o->type < MN_OPT_INTS || (o->flags & MN_OPT_REQUIRED) != 0) {
        return MN_OK;
    }
    /* The elements of a list's default are read as those of a configuration are. */
    union {
        struct mn_ints ints;
        struct mn_reals reals;
        struct mn_texts texts;
    } list;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    struct mn_opt alone = *o;
    alone.offset = 0;
    nas_schema_bind(&arena, &(const struct nas_options){&alone, 1}, NULL, NULL, "default", &list,
                    &faults);
    return faults.count == 0
               ? MN_OK
               : refuse(c, "%s", faults.first != NULL ? faults.first->text : "no memory");
}

static int check_options(const struct checked *c, const struct mn_opt *opts, uint32_t n) {
    if (n > 0 && opts == NULL) {
        return refuse(c, "%u options but no table", n);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct mn_opt *o = &opts[i];
        TRY(check_option(c, o));
        int taken = strcmp(o->key, "use") == 0; /* the host's own key of a section */
        for (uint32_t j = 0; j < i; j++) {
            const struct mn_opt *other = &opts[j];
            taken |= keys_collide(other->key, o->key);
            if (!taken && o->offset < other->offset + field_size(other->type) &&
                other->offset < o->offset + field_size(o->type)) {
                return refuse(c,
                              "the options %s and %s share a field (offsets %u and %u): the one "
                              "would overwrite the other",
                              other->key, o->key, other->offset, o->offset);
            }
        }
        if (taken) {
            return refuse(c, "the option key %s is taken already", o->key);
        }
    }
    return MN_OK;
}

/* ---- units -------------------------------------------------------------------------------- */

static int check_unit(const struct checked *c, const struct mn_unit *u) {
    const struct checked within = {c->ctx, c->file, u};
    const struct nas_kind *kind = nas_kind(u->kind);
    if (!nas_plugin_name_ok(u->name)) {
        return refuse(c, "unit name '%s': lower case letters, digits and _ only",
                      u->name != NULL ? u->name : "");
    }
    if (kind == NULL) {
        return refuse(c, "unit %s is of unknown kind %d", u->name, u->kind);
    }
    if (u->doc == NULL || u->doc[0] == '\0') {
        return refuse(c, "unit %s has no doc line", u->name);
    }
    if (u->vtable == NULL) {
        return refuse(c, "unit %s has no vtable", u->name);
    }
    const char *article = nas_text_article(kind->name), *instead;
    const uint32_t size = *(const uint32_t *)u->vtable;
    if (size != kind->size) {
        return refuse(&within, "its vtable has %u bytes, that of %s %s has %zu (is .size set?)",
                      size, article, kind->name, kind->size);
    }
    TRY(check_options(&within, u->opts, u->n_opts));
    /* A nested unit has what the one around it lacks. */
    const char *lacks =
        nas_forward_option(u) == NULL ? nas_kind_lacks(u->kind, u->vtable, &instead) : NULL;
    if (lacks != NULL) {
        return refuse(&within, "%s %s must have the function %s%s%s", article, kind->name, lacks,
                      instead != NULL ? ", or " : "", instead != NULL ? instead : "");
    }
    return MN_OK;
}

int nas_plugin_check(struct mn_ctx *ctx, const char *file, const struct mn_plugin *p) {
    const struct checked c = {ctx, file, NULL};
    TRY(check_abi(&c, p));
    if (!nas_plugin_name_ok(p->name)) {
        return refuse(&c, "plugin name '%s': lower case letters, digits and _ only",
                      p->name != NULL ? p->name : "");
    }
    if (p->version == NULL || p->author == NULL || p->license == NULL || p->url == NULL) {
        return refuse(&c, "its version, author, license or url is NULL: use \"\" for none");
    }
    if (p->n_units == 0 || p->units == NULL) {
        return refuse(&c, "offers no units");
    }
    for (uint32_t i = 0; i < p->n_units; i++) {
        const struct mn_unit *unit = &p->units[i];
        TRY(check_unit(&c, unit));
        for (uint32_t j = 0; j < i; j++) { /* the second of two could never be found */
            if (p->units[j].kind == unit->kind && strcmp(p->units[j].name, unit->name) == 0) {
                return refuse(&c, "offers the %s %s twice", nas_kind_name(unit->kind), unit->name);
            }
        }
    }
    return MN_OK;
}
