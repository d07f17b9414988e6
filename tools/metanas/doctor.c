/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "base/text.h"
#include "plugin/registry.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void doctor_note(struct doctor *d, enum finding_level level, const char *area, const char *name,
                 const char *format, ...) {
    va_list args;
    if (d->n == MOST_FINDINGS) {
        d->lost++;
        return;
    }
    struct finding *f = &d->findings[d->n++];
    f->area = area;
    f->name = name;
    f->level = level;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    nas_text_clean(f->text);
}

void doctor_note_message(struct doctor *d, const char *area, const char *name) {
    doctor_note(d, FINDING_FAILURE, area, name, "%s", nas_ctx_message(d->ctx));
    nas_ctx_clear(d->ctx);
}

/* ---- plugins and data --------------------------------------------------------------------- */

struct scan {
    struct doctor *doctor;
    int found, shadowed;
};

static void see_plugin(void *data, const char *file, const struct mn_plugin *plugin,
                       const char *reason, const char *first) {
    struct scan *scan = data;
    if (plugin == NULL && first == NULL) {
        doctor_note(scan->doctor, FINDING_WARNING, "plugins", "rejected", "%s", reason);
    } else {
        scan->found++;
        scan->shadowed += first != NULL;
    }
}

static void look_at_plugins(struct doctor *d) {
    struct nas_registry *registry = NULL;
    struct scan scan = {.doctor = d};
    const char *path, *from;
    int status = nas_registry_new(d->ctx, plugin_folders(d->arguments), &registry);
    if (status == MN_OK) {
        for (int i = 0; (path = nas_registry_folder(registry, i, &from)) != NULL; i++) {
            const int there = access(path, F_OK) == 0;
            doctor_note(d, there ? FINDING_OK : FINDING_WARNING, "plugins", from, "%s%s", path,
                        there ? "" : ": no such folder");
        }
        status = nas_registry_scan(registry, d->ctx, see_plugin, &scan);
    }
    if (status != MN_OK) {
        doctor_note_message(d, "plugins", "search");
    } else {
        doctor_note(d, scan.found > 0 ? FINDING_OK : FINDING_FAILURE, "plugins", "found",
                    "%d, %d of them shadowed by an earlier folder", scan.found, scan.shadowed);
    }
    nas_registry_free(registry);
}

static void look_at_data(struct doctor *d) {
    struct nas_experiment e = {0};
    const char *config = d->arguments->operand;
    if (config == NULL) {
        doctor_note(d, FINDING_OK, "data", "configuration",
                    "none given; 'metanas doctor CONFIG' "
                    "looks at its data too");
        return;
    }
    if (open_experiment(d->ctx, d->arguments, config, NULL, &e) != MN_OK) {
        doctor_note_message(d, "data", "configuration");
        return;
    }
    doctor_note(d, FINDING_OK, "data", "found",
                "%s: images %" PRId32 "x%" PRId32 "x%" PRId32 ", %" PRId64 " training, %" PRId64
                " validation, %" PRId64 " test classes",
                e.dataset.label, e.data.channels, e.data.height, e.data.width,
                e.data.n_classes[MN_TRAIN], e.data.n_classes[MN_VAL], e.data.n_classes[MN_TEST]);
    nas_experiment_close(&e);
}

/* ---- printing ----------------------------------------------------------------------------- */

static const char *const level_names[] = {"ok", "warning", "failure"};

static int count(const struct doctor *d, enum finding_level level) {
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        n += d->findings[i].level == level;
    }
    return n;
}

static void print_text(const struct doctor *d) {
    static const char *const marks[] = {"", "  <- warning", "  <- FAILURE"};
    for (int i = 0; i < d->n; i++) {
        const struct finding *f = &d->findings[i];
        const int first = i == 0 || strcmp(f->area, d->findings[i - 1].area) != 0;
        printf("%-10s %-22s %s%s\n", first ? f->area : "", f->name, f->text, marks[f->level]);
    }
    const int failures = count(d, FINDING_FAILURE), warnings = count(d, FINDING_WARNING);
    printf("%s: %d failure%s, %d warning%s\n", failures == 0 ? "healthy" : "NOT healthy", failures,
           nas_text_s(failures), warnings, nas_text_s(warnings));
}

static int print_json(const struct doctor *d) {
    json_t *list = json_array();
    int failed = list == NULL;
    for (int i = 0; i < d->n; i++) {
        const struct finding *f = &d->findings[i];
        failed |= json_array_append_new(
                      list, json_pack("{s:s, s:s, s:s, s:s}", "area", f->area, "name", f->name,
                                      "level", level_names[f->level], "text", f->text)) != 0;
    }
    json_t *root =
        json_pack("{s:b, s:o}", "healthy", count(d, FINDING_FAILURE) == 0, "findings", list);
    failed |= root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) != 0;
    putchar('\n');
    json_decref(root);
    return failed ? mn_fail(d->ctx, MN_NOMEM, "a finding is not UTF-8, or no memory") : MN_OK;
}

struct doctor_flags {
    const char *out;
    bool json;
};

static int run_doctor(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct doctor_flags *flags = arguments->flags;
    struct doctor *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return no_memory(ctx);
    }
    d->ctx = ctx;
    d->arguments = arguments;
    d->folder = flags->out != NULL ? flags->out : ".";
    doctor_machine(d);
    look_at_plugins(d);
    look_at_data(d);
    doctor_test(d);
    if (d->lost > 0) {
        d->n--;
        doctor_note(d, FINDING_WARNING, "doctor", "more", "%d findings are not shown", d->lost + 1);
    }
    int status = MN_OK;
    if (flags->json) {
        status = print_json(d);
    } else {
        print_text(d);
    }
    const int failures = count(d, FINDING_FAILURE);
    if (status == MN_OK && failures > 0) {
        status =
            mn_fail(ctx, MN_INTERNAL, "doctor: %d check%s failed", failures, nas_text_s(failures));
    }
    free(d);
    return status;
}

#define F struct doctor_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, out, "-o, --out", "DIR",
              "folder that runs will be written to (default: the working directory)"),
    FLAG_SWITCH(F, json, "--json", "print the findings as JSON"),
};

const struct command command_doctor = {
    .name = "doctor",
    .operand = "CONFIG",
    .operand_optional = 1,
    .doc = "look at the machine, plugins, data and disk, and test itself",
    .more =
        "The test takes a few seconds and leaves nothing behind. The exit code is 0 where all is\n"
        "well, 1 where a check failed.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct doctor_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option of CONFIG (may repeat)",
    .run = run_doctor,
};
