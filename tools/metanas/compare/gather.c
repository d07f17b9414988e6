/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "../rundir.h"
#include "../test_read.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_CONFIG = 1 << 20 };

/* ---- a run --------------------------------------------------------------------------------- */

/* The files of a result: in the folder of a run, or those named like the file itself. */
static int find_files(struct mn_ctx *ctx, struct nas_arena *arena, const char *operand,
                      const char *file, struct tested_run *out) {
    struct stat about;
    const size_t n = strlen(operand), ending = strlen(".json");
    if (stat(operand, &about) == 0 && S_ISREG(about.st_mode)) {
        const char *slash = strrchr(operand, '/');
        out->folder =
            slash != NULL ? nas_arena_format(arena, "%.*s", (int)(slash - operand), operand) : ".";
        out->result = operand;
        if (out->folder == NULL) {
            return no_memory(ctx);
        }
        TRY(rundir_file(ctx, arena, out->folder, "config.resolved.yaml", &out->config_at));
    } else {
        out->folder = operand;
        TRY(rundir_check(ctx, operand));
        TRY(rundir_file(ctx, arena, operand, file, &out->result));
        TRY(rundir_file(ctx, arena, operand, "config.resolved.yaml", &out->config_at));
    }
    const size_t length = strlen(out->result);
    const int named = length > ending && strcmp(out->result + length - ending, ".json") == 0;
    out->tasks_at = nas_arena_format(arena, "%.*s-tasks.csv",
                                     (int)(named ? length - ending : length), out->result);
    out->name =
        nas_arena_format(arena, "%.*s", (int)(n > 1 && operand[n - 1] == '/' ? n - 1 : n), operand);
    return out->tasks_at != NULL && out->name != NULL ? MN_OK : no_memory(ctx);
}

/* A result may lie where no configuration is: then it is an arm of its own. */
static int read_config(struct mn_ctx *ctx, struct nas_arena *arena, struct tested_run *out) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    size_t length;
    out->seed = out->test.seed;
    if (!nas_file_exists(ctx, out->config_at)) {
        return MN_OK;
    }
    TRY(nas_file_read(ctx, out->config_at, MOST_CONFIG, &bytes, &length));
    out->config = nas_arena_text(arena, (const char *)bytes);
    if (out->config == NULL) {
        return no_memory(ctx);
    }
    nas_config_int(out->config, "run", "seed", &out->seed);
    return MN_OK;
}

static int read_sets(struct mn_ctx *ctx, struct nas_arena *arena, const json_t *test,
                     struct tested_run *out) {
    const json_t *list = json_object_get(test, "set");
    out->sets = "";
    for (size_t i = 0; out->sets != NULL && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        out->sets = nas_arena_format(arena, "%s%s%s", out->sets, i > 0 ? " " : "",
                                     text != NULL ? text : "");
    }
    return out->sets != NULL ? MN_OK : no_memory(ctx);
}

static int by_episode(const void *a, const void *b) {
    const struct nas_task_result *x = a, *y = b;
    return (x->episode > y->episode) - (x->episode < y->episode);
}

int compare_read(struct mn_ctx *ctx, struct compared *all, const char *operand, const char *file,
                 struct tested_run *out) {
    CLEANUP(nas_json_free) json_t *json = NULL;
    CLEANUP(nas_arena_fini) struct nas_arena cells = {0};
    struct nas_csv table;
    TRY(find_files(ctx, &all->arena, operand, file, out));
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? out->result : out->tasks_at;
        if (!nas_file_exists(ctx, path)) {
            TRY(read_config(ctx, &all->arena, out));
            return compare_missing(ctx, all, out, path);
        }
    }
    TRY(rundir_json(ctx, out->result, &json));
    if (!nas_columns_read(&nas_record_columns, NAS_IN_TEST, json, &all->arena, &out->test)) {
        return no_memory(ctx);
    }
    if (out->test.tasks < 1 || out->test.batch_norm == NULL) {
        return mn_fail(ctx, MN_IO,
                       "%s: no result of a test: 'tasks' or 'batch_norm' is missing; 'metanas "
                       "test' writes one",
                       out->result);
    }
    TRY(read_sets(ctx, &all->arena, json, out));
    TRY(read_config(ctx, &all->arena, out));
    TRY(nas_csv_read(ctx, &cells, out->tasks_at, &table));
    TRY(test_read_tasks(ctx, &all->arena, out->tasks_at, &table, &out->test,
                        "a new test writes both", &out->tasks));
    qsort(out->tasks, (size_t)out->test.tasks, sizeof *out->tasks, by_episode);
    return MN_OK;
}

/* ---- arms ---------------------------------------------------------------------------------- */

