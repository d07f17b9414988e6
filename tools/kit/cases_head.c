/* SPDX-License-Identifier: MIT */
/* head, of several ways and numbers of features, with a support set apart and with the batch as its
 * own; and the weights that a task starts from. */
#include "derivative.h"
#include "fixture.h"

enum { PER_CLASS = 3 };

static const struct mn_head_site sites[] = {
    {sizeof sites[0], 2, 3}, {sizeof sites[0], 5, 4}, {sizeof sites[0], 3, 9}};
enum { SITES = sizeof sites / sizeof sites[0], PLACES = 2 * SITES };

/* A head at a site, and its arrays. */
struct place {
    struct kit_fixture *fixture;
    const struct mn_head_site *site;
    struct mn_head_call call;
    int apart; /* the support set is another than the batch */
    int64_t n_w;
    mn_real *w, *features, *support, *logits, *g, *d_w, *d_features, *d_support;
    mn_real *start, *g_start;
    int32_t *labels;
};

static int starts(const struct kit_fixture *fixture) {
    const struct mn_head *table = &fixture->table.head;
    return table->starts != NULL && table->starts(fixture->self);
}

static int ask_weights(struct place *p) {
    struct kit_fixture *fixture = p->fixture;
    const struct mn_head *table = &fixture->table.head;
    kit_call(fixture, "n_weights", KIT_WORKER);
    const int32_t n = table->n_weights != NULL ? table->n_weights(fixture->self, p->site) : 0;
    kit_end_plain(fixture);
    if (n < 0 || n > MN_HEAD_WEIGHTS || (n > 0 && table->weight == NULL)) {
        kit_fail("head_weight", "n_weights is %d%s", (int)n,
                 table->weight == NULL ? ", but there is no `weight`" : "");
    }
    struct kit_weights all = {.rule = "head_weight", .most = 1 << 20};
    for (int32_t i = 0; i < n; i++) {
        struct mn_op_weight w = {.size = sizeof w};
        kit_call(fixture, "weight", KIT_WORKER);
        const int status =
            kit_end(fixture, table->weight(fixture->self, &fixture->mock.ctx, p->site, i, &w));
        if (status != MN_OK) {
            return status;
        }
        kit_weights_add(&all, &w);
    }
    p->n_w = all.reals;
    if (starts(fixture) && (table->start == NULL || n == 0)) {
        kit_fail("head_start", "starts is 1, but there %s",
                 n == 0 ? "are no weights" : "is no `start`");
    }
    return MN_OK;
}

static int place_new(struct kit_fixture *fixture, int index, struct mn_rng *rng, struct place *p) {
    const struct mn_head *table = &fixture->table.head;
    const struct mn_head_site *s = &sites[index / 2];
    const int32_t n = PER_CLASS * s->ways;
    const int64_t reals = n * s->n_features;
    *p = (struct place){.fixture = fixture, .site = s, .apart = index % 2};
    kit_at("%d ways, %lld features%s", (int)s->ways, (long long)s->n_features,
           p->apart ? ", a support set apart" : "");
    const int status = ask_weights(p);
    if (status != MN_OK) {
        return status;
    }
    p->w = p->n_w > 0 ? kit_input(fixture, p->n_w) : NULL;
    p->d_w = p->n_w > 0 ? kit_output(fixture, p->n_w) : NULL;
    p->features = kit_input(fixture, reals);
    p->support = p->apart ? kit_input(fixture, reals) : p->features;
    p->logits = kit_output(fixture, (int64_t)n * s->ways);
    p->g = kit_input(fixture, (int64_t)n * s->ways);
    p->d_features = kit_output(fixture, reals);
    p->d_support = kit_output(fixture, reals);
    p->start = p->n_w > 0 ? kit_output(fixture, p->n_w) : NULL;
    p->g_start = p->n_w > 0 ? kit_input(fixture, p->n_w) : NULL;
    p->labels = mock_buffer(&fixture->mock, (size_t)n * sizeof *p->labels, 0);
    for (int32_t i = 0; i < n; i++) {
        p->labels[i] = i % s->ways;
    }
    kit_normal(rng, p->n_w, 0.5, p->w);
    kit_normal(rng, reals, 1, p->features);
    kit_normal(rng, p->apart ? reals : 0, 1, p->support);
    kit_normal(rng, (int64_t)n * s->ways, 1, p->g);
    kit_normal(rng, p->n_w, 1, p->g_start);
    p->call = (struct mn_head_call){.size = sizeof p->call,
                                    .n = n,
                                    .features = p->features,
                                    .w = p->w,
                                    .logits = p->logits,
                                    .d_logits = p->g,
                                    .d_w = p->d_w,
                                    .d_features = p->d_features};
    if (table->uses_support != NULL && table->uses_support(fixture->self)) {
        p->call.n_support = n;
        p->call.support = p->support;
        p->call.support_labels = p->labels;
        p->call.d_support = p->d_support;
    }
    return MN_OK;
}

