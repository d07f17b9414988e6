/* SPDX-License-Identifier: MIT */
/* loss, of batches with labels and with targets. */
#include "derivative.h"
#include "fixture.h"

enum { IMAGES = 5, MOST_WAYS = 6 };

/* A batch of logits. */
struct batch {
    struct kit_fixture *fixture;
    struct mn_loss_call call;
    mn_real *logits, *targets, *d_logits;
    int32_t *labels;
    double loss;
};

static void batch_new(struct kit_fixture *fixture, struct mn_rng *rng, int ways, int with_targets,
                      struct batch *b) {
    const int64_t n = (int64_t)IMAGES * ways;
    *b = (struct batch){.fixture = fixture,
                        .loss = NAN,
                        .logits = kit_input(fixture, n),
                        .targets = kit_input(fixture, n),
                        .d_logits = kit_output(fixture, n),
                        .labels = mock_buffer(&fixture->mock, IMAGES * sizeof *b->labels, 0)};
    kit_normal(rng, n, 1, b->logits);
    kit_normal(rng, n, 1, b->targets);
    for (int i = 0; i < IMAGES; i++) {
        b->labels[i] = (int32_t)mn_rng_below(rng, (uint32_t)ways);
        mn_vec_softmax(ways, b->targets + (ptrdiff_t)i * ways, 1, b->targets + (ptrdiff_t)i * ways);
    }
    b->call = (struct mn_loss_call){.size = sizeof b->call,
                                    .flags = MN_PASS_GRAD_W | MN_PASS_TRAINING,
                                    .n = IMAGES,
                                    .ways = ways,
                                    .logits = b->logits,
                                    .labels = b->labels,
                                    .targets = with_targets ? b->targets : NULL,
                                    .d_logits = b->d_logits};
    const struct mn_loss *table = &fixture->table.loss;
    kit_call(fixture, "teacher", KIT_SETUP);
    const int teacher = table->teacher != NULL ? table->teacher(fixture->self) : MN_TEACHER_NONE;
    kit_end_plain(fixture);
    if (teacher < MN_TEACHER_NONE || teacher > MN_TEACHER_START) {
        kit_fail("loss_teacher", "teacher is %d", teacher);
    }
    kit_at("%d images, %d ways%s", IMAGES, ways, with_targets ? ", with targets" : "");
}

static int value(struct batch *b) {
    struct kit_fixture *fixture = b->fixture;
    void *const inputs[] = {b->logits, b->targets, b->labels};
    for (int i = 0; i < 3; i++) {
        kit_seal(fixture, inputs[i]);
    }
    kit_call(fixture, "value", KIT_WORKER);
    const int status = kit_end(
        fixture, fixture->table.loss.value(fixture->self, &fixture->mock.ctx, &b->call, &b->loss));
    for (int i = 0; i < 3; i++) {
        mock_unseal(&fixture->mock, inputs[i]);
    }
    if (status == MN_OK) {
        if (!isfinite(b->loss)) {
            kit_fail("not_finite", "the loss is %g", b->loss);
        }
        kit_written("d_logits", (int64_t)b->call.n * b->call.ways, b->d_logits);
    }
    return status;
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 15, 0, 0, 0);
    for (int i = 0; i < 2 * (MOST_WAYS - 1); i++) {
        struct batch b;
        batch_new(fixture, &rng, 2 + i / 2, i % 2, &b);
        const int status = value(&b);
        if (status != MN_OK) {
            return status;
        }
        kit_digest(digest, &b.loss, sizeof b.loss);
        kit_digest(digest, b.d_logits, (size_t)b.call.n * (size_t)b.call.ways * sizeof *b.d_logits);
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
    for (int i = 0; i < 2 * (MOST_WAYS - 1); i++) {
        struct batch b;
        batch_new(&fixture, &rng, 2 + i / 2, i % 2, &b);
        const int64_t n = (int64_t)IMAGES * b.call.ways;
        kit_ok(&fixture, value(&b));
        const mn_real *got = kit_copy(&fixture, n, b.d_logits);
        kit_compare("loss_gradient", "d_logits", objective, &b, b.logits, got, n);
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"gradient", "d_logits agrees with differences of the loss", 0, gradient},
};

const struct kit_kind kit_loss = {.exercise = exercise,
                                  .ends = 1,
                                  .options = 1,
                                  .cases = cases,
                                  .n_cases = sizeof cases / sizeof cases[0]};
