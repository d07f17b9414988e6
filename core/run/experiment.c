/* SPDX-License-Identifier: MIT */
#include "run/experiment.h"

#include "base/text.h"
#include "run/declared.h"
#include "run/episode.h"
#include "run/fingerprint.h"
#include "run/inner.h"
#include "run/launch.h"
#include "run/meta_part.h"
#include "run/origin.h"
#include "run/splits.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- fixed sections ----------------------------------------------------------------------- */

static const char *const kernel_choices[] = {"auto", "openblas", "avx512", "avx2", "sse2", NULL};
static const char *const on_nan_choices[] = {"stop", "skip_task", "rollback", NULL};
static const char *const precision_choices[] = {"float", "bf16", NULL};
static const char *const norm_choices[] = {"transductive", "support", NULL};

#define RUN struct mn__run_options
static const struct mn_opt run_opts[] = {
    MN_TEXT(RUN, name, "run", "name of the run; its folder is runs/NAME-N unless --out is given"),
    MN_INT(RUN, seed, 1, 0, 9007199254740992.0, "fixes everything random"),
    MN_TEXT(RUN, executor, "auto",
            "who works on tasks: threads of this process, or also those of others, connected by a "
            "plugin: mpi; auto = mpi where mpirun or srun started several processes"),
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
    MN_CHOICE(RUN, on_nan, MN__ON_NAN_STOP, on_nan_choices,
              "what to do when a task of meta-training is not finite"),
    MN_REAL(
        RUN, max_loss, 1e4, 0, 1e30,
        "a loss of meta-training above it counts as not finite; 0 = any that is finite will do"),
    MN_INT(RUN, rollbacks, 3, 0, MN__MOST_ROLLBACKS,
           "how often on_nan: rollback goes back at most"),
    MN_BOOL(RUN, log_steps, 0, "loss and accuracy of every task step to steps.csv"),
    MN_CHOICE(RUN, kernels, 0, kernel_choices, "which kernels compute"),
    MN_CHOICE(RUN, precision, 0, precision_choices,
              "operands of convolutions: float, or rounded to bfloat16, with sums in float; that "
              "needs AVX512_BF16"),
    MN_REAL(RUN, alpha_std, 1e-3, 0, 1e3, "standard deviation of the initial logits"),
    MN_BOOL(RUN, prune_meta, 1,
            "at every validation cut candidates of the meta-architecture under meta_threshold"),
    MN_REAL(RUN, meta_threshold, 0.01, 0, 1,
            "mixture weight at the final temperature under which prune_meta cuts"),
};

#define TASK struct mn__task_options
static const struct mn_opt task_opts[] = {
    MN_INT(TASK, ways, 5, 2, 10000, "classes of a task"),
    MN_INT(TASK, shots, 1, 1, 10000, "support images a class in evaluation"),
    MN_INT(TASK, queries, 1, 1, 10000, "query images a class in evaluation"),
    MN_INT(TASK, train_shots, 0, 0, 10000, "support images a class in meta-training; 0 = as shots"),
    MN_INT(TASK, train_queries, 0, 0, 10000,
           "query images a class in meta-training; 0 = as queries"),
};

#define EVALUATION struct mn__evaluation_options
static const struct mn_opt evaluation_opts[] = {
    MN_INT(EVALUATION, tasks, 600, 1, 1e7, "test tasks of metanas test"),
    MN_INT(EVALUATION, validation_tasks, 100, 1, 1e7, "validation tasks every eval_every"),
    MN_CHOICE(EVALUATION, batch_norm, 0, norm_choices,
              "statistics for query images: of the whole query batch, or of the support set"),
};

const char *mn__batch_norm_name(const struct mn__experiment *e) {
    return norm_choices[e->evaluation.batch_norm];
}

static const struct {
    const char *name;
    struct mn__options options;
} sections[] = {
#define SECTION(name, table)                                                                       \
    {                                                                                              \
        name, {                                                                                    \
            table, sizeof table / sizeof table[0], sizeof table[0]                                 \
        }                                                                                          \
    }
    SECTION("run", run_opts),
    SECTION("task", task_opts),
    SECTION("evaluation", evaluation_opts),
};

