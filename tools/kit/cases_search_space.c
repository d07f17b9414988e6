/* SPDX-License-Identifier: MIT */
/* search_space, on the recording builder of record.h, and on the host's own. */

#include "fixture.h"
#include "record.h"

#include "backend/backend.h"
#include "backend/cpu/kernels/kernel.h"
#include "learn/host.h"
#include "network/operations.h"

#include <math.h>
#include <string.h>

static const struct mn_dims shapes[] = {
    {.size = sizeof(struct mn_dims), .ways = 20, .channels = 1, .height = 28, .width = 28},
    {.size = sizeof(struct mn_dims), .ways = 5, .channels = 3, .height = 84, .width = 84},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void prepare(struct kit_fixture *fixture) {
    fixture->data = mock_buffer(&fixture->mock, sizeof(struct mn_builder), 0);
}

/* ---- calls -------------------------------------------------------------------------------- */

static int build(struct kit_fixture *fixture, const struct mn_dims *dims, int fail_at) {
    struct mn_builder *builder = fixture->data;
    record_install(&fixture->mock, builder, dims);
    builder->fail_at = fail_at;
    kit_call(fixture, "build", KIT_WORKER);
    const int status = kit_end(fixture, fixture->table.search_space.build(
                                            fixture->self, &fixture->mock.ctx, dims, builder));
    if (status == MN_OK && builder->heads != 1) {
        kit_fail("head", "the network has %d heads", builder->heads);
    }
    return status;
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    const struct mn_builder *builder = fixture->data;
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < SHAPES; i++) {
        status = build(fixture, &shapes[i], -1);
        kit_digest(digest, &builder->digest, sizeof builder->digest);
    }
    return status;
}

/* ---- cases -------------------------------------------------------------------------------- */

/* Each builder call fails once: build ends there with its status. */
static void refusals(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    const struct mn_builder *builder = fixture.data;
    kit_ok(&fixture, build(&fixture, &shapes[0], -1));
    const int calls = builder->calls;
    for (int n = 0; n < calls; n++) {
        kit_at("builder call %d of %d fails", n + 1, calls);
        const int status = build(&fixture, &shapes[0], n);
        if (status != MN_CONFIG || builder->calls != n + 1) {
            kit_fail("ignores_builder", "build returned %s after %d more builder calls",
                     kit_status_name(status), builder->calls - n - 1);
        }
    }
    kit_fixture_close(&fixture);
}

/* ---- the host's own model ----------------------------------------------------------------- */

static int64_t as_many(const void *self, int64_t n_items) {
    return n_items;
}

static int64_t none(const void *self, int64_t n_items) {
    return 0;
}

static int is_same(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

static int equal_weights(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                         const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                         mn_real *saved) {
    mn_vec_fill(n, (mn_real)(1.0 / (double)n), weights);
    return MN_OK;
}

static int keep_all(const void *self, struct mn_ctx *ctx, int64_t n, const struct mn_when *when,
                    const mn_real *weights, const mn_real *strength, uint8_t *keep) {
    memset(keep, 1, (size_t)n);
    return MN_OK;
}

static const struct mn_plugin plain_plugin = {.name = "kit", .version = "0"};

/* Mixes everything with equal weights. */
static struct nas_instance plain_mixer(int kind) {
    static const struct mn_unit units[] = {{.kind = MN_OP_MIXER, .name = "equal"},
                                           {.kind = MN_INPUT_MIXER, .name = "equal"}};
    struct nas_instance mixer = {
        .unit = {.plugin = &plain_plugin, .unit = &units[kind == MN_INPUT_MIXER], .file = "(kit)"},
        .label = "mixer equal",
        .table.mixer = {.size = sizeof mixer.table.mixer,
                        .n_choices = as_many,
                        .n_logits = none,
                        .holds = is_same,
                        .forward = equal_weights,
                        .select = keep_all}};
    return mixer;
}

/* Logits are features, and their loss half of their mean square. */
static int repeat(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  const struct mn_head_call *call) {
    for (int64_t i = 0; i < (int64_t)call->n * site->ways; i++) {
        call->logits[i] =
            call->features[i / site->ways * site->n_features + i % site->ways % site->n_features];
    }
    return MN_OK;
}

static int repeat_backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                           const struct mn_head_call *call) {
    mn_vec_fill(call->n * site->n_features, 0, call->d_features);
    for (int64_t i = 0; i < (int64_t)call->n * site->ways; i++) {
        call->d_features[i / site->ways * site->n_features + i % site->ways % site->n_features] +=
            call->d_logits[i];
    }
    return MN_OK;
}

