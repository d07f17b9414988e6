/* SPDX-License-Identifier: MIT */
/* operation, at sites of several sizes and both strides; one that is made of the host's maps, at
 * both strides. */

#include "network/op.h"

#include "derivative.h"
#include "fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef MN_REAL_DOUBLE
#define EPSILON DBL_EPSILON
#else
#define EPSILON FLT_EPSILON
#endif

enum { IMAGES = 3, MOST_REALS = 1 << 24 };

static const struct mn_op_site sites[] = {
    {sizeof sites[0], 1, 4, 6, 6, 6, 6}, {sizeof sites[0], 2, 4, 6, 6, 3, 3},
    {sizeof sites[0], 1, 4, 7, 5, 7, 5}, {sizeof sites[0], 2, 4, 7, 5, 4, 3},
    {sizeof sites[0], 1, 8, 2, 3, 2, 3}, {sizeof sites[0], 2, 4, 1, 1, 1, 1},
};
enum { SITES = sizeof sites / sizeof sites[0] };

/* An operation at a site, and its arrays for IMAGES images. */
struct place {
    struct kit_fixture *fixture;
    const struct mn_op_site *site;
    struct mn_op_shape shape;
    int64_t in, out, n_weights; /* reals of an image, of its output, of all weights */
    mn_real *w, *x, *y, *saved, *g, *dx, *d_w, *work;
};

/* ---- calls -------------------------------------------------------------------------------- */

static void check_shape(const struct place *p) {
    const struct mn_op_shape *s = &p->shape;
    if ((s->flags & ~(uint32_t)MN_OP_RELU_BEFORE) != 0) {
        kit_fail("op_shape", "flags are 0x%x", s->flags);
    }
    if (s->tail < 0 || s->tail > 65536 || s->n_weights < 0 || s->n_weights > MN_OP_WEIGHTS) {
        kit_fail("op_shape", "tail is %d and n_weights %d", (int)s->tail, (int)s->n_weights);
    }
    if (s->n_saved < 0 || s->n_saved > MOST_REALS || s->n_work < 0 || s->n_work > MOST_REALS ||
        !(s->work >= 0 && isfinite(s->work))) {
        kit_fail("op_shape", "n_saved is %lld, n_work %lld, work %g", (long long)s->n_saved,
                 (long long)s->n_work, s->work);
    }
    if (s->n_weights > 0 && p->fixture->table.operation.weight == NULL) {
        kit_fail("op_shape", "n_weights is %d, but there is no `weight`", (int)s->n_weights);
    }
}

static int ask_shape(struct place *p) {
    struct kit_fixture *fixture = p->fixture;
    p->shape = (struct mn_op_shape){.size = sizeof p->shape};
    kit_call(fixture, "shape", KIT_WORKER);
    const int status = kit_end(fixture, fixture->table.operation.shape(
                                            fixture->self, &fixture->mock.ctx, p->site, &p->shape));
    if (status == MN_OK) {
        check_shape(p);
    }
    return status;
}

static int ask_weights(struct place *p) {
    struct kit_fixture *fixture = p->fixture;
    struct kit_weights all = {.rule = "op_weight", .most = MOST_REALS};
    for (int32_t i = 0; i < p->shape.n_weights; i++) {
        struct mn_op_weight w = {.size = sizeof w};
        kit_call(fixture, "weight", KIT_WORKER);
        const int status = kit_end(fixture, fixture->table.operation.weight(
                                                fixture->self, &fixture->mock.ctx, p->site, i, &w));
        if (status != MN_OK) {
            return status;
        }
        kit_weights_add(&all, &w);
        if (strncmp(w.name, "pw.", 3) == 0 || strncmp(w.name, "bn.", 3) == 0) {
            kit_fail("op_weight", "array %d is named %s; pw and bn are the host's", (int)i, w.name);
        }
    }
    p->n_weights = all.reals;
    return MN_OK;
}

