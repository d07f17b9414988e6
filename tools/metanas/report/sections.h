/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_SECTIONS_H
#define METANAS_REPORT_SECTIONS_H

/* The sections of a report, each from the files that it needs; where they are missing it says which
 * command makes them. */

#include "page.h"
#include "source.h"

/* results.c */
int section_test(struct page *page, const struct source *source);
int section_steps(struct page *page, const struct source *source);
/* curves.c */
int section_training(struct page *page, const struct source *source);
int section_mixtures(struct page *page, const struct source *source);
/* architectures.c */
int section_architectures(struct page *page, const struct source *source);
/* ablation.c */
int section_ablation(struct page *page, const struct source *source);
/* repeat.c */
int section_repeat_run(struct page *page, const struct source *source);
int section_repeat_sweep(struct page *page, const struct source *source);

#endif