const struct mn__options *mn__experiment_section(const char *name) {
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
    {MN_DATASET, "glyphs", offsetof(struct mn__experiment, dataset)},
    {MN_SEARCH_SPACE, "darts", offsetof(struct mn__experiment, search_space)},
    {MN_OP_MIXER, "soft_prune", offsetof(struct mn__experiment, op_mixer)},
    {MN_INPUT_MIXER, "soft_prune", offsetof(struct mn__experiment, input_mixer)},
    {MN_TASK_LEARNER, "darts", offsetof(struct mn__experiment, task_learner)},
    {MN_META_LEARNER, "reptile", offsetof(struct mn__experiment, meta_learner)},
    {MN_META_LEARNER, "reptile", offsetof(struct mn__experiment, meta_architecture)},
};
_Static_assert(sizeof units / sizeof units[0] == MN__UNITS, "one entry a unit");

enum { META_WEIGHTS = MN__UNITS - 2, META_ARCHITECTURE };

struct mn__instance *mn__experiment_unit(const struct mn__experiment *e, int i) {
    return (struct mn__instance *)((char *)(uintptr_t)e + units[i].offset);
}

int mn__experiment_units(const struct mn__experiment *e) {
    return e->n_meta > 1 ? MN__UNITS : MN__UNITS - 1;
}

const char *mn__experiment_unit_section(const struct mn__experiment *e, int i) {
    return i >= META_WEIGHTS ? e->meta[i - META_WEIGHTS].section : mn__kind_name(units[i].kind);
}

static struct mn__yaml *unit_section(const struct mn__experiment *e, int i) {
    struct mn__yaml *section = mn__yaml_get(e->root, mn__kind_name(units[i].kind));
    if (i < META_WEIGHTS || e->n_meta == 1) {
        return section;
    }
    return mn__yaml_get(section, mn__meta_part_key(i - META_WEIGHTS));
}

enum { SECTIONS = 10 };

/* Names of the sections that a configuration has. */
static void section_names(const char *out[SECTIONS]) {
    size_t n = 0;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        out[n++] = sections[i].name;
    }
    for (int i = 0; i < MN__SECTIONS; i++) {
        out[n++] = mn__kind_name(units[i].kind);
    }
    out[n] = "operations";
    _Static_assert(sizeof sections / sizeof sections[0] + MN__SECTIONS + 1 == SECTIONS,
                   "every section is listed");
}

