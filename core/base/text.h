/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_TEXT_H
#define NAS_BASE_TEXT_H

/* Text without the locale. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Parse the whole of `text`; 1 = done, 0 = not a number of that type or out of its range. Reals
 * accept 1, 1.5, .5, 1e-3; ints accept 1_000 and 1e3 where exact. Never depends on the locale. */
int nas_text_int(const char *text, int64_t *out);
int nas_text_real(const char *text, double *out);

/* Write x with the fewest digits that read back as it, independent of the locale; returns the
 * length. */
int nas_text_from_real(double x, char *out, size_t size);

/* The same of a number that may not be finite: then `otherwise`. Returns `out`. */
const char *nas_text_finite(double x, const char *otherwise, char *out, size_t size);

/* The candidate nearest to `word` by edit distance with transpositions, or NULL if none is near
 * enough to be a likely slip (distance at most 1 + length / 4, and something in common) and none
 * begins with it. */
const char *nas_text_nearest(const char *word, const char *const *candidates, size_t n);

/* "a" or "an", before a name of this program: "op_mixer". */
const char *nas_text_article(const char *word);

/* The text behind a byte order mark (U+FEFF in UTF-8, as editors on Windows put it in front). */
const char *nas_text_skip_bom(const char *text);

/* "; did you mean 'NEAR'?" into out; what `otherwise` says where near is NULL. */
const char *nas_text_hint(const char *near, const char *otherwise, char *out, size_t size);

/* Names come from anywhere, terminals obey control characters. Makes text fit for one, in place:
 * control characters but line feeds and tabs, and bytes that are not UTF-8, become '?'. Returns
 * it. */
char *nas_text_clean(char *text);
/* Whether there are such characters; whether all of it is UTF-8. */
int nas_text_has_control(const char *text);
int nas_text_is_utf8(const char *text);
/* Columns that the text takes on a terminal. */
int nas_text_width(const char *text);
/* The text, cleaned, and spaces up to `width` columns. */
void nas_text_put(FILE *out, const char *text, int width);

/* What a noun ends with after this number: "" or "s". */
const char *nas_text_s(int64_t n);

/* "1,234,567" into out. */
const char *nas_text_count(int64_t n, char *out, size_t size);
/* "12.3 MB"; "1 h 03 min", "unknown" for what is not finite. */
const char *nas_text_bytes(uint64_t bytes, char *out, size_t size);
const char *nas_text_duration(double seconds, char *out, size_t size);
/* " +- 1.23" and `unit` for a half width of 1.23 with two digits; nothing where it is not known
 * (NAN). */
const char *nas_text_interval(double half, int digits, const char *unit, char *out, size_t size);

#endif
