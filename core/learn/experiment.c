/* SPDX-License-Identifier: MIT */
#include "learn/experiment.h"

#include "base/text.h"
#include "config/renamed.h"
#include "exec/cluster/join.h"
#include "exec/launch.h"
#include "learn/declared.h"
#include "learn/fingerprint.h"
#include "learn/meta_part.h"
#include "learn/splits.h"
#include "learn/task.h"
#include "learn/task_trace.h"
#include "store/provenance.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- fixed sections ----------------------------------------------------------------------- */

static const char *const on_nan_choices[] = {"stop", "skip_task", "rollback", NULL};
static const char *const precision_choices[] = {"float", "bf16", NULL};
static const char *const norm_choices[] = {"transductive", "support", NULL};

#define RUN struct nas_run_options
static const struct mn_opt run_opts[] = {
    MN_TEXT(RUN, name, "run", "name of the run; its folder is runs/NAME-N unless --out is given"),
    MN_INT(RUN, seed, 1, 0, 9007199254740992.0, "fixes everything random"),
    MN_TEXT(RUN, transport, "auto",
            "the plugin that connects several processes which work on tasks: mpi; none = the "
            "threads of this process alone; auto = mpi where mpirun or srun started several "
            "processes"),
    MN_INT(RUN, workers, 0, 0, 1024,
           "tasks worked on at once in a process, one thread each; 0 = one a processor; no result "
           "depends on it"),
    MN_INT(RUN, meta_epochs, 1000, 0, 1e9, "outer updates"),
    MN_INT(RUN, tasks_per_batch, 10, 1, 100000, "tasks of an outer update (meta-batch)"),
    MN_INT(RUN, eval_every, 100, 0, 1e9, "meta-epochs between validations; 0 = only at the end"),
    MN_INT(RUN, log_every, 10, 0, 1e9, "meta-epochs of a line in metrics.jsonl; 0 = none"),
    MN_INT(RUN, checkpoint_every, 100, 0, 1e9,
           "meta-epochs between checkpoints; 0 = only at the end"),
    MN_INT(RUN, keep_checkpoints, 3, 1, 1000,
           "checkpoints that stay: the newest and the last before"),
    MN_CHOICE(RUN, on_nan, NAS_ON_NAN_STOP, on_nan_choices,
              "what to do when a task of meta-training is not finite"),
    MN_REAL(
        RUN, max_loss, 1e4, 0, 1e30,
        "a loss of meta-training above it counts as not finite; 0 = any that is finite will do"),
    MN_INT(RUN, rollbacks, 3, 0, NAS_MOST_ROLLBACKS,
           "how often on_nan: rollback goes back at most"),
    MN_BOOL(RUN, log_steps, 0, "loss and accuracy of every task step to steps.csv"),
    MN_CHOICE(RUN, kernels, 0, nas_kernel_names, "which kernels compute"),
    MN_CHOICE(RUN, precision, 0, precision_choices,
              "operands of convolutions: float, or rounded to bfloat16, with sums in float; that "
              "needs AVX512_BF16"),
    MN_REAL(RUN, alpha_std, 1e-3, 0, 1e3, "standard deviation of the initial logits"),
    MN_BOOL(RUN, prune_meta, 1,
            "at every validation cut candidates of the meta-architecture under meta_threshold"),
    MN_REAL(RUN, meta_threshold, 0.01, 0, 1,
            "mixture weight at the final temperature under which prune_meta cuts"),
};

#define TASK struct nas_task_options
static const struct mn_opt task_opts[] = {
    MN_INT(TASK, ways, 5, 2, 10000, "classes of a task"),
    MN_INT(TASK, shots, 1, 1, 10000, "support images a class in evaluation"),
    MN_INT(TASK, queries, 1, 1, 10000, "query images a class in evaluation"),
    MN_INT(TASK, train_shots, 0, 0, 10000, "support images a class in meta-training; 0 = as shots"),
    MN_INT(TASK, train_queries, 0, 0, 10000,
           "query images a class in meta-training; 0 = as queries"),
};

#define EVALUATION struct nas_evaluation_options
static const struct mn_opt evaluation_opts[] = {
    MN_INT(EVALUATION, tasks, 600, 1, 1e7, "test tasks of metanas test"),
    MN_INT(EVALUATION, validation_tasks, 100, 1, 1e7, "validation tasks every eval_every"),
    MN_CHOICE(EVALUATION, batch_norm, 0, norm_choices,
              "statistics for query images: of the whole query batch, or of the support set"),
};

