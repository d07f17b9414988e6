/* SPDX-License-Identifier: MIT */
/* A checkpoint of a small experiment, as it comes and with the checksum set right. */
#include "fuzz.h"
#include "state.h"

#include "../support/seal.h"
#include "run/metatrain.h"

#include <stdlib.h>
#include <string.h>

static struct mn__experiment experiment;

static void open_once(void) {
    static struct mn__cx context;
    if (experiment.model == NULL) {
        struct mn_cx *cx = fuzz_begin(&context);
        const int status = fuzz_experiment(&experiment, cx);
        fuzz_must_explain(cx, status);
        fuzz_must(status == MN_OK);
    }
}

static void check_state(const struct mn__state *state) {
    fuzz_must(state->loaded && state->meta_epoch >= 0 && state->evaluated >= 0);
    fuzz_must(state->best <= 1);
}

static int load(const uint8_t *data, size_t size) {
    struct mn__cx context;
    struct mn_cx *cx = fuzz_begin(&context);
    struct mn__state state;
    const int status = mn__state_load(&experiment, cx, fuzz_file(0, data, size), &state);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_must(seal_find(data, size) != 0);
        check_state(&state);
        mn__state_fini(&state);
    }
    fuzz_end(&context);
    return status == MN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
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
