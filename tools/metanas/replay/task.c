/* SPDX-License-Identifier: MIT */
#include "task.h"

#include "learn/meta_prune.h"
#include "learn/run.h"

#include <inttypes.h>
#include <string.h>

/* From the beginning tasks can be drawn again only as they were before any rollback. */
static int begin_new(struct replay *r) {
    struct nas_state last = {0};
    int found;
    TRY(nas_state_load_newest(r->e, r->ctx, r->dir, INT64_MAX, 0, &last, &found));
    const int64_t rollbacks = last.rollbacks;
    nas_state_fini(&last);
    return rollbacks == 0 ? nas_state_new(r->e, r->ctx, &r->state)
                          : mn_fail(r->ctx, MN_CONFIG,
                                    "%s: no checkpoint of meta-epoch %" PRId64
                                    " or before is left, and the run was rolled back since",
                                    r->dir, r->meta_epoch);
}

/* The nearest checkpoint at or before it, or the beginning. */
static int begin(struct replay *r) {
    const struct nas_run_options *run = &r->e->run;
    int found;
    if (r->task >= run->tasks_per_batch) {
        return mn_fail(r->ctx, MN_CONFIG, "%s: task %" PRId64 "; there are tasks 0 to %" PRId64,
                       r->dir, r->task, run->tasks_per_batch - 1);
    }
    if (r->meta_epoch >= run->meta_epochs) {
        return mn_fail(r->ctx, MN_CONFIG, "%s: meta-epoch %" PRId64 "; there are 0 to %" PRId64,
                       r->dir, r->meta_epoch, run->meta_epochs - 1);
    }
    TRY(nas_state_load_newest(r->e, r->ctx, r->dir, r->meta_epoch, 0, &r->state, &found));
    if (!found) {
        TRY(begin_new(r));
    } else {
        snprintf(r->source, sizeof r->source, "%s", r->state.source);
        TRY(nas_run_check(r->e, r->ctx, &r->state, r->accept_changes));
    }
    r->from = r->state.meta_epoch;
    return nas_meta_batch_new(r->e, r->ctx, &r->batch);
}

/* The meta-epochs between are repeated. Of a validation what it cuts is done again, since nothing
 * else of it changes the run. */
static int go(struct replay *r) {
    const int64_t every = r->e->run.eval_every;
    for (;;) {
        const int64_t now = r->state.meta_epoch;
        if (now > 0 && every > 0 && now % every == 0 && r->state.evaluated != now) {
            r->state.evaluated = now;
            TRY(nas_meta_prune(r->e, r->ctx, &r->state));
        }
        if (now == r->meta_epoch) {
            return nas_meta_batch_task(&r->batch, r->ctx, &r->state, r->task);
        }
        TRY(nas_meta_batch_run(&r->batch, r->ctx, &r->state));
    }
}

int replay_task(struct replay *r) {
    TRY(begin(r));
    return go(r);
}

void replay_fini(struct replay *r) {
    nas_meta_batch_fini(&r->batch);
    nas_state_fini(&r->state);
}
