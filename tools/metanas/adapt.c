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

/* A task of a person's own. */
struct own {
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

static int check_ways(struct mn_ctx *ctx, const struct own *own) {
    const int64_t ways = own->experiment->task.ways;
    if (own->classes.n == ways) {
        return MN_OK;
    }
    return mn_fail(ctx, MN_CONFIG,
                   "%s: holds %" PRId32 " class folders, but the run tells %" PRId64
                   " classes apart (task.ways)",
                   own->arguments->support, own->classes.n, ways);
}

/* Each class still has a picture to learn from. */
static int check_support(struct mn_ctx *ctx, const struct own *own) {
    for (int32_t class = 0, i = 0; class < own->classes.n; class ++) {
        if (i >= own->support.n || own->support.files[i].label != class) {
            return mn_fail(ctx, MN_IO,
                           "--support: %s: none of the pictures of this class can be read",
                           own->classes.at[class]);
        }
        while (i < own->support.n && own->support.files[i].label == class) {
            i++;
        }
    }
    return MN_OK;
}

static int solve(struct mn_ctx *ctx, struct own *own, const struct nas_state *state) {
    const struct nas_experiment *e = own->experiment;
    const struct mn_dims *dims = nas_model_dims(e->model);
    struct nas_solution *s = &own->solution;
    s->keep = mn_scratch(ctx, (size_t)(dims->n_choices > 0 ? dims->n_choices : 1));
    s->logits = mn_scratch(ctx, (size_t)own->query.n * (size_t)dims->ways * sizeof *s->logits);
    int status = s->keep != NULL && s->logits != NULL ? MN_OK : MN_NOMEM;
    if (status == MN_OK) {
        status = pictures_prepare(ctx, e, &own->support, &own->task.support);
    }
    if (status == MN_OK) {
        status = check_support(ctx, own);
    }
    if (status == MN_OK) {
        status = pictures_prepare(ctx, e, &own->query, &own->task.query);
    }
    if (status == MN_OK) {
        own->task.size = sizeof own->task;
        own->task.ways = dims->ways;
        own->task.host = e;
        status = nas_solve(e, ctx, &state->meta, state->learner, &own->task, s);
    }
    return status;
}

/* Mixture weights of the pruned network, from a pass over the query set. */
static int weigh(struct mn_ctx *ctx, struct own *own) {
    struct mn_outcome outcome = {.size = sizeof outcome};
    const struct mn_dims *dims = nas_model_dims(own->experiment->model);
    own->mixture = mn_scratch(ctx, (size_t)dims->n_choices * sizeof *own->mixture);
    outcome.mixture = own->mixture;
    return own->mixture == NULL ? MN_NOMEM
                                : nas_predict(own->experiment, ctx, &own->task, &own->solution.at,
                                              own->solution.keep, &outcome);
}

static int read_cells(struct mn_ctx *ctx, struct own *own) {
    const struct mn_model *model = own->experiment->model;
    const size_t length = nas_model_genotype(model, own->solution.keep, NULL, 0);
    char *text = nas_arena_take(&own->arena, length + 1);
    if (text == NULL) {
        return no_memory(ctx);
    }
    nas_model_genotype(model, own->solution.keep, text, length + 1);
    if (length == 0) {
        return MN_OK;
    }
    int status = cells_parse(ctx, &own->arena, "the architecture", text, &own->cells);
    if (status == MN_OK) {
        status = weigh(ctx, own);
    }
    return status == MN_OK ? cells_weigh(ctx, &own->arena, model, own->mixture, &own->cells)
                           : status;
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

static void print_picture(const struct own *own, int64_t i, const double *p,
                          const struct widths *width, int64_t *known, int64_t *right) {
    const struct picture_file *file = &own->query.files[i];
    const int32_t ways = own->task.ways;
    const int32_t top = best_but(ways, p, -1);
    fputs("  ", stdout);
    nas_text_put(stdout, file->name, width->picture + 2);
    nas_text_put(stdout, own->classes.at[top], width->class);
    printf(" %5.1f%%", 100 * p[top]);
    if (ways > 1) {
        const int32_t next = best_but(ways, p, top);
        fputs("   then ", stdout);
        nas_text_put(stdout, own->classes.at[next], 0);
        printf(" %.1f%%", 100 * p[next]);
    }
    fputc('\n', stdout);
    *known += file->label >= 0;
    *right += file->label == top;
}

static void print_predictions(const struct own *own, double *p) {
    int64_t known = 0, right = 0;
    struct widths width = {0, 16};
    for (int64_t i = 0; i < own->query.n; i++) {
        const int n = nas_text_width(own->query.files[i].name);
        width.picture = n > width.picture ? n : width.picture;
    }
    for (int32_t i = 0; i < own->classes.n; i++) {
        const int n = nas_text_width(own->classes.at[i]);
        width.class = n > width.class ? n : width.class;
    }
    for (int64_t i = 0; i < own->query.n; i++) {
        extract_probabilities(own->task.ways, own->solution.logits + i * own->task.ways, p);
        print_picture(own, i, p, &width, &known, &right);
    }
    if (known > 0) {
        printf("%" PRId64 " of the %" PRId64 " picture%s in folders named like a class %s right\n",
               right, known, nas_text_s(known), right == 1 ? "is" : "are");
    }
}

static void print_all(const struct own *own, double *p) {
    char count[32];
    const int transductive = own->experiment->evaluation.batch_norm == NAS_TRANSDUCTIVE;
    printf("adapted to %" PRId32 " classes by %" PRId64 " picture%s (seed %" PRId64 ")\n",
           own->task.ways, own->support.n, nas_text_s(own->support.n), own->experiment->run.seed);
    printf("batch norm %s\n",
           transductive ? "transductive: a prediction depends on the other query pictures, too"
                        : "support");
    print_predictions(own, p);
    printf("network of %s parameters\n",
           nas_text_count(own->solution.result.parameters, count, sizeof count));
    cells_write_yaml(&own->cells, stdout);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* One line a picture: its name, the class it is taken for, a probability a class. */
static void put_predictions(const struct own *own, double *p, FILE *out) {
    fputs("picture,prediction", out);
    for (int32_t k = 0; k < own->classes.n; k++) {
        fputc(',', out);
        nas_csv_put_text(out, own->classes.at[k]);
    }
    fputc('\n', out);
    for (int64_t i = 0; i < own->query.n; i++) {
        extract_probabilities(own->task.ways, own->solution.logits + i * own->task.ways, p);
        nas_csv_put_text(out, own->query.files[i].name);
        fputc(',', out);
        nas_csv_put_text(out, own->classes.at[best_but(own->task.ways, p, -1)]);
        for (int32_t k = 0; k < own->task.ways; k++) {
            fprintf(out, ",%.6f", p[k]);
        }
        fputc('\n', out);
    }
}

static void put_genotype(const struct own *own, double *p, FILE *out) {
    fputs("# The cells found for one task; for search space genotype.\n", out);
    cells_write_yaml(&own->cells, out);
}

static int write_file(struct mn_ctx *ctx, struct own *own, const char *name, double *p,
                      void (*put)(const struct own *, double *, FILE *)) {
    const char *path;
    char *text = NULL;
    size_t length = 0;
    int status = rundir_file(ctx, &own->arena, own->arguments->out, name, &path);
    FILE *out = status == MN_OK ? open_memstream(&text, &length) : NULL;
    if (out == NULL) {
        return status != MN_OK ? status : no_memory(ctx);
    }
    put(own, p, out);
    status = fclose(out) == 0 ? nas_file_replace(ctx, path, text, length) : no_memory(ctx);
    free(text);
    return status;
}

static int write_network(struct mn_ctx *ctx, struct own *own) {
    const char *config;
    double difference = 0;
    int status =
        rundir_file(ctx, &own->arena, own->arguments->operand, "config.resolved.yaml", &config);
    const struct extract x = {own->experiment, config,      &own->task,
                              &own->solution,  &own->cells, own->mixture};
    if (status == MN_OK) {
        status = extract_write(ctx, own->arguments, &x, own->arguments->out, &difference);
    }
    if (status == MN_OK) {
        printf("written to %s; probabilities of the written network differ by %.1e at most\n",
               own->arguments->out, difference);
    }
    return status;
}

static int write_all(struct mn_ctx *ctx, struct own *own, double *p) {
    int status = nas_folder_make(ctx, own->arguments->out);
    if (status == MN_OK) {
        status = write_file(ctx, own, "predictions.csv", p, put_predictions);
    }
    if (status == MN_OK && own->cells.n > 0) {
        status = write_file(ctx, own, "genotype.yaml", p, put_genotype);
    }
    return status == MN_OK ? write_network(ctx, own) : status;
}

/* ---- the command -------------------------------------------------------------------------- */

static int adapt_and_print(struct mn_ctx *ctx, struct own *own, const struct nas_state *state) {
    struct nas_workspace *workspace = NULL;
    double *p = nas_arena_array(&own->arena, (size_t)own->classes.n, sizeof *p);
    const struct nas_run_options *run = &own->experiment->run;
    ctx->where = (struct mn_where){.size = sizeof ctx->where,
                                   .split = MN_TEST,
                                   .seed = (uint64_t)run->seed,
                                   .meta_epochs = run->meta_epochs};
    int status =
        p != NULL ? nas_workspace_new(ctx, own->experiment->model, &workspace) : no_memory(ctx);
    nas_ctx_of(ctx)->workspace = workspace;
    if (status == MN_OK) {
        status = solve(ctx, own, state);
    }
    if (status == MN_OK) {
        status = read_cells(ctx, own);
    }
    if (status == MN_OK) {
        print_all(own, p);
        status = own->arguments->out != NULL ? write_all(ctx, own, p) : MN_OK;
    }
    nas_ctx_of(ctx)->workspace = NULL;
    nas_workspace_free(workspace);
    return status;
}

static int read_pictures(struct mn_ctx *ctx, struct own *own) {
    const struct arguments *a = own->arguments;
    if (a->support == NULL || a->query.n == 0) {
        return mn_fail(ctx, MN_CONFIG, "adapt: --%s is missing; see 'metanas adapt --help'",
                       a->support == NULL ? "support DIR" : "query DIR|FILE");
    }
    struct stat about;
    if (a->out != NULL && stat(a->out, &about) == 0 && !S_ISDIR(about.st_mode)) {
        return mn_fail(ctx, MN_IO, "adapt: --out %s: not a folder", a->out);
    }
    int status = rundir_check(ctx, a->operand);
    if (status != MN_OK) {
        return status;
    }
    status = pictures_support(ctx, a->support, &own->support, &own->classes);
    if (status != MN_OK) {
        return nas_ctx_where(ctx, "--support");
    }
    status = pictures_query(ctx, a->query.at, &own->classes, &own->query);
    return status != MN_OK ? nas_ctx_where(ctx, "--query") : MN_OK;
}

/* What was left out is no success. */
static int check_unreadable(struct mn_ctx *ctx, const struct own *own) {
    const int64_t bad = own->support.unreadable + own->query.unreadable;
    return bad == 0 ? MN_OK
                    : mn_fail(ctx, MN_IO,
                              "%" PRId64 " of %" PRId64
                              " pictures could not be read and %s left out, see above",
                              bad, bad + own->support.n + own->query.n, bad == 1 ? "was" : "were");
}

/* What the run was evaluated with need not do for pictures of any number and mixture: statistics of
 * the support set, unless the command line says otherwise. */
static int choose_batch_norm(struct mn_ctx *ctx, struct arguments *arguments) {
    static const char section[] = "evaluation", key[] = "evaluation.batch_norm=";
    int given = 0;
    for (int i = 0; i < arguments->sets.n; i++) {
        const char *set = arguments->sets.at[i];
        given |= strncmp(set, key, sizeof key - 1) == 0 ||
                 (strncmp(set, section, sizeof section - 1) == 0 && set[sizeof section - 1] == '=');
    }
    if (arguments->batch_norm == NULL && !given) {
        arguments->batch_norm = "support";
    }
    return set_batch_norm(ctx, "adapt", arguments);
}

static int check_batch_norm(struct mn_ctx *ctx, const struct own *own) {
    return own->experiment->evaluation.batch_norm == NAS_SUPPORT || own->query.n > 1
               ? MN_OK
               : mn_fail(ctx, MN_CONFIG,
                         "adapt: transductive batch norm takes its statistics from the query "
                         "pictures, and a single one has none; use --batch-norm support, or give "
                         "more pictures");
}

static int run_adapt(struct mn_ctx *ctx, const struct arguments *given) {
    struct nas_experiment experiment = {0};
    struct nas_state state = {0};
    struct arguments chosen = *given;
    const struct arguments *arguments = &chosen;
    struct own own = {.arguments = arguments, .experiment = &experiment};
    int status = choose_batch_norm(ctx, &chosen);
    if (status == MN_OK) {
        status = read_pictures(ctx, &own);
    }
    if (status == MN_OK) {
        const struct nas_open open = {.flags = NAS_OPEN_NO_DATA,
                                      .max_batch = own.support.n > own.query.n ? own.support.n
                                                                               : own.query.n};
        status = rundir_open(ctx, arguments, arguments->operand, &open, &experiment, &state);
    }
    if (status == MN_OK) {
        status = check_ways(ctx, &own);
    }
    if (status == MN_OK) {
        status = check_batch_norm(ctx, &own);
    }
    if (status == MN_OK) {
        status = adapt_and_print(ctx, &own, &state);
    }
    if (status == MN_OK) {
        status = check_unreadable(ctx, &own);
    }
    nas_arena_fini(&own.arena);
    nas_state_fini(&state);
    nas_experiment_close(&experiment);
    return status;
}

static const struct flag flags[] = {
    {"support", "DIR", "a folder a class with the pictures to learn from (required)",
     offsetof(struct arguments, support), FLAG_TEXT, 0},
    {"query", "DIR|FILE", "pictures to tell apart (required; may repeat)",
     offsetof(struct arguments, query), FLAG_TEXTS, 0},
    {"state", "STATE", "last (default), best (of the validations) or a file",
     offsetof(struct arguments, state), FLAG_TEXT, 0},
    {"out", "DIR", "write predictions, genotype and the pruned network there",
     offsetof(struct arguments, out), FLAG_TEXT, 'o'},
    {"batch-norm", "MODE",
     "statistics for query pictures: support (default), or transductive, of all of them together",
     offsetof(struct arguments, batch_norm), FLAG_TEXT, 0},
    {"set", "KEY=VALUE", "override an option: --set task_learner.test_steps=50 (may repeat)",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
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
    .run = run_adapt,
};
