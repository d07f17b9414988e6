/* SPDX-License-Identifier: MIT */
/* meta_learner, on the model of toy.h. */

#include "life.h"
#include "toy.h"

#include <math.h>
#include <string.h>

enum { UPDATES = 6 };

static void prepare(struct kit_life *life) {
    life->data = mock_buffer(&life->mock, sizeof(struct toy), 0);
    toy_install(life->data, &life->mock, TOY_A);
    life->mock.claiming = 0;
}

static struct toy *toy_of_life(struct kit_life *life) {
    return life->data;
}

static int start(struct kit_life *life) {
    int status = MN_OK;
    if (life->table.meta_learner.start != NULL) {
        life->mock.claiming = 1;
        kit_call(life, "start", KIT_SETUP);
        status = kit_end(life, life->table.meta_learner.start(life->self, &life->mock.cx,
                                                              &toy_of_life(life)->dims));
        life->mock.claiming = 0;
    }
    return status;
}

/* ---- calls -------------------------------------------------------------------------------- */

static int64_t n_a(struct kit_life *life) {
    return toy_of_life(life)->dims.n_a;
}

static struct mn_point point_new(struct kit_life *life) {
    return (struct mn_point){kit_input(life, TOY_W),
                             n_a(life) > 0 ? kit_input(life, n_a(life)) : NULL};
}

static struct mn_point random_point(struct kit_life *life, uint64_t seed, double scale) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 6, 0, 0, 0);
    struct mn_point at = point_new(life);
    kit_normal(&rng, TOY_W, scale, at.w);
    kit_normal(&rng, n_a(life), scale, at.a);
    return at;
}

static void seal_point(struct kit_life *life, const struct mn_point *at) {
    kit_seal(life, at->w);
    if (at->a != NULL) {
        kit_seal(life, at->a);
    }
}

static void check_written(struct kit_life *life, const char *what, const struct mn_point *at) {
    char name[64];
    snprintf(name, sizeof name, "%s w", what);
    kit_written(name, TOY_W, at->w);
    snprintf(name, sizeof name, "%s a", what);
    kit_written(name, n_a(life), at->a);
}

static int delta(struct kit_life *life, struct mn_point meta, struct mn_point adapted,
                 struct mn_point *out) {
    out->w = kit_output(life, TOY_W);
    out->a = n_a(life) > 0 ? kit_output(life, n_a(life)) : NULL;
    seal_point(life, &meta);
    seal_point(life, &adapted);
    toy_forget_calls(toy_of_life(life));
    kit_call(life, "delta", KIT_WORKER);
    const int status = kit_end(life, life->table.meta_learner.delta(life->self, &life->mock.cx,
                                                                    NULL, &toy_of_life(life)->task,
                                                                    &meta, &adapted, out));
    if (status == MN_OK) {
        check_written(life, "the direction of", out);
    }
    return status;
}

static int update(struct kit_life *life, struct mn_point *meta, struct mn_point mean) {
    seal_point(life, &mean);
    kit_call(life, "update", KIT_SETUP);
    const int status =
        kit_end(life, life->table.meta_learner.update(life->self, &life->mock.cx, meta, &mean));
    if (status == MN_OK) {
        check_written(life, "the meta point's", meta);
    }
    return status;
}

static void digest_point(struct kit_life *life, uint64_t *digest, const struct mn_point *at) {
    kit_digest(digest, at->w, TOY_W * sizeof(mn_real));
    kit_digest(digest, at->a, (size_t)n_a(life) * sizeof(mn_real));
}

static int exercise(struct kit_life *life, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_point meta = random_point(life, seed, 1), out;
    int status = delta(life, meta, random_point(life, seed + 1, 1), &out);
    if (status == MN_OK) {
        digest_point(life, digest, &out);
    }
    mock_unseal(&life->mock, meta.w);
    if (meta.a != NULL) {
        mock_unseal(&life->mock, meta.a);
    }
    for (int i = 0; status == MN_OK && !workers && i < 2; i++) {
        status = update(life, &meta, random_point(life, seed + 2, 0.1));
        digest_point(life, digest, &meta);
    }
    return status;
}

