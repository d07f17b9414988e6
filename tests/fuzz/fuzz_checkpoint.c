/* SPDX-License-Identifier: MIT */
/* A checkpoint of a small experiment, as it comes and with the checksum set right. */
#include "fuzz.h"
#include "state.h"

#include "../support/seal.h"
#include "learn/state.h"

#include <stdlib.h>
#include <string.h>

static struct nas_experiment experiment;

static void open_once(void) {
    static struct nas_ctx context;
    if (experiment.model == NULL) {
        struct mn_ctx *ctx = fuzz_begin(&context);
        const int status = fuzz_experiment(&experiment, ctx);
        fuzz_must_explain(ctx, status);
        fuzz_must(status == MN_OK);
    }
}

static void check_state(const struct nas_state *state) {
    fuzz_must(state->loaded && state->meta_epoch >= 0 && state->evaluated >= 0);
    fuzz_must(state->best <= 1);
}

static int load(const uint8_t *data, size_t size) {
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    struct nas_state state;
    const int status = nas_state_load(&experiment, ctx, fuzz_file(0, data, size), &state);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_must(seal_find(data, size) != 0);
        check_state(&state);
        nas_state_fini(&state);
    }
    fuzz_end(&context);
    return status == MN_OK;
}

FUZZ_TARGET(checkpoint) {
    open_once();
    int accepted = load(data, size);
    uint8_t *sealed = malloc(size + 1);
    fuzz_must(sealed != NULL);
    memcpy(sealed, data, size);
    if (seal_put(sealed, size)) {
        accepted |= load(sealed, size);
    }
    fuzz_accepted += accepted;
    free(sealed);
    return 0;
}