/* Random weights, images and gradients. MN_UNSUPPORTED: it cannot stand there. */
static int place_new(struct kit_fixture *fixture, int site, struct mn_rng *rng, struct place *p) {
    const struct mn_op_site *s = &sites[site];
    *p = (struct place){
        .fixture = fixture, .site = s, .in = (int64_t)s->channels * s->height * s->width};
    kit_at("%d channels of %d x %d, stride %d", (int)s->channels, (int)s->height, (int)s->width,
           (int)s->stride);
    int status = ask_shape(p);
    if (status == MN_OK) {
        status = ask_weights(p);
    }
    if (status != MN_OK) {
        return status;
    }
    const int32_t channels = p->shape.tail > 0 ? p->shape.tail : s->channels;
    p->out = (int64_t)channels * s->out_height * s->out_width;
    p->w = p->n_weights > 0 ? kit_input(fixture, p->n_weights) : NULL;
    p->d_w = p->n_weights > 0 ? kit_input(fixture, p->n_weights) : NULL;
    p->x = kit_input(fixture, IMAGES * p->in);
    p->dx = kit_output(fixture, IMAGES * p->in);
    p->y = kit_output(fixture, IMAGES * p->out);
    p->g = kit_input(fixture, IMAGES * p->out);
    p->saved = p->shape.n_saved > 0 ? kit_output(fixture, IMAGES * p->shape.n_saved) : NULL;
    p->work = p->shape.n_work > 0 ? kit_output(fixture, IMAGES * p->shape.n_work) : NULL;
    kit_normal(rng, p->n_weights, 0.5, p->w);
    kit_normal(rng, IMAGES * p->in, 1, p->x);
    kit_normal(rng, IMAGES * p->out, 1, p->g);
    for (int64_t i = 0; (p->shape.flags & MN_OP_RELU_BEFORE) != 0 && i < IMAGES * p->in; i++) {
        p->x[i] = p->x[i] > 0 ? p->x[i] : 0;
    }
    return MN_OK;
}

static void poison(mn_real *at, int64_t n) {
    if (at != NULL) {
        memset(at, MOCK_POISON, (size_t)n * sizeof *at);
    }
}

static void seal(struct kit_fixture *fixture, mn_real *at) {
    if (at != NULL) {
        kit_seal(fixture, at);
    }
}

static void unseal(struct kit_fixture *fixture, mn_real *at) {
    if (at != NULL) {
        mock_unseal(&fixture->mock, at);
    }
}

/* Images first..first + n - 1. */
static int forward(struct place *p, int first, int n) {
    struct kit_fixture *fixture = p->fixture;
    mn_real *y = p->y + first * p->out;
    poison(y, n * p->out);
    mn_vec_fill(IMAGES * p->shape.n_work, (mn_real)NAN, p->work);
    seal(fixture, p->w);
    seal(fixture, p->x);
    kit_call(fixture, "forward", KIT_WORKER);
    const int status = kit_end(
        fixture, fixture->table.operation.forward(
                     fixture->self, &fixture->mock.ctx, p->site, n, p->w, p->x + first * p->in, y,
                     p->saved != NULL ? p->saved + first * p->shape.n_saved : NULL, p->work));
    unseal(fixture, p->w);
    unseal(fixture, p->x);
    if (status == MN_OK) {
        kit_written("y", n * p->out, y);
    }
    return status;
}

static int backward(struct place *p, int first, int n, int with_dx, int with_dw) {
    struct kit_fixture *fixture = p->fixture;
    mn_real *const inputs[] = {p->w, p->x, p->g, p->saved};
    mn_real *dx = with_dx ? p->dx + first * p->in : NULL, *d_w = with_dw ? p->d_w : NULL;
    poison(dx, n * p->in);
    mn_vec_fill(IMAGES * p->shape.n_work, (mn_real)NAN, p->work);
    for (int i = 0; i < 4; i++) {
        seal(fixture, inputs[i]);
    }
    kit_call(fixture, "backward", KIT_WORKER);
    const int status = kit_end(
        fixture, fixture->table.operation.backward(
                     fixture->self, &fixture->mock.ctx, p->site, n, p->w, p->x + first * p->in,
                     p->saved != NULL ? p->saved + first * p->shape.n_saved : NULL,
                     p->g + first * p->out, dx, d_w, p->work));
    for (int i = 0; i < 4; i++) {
        unseal(fixture, inputs[i]);
    }
    if (status == MN_OK && dx != NULL) {
        kit_written("dx", n * p->in, dx);
    }
    if (status == MN_OK && d_w != NULL) {
        kit_written("d_w", p->n_weights, d_w);
    }
    return status;
}

static void digest_reals(uint64_t *digest, const mn_real *at, int64_t n) {
    kit_digest(digest, at, at != NULL ? (size_t)n * sizeof *at : 0);
}

/* ---- of the host's maps ------------------------------------------------------------------- */

static int is_made_of_maps(const struct kit_fixture *fixture) {
    return fixture->table.operation.maps != NULL;
}

