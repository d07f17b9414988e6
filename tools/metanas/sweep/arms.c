/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include "../estimate/forecast.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "learn/config_diff.h"
#include "learn/configuration.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A rung ends where the run is validated anyway: one validation more would cut more candidates from
 * the meta-architecture, and make it another run. */
static int check_rungs(struct mn_ctx *ctx, const struct sweep *s, const struct nas_experiment *e) {
    const int64_t every = e->run.eval_every;
    char place[PATH_MAX + 32];
    if (s->n_rungs > 0 && e->run.meta_epochs != s->rungs[s->n_rungs - 1]) {
        return mn_fail(ctx, MN_CONFIG,
                       "run.meta_epochs cannot be set by --set: rungs.max of %s is its value",
                       s->file);
    }
    for (int i = 0; i + 1 < s->n_rungs; i++) {
        if (every == 0 || s->rungs[i] % every != 0) {
            nas_mark_text(s->rungs_mark, place, sizeof place);
            return mn_fail(ctx, MN_CONFIG,
                           "%srun.eval_every is %" PRId64
                           ", so there is no validation after %" PRId64
                           " meta-epochs, where a rung ends; min has to be a multiple of it",
                           place, every, s->rungs[i]);
        }
    }
    return MN_OK;
}

int sweep_open(struct mn_ctx *ctx, const struct sweep_job *job, int64_t arm, int seed,
               const struct nas_open *more, struct nas_experiment *out) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_open open = *more;
    open.assignments = sweep_assignments(&job->sweep, arm, seed, &arena, &open.n_assignments);
    if (open.assignments == NULL) {
        return no_memory(ctx);
    }
    TRY(open_experiment(ctx, job->arguments, job->sweep.base, &open, out));
    return out->run.seed == job->sweep.seeds[seed]
               ? check_rungs(ctx, &job->sweep, out)
               : mn_fail(ctx, MN_CONFIG,
                         "run.seed cannot be set by --set: 'seeds' of %s lists its values",
                         job->sweep.file);
}

/* ---- validating --------------------------------------------------------------------------- */

struct check {
    struct mn_ctx *ctx;
    struct sweep_job *job;
    struct mn_dataset_info data; /* of the data set below */
    struct nas_buffer dataset; /* resolved section of the one that was opened; no text = none was */
    void *said;                /* tree of the lines printed so far */
    int64_t faulty;            /* arms */
    struct resolved *resolved; /* [n_arms] */
    void *known;               /* tree of those */
    struct resolved *trained;  /* [n_arms], of what meta-training hangs on */
    void *trainings;           /* tree of those */
};

/* Of the resolved configuration of an arm. */
struct resolved {
    uint64_t hash;
    int64_t arm;
};

static int by_hash(const void *a, const void *b) {
    const struct resolved *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int by_text(const void *a, const void *b) {
    return strcmp(a, b);
}

static void keep_it(void *line) {
}

/* What a line is known by: of a value that was drawn, which differs from arm to arm, the place. */
static size_t known_by(const struct sweep *sweep, const char *line) {
    const size_t file = strlen(sweep->file);
    const char *end =
        sweep->drawn && strncmp(line, sweep->file, file) == 0 ? strstr(line + file, ": ") : NULL;
    return end != NULL ? (size_t)(end - line) : strlen(line);
}

/* Print the lines that no arm before has caused. */
static int say(struct check *c, char *text) {
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *key = strndup(line, known_by(&c->job->sweep, line));
        if (key == NULL) {
            return no_memory(c->ctx);
        }
        if (key[0] == '\0' || tfind(key, &c->said, by_text) != NULL) {
            free(key);
            continue;
        }
        if (tsearch(key, &c->said, by_text) == NULL) {
            free(key);
            return no_memory(c->ctx);
        }
        fprintf(stderr, "%s\n", line);
    }
    return MN_OK;
}

/* A message without a place in one of the files: which arm has caused it? */
static int say_of_arm(struct check *c, int64_t arm, char *message) {
    const struct sweep *sweep = &c->job->sweep;
    if (strncmp(message, sweep->file, strlen(sweep->file)) == 0 ||
        strncmp(message, sweep->base, strlen(sweep->base)) == 0) {
        return say(c, message);
    }
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const char *name = sweep_arm_name(sweep, arm, &arena);
    char *line = name != NULL ? nas_arena_format(&arena, "arm %s: %s", name, message) : NULL;
    return line != NULL ? say(c, line) : no_memory(c->ctx);
}

/* Open an arm with or without its data, and say what is wrong with it. A fault of the
 * configuration is counted and is no failure. */
static int open_arm(struct check *c, int64_t arm, const struct nas_open *how,
                    struct nas_experiment *out) {
    CLEANUP(nas_buffer_free) struct nas_buffer faults = {0};
    struct nas_open open = *how;
    int n_faults = 0;
    TRY(nas_buffer_open(&faults, c->ctx));
    open.n_faults = &n_faults;
    open.faults = faults.out;
    const int status = sweep_open(c->ctx, c->job, arm, 0, &open, out);
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message, "%s", nas_ctx_message(c->ctx));
    const int is_fault = status == MN_CONFIG || status == MN_UNSUPPORTED;
    if (is_fault) {
        nas_ctx_clear(c->ctx);
        c->faulty++;
    }
    TRY(nas_buffer_close(&faults, c->ctx));
    TRY(say(c, faults.text));
    if (is_fault) {
        return n_faults == 0 ? say_of_arm(c, arm, message) : MN_OK;
    }
    return status;
}

