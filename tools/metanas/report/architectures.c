/* SPDX-License-Identifier: MIT */
#include "found.h"
#include "sections.h"

#include "../command.h"

#include <inttypes.h>

enum { MOST_DRAWN = 3 }; /* task architectures */

static int draw_meta(struct page *page, const struct table *table) {
    const int genotype = table_column(table, "genotype");
    const int epoch = table_column(table, "meta_epoch");
    if (genotype < 0 || table->n_rows == 0) {
        return MN_OK;
    }
    const char *caption = mn__arena_format(
        page->arena, "The meta-architecture at meta-epoch %g, pruned as at evaluation.",
        table_number(table, table->n_rows - 1, epoch));
    return caption == NULL
               ? no_memory(page->cx)
               : found_draw(page, table_cell(table, table->n_rows - 1, genotype), caption);
}

static int draw_tasks(struct page *page, const struct genotypes *genotypes) {
    int64_t tasks = 0;
    for (size_t i = 0; i < genotypes->n; i++) {
        tasks += genotypes->at[i].count;
    }
    page_markup(page,
                "<h3>Of the tasks</h3>\n<p>%zu different architectures in %" PRId64 " tasks.</p>\n",
                genotypes->n, tasks);
    int status = MN_OK;
    for (size_t i = 0; status == MN_OK && i < genotypes->n && i < MOST_DRAWN; i++) {
        const char *caption = mn__arena_format(page->arena,
                                               "Number %zu of the task architectures: in %" PRId64
                                               " of %" PRId64 " tasks.",
                                               i + 1, genotypes->at[i].count, tasks);
        status = caption == NULL ? no_memory(page->cx)
                                 : found_draw(page, genotypes->at[i].text, caption);
    }
    return status == MN_OK ? found_frequencies(page, genotypes) : status;
}

int section_architectures(struct page *page, const struct record *record) {
    struct genotypes genotypes = {0};
    int status = record->test != NULL
                     ? genotypes_read(page->cx, "test.json", record->test, &genotypes)
                     : MN_OK;
    if (status == MN_OK && (record->architecture != NULL || genotypes.n > 0)) {
        page_section(page, "architectures", "Architectures");
        page_markup(page, "<p>Solid lines are convolutions or several operations, dashed ones "
                          "pools, dotted ones the identity. Input 0 is the older one. The output "
                          "joins the nodes.</p>\n");
        if (record->architecture != NULL) {
            status = draw_meta(page, record->architecture);
        }
        if (status == MN_OK && genotypes.n > 0) {
            status = draw_tasks(page, &genotypes);
        } else if (status == MN_OK) {
            page_missing(page, "The architectures of tasks: 'metanas test %s' finds them.",
                         record->dir);
        }
        page_section_end(page);
    }
    mn__arena_fini(&genotypes.arena);
    return status;
}