/* ---- cases -------------------------------------------------------------------------------- */

static void fixed_point(const struct kit *kit) {
    struct kit_life life;
    kit_life_begin(&life, kit, 0);
    struct mn_point meta = random_point(&life, 1, 1), before = random_point(&life, 1, 1);
    for (int i = 0; i < 3; i++) {
        kit_ok(&life, update(&life, &meta, point_new(&life)));
    }
    if (memcmp(meta.w, before.w, TOY_W * sizeof(mn_real)) != 0 ||
        memcmp(meta.a, before.a, TOY_A * sizeof(mn_real)) != 0) {
        kit_fail("fixed_point", "a direction of zeros moves the meta point");
    }
    kit_life_close(&life);
}

/* Moving along a direction of descent takes away from it. */
static void direction(const struct kit *kit) {
    struct kit_life life;
    kit_life_begin(&life, kit, 0);
    struct mn_point meta = random_point(&life, 1, 1), before = random_point(&life, 1, 1);
    struct mn_point mean = random_point(&life, 2, 0.1);
    kit_ok(&life, update(&life, &meta, mean));
    double along = 0;
    for (int i = 0; i < TOY_W; i++) {
        along += ((double)meta.w[i] - (double)before.w[i]) * (double)mean.w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        along += ((double)meta.a[j] - (double)before.a[j]) * (double)mean.a[j];
    }
    if (!(along < 0)) {
        kit_fail("wrong_direction",
                 "after one update the meta point moved by %g along the direction of descent, "
                 "which is subtracted",
                 along);
    }
    kit_life_close(&life);
}

/* The loss that tasks are about. */
static double query_loss(const struct mn_point *at) {
    double w[TOY_W], a[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)at->w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)at->a[j];
    }
    return toy_loss(w, a, TOY_QUERY, 1, NULL, NULL);
}

/* Where a task learner would end: one small step of plain descent. */
static void step_down(const struct mn_point *meta, struct mn_point *adapted) {
    double w[TOY_W], a[TOY_A], dw[TOY_W], da[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)meta->w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)meta->a[j];
    }
    toy_loss(w, a, TOY_QUERY, 1, dw, da);
    for (int i = 0; i < TOY_W; i++) {
        adapted->w[i] = (mn_real)(w[i] - 0.05 * dw[i]);
    }
    for (int j = 0; j < TOY_A; j++) {
        adapted->a[j] = (mn_real)(a[j] - 0.05 * da[j]);
    }
}

static void learns(const struct kit *kit) {
    struct kit_life life;
    kit_life_begin(&life, kit, 0);
    struct mn_point meta = random_point(&life, 1, 1);
    const double before = query_loss(&meta);
    for (int i = 0; i < 20; i++) {
        struct mn_point copy = point_new(&life), adapted = point_new(&life), out;
        mn_vec_copy(TOY_W, meta.w, copy.w);
        mn_vec_copy(TOY_A, meta.a, copy.a);
        step_down(&meta, &adapted);
        kit_ok(&life, delta(&life, copy, adapted, &out));
        kit_ok(&life, update(&life, &meta, out));
    }
    if (!(query_loss(&meta) < before)) {
        kit_fail("does_not_descend", "20 updates took the query loss from %.6g to %.6g", before,
                 query_loss(&meta));
    }
    kit_life_close(&life);
}

static void updates(struct kit_life *life, int from, int to, struct mn_point *meta) {
    for (int i = from; i < to; i++) {
        life->mock.cx.where.meta_epoch = 90 + i;
        kit_ok(life, update(life, meta, random_point(life, 100 + (uint64_t)i, 0.1)));
    }
}

