/* SPDX-License-Identifier: MIT */
#include "run/metatrain.h"

#include "run/architecture.h"
#include "run/progress.h"
#include "run/rundir.h"
#include "run/train_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Logits of candidates cut from the meta-architecture: their weight is exactly zero at any
 * temperature in use, and no task brings them back. */
static const mn_real CUT = -1e4F;

struct training {
    const struct mn__experiment *e;
    struct mn_cx *cx;
    struct mn__state *state;
    struct mn__executor *executor;
    struct mn__job job;
    struct mn__arena arena;
    struct mn__direction *directions; /* [tasks], in the slots of the job */
    struct mn__rundir dir;
    struct mn__progress progress;
    double epoch_seconds;       /* since the last timing line */
    struct mn__traffic traffic; /* until the last timing line */
};

/* ---- one meta-batch ----------------------------------------------------------------------- */

/* The optimiser state after the meta-batch. */
static void settle_moments(struct training *t) {
    const int64_t n = t->e->n_state, tasks = t->e->run.tasks_per_batch;
    if (t->e->moments == MN_MOMENTS_CARRY) {
        mn_vec_copy(n, mn__train_result(&t->job, tasks - 1).learner, t->state->learner);
    } else if (t->e->moments == MN_MOMENTS_AVERAGE) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t i = 0; i < tasks; i++) {
                sum += (double)mn__train_result(&t->job, i).learner[j];
            }
            t->state->learner[j] = (mn_real)(sum / (double)tasks);
        }
    }
}

static struct mn_where where_of(const struct training *t) {
    return (struct mn_where){.size = sizeof(struct mn_where),
                             .split = MN_TRAIN,
                             .seed = (uint64_t)t->e->run.seed,
                             .meta_epoch = t->state->meta_epoch,
                             .meta_epochs = t->e->run.meta_epochs};
}

static void add_log(struct training *t) {
    const int64_t tasks = t->e->run.tasks_per_batch;
    double sums[3] = {0, 0, 0};
    for (int64_t i = 0; i < tasks; i++) {
        const double *last = mn__train_result(&t->job, i).last;
        for (int k = 0; k < 3; k++) {
            sums[k] += last[k];
        }
    }
    t->state->log[0] += 1;
    for (int k = 0; k < 3; k++) {
        t->state->log[k + 1] += sums[k] / (double)tasks;
    }
    t->progress.loss = sums[0] / (double)tasks;
    t->progress.accuracy = sums[1] / (double)tasks;
}

static int meta_epoch(struct training *t) {
    const double begin = mn__seconds();
    const struct mn_where where = where_of(t);
    const int64_t tasks = t->e->run.tasks_per_batch;
    int status = mn__executor_run(t->executor, t->cx, &where, &t->job);
    if (status == MN_OK) {
        t->cx->where = where;
        status = mn__meta_update(t->e, t->cx, &t->state->meta, tasks, t->directions);
        if (status != MN_OK) {
            return mn__cx_where(t->cx, "meta-epoch %" PRId64, where.meta_epoch);
        }
        settle_moments(t);
        add_log(t);
        t->state->meta_epoch++;
    }
    t->epoch_seconds += mn__seconds() - begin;
    return status;
}

/* ---- metrics ------------------------------------------------------------------------------ */

/* What went between ranks since the last line, into this one. */
static void put_traffic(struct training *t) {
    const struct mn__traffic now = mn__executor_traffic(t->executor), *last = &t->traffic;
    struct mn__metrics *m = &t->dir.timing;
    if (now.ranks > 0) {
        mn__metrics_int(m, "ranks", now.ranks);
        mn__metrics_int(m, "threads", now.threads);
        mn__metrics_int(m, "bytes_sent", now.bytes_out - last->bytes_out);
        mn__metrics_int(m, "bytes_received", now.bytes_in - last->bytes_in);
        mn__metrics_real(m, "communication_seconds", now.communication - last->communication);
        mn__metrics_real(m, "task_seconds", now.busy - last->busy);
    }
    t->traffic = now;
}

