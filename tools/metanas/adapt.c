/* SPDX-License-Identifier: MIT */
#include "extract.h"
#include "pictures.h"
#include "rundir.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "store/csv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A task of a user's pictures. */
struct adapt_flags {
    const char *support, *state, *out;
    struct mn_texts query;
    int32_t batch_norm; /* enum nas_batch_norm, -1 = not given */
};

struct adaptation {
    const struct adapt_flags *flags;
    const struct arguments *arguments;
    const struct nas_experiment *experiment;
    struct pictures support, query;
    struct class_names classes;
    struct mn_task task;
    struct nas_solution solution;
    struct cells cells; /* none where nothing is searched */
    mn_real *mixture;   /* weights of the pruned network */
    struct nas_arena arena;
};

/* ---- the task ----------------------------------------------------------------------------- */

/* Each class still has a picture to learn from. */
static int check_support(struct mn_ctx *ctx, const struct adaptation *run) {
    for (int32_t class = 0, i = 0; class < run->classes.n; class ++) {
        if (i >= run->support.n || run->support.files[i].label != class) {
            return mn_fail(ctx, MN_IO,
                           "--support: %s: none of the pictures of this class can be read",
                           run->classes.at[class]);
        }
        while (i < run->support.n && run->support.files[i].label == class) {
            i++;
        }
    }
    return MN_OK;
}

static int solve(struct mn_ctx *ctx, struct adaptation *run, const struct nas_state *state) {
    const struct nas_experiment *e = run->experiment;
    const struct mn_dims *dims = nas_model_dims(e->model);
    struct nas_solution *s = &run->solution;
    s->keep = mn_scratch(ctx, (size_t)dims->n_choices + 1);
    s->logits = mn_scratch(ctx, (size_t)run->query.n * (size_t)dims->ways * sizeof *s->logits);
    if (s->keep == NULL || s->logits == NULL) {
        return MN_NOMEM;
    }
    TRY(pictures_prepare(ctx, e, &run->support, &run->task.support));
    TRY(check_support(ctx, run));
    TRY(pictures_prepare(ctx, e, &run->query, &run->task.query));
    run->task.size = sizeof run->task;
    run->task.ways = dims->ways;
    run->task.host = e;
    return nas_solve(e, ctx, &state->meta, state->learner, &run->task, s);
}

/* The architecture, with mixture weights of the pruned network from a pass over the query set. */
static int read_cells(struct mn_ctx *ctx, struct adaptation *run) {
    const struct mn_model *model = run->experiment->model;
    const struct nas_solution *s = &run->solution;
    const size_t length = nas_model_genotype(model, s->keep, NULL, 0);
    char *text = nas_arena_take(&run->arena, length + 1);
    if (text == NULL) {
        return no_memory(ctx);
    }
    nas_model_genotype(model, s->keep, text, length + 1);
    if (length == 0) {
        return MN_OK;
    }
    run->mixture = mn_scratch(ctx, (size_t)nas_model_dims(model)->n_choices * sizeof *run->mixture);
    if (run->mixture == NULL) {
        return MN_NOMEM;
    }
    struct mn_outcome outcome = {.size = sizeof outcome, .mixture = run->mixture};
    TRY(cells_parse(ctx, &run->arena, "the architecture", text, &run->cells));
    TRY(nas_predict(run->experiment, ctx, &run->task, &s->at, s->keep, &outcome));
    return cells_weigh(ctx, &run->arena, model, run->mixture, &run->cells);
}

/* ---- printing ----------------------------------------------------------------------------- */

static int32_t best_but(int32_t n, const double *p, int32_t but) {
    int32_t top = but == 0 ? 1 : 0;
    for (int32_t i = 0; i < n; i++) {
        top = i != but && p[i] > p[top] ? i : top;
    }
    return top;
}

/* Of the columns of pictures and classes. */
struct widths {
    int picture, class;
};

static void print_picture(const struct adaptation *run, int64_t i, const double *p,
                          const struct widths *width, int64_t *known, int64_t *right) {
    const struct picture_file *file = &run->query.files[i];
    const int32_t ways = run->task.ways;
    const int32_t top = best_but(ways, p, -1);
    fputs("  ", stdout);
    nas_text_put(stdout, file->name, width->picture + 2);
    nas_text_put(stdout, run->classes.at[top], width->class);
    printf(" %5.1f%%", 100 * p[top]);
    if (ways > 1) {
        const int32_t next = best_but(ways, p, top);
        fputs("   then ", stdout);
        nas_text_put(stdout, run->classes.at[next], 0);
        printf(" %.1f%%", 100 * p[next]);
    }
    fputc('\n', stdout);
    *known += file->label >= 0;
    *right += file->label == top;
}

