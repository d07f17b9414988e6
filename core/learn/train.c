/* SPDX-License-Identifier: MIT */
#include "learn/train.h"

#include "base/clock.h"
#include "base/folder.h"
#include "base/text.h"
#include "learn/architecture_log.h"
#include "learn/evaluate.h"
#include "learn/meta_prune.h"
#include "learn/meta_step.h"
#include "learn/progress.h"
#include "store/checkpoint_store.h"
#include "store/rundir.h"

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
    struct nas_progress progress;
    double epoch_seconds;       /* since the last timing line */
    struct nas_traffic traffic; /* until the last timing line */
};

/* ---- steps of tasks ----------------------------------------------------------------------- */

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

static int write_skipped(struct training *t, const struct mn_where *where, int64_t task) {
    const struct nas_task_outcome *outcome = nas_meta_batch_slot(&t->batch, task).outcome;
    struct nas_append_log *m = &t->dir.metrics;
    mn_log(t->ctx, MN_LOG_WARN, "%s; the task is skipped", outcome->message);
    nas_jsonl_begin(m, "skipped");
    nas_jsonl_int(m, "meta_epoch", where->meta_epoch);
    nas_jsonl_int(m, "task", task);
    nas_jsonl_int(m, "step", outcome->n_steps);
    nas_jsonl_int(m, "seed", (int64_t)where->seed);
    return nas_jsonl_end(m, t->ctx);
}

/* Of the meta-epoch just done. */
static int write_tasks(struct training *t, const struct mn_where *where) {
    int status = MN_OK;
    for (int64_t i = 0; status == MN_OK && i < t->e->run.tasks_per_batch; i++) {
        const int failed = nas_meta_batch_slot(&t->batch, i).outcome->failed != 0;
        if (failed || t->e->run.log_steps) {
            status = write_steps(t, where->meta_epoch, i);
        }
        if (status == MN_OK && failed) {
            status = write_skipped(t, where, i);
        }
    }
    return status;
}

static int meta_epoch(struct training *t) {
    const double begin = nas_now(), loss = t->state->log[1], accuracy = t->state->log[2];
    const struct mn_where where = nas_meta_batch_where(t->e, t->state);
    int status = nas_meta_batch_run(&t->batch, t->ctx, t->state);
    if (status == MN_OK) {
        t->progress.loss = t->state->log[1] - loss;
        t->progress.accuracy = t->state->log[2] - accuracy;
        status = write_tasks(t, &where);
    }
    t->epoch_seconds += nas_now() - begin;
    return status;
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
    return nas_model_n_mixtures(t->e->model) == 0
               ? MN_OK
               : nas_architecture_log_write(&t->dir.architecture, t->e, t->ctx, &t->state->meta,
                                            t->state->meta_epoch);
}

