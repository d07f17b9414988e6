/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "child.h"

#include "base/text.h"
#include "plugin/kinds.h"
#include "plugin/registry.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CASES = 16384 };

/* One entry of the list: where its case is, and what it belongs to. */
struct entry {
    const struct kit_case *what;
    int kind; /* 0 = a case of the file */
    char unit[64];
    int group; /* entries of one unit have the same, from 1 */
};

struct list {
    struct entry at[MOST_CASES];
    int n;
};

static void name_of(const struct entry *e, char *out, size_t size) {
    if (e->kind == 0) {
        snprintf(out, size, "%s", e->what->name);
    } else {
        snprintf(out, size, "%s/%s.%s", nas_kind_name(e->kind), e->unit, e->what->name);
    }
}

static int is_chosen(const struct kit_plan *plan, const struct entry *e) {
    char name[160];
    name_of(e, name, sizeof name);
    for (int i = 0; plan->only != NULL && plan->only[i] != NULL; i++) {
        if (fnmatch(plan->only[i], name, 0) == 0) {
            return 1;
        }
    }
    return plan->only == NULL || plan->only[0] == NULL;
}

static void add(struct list *list, const struct kit_case *what, int kind, const char *unit,
                int group) {
    if (list->n < MOST_CASES) {
        struct entry *e = &list->at[list->n++];
        *e = (struct entry){.what = what, .kind = kind, .group = group};
        snprintf(e->unit, sizeof e->unit, "%s", unit);
    }
}

/* All cases; `units` are the "KIND NAME" lines of the case "load". */
static void fill(struct list *list, const char *units) {
    char kind_name[32], unit[64];
    int group = 1, length = 0;
    for (size_t i = 0; i < kit_n_load_cases; i++) {
        add(list, &kit_load_cases[i], 0, "", 0);
    }
    while (sscanf(units, "%31s %63s\n%n", kind_name, unit, &length) == 2) {
        const int kind = nas_kind_from(kind_name);
        for (size_t i = 0; kind != 0 && kit_case_of_unit(kind, i) != NULL; i++) {
            add(list, kit_case_of_unit(kind, i), kind, unit, group);
        }
        units += length;
        group++;
    }
}

/* ---- one case ----------------------------------------------------------------------------- */

/* What runs in the process of a case. */
struct job {
    struct kit kit;
    const char *name;
};

static struct kit kit_of(const struct kit_plan *plan) {
    return (struct kit){.file = plan->file,
                        .folders = plan->folders,
                        .sets = plan->sets,
                        .n_sets = plan->n_sets,
                        .seed = plan->seed,
                        .rounds = plan->rounds};
}

static const struct kit_case *find_in(const struct kit_case *cases, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(cases[i].name, name) == 0) {
            return &cases[i];
        }
    }
    return NULL;
}

/* "KIND/UNIT.CASE" or "CASE" */
static const struct kit_case *find(struct kit *kit, const char *name) {
    char kind_name[32] = "", unit[64] = "", case_name[64] = "";
    if (sscanf(name, "%31[^/]/%63[^.].%63s", kind_name, unit, case_name) != 3) {
        return find_in(kit_load_cases, kit_n_load_cases, name);
    }
    const int kind = nas_kind_from(kind_name);
    if (kind == 0 || !kit_choose(kit, kind, unit)) {
        return NULL;
    }
    for (size_t i = 0; kit_case_of_unit(kind, i) != NULL; i++) {
        if (strcmp(kit_case_of_unit(kind, i)->name, case_name) == 0) {
            return kit_case_of_unit(kind, i);
        }
    }
    return NULL;
}

static void do_job(void *data) {
    struct job *job = data;
    kit_load(&job->kit);
    const struct kit_case *what = find(&job->kit, job->name);
    if (what == NULL) {
        kit_fail("kit", "there is no case '%s'", job->name);
    }
    what->run(&job->kit);
}

int kit_run_one(struct mn_ctx *ctx, const struct kit_plan *plan, const char *name, int descriptor) {
    struct kit_report *report = kit_child_report(descriptor);
    struct job job = {kit_of(plan), name};
    if (report == NULL) {
        return mn_fail(ctx, MN_CONFIG, "check: --report is for metanas-check itself");
    }
    kit_report_run(report, 1, do_job, &job);
    fflush(NULL);
    _exit(0);
}

static int run_entry(struct mn_ctx *ctx, const struct kit_plan *plan, const struct entry *e,
                     struct kit_result *out) {
    const double begin = kit_seconds();
    int status = MN_OK;
    name_of(e, out->name, sizeof out->name);
    out->doc = e->what->doc;
    if (plan->in_process) {
        struct job job = {kit_of(plan), out->name};
        kit_report_run(&out->report, 0, do_job, &job);
    } else {
        status = kit_child(ctx, plan, out->name, &out->report);
    }
    out->seconds = kit_seconds() - begin;
    return status;
}