/* Two arms of one configuration compare nothing: a --set may have undone what tells them apart. */
static int check_distinct(struct check *c, int64_t arm, const struct nas_experiment *experiment) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_free) char *text = NULL;
    TRY(nas_config_text(experiment, c->ctx, &text));
    struct resolved *this = &c->resolved[arm];
    *this = (struct resolved){nas_hash_bytes(nas_hash_begin(), text, strlen(text)), arm};
    struct resolved *const *there = tsearch(this, &c->known, by_hash);
    if (there == NULL || *there == this) {
        return there != NULL ? MN_OK : no_memory(c->ctx);
    }
    const char *name = sweep_arm_name(&c->job->sweep, (*there)->arm, &arena);
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message,
             "the same configuration as that of arm %s; is a key of an axis given by --set?",
             name != NULL ? name : "?");
    c->faulty++;
    return say_of_arm(c, arm, message);
}

/* Arms that differ in what evaluation alone looks at are meta-trained once. Not where they are
 * judged by validations, which are evaluations, too. */
static int find_training(struct check *c, int64_t arm, const struct nas_experiment *experiment) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    c->job->trained_as[arm] = arm;
    if (c->job->sweep.n_rungs > 0) {
        return MN_OK;
    }
    TRY(nas_buffer_open(&text, c->ctx));
    nas_configuration_write_training(experiment, text.out);
    TRY(nas_buffer_close(&text, c->ctx));
    struct resolved *this = &c->trained[arm];
    *this = (struct resolved){nas_hash_bytes(nas_hash_begin(), text.text, text.length), arm};
    struct resolved *const *first = tsearch(this, &c->trainings, by_hash);
    if (first == NULL) {
        return no_memory(c->ctx);
    }
    c->job->trained_as[arm] = (*first)->arm;
    return MN_OK;
}

int64_t sweep_trained_as(const struct sweep_job *job, int64_t run) {
    const int seeds = job->sweep.n_seeds;
    return job->trained_as[run / seeds] * seeds + run % seeds;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* For how many runs there is room at a time. */
static void note_needs(struct sweep_job *job, const struct nas_experiment *experiment) {
    struct memory_forecast memory;
    forecast_memory(experiment, &memory);
    job->threads = most(job->threads, memory.workers);
    job->memory_begin = most(job->memory_begin, memory.resident);
    job->memory_work = most(job->memory_work, memory.peak - memory.resident);
    job->all_processors |= experiment->run.workers == 0;
}

/* The first look leaves the data alone and tells which data set it is. */
static int check_arm(struct check *c, int64_t arm) {
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    CLEANUP(nas_buffer_free) struct nas_buffer dataset = {0};
    const int64_t before = c->faulty;
    struct nas_open how = {.flags = NAS_OPEN_NO_DATA};
    TRY(open_arm(c, arm, &how, &experiment));
    if (c->faulty > before) {
        return MN_OK;
    }
    TRY(nas_buffer_open(&dataset, c->ctx));
    nas_instance_write(&experiment.dataset, 0, 2, dataset.out);
    TRY(nas_buffer_close(&dataset, c->ctx));
    nas_experiment_close(&experiment);
    if (c->dataset.text != NULL && strcmp(dataset.text, c->dataset.text) == 0) {
        how.data = &c->data;
    } else {
        how.flags = 0;
    }
    TRY(open_arm(c, arm, &how, &experiment));
    if (c->faulty == before) {
        TRY(check_distinct(c, arm, &experiment));
    }
    if (c->faulty == before) {
        TRY(find_training(c, arm, &experiment));
        note_needs(c->job, &experiment);
        c->job->data[arm] = c->data = experiment.data;
        nas_buffer_free(&c->dataset);
        c->dataset = dataset;
        dataset = (struct nas_buffer){0};
    }
    return MN_OK;
}

int sweep_validate(struct mn_ctx *ctx, struct sweep_job *job) {
    struct check c = {.ctx = ctx, .job = job};
    if (access(job->sweep.base, R_OK) != 0) {
        return mn_fail(ctx, MN_IO, "%s: base: cannot read %s: %s", job->sweep.file, job->sweep.base,
                       strerror(errno));
    }
    job->data = nas_arena_zeroed(&job->arena, (size_t)job->sweep.n_arms * sizeof *job->data);
    c.resolved = nas_arena_zeroed(&job->arena, (size_t)job->sweep.n_arms * sizeof *c.resolved);
    c.trained = nas_arena_zeroed(&job->arena, (size_t)job->sweep.n_arms * sizeof *c.trained);
    job->trained_as =
        nas_arena_zeroed(&job->arena, (size_t)job->sweep.n_arms * sizeof *job->trained_as);
    int status =
        job->data != NULL && c.resolved != NULL && c.trained != NULL && job->trained_as != NULL
            ? MN_OK
            : no_memory(ctx);
    for (int64_t arm = 0; status == MN_OK && arm < job->sweep.n_arms; arm++) {
        status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped on request")
                                   : check_arm(&c, arm);
        if (status != MN_OK) {
            const char *name = sweep_arm_name(&job->sweep, arm, &nas_ctx_of(ctx)->scratch);
            nas_ctx_where(ctx, "%s: arm %s", job->sweep.file, name != NULL ? name : "?");
        }
    }
    nas_buffer_free(&c.dataset);
    tdestroy(c.said, free);
    tdestroy(c.known, keep_it);
    tdestroy(c.trainings, keep_it);
    if (status == MN_OK && c.faulty > 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: %" PRId64 " of %" PRId64 " arms cannot be run; nothing was run",
                       job->sweep.file, c.faulty, job->sweep.n_arms);
    }
    return status;
}