static int call(struct place *p, int back) {
    struct kit_fixture *fixture = p->fixture;
    const struct mn_head *table = &fixture->table.head;
    mn_real *const inputs[] = {p->w, p->features, p->apart ? p->support : NULL, p->g};
    for (int i = 0; i < 4; i++) {
        if (inputs[i] != NULL) {
            kit_seal(fixture, inputs[i]);
        }
    }
    kit_call(fixture, back ? "backward" : "forward", KIT_WORKER);
    const int status = kit_end(fixture, (back ? table->backward : table->forward)(
                                            fixture->self, &fixture->mock.ctx, p->site, &p->call));
    for (int i = 0; i < 4; i++) {
        if (inputs[i] != NULL) {
            mock_unseal(&fixture->mock, inputs[i]);
        }
    }
    if (status != MN_OK) {
        return status;
    }
    const int64_t reals = p->call.n * p->site->n_features;
    if (!back) {
        kit_written("logits", (int64_t)p->call.n * p->site->ways, p->logits);
        return MN_OK;
    }
    kit_written("d_features", reals, p->d_features);
    kit_written("d_w", p->n_w, p->d_w);
    kit_written("d_support", p->call.d_support != NULL ? reals : 0, p->d_support);
    return MN_OK;
}

/* `start` or `start_back`, where the head starts tasks: the weights from the features. */
static int call_start(struct place *p, int back) {
    struct kit_fixture *fixture = p->fixture;
    const struct mn_head *table = &fixture->table.head;
    mn_real *const inputs[] = {p->w, p->features, p->g_start};
    const struct mn_head_start of = {.size = sizeof of,
                                     .n = p->call.n,
                                     .features = p->features,
                                     .labels = p->labels,
                                     .w = p->w,
                                     .start = back ? NULL : p->start,
                                     .d_start = back ? p->g_start : NULL,
                                     .d_w = back ? p->d_w : NULL,
                                     .d_features = back ? p->d_features : NULL};
    if (!starts(fixture) || (back && table->start_back == NULL)) {
        return MN_OK;
    }
    for (int i = 0; i < 3; i++) {
        kit_seal(fixture, inputs[i]);
    }
    kit_call(fixture, back ? "start_back" : "start", KIT_WORKER);
    const int status = kit_end(fixture, (back ? table->start_back : table->start)(
                                            fixture->self, &fixture->mock.ctx, p->site, &of));
    for (int i = 0; i < 3; i++) {
        mock_unseal(&fixture->mock, inputs[i]);
    }
    if (status == MN_OK && back) {
        kit_written("d_features", p->call.n * p->site->n_features, p->d_features);
        kit_written("d_w", p->n_w, p->d_w);
    } else if (status == MN_OK) {
        kit_written("start", p->n_w, p->start);
    }
    return status;
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 17, 0, 0, 0);
    for (int i = 0; i < PLACES; i++) {
        struct place p;
        int status = place_new(fixture, i, &rng, &p);
        if (status == MN_OK) {
            status = call(&p, 0);
        }
        if (status == MN_OK) {
            status = call(&p, 1);
        }
        const size_t reals = (size_t)p.call.n * (size_t)p.site->n_features;
        if (status == MN_OK) {
            kit_digest(digest, p.logits,
                       (size_t)p.call.n * (size_t)p.site->ways * sizeof *p.logits);
            kit_digest(digest, p.d_features, reals * sizeof *p.d_features);
            status = call_start(&p, 0);
        }
        if (status == MN_OK) {
            status = call_start(&p, 1);
        }
        if (status != MN_OK) {
            return status;
        }
        if (starts(fixture)) {
            kit_digest(digest, p.start, (size_t)p.n_w * sizeof *p.start);
            kit_digest(digest, p.d_features, reals * sizeof *p.d_features);
        }
    }
    return MN_OK;
}