const char *nas_batch_norm_name(const struct nas_experiment *e) {
    return norm_choices[e->evaluation.batch_norm];
}

static const struct {
    const char *name;
    struct nas_options options;
} sections[] = {
#define FIXED(name, table)                                                                         \
    {                                                                                              \
        name, {                                                                                    \
            table, sizeof table / sizeof table[0]                                                  \
        }                                                                                          \
    }
    FIXED("run", run_opts),
    FIXED("task", task_opts),
    FIXED("evaluation", evaluation_opts),
};

const struct nas_options *nas_experiment_section(const char *name) {
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (strcmp(sections[i].name, name) == 0) {
            return &sections[i].options;
        }
    }
    return NULL;
}

/* ---- units -------------------------------------------------------------------------------- */

static const struct {
    int kind;
    const char *default_use;
    size_t offset;
} units[] = {
#define SECTION(id, name, vtable, use) {id, use, offsetof(struct nas_experiment, name)},
#include "plugin/kinds.def"
    {MN_META_LEARNER, "reptile", offsetof(struct nas_experiment, meta_architecture)},
};
_Static_assert(sizeof units / sizeof units[0] == NAS_UNITS, "one entry a unit");

enum { META_WEIGHTS = NAS_UNITS - 2, META_ARCHITECTURE };

struct nas_instance *nas_experiment_unit(const struct nas_experiment *e, int i) {
    return (struct nas_instance *)((char *)(uintptr_t)e + units[i].offset);
}

int nas_experiment_units(const struct nas_experiment *e) {
    return e->n_meta > 1 ? NAS_UNITS : NAS_UNITS - 1;
}

const char *nas_experiment_unit_section(const struct nas_experiment *e, int i) {
    return i >= META_WEIGHTS ? e->meta[i - META_WEIGHTS].section : nas_kind_name(units[i].kind);
}

static struct nas_yaml *unit_section(const struct nas_experiment *e, int i) {
    struct nas_yaml *section = nas_yaml_get(e->root, nas_kind_name(units[i].kind));
    if (i < META_WEIGHTS || e->n_meta == 1) {
        return section;
    }
    return nas_yaml_get(section, nas_meta_part_key(i - META_WEIGHTS));
}

enum { SECTIONS = 10 };

/* Names of the sections that a configuration has. */
static void section_names(const char *out[SECTIONS]) {
    size_t n = 0;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        out[n++] = sections[i].name;
    }
    for (int i = 0; i < NAS_SECTIONS; i++) {
        out[n++] = nas_kind_name(units[i].kind);
    }
    out[n] = "operations";
    _Static_assert(sizeof sections / sizeof sections[0] + NAS_SECTIONS + 1 == SECTIONS,
                   "every section is listed");
}