int mn__experiment_has_section(const char *name) {
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
static int is_sweep(const struct mn__yaml *root) {
    return mn__yaml_get(root, "base") != NULL &&
           (mn__yaml_get(root, "axes") != NULL || mn__yaml_get(root, "seeds") != NULL);
}

static void check_sections(struct mn__experiment *e, struct mn__faults *faults) {
    const char *names[SECTIONS];
    if (is_sweep(e->root)) {
        mn__fault_add(faults, mn__yaml_get(e->root, "base")->key_mark,
                      "a sweep, which 'metanas sweep' takes; a configuration has sections");
        return;
    }
    section_names(names);
    for (const struct mn__yaml *node = e->root->first; node != NULL; node = node->next) {
        if (mn__experiment_has_section(node->key)) {
            continue;
        }
        char all[256], hint[256];
        mn__fault_add(faults, node->key_mark, "unknown section '%s'%s", node->key,
                      mn__text_hint(mn__text_nearest(node->key, names, SECTIONS),
                                    list_sections(names, all, sizeof all), hint, sizeof hint));
    }
}

static void bind_sections(struct mn__experiment *e, struct mn__faults *faults) {
    void *const to[] = {&e->run, &e->task, &e->evaluation};
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        mn__schema_bind(&e->arena, &sections[i].options, mn__yaml_get(e->root, sections[i].name),
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

static void check_name(const struct mn__experiment *e, const struct mn__yaml *run,
                       struct mn__faults *faults) {
    const struct mn__yaml *node = mn__yaml_get(run, "name");
    if (!is_folder_name(e->run.name)) {
        mn__fault_add(faults, node != NULL ? node->mark : (struct mn__mark){e->config_file, 0, 0},
                      "run: name: expected a name of 1 to 200 bytes, without / and control "
                      "characters, not . or ..; where the run is written is said by --out");
    }
}

/* A run that was interrupted goes back as far as one that was not only if a checkpoint of its
 * schedule is there beside the newest. */
static void check_run(const struct mn__experiment *e, struct mn__faults *faults) {
    const struct mn__yaml *run = mn__yaml_get(e->root, "run");
    const struct mn__yaml *node = mn__yaml_get(run, "keep_checkpoints");
    check_name(e, run, faults);
    if (e->run.on_nan == MN__ON_NAN_ROLLBACK && e->run.keep_checkpoints < 2) {
        mn__fault_add(faults, node != NULL ? node->mark : (struct mn__mark){e->config_file, 0, 0},
                      "run: keep_checkpoints: on_nan: rollback needs 2 or more");
    }
}

static int init_units(struct mn__experiment *e, struct mn_cx *cx, struct mn__faults *faults) {
    const struct mn__yaml *meta = mn__yaml_get(e->root, mn__kind_name(MN_META_LEARNER));
    mn__meta_parts_begin(e, meta, faults);
    for (int i = 0; i < mn__experiment_units(e); i++) {
        struct mn__yaml *section = unit_section(e, i);
        if (section != NULL && section->kind == MN__YAML_SCALAR) {
            mn__fault_add(faults, section->mark,
                          "%s: expected a section; to choose a plugin write %s: {use: NAME}",
                          section->key, section->key);
            continue;
        }
        const int status =
            mn__instance_init(mn__experiment_unit(e, i), cx, e->registry, units[i].kind,
                              mn__experiment_unit_section(e, i), section, units[i].default_use,
                              (struct mn__mark){e->config_file, 0, 0}, faults);
        if (status != MN_OK) {
            return status; /* no fault of the configuration; a later unit would clear its message */
        }
    }
    const int status = mn__operations_init(&e->operations, cx, e->registry,
                                           mn__yaml_get(e->root, "operations"), faults);
    return status != MN_OK || faults->count > 0 ? status : mn__meta_parts_join(e, cx);
}

/* ---- configuration ------------------------------------------------------------------------ */

/* A search space has no size of its own; this is the paper's network. */
static const char default_space[] = "search_space={use: darts, channels: 28}";

/* A section of two meta learners has no unit of its own. */
static const char *default_use(const char *section, const struct mn__yaml *map) {
    const int kind =
        mn__kind_from(strncmp(section, "meta_learner.", 13) == 0 ? "meta_learner" : section);
    if (kind == MN_META_LEARNER && mn__meta_parts_apart(map)) {
        return NULL;
    }
    for (int i = 0; i < MN__UNITS; i++) {
        if (units[i].kind == kind) {
            return units[i].default_use;
        }
    }
    return NULL;
}

static int read_config(struct mn__experiment *e, const struct mn__open *open,
                       struct mn__faults *faults) {
    e->config_file = mn__arena_text(&e->arena, open->config);
    if (e->config_file != NULL) {
        e->root = open->text == NULL ? mn__yaml_read(&e->arena, open->config, faults)
                                     : mn__yaml_parse(&e->arena, open->config, open->text,
                                                      strlen(open->text), faults);
    }
    if (e->root == NULL) {
        return 0;
    }
    if (e->root->first == NULL && faults->count == 0) {
        mn__fault_add(faults, e->root->mark,
                      "the configuration is empty; its sections are listed by 'metanas help', and "
                      "configs/quickstart.yaml is one to begin with");
        return 0;
    }
    mn__override_begin(e->root);
    for (int i = 0; i < open->n_assignments; i++) {
        mn__override_assign(&e->arena, e->root, &open->assignments[i], faults);
    }
    mn__override_end(&e->arena, e->root, default_use, faults);
    mn__override_begin(e->root);
    for (int i = 0; open->sets != NULL && open->sets[i] != NULL; i++) {
        mn__override_apply(&e->arena, e->root, open->sets[i],
                           open->set_arguments != NULL ? open->set_arguments[i] : i + 1, faults);
    }
    mn__override_end(&e->arena, e->root, default_use, faults);
    if (mn__yaml_get(e->root, mn__kind_name(MN_SEARCH_SPACE)) == NULL) {
        mn__override_apply(&e->arena, e->root, default_space, 0, faults);
    }
    return 1;
}

/* The most specific failure wins: a plugin that cannot be loaded, else the faults' count. */
static int conclude(struct mn__experiment *e, struct mn_cx *cx, const struct mn__open *open,
                    const struct mn__faults *faults, int status) {
    mn__faults_print(faults, open->faults != NULL ? open->faults : stderr);
    if (open->n_faults != NULL) {
        *open->n_faults = faults->count;
    }
    if (status != MN_OK) {
        return status;
    }
    if (faults->count > 0) {
        if (mn__cancel_signal() != 0) { /* a file could not be read for that */
            return mn_fail(cx, MN_CANCELLED, "stopped by the user");
        }
        const int unreadable = e->root == NULL && faults->first != NULL &&
                               faults->first->mark.line == 0 &&
                               strncmp(faults->first->text, "cannot read", 11) == 0;
        return mn_fail(cx, unreadable ? MN_IO : MN_CONFIG, "%s: %d fault%s; nothing was run",
                       open->config, faults->count, mn__text_s(faults->count));
    }
    return MN_OK;
}

static int configure(struct mn__experiment *e, struct mn_cx *cx, const struct mn__open *open) {
    struct mn__faults faults = {.arena = &e->arena};
    int status = MN_OK;
    if (read_config(e, open, &faults)) {
        check_sections(e, &faults);
        bind_sections(e, &faults);
        check_run(e, &faults);
        status = mn__registry_new(cx, open->plugin_dirs, &e->registry);
        if (status == MN_OK) {
            status = init_units(e, cx, &faults);
        }
    } else if (faults.count == 0) {
        status = mn_fail(cx, MN_NOMEM, "%s: no memory to read it", open->config);
    }
    return conclude(e, cx, open, &faults, status);
}

/* ---- data --------------------------------------------------------------------------------- */

static void place_of(const struct mn__experiment *e, const char *section, const char *key,
                     char *out, size_t size) {
    const struct mn__yaml *node = mn__yaml_get(mn__yaml_get(e->root, section), key);
    mn__mark_text(node != NULL ? node->mark : (struct mn__mark){0}, out, size);
}

static const char *const split_names[] = {"training", "validation", "test"};

static int check_split(struct mn__experiment *e, struct mn_cx *cx, int split) {
    char place[512];
    const int train = split == MN_TRAIN;
    const int64_t support = train && e->task.train_shots > 0 ? e->task.train_shots : e->task.shots;
    const int64_t query =
        train && e->task.train_queries > 0 ? e->task.train_queries : e->task.queries;
    if (e->data.n_classes[split] < e->task.ways) {
        place_of(e, "task", "ways", place, sizeof place);
        return mn_fail(
            cx, MN_CONFIG,
            "%stask: ways: %" PRId64 " classes a task, but %s has only %" PRId64 " %s classes",
            place, e->task.ways, e->dataset.label, e->data.n_classes[split], split_names[split]);
    }
    if (e->data.min_samples[split] < support + query) {
        place_of(e, "task", train && e->task.train_shots > 0 ? "train_shots" : "shots", place,
                 sizeof place);
        return mn_fail(cx, MN_CONFIG,
                       "%stask: %" PRId64 " support and %" PRId64
                       " query images a class, but the smallest %s class of %s has only %" PRId64,
                       place, support, query, split_names[split], e->dataset.label,
                       e->data.min_samples[split]);
    }
    return MN_OK;
}

static int check_splits(struct mn__experiment *e, struct mn_cx *cx) {
    int status = MN_OK;
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        status = check_split(e, cx, split);
    }
    return status;
}

static int open_data(struct mn__experiment *e, struct mn_cx *cx) {
    const struct mn_dataset *table = &e->dataset.table.dataset;
    cx->where.seed = (uint64_t)e->run.seed;
    struct mn__call call = mn__call_begin(cx, &e->dataset);
    int status = mn__call_end(&call, table->start(e->dataset.self, cx));
    if (status != MN_OK) {
        return status;
    }
    e->dataset.started = 1;
    e->data.size = sizeof e->data;
    call = mn__call_begin(cx, &e->dataset);
    status = mn__call_end(&call, table->describe(e->dataset.self, cx, &e->data));
    if (status == MN_OK) {
        status = mn__declared_data(e, cx);
    }
    if (status == MN_OK) {
        status = check_splits(e, cx);
    }
    return status != MN_OK ? status : mn__splits_compare(e, cx);
}

static void shape_data(struct mn__experiment *e, const int *shape) {
    e->data = (struct mn_dataset_info){
        .size = sizeof e->data, .channels = shape[0], .height = shape[1], .width = shape[2]};
}

/* ---- model -------------------------------------------------------------------------------- */

/* The largest batch that any pass of the run can ask for. */
static int64_t plan_batch(const struct mn__experiment *e, int64_t at_least) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn__task_options *t = &e->task;
    const int64_t support = t->ways * most(t->shots, t->train_shots);
    const int64_t learner = table->max_batch != NULL ? table->max_batch(e->task_learner.self) : 0;
    int64_t n = most(at_least, learner > 0 ? learner : most(support, -learner));
    n = most(n, t->ways * most(t->queries, t->train_queries));
    return e->evaluation.batch_norm == MN__SUPPORT ? most(n, t->ways * t->shots) : n;
}

static int build_network(struct mn__experiment *e, struct mn_cx *cx) {
    const struct mn_dims dims = {.size = sizeof dims,
                                 .ways = (int32_t)e->task.ways,
                                 .channels = e->data.channels,
                                 .height = e->data.height,
                                 .width = e->data.width,
                                 .max_batch = (int32_t)e->max_batch};
    const int status = mn__model_fit(cx, &e->search_space, &e->op_mixer, &e->input_mixer,
                                     &e->operations, &dims, &e->fit);
    return status != MN_OK ? status
                           : mn__model_new(cx, &e->search_space, &e->op_mixer, &e->input_mixer,
                                           &e->operations, &dims, e->kernels, &e->model);
}

/* Products in bfloat16 have a table of their own, which is otherwise that of avx512. */
static int find_reduced(struct mn__experiment *e, struct mn_cx *cx) {
    const char *name = kernel_choices[e->run.kernels];
    char place[512];
    place_of(e, "run", "precision", place, sizeof place);
    if (strcmp(name, "auto") != 0 && strcmp(name, "avx512") != 0) {
        return mn_fail(cx, MN_CONFIG,
                       "%srun: precision: bf16 goes with kernels auto or avx512, not %s", place,
                       name);
    }
    e->kernels = mn__kernels_find("bf16");
    return e->kernels != NULL
               ? MN_OK
               : mn_fail(cx, MN_UNSUPPORTED,
                         "%srun: precision: this processor or build has no products of bfloat16 "
                         "numbers (AVX512_BF16); use float",
                         place);
}

static int find_kernels(struct mn__experiment *e, struct mn_cx *cx) {
    const char *name = kernel_choices[e->run.kernels];
    char place[512];
    if (e->run.precision == MN__BF16) {
        return find_reduced(e, cx);
    }
    e->kernels = mn__kernels_find(name);
    place_of(e, "run", "kernels", place, sizeof place);
    return e->kernels != NULL
               ? MN_OK
               : mn_fail(cx, MN_UNSUPPORTED, "%srun: kernels: this processor has no %s; use auto",
                         place, name);
}

static int build_model(struct mn__experiment *e, struct mn_cx *cx, int64_t at_least) {
    int status = find_kernels(e, cx);
    if (status == MN_OK) {
        status = mn__declared_units(e, cx);
    }
    e->max_batch = plan_batch(e, at_least);
    if (status == MN_OK && e->max_batch > MN__MOST_BATCH) {
        status = mn_fail(cx, MN_CONFIG, "task: a batch of %" PRId64 " images is too large",
                         e->max_batch);
    }
    if (status == MN_OK) {
        status = build_network(e, cx);
    }
    if (status != MN_OK) {
        return status;
    }
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn_dims *dims = mn__model_dims(e->model);
    e->n_state = table->n_state != NULL ? table->n_state(e->task_learner.self, dims) : 0;
    e->moments = table->moments != NULL ? table->moments(e->task_learner.self) : MN_MOMENTS_AVERAGE;
    status = mn__declared_state(e, cx);
    return status != MN_OK ? status : mn__meta_parts_size(e, cx);
}

int mn__experiment_widen(struct mn__experiment *e, struct mn_cx *cx, int64_t n) {
    if (e->max_batch >= n) {
        return MN_OK;
    }
    mn__model_free(e->model);
    e->model = NULL;
    return build_model(e, cx, n);
}

int mn__experiment_open(struct mn__experiment *e, struct mn_cx *cx, const struct mn__open *open) {
    memset(e, 0, sizeof *e);
    int status = configure(e, cx, open);
    if (status == MN_OK) {
        if ((open->flags & MN__OPEN_NO_DATA) == 0) {
            status = open_data(e, cx);
        } else if (open->data != NULL) {
            e->data = *open->data;
            status = check_splits(e, cx);
        } else if (open->shape != NULL) {
            shape_data(e, open->shape);
        } else {
            return MN_OK; /* without a shape there is no model */
        }
    }
    if (status == MN_OK) {
        status = build_model(e, cx, open->max_batch);
    }
    if (status == MN_OK && e->dataset.started) {
        status = mn__fingerprint_note(e, cx);
    }
    if (status == MN_OK) {
        status = mn__origin_note(e, cx);
    }
    if (status != MN_OK) {
        mn__experiment_close(e);
    }
    return status;
}

void mn__experiment_close(struct mn__experiment *e) {
    mn__model_free(e->model);
    for (int i = 0; i < MN__UNITS; i++) {
        mn__instance_fini(mn__experiment_unit(e, i));
    }
    mn__operations_fini(&e->operations);
    mn__registry_free(e->registry);
    mn__arena_fini(&e->arena);
    memset(e, 0, sizeof *e);
}

int mn__experiment_threads(const struct mn__experiment *e, int processors) {
    const int64_t asked = e->run.workers > 0 ? e->run.workers : processors;
    const int64_t tasks =
        most(e->run.tasks_per_batch, most(e->evaluation.validation_tasks, e->evaluation.tasks));
    return (int)(asked < tasks ? asked : tasks);
}

int mn__experiment_workers(const struct mn__experiment *e) {
    return mn__experiment_threads(e, mn__launch_processors());
}

void mn__core_install(void) {
    struct mn_host *host = mn__host_table();
    mn__instance_install(host);
    mn__model_install(host);
    mn__episode_install(host);
    mn__inner_install(host);
    mn__state_install(host);
}

/* ---- writing ------------------------------------------------------------------------------ */

static void write_instance(const struct mn__instance *x, int indent, FILE *out) {
    const struct mn__unit *u = &x->unit;
    if (strcmp(u->plugin->name, u->unit->name) == 0) {
        fprintf(out, "%*suse: %s", indent, "", u->unit->name);
    } else {
        fprintf(out, "%*suse: %s/%s", indent, "", u->plugin->name, u->unit->name);
    }
    fprintf(out, " # %s %s\n", u->plugin->name, u->plugin->version);
    mn__schema_write(&u->options, x->self, indent, out);
}

static void write_unit(const struct mn__experiment *e, int i, FILE *out) {
    int indent = 2;
    if (i != META_ARCHITECTURE) {
        fprintf(out, "%s:\n", mn__kind_name(units[i].kind));
    }
    if (i >= META_WEIGHTS && e->n_meta > 1) {
        fprintf(out, "  %s:\n", mn__meta_part_key(i - META_WEIGHTS));
        indent = 4;
    }
    write_instance(mn__experiment_unit(e, i), indent, out);
}

/* Also those that the search space named without the section. */
static void write_operations(const struct mn__experiment *e, FILE *out) {
    const char *name;
    const struct mn__instance *x;
    for (int i = 0; (x = mn__operations_at(&e->operations, i, &name)) != NULL; i++) {
        fprintf(out, "%s  %s:\n", i == 0 ? "operations:\n" : "", name);
        write_instance(x, 4, out);
    }
}

int mn__experiment_write_config(const struct mn__experiment *e, FILE *out) {
    const void *const from[] = {&e->run, &e->task, &e->evaluation};
    fprintf(out, "# Resolved configuration of metanas %s: running it again repeats the run.\n",
            MN__VERSION);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        fprintf(out, "%s:\n", sections[i].name);
        mn__schema_write(&sections[i].options, from[i], 2, out);
    }
    for (int i = 0; i < mn__experiment_units(e); i++) {
        write_unit(e, i, out);
    }
    write_operations(e, out);
    return ferror(out) ? MN_IO : MN_OK;
}