/* ---- all cases ---------------------------------------------------------------------------- */

static void skip(const struct entry *e, const struct entry *gate, struct kit_result *out) {
    char name[160];
    memset(out, 0, sizeof *out);
    name_of(gate, name, sizeof name);
    name_of(e, out->name, sizeof out->name);
    out->doc = e->what->doc;
    out->report.verdict = KIT_SKIPPED;
    snprintf(out->report.text, sizeof out->report.text, "%s failed", name);
}

static int bad_pattern(struct mn_ctx *ctx, const struct kit_plan *plan, const struct list *list) {
    char(*names)[160] = calloc(MOST_CASES, sizeof *names);
    const char **at = calloc(MOST_CASES, sizeof *at);
    const char *near = NULL;
    for (int i = 0; names != NULL && at != NULL && i < list->n; i++) {
        name_of(&list->at[i], names[i], sizeof names[i]);
        at[i] = names[i];
    }
    if (names != NULL && at != NULL) {
        near = nas_text_nearest(plan->only[0], at, (size_t)list->n);
    }
    char hint[256];
    mn_fail(ctx, MN_CONFIG, "check: no case is named '%s'%s; --list shows all", plan->only[0],
            nas_text_hint(near, "", hint, sizeof hint));
    free(names);
    free(at);
    return MN_CONFIG;
}

static int count_chosen(const struct kit_plan *plan, const struct list *list) {
    int n = 0;
    for (int i = 0; i < list->n; i++) {
        n += is_chosen(plan, &list->at[i]);
    }
    return n;
}

/* The first of the list, "load", has been run already. */
static int run_list(struct mn_ctx *ctx, const struct kit_plan *plan, const struct list *list,
                    const struct kit_result *loaded, kit_told told, void *data) {
    const int n = count_chosen(plan, list);
    const struct entry *gate = NULL;
    int number = 0, status = MN_OK;
    for (int i = 0; status == MN_OK && i < list->n; i++) {
        const struct entry *e = &list->at[i];
        struct kit_result result = {0};
        if (!is_chosen(plan, e)) {
            continue;
        }
        if (gate != NULL && gate->group == e->group) {
            skip(e, gate, &result);
        } else if (i == 0) {
            result = *loaded;
        } else {
            status = run_entry(ctx, plan, e, &result);
        }
        if (status == MN_OK) {
            gate =
                (e->what->flags & KIT_GATE) != 0 && result.report.verdict == KIT_FAILED ? e : gate;
            told(data, &result, ++number, n);
        }
    }
    return status;
}

static int tell_list(const struct kit_plan *plan, const struct list *list, kit_told told,
                     void *data) {
    const int n = count_chosen(plan, list);
    int number = 0;
    for (int i = 0; i < list->n; i++) {
        struct kit_result result = {.doc = list->at[i].what->doc};
        name_of(&list->at[i], result.name, sizeof result.name);
        if (is_chosen(plan, &list->at[i])) {
            told(data, &result, ++number, n);
        }
    }
    return MN_OK;
}

/* Load, make the list, and run it or tell it. */
static int go(struct mn_ctx *ctx, const struct kit_plan *plan, kit_told told, void *data, int run) {
    static const struct entry first = {.what = &kit_load_cases[0]};
    struct list *list = calloc(1, sizeof *list);
    struct kit_result loaded = {0};
    if (list == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the list of cases");
    }
    int status = run_entry(ctx, plan, &first, &loaded);
    if (status == MN_OK && loaded.report.verdict == KIT_FAILED) {
        told(data, &loaded, 1, 1);
    } else if (status == MN_OK) {
        fill(list, loaded.report.units);
        status = count_chosen(plan, list) == 0 ? bad_pattern(ctx, plan, list)
                 : run                         ? run_list(ctx, plan, list, &loaded, told, data)
                                               : tell_list(plan, list, told, data);
    }
    free(list);
    return status;
}

int kit_run(struct mn_ctx *ctx, const struct kit_plan *plan, kit_told told, void *data) {
    return go(ctx, plan, told, data, 1);
}

int kit_list(struct mn_ctx *ctx, const struct kit_plan *plan, kit_told told, void *data) {
    return go(ctx, plan, told, data, 0);
}

void kit_repeat(const struct kit_plan *plan, const struct kit_result *result, char *out,
                size_t size) {
    size_t used =
        (size_t)snprintf(out, size, "metanas check %s --only %s", plan->file, result->name);
    for (int i = 0; plan->folders != NULL && plan->folders[i] != NULL && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, " --plugin-dir %s", plan->folders[i]);
    }
    for (int i = 0; i < plan->n_sets && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, " --set %s", plan->sets[i]);
    }
    if (result->report.seeded && used < size) {
        snprintf(out + used, size - used, " --seed %" PRIu64 " --rounds 1", result->report.seed);
    }
}