static int half_square(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                       double *loss) {
    const int64_t n = (int64_t)call->n * call->ways;
    mn_vec_fill(n, 0, call->d_logits);
    mn_vec_axpy(n, (mn_real)1 / (mn_real)call->n, call->logits, call->d_logits);
    *loss = mn_vec_dot(n, call->logits, call->d_logits) / 2;
    return MN_OK;
}

static const struct mn_unit plain_units[] = {{.kind = MN_HEAD, .name = "repeat"},
                                             {.kind = MN_LOSS, .name = "half_square"}};
static const struct nas_instance plain_head = {
    .unit = {.plugin = &plain_plugin, .unit = &plain_units[0], .file = "(kit)"},
    .label = "head repeat",
    .table.head = {.size = sizeof(struct mn_head), .forward = repeat, .backward = repeat_backward}};
static const struct nas_instance plain_loss = {
    .unit = {.plugin = &plain_plugin, .unit = &plain_units[1], .file = "(kit)"},
    .label = "loss half_square",
    .table.loss = {.size = sizeof(struct mn_loss), .value = half_square}};

/* One training pass over two images of noise. */
static void run_model(struct nas_ctx *ctx, const struct mn_model *model, const struct mn_dims *dims,
                      struct kit_fixture *fixture) {
    const int64_t image = (int64_t)dims->channels * dims->height * dims->width;
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 10, 0, 0, 0);
    struct mn_point at = {kit_input(fixture, dims->n_w), kit_input(fixture, dims->n_a)};
    mn_real *images = kit_input(fixture, 2 * image), *d_w = kit_output(fixture, dims->n_w);
    const int32_t labels[] = {0, 1};
    const struct mn_set batch = {2, 0, images, labels};
    const struct mn_pass pass = {
        .size = sizeof pass, .flags = MN_PASS_GRAD_W | MN_PASS_TRAINING, .progress = 1};
    struct mn_outcome out = {.size = sizeof out, .d_w = d_w};
    kit_normal(&rng, 2 * image, 1, images);
    nas_model_init(model, 1, 0.001, &at);
    if (nas_workspace_new(&ctx->pub, model, &ctx->workspace) != MN_OK ||
        mn_model_pass(&ctx->pub, model, &at, &batch, &pass, &out) != MN_OK) {
        kit_fail("model_refused", "%s", nas_ctx_message(&ctx->pub));
    }
    kit_written("the gradient of the network", dims->n_w, d_w);
    nas_workspace_free(ctx->workspace);
    ctx->workspace = NULL;
}

static void build_model(struct kit_fixture *fixture, const struct mn_dims *shape) {
    const struct nas_instance op = plain_mixer(MN_OP_MIXER), input = plain_mixer(MN_INPUT_MIXER);
    struct nas_operations operations = {0};
    const struct nas_network_units units = {.search_space = &fixture->units[0],
                                            .op_mixer = &op,
                                            .input_mixer = &input,
                                            .head = &plain_head,
                                            .loss = &plain_loss,
                                            .operations = &operations};
    struct mn_dims dims = *shape;
    struct mn_model *model = NULL;
    struct nas_registry *registry = NULL;
    struct nas_faults faults = {.arena = &operations.arena};
    struct nas_fit fit;
    struct nas_ctx ctx;
    dims.max_batch = 2;
    nas_ctx_init(&ctx, &nas_host);
    ctx.log_level = MN_LOG_ERROR;
    kit_at("images %d x %d x %d", (int)shape->channels, (int)shape->height, (int)shape->width);
    kit_doing("build");
    /* candidates may be of other plugins, and of this file */
    if (nas_registry_new(&ctx.pub, fixture->kit->folders, &registry) != MN_OK ||
        nas_registry_add(registry, &ctx.pub, fixture->kit->plugin) != MN_OK ||
        nas_operations_init(&operations, &ctx.pub, registry, NULL, &faults) != MN_OK ||
        nas_model_fit(&ctx.pub, &units, &dims, &fit) != MN_OK ||
        nas_model_new(&ctx.pub, &units, &dims, nas_backend_find("cpu"), nas_kernels_find("auto"),
                      &model) != MN_OK) {
        kit_fail("model_refused", "%s", nas_ctx_message(&ctx.pub));
    }
    run_model(&ctx, model, nas_model_dims(model), fixture);
    nas_model_free(model);
    nas_operations_fini(&operations);
    nas_registry_free(registry);
    nas_ctx_fini(&ctx);
}

static void model(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    for (int i = 0; i < SHAPES; i++) {
        build_model(&fixture, &shapes[i]);
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"refusals", "a builder call that fails ends build with its status", 0, refusals},
    {"model", "the host builds the network and runs a training pass through it", 0, model},
};

const struct kit_kind kit_search_space = {.prepare = prepare,
                                          .exercise = exercise,
                                          .ends = 0,
                                          .options = 1,
                                          .cases = cases,
                                          .n_cases = sizeof cases / sizeof cases[0]};
