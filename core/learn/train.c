/* SPDX-License-Identifier: MIT */
#include "learn/train.h"

#include "base/clock.h"
#include "base/folder.h"
#include "base/text.h"
#include "learn/architecture_log.h"
#include "learn/configuration.h"
#include "learn/meta_prune.h"
#include "learn/meta_step.h"
#include "learn/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct training {
    const struct nas_experiment *e;
    struct mn_ctx *ctx;
    struct nas_state *state;
    struct nas_meta_batch batch;
    struct nas_rundir dir;
    struct nas_train_observer observer;
    double epoch_seconds;       /* since the last timing line */
    struct nas_traffic traffic; /* until the last timing line */
};

/* ---- a meta-epoch ------------------------------------------------------------------------- */

static int write_steps(struct training *t, int64_t meta_epoch, int64_t task) {
    const struct nas_task_slot slot = nas_meta_batch_slot(&t->batch, task);
    struct nas_append_log *file = nas_rundir_steps(&t->dir, t->ctx);
    if (file == NULL) {
        return MN_IO;
    }
    nas_append_log_start(file);
    if (file->length == 0) {
        nas_append_log_put(file, "meta_epoch,task,step,loss,accuracy\n");
    }
    for (int64_t i = 0; i < slot.n_steps; i++) {
        char loss[40], accuracy[40];
        nas_text_from_real(slot.steps[i].loss, loss, sizeof loss);
        nas_text_from_real(slot.steps[i].accuracy, accuracy, sizeof accuracy);
        nas_append_log_put(file, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%s,%s\n", meta_epoch, task, i,
                           loss, accuracy);
    }
    return nas_append_log_flush(file, t->ctx);
}

static int meta_epoch(struct training *t) {
    const double begin = nas_now();
    const struct mn_where where = nas_meta_batch_where(t->e, t->state);
    struct nas_append_log *m = &t->dir.metrics;
    TRY(nas_meta_batch_run(&t->batch, t->ctx, t->state));
    for (int64_t i = 0; i < t->e->run.tasks_per_batch; i++) {
        const struct nas_task_outcome *outcome = nas_meta_batch_slot(&t->batch, i).outcome;
        if (outcome->failed || t->e->run.log_steps) {
            TRY(write_steps(t, where.meta_epoch, i));
        }
        if (outcome->failed) {
            mn_log(t->ctx, MN_LOG_WARN, "%s; the task is skipped", outcome->message);
            nas_jsonl_begin(m, "skipped");
            nas_jsonl_int(m, "meta_epoch", where.meta_epoch);
            nas_jsonl_int(m, "task", i);
            nas_jsonl_int(m, "step", outcome->n_steps);
            nas_jsonl_int(m, "seed", (int64_t)where.seed);
            TRY(nas_jsonl_end(m, t->ctx));
        }
    }
    t->epoch_seconds += nas_now() - begin;
    return MN_OK;
}

/* ---- metrics ------------------------------------------------------------------------------ */

/* What went between ranks since the last line, into this one. */
static void put_traffic(struct training *t) {
    const struct nas_traffic now = nas_executor_traffic(t->batch.executor), *last = &t->traffic;
    struct nas_append_log *m = &t->dir.timing;
    if (now.ranks > 0) {
        nas_jsonl_int(m, "ranks", now.ranks);
        nas_jsonl_int(m, "threads", now.threads);
        nas_jsonl_int(m, "bytes_sent", now.bytes_out - last->bytes_out);
        nas_jsonl_int(m, "bytes_received", now.bytes_in - last->bytes_in);
        nas_jsonl_real(m, "communication_seconds", now.communication - last->communication);
        nas_jsonl_real(m, "task_seconds", now.busy - last->busy);
    }
    t->traffic = now;
}

static int write_architecture(struct training *t) {
    return nas_architecture_log_write(&t->dir.architecture, t->e->model, t->ctx, &t->state->meta,
                                      t->state->meta_epoch);
}

