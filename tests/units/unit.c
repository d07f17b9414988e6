/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "check.h"
#include "mock.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory, *suffix;

/* A broken rule of the mock host fails the running test. */
static void fail_now(const char *rule, const char *text) {
    fail_msg("%s: %s", rule, text);
}

void unit_arguments(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUGINS SUFFIX\n", argv[0]);
        exit(2);
    }
    directory = argv[1];
    suffix = argv[2];
    mock_on_failure(fail_now);
}

static const struct mn_plugin *load(const char *name) {
    char path[4096];
    mn_plugin_entry_fn entry;
    snprintf(path, sizeof path, "%s/%s%s.so", directory, name, suffix);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fail_msg("%s", dlerror());
    }
    void *symbol = dlsym(handle, "mn_plugin_entry");
    assert_non_null(symbol);
    memcpy(&entry, &symbol, sizeof entry);
    const struct mn_plugin *plugin = entry();
    assert_non_null(plugin);
    assert_int_equal(plugin->magic, MN_MAGIC);
    assert_int_equal(plugin->size, sizeof *plugin);
    assert_int_equal(plugin->abi_major, MN_ABI_MAJOR);
    assert_int_equal(plugin->abi_minor, MN_ABI_MINOR);
    assert_int_equal(plugin->unit_stride, sizeof(struct mn_unit));
    assert_int_equal(plugin->opt_stride, sizeof(struct mn_opt));
    assert_int_equal(plugin->real_bytes, sizeof(mn_real));
    assert_string_equal(plugin->name, name);
    return plugin;
}

static void *field(const struct unit *unit, const struct mn_opt *opt, size_t bytes) {
    assert_true(opt->offset + bytes <= unit->about->instance_size);
    return (char *)unit->self + opt->offset;
}

/* The elements of a comma-separated default. */
static struct mn_texts split(const char *text) {
    static char pool[4096];
    static const char *items[64];
    char *at = pool;
    struct mn_texts out = {items, 0};
    snprintf(pool, sizeof pool, "%s", text);
    while (*at != '\0') {
        items[out.n++] = at;
        at += strcspn(at, ",");
        if (*at == ',') {
            *at++ = '\0';
        }
    }
    return out;
}

static void set_default(const struct unit *unit, const struct mn_opt *opt) {
    switch (opt->type) {
    case MN_OPT_INT:
        *(int64_t *)field(unit, opt, sizeof(int64_t)) = (int64_t)opt->def;
        break;
    case MN_OPT_REAL:
        *(double *)field(unit, opt, sizeof(double)) = opt->def;
        break;
    case MN_OPT_BOOL:
        *(bool *)field(unit, opt, sizeof(bool)) = opt->def != 0;
        break;
    case MN_OPT_CHOICE:
        *(int32_t *)field(unit, opt, sizeof(int32_t)) = (int32_t)opt->def;
        break;
    case MN_OPT_TEXT:
    case MN_OPT_PATH:
        *(const char **)field(unit, opt, sizeof(char *)) = opt->def_text;
        break;
    case MN_OPT_INTS:
    case MN_OPT_REALS:
        break; /* empty; a test of a unit with another default gives it by unit_ints */
    case MN_OPT_TEXTS:
        if (opt->def_text[0] != '\0') {
            *(struct mn_texts *)field(unit, opt, sizeof(struct mn_texts)) = split(opt->def_text);
        }
        break;
    case MN_OPT_UNIT:
        break; /* unit_around */
    default:
        fail_msg("option %s has type %d", opt->key, (int)opt->type);
    }
}

static void check_doc(const char *doc) {
    assert_non_null(doc);
    assert_true(strlen(doc) > 0 && doc[strlen(doc) - 1] != '.');
    assert_null(strchr(doc, '\n'));
}