int nas_experiment_has_section(const char *name) {
    const char *names[SECTIONS];
    section_names(names);
    for (int i = 0; i < SECTIONS; i++) {
        if (strcmp(names[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

static const char *list_sections(const char *const names[SECTIONS], char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "; sections are ");
    for (int i = 0; i < SECTIONS && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    return out;
}

/* A sweep has a base and, for most, axes or seeds. */
static int is_sweep(const struct nas_yaml *root) {
    return nas_yaml_get(root, "base") != NULL &&
           (nas_yaml_get(root, "axes") != NULL || nas_yaml_get(root, "seeds") != NULL);
}

static void check_sections(struct nas_experiment *e, struct nas_faults *faults) {
    const char *names[SECTIONS];
    if (is_sweep(e->root)) {
        nas_fault_add(faults, nas_yaml_get(e->root, "base")->key_mark,
                      "a sweep, which 'metanas sweep' takes; a configuration has sections");
        return;
    }
    section_names(names);
    for (const struct nas_yaml *node = e->root->first; node != NULL; node = node->next) {
        if (nas_experiment_has_section(node->key)) {
            continue;
        }
        char all[256], hint[256];
        nas_fault_add(faults, node->key_mark, "unknown section '%s'%s", node->key,
                      nas_text_hint(nas_text_nearest(node->key, names, SECTIONS),
                                    list_sections(names, all, sizeof all), hint, sizeof hint));
    }
}

static void bind_sections(struct nas_experiment *e, struct nas_faults *faults) {
    void *const to[] = {&e->run, &e->task, &e->evaluation};
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        nas_schema_bind(&e->arena, &sections[i].options, nas_yaml_get(e->root, sections[i].name),
                        NULL, sections[i].name, to[i], faults);
    }
}

/* The name of a run becomes that of a folder, with a number behind it. */
static int is_folder_name(const char *name) {
    enum { MOST_NAME = 200 };
    if (name[0] == '\0' || strlen(name) > MOST_NAME || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return 0;
    }
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7F || *c == '/') {
            return 0;
        }
    }
    return 1;
}

static void check_name(const struct nas_experiment *e, const struct nas_yaml *run,
                       struct nas_faults *faults) {
    const struct nas_yaml *node = nas_yaml_get(run, "name");
    if (!is_folder_name(e->run.name)) {
        nas_fault_add(faults, node != NULL ? node->mark : (struct nas_mark){e->config_file, 0, 0},
                      "run: name: expected a name of 1 to 200 bytes, without / and control "
                      "characters, not . or ..; where the run is written is said by --out");
    }
}

/* A run that was interrupted goes back as far as one that was not only if a checkpoint of its
 * schedule is there beside the newest. */
static void check_run(const struct nas_experiment *e, struct nas_faults *faults) {
    const struct nas_yaml *run = nas_yaml_get(e->root, "run");
    const struct nas_yaml *node = nas_yaml_get(run, "keep_checkpoints");
    check_name(e, run, faults);
    if (e->run.on_nan == NAS_ON_NAN_ROLLBACK && e->run.keep_checkpoints < 2) {
        nas_fault_add(faults, node != NULL ? node->mark : (struct nas_mark){e->config_file, 0, 0},
                      "run: keep_checkpoints: on_nan: rollback needs 2 or more");
    }
}

static int init_units(struct nas_experiment *e, struct mn_ctx *ctx, struct nas_faults *faults) {
    const struct nas_yaml *meta = nas_yaml_get(e->root, nas_kind_name(MN_META_LEARNER));
    nas_meta_parts_begin(e, meta, faults);
    for (int i = 0; i < nas_experiment_units(e); i++) {
        struct nas_yaml *section = unit_section(e, i);
        if (section != NULL && section->kind == NAS_YAML_SCALAR) {
            nas_fault_add(faults, section->mark,
                          "%s: expected a section; to choose a plugin write %s: {use: NAME}",
                          section->key, section->key);
            continue;
        }
        const int status =
            nas_instance_init(nas_experiment_unit(e, i), ctx, e->registry, units[i].kind,
                              nas_experiment_unit_section(e, i), section, units[i].default_use,
                              (struct nas_mark){e->config_file, 0, 0}, faults);
        if (status != MN_OK) {
            return status; /* no fault of the configuration; a later unit would clear its message */
        }
    }
    const int status = nas_operations_init(&e->operations, ctx, e->registry,
                                           nas_yaml_get(e->root, "operations"), faults);
    return status != MN_OK || faults->count > 0 ? status : nas_meta_parts_join(e, ctx);
}

/* ---- configuration ------------------------------------------------------------------------ */

/* A search space has no size of its own; this is the paper's network. */
static const char default_space[] = "search_space={use: darts, channels: 28}";

/* A section of two meta learners has no unit of its own. */
static const char *default_use(const char *section, const struct nas_yaml *map) {
    const int kind =
        nas_kind_from(strncmp(section, "meta_learner.", 13) == 0 ? "meta_learner" : section);
    if (kind == MN_META_LEARNER && nas_meta_parts_apart(map)) {
        return NULL;
    }
    for (int i = 0; i < NAS_UNITS; i++) {
        if (units[i].kind == kind) {
            return units[i].default_use;
        }
    }
    return NULL;
}

static int read_config(struct nas_experiment *e, const struct nas_open *open,
                       struct nas_faults *faults) {
    e->config_file = nas_arena_text(&e->arena, open->config);
    if (e->config_file != NULL) {
        e->root = open->text == NULL ? nas_yaml_read(&e->arena, open->config, faults)
                                     : nas_yaml_parse(&e->arena, open->config, open->text,
                                                      strlen(open->text), faults);
    }
    if (e->root == NULL) {
        return 0;
    }
    if (e->root->first == NULL && faults->count == 0) {
        nas_fault_add(faults, e->root->mark,
                      "the configuration is empty; its sections are listed by 'metanas help', and "
                      "configs/quickstart.yaml is one to begin with");
        return 0;
    }
    nas_override_begin(e->root);
    for (int i = 0; i < open->n_assignments; i++) {
        nas_override_assign(&e->arena, e->root, &open->assignments[i], faults);
    }
    nas_override_end(&e->arena, e->root, default_use, faults);
    nas_override_begin(e->root);
    for (int i = 0; open->sets != NULL && open->sets[i] != NULL; i++) {
        nas_override_apply(&e->arena, e->root, open->sets[i],
                           open->set_arguments != NULL ? open->set_arguments[i] : i + 1, faults);
    }
    nas_override_end(&e->arena, e->root, default_use, faults);
    nas_renamed_apply(e->root, faults);
    if (nas_yaml_get(e->root, nas_kind_name(MN_SEARCH_SPACE)) == NULL) {
        nas_override_apply(&e->arena, e->root, default_space, 0, faults);
    }
    return 1;
}

/* The most specific failure wins: a plugin that cannot be loaded, else the faults' count. */
static int conclude(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open,
                    const struct nas_faults *faults, int status) {
    nas_faults_print(faults, open->faults != NULL ? open->faults : stderr);
    if (open->n_faults != NULL) {
        *open->n_faults = faults->count;
    }
    if (status != MN_OK) {
        return status;
    }
    if (faults->count > 0) {
        if (nas_cancel_signal() != 0) { /* a file could not be read for that */
            return mn_fail(ctx, MN_CANCELLED, "stopped by the user");
        }
        const int unreadable = e->root == NULL && faults->unreadable != 0;
        return mn_fail(ctx, unreadable ? MN_IO : MN_CONFIG, "%s: %d fault%s; nothing was run",
                       open->config, faults->count, nas_text_s(faults->count));
    }
    return MN_OK;
}

static int configure(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open) {
    struct nas_faults faults = {.arena = &e->arena};
    int status = MN_OK;
    if (read_config(e, open, &faults)) {
        check_sections(e, &faults);
        bind_sections(e, &faults);
        check_run(e, &faults);
        status = nas_registry_new(ctx, open->plugin_dirs, &e->registry);
        if (status == MN_OK) {
            status = init_units(e, ctx, &faults);
        }
    } else if (faults.count == 0) {
        status = mn_fail(ctx, MN_NOMEM, "%s: no memory to read it", open->config);
    }
    return conclude(e, ctx, open, &faults, status);
}

/* ---- data --------------------------------------------------------------------------------- */

static void place_of(const struct nas_experiment *e, const char *section, const char *key,
                     char *out, size_t size) {
    const struct nas_yaml *node = nas_yaml_get(nas_yaml_get(e->root, section), key);
    nas_mark_text(node != NULL ? node->mark : (struct nas_mark){0}, out, size);
}

static const char *const split_names[] = {"training", "validation", "test"};

static int check_split(struct nas_experiment *e, struct mn_ctx *ctx, int split) {
    char place[512];
    const int train = split == MN_TRAIN;
    const int64_t support = train && e->task.train_shots > 0 ? e->task.train_shots : e->task.shots;
    const int64_t query =
        train && e->task.train_queries > 0 ? e->task.train_queries : e->task.queries;
    if (e->data.n_classes[split] < e->task.ways) {
        place_of(e, "task", "ways", place, sizeof place);
        return mn_fail(
            ctx, MN_CONFIG,
            "%stask: ways: %" PRId64 " classes a task, but %s has only %" PRId64 " %s classes",
            place, e->task.ways, e->dataset.label, e->data.n_classes[split], split_names[split]);
    }
    if (e->data.min_samples[split] < support + query) {
        place_of(e, "task", train && e->task.train_shots > 0 ? "train_shots" : "shots", place,
                 sizeof place);
        return mn_fail(ctx, MN_CONFIG,
                       "%stask: %" PRId64 " support and %" PRId64
                       " query images a class, but the smallest %s class of %s has only %" PRId64,
                       place, support, query, split_names[split], e->dataset.label,
                       e->data.min_samples[split]);
    }
    return MN_OK;
}

static int check_splits(struct nas_experiment *e, struct mn_ctx *ctx) {
    int status = MN_OK;
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        status = check_split(e, ctx, split);
    }
    return status;
}

static int open_data(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open) {
    const struct mn_dataset *table = &e->dataset.table.dataset;
    ctx->where.seed = (uint64_t)e->run.seed;
    e->dataset.map_from = open->shared;
    e->dataset.shares = open->shares || (e->cluster != NULL && nas_cluster_shares(e->cluster));
    struct nas_call call = nas_call_begin(ctx, &e->dataset);
    int status = nas_call_end(&call, table->start(e->dataset.self, ctx));
    if (status != MN_OK) {
        return status;
    }
    e->dataset.started = 1;
    e->data.size = sizeof e->data;
    call = nas_call_begin(ctx, &e->dataset);
    status = nas_call_end(&call, table->describe(e->dataset.self, ctx, &e->data));
    if (status == MN_OK) {
        status = nas_declared_data(e, ctx);
    }
    if (status == MN_OK) {
        status = check_splits(e, ctx);
    }
    return status != MN_OK ? status : nas_splits_compare(e, ctx);
}

static void shape_data(struct nas_experiment *e, const int *shape) {
    e->data = (struct mn_dataset_info){
        .size = sizeof e->data, .channels = shape[0], .height = shape[1], .width = shape[2]};
}

/* ---- model -------------------------------------------------------------------------------- */

/* The largest batch that any pass of the run can ask for. */
static int64_t plan_batch(const struct nas_experiment *e, int64_t at_least) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct nas_task_options *t = &e->task;
    const int64_t support = t->ways * most(t->shots, t->train_shots);
    const int64_t learner = table->max_batch != NULL ? table->max_batch(e->task_learner.self) : 0;
    int64_t n = most(at_least, learner > 0 ? learner : most(support, -learner));
    n = most(n, t->ways * most(t->queries, t->train_queries));
    return e->evaluation.batch_norm == NAS_SUPPORT ? most(n, t->ways * t->shots) : n;
}