static double objective(void *data) {
    struct place *p = data;
    kit_ok(p->fixture, call(p, 0));
    return mn_vec_dot((int64_t)p->call.n * p->site->ways, p->g, p->logits);
}

static void check_gradient(struct place *p) {
    const int64_t reals = p->call.n * p->site->n_features;
    kit_ok(p->fixture, call(p, 0));
    kit_ok(p->fixture, call(p, 1));
    mn_real *d_features = kit_copy(p->fixture, reals, p->d_features);
    if (p->call.support != NULL) {
        mn_real *d_support = kit_copy(p->fixture, reals, p->d_support);
        if (!p->apart) {
            mn_vec_axpy(reals, 1, d_support, d_features); /* they are the same features */
        } else {
            kit_compare("head_gradient", "d_support", objective, p, p->support, d_support, reals);
        }
    }
    kit_compare("head_gradient", "d_features", objective, p, p->features, d_features, reals);
    if (p->n_w > 0) {
        kit_compare("head_gradient", "d_w", objective, p, p->w,
                    kit_copy(p->fixture, p->n_w, p->d_w), p->n_w);
    }
}

static void gradient(const struct kit *kit) {
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 18, 0, 0, 0);
    for (int i = 0; i < PLACES; i++) {
        struct kit_fixture fixture;
        struct place p;
        kit_fixture_begin(&fixture, kit, 0);
        kit_ok(&fixture, place_new(&fixture, i, &rng, &p));
        check_gradient(&p);
        kit_fixture_close(&fixture);
    }
}

static double start_objective(void *data) {
    struct place *p = data;
    kit_ok(p->fixture, call_start(p, 0));
    return mn_vec_dot(p->n_w, p->g_start, p->start);
}

static void start(const struct kit *kit) {
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 19, 0, 0, 0);
    for (int i = 0; i < PLACES; i += 2) {
        struct kit_fixture fixture;
        struct place p;
        kit_fixture_begin(&fixture, kit, 0);
        kit_ok(&fixture, place_new(&fixture, i, &rng, &p));
        if (!starts(&fixture)) {
            kit_skip("the head does not start tasks");
        }
        if (fixture.table.head.start_back == NULL) {
            kit_skip("the head does not differentiate its start");
        }
        const int64_t reals = p.call.n * p.site->n_features;
        kit_ok(&fixture, call_start(&p, 1));
        const mn_real *d_features = kit_copy(&fixture, reals, p.d_features);
        const mn_real *d_w = kit_copy(&fixture, p.n_w, p.d_w);
        kit_compare("head_start", "d_features", start_objective, &p, p.features, d_features, reals);
        kit_compare("head_start", "d_w", start_objective, &p, p.w, d_w, p.n_w);
        kit_fixture_close(&fixture);
    }
}

static const struct kit_case cases[] = {
    {"gradient", "the gradients of weights, features and support agree with differences", 0,
     gradient},
    {"start", "start_back agrees with differences of the weights that a task starts from", 0,
     start},
};

const struct kit_kind kit_head = {.exercise = exercise,
                                  .ends = 1,
                                  .options = 1,
                                  .cases = cases,
                                  .n_cases = sizeof cases / sizeof cases[0]};