struct unit unit_open(const char *plugin, int kind) {
    char file[64];
    const char *name = strchr(plugin, '/');
    snprintf(file, sizeof file, "%.*s", (int)strcspn(plugin, "/"), plugin);
    name = name != NULL ? name + 1 : plugin;
    const struct mn_plugin *p = load(file);
    struct unit unit = {NULL, NULL};
    for (uint32_t i = 0; i < p->n_units; i++) {
        if (p->units[i].kind == kind && strcmp(p->units[i].name, name) == 0) {
            unit.about = &p->units[i];
        }
    }
    assert_non_null(unit.about);
    check_doc(unit.about->doc);
    unit.self = calloc(1, unit.about->instance_size);
    assert_non_null(unit.self);
    for (uint32_t i = 0; i < unit.about->n_opts; i++) {
        assert_non_null(unit.about->opts[i].key);
        check_doc(unit.about->opts[i].doc);
        set_default(&unit, &unit.about->opts[i]);
    }
    return unit;
}

void unit_close(struct unit *unit) {
    free(unit->self);
    unit->self = NULL;
}

static const struct mn_opt *option(const struct unit *unit, const char *key, int type) {
    for (uint32_t i = 0; i < unit->about->n_opts; i++) {
        const struct mn_opt *opt = &unit->about->opts[i];
        if (strcmp(opt->key, key) == 0) {
            assert_int_equal(opt->type, type);
            return opt;
        }
    }
    fail_msg("%s has no option %s", unit->about->name, key);
    return NULL;
}

void unit_around(struct unit *unit, const void *table, void *self) {
    const struct mn_nested nested = {table, self, NULL, 1, 0};
    assert_int_equal(unit->about->opts[0].type, MN_OPT_UNIT);
    memcpy(unit->self, &nested, sizeof nested);
}

static void check_range(const struct mn_opt *opt, double value) {
    assert_true(opt->flags & MN_OPT_OPEN_MIN ? value > opt->min : value >= opt->min);
    assert_true(opt->flags & MN_OPT_OPEN_MAX ? value < opt->max : value <= opt->max);
}

void unit_int(struct unit *unit, const char *key, int64_t value) {
    const struct mn_opt *opt = option(unit, key, MN_OPT_INT);
    check_range(opt, (double)value);
    *(int64_t *)field(unit, opt, sizeof value) = value;
}

void unit_real(struct unit *unit, const char *key, double value) {
    const struct mn_opt *opt = option(unit, key, MN_OPT_REAL);
    check_range(opt, value);
    *(double *)field(unit, opt, sizeof value) = value;
}

void unit_bool(struct unit *unit, const char *key, bool value) {
    *(bool *)field(unit, option(unit, key, MN_OPT_BOOL), sizeof value) = value;
}

void unit_choice(struct unit *unit, const char *key, const char *value) {
    const struct mn_opt *opt = option(unit, key, MN_OPT_CHOICE);
    for (int32_t i = 0; opt->choices[i] != NULL; i++) {
        if (strcmp(opt->choices[i], value) == 0) {
            *(int32_t *)field(unit, opt, sizeof i) = i;
            return;
        }
    }
    fail_msg("option %s has no choice %s", key, value);
}

void unit_ints(struct unit *unit, const char *key, const int64_t *at, int64_t n) {
    const struct mn_opt *opt = option(unit, key, MN_OPT_INTS);
    for (int64_t i = 0; i < n; i++) {
        check_range(opt, (double)at[i]);
    }
    *(struct mn_ints *)field(unit, opt, sizeof(struct mn_ints)) = (struct mn_ints){at, n};
}

void unit_texts(struct unit *unit, const char *key, const char *const *at, int64_t n) {
    const struct mn_opt *opt = option(unit, key, MN_OPT_TEXTS);
    *(struct mn_texts *)field(unit, opt, sizeof(struct mn_texts)) = (struct mn_texts){at, n};
}

void unit_reals(struct unit *unit, const char *key, const double *at, int64_t n) {
    const struct mn_opt *opt = option(unit, key, MN_OPT_REALS);
    for (int64_t i = 0; i < n; i++) {
        check_range(opt, at[i]);
    }
    *(struct mn_reals *)field(unit, opt, sizeof(struct mn_reals)) = (struct mn_reals){at, n};
}

void unit_path(struct unit *unit, const char *key, const char *value) {
    *(const char **)field(unit, option(unit, key, MN_OPT_PATH), sizeof value) = value;
}

void unit_text(struct unit *unit, const char *key, const char *value) {
    *(const char **)field(unit, option(unit, key, MN_OPT_TEXT), sizeof value) = value;
}
