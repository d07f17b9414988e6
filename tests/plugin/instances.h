/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PLUGIN_INSTANCES_H
#define TESTS_PLUGIN_INSTANCES_H

/* Instances of the units of a static plugin, from sections of a text. */

#include "../support/check.h"

#include "plugin/instance.h"

static struct nas_ctx ctx;
static struct nas_registry *registry;
static struct nas_instance instance;
static struct nas_arena arena;
static struct nas_faults faults;

static const struct mn_host host = {.size = sizeof host,
                                    .fail = nas_service_fail,
                                    .bad_option = nas_service_bad_option,
                                    .log = nas_service_log,
                                    .cancelled = nas_service_cancelled,
                                    .enter = nas_service_enter,
                                    .leave = nas_service_leave,
                                    .scratch = nas_service_scratch,
                                    .keep = nas_service_keep,
                                    .keep_shared = nas_service_keep_shared};

static inline void instances_begin(const struct mn_plugin *plugin) {
    nas_ctx_init(&ctx, &host);
    memset(&arena, 0, sizeof arena);
    memset(&instance, 0, sizeof instance);
    faults = (struct nas_faults){.arena = &arena};
    registry = NULL;
    assert_ok(&ctx.pub, nas_registry_new(&ctx.pub, NULL, &registry));
    assert_ok(&ctx.pub, nas_registry_add(registry, &ctx.pub, plugin));
}

static inline int instances_end(void **state) {
    nas_instance_fini(&instance);
    nas_registry_free(registry);
    nas_arena_fini(&arena);
    nas_ctx_fini(&ctx);
    return 0;
}

/* The section "part" of a configuration text in the file t.yaml. */
static inline int instances_make(const char *text, int kind, const char *default_use) {
    struct nas_yaml *tree = nas_yaml_parse(&arena, "t.yaml", text, strlen(text), &faults);
    const struct nas_mark mark = {"t.yaml", 9, 9};
    assert_int_equal(faults.count, 0);
    return nas_instance_init(&instance, &ctx.pub, registry, kind, NULL, nas_yaml_get(tree, "part"),
                             default_use, mark, &faults);
}

#endif
