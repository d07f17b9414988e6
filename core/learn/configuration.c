/* SPDX-License-Identifier: MIT */
#include "learn/configuration.h"

#include "backend/cpu/kernels/kernel.h"
#include "base/text.h"
#include "config/renamed.h"
#include "learn/meta_part.h"
#include "learn/task.h"

#include <string.h>

/* ---- fixed sections ----------------------------------------------------------------------- */

static const char *const on_nan_choices[] = {"stop", "skip_task", "rollback", NULL};
static const char *const precision_choices[] = {"float", "bf16", NULL};
static const char *const sampling_choices[] = {"with_replacement", "without_replacement", NULL};
const char *const nas_split_names[] = {"train", "val", "test", NULL};
const char *const nas_batch_norm_names[] = {"transductive", "support", NULL};

#define RUN(type, key, ...) MN_##type(struct nas_run_options, key, __VA_ARGS__),
static const struct mn_opt run_opts[] = {
#include "learn/options.def"
};

#define TASK(type, key, ...) MN_##type(struct nas_task_options, key, __VA_ARGS__),
static const struct mn_opt task_opts[] = {
#include "learn/options.def"
};

#define EVALUATION(type, key, ...) MN_##type(struct nas_evaluation_options, key, __VA_ARGS__),
static const struct mn_opt evaluation_opts[] = {
#include "learn/options.def"
};

const char *nas_batch_norm_name(const struct nas_experiment *e) {
    return nas_batch_norm_names[e->evaluation.batch_norm];
}

const char *nas_sampling_name(enum nas_sampling sampling) {
    return sampling_choices[sampling];
}

static const struct {
    const char *name;
    struct nas_options options;
    size_t offset;
} sections[] = {
#define FIXED(name)                                                                                \
    {                                                                                              \
#name, {name##_opts, sizeof name##_opts / sizeof name##_opts[0] },                         \
                                 offsetof(struct nas_experiment, name)                             \
    }
    FIXED(run),
    FIXED(task),
    FIXED(evaluation),
};
enum { FIXED_SECTIONS = sizeof sections / sizeof sections[0] };

/* The bound options of a fixed section. */
static void *section_at(const struct nas_experiment *e, int i) {
    return (char *)(uintptr_t)e + sections[i].offset;
}

