/* SPDX-License-Identifier: MIT */
#include "learn/experiment.h"

#include "backend/cpu/kernels/kernel.h"
#include "exec/launch.h"
#include "learn/configuration.h"
#include "learn/dataset.h"
#include "learn/declared.h"
#include "learn/latencies.h"
#include "learn/meta_part.h"
#include "learn/task.h"

#include <inttypes.h>
#include <string.h>

struct nas_mark nas_option_mark(const struct nas_experiment *e, const char *section,
                                const char *key) {
    const struct nas_yaml *option = nas_yaml_get(nas_yaml_get(e->root, section), key);
    return option != NULL ? option->mark : (struct nas_mark){0};
}

int nas_refuse(struct mn_ctx *ctx, int status, struct nas_mark mark, const char *format, ...) {
    char place[512];
    va_list args;
    va_start(args, format);
    nas_service_fail(ctx, status, format, args);
    va_end(args);
    nas_mark_text(mark, place, sizeof place);
    return place[0] == '\0' ? status : nas_ctx_where(ctx, "%.*s", (int)strlen(place) - 2, place);
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- model -------------------------------------------------------------------------------- */

static int find_kernels(struct nas_experiment *e, struct mn_ctx *ctx) {
    const char *name = nas_kernel_names[e->run.kernels];
    const int reduced = e->run.precision == NAS_BF16;
    const struct nas_mark mark = nas_option_mark(e, "run", reduced ? "precision" : "kernels");
    if (reduced && strcmp(name, "auto") != 0 && strcmp(name, "avx512") != 0) {
        return nas_refuse(ctx, MN_CONFIG, mark,
                          "run: precision: bf16 goes with kernels auto or avx512, not %s", name);
    }
    /* Products in bfloat16 have a table of their own, which is otherwise that of avx512. */
    e->kernels = nas_kernels_find(reduced ? "bf16" : name);
    return e->kernels != NULL ? MN_OK
           : reduced          ? nas_refuse(ctx, MN_UNSUPPORTED, mark,
                                           "run: precision: this processor or build has no products of "
                                                    "bfloat16 numbers (AVX512_BF16); use float")
                              : nas_refuse(ctx, MN_UNSUPPORTED, mark,
                                           "run: kernels: this processor has no %s; use auto", name);
}

const char *nas_experiment_dataset(const struct nas_experiment *e) {
    return nas_instance_innermost(&e->dataset)->unit.unit->name;
}

struct nas_network_units nas_experiment_network(struct nas_experiment *e) {
    return (struct nas_network_units){.search_space = &e->search_space,
                                      .op_mixer = &e->op_mixer,
                                      .input_mixer = &e->input_mixer,
                                      .head = &e->head,
                                      .loss = &e->loss,
                                      .operations = &e->operations,
                                      .fixed = e->fixed.n > 0 ? &e->fixed : NULL,
                                      .latencies = e->latencies.n > 0 ? &e->latencies : NULL};
}

/* Images of a batch as max_batch of learners gives it, where the support set has `support`. */
static int64_t batch_of(int64_t declared, int64_t support) {
    return declared > 0 ? declared : most(support, -declared);
}

/* The largest that any pass of the run can ask for: the learner's own batch or a support set, and
 * in meta-training the query set, of which a meta learner may take the gradient; in evaluation
 * query sets are predicted, and support sets where batch norm takes their statistics, a head
 * starts from them, or a task learner prunes by them. */
static void find_batches(struct nas_experiment *e, const struct nas_batches *at_least) {
    const int64_t ways = e->task.ways;
    const struct mn_episode_spec train = nas_episode_spec(e, MN_TRAIN);
    const struct mn_episode_spec test = nas_episode_spec(e, MN_TEST);
    /* Query images go through the network with the support set where the head compares them. */
    const int with = nas_head_uses_support(&e->head);
    const int starts = nas_head_starts(&e->head);
    struct nas_batches *b = &e->batches;
    b->steps = batch_of(e->batch, ways * most(test.support, train.support));
    for (int i = 0; i < e->n_meta; i++) {
        const int declares = e->meta[i].unit->table.meta_learner.max_batch != NULL;
        b->steps = most(b->steps, declares ? batch_of(e->meta[i].batch, ways * train.support) : 0);
    }
    b->steps = most(b->steps, ways * (train.query + (with ? train.support : 0)));
    /* The gradient of a start goes through the support set. */
    b->steps = most(b->steps, starts ? most(ways * train.support, at_least->support) : 0);
    b->steps = most(b->steps, at_least->steps + (with ? at_least->support : 0));
    b->predictions = ways * (test.query + (with ? test.support : 0));
    if (starts || e->task_learner.table.task_learner.prune != NULL ||
        e->evaluation.batch_norm == NAS_SUPPORT) {
        b->predictions = most(b->predictions, ways * test.support);
    }
    b->predictions = most(most(b->predictions, b->steps),
                          at_least->predictions + (with ? at_least->support : 0));
}

static int build_model(struct nas_experiment *e, struct mn_ctx *ctx,
                       const struct nas_batches *at_least) {
    e->backend = nas_backend_find(e->run.backend);
    if (e->backend == NULL) {
        return nas_refuse(ctx, MN_CONFIG, nas_option_mark(e, "run", "backend"),
                          "run: backend: there is no '%s'; known: %s", e->run.backend,
                          nas_backend_names());
    }
    TRY(find_kernels(e, ctx));
    if (e->run.latency[0] != '\0' && e->latencies.n == 0) {
        TRY(nas_latencies_read(ctx, &e->arena, e->run.latency, &e->latencies));
        if (e->latencies.n == 0) {
            return nas_refuse(ctx, MN_CONFIG, nas_option_mark(e, "run", "latency"),
                              "run: latency: %s has no rows", e->run.latency);
        }
    }
    TRY(nas_declared_units(e, ctx));
    find_batches(e, at_least);
    if (e->batches.predictions > NAS_MOST_BATCH) {
        return mn_fail(ctx, MN_CONFIG, "task: a batch of %" PRId64 " images is too large",
                       e->batches.predictions);
    }
    const struct mn_dims dims = {.size = sizeof dims,
                                 .ways = (int32_t)e->task.ways,
                                 .channels = e->data.channels,
                                 .height = e->data.height,
                                 .width = e->data.width,
                                 .max_batch = (int32_t)e->batches.steps,
                                 .max_predictions = (int32_t)e->batches.predictions};
    const struct nas_network_units units = nas_experiment_network(e);
    TRY(nas_model_fit(ctx, &units, &dims, &e->fit));
    TRY(nas_model_new(ctx, &units, &dims, e->backend, e->kernels, &e->model));
    TRY(nas_declared_state(e, ctx));
    return nas_meta_parts_size(e, ctx);
}

static int note_provenance(struct nas_experiment *e, struct mn_ctx *ctx) {
    struct nas_provenance *p = &e->provenance;
    const char *made, *name, *operations = "";
    const struct nas_instance *x;
    for (int i = 0; i < nas_configuration_units(e); i++) {
        for (x = nas_configuration_unit(e, i); x != NULL; x = x->around) {
            TRY(nas_provenance_unit(ctx, &e->arena, &x->unit, &made));
            TRY(nas_provenance_add(p, ctx, NAS_MADE_BY_PLUGIN, x->name, made));
        }
    }
    for (int i = 0; (x = nas_operations_at(&e->operations, i, &name)) != NULL; i++) {
        const char *before = nas_arena_format(&e->arena, "%s%s: ", i > 0 ? "; " : "", name);
        for (; x != NULL; x = x->around, before = " around ") {
            TRY(nas_provenance_unit(ctx, &e->arena, &x->unit, &made));
            operations = before != NULL
                             ? nas_arena_format(&e->arena, "%s%s%s", operations, before, made)
                             : NULL;
            if (operations == NULL) {
                return mn_fail(ctx, MN_NOMEM, "no memory for plugin names");
            }
        }
    }
    if (operations[0] != '\0') {
        TRY(nas_provenance_add(p, ctx, NAS_MADE_BY_PLUGIN, "operations", operations));
    }
    if (e->dataset.started) {
        const char *data;
        TRY(nas_dataset_fingerprint(e, ctx, &data));
        TRY(nas_provenance_add(p, ctx, NAS_MADE_FROM_DATA, "data", data));
    }
    TRY(nas_provenance_add(p, ctx, NAS_MADE_BY_PROGRAM, "version", NAS_VERSION));
    TRY(nas_provenance_add(p, ctx, NAS_MADE_BY_PROGRAM, "kernels", e->kernels->name));
    return nas_provenance_add(p, ctx, NAS_MADE_BY_PROGRAM, "blas", nas_gemm_version());
}

int nas_experiment_widen(struct nas_experiment *e, struct mn_ctx *ctx, int64_t n) {
    const struct nas_batches at_least = {.steps = e->batches.steps, .predictions = n};
    if (e->batches.predictions >= n) {
        return MN_OK;
    }
    nas_model_free(e->model);
    e->model = NULL;
    return build_model(e, ctx, &at_least);
}

static int open_all(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open) {
    TRY(nas_configuration_read(e, ctx, open));
    if ((open->flags & NAS_OPEN_NO_LATENCIES) != 0) {
        e->run.latency = "";
    }
    if ((open->flags & NAS_OPEN_NO_DATA) == 0) {
        TRY(nas_dataset_open(e, ctx, open));
    } else if (open->data != NULL) {
        e->data = *open->data;
        TRY(nas_dataset_check(e, ctx));
    } else if (open->shape != NULL) {
        e->data = (struct mn_dataset_info){.size = sizeof e->data,
                                           .channels = open->shape[0],
                                           .height = open->shape[1],
                                           .width = open->shape[2]};
    } else {
        return MN_OK; /* without a shape there is no model */
    }
    TRY(build_model(e, ctx, &open->batches));
    return note_provenance(e, ctx);
}

int nas_experiment_open(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open) {
    memset(e, 0, sizeof *e);
    e->cluster = open->cluster;
    const int status = open_all(e, ctx, open);
    if (status != MN_OK) {
        nas_experiment_close(e);
    }
    return status;
}

void nas_experiment_close(struct nas_experiment *e) {
    nas_model_free(e->model);
    for (int i = 0; i < NAS_UNITS; i++) {
        nas_instance_fini(nas_configuration_unit(e, i));
    }
    nas_operations_fini(&e->operations);
    nas_registry_free(e->registry);
    nas_arena_fini(&e->arena);
    memset(e, 0, sizeof *e);
}

struct mn_where nas_experiment_where(const struct nas_experiment *e, int split,
                                     int64_t meta_epoch) {
    return (struct mn_where){.size = sizeof(struct mn_where),
                             .split = split,
                             .seed = (uint64_t)e->run.seed,
                             .meta_epoch = meta_epoch,
                             .meta_epochs = e->run.meta_epochs};
}

int64_t nas_experiment_steps(const struct nas_experiment *e, const struct mn_where *where) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    return table->steps != NULL ? table->steps(e->task_learner.self, where) : -1;
}

uint32_t nas_experiment_adapts(const struct nas_experiment *e, const struct mn_where *where) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const uint32_t possible =
        nas_model_dims(e->model)->n_a > 0 ? MN_ADAPTS_W | MN_ADAPTS_A : MN_ADAPTS_W;
    return table->adapts != NULL ? possible & table->adapts(e->task_learner.self, where) : possible;
}

int nas_experiment_threads(const struct nas_experiment *e, int processors) {
    const int64_t asked = e->run.workers > 0 ? e->run.workers : processors;
    const int64_t tasks =
        most(e->run.tasks_per_batch, most(e->evaluation.validation_tasks, e->evaluation.tasks));
    return (int)(asked < tasks ? asked : tasks);
}

int nas_experiment_workers(const struct nas_experiment *e) {
    return nas_experiment_threads(e, nas_launch_processors());
}