static int write_architecture(struct training *t) {
    return mn__model_n_mixtures(t->e->model) == 0
               ? MN_OK
               : mn__architecture_write(&t->dir.architecture, t->e, t->cx, &t->state->meta,
                                        t->state->meta_epoch);
}

static int write_log(struct training *t) {
    double *log = t->state->log, entropy[2];
    const size_t mark = mn__arena_mark(&mn__cx_of(t->cx)->scratch);
    int status = mn__model_entropy(t->cx, t->e->model, &t->state->meta, entropy);
    mn__arena_release(&mn__cx_of(t->cx)->scratch, mark);
    if (status != MN_OK) {
        return status;
    }
    mn__metrics_begin(&t->dir.metrics, "train");
    mn__metrics_int(&t->dir.metrics, "meta_epoch", t->state->meta_epoch);
    mn__metrics_real(&t->dir.metrics, "loss", log[1] / log[0]);
    mn__metrics_real(&t->dir.metrics, "accuracy", log[2] / log[0]);
    mn__metrics_real(&t->dir.metrics, "entropy_op", entropy[0]);
    mn__metrics_real(&t->dir.metrics, "entropy_in", entropy[1]);
    mn__metrics_real(&t->dir.metrics, "skip_share", log[3] / log[0]);
    status = mn__metrics_end(&t->dir.metrics, t->cx);
    mn__metrics_begin(&t->dir.timing, "train");
    mn__metrics_int(&t->dir.timing, "meta_epoch", t->state->meta_epoch);
    mn__metrics_real(&t->dir.timing, "seconds_per_meta_epoch", t->epoch_seconds / log[0]);
    put_traffic(t);
    if (status == MN_OK) {
        status = mn__metrics_end(&t->dir.timing, t->cx);
    }
    t->epoch_seconds = 0;
    memset(log, 0, sizeof t->state->log);
    return status != MN_OK ? status : write_architecture(t);
}

static int write_validation(struct training *t, const struct mn__evaluation *v, double seconds) {
    struct mn__metrics *m = &t->dir.metrics;
    mn__metrics_begin(m, "validation");
    mn__metrics_int(m, "meta_epoch", t->state->meta_epoch);
    mn__metrics_real(m, "accuracy_mean", v->accuracy_mean);
    mn__metrics_real(m, "accuracy_ci95", v->accuracy_ci95);
    mn__metrics_real(m, "loss", v->loss_mean);
    mn__metrics_int(m, "tasks", v->tasks);
    mn__metrics_real(m, "accuracy_before_prune", v->before_mean);
    mn__metrics_real(m, "prune_gap", v->prune_gap);
    mn__metrics_real(m, "parameters_mean", v->parameters_mean);
    mn__metrics_text(m, "batch_norm", mn__batch_norm_name(t->e));
    mn__metrics_int(m, "seed", t->e->run.seed);
    const int status = mn__metrics_end(m, t->cx);
    mn__metrics_begin(&t->dir.timing, "validation");
    mn__metrics_int(&t->dir.timing, "meta_epoch", t->state->meta_epoch);
    mn__metrics_real(&t->dir.timing, "seconds", seconds);
    put_traffic(t);
    return status != MN_OK ? status : mn__metrics_end(&t->dir.timing, t->cx);
}

/* ---- validation --------------------------------------------------------------------------- */

static int architecture_adapts(const struct training *t) {
    const struct mn_task_learner *table = &t->e->task_learner.table.task_learner;
    const struct mn_where where = where_of(t);
    return mn__model_dims(t->e->model)->n_a > 0 &&
           (table->adapts == NULL ||
            (table->adapts(t->e->task_learner.self, &where) & MN_ADAPTS_A) != 0);
}

/* Candidates whose weight at the final temperature is under the threshold leave the
 * meta-architecture; the largest of a mixture never does. */