const struct nas_options *nas_configuration_section(const char *name) {
    for (int i = 0; i < FIXED_SECTIONS; i++) {
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

struct nas_instance *nas_configuration_unit(const struct nas_experiment *e, int i) {
    return (struct nas_instance *)((char *)(uintptr_t)e + units[i].offset);
}

int nas_configuration_units(const struct nas_experiment *e) {
    return e->n_meta > 1 ? NAS_UNITS : NAS_UNITS - 1;
}

const char *nas_configuration_unit_section(const struct nas_experiment *e, int i) {
    return i >= META_WEIGHTS ? e->meta[i - META_WEIGHTS].section : nas_kind_name(units[i].kind);
}

enum { SECTIONS = FIXED_SECTIONS + NAS_SECTIONS + 2 };

/* Names of the sections that a configuration has. */
static void section_names(const char *out[SECTIONS]) {
    size_t n = 0;
    for (int i = 0; i < FIXED_SECTIONS; i++) {
        out[n++] = sections[i].name;
    }
    for (int i = 0; i < NAS_SECTIONS; i++) {
        out[n++] = nas_kind_name(units[i].kind);
    }
    out[n++] = "operations";
    out[n] = "genotype";
}

int nas_configuration_has_section(const char *name) {
    const char *names[SECTIONS];
    section_names(names);
    for (int i = 0; i < SECTIONS; i++) {
        if (strcmp(names[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

static void check_sections(const struct nas_experiment *e, struct nas_faults *faults) {
    const char *names[SECTIONS];
    char all[256] = "; sections are ", hint[256];
    /* A sweep has a base and, for most, axes or seeds. */
    if (nas_yaml_get(e->root, "base") != NULL &&
        (nas_yaml_get(e->root, "axes") != NULL || nas_yaml_get(e->root, "seeds") != NULL)) {
        nas_fault_add(faults, nas_yaml_get(e->root, "base")->key_mark,
                      "a sweep, which 'metanas sweep' takes; a configuration has sections");
        return;
    }
    section_names(names);
    for (int i = 0; i < SECTIONS; i++) {
        const size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    for (const struct nas_yaml *node = e->root->first; node != NULL; node = node->next) {
        if (!nas_configuration_has_section(node->key)) {
            nas_fault_add(faults, node->key_mark, "unknown section '%s'%s", node->key,
                          nas_text_hint(nas_text_nearest(node->key, names, SECTIONS), all, hint,
                                        sizeof hint));
        }
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

static void check_run(const struct nas_experiment *e, struct nas_faults *faults) {
    const struct nas_yaml *run = nas_yaml_get(e->root, "run");
    const struct nas_yaml *name = nas_yaml_get(run, "name");
    const struct nas_yaml *keep = nas_yaml_get(run, "keep_checkpoints");
    const struct nas_mark nowhere = {e->config_file, 0, 0};
    if (!is_folder_name(e->run.name)) {
        nas_fault_add(faults, name != NULL ? name->mark : nowhere,
                      "run: name: expected a name of 1 to 200 bytes, without / and control "
                      "characters, not . or ..; where the run is written is said by --out");
    }
    for (int64_t i = 1; i < e->run.shrink.n; i++) {
        if (e->run.shrink.at[i] >= e->run.shrink.at[i - 1]) {
            nas_fault_add(faults, nas_yaml_get(run, "shrink")->mark,
                          "run: shrink: the numbers must fall");
            break;
        }
    }
    /* A run that was interrupted goes back as far as one that was not only if a checkpoint of its
     * schedule is there beside the newest. */
    if (e->run.on_nan == NAS_ON_NAN_ROLLBACK && e->run.keep_checkpoints < 2) {
        nas_fault_add(faults, keep != NULL ? keep->mark : nowhere,
                      "run: keep_checkpoints: on_nan: rollback needs 2 or more");
    }
}

static int init_units(struct nas_experiment *e, struct mn_ctx *ctx, struct nas_faults *faults) {
    nas_meta_parts_begin(e, nas_yaml_get(e->root, nas_kind_name(MN_META_LEARNER)), faults);
    for (int i = 0; i < nas_configuration_units(e); i++) {
        struct nas_yaml *section = nas_yaml_get(e->root, nas_kind_name(units[i].kind));
        if (i >= META_WEIGHTS && e->n_meta > 1) {
            section = nas_yaml_get(section, nas_meta_part_key(i - META_WEIGHTS));
        }
        if (section != NULL && section->kind == NAS_YAML_SCALAR) {
            nas_fault_add(faults, section->mark,
                          "%s: expected a section; to choose a plugin write %s: {use: NAME}",
                          section->key, section->key);
            continue;
        }
        /* Where it fails it is no fault of the configuration, and a later unit would clear its
         * message. */
        TRY(nas_instance_bind(nas_configuration_unit(e, i), ctx, e->registry, units[i].kind,
                              nas_configuration_unit_section(e, i), section, units[i].default_use,
                              (struct nas_mark){e->config_file, 0, 0}, faults));
    }
    struct nas_scope scope = {.e = e}; /* all are bound: they see each other by mn_configured */
    int status = MN_OK;
    nas_ctx_of(ctx)->scope = &scope;
    for (int i = 0; status == MN_OK && i < nas_configuration_units(e); i++) {
        status = nas_instance_check(nas_configuration_unit(e, i), ctx, faults);
    }
    nas_ctx_of(ctx)->scope = NULL;
    TRY(status);
    TRY(nas_operations_init(&e->operations, ctx, e->registry, nas_yaml_get(e->root, "operations"),
                            faults));
    TRY(nas_fixed_read(&e->fixed, ctx, &e->arena, nas_yaml_get(e->root, "genotype"), faults));
    return faults->count > 0 ? MN_OK : nas_meta_parts_join(e, ctx);
}

/* What follows "NAME." in a key; NULL where it begins otherwise. */
static const char *within(const char *key, const char *name) {
    const size_t n = strlen(name);
    return strncmp(key, name, n) == 0 && key[n] == '.' ? key + n + 1 : NULL;
}

const char *nas_service_configured(struct mn_ctx *ctx, const char *key) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    const struct nas_experiment *e = scope != NULL ? scope->e : NULL;
    struct nas_arena *scratch = &nas_ctx_of(ctx)->scratch;
    if (e == NULL) {
        return NULL;
    }
    for (int i = 0; i < FIXED_SECTIONS; i++) {
        const char *rest = within(key, sections[i].name);
        if (rest != NULL) {
            return nas_schema_value(&sections[i].options, section_at(e, i), rest, scratch);
        }
    }
    for (int i = 0; i < nas_configuration_units(e); i++) {
        const char *rest = within(key, nas_configuration_unit_section(e, i));
        const struct nas_instance *x = nas_instance_innermost(nas_configuration_unit(e, i));
        if (rest != NULL && x->bound) {
            return strcmp(rest, "use") == 0
                       ? x->unit.unit->name
                       : nas_schema_value(&x->unit.options, x->self, rest, scratch);
        }
    }
    return NULL;
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
int nas_configuration_read(struct nas_experiment *e, struct mn_ctx *ctx,
                           const struct nas_open *open) {
    struct nas_faults faults = {.arena = &e->arena};
    int status = MN_OK;
    if (read_config(e, open, &faults)) {
        check_sections(e, &faults);
        for (int i = 0; i < FIXED_SECTIONS; i++) {
            nas_schema_bind(&e->arena, &sections[i].options,
                            nas_yaml_get(e->root, sections[i].name), NULL, sections[i].name,
                            section_at(e, i), &faults);
        }
        check_run(e, &faults);
        status = nas_registry_new(ctx, open->plugin_dirs, &e->registry);
        if (status == MN_OK) {
            status = init_units(e, ctx, &faults);
        }
    } else if (faults.count == 0) {
        status = mn_fail(ctx, MN_NOMEM, "%s: no memory to read it", open->config);
    }
    nas_faults_print(&faults, open->faults != NULL ? open->faults : stderr);
    if (open->n_faults != NULL) {
        *open->n_faults = faults.count;
    }
    if (status != MN_OK || faults.count == 0) {
        return status;
    }
    if (nas_cancel_signal() != 0) { /* a file could not be read for that */
        return mn_fail(ctx, MN_CANCELLED, "stopped by the user");
    }
    return mn_fail(ctx, e->root == NULL && faults.unreadable ? MN_IO : MN_CONFIG,
                   "%s: %d fault%s; nothing was run", open->config, faults.count,
                   nas_text_s(faults.count));
}

/* ---- writing ------------------------------------------------------------------------------ */

/* All options but those with one of the flags `without`. */
static int write_options(const struct nas_experiment *e, const struct nas_task_options *task,
                         uint32_t without, FILE *out) {
    const struct nas_instance *operation;
    const char *name;
    for (int i = 0; i < FIXED_SECTIONS; i++) {
        fprintf(out, "%s:\n", sections[i].name);
        const void *from = section_at(e, i);
        nas_schema_write_without(&sections[i].options, from == &e->task ? task : from, without, 2,
                                 out);
    }
    for (int i = 0; i < nas_configuration_units(e); i++) {
        const int part = i >= META_WEIGHTS && e->n_meta > 1; /* of section meta_learner */
        if (i != META_ARCHITECTURE) {
            fprintf(out, "%s:\n", nas_kind_name(units[i].kind));
        }
        if (part) {
            fprintf(out, "  %s:\n", nas_meta_part_key(i - META_WEIGHTS));
        }
        nas_instance_write(nas_configuration_unit(e, i), without, part ? 4 : 2, out);
    }
    /* also those that the search space named without the section */
    for (int i = 0; (operation = nas_operations_at(&e->operations, i, &name)) != NULL; i++) {
        fprintf(out, "%s  %s:\n", i == 0 ? "operations:\n" : "", name);
        nas_instance_write(operation, without, 4, out);
    }
    nas_fixed_write(&e->fixed, out);
    return ferror(out) ? MN_IO : MN_OK;
}

int nas_configuration_write(const struct nas_experiment *e, FILE *out) {
    fprintf(out, "# Resolved configuration of metanas %s: running it again repeats the run.\n",
            NAS_VERSION);
    return write_options(e, &e->task, 0, out);
}

int nas_configuration_write_training(const struct nas_experiment *e, FILE *out) {
    struct nas_task_options task = e->task;
    const struct mn_episode_spec train = nas_episode_spec(e, MN_TRAIN);
    task.train_shots = train.support;
    task.train_queries = train.query;
    task.shots = task.queries = 1;
    return write_options(e, &task, MN_OPT_EVALUATION, out);
}