static int build_network(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_dims dims = {.size = sizeof dims,
                                 .ways = (int32_t)e->task.ways,
                                 .channels = e->data.channels,
                                 .height = e->data.height,
                                 .width = e->data.width,
                                 .max_batch = (int32_t)e->max_batch};
    const int status = nas_model_fit(ctx, &e->search_space, &e->op_mixer, &e->input_mixer,
                                     &e->operations, &dims, &e->fit);
    return status != MN_OK ? status
                           : nas_model_new(ctx, &e->search_space, &e->op_mixer, &e->input_mixer,
                                           &e->operations, &dims, e->kernels, &e->model);
}

/* Products in bfloat16 have a table of their own, which is otherwise that of avx512. */
static int find_reduced(struct nas_experiment *e, struct mn_ctx *ctx) {
    const char *name = nas_kernel_names[e->run.kernels];
    char place[512];
    place_of(e, "run", "precision", place, sizeof place);
    if (strcmp(name, "auto") != 0 && strcmp(name, "avx512") != 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%srun: precision: bf16 goes with kernels auto or avx512, not %s", place,
                       name);
    }
    e->kernels = nas_kernels_find("bf16");
    return e->kernels != NULL
               ? MN_OK
               : mn_fail(ctx, MN_UNSUPPORTED,
                         "%srun: precision: this processor or build has no products of bfloat16 "
                         "numbers (AVX512_BF16); use float",
                         place);
}

