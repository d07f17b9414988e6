/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_PAGE_H
#define METANAS_REPORT_PAGE_H

/* One HTML page that needs no other file. Whatever comes from files goes through page_text or
 * page_print, which escape it. */

#include "base/ctx.h"

#include <stdio.h>

struct page {
    struct mn_ctx *ctx;
    struct nas_arena *arena;
    FILE *out;
    int figures; /* so far; their ids differ by it */
};

/* From the document type to the head line, and the end. */
void page_begin(struct page *page, const char *title, const char *subtitle);
void page_end(struct page *page);

void page_section(struct page *page, const char *id, const char *title);
void page_section_end(struct page *page);

/* Text with <, >, &, quotes and control characters made harmless; fit for attributes too. */
void page_text(struct page *page, const char *text);
MN_PRINTF(2, 3) void page_print(struct page *page, const char *format, ...);
/* Markup as it is: only texts of this program. */
MN_PRINTF(2, 3) void page_markup(struct page *page, const char *format, ...);

/* A paragraph that says what is missing and which command makes it. */
MN_PRINTF(2, 3) void page_missing(struct page *page, const char *format, ...);

/* A figure around a drawing; its number and caption stand under it. */
void page_figure(struct page *page);
MN_PRINTF(2, 3) void page_figure_end(struct page *page, const char *format, ...);

/* A row of a table of two columns. */
MN_PRINTF(3, 4)
void page_row(struct page *page, const char *name, const char *format, ...);

/* style.c: lines of the style sheet and of the script that sorts tables; NULL-terminated. */
extern const char *const page_style[], *const page_script[];

#endif
