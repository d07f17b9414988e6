/* SPDX-License-Identifier: MIT */
#include "page.h"

#include <stdarg.h>
#include <string.h>

enum { LONGEST = 4096 };

void page_text(struct page *page, const char *text) {
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        switch (c) {
        case '<':
            fputs("&lt;", page->out);
            break;
        case '>':
            fputs("&gt;", page->out);
            break;
        case '&':
            fputs("&amp;", page->out);
            break;
        case '"':
            fputs("&quot;", page->out);
            break;
        case '\'':
            fputs("&#39;", page->out);
            break;
        default:
            if ((c < 32 && c != '\n' && c != '\t') || c == 127) {
                fputs("&#65533;", page->out);
            } else {
                fputc(c, page->out);
            }
        }
    }
}

/* Longer texts are cut: they are names and numbers. */
MN_PRINTF(2, 0) static void print_list(struct page *page, const char *format, va_list args) {
    char text[LONGEST];
    vsnprintf(text, sizeof text, format, args);
    page_text(page, text);
}

void page_print(struct page *page, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_list(page, format, args);
    va_end(args);
}

void page_markup(struct page *page, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(page->out, format, args);
    va_end(args);
}

static void put_lines(struct page *page, const char *const *lines) {
    for (; *lines != NULL; lines++) {
        fputs(*lines, page->out);
        fputc('\n', page->out);
    }
}

/* The policy makes the browser refuse any request, so that nothing can slip in. */
void page_begin(struct page *page, const char *title, const char *subtitle) {
    page_markup(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<link rel=\"icon\" href=\"data:,\">\n<title>");
    page_text(page, title);
    page_markup(page, "</title>\n<style>\n");
    put_lines(page, page_style);
    page_markup(page, "</style>\n</head>\n<body>\n<header>\n<h1>");
    page_text(page, title);
    page_markup(page, "</h1>\n<p>");
    page_text(page, subtitle);
    page_markup(page, "</p>\n</header>\n<main>\n");
}

void page_end(struct page *page) {
    page_markup(page, "</main>\n<script>\n");
    put_lines(page, page_script);
    page_markup(page, "</script>\n</body>\n</html>\n");
}

void page_section(struct page *page, const char *id, const char *title) {
    page_markup(page, "<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
}

void page_section_end(struct page *page) {
    page_markup(page, "</section>\n");
}

void page_missing(struct page *page, const char *format, ...) {
    va_list args;
    page_markup(page, "<p class=\"missing\">");
    va_start(args, format);
    print_list(page, format, args);
    va_end(args);
    page_markup(page, "</p>\n");
}

void page_figure(struct page *page) {
    page->figures++;
    page_markup(page, "<figure>\n");
}

void page_figure_end(struct page *page, const char *format, ...) {
    va_list args;
    page_markup(page, "<figcaption><b>Figure %d.</b> ", page->figures);
    va_start(args, format);
    print_list(page, format, args);
    va_end(args);
    page_markup(page, "</figcaption>\n</figure>\n");
}

void page_row(struct page *page, const char *name, const char *format, ...) {
    va_list args;
    page_markup(page, "<tr><th scope=\"row\">");
    page_text(page, name);
    page_markup(page, "</th><td>");
    va_start(args, format);
    print_list(page, format, args);
    va_end(args);
    page_markup(page, "</td></tr>\n");
}
