/* SPDX-License-Identifier: MIT */
/* Assignments as --set takes them, one after the other up to zero bytes, on a small tree. */
#include "fuzz.h"

#include "../config/options.h"
#include "config/override.h"

#include <stdlib.h>
#include <string.h>

static const char base[] = "run: {seed: 1}\n"
                           "s:\n  use: a\n  steps: 7\n  sizes: [1, 2]\n  title: x\n"
                           "empty:\n";

FUZZ_TARGET(override) {
    struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    struct everything options;
    struct nas_yaml *root = nas_yaml_parse(&arena, "f.yaml", base, sizeof base - 1, &faults);
    fuzz_must(root != NULL && faults.count == 0);
    char *assignment;
    for (int i = 1; (assignment = fuzz_text(&data, &size)) != NULL; i++) {
        nas_override_apply(&arena, root, assignment, i, &faults);
        free(assignment); /* nothing of it may be needed later */
    }
    fuzz_must(nas_yaml_copy(&arena, root) != NULL);
    nas_schema_bind(&arena, &everything_options, nas_yaml_get(root, "s"), "use", "unit", &options,
                    &faults);
    for (const struct nas_fault *fault = faults.first; fault != NULL; fault = fault->next) {
        fuzz_must(fault->text[0] != '\0');
    }
    fuzz_accepted += faults.count == 0;
    nas_arena_fini(&arena);
    return 0;
}
