/* SPDX-License-Identifier: MIT */
/* A frozen list of episodes. */
#include "fuzz.h"

#include "run/episodes.h"

static void check_list(const struct mn__episodes *list) {
    const int64_t ways = list->spec.ways, each = (int64_t)list->spec.support + list->spec.query;
    fuzz_must(list->tasks >= 1 && ways >= 1 && list->spec.support >= 1 && list->spec.query >= 1);
    for (int64_t i = 0; i < list->tasks * ways; i++) {
        fuzz_must(list->classes[i] >= 0 && list->names[i][0] != '\0');
        for (int64_t k = 0; k < each; k++) {
            fuzz_must(list->samples[i * each + k] >= 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mn__cx context;
    struct mn_cx *cx = fuzz_begin(&context);
    struct mn__episodes list;
    const int status = mn__episodes_read(cx, fuzz_file(0, data, size), &list);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check_list(&list);
        mn__episodes_fini(&list);
    }
    fuzz_end(&context);
    return 0;
}