static void print_predictions(const struct adaptation *run, double *p) {
    int64_t known = 0, right = 0;
    struct widths width = {0, 16};
    for (int64_t i = 0; i < run->query.n; i++) {
        const int n = nas_text_width(run->query.files[i].name);
        width.picture = n > width.picture ? n : width.picture;
    }
    for (int32_t i = 0; i < run->classes.n; i++) {
        const int n = nas_text_width(run->classes.at[i]);
        width.class = n > width.class ? n : width.class;
    }
    for (int64_t i = 0; i < run->query.n; i++) {
        extract_probabilities(run->task.ways, run->solution.logits + i * run->task.ways, p);
        print_picture(run, i, p, &width, &known, &right);
    }
    if (known > 0) {
        printf("%" PRId64 " of the %" PRId64 " picture%s in folders named like a class %s right\n",
               right, known, nas_text_s(known), right == 1 ? "is" : "are");
    }
}

static void print_all(const struct adaptation *run, double *p) {
    char count[32];
    const int transductive = run->experiment->evaluation.batch_norm == NAS_TRANSDUCTIVE;
    printf("adapted to %" PRId32 " classes by %" PRId64 " picture%s (seed %" PRId64 ")\n",
           run->task.ways, run->support.n, nas_text_s(run->support.n), run->experiment->run.seed);
    printf("batch norm %s\n",
           transductive ? "transductive: a prediction depends on the other query pictures, too"
                        : "support");
    print_predictions(run, p);
    printf("network of %s parameters\n",
           nas_text_count(run->solution.result.parameters, count, sizeof count));
    cells_write_yaml(&run->cells, stdout);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* One line a picture: its name, the class it is taken for, a probability a class. */
static void put_predictions(const struct adaptation *run, double *p, FILE *out) {
    fputs("picture,prediction", out);
    for (int32_t k = 0; k < run->classes.n; k++) {
        fputc(',', out);
        nas_csv_put_text(out, run->classes.at[k]);
    }
    fputc('\n', out);
    for (int64_t i = 0; i < run->query.n; i++) {
        extract_probabilities(run->task.ways, run->solution.logits + i * run->task.ways, p);
        nas_csv_put_text(out, run->query.files[i].name);
        fputc(',', out);
        nas_csv_put_text(out, run->classes.at[best_but(run->task.ways, p, -1)]);
        for (int32_t k = 0; k < run->task.ways; k++) {
            fprintf(out, ",%.6f", p[k]);
        }
        fputc('\n', out);
    }
}

static void put_genotype(const struct adaptation *run, double *p, FILE *out) {
    fputs("# The cells found for one task, with the weights of their mixtures; for section "
          "genotype.\n",
          out);
    cells_write_yaml(&run->cells, out);
}

static int write_file(struct mn_ctx *ctx, struct adaptation *run, const char *name, double *p,
                      void (*put)(const struct adaptation *, double *, FILE *)) {
    const char *path;
    CLEANUP(nas_free) char *text = NULL;
    size_t length = 0;
    TRY(rundir_file(ctx, &run->arena, run->flags->out, name, &path));
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return no_memory(ctx);
    }
    put(run, p, out);
    return fclose(out) == 0 ? nas_file_replace(ctx, path, text, length) : no_memory(ctx);
}

static int write_all(struct mn_ctx *ctx, struct adaptation *run, double *p) {
    const struct arguments *a = run->arguments;
    const char *config;
    double difference = 0;
    TRY(nas_folder_make(ctx, run->flags->out));
    TRY(write_file(ctx, run, "predictions.csv", p, put_predictions));
    if (run->cells.n > 0) {
        TRY(write_file(ctx, run, "genotype.yaml", p, put_genotype));
    }
    TRY(rundir_file(ctx, &run->arena, a->operand, "config.resolved.yaml", &config));
    const struct extract x = {run->experiment, config,      &run->task,
                              &run->solution,  &run->cells, run->mixture};
    TRY(extract_write(ctx, a, &x, run->flags->out, &difference));
    printf("written to %s; probabilities of the written network differ by %.1e at most\n",
           run->flags->out, difference);
    return MN_OK;
}

/* ---- the command -------------------------------------------------------------------------- */

/* In a context with a workspace. */
static int adapt_and_print(struct mn_ctx *ctx, struct adaptation *run,
                           const struct nas_state *state) {
    double *p = nas_arena_array(&run->arena, (size_t)run->classes.n, sizeof *p);
    if (p == NULL) {
        return no_memory(ctx);
    }
    ctx->where = nas_experiment_where(run->experiment, MN_TEST, 0);
    TRY(solve(ctx, run, state));
    TRY(read_cells(ctx, run));
    print_all(run, p);
    return run->flags->out != NULL ? write_all(ctx, run, p) : MN_OK;
}