static int ask_maps(struct kit_fixture *fixture, int32_t stride, struct mn_op_maps *out) {
    *out = (struct mn_op_maps){.size = sizeof *out};
    kit_at("stride %d", (int)stride);
    kit_call(fixture, "maps", KIT_WORKER);
    const int status = kit_end(
        fixture, fixture->table.operation.maps(fixture->self, &fixture->mock.ctx, stride, out));
    const char *fault = status == MN_OK ? nas_op_maps_fault(out, stride) : NULL;
    if (fault != NULL) {
        kit_fail("op_maps", "%s", fault);
    }
    return status;
}

static int exercise_maps(struct kit_fixture *fixture, uint64_t *digest) {
    for (int32_t stride = 1; stride <= 2; stride++) {
        struct mn_op_maps maps;
        const int status = ask_maps(fixture, stride, &maps);
        if (status != MN_OK && status != MN_UNSUPPORTED) {
            return status;
        }
        kit_digest(digest, &maps, sizeof maps);
    }
    return MN_OK;
}

static void check_maps(struct kit_fixture *fixture) {
    int possible = 0;
    for (int32_t stride = 1; stride <= 2; stride++) {
        struct mn_op_maps first, again;
        const int status = ask_maps(fixture, stride, &first);
        if (status != MN_UNSUPPORTED) {
            kit_ok(fixture, status);
            kit_ok(fixture, ask_maps(fixture, stride, &again));
            possible++;
            if (memcmp(&first, &again, sizeof first) != 0) {
                kit_fail("op_maps", "a second call for the same stride tells something else");
            }
        }
    }
    if (possible == 0) {
        kit_fail("op_maps", "neither stride is supported; the last message: %s",
                 fixture->mock.message);
    }
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    if (is_made_of_maps(fixture)) {
        return exercise_maps(fixture, digest);
    }
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 13, 0, 0, 0);
    for (int i = 0; i < SITES; i++) {
        struct place p;
        int status = place_new(fixture, i, &rng, &p);
        if (status == MN_UNSUPPORTED) {
            continue;
        }
        if (status == MN_OK) {
            status = forward(&p, 0, IMAGES);
        }
        if (status == MN_OK) {
            status = backward(&p, 0, IMAGES, 1, p.n_weights > 0);
        }
        if (status != MN_OK) {
            return status;
        }
        digest_reals(digest, p.y, IMAGES * p.out);
        digest_reals(digest, p.dx, IMAGES * p.in);
        digest_reals(digest, p.d_w, p.n_weights);
    }
    return MN_OK;
}

/* ---- cases -------------------------------------------------------------------------------- */

/* Calls `check` at every site where the operation can stand. */
static void over_sites(const struct kit *kit, void (*check)(struct place *p)) {
    struct kit_fixture fixture;
    int possible = 0;
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 14, 0, 0, 0);
    kit_fixture_begin(&fixture, kit, 0);
    if (is_made_of_maps(&fixture)) {
        kit_skip("the host computes it: see the case maps");
    }
    for (int i = 0; i < SITES; i++) {
        struct mock_block *mark = mock_mark(&fixture.mock);
        struct place p;
        const int status = place_new(&fixture, i, &rng, &p);
        if (status != MN_UNSUPPORTED) {
            kit_ok(&fixture, status);
            check(&p);
            possible++;
        }
        mock_rewind(&fixture.mock, mark);
    }
    if (possible == 0) {
        kit_fail("op_shape", "none of %d sites is supported; the last message: %s", SITES,
                 fixture.mock.message);
    }
    kit_fixture_close(&fixture);
}

static void check_again(struct place *p) {
    const struct mn_op_shape first = p->shape;
    const int64_t n_weights = p->n_weights;
    kit_ok(p->fixture, ask_shape(p));
    kit_ok(p->fixture, ask_weights(p));
    if (memcmp(&first, &p->shape, sizeof first) != 0 || n_weights != p->n_weights) {
        kit_fail("op_shape", "a second call for the same site tells something else");
    }
}

static void shapes(const struct kit *kit) {
    over_sites(kit, check_again);
}

static double objective(void *data) {
    struct place *p = data;
    kit_ok(p->fixture, forward(p, 0, IMAGES));
    return mn_vec_dot(IMAGES * p->out, p->g, p->y);
}

