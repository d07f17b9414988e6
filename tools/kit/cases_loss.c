/* SPDX-License-Identifier: MIT */
/* loss, of batches with labels and with targets in steps of a task, and of query images. */
#include "derivative.h"
#include "fixture.h"

enum {
    IMAGES = 5,
    MOST_WAYS = 6,
    LABELS = 0,
    TARGETS,
    QUERY,
    SORTS,
    BATCHES = SORTS * (MOST_WAYS - 1)
};

/* A batch of logits. */
struct batch {
    struct kit_fixture *fixture;
    struct mn_loss_call call;
    mn_real *logits, *targets, *d_logits, *w, *d_w;
    int64_t n_w;
    int32_t *labels;
    double loss;
};

static int ask_weights(struct batch *b, int32_t ways) {
    struct kit_fixture *fixture = b->fixture;
    const struct mn_loss *table = &fixture->table.loss;
    kit_call(fixture, "n_weights", KIT_SETUP);
    const int32_t n = table->n_weights != NULL ? table->n_weights(fixture->self, ways) : 0;
    kit_end_plain(fixture);
    if (n < 0 || n > MN_LOSS_WEIGHTS || (n > 0 && table->weight == NULL)) {
        kit_fail("loss_weight", "n_weights is %d%s", (int)n,
                 table->weight == NULL ? ", but there is no `weight`" : "");
    }
    struct kit_weights all = {.rule = "loss_weight", .most = 1 << 20};
    for (int32_t i = 0; i < n; i++) {
        struct mn_op_weight w = {.size = sizeof w};
        kit_call(fixture, "weight", KIT_SETUP);
        const int status =
            kit_end(fixture, table->weight(fixture->self, &fixture->mock.ctx, ways, i, &w));
        if (status != MN_OK) {
            return status;
        }
        kit_weights_add(&all, &w);
    }
    b->n_w = all.reals;
    return MN_OK;
}

static void ask_teacher(struct kit_fixture *fixture) {
    const struct mn_loss *table = &fixture->table.loss;
    kit_call(fixture, "teacher", KIT_SETUP);
    const int teacher = table->teacher != NULL ? table->teacher(fixture->self) : MN_TEACHER_NONE;
    kit_end_plain(fixture);
    if (teacher < MN_TEACHER_NONE || teacher > MN_TEACHER_START) {
        kit_fail("loss_teacher", "teacher is %d", teacher);
    }
}

/* Batch number `index`. */
static int batch_new(struct kit_fixture *fixture, struct mn_rng *rng, int index, struct batch *b) {
    static const char *const names[SORTS] = {"", ", with targets", ", of a query set"};
    const int ways = 2 + index / SORTS, sort = index % SORTS;
    const int64_t n = (int64_t)IMAGES * ways;
    *b = (struct batch){.fixture = fixture,
                        .loss = NAN,
                        .logits = kit_input(fixture, n),
                        .targets = kit_input(fixture, n),
                        .d_logits = kit_output(fixture, n),
                        .labels = mock_buffer(&fixture->mock, IMAGES * sizeof *b->labels, 0)};
    kit_at("%d images, %d ways%s", IMAGES, ways, names[sort]);
    ask_teacher(fixture);
    const int status = ask_weights(b, ways);
    if (status != MN_OK) {
        return status;
    }
    b->w = b->n_w > 0 ? kit_input(fixture, b->n_w) : NULL;
    b->d_w = b->n_w > 0 ? kit_output(fixture, b->n_w) : NULL;
    kit_normal(rng, n, 1, b->logits);
    kit_normal(rng, n, 1, b->targets);
    kit_normal(rng, b->n_w, 0.5, b->w);
    for (int i = 0; i < IMAGES; i++) {
        b->labels[i] = (int32_t)mn_rng_below(rng, (uint32_t)ways);
        mn_vec_softmax(ways, b->targets + (ptrdiff_t)i * ways, 1, b->targets + (ptrdiff_t)i * ways);
    }
    b->call =
        (struct mn_loss_call){.size = sizeof b->call,
                              .flags = MN_PASS_GRAD_W | (sort == QUERY ? 0u : MN_PASS_TRAINING),
                              .n = IMAGES,
                              .ways = ways,
                              .logits = b->logits,
                              .labels = b->labels,
                              .targets = sort == TARGETS ? b->targets : NULL,
                              .d_logits = b->d_logits,
                              .w = b->w,
                              .d_w = b->d_w};
    return MN_OK;
}

static int value(struct batch *b) {
    struct kit_fixture *fixture = b->fixture;
    void *const inputs[] = {b->logits, b->targets, b->labels, b->w};
    const int n_inputs = b->w != NULL ? 4 : 3;
    for (int i = 0; i < n_inputs; i++) {
        kit_seal(fixture, inputs[i]);
    }
    kit_call(fixture, "value", KIT_WORKER);
    const int status = kit_end(
        fixture, fixture->table.loss.value(fixture->self, &fixture->mock.ctx, &b->call, &b->loss));
    for (int i = 0; i < n_inputs; i++) {
        mock_unseal(&fixture->mock, inputs[i]);
    }
    if (status == MN_OK) {
        if (!isfinite(b->loss)) {
            kit_fail("not_finite", "the loss is %g", b->loss);
        }
        kit_written("d_logits", (int64_t)b->call.n * b->call.ways, b->d_logits);
        kit_written("d_w", b->n_w, b->d_w);
    }
    return status;
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 15, 0, 0, 0);
    for (int i = 0; i < BATCHES; i++) {
        struct batch b;
        int status = batch_new(fixture, &rng, i, &b);
        if (status == MN_OK) {
            status = value(&b);
        }
        if (status != MN_OK) {
            return status;
        }
        kit_digest(digest, &b.loss, sizeof b.loss);
        kit_digest(digest, b.d_logits, (size_t)b.call.n * (size_t)b.call.ways * sizeof *b.d_logits);
        kit_digest(digest, b.d_w, (size_t)b.n_w * sizeof *b.d_w);
    }
    return MN_OK;
}

static double objective(void *data) {
    struct batch *b = data;
    kit_ok(b->fixture, value(b));
    return b->loss;
}

static void gradient(const struct kit *kit) {
    struct kit_fixture fixture;
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 16, 0, 0, 0);
    kit_fixture_begin(&fixture, kit, 0);
    for (int i = 0; i < BATCHES; i++) {
        struct batch b;
        kit_ok(&fixture, batch_new(&fixture, &rng, i, &b));
        const int64_t n = (int64_t)IMAGES * b.call.ways;
        kit_ok(&fixture, value(&b));
        const mn_real *got = kit_copy(&fixture, n, b.d_logits);
        const mn_real *got_w = kit_copy(&fixture, b.n_w, b.d_w);
        kit_compare("loss_gradient", "d_logits", objective, &b, b.logits, got, n);
        if (b.n_w > 0) {
            kit_compare("loss_gradient", "d_w", objective, &b, b.w, got_w, b.n_w);
        }
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"gradient", "d_logits and d_w agree with differences of the loss", 0, gradient},
};

const struct kit_kind kit_loss = {.exercise = exercise,
                                  .ends = 1,
                                  .options = 1,
                                  .cases = cases,
                                  .n_cases = sizeof cases / sizeof cases[0]};