static int write_log(struct training *t) {
    double *log = t->state->log, entropy[2];
    const size_t mark = nas_arena_mark(&nas_ctx_of(t->ctx)->scratch);
    int status = nas_model_entropy(t->ctx, t->e->model, &t->state->meta, entropy);
    nas_arena_release(&nas_ctx_of(t->ctx)->scratch, mark);
    if (status != MN_OK) {
        return status;
    }
    nas_jsonl_begin(&t->dir.metrics, "train");
    nas_jsonl_int(&t->dir.metrics, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_real(&t->dir.metrics, "loss", log[1] / log[0]);
    nas_jsonl_real(&t->dir.metrics, "accuracy", log[2] / log[0]);
    nas_jsonl_real(&t->dir.metrics, "entropy_op", entropy[0]);
    nas_jsonl_real(&t->dir.metrics, "entropy_in", entropy[1]);
    nas_jsonl_real(&t->dir.metrics, "skip_share", log[3] / log[0]);
    status = nas_jsonl_end(&t->dir.metrics, t->ctx);
    nas_jsonl_begin(&t->dir.timing, "train");
    nas_jsonl_int(&t->dir.timing, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_real(&t->dir.timing, "seconds_per_meta_epoch", t->epoch_seconds / log[0]);
    put_traffic(t);
    if (status == MN_OK) {
        status = nas_jsonl_end(&t->dir.timing, t->ctx);
    }
    t->epoch_seconds = 0;
    memset(log, 0, sizeof t->state->log);
    return status != MN_OK ? status : write_architecture(t);
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
    if (v->skipped > 0) {
        nas_jsonl_int(m, "skipped", v->skipped);
    }
    nas_jsonl_text(m, "batch_norm", nas_batch_norm_name(t->e));
    nas_jsonl_int(m, "seed", t->e->run.seed);
    const int status = nas_jsonl_end(m, t->ctx);
    nas_jsonl_begin(&t->dir.timing, "validation");
    nas_jsonl_int(&t->dir.timing, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_real(&t->dir.timing, "seconds", seconds);
    put_traffic(t);
    return status != MN_OK ? status : nas_jsonl_end(&t->dir.timing, t->ctx);
}

/* ---- validation --------------------------------------------------------------------------- */

/* The state as it was validated, before anything is cut from it. */
static int keep_best(struct training *t, const struct nas_evaluation *v) {
    if (v->tasks == 0 || v->record.accuracy_mean <= t->state->best) {
        return MN_OK;
    }
    t->state->best = v->record.accuracy_mean;
    t->state->best_epoch = t->state->meta_epoch;
    return nas_rundir_save_best(&t->dir, t->e, t->ctx, t->state, v);
}

/* Tasks that were left out are told; nothing of the run hangs on them. */
static void tell_validation(struct training *t, const struct nas_evaluation *v) {
    char half[32];
    if (v->skipped > 0) {
        mn_log(t->ctx, MN_LOG_WARN,
               "%s\n  meta-epoch %" PRId64 ": %" PRId64 " of %" PRId64
               " validation tasks are left out, since their numbers are not finite%s",
               v->why, t->state->meta_epoch, v->skipped, v->skipped + v->tasks,
               v->tasks == 0 ? "; the validation has no result" : "");
    }
    if (v->tasks == 0) {
        return;
    }
    t->progress.have_validation = 1;
    t->progress.validation = v->record.accuracy_mean;
    t->progress.interval = v->record.accuracy_ci95;
    nas_progress_note(&t->progress,
                      "meta-epoch %" PRId64 ": validation %.2f%%%s (%" PRId64
                      " tasks, %s batch norm, seed %" PRId64 "), prune gap %+.2f points",
                      t->state->meta_epoch, 100 * t->progress.validation,
                      nas_text_interval(100 * t->progress.interval, 2, "", half, sizeof half),
                      v->tasks, nas_batch_norm_name(t->e), t->e->run.seed,
                      100 * v->record.prune_gap);
}

static int validate(struct training *t) {
    struct nas_evaluation v;
    const double begin = nas_now();
    int status = nas_evaluate(t->e, t->batch.executor, t->ctx, t->state, MN_VAL,
                              t->e->evaluation.validation_tasks, &v);
    if (status == MN_OK) {
        status = write_validation(t, &v, nas_now() - begin);
    }
    if (status == MN_OK) {
        status = keep_best(t, &v);
    }
    if (status == MN_OK) {
        status = nas_meta_prune(t->e, t->ctx, t->state);
    }
    if (status == MN_OK) {
        status = write_architecture(t);
    }
    if (status == MN_OK) {
        t->state->evaluated = t->state->meta_epoch;
        tell_validation(t, &v);
    }
    nas_evaluation_fini(&v);
    return status;
}

/* ---- the loop ----------------------------------------------------------------------------- */

static int due(int64_t every, int64_t now, int64_t end) {
    return now == end || (now > 0 && every > 0 && now % every == 0);
}

/* What follows a meta-epoch. */
static int after(struct training *t) {
    const struct nas_run_options *run = &t->e->run;
    const int64_t now = t->state->meta_epoch;
    int status = MN_OK;
    if (due(run->eval_every, now, run->meta_epochs) && t->state->evaluated != now) {
        status = validate(t);
    }
    if (status == MN_OK && due(run->checkpoint_every, now, run->meta_epochs)) {
        status = nas_rundir_save(&t->dir, t->e, t->ctx, t->state);
    }
    return status;
}

static void begin_progress(struct training *t) {
    nas_progress_begin(&t->progress, "meta-epoch", t->state->meta_epoch, t->e->run.meta_epochs,
                       nas_ctx_of(t->ctx)->quiet < MN_LOG_INFO);
}

/* ---- going back --------------------------------------------------------------------------- */

/* The state of the last checkpoint of the schedule, or the initial one. Others, made at a signal,
 * do not count: an interrupted run goes back as far as any other. */
static int earlier_state(struct training *t, struct nas_state *out) {
    int found = 0;
    const int status = t->e->run.checkpoint_every == 0
                           ? MN_OK
                           : nas_state_load_newest(t->e, t->ctx, t->dir.path, INT64_MAX,
                                                   t->e->run.checkpoint_every, out, &found);
    return status != MN_OK || found ? status : nas_state_new(t->e, t->ctx, out);
}

static int write_rollback(struct training *t, int64_t from, int64_t task) {
    struct nas_append_log *m = &t->dir.metrics;
    nas_jsonl_begin(m, "rollback");
    nas_jsonl_int(m, "meta_epoch", t->state->meta_epoch);
    nas_jsonl_int(m, "from", from);
    nas_jsonl_int(m, "task", task);
    nas_jsonl_int(m, "rollbacks", t->state->rollbacks);
    return nas_jsonl_end(m, t->ctx);
}

/* The new state takes the place of the old one, whose named state the meta learner has left. */
static int take_back(struct training *t, const char *message) {
    struct nas_state earlier = {0};
    const struct nas_state old = *t->state;
    const int64_t task = t->batch.culprit;
    int status = earlier_state(t, &earlier);
    if (status != MN_OK) {
        return status;
    }
    earlier.best = old.best;
    earlier.best_epoch = old.best_epoch;
    earlier.accept_changes = 1; /* what differs was accepted, or refused, at the start */
    earlier.rollbacks = old.rollbacks + 1;
    nas_state_fini(t->state);
    *t->state = earlier;
    status = nas_rundir_back(&t->dir, t->e, t->ctx, t->state);
    if (status == MN_OK) {
        status = write_rollback(t, old.meta_epoch, task);
    }
    if (status == MN_OK) {
        status = nas_rundir_save(&t->dir, t->e, t->ctx, t->state);
    }
    if (status == MN_OK) {
        mn_log(t->ctx, MN_LOG_WARN,
               "%s\n  rolled back to meta-epoch %" PRId64 " (%" PRId64 " of %" PRId64
               " times); from there on other tasks are drawn",
               message, t->state->meta_epoch, t->state->rollbacks, t->e->run.rollbacks);
        nas_progress_end(&t->progress);
        begin_progress(t);
    }
    return status;
}

static int roll_back(struct training *t) {
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message, "%s", nas_ctx_message(t->ctx));
    nas_ctx_clear(t->ctx);
    if (t->state->rollbacks >= t->e->run.rollbacks) {
        return mn_fail(t->ctx, MN_NUMERIC, "%s; run.rollbacks allows to go back %" PRId64 " times",
                       message, t->e->run.rollbacks);
    }
    return take_back(t, message);
}

/* What is left to do here, then a meta-epoch. */
static int turn(struct training *t) {
    const struct nas_run_options *run = &t->e->run;
    int status = after(t);
    if (status != MN_OK || t->state->meta_epoch >= run->meta_epochs) {
        return status;
    }
    status = meta_epoch(t);
    if (status == MN_OK && run->log_every > 0 &&
        (t->state->meta_epoch % run->log_every == 0 || t->state->meta_epoch == run->meta_epochs)) {
        status = write_log(t);
    }
    if (status == MN_OK) {
        nas_progress_show(&t->progress, t->state->meta_epoch);
    }
    return status;
}

static int loop(struct training *t) {
    int status = MN_OK;
    begin_progress(t);
    for (int last = 0; status == MN_OK && !last;) {
        last = t->state->meta_epoch >= t->e->run.meta_epochs;
        status = turn(t);
        if (status == MN_NUMERIC && t->e->run.on_nan == NAS_ON_NAN_ROLLBACK) {
            status = roll_back(t);
            last = 0;
        }
    }
    nas_progress_end(&t->progress);
    return status;
}

/* Keep what is whole, and say how to go on. */
static int leave_cancelled(struct training *t) {
    nas_ctx_clear(t->ctx);
    const int status = nas_rundir_save(&t->dir, t->e, t->ctx, t->state);
    if (status != MN_OK) {
        return status;
    }
    nas_ctx_of(t->ctx)->goes_on = 1;
    const int moved = !nas_folder_is_locked(t->ctx, t->dir.path);
    return mn_fail(t->ctx, MN_CANCELLED,
                   "stopped after %" PRId64 " of %" PRId64
                   " meta-epochs; go on with: metanas resume %s%s",
                   t->state->meta_epoch, t->e->run.meta_epochs, moved ? "the folder that was " : "",
                   t->dir.path);
}

/* What can be done about numbers that are not finite. */
static int leave_numeric(struct training *t) {
    const int64_t task = t->batch.culprit;
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message, "%s", nas_ctx_message(t->ctx));
    nas_ctx_clear(t->ctx);
    char saved[128] = "there is no checkpoint", replay[PATH_MAX + 80] = "";
    const int64_t on_disk = nas_rundir_on_disk(&t->dir, t->ctx);
    nas_ctx_clear(t->ctx);
    if (on_disk >= 0) {
        snprintf(saved, sizeof saved,
                 "the checkpoint of meta-epoch %" PRId64
                 " is whole, but going on would end the same",
                 on_disk);
    }
    if (task >= 0 && write_steps(t, t->state->meta_epoch, task) == MN_OK) {
        snprintf(replay, sizeof replay,
                 "\n  metanas replay %s --meta-epoch %" PRId64 " --task %" PRId64
                 " does this task again",
                 t->dir.path, t->state->meta_epoch, task);
    }
    nas_ctx_clear(t->ctx);
    return mn_fail(
        t->ctx, MN_NUMERIC, "%s\n  %s: lower the learning rates%s%s", message, saved,
        t->e->run.on_nan == NAS_ON_NAN_STOP ? ", or let run.on_nan be skip_task or rollback" : "",
        replay);
}

static int leave(struct training *t, int status) {
    if (status == MN_CANCELLED && (status = leave_cancelled(t)) == MN_CANCELLED) {
        return status;
    }
    if (status == MN_NUMERIC) {
        return leave_numeric(t);
    }
    const int64_t on_disk = nas_rundir_on_disk(&t->dir, t->ctx);
    if (on_disk >= 0) {
        return nas_ctx_more(t->ctx, status,
                            "\n  the checkpoint of meta-epoch %" PRId64
                            " is whole: metanas resume %s goes on from it",
                            on_disk, t->dir.path);
    }
    return nas_folder_is_locked(t->ctx, t->dir.path)
               ? nas_ctx_more(t->ctx, status, "\n  there is no checkpoint that could be read")
               : nas_ctx_more(t->ctx, status,
                              "\n  %s was removed, moved or made anew while the run was at work",
                              t->dir.path);
}

int nas_state_finished(const struct nas_experiment *e, const struct nas_state *state) {
    const int64_t end = e->run.meta_epochs;
    return state->meta_epoch > end || (state->meta_epoch == end && state->evaluated == end);
}

int nas_metatrain(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state,
                  const char *dir) {
    struct training t = {.e = e, .ctx = ctx, .state = state};
    if (e->moments == MN_MOMENTS_CARRY && nas_experiment_workers(e) > 1) {
        mn_log(ctx, MN_LOG_INFO,
               "moments: carry goes from task to task, so tasks run one after the other");
    }
    int status = nas_rundir_open(&t.dir, e, ctx, state, dir);
    if (status == MN_OK) {
        status = nas_meta_batch_new(e, ctx, &t.batch);
        status = status == MN_OK ? loop(&t) : status;
        status = status != MN_OK ? leave(&t, status) : MN_OK;
    }
    nas_meta_batch_fini(&t.batch);
    nas_rundir_close(&t.dir, ctx);
    return status;
}
