/* SPDX-License-Identifier: MIT */
#ifndef MN__BASE_CX_H
#define MN__BASE_CX_H

/* The host's side of a context: message, scratch memory, cancellation, log. One for each thread.
 * Core functions that can fail take a struct mn_cx, record one message with mn_fail and return its
 * status. */

#include "base/arena.h"
#include "metanas/cx.h"
#include "metanas/plugin.h"

#include <stdbool.h>
#include <stdio.h>

enum { MN__MESSAGE = 2048 };

struct mn__workspace;
struct mn__batches;
struct mn__instance;
struct mn__inner;
struct mn__ranks;
struct mn__share;
struct mn__held;

/* Called after every task step; see mn_step_done. */
typedef int (*mn__step_fn)(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                           double skip_share, const struct mn_point *now);

struct mn__cx {
    struct mn_cx pub; /* first: a struct mn_cx * is cast to this */
    char message[MN__MESSAGE];
    int status; /* of the recorded message; MN_OK = none */
    struct mn__arena scratch;
    const struct mn__instance *unit;      /* whose function runs: names log lines and bad options */
    struct mn__workspace *workspace;      /* for model passes; NULL = none on this thread */
    const struct mn__batches *prescribed; /* mini-batches given from outside (probe), or NULL */
    mn_real *batch_images;                /* of the last mini-batch, in scratch */
    int32_t *batch_labels;
    int32_t batch_room;                    /* images that they hold; 0 = there are none */
    const struct mn__instance *batch_unit; /* whose call drew it */
    struct mn__inner *inner;        /* the task that learners work on, or NULL (run/inner.h) */
    mn_real *own;                   /* for mn_own_delta, or NULL */
    void *claiming;                 /* struct mn__state while a meta learner starts, or NULL */
    int quiet;                      /* highest log level printed */
    int sharing;                    /* other processes of this node will want what is kept shared */
    const struct mn__share *shared; /* what another one has filled already, or NULL */
    const struct mn__held *held; /* a folder that is this process's alone (run/file.h), or NULL */
    struct mn__ranks *ranks;     /* the processes of the job that this one leads, or NULL */
    int goes_on;                 /* what a signal stopped can go on: a run was saved */
    mn__step_fn on_step;
    void *on_step_data;
};

/* Mini-batches that replace the drawn ones: `steps` of n images each, in order. */
struct mn__batches {
    int64_t steps;
    const struct mn_set *sets; /* [steps] */
};

/* Make a context ready. Always succeeds. `fini` takes a zeroed or ready context. */
void mn__cx_init(struct mn__cx *cx);
void mn__cx_fini(struct mn__cx *cx);

static inline struct mn__cx *mn__cx_of(struct mn_cx *cx) {
    return (struct mn__cx *)cx;
}

/* The recorded message ("" = none), its status, and forgetting both. */
const char *mn__cx_message(const struct mn_cx *cx);
void mn__cx_clear(struct mn_cx *cx);

/* Put "context: " before the recorded message: where a failure happened. Returns the status. */
MN_PRINTF(2, 3) int mn__cx_where(struct mn_cx *cx, const char *format, ...);

/* Add to the recorded message of a failure with `status`, which is returned. */
MN_PRINTF(3, 4) int mn__cx_more(struct mn_cx *cx, int status, const char *format, ...);

/* The status of a plugin's call, checked: a positive or unknown value, or a failure without a
 * message, becomes a message that names the unit. Messages get "unit: " in front. Releases the
 * scratch that the call took. */
int mn__cx_result(struct mn_cx *cx, const struct mn__instance *unit, size_t mark, int status);

/* Whether this process has printed the warning before; from now on it has. The first 1024 are
 * remembered. */
int mn__said_before(const char *warning);

/* Whether a line of progress, which has no end yet, stands on the terminal of standard error. Lines
 * of the log clear it; it is drawn again with the next progress. */
extern _Atomic int mn__line_stands;

/* Cancellation: set by a signal handler (async-signal-safe), read by mn_cancelled. */
void mn__cancel(int signal_number);
int mn__cancel_signal(void); /* 0 = none */
void mn__cancel_reset(void);

/* The table in every context. Services that belong to other files are set by them through
 * mn__host_table at start: model (model/model.c), builder (model/builder.c), batches
 * (run/episode.c). base/ fills errors, log, memory. */
struct mn_host *mn__host_table(void);

/* Exit code of the program for a status (docs/configuration.md): 0 ok, 1 internal, 2 usage or
 * configuration, 3 input or output, 4 numeric, 5 out of memory, 6 unsupported, 75 cancelled where
 * something can go on. */
int mn__exit_code(int status);

#endif
