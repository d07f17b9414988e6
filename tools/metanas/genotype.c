/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/text.h"
#include "draw.h"
#include "genotypes.h"
#include "learn/task.h"
#include "rundir.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct genotype_flags {
    bool most_frequent, meta, dot;
    int64_t task; /* -1 = none */
    const char *state, *svg;
};

/* The genotype asked for: its line, and where it comes from. */
struct chosen {
    const char *text, *origin;
};

static int nothing_searched(struct mn_ctx *ctx, const char *dir) {
    return mn_fail(ctx, MN_UNSUPPORTED,
                   "%s: nothing is searched in this run; its network is the one that "
                   "%s/config.resolved.yaml describes",
                   dir, dir);
}

/* ---- the most frequent one of the last test ----------------------------------------------- */

static int most_frequent(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir,
                         struct chosen *out) {
    struct genotypes genotypes = {0};
    json_t *test = NULL;
    const char *path;
    int status = rundir_file(ctx, arena, dir, "test.json", &path);
    if (status == MN_OK) {
        status = rundir_json(ctx, path, &test);
    }
    if (status == MN_OK) {
        status = genotypes_read(ctx, path, test, &genotypes);
    }
    if (status == MN_OK && genotypes.n == 0) {
        status = nothing_searched(ctx, dir);
    }
    if (status == MN_OK) {
        out->text = nas_arena_text(arena, genotypes.at[0].text);
        const int64_t tasks = (int64_t)json_integer_value(json_object_get(test, "tasks"));
        const int64_t epochs = (int64_t)json_integer_value(json_object_get(test, "meta_epoch"));
        out->origin = nas_arena_format(arena,
                                       "The most frequent cells: those of %" PRId64 " of %" PRId64
                                       " test task%s, after %" PRId64 " meta-epoch%s.",
                                       genotypes.at[0].count, tasks, nas_text_s(tasks), epochs,
                                       nas_text_s(epochs));
        status = out->text != NULL && out->origin != NULL ? MN_OK : no_memory(ctx);
    }
    nas_arena_fini(&genotypes.arena);
    json_decref(test);
    return status;
}

/* ---- those of the meta-architecture or of a task ------------------------------------------ */

struct finding {
    const struct nas_experiment *experiment;
    const struct nas_state *state;
    uint8_t *keep;
};

static int solve_task(struct mn_ctx *ctx, const struct finding *f) {
    struct nas_solution solution = {.keep = f->keep};
    struct mn_task task;
    int status = nas_episode_sample(f->experiment, ctx, &task, NULL);
    if (status == MN_OK) {
        status =
            nas_solve(f->experiment, ctx, &f->state->meta, f->state->learner, &task, &solution);
    }
    return status;
}

/* With task < 0 the meta-architecture, pruned by the thresholds of evaluation. */
static int find(struct mn_ctx *ctx, const struct finding *f, int64_t task) {
    struct nas_workspace *workspace = NULL;
    ctx->where = (struct mn_where){.size = sizeof ctx->where,
                                   .split = MN_TEST,
                                   .seed = (uint64_t)f->experiment->run.seed,
                                   .meta_epochs = f->experiment->run.meta_epochs,
                                   .task = task < 0 ? 0 : task};
    if (task < 0) {
        return nas_model_prune(ctx, f->experiment->model, &f->state->meta, f->keep);
    }
    int status = nas_workspace_new(ctx, f->experiment->model, &workspace);
    if (status == MN_OK) {
        nas_ctx_of(ctx)->workspace = workspace;
        status = solve_task(ctx, f);
        nas_ctx_of(ctx)->workspace = NULL;
    }
    nas_workspace_free(workspace);
    return status != MN_OK ? nas_ctx_where(ctx, "test task %" PRId64, task) : MN_OK;
}

static int describe(struct mn_ctx *ctx, struct nas_arena *arena, const struct finding *f,
                    int64_t task, struct chosen *out) {
    const size_t length = nas_model_genotype(f->experiment->model, f->keep, NULL, 0);
    char *text = nas_arena_take(arena, length + 1);
    out->origin =
        task < 0 ? nas_arena_format(arena, "The meta-architecture after %" PRId64 " meta-epoch%s.",
                                    f->state->meta_epoch, nas_text_s(f->state->meta_epoch))
                 : nas_arena_format(arena, "The cells of test task %" PRId64 ".", task);
    if (text == NULL || out->origin == NULL) {
        return no_memory(ctx);
    }
    nas_model_genotype(f->experiment->model, f->keep, text, length + 1);
    out->text = text;
    return MN_OK;
}

