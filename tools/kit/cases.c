/* SPDX-License-Identifier: MIT */
#include "exports.h"
#include "globals.h"
#include "kit.h"

#include "plugin/kinds.h"
#include "plugin/load.h"
#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

#ifdef MN_REAL_DOUBLE
#define SUFFIX "_f64.so"
#else
#define SUFFIX ".so"
#endif

/* ---- the tables --------------------------------------------------------------------------- */

const struct kit_kind *kit_kind(int kind) {
    static const struct kit_kind *const kinds[NAS_KINDS + 1] = {
#define KIND(id, name, vtable, template) [id] = &kit_##vtable,
#include "plugin/kinds.def"
    };
    return kinds[kind];
}

/* Those of all units that make sense for the kind, then its own. */
const struct kit_case *kit_case_of_unit(int kind, size_t i) {
    const struct kit_kind *own = kit_kind(kind);
    size_t n = 0;
    for (size_t j = 0; j < kit_n_unit_cases; j++) {
        if ((own->exercise != NULL || (kit_unit_cases[j].flags & KIT_EXERCISES) == 0) && n++ == i) {
            return &kit_unit_cases[j];
        }
    }
    return i - n < own->n_cases ? &own->cases[i - n] : NULL;
}

/* ---- loading ------------------------------------------------------------------------------ */

void kit_load(struct kit *kit) {
    static const char *const rules[] = {"load_file", "load_open", "load_entry", "load_tables"};
    struct kit_globals before;
    enum nas_load_step step;
    struct nas_ctx ctx;
    nas_ctx_init(&ctx, NULL);
    kit_globals_take(&before);
    kit_doing("mn_plugin_entry");
    if (nas_plugin_load_steps(&ctx.pub, kit->file, NAS_OWNERSHIP_NAMED, &kit->plugin, &step) !=
        MN_OK) {
        kit_fail(rules[step], "%s", nas_ctx_message(&ctx.pub));
    }
    kit_globals_check(&before);
    kit_doing("");
    nas_ctx_fini(&ctx);
}

int kit_choose(struct kit *kit, int kind, const char *name) {
    kit->unit = nas_plugin_unit(kit->plugin, kind, name);
    if (kit->unit != NULL) {
        kit->options = (struct nas_options){kit->unit->opts, kit->unit->n_opts};
    }
    return kit->unit != NULL;
}

/* ---- cases of a file ---------------------------------------------------------------------- */

/* The file is loaded before every case: what is left is to tell the units. */
static void load(const struct kit *kit) {
    struct kit_report *report = kit_report_current();
    size_t used = 0;
    for (uint32_t i = 0; i < kit->plugin->n_units && used < sizeof report->units; i++) {
        const struct mn_unit *unit = &kit->plugin->units[i];
        used += (size_t)snprintf(report->units + used, sizeof report->units - used, "%s %s\n",
                                 nas_kind_name(unit->kind), unit->name);
    }
}

static void exports(const struct kit *kit) {
    char names[512];
    const int n = kit_exports(kit->file, names, sizeof names);
    if (n < 0) {
        kit_skip("the file has no table of sections");
    }
    if (n > 0) {
        kit_fail("exports", "%d more: %s", n, names);
    }
}

static void file_name(const struct kit *kit) {
    const char *slash = strrchr(kit->file, '/');
    char expected[128];
    snprintf(expected, sizeof expected, "%s" SUFFIX, kit->plugin->name);
    if (slash == NULL || strcmp(slash + 1, expected) != 0) {
        kit_fail("file_name", "the plugin %s is in the file %s instead of %s", kit->plugin->name,
                 slash != NULL ? slash + 1 : kit->file, expected);
    }
}

const struct kit_case kit_load_cases[] = {
    {"load", "the file loads by the rules of the interface and changes nothing by that", KIT_GATE,
     load},
    {"exports", "mn_plugin_entry is the only symbol that it exports", 0, exports},
    {"file_name", "the file is named after the plugin", 0, file_name},
};
const size_t kit_n_load_cases = sizeof kit_load_cases / sizeof kit_load_cases[0];