static int prune_meta(struct training *t) {
    const struct mn_model *model = t->e->model;
    const size_t n = (size_t)mn__model_dims(model)->n_choices;
    const size_t mark = mn__arena_mark(&mn__cx_of(t->cx)->scratch);
    mn_real *weights = mn_scratch(t->cx, (n > 0 ? n : 1) * sizeof *weights);
    int status = weights == NULL
                     ? MN_NOMEM
                     : mn__model_mixture_weights(t->cx, model, &t->state->meta, weights);
    for (int i = 0; status == MN_OK && i < mn__model_n_mixtures(model); i++) {
        const struct mn__mixture *x = mn__model_mixture(model, i);
        const mn_real *w = weights + x->choice0;
        int64_t top = 0;
        for (int64_t c = 1; c < x->n_choices; c++) {
            top = w[c] > w[top] ? c : top;
        }
        for (int64_t c = 0; x->logit0 >= 0 && c < x->n_choices; c++) {
            if (c != top && (double)w[c] < t->e->run.meta_threshold) {
                t->state->meta.a[x->logit0 + c] = CUT;
            }
        }
    }
    mn__arena_release(&mn__cx_of(t->cx)->scratch, mark);
    return status;
}

/* The state as it was validated, before anything is cut from it. */
static int keep_best(struct training *t, const struct mn__evaluation *v) {
    if (v->accuracy_mean <= t->state->best) {
        return MN_OK;
    }
    t->state->best = v->accuracy_mean;
    t->state->best_epoch = t->state->meta_epoch;
    return mn__rundir_save_best(&t->dir, t->e, t->cx, t->state, v);
}

static int validate(struct training *t) {
    struct mn__evaluation v;
    double prune_gap = 0;
    const double begin = mn__seconds();
    int status = mn__evaluate(t->e, t->executor, t->cx, t->state, MN_VAL,
                              t->e->evaluation.validation_tasks, &v);
    if (status == MN_OK) {
        status = write_validation(t, &v, mn__seconds() - begin);
        t->progress.have_validation = 1;
        t->progress.validation = v.accuracy_mean;
        t->progress.interval = v.accuracy_ci95;
        prune_gap = v.prune_gap;
    }
    if (status == MN_OK) {
        status = keep_best(t, &v);
    }
    if (status == MN_OK && t->e->run.prune_meta && architecture_adapts(t)) {
        status = prune_meta(t);
    }
    if (status == MN_OK) {
        status = write_architecture(t);
    }
    mn__evaluation_fini(&v);
    if (status == MN_OK) {
        t->state->evaluated = t->state->meta_epoch;
        mn__progress_note(&t->progress,
                          "meta-epoch %" PRId64 ": validation %.2f%% +- %.2f (%" PRId64
                          " tasks, %s batch norm, seed %" PRId64 "), prune gap %+.2f points",
                          t->state->meta_epoch, 100 * t->progress.validation,
                          100 * t->progress.interval, t->e->evaluation.validation_tasks,
                          mn__batch_norm_name(t->e), t->e->run.seed, 100 * prune_gap);
    }
    return status;
}

/* ---- the loop ----------------------------------------------------------------------------- */

static int allocate(struct training *t) {
    const int64_t tasks = t->e->run.tasks_per_batch;
    t->job = (struct mn__job){.kind = &mn__train_job,
                              .e = t->e,
                              .state = t->state,
                              .n = tasks,
                              .ordered = t->e->moments == MN_MOMENTS_CARRY};
    t->directions = mn__arena_array(&t->arena, (size_t)tasks, sizeof *t->directions);
    const int status = mn__job_allocate(&t->job, t->cx, &t->arena);
    if (status != MN_OK) {
        return status;
    }
    if (t->directions == NULL) {
        return mn_fail(t->cx, MN_NOMEM, "no memory for %" PRId64 " tasks", tasks);
    }
    for (int64_t i = 0; i < tasks; i++) {
        t->directions[i] = mn__train_result(&t->job, i).direction;
    }
    return mn__executor_new(t->cx, t->e, &t->executor);
}

static int due(int64_t every, int64_t now, int64_t end) {
    return now == end || (now > 0 && every > 0 && now % every == 0);
}