static int is(const char *a, const char *b) {
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* What is free within an arm: what changes no result, or only which of equal ones comes out. NULL =
 * no memory. */
static const char *const *free_keys(struct nas_arena *arena) {
    size_t n = 0, most = 0;
    while (nas_config_may_change[most] != NULL) {
        most++;
    }
    const char **keys = nas_arena_zeroed(arena, (most + 3) * sizeof *keys);
    if (keys == NULL) {
        return NULL;
    }
    keys[n++] = "run.seed";
    keys[n++] = "run.name";
    for (size_t i = 0; i < most; i++) { /* a longer training or other data may be the question */
        const char *key = nas_config_may_change[i];
        if (strcmp(key, "run.meta_epochs") != 0 && strcmp(key, "dataset.path") != 0) {
            keys[n++] = key;
        }
    }
    return keys;
}

/* The first difference of two configurations, in either direction: one asks for what the other
 * does not know. */
static int config_diff(struct mn_ctx *ctx, const struct tested_run *a, const struct tested_run *b,
                       const char *const *keys, struct nas_config_diff *out) {
    struct nas_config_diff back;
    TRY(nas_config_diff_texts(ctx, a->config_at, a->config, b->config_at, b->config, keys, out));
    if (out->key[0] != '\0') {
        return MN_OK;
    }
    TRY(nas_config_diff_texts(ctx, b->config_at, b->config, a->config_at, a->config, keys, &back));
    memcpy(out->key, back.key, sizeof out->key);
    memcpy(out->there, back.here, sizeof out->there);
    memcpy(out->here, back.there, sizeof out->here);
    return MN_OK;
}

/* Whether a run is one more seed of an arm. A seed that is there already is no new one. */
static int belongs(struct mn_ctx *ctx, const struct tested_run *run, const struct tested_arm *arm,
                   const char *const *keys, int *out) {
    const struct tested_run *first = arm->runs[0];
    const struct nas_record *a = &run->test, *b = &first->test;
    struct nas_config_diff diff;
    *out = run->config != NULL && first->config != NULL && is(run->sets, first->sets) &&
           is(a->batch_norm, b->batch_norm) && is(a->state, b->state) && is(a->split, b->split) &&
           a->meta_epoch == b->meta_epoch && a->ways == b->ways && a->shots == b->shots &&
           a->queries == b->queries;
    for (int i = 0; *out && i < arm->n; i++) {
        *out = arm->runs[i]->seed != run->seed;
    }
    if (*out) {
        TRY(config_diff(ctx, first, run, keys, &diff));
        *out = diff.key[0] == '\0';
    }
    return MN_OK;
}

static int by_seed(const void *a, const void *b) {
    const struct tested_run *x = *(const struct tested_run *const *)a;
    const struct tested_run *y = *(const struct tested_run *const *)b;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

/* How many letters the paths of two runs have in common, up to a slash. */
static size_t common_folder(const char *a, const char *b, size_t most) {
    size_t end = 0;
    for (size_t i = 0; i <= most && a[i] != '\0' && a[i] == b[i]; i++) {
        end = a[i] == '/' ? i : end;
    }
    return end;
}

/* The folder of its runs, as in a sweep, where no run of another arm lies in it. */
static int name_arm(struct mn_ctx *ctx, struct compared *all, int arm) {
    struct tested_arm *x = &all->arms[arm];
    const char *first = x->runs[0]->name;
    size_t n = strlen(first);
    x->name = first;
    if (x->n == 1) {
        return MN_OK;
    }
    for (int i = 1; i < x->n; i++) {
        n = common_folder(first, x->runs[i]->name, n);
    }
    for (int i = 0; i < all->n_runs; i++) {
        const char *other = all->runs[i].name;
        if (all->runs[i].arm != arm && strncmp(other, first, n) == 0 && other[n] == '/') {
            n = 0;
        }
    }
    x->name = n > 0 ? nas_arena_format(&all->arena, "%.*s", (int)n, first)
                    : nas_arena_format(&all->arena, "%s and %d more", first, x->n - 1);
    return x->name != NULL ? MN_OK : no_memory(ctx);
}

static int add_to_arm(struct mn_ctx *ctx, struct compared *all, struct tested_run *run, int arm) {
    struct tested_arm *to = &all->arms[arm];
    if (arm == all->n_arms) {
        to->n = 0;
        to->runs = nas_arena_array(&all->arena, (size_t)all->n_runs, sizeof *to->runs);
        if (to->runs == NULL) {
            return no_memory(ctx);
        }
        all->n_arms++;
    }
    run->arm = arm;
    to->runs[to->n++] = run;
    return MN_OK;
}

int compare_make_arms(struct mn_ctx *ctx, struct compared *all, int apart) {
    const char *const *keys = free_keys(&all->arena);
    all->arms = nas_arena_array(&all->arena, (size_t)all->n_runs, sizeof *all->arms);
    if (keys == NULL || all->arms == NULL) {
        return no_memory(ctx);
    }
    all->n_arms = 0;
    for (int i = 0; i < all->n_runs; i++) {
        int arm = 0, found = 0;
        for (; !apart && arm < all->n_arms; arm++) {
            TRY(belongs(ctx, &all->runs[i], &all->arms[arm], keys, &found));
            if (found) {
                break;
            }
        }
        TRY(add_to_arm(ctx, all, &all->runs[i], found ? arm : all->n_arms));
    }
    if (all->n_arms == 1) { /* seeds of one configuration: nothing else can be compared */
        all->seeds_apart = 1;
        return compare_make_arms(ctx, all, 1);
    }
    for (int arm = 0; arm < all->n_arms; arm++) {
        qsort(all->arms[arm].runs, (size_t)all->arms[arm].n, sizeof *all->arms[arm].runs, by_seed);
        TRY(name_arm(ctx, all, arm));
    }
    return MN_OK;
}

int compare_config(struct mn_ctx *ctx, struct compared *all, struct comparison *x) {
    const struct tested_run *a = x->first->runs[0], *b = x->second->runs[0];
    const char *const *keys = free_keys(&all->arena);
    x->config_diff.key[0] = '\0';
    if (keys == NULL) {
        return no_memory(ctx);
    }
    return a->config != NULL && b->config != NULL ? config_diff(ctx, a, b, keys, &x->config_diff)
                                                  : MN_OK;
}