static int read_pictures(struct mn_ctx *ctx, struct adaptation *run) {
    const struct arguments *a = run->arguments;
    if (run->flags->support == NULL || run->flags->query.n == 0) {
        return mn_fail(ctx, MN_CONFIG, "adapt: --%s is missing; see 'metanas adapt --help'",
                       run->flags->support == NULL ? "support DIR" : "query DIR|FILE");
    }
    struct stat about;
    if (run->flags->out != NULL && stat(run->flags->out, &about) == 0 && !S_ISDIR(about.st_mode)) {
        return mn_fail(ctx, MN_IO, "adapt: --out %s: not a folder", run->flags->out);
    }
    TRY(rundir_check(ctx, a->operand));
    if (pictures_support(ctx, run->flags->support, &run->support, &run->classes) != MN_OK) {
        return nas_ctx_where(ctx, "--support");
    }
    return pictures_query(ctx, run->flags->query.at, &run->classes, &run->query) != MN_OK
               ? nas_ctx_where(ctx, "--query")
               : MN_OK;
}

/* What the run was evaluated with need not do for pictures of any number and mixture: statistics of
 * the support set, unless the command line says otherwise. */
static void choose_batch_norm(int32_t mode, struct arguments *arguments) {
    static const char section[] = "evaluation", key[] = "evaluation.batch_norm=";
    int given = 0;
    for (int i = 0; i < arguments->sets.n; i++) {
        const char *set = arguments->sets.at[i];
        given |= strncmp(set, key, sizeof key - 1) == 0 ||
                 (strncmp(set, section, sizeof section - 1) == 0 && set[sizeof section - 1] == '=');
    }
    set_batch_norm(mode < 0 && !given ? NAS_SUPPORT : mode, arguments);
}

static int adapt(struct mn_ctx *ctx, struct adaptation *run, struct nas_experiment *experiment,
                 struct nas_state *state) {
    const struct arguments *a = run->arguments;
    TRY(read_pictures(ctx, run));
    const int64_t support = run->support.n, query = run->query.n;
    const struct nas_open open = {.flags = NAS_OPEN_NO_DATA,
                                  .batches = {.steps = support,
                                              .predictions = support > query ? support : query,
                                              .support = support}};
    TRY(rundir_open(ctx, a, a->operand, run->flags->state, &open, experiment, state));
    if (run->classes.n != experiment->task.ways) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: holds %" PRId32 " class folders, but the run tells %" PRId64
                       " classes apart (task.ways)",
                       run->flags->support, run->classes.n, experiment->task.ways);
    }
    if (experiment->evaluation.batch_norm != NAS_SUPPORT && query < 2) {
        return mn_fail(ctx, MN_CONFIG,
                       "adapt: transductive batch norm takes its statistics from the query "
                       "pictures, and a single one has none; use --batch-norm support, or give "
                       "more pictures");
    }
    struct nas_workspace *workspace = NULL;
    TRY(nas_workspace_new(ctx, experiment->model, &workspace));
    nas_ctx_of(ctx)->workspace = workspace;
    const int status = adapt_and_print(ctx, run, state);
    nas_ctx_of(ctx)->workspace = NULL;
    nas_workspace_free(workspace);
    TRY(status);
    /* What was left out is no success. */
    const int64_t bad = run->support.unreadable + run->query.unreadable;
    return bad == 0 ? MN_OK
                    : mn_fail(ctx, MN_IO,
                              "%" PRId64 " of %" PRId64
                              " pictures could not be read and %s left out, see above",
                              bad, bad + run->support.n + run->query.n, bad == 1 ? "was" : "were");
}

static int run_adapt(struct mn_ctx *ctx, const struct arguments *given) {
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    CLEANUP(nas_state_fini) struct nas_state state = {0};
    struct arguments chosen = *given;
    struct adaptation run = {
        .flags = given->flags, .arguments = &chosen, .experiment = &experiment};
    choose_batch_norm(run.flags->batch_norm, &chosen);
    const int status = adapt(ctx, &run, &experiment, &state);
    nas_arena_fini(&run.arena);
    return status;
}

#define F struct adapt_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, support, "--support", "DIR",
              "a folder a class with the pictures to learn from (required)"),
    FLAG_TEXTS(F, query, "--query", "DIR|FILE", "pictures to tell apart (required; may repeat)"),
    FLAG_TEXT(F, state, "--state", "STATE", "last (default), best (of the validations) or a file"),
    FLAG_TEXT(F, out, "-o, --out", "DIR",
              "write predictions, genotype and the pruned network there"),
    FLAG_CHOICE(F, batch_norm, "--batch-norm", "MODE", nas_batch_norm_names,
                "statistics for query pictures: support (default), or transductive, of all of them "
                "together"),
};

const struct command command_adapt = {
    .name = "adapt",
    .operand = "RUN",
    .doc = "adapt a trained run to your own pictures and tell others apart",
    .more =
        "Pictures are PNG, JPEG or WebP files, turned upright; the data set of the run prepares\n"
        "them as its own images. The data itself is not needed. One that cannot be read is\n"
        "told of and left out, and the exit code is 3 then.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct adapt_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option: --set task_learner.test_steps=50 (may repeat)",
    .run = run_adapt,
};