/* What follows a meta-epoch. */
static int after(struct training *t) {
    const struct mn__run_options *run = &t->e->run;
    const int64_t now = t->state->meta_epoch;
    int status = MN_OK;
    if (due(run->eval_every, now, run->meta_epochs) && t->state->evaluated != now) {
        status = validate(t);
    }
    if (status == MN_OK && due(run->checkpoint_every, now, run->meta_epochs)) {
        status = mn__rundir_save(&t->dir, t->e, t->cx, t->state);
    }
    return status;
}

static int loop(struct training *t) {
    const struct mn__run_options *run = &t->e->run;
    for (;;) {
        int status = after(t);
        if (status != MN_OK || t->state->meta_epoch >= run->meta_epochs) {
            return status;
        }
        status = meta_epoch(t);
        if (status == MN_OK && run->log_every > 0 && t->state->meta_epoch % run->log_every == 0) {
            status = write_log(t);
        }
        if (status != MN_OK) {
            return status;
        }
        mn__progress_show(&t->progress, t->state->meta_epoch);
    }
}

/* Keep what is whole, and say how to go on. */
static int leave_cancelled(struct training *t) {
    const int status = mn__rundir_save(&t->dir, t->e, t->cx, t->state);
    if (status != MN_OK) {
        return status;
    }
    return mn_fail(t->cx, MN_CANCELLED,
                   "stopped after %" PRId64 " of %" PRId64
                   " meta-epochs; go on with: metanas resume %s",
                   t->state->meta_epoch, t->e->run.meta_epochs, t->dir.path);
}

static int leave(struct training *t, int status) {
    char message[MN__MESSAGE];
    snprintf(message, sizeof message, "%s", mn__cx_message(t->cx));
    mn__cx_clear(t->cx);
    if (status == MN_CANCELLED) {
        return leave_cancelled(t);
    }
    if (t->dir.saved < 0) {
        return mn_fail(t->cx, status, "%s\n  no checkpoint was written yet%s", message,
                       status == MN_NUMERIC ? "; a smaller learning rate may help" : "");
    }
    if (status == MN_NUMERIC) {
        return mn_fail(t->cx, status,
                       "%s\n  the checkpoint of meta-epoch %" PRId64
                       " is whole, but going on from it would end the same: lower the learning "
                       "rates in %s/config.resolved.yaml, then metanas resume %s",
                       message, t->dir.saved, t->dir.path, t->dir.path);
    }
    return mn_fail(t->cx, status,
                   "%s\n  the checkpoint of meta-epoch %" PRId64
                   " is whole: metanas resume %s goes on from it",
                   message, t->dir.saved, t->dir.path);
}

int mn__state_finished(const struct mn__experiment *e, const struct mn__state *state) {
    const int64_t end = e->run.meta_epochs;
    return state->meta_epoch > end || (state->meta_epoch == end && state->evaluated == end);
}

int mn__metatrain(const struct mn__experiment *e, struct mn_cx *cx, struct mn__state *state,
                  const char *dir) {
    struct training t = {.e = e, .cx = cx, .state = state};
    if (e->moments == MN_MOMENTS_CARRY && mn__experiment_workers(e) > 1) {
        mn_log(cx, MN_LOG_INFO,
               "moments: carry goes from task to task, so tasks run one after the other");
    }
    int status = mn__rundir_open(&t.dir, e, cx, state, dir);
    if (status == MN_OK) {
        status = allocate(&t);
    }
    if (status == MN_OK) {
        mn__progress_begin(&t.progress, "meta-epoch", state->meta_epoch, e->run.meta_epochs,
                           mn__cx_of(cx)->quiet < MN_LOG_INFO);
        status = loop(&t);
        mn__progress_end(&t.progress);
        status = status != MN_OK ? leave(&t, status) : MN_OK;
    }
    mn__executor_free(t.executor);
    mn__rundir_close(&t.dir);
    mn__arena_fini(&t.arena);
    return status;
}
