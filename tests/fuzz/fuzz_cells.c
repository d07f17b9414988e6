/* SPDX-License-Identifier: MIT */
/* The one line of an architecture, as test.json and architecture.csv hold it: taken apart, written
 * as YAML and as a graph, printed. */
#include "fuzz.h"

#include "../../tools/metanas/cells.h"
#include "../../tools/metanas/genotypes.h"

#include <stdlib.h>
#include <string.h>

static FILE *nowhere(void) {
    static FILE *file;
    if (file == NULL) {
        file = fopencookie(NULL, "w", (cookie_io_functions_t){0});
        fuzz_must(file != NULL);
    }
    return file;
}

static void check(const struct cells *cells) {
    fuzz_must(cells->n >= 1);
    for (int c = 0; c < cells->n; c++) {
        for (int j = 0; j < cells->at[c].n_nodes; j++) {
            const struct cell_node *node = &cells->at[c].nodes[j];
            for (int k = 0; k < node->n_inputs; k++) {
                fuzz_must(node->inputs[k].from >= 0 && node->inputs[k].from <= j + 1);
                fuzz_must(node->inputs[k].n_ops >= 1);
            }
        }
    }
    cells_write_yaml(cells, nowhere());
    cells_write_dot(cells, "c", nowhere());
}

FUZZ_TARGET(cells) {
    static struct nas_arena arena;
    struct nas_ctx context;
    struct cells cells;
    struct mn_ctx *ctx = fuzz_begin(&context);
    char *text = fuzz_text(&data, &size);
    if (text != NULL) {
        struct genotype one = {text, 1};
        const struct genotypes all = {.n = 1, .at = &one};
        const int status = cells_parse(ctx, &arena, "genotype", text, &cells);
        fuzz_must_explain(ctx, status);
        if (status == MN_OK) {
            fuzz_accepted++;
            check(&cells);
        }
        genotypes_print(&all, 1, 1, nowhere());
    }
    free(text);
    nas_arena_release(&arena, 0);
    fuzz_end(&context);
    return 0;
}
