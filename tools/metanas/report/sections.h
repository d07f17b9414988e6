/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_SECTIONS_H
#define METANAS_REPORT_SECTIONS_H

/* The sections of a report, each from the files that it needs; where they are missing it says which
 * command makes them. */

#include "page.h"
#include "record.h"

/* report.c: the whole page. */
int report_page(struct mn_ctx *ctx, struct record *record, FILE *out);

/* results.c */
int section_test(struct page *page, const struct record *record);
int section_steps(struct page *page, const struct record *record);
/* curves.c */
int section_training(struct page *page, const struct record *record);
int section_mixtures(struct page *page, const struct record *record);
/* architectures.c */
int section_architectures(struct page *page, const struct record *record);
/* ablation.c */
int section_ablation(struct page *page, const struct record *record);
/* repeat.c */
int section_repeat_run(struct page *page, const struct record *record);
int section_repeat_sweep(struct page *page, const struct record *record);

#endif