static int write_log(struct training *t) {
    struct nas_append_log *metrics = &t->dir.metrics, *timing = &t->dir.timing;
    const int64_t now = t->state->meta_epoch;
    const struct nas_update_report *report = &t->batch.report;
    const struct mn_model *model = t->e->model;
    const int searches = nas_model_n_mixtures(model) > 0;
    double *log = t->state->log, entropy[2];
    int64_t parameters = 0;
    {
        CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(t->ctx);
        uint8_t *keep = mn_scratch(t->ctx, (size_t)nas_model_dims(model)->n_choices + 1);
        TRY(keep != NULL ? MN_OK : MN_NOMEM);
        TRY(nas_model_entropy(t->ctx, model, &t->state->meta, entropy));
        if (searches) {
            TRY(nas_model_prune(t->ctx, model, &t->state->meta, keep));
            TRY(nas_model_parameters(t->ctx, model, keep, &parameters));
        }
    }
    nas_jsonl_begin(metrics, "train");
    nas_jsonl_int(metrics, "meta_epoch", now);
    nas_jsonl_real(metrics, "loss", log[1] / log[0]);
    nas_jsonl_real(metrics, "accuracy", log[2] / log[0]);
    nas_jsonl_real(metrics, "entropy_op", entropy[0]);
    nas_jsonl_real(metrics, "entropy_in", entropy[1]);
    nas_jsonl_real(metrics, "skip_share", log[3] / log[0]);
    nas_jsonl_real(metrics, "query_loss", t->batch.query.loss);
    nas_jsonl_real(metrics, "query_accuracy", t->batch.query.accuracy);
    nas_jsonl_real(metrics, "norm_w", report->norm_w);
    if (searches) {
        nas_jsonl_real(metrics, "norm_a", report->norm_a);
        nas_jsonl_int(metrics, "parameters", parameters);
    }
    for (int64_t i = 0; i < report->metrics.n; i++) {
        nas_jsonl_real(metrics, report->metrics.at[i].name, report->metrics.at[i].value);
    }
    TRY(nas_jsonl_end(metrics, t->ctx));
    nas_jsonl_begin(timing, "train");
    nas_jsonl_int(timing, "meta_epoch", now);
    nas_jsonl_real(timing, "seconds_per_meta_epoch", t->epoch_seconds / log[0]);
    put_traffic(t);
    TRY(nas_jsonl_end(timing, t->ctx));
    t->epoch_seconds = 0;
    memset(log, 0, sizeof t->state->log);
    return write_architecture(t);
}