static int of_checkpoint(struct mn_ctx *ctx, struct nas_arena *arena,
                         const struct arguments *arguments, struct chosen *out) {
    const struct genotype_flags *flags = arguments->flags;
    struct nas_experiment experiment = {0};
    struct nas_state state = {0};
    struct finding finding = {&experiment, &state, NULL};
    const struct nas_open open = {.flags = flags->task < 0 ? NAS_OPEN_NO_DATA : 0};
    int status =
        rundir_open(ctx, arguments, arguments->operand, flags->state, &open, &experiment, &state);
    if (status == MN_OK && nas_model_n_mixtures(experiment.model) == 0) {
        status = nothing_searched(ctx, arguments->operand);
    }
    if (status == MN_OK) {
        finding.keep = nas_arena_zeroed(arena, (size_t)nas_model_dims(experiment.model)->n_choices);
        status = finding.keep != NULL ? find(ctx, &finding, flags->task) : no_memory(ctx);
    }
    if (status == MN_OK) {
        status = describe(ctx, arena, &finding, flags->task, out);
    }
    nas_state_fini(&state);
    nas_experiment_close(&experiment);
    return status;
}

/* ---- the command -------------------------------------------------------------------------- */

static int write_svg(struct mn_ctx *ctx, struct nas_arena *arena, const struct cells *cells,
                     const char *path) {
    const char *svg;
    const int status = draw_cells(ctx, arena, cells, "genotype", &svg);
    return status != MN_OK ? status : nas_file_replace(ctx, path, svg, strlen(svg));
}

static int print(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                 const struct chosen *chosen) {
    const struct genotype_flags *flags = arguments->flags;
    struct cells cells;
    int status = cells_parse(ctx, arena, arguments->operand, chosen->text, &cells);
    if (status == MN_OK && flags->svg != NULL) {
        status = write_svg(ctx, arena, &cells, flags->svg);
    }
    if (status == MN_OK && flags->dot) {
        cells_write_dot(&cells, "genotype", stdout);
    } else if (status == MN_OK) {
        printf("# %s\n# A line is a node: pairs of operation and input. %s, the others the nodes "
               "before it.\n",
               chosen->origin,
               cells.n > 0 && cells.at[0].n_inputs == 1
                   ? "0 is the cell's input"
                   : "0 and 1 are the cell's inputs (0 the older)");
        cells_write_yaml(&cells, stdout);
    }
    return status;
}

static int run_genotype(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct genotype_flags *flags = arguments->flags;
    struct nas_arena arena = {0};
    struct chosen chosen = {0};
    const int ways = (flags->task >= 0) + flags->meta + flags->most_frequent;
    if (ways > 1) {
        return mn_fail(ctx, MN_CONFIG,
                       "genotype: --task, --meta and --most-frequent exclude each "
                       "other");
    }
    if (flags->task < 0 && !flags->meta && (flags->state != NULL || arguments->sets.n > 0)) {
        return mn_fail(ctx, MN_CONFIG,
                       "genotype: --%s goes with --task or --meta; the most frequent cells are "
                       "those that the last test has written down",
                       flags->state != NULL ? "state" : "set");
    }
    int status = rundir_check(ctx, arguments->operand);
    if (status == MN_OK) {
        status = flags->task >= 0 || flags->meta
                     ? of_checkpoint(ctx, &arena, arguments, &chosen)
                     : most_frequent(ctx, &arena, arguments->operand, &chosen);
    }
    if (status == MN_OK) {
        status = print(ctx, &arena, arguments, &chosen);
    }
    nas_arena_fini(&arena);
    return status;
}

#define F struct genotype_flags
static const struct mn_opt flags[] = {
    FLAG_SWITCH(F, most_frequent, "--most-frequent",
                "the cells that most tasks of the last test ended with (default)"),
    FLAG_INT(F, task, "--task", "N", -1, 0,
             "those of test task N, counted from 0: adapts to it anew"),
    FLAG_SWITCH(F, meta, "--meta", "those of the meta-architecture"),
    FLAG_TEXT(F, state, "--state", "STATE", "last (default), best (of the validations) or a file"),
    FLAG_TEXT(F, svg, "--svg", "FILE",
              "draw them into FILE as well (needs the program dot of Graphviz)"),
    FLAG_SWITCH(F, dot, "--dot", "print a Graphviz graph instead of YAML"),
};

const struct command command_genotype = {
    .name = "genotype",
    .operand = "RUN",
    .doc = "print the cells that a run found, as YAML or as a drawing",
    .more = "Section 'genotype' trains what is printed as a fixed network, whatever the search\n"
            "space: metanas genotype RUN >cells.yaml, then --set genotype=cells.yaml.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct genotype_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option: --set dataset.path=DIR (may repeat)",
    .run = run_genotype,
};
