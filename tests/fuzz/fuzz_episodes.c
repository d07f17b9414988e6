/* SPDX-License-Identifier: MIT */
/* A frozen list of episodes. */
#include "fuzz.h"

#include "learn/episode_list.h"

static void check_list(const struct nas_episodes *list) {
    const int64_t ways = list->spec.ways, each = (int64_t)list->spec.support + list->spec.query;
    fuzz_must(list->tasks >= 1 && ways >= 1 && list->spec.support >= 1 && list->spec.query >= 1);
    for (int64_t i = 0; i < list->tasks * ways; i++) {
        fuzz_must(list->classes[i] >= 0 && list->names[i][0] != '\0');
        for (int64_t k = 0; k < each; k++) {
            fuzz_must(list->samples[i * each + k] >= 0);
        }
    }
}

FUZZ_TARGET(episodes) {
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    struct nas_episodes list;
    const int status = nas_episodes_read(ctx, fuzz_file(0, data, size), &list);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check_list(&list);
        nas_episodes_fini(&list);
    }
    fuzz_end(&context);
    return 0;
}