static int find_kernels(struct nas_experiment *e, struct mn_ctx *ctx) {
    const char *name = nas_kernel_names[e->run.kernels];
    char place[512];
    if (e->run.precision == NAS_BF16) {
        return find_reduced(e, ctx);
    }
    e->kernels = nas_kernels_find(name);
    place_of(e, "run", "kernels", place, sizeof place);
    return e->kernels != NULL
               ? MN_OK
               : mn_fail(ctx, MN_UNSUPPORTED, "%srun: kernels: this processor has no %s; use auto",
                         place, name);
}

static int build_model(struct nas_experiment *e, struct mn_ctx *ctx, int64_t at_least) {
    int status = find_kernels(e, ctx);
    if (status == MN_OK) {
        status = nas_declared_units(e, ctx);
    }
    e->max_batch = plan_batch(e, at_least);
    if (status == MN_OK && e->max_batch > NAS_MOST_BATCH) {
        status = mn_fail(ctx, MN_CONFIG, "task: a batch of %" PRId64 " images is too large",
                         e->max_batch);
    }
    if (status == MN_OK) {
        status = build_network(e, ctx);
    }
    if (status != MN_OK) {
        return status;
    }
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn_dims *dims = nas_model_dims(e->model);
    e->n_state = table->n_state != NULL ? table->n_state(e->task_learner.self, dims) : 0;
    e->moments = table->moments != NULL ? table->moments(e->task_learner.self) : MN_MOMENTS_AVERAGE;
    status = nas_declared_state(e, ctx);
    return status != MN_OK ? status : nas_meta_parts_size(e, ctx);
}