static void check_gradient(struct place *p) {
    /* away from 0, where the ReLU before has its kink */
    for (int64_t i = 0; i < IMAGES * p->in; i++) {
        p->x[i] += (mn_real)0.3;
    }
    kit_ok(p->fixture, forward(p, 0, IMAGES));
    mn_vec_fill(p->n_weights, 0, p->d_w);
    kit_ok(p->fixture, backward(p, 0, IMAGES, 1, p->n_weights > 0));
    kit_compare("op_gradient", "dx", objective, p, p->x, p->dx, IMAGES * p->in);
    kit_compare("op_gradient", "d_w", objective, p, p->w, p->d_w, p->n_weights);
}

static void gradient(const struct kit *kit) {
    over_sites(kit, check_gradient);
}

static void check_close(const char *rule, const char *what, int64_t n, const mn_real *got,
                        const mn_real *expected, double offset) {
    for (int64_t i = 0; i < n; i++) {
        const double off = fabs((double)got[i] - offset - (double)expected[i]);
        if (off > 1000 * EPSILON * (1 + fabs((double)expected[i]))) {
            kit_fail(rule, "%s[%lld] is %.7g instead of %.7g", what, (long long)i, (double)got[i],
                     offset + (double)expected[i]);
        }
    }
}

/* d_w is added to; each gradient comes without the other too. */
static void check_wanted(struct place *p) {
    kit_ok(p->fixture, forward(p, 0, IMAGES));
    mn_vec_fill(p->n_weights, 0, p->d_w);
    kit_ok(p->fixture, backward(p, 0, IMAGES, 1, p->n_weights > 0));
    const mn_real *d_w = kit_copy(p->fixture, p->n_weights, p->d_w),
                  *dx = kit_copy(p->fixture, IMAGES * p->in, p->dx);
    kit_ok(p->fixture, backward(p, 0, IMAGES, 1, 0));
    check_close("op_wanted", "dx without d_w", IMAGES * p->in, p->dx, dx, 0);
    if (p->n_weights > 0) {
        mn_vec_fill(p->n_weights, (mn_real)0.75, p->d_w);
        kit_ok(p->fixture, backward(p, 0, IMAGES, 0, 1));
        check_close("op_added", "d_w, which was 0.75,", p->n_weights, p->d_w, d_w, 0.75);
    }
}

static void wanted(const struct kit *kit) {
    over_sites(kit, check_wanted);
}

/* One image at a time gives what all give at once, to the bit but for the sums in d_w. */
static void check_images(struct place *p) {
    kit_ok(p->fixture, forward(p, 0, IMAGES));
    mn_vec_fill(p->n_weights, 0, p->d_w);
    kit_ok(p->fixture, backward(p, 0, IMAGES, 1, p->n_weights > 0));
    const mn_real *y = kit_copy(p->fixture, IMAGES * p->out, p->y),
                  *dx = kit_copy(p->fixture, IMAGES * p->in, p->dx);
    const mn_real *d_w = kit_copy(p->fixture, p->n_weights, p->d_w);
    mn_vec_fill(p->n_weights, 0, p->d_w);
    for (int i = IMAGES - 1; i >= 0; i--) {
        kit_ok(p->fixture, forward(p, i, 1));
    }
    for (int i = 0; i < IMAGES; i++) {
        kit_ok(p->fixture, backward(p, i, 1, 1, p->n_weights > 0));
    }
    if (memcmp(y, p->y, (size_t)(IMAGES * p->out) * sizeof *y) != 0 ||
        memcmp(dx, p->dx, (size_t)(IMAGES * p->in) * sizeof *dx) != 0) {
        kit_fail("op_images", "%d images one by one give another %s than all at once", IMAGES,
                 memcmp(y, p->y, (size_t)(IMAGES * p->out) * sizeof *y) != 0 ? "y" : "dx");
    }
    check_close("op_images", "d_w of images one by one", p->n_weights, p->d_w, d_w, 0);
}

static void images(const struct kit *kit) {
    over_sites(kit, check_images);
}

static void maps(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    if (!is_made_of_maps(&fixture)) {
        kit_skip("it is not made of the host's maps, but computes");
    }
    check_maps(&fixture);
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"maps", "maps keep the rules, and are the same for the same stride", 0, maps},
    {"shape", "shape and weights are the same for the same site", 0, shapes},
    {"gradient", "backward gives the derivative of forward", 0, gradient},
    {"wanted", "d_w is added to; dx and d_w can each be left out", 0, wanted},
    {"images", "an image gives the same alone and among others", 0, images},
};

const struct kit_kind kit_operation = {.exercise = exercise,
                                       .ends = 1,
                                       .options = 1,
                                       .cases = cases,
                                       .n_cases = sizeof cases / sizeof cases[0]};