static int write_validation(struct training *t, const struct nas_evaluation *v, double seconds) {
    struct nas_append_log *m = &t->dir.metrics;
    nas_jsonl_begin(m, "validation");
    nas_jsonl_int(m, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_real(m, "accuracy_mean", v->tasks > 0 ? v->record.accuracy_mean : (double)NAN);
    nas_jsonl_real(m, "accuracy_ci95", v->record.accuracy_ci95);
    nas_jsonl_real(m, "loss", v->record.loss_mean);
    nas_jsonl_int(m, "tasks", v->tasks);
    nas_jsonl_real(m, "accuracy_before_prune", v->record.accuracy_before_prune);
    nas_jsonl_real(m, "prune_gap", v->record.prune_gap);
    nas_jsonl_real(m, "parameters_mean", v->record.parameters_mean);
    nas_jsonl_int(m, "distinct_cells", v->record.distinct_cells);
    if (v->skipped > 0) {
        nas_jsonl_int(m, "skipped", v->skipped);
    }
    nas_jsonl_text(m, "batch_norm", nas_batch_norm_name(t->e));
    nas_jsonl_int(m, "seed", t->e->run.seed);
    TRY(nas_jsonl_end(m, t->ctx));
    nas_jsonl_begin(&t->dir.timing, "validation");
    nas_jsonl_int(&t->dir.timing, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_real(&t->dir.timing, "seconds", seconds);
    put_traffic(t);
    return nas_jsonl_end(&t->dir.timing, t->ctx);
}

/* ---- validation --------------------------------------------------------------------------- */

static int validate(struct training *t) {
    CLEANUP(nas_evaluation_fini) struct nas_evaluation v = {0};
    struct nas_state *state = t->state;
    const double begin = nas_now();
    TRY(nas_evaluate(t->e, t->batch.executor, t->ctx, state, MN_VAL,
                     t->e->evaluation.validation_tasks, &v));
    TRY(write_validation(t, &v, nas_now() - begin));
    if (v.tasks > 0 && v.record.accuracy_mean > state->best) {
        /* as it was validated, before anything is cut from it */
        state->best = v.record.accuracy_mean;
        state->best_epoch = state->meta_epoch;
        TRY(nas_run_save_best(&t->dir, t->e, t->ctx, state, &v));
    }
    TRY(nas_meta_prune(t->e, t->ctx, state));
    TRY(write_architecture(t));
    state->evaluated = state->meta_epoch;
    if (v.skipped > 0) { /* nothing of the run hangs on them */
        mn_log(t->ctx, MN_LOG_WARN,
               "%s\n  meta-epoch %" PRId64 ": %" PRId64 " of %" PRId64
               " validation tasks are left out, since their numbers are not finite%s",
               v.why, state->meta_epoch, v.skipped, v.skipped + v.tasks,
               v.tasks == 0 ? "; the validation has no result" : "");
    }
    if (v.tasks > 0 && t->observer.validation != NULL) {
        t->observer.validation(t->observer.data, state->meta_epoch, &v);
    }
    return MN_OK;
}

/* The message of a failure, which is forgotten. */
static void take_message(struct training *t, char out[NAS_MESSAGE]) {
    snprintf(out, NAS_MESSAGE, "%s", nas_ctx_message(t->ctx));
    nas_ctx_clear(t->ctx);
}

/* ---- going back --------------------------------------------------------------------------- */

static void tell_begin(const struct training *t) {
    if (t->observer.begin != NULL) {
        t->observer.begin(t->observer.data, t->state->meta_epoch);
    }
}

static void tell_end(const struct training *t) {
    if (t->observer.end != NULL) {
        t->observer.end(t->observer.data);
    }
}

/* The new state takes the place of the old one, whose named state the meta learner has left. */
static int roll_back(struct training *t) {
    const struct nas_run_options *run = &t->e->run;
    struct nas_state earlier = {0};
    const struct nas_state old = *t->state;
    struct nas_append_log *m = &t->dir.metrics;
    char message[NAS_MESSAGE];
    int found = 0;
    take_message(t, message);
    if (old.rollbacks >= run->rollbacks) {
        return mn_fail(t->ctx, MN_NUMERIC, "%s; run.rollbacks allows to go back %" PRId64 " times",
                       message, run->rollbacks);
    }
    /* The state of the last checkpoint of the schedule, or the initial one. Others, made at a
     * signal, do not count: an interrupted run goes back as far as any other. */
    if (run->checkpoint_every > 0) {
        TRY(nas_state_load_newest(t->e, t->ctx, t->dir.path, INT64_MAX, run->checkpoint_every,
                                  &earlier, &found));
    }
    if (!found) {
        TRY(nas_state_new(t->e, t->ctx, &earlier));
    }
    earlier.best = old.best;
    earlier.best_epoch = old.best_epoch;
    earlier.accept_changes = 1; /* what differs was accepted, or refused, at the start */
    earlier.rollbacks = old.rollbacks + 1;
    nas_state_fini(t->state);
    *t->state = earlier;
    TRY(nas_run_back(&t->dir, t->e, t->ctx, t->state));
    nas_jsonl_begin(m, "rollback");
    nas_jsonl_int(m, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_int(m, "from", old.meta_epoch);
    nas_jsonl_int(m, "task", t->batch.culprit);
    nas_jsonl_int(m, "rollbacks", t->state->rollbacks);
    TRY(nas_jsonl_end(m, t->ctx));
    TRY(nas_run_save(&t->dir, t->e, t->ctx, t->state));
    mn_log(t->ctx, MN_LOG_WARN,
           "%s\n  rolled back to meta-epoch %" PRId64 " (%" PRId64 " of %" PRId64
           " times); from there on other tasks are drawn",
           message, t->state->meta_epoch, t->state->rollbacks, run->rollbacks);
    tell_end(t);
    tell_begin(t);
    return MN_OK;
}

/* ---- the loop ----------------------------------------------------------------------------- */

static int due(int64_t every, int64_t now, int64_t end) {
    return now == end || (now > 0 && every > 0 && now % every == 0);
}

/* Meta-epochs after which the run is left for now. */
static int64_t stop_after(const struct training *t) {
    const int64_t end = t->e->run.meta_epochs, stop = t->observer.stop_after;
    return stop > 0 && stop < end ? stop : end;
}

/* What is left to do after the meta-epoch before, then the next one. */
static int turn(struct training *t) {
    const struct nas_run_options *run = &t->e->run;
    const int64_t now = t->state->meta_epoch, end = run->meta_epochs, stop = stop_after(t);
    if (due(run->eval_every, now, end) && t->state->evaluated != now) {
        TRY(validate(t));
    }
    if (due(run->checkpoint_every, now, end) || now == stop) {
        TRY(nas_run_save(&t->dir, t->e, t->ctx, t->state));
    }
    if (now >= stop) {
        return MN_OK;
    }
    double loss = t->state->log[1], accuracy = t->state->log[2];
    TRY(meta_epoch(t));
    loss = t->state->log[1] - loss;
    accuracy = t->state->log[2] - accuracy;
    if (nas_meta_batch_looks(t->e, now)) {
        TRY(write_log(t));
        if (t->observer.queries != NULL) {
            t->observer.queries(t->observer.data, t->batch.query.accuracy);
        }
    }
    if (t->observer.meta_epoch != NULL) {
        t->observer.meta_epoch(t->observer.data, now + 1, loss, accuracy);
    }
    return MN_OK;
}

static int loop(struct training *t) {
    int status = MN_OK;
    tell_begin(t);
    for (int last = 0; status == MN_OK && !last;) {
        last = t->state->meta_epoch >= stop_after(t);
        status = turn(t);
        if (status == MN_NUMERIC && t->e->run.on_nan == NAS_ON_NAN_ROLLBACK) {
            status = roll_back(t);
            last = 0;
        }
    }
    tell_end(t);
    return status;
}

/* ---- leaving ------------------------------------------------------------------------------ */

/* What can be done about numbers that are not finite. */
static int leave_numeric(struct training *t) {
    const int64_t task = t->batch.culprit, meta_epoch = t->state->meta_epoch;
    const int stops = t->e->run.on_nan == NAS_ON_NAN_STOP;
    char message[NAS_MESSAGE];
    take_message(t, message);
    const int64_t on_disk = nas_rundir_on_disk(&t->dir, t->ctx);
    const int written = task >= 0 && write_steps(t, meta_epoch, task) == MN_OK;
    nas_ctx_clear(t->ctx);
    mn_fail(t->ctx, MN_NUMERIC, "%s\n  ", message);
    if (on_disk < 0) {
        nas_ctx_more(t->ctx, MN_NUMERIC, "there is no checkpoint");
    } else {
        nas_ctx_more(t->ctx, MN_NUMERIC,
                     "the checkpoint of meta-epoch %" PRId64
                     " is whole, but going on would end the same",
                     on_disk);
    }
    nas_ctx_more(t->ctx, MN_NUMERIC, ": lower the learning rates%s",
                 stops ? ", or let run.on_nan be skip_task or rollback" : "");
    return written ? nas_ctx_more(t->ctx, MN_NUMERIC,
                                  "\n  metanas replay %s --meta-epoch %" PRId64 " --task %" PRId64
                                  " does this task again",
                                  t->dir.path, meta_epoch, task)
                   : MN_NUMERIC;
}

/* Keep what is whole, and say how to go on. */
static int leave(struct training *t, int status) {
    const char *dir = t->dir.path;
    if (status == MN_CANCELLED) {
        nas_ctx_clear(t->ctx);
        status = nas_run_save(&t->dir, t->e, t->ctx, t->state);
        if (status == MN_OK) {
            nas_ctx_of(t->ctx)->resumable = 1;
            const int moved = !nas_folder_is_locked(t->ctx, dir);
            return mn_fail(t->ctx, MN_CANCELLED,
                           "stopped after %" PRId64 " of %" PRId64
                           " meta-epochs; go on with: metanas resume %s%s",
                           t->state->meta_epoch, t->e->run.meta_epochs,
                           moved ? "the folder that was " : "", dir);
        }
    }
    if (status == MN_NUMERIC) {
        return leave_numeric(t);
    }
    const int64_t on_disk = nas_rundir_on_disk(&t->dir, t->ctx);
    if (on_disk >= 0) {
        return nas_ctx_more(t->ctx, status,
                            "\n  the checkpoint of meta-epoch %" PRId64
                            " is whole: metanas resume %s goes on from it",
                            on_disk, dir);
    }
    return nas_folder_is_locked(t->ctx, dir)
               ? nas_ctx_more(t->ctx, status, "\n  there is no checkpoint that could be read")
               : nas_ctx_more(t->ctx, status,
                              "\n  %s was removed, moved or made anew while the run was at work",
                              dir);
}

int nas_train_finished(const struct nas_experiment *e, const struct nas_state *state) {
    const int64_t end = e->run.meta_epochs;
    return state->meta_epoch > end || (state->meta_epoch == end && state->evaluated == end);
}

int nas_train(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state,
              const char *dir, const struct nas_train_observer *observer) {
    struct training t = {.e = e, .ctx = ctx, .state = state};
    if (observer != NULL) {
        t.observer = *observer;
    }
    if (e->moments == MN_MOMENTS_CARRY && nas_experiment_workers(e) > 1) {
        mn_log(ctx, MN_LOG_INFO,
               "moments: carry goes from task to task, so tasks run one after the other");
    }
    int status = nas_run_open(&t.dir, e, ctx, state, dir);
    if (status == MN_OK) {
        status = nas_meta_batch_new(e, ctx, &t.batch);
        status = status == MN_OK ? loop(&t) : status;
        status = status != MN_OK ? leave(&t, status) : MN_OK;
    }
    nas_meta_batch_fini(&t.batch);
    nas_rundir_close(&t.dir, ctx);
    return status;
}
