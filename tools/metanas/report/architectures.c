/* SPDX-License-Identifier: MIT */
#include "found.h"
#include "sections.h"

#include "../command.h"

#include "base/buffer.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DRAWN = 3 }; /* task architectures */

static void put_key(struct page *page) {
    page_markup(page, "<p>Solid lines are convolutions or several operations, dashed ones pools, "
                      "dotted ones the identity. Input 0 is the older one. The output joins the "
                      "nodes.</p>\n");
}

static int draw_meta(struct page *page, const struct nas_csv *table) {
    const int genotype = nas_csv_column(table, "genotype");
    const int epoch = nas_csv_column(table, "meta_epoch");
    if (genotype < 0 || table->n_rows == 0) {
        return MN_OK;
    }
    const char *caption = nas_arena_format(
        page->arena, "The meta-architecture at meta-epoch %g, pruned as at evaluation.",
        nas_csv_number(table, table->n_rows - 1, epoch));
    return caption == NULL
               ? no_memory(page->ctx)
               : found_draw(page, nas_csv_cell(table, table->n_rows - 1, genotype), caption);
}

static int draw_tasks(struct page *page, const struct genotypes *genotypes) {
    int64_t tasks = 0;
    for (size_t i = 0; i < genotypes->n; i++) {
        tasks += genotypes->at[i].count;
    }
    page_markup(
        page, "<h3>Of the tasks</h3>\n<p>%zu different architecture%s in %" PRId64 " task%s.</p>\n",
        genotypes->n, nas_text_s((int64_t)genotypes->n), tasks, nas_text_s(tasks));
    for (size_t i = 0; i < genotypes->n && i < MOST_DRAWN; i++) {
        const char *caption = nas_arena_format(
            page->arena,
            "Number %zu of the task architectures: in %" PRId64 " of %" PRId64 " task%s.", i + 1,
            genotypes->at[i].count, tasks, nas_text_s(tasks));
        TRY(caption == NULL ? no_memory(page->ctx)
                            : found_draw(page, genotypes->at[i].text, caption));
    }
    return found_frequencies(page, genotypes);
}

/* ---- a fixed architecture ----------------------------------------------------------------- */

/* "conv_3x3 0, skip_connect 1" as "conv_3x3@0+skip_connect@1". */
static void put_pairs(const char *text, FILE *out) {
    for (; *text != '\0'; text++) {
        if (*text == ',') {
            fputc('+', out);
            text += strspn(text + 1, " ");
        } else {
            fputc(*text == ' ' ? '@' : *text, out);
        }
    }
}

/* Inputs of a cell, as far as its nodes tell: node J reads them and J nodes. */
static int inputs_of(const struct nas_yaml *nodes) {
    int j = 0, most = 1;
    for (const struct nas_yaml *node = nodes->first; node != NULL; node = node->next, j++) {
        for (const char *at = node->text; at != NULL; at = strchr(at + 1, ',')) {
            const char *word = at + strspn(at, ", ");
            const int input = atoi(word + strcspn(word, " "));
            most = input - j >= most ? input - j + 1 : most;
        }
    }
    return most;
}

static void put_nodes(const struct nas_yaml *nodes, FILE *out) {
    int j = 0;
    fprintf(out, "%s%s/%d:", ftell(out) > 0 ? " | " : "", nodes->key, inputs_of(nodes));
    for (const struct nas_yaml *node = nodes->first; node != NULL; node = node->next) {
        fprintf(out, " %d:", j++);
        put_pairs(node->text != NULL ? node->text : "", out);
    }
}

/* The cells of section genotype, from the configuration. */
static int section_fixed(struct page *page, const struct record *record) {
    CLEANUP(nas_buffer_free) struct nas_buffer line = {0};
    const struct nas_yaml *section = nas_yaml_get(record->root, "genotype");
    if (section == NULL || section->kind != NAS_YAML_MAP) {
        return MN_OK;
    }
    TRY(nas_buffer_open(&line, page->ctx));
    for (const struct nas_yaml *type = section->first; type != NULL; type = type->next) {
        if (type->kind == NAS_YAML_LIST && type->first != NULL) {
            put_nodes(type, line.out);
        }
    }
    TRY(nas_buffer_close(&line, page->ctx));
    if (line.length > 0) {
        page_section(page, "architectures", "Architecture");
        put_key(page);
        TRY(found_draw(page, line.text, "The cells of the network, which is not searched."));
        page_section_end(page);
    }
    return MN_OK;
}

/* ---- the section -------------------------------------------------------------------------- */

static void free_genotypes(struct genotypes *genotypes) {
    nas_arena_fini(&genotypes->arena);
}

int section_architectures(struct page *page, const struct record *record) {
    CLEANUP(free_genotypes) struct genotypes genotypes = {0};
    if (record->test != NULL) {
        TRY(genotypes_read(page->ctx, "test.json", record->test, &genotypes));
    }
    if (record->architecture == NULL && genotypes.n == 0) {
        return section_fixed(page, record);
    }
    page_section(page, "architectures", "Architectures");
    put_key(page);
    if (record->architecture != NULL) {
        TRY(draw_meta(page, record->architecture));
    }
    if (genotypes.n > 0) {
        TRY(draw_tasks(page, &genotypes));
    } else {
        page_missing(page, "The architectures of tasks: 'metanas test %s' finds them.",
                     record->dir);
    }
    page_section_end(page);
    return MN_OK;
}
