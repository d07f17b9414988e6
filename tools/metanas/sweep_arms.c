/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int sweep_open(struct mn_cx *cx, const struct sweep_job *job, int64_t arm, int seed,
               const struct mn__open *more, struct mn__experiment *out) {
    struct mn__arena arena = {0};
    struct mn__open open = more != NULL ? *more : (struct mn__open){0};
    open.assignments = mn__sweep_assignments(&job->sweep, arm, seed, &arena, &open.n_assignments);
    const int status = open.assignments != NULL
                           ? open_experiment(cx, job->arguments, job->sweep.base, &open, out)
                           : no_memory(cx);
    mn__arena_fini(&arena);
    return status;
}

/* ---- validating --------------------------------------------------------------------------- */

struct check {
    struct mn_cx *cx;
    struct sweep_job *job;
    struct mn_dataset_info data; /* of the data set below */
    char *dataset;               /* resolved section of the one that was opened; NULL = none was */
    char *said;                  /* all lines printed so far */
    int64_t faulty;              /* arms */
};

/* The configuration of the data set as text; NULL = no memory. For free. */
static char *dataset_text(const struct mn__experiment *experiment) {
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return NULL;
    }
    fprintf(out, "%s\n", experiment->dataset.unit.unit->name);
    mn__schema_write(&experiment->dataset.unit.options, experiment->dataset.self, 2, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Print the lines that no arm before has caused. */
static int say(struct check *c, char *text) {
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        const size_t before = c->said != NULL ? strlen(c->said) : 0, length = strlen(line);
        if (length == 0 || (c->said != NULL && strstr(c->said, line) != NULL)) {
            continue;
        }
        char *said = realloc(c->said, before + length + 2);
        if (said == NULL) {
            return no_memory(c->cx);
        }
        memcpy(said + before, line, length);
        memcpy(said + before + length, "\n", 2);
        c->said = said;
        fprintf(stderr, "%s\n", line);
    }
    return MN_OK;
}

/* Open an arm with or without its data, and say what is wrong with it. A fault of the
 * configuration is counted and is no failure. */
static int open_arm(struct check *c, int64_t arm, const struct mn__open *how,
                    struct mn__experiment *out) {
    struct mn__open open = *how;
    char *faults = NULL;
    size_t length;
    int n_faults = 0;
    open.n_faults = &n_faults;
    open.faults = open_memstream(&faults, &length);
    if (open.faults == NULL) {
        return no_memory(c->cx);
    }
    int status = sweep_open(c->cx, c->job, arm, 0, &open, out);
    if (fclose(open.faults) != 0) {
        status = no_memory(c->cx);
    }
    if (status == MN_CONFIG || status == MN_UNSUPPORTED || status == MN_OK) {
        const int is_faulty = status != MN_OK;
        char message[MN__MESSAGE];
        snprintf(message, sizeof message, "%s", mn__cx_message(c->cx));
        c->faulty += is_faulty;
        mn__cx_clear(c->cx);
        status = say(c, faults);
        if (status == MN_OK && is_faulty && n_faults == 0) {
            status = say(c, message);
        }
    }
    free(faults);
    return status;
}

/* The first look leaves the data alone and tells which data set it is. */
static int check_arm(struct check *c, int64_t arm) {
    struct mn__experiment experiment = {0};
    const int64_t before = c->faulty;
    struct mn__open how = {.flags = MN__OPEN_NO_DATA};
    int status = open_arm(c, arm, &how, &experiment);
    char *dataset = NULL;
    if (status == MN_OK && c->faulty == before) {
        dataset = dataset_text(&experiment);
        mn__experiment_close(&experiment);
        const int known = dataset != NULL && c->dataset != NULL && strcmp(dataset, c->dataset) == 0;
        how = known ? (struct mn__open){.flags = MN__OPEN_NO_DATA, .data = &c->data}
                    : (struct mn__open){0};
        status = dataset != NULL ? open_arm(c, arm, &how, &experiment) : no_memory(c->cx);
    }
    if (status == MN_OK && c->faulty == before) {
        c->job->data[arm] = c->data = experiment.data;
        free(c->dataset);
        c->dataset = dataset;
        dataset = NULL;
    }
    free(dataset);
    mn__experiment_close(&experiment);
    return status;
}

int sweep_validate(struct mn_cx *cx, struct sweep_job *job) {
    struct check c = {.cx = cx, .job = job};
    job->data = mn__arena_zeroed(&job->arena, (size_t)job->sweep.n_arms * sizeof *job->data);
    int status = job->data != NULL ? MN_OK : no_memory(cx);
    for (int64_t arm = 0; status == MN_OK && arm < job->sweep.n_arms; arm++) {
        status = check_arm(&c, arm);
        if (status != MN_OK) {
            const char *name = mn__sweep_name(&job->sweep, arm, &mn__cx_of(cx)->scratch);
            mn__cx_where(cx, "%s: arm %s", job->sweep.file, name != NULL ? name : "?");
        }
    }
    free(c.dataset);
    free(c.said);
    if (status == MN_OK && c.faulty > 0) {
        return mn_fail(cx, MN_CONFIG,
                       "%s: %" PRId64 " of %" PRId64 " arms cannot be run; nothing was run",
                       job->sweep.file, c.faulty, job->sweep.n_arms);
    }
    return status;
}