int nas_experiment_widen(struct nas_experiment *e, struct mn_ctx *ctx, int64_t n) {
    if (e->max_batch >= n) {
        return MN_OK;
    }
    nas_model_free(e->model);
    e->model = NULL;
    return build_model(e, ctx, n);
}

int nas_experiment_open(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open) {
    memset(e, 0, sizeof *e);
    e->cluster = open->cluster;
    int status = configure(e, ctx, open);
    if (status == MN_OK) {
        if ((open->flags & NAS_OPEN_NO_DATA) == 0) {
            status = open_data(e, ctx, open);
        } else if (open->data != NULL) {
            e->data = *open->data;
            status = check_splits(e, ctx);
        } else if (open->shape != NULL) {
            shape_data(e, open->shape);
        } else {
            return MN_OK; /* without a shape there is no model */
        }
    }
    if (status == MN_OK) {
        status = build_model(e, ctx, open->max_batch);
    }
    if (status == MN_OK && e->dataset.started) {
        status = nas_fingerprint_note(e, ctx);
    }
    if (status == MN_OK) {
        status = nas_provenance_note(e, ctx);
    }
    if (status != MN_OK) {
        nas_experiment_close(e);
    }
    return status;
}

void nas_experiment_close(struct nas_experiment *e) {
    nas_model_free(e->model);
    for (int i = 0; i < NAS_UNITS; i++) {
        nas_instance_fini(nas_experiment_unit(e, i));
    }
    nas_operations_fini(&e->operations);
    nas_registry_free(e->registry);
    nas_arena_fini(&e->arena);
    memset(e, 0, sizeof *e);
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

/* ---- writing ------------------------------------------------------------------------------ */

static void write_instance(const struct nas_instance *x, int indent, FILE *out) {
    const struct nas_unit *u = &x->unit;
    if (strcmp(u->plugin->name, u->unit->name) == 0) {
        fprintf(out, "%*suse: %s", indent, "", u->unit->name);
    } else {
        fprintf(out, "%*suse: %s/%s", indent, "", u->plugin->name, u->unit->name);
    }
    fprintf(out, " # %s %s\n", u->plugin->name, u->plugin->version);
    nas_schema_write(&u->options, x->self, indent, out);
}

static void write_unit(const struct nas_experiment *e, int i, FILE *out) {
    int indent = 2;
    if (i != META_ARCHITECTURE) {
        fprintf(out, "%s:\n", nas_kind_name(units[i].kind));
    }
    if (i >= META_WEIGHTS && e->n_meta > 1) {
        fprintf(out, "  %s:\n", nas_meta_part_key(i - META_WEIGHTS));
        indent = 4;
    }
    write_instance(nas_experiment_unit(e, i), indent, out);
}

/* Also those that the search space named without the section. */
static void write_operations(const struct nas_experiment *e, FILE *out) {
    const char *name;
    const struct nas_instance *x;
    for (int i = 0; (x = nas_operations_at(&e->operations, i, &name)) != NULL; i++) {
        fprintf(out, "%s  %s:\n", i == 0 ? "operations:\n" : "", name);
        write_instance(x, 4, out);
    }
}

int nas_experiment_write_config(const struct nas_experiment *e, FILE *out) {
    const void *const from[] = {&e->run, &e->task, &e->evaluation};
    fprintf(out, "# Resolved configuration of metanas %s: running it again repeats the run.\n",
            NAS_VERSION);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        fprintf(out, "%s:\n", sections[i].name);
        nas_schema_write(&sections[i].options, from[i], 2, out);
    }
    for (int i = 0; i < nas_experiment_units(e); i++) {
        write_unit(e, i, out);
    }
    write_operations(e, out);
    return ferror(out) ? MN_IO : MN_OK;
}
