/* SPDX-License-Identifier: MIT */
/* A section of YAML against a unit that has an option of every type: the parser and the typing of
 * values, without files and plugins. */
#include "fuzz.h"

#include "../config/options.h"

#include <stdlib.h>
#include <string.h>

/* The accepted options, written as YAML; NULL = refused. */
static char *bind(const uint8_t *data, size_t size) {
    struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    struct everything options;
    char *text = NULL;
    size_t length = 0;
    struct nas_yaml *root = nas_yaml_parse(&arena, "f.yaml", (const char *)data, size, &faults);
    fuzz_must(root != NULL || faults.count > 0);
    if (root != NULL) {
        nas_schema_bind(&arena, &everything_options, root, NULL, "unit", &options, &faults);
    }
    fuzz_must((faults.count == 0) || faults.first != NULL);
    if (faults.count == 0) {
        FILE *out = open_memstream(&text, &length);
        fuzz_must(out != NULL);
        nas_schema_write(&everything_options, &options, 0, out);
        fuzz_must(fclose(out) == 0);
    }
    nas_arena_fini(&arena);
    return text;
}

FUZZ_TARGET(options) {
    char *first = bind(data, size);
    if (first != NULL) {
        char *second = bind((const uint8_t *)first, strlen(first));
        fuzz_accepted++;
        fuzz_must(second != NULL && strcmp(first, second) == 0);
        free(second);
    }
    free(first);
    return 0;
}