/* What a checkpoint holds: the meta point and the named states. */
static void restore(struct kit_life *life, const struct kit_life *saved, struct mn_point *meta,
                    const struct mn_point *saved_meta) {
    mn_vec_copy(TOY_W, saved_meta->w, meta->w);
    mn_vec_copy(TOY_A, saved_meta->a, meta->a);
    if (life->mock.n_states != saved->mock.n_states) {
        kit_fail("hidden_state", "a second instance claims %d states, the first %d",
                 life->mock.n_states, saved->mock.n_states);
    }
    for (int i = 0; i < saved->mock.n_states; i++) {
        const int64_t n = saved->mock.states[i].n;
        mn_vec_copy(n, saved->mock.states[i].at,
                    mock_state(&life->mock, saved->mock.states[i].name, n));
    }
}

static void resume(const struct kit *kit) {
    for (int at = 1; at < UPDATES; at++) {
        struct kit_life straight, resumed;
        kit_life_begin(&straight, kit, 0);
        kit_life_begin(&resumed, kit, 0);
        struct mn_point on = random_point(&straight, 1, 1), again = point_new(&resumed);
        kit_at("saved after %d of %d updates", at, UPDATES);
        updates(&straight, 0, at, &on);
        restore(&resumed, &straight, &again, &on);
        updates(&straight, at, UPDATES, &on);
        updates(&resumed, at, UPDATES, &again);
        if (memcmp(on.w, again.w, TOY_W * sizeof(mn_real)) != 0 ||
            memcmp(on.a, again.a, TOY_A * sizeof(mn_real)) != 0) {
            kit_fail("hidden_state", "the resumed run ends at another point");
        }
        kit_life_close(&resumed);
        kit_life_close(&straight);
    }
}

static void numeric(const struct kit *kit) {
    struct kit_life life;
    struct mn_point out;
    kit_life_begin(&life, kit, 0);
    toy_of_life(&life)->fail_pass = 0;
    const int status = delta(&life, random_point(&life, 1, 1), random_point(&life, 2, 1), &out);
    if (toy_of_life(&life)->n_passes == 0) {
        kit_ok(&life, status);
    } else if (status != MN_NUMERIC) {
        kit_fail("hides_numeric", "the loss was not a number, but delta returned %s",
                 kit_status_name(status));
    }
    kit_life_close(&life);
}

static void prepare_weights_only(struct kit_life *life) {
    prepare(life);
    toy_of_life(life)->dims.n_a = 0;
    toy_of_life(life)->dims.n_a_segments = 0;
}

static void no_architecture(const struct kit *kit) {
    struct kit_life life;
    struct mn_point out;
    const int opened = kit_life_open_with(&life, kit, KIT_WATCH_BOUNDS, prepare_weights_only);
    if (opened == MN_UNSUPPORTED) {
        kit_life_close(&life);
        return;
    }
    kit_ok(&life, opened);
    struct mn_point meta = random_point(&life, 1, 1);
    int status = delta(&life, random_point(&life, 1, 1), random_point(&life, 2, 1), &out);
    if (status == MN_OK) {
        status = update(&life, &meta, out);
    }
    if (status != MN_OK && status != MN_UNSUPPORTED) {
        kit_fail("no_architecture", "%s returned %s: %s", life.function, kit_status_name(status),
                 life.mock.message);
    }
    kit_life_close(&life);
}

static const struct kit_case cases[] = {
    {"fixed_point", "without a direction the meta point stays", 0, fixed_point},
    {"direction", "update moves against the mean direction", 0, direction},
    {"learns", "delta and update together lower the loss of a small convex problem", 0, learns},
    {"resume", "saved, restored and continued equals straight on, to the bit", 0, resume},
    {"numeric", "a loss that is not a number ends delta with MN_NUMERIC", 0, numeric},
    {"no_architecture", "a model without architecture is learned or refused", 0, no_architecture},
};

const struct kit_kind kit_meta_learner = {.prepare = prepare,
                                          .start = start,
                                          .exercise = exercise,
                                          .options = 1,
                                          .cases = cases,
                                          .n_cases = sizeof cases / sizeof cases[0]};
