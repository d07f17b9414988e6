/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* ---- numbers ------------------------------------------------------------------------------ */

/* A locale made at its first use. */
static locale_t made_locale(_Atomic(locale_t) *made, int mask, const char *name) {
    locale_t now = atomic_load(made);
    if (now == (locale_t)0) {
        locale_t fresh = newlocale(mask, name, (locale_t)0);
        if (fresh != (locale_t)0 && !atomic_compare_exchange_strong(made, &now, fresh)) {
            freelocale(fresh); /* another thread was first */
            return now;
        }
        return fresh;
    }
    return now;
}

/* Numbers never follow the user's locale: reading and writing happen in the "C" one. */
static locale_t c_locale(void) {
    static _Atomic(locale_t) made;
    return made_locale(&made, LC_ALL_MASK, "C");
}

int nas_text_real(const char *text, double *out) {
    char *end;
    const char *allowed = "0123456789+-.eE";
    if (text[0] == '\0' || text[strspn(text, allowed)] != '\0') {
        return 0;
    }
    errno = 0;
    const double value = strtod_l(text, &end, c_locale());
    const int vanished = errno == ERANGE && value == 0;
    if (*end != '\0' || end == text || !isfinite(value) || vanished) {
        return 0;
    }
    *out = value;
    return 1;
}

static int plain_int(const char *text, int64_t *out) {
    char digits[32];
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        const int digit = *c >= '0' && *c <= '9';
        if (*c == '_' && c > text && c[-1] >= '0' && c[-1] <= '9' && c[1] >= '0' && c[1] <= '9') {
            continue;
        }
        if ((!digit && !(c == text && (*c == '-' || *c == '+'))) || n + 1 >= sizeof digits) {
            return 0;
        }
        digits[n++] = *c;
    }
    digits[n] = '\0';
    char *end;
    errno = 0;
    const long long value = strtoll(digits, &end, 10);
    if (n == 0 || *end != '\0' || end == digits || errno != 0) {
        return 0;
    }
    *out = value;
    return 1;
}

int nas_text_int(const char *text, int64_t *out) {
    double real;
    if (plain_int(text, out)) {
        return 1;
    }
    if (strpbrk(text, "eE") == NULL || !nas_text_real(text, &real) || real != floor(real) ||
        fabs(real) >= 9007199254740992.0) {
        return 0;
    }
    *out = (int64_t)real;
    return 1;
}

int nas_text_from_real(double x, char *out, size_t size) {
    const locale_t before = uselocale(c_locale());
    const int short_whole = x == floor(x) && fabs(x) < 1e6; /* 1000 rather than 1e+03 */
    int n = short_whole ? snprintf(out, size, "%.0f", x) : 0;
    for (int digits = 1; digits <= 17 && !short_whole; digits++) {
        n = snprintf(out, size, "%.*g", digits, x);
        if (strtod_l(out, NULL, c_locale()) == x) {
            break;
        }
    }
    uselocale(before);
    return n;
}

const char *nas_text_finite(double x, const char *otherwise, char *out, size_t size) {
    if (isfinite(x)) {
        nas_text_from_real(x, out, size);
    } else {
        snprintf(out, size, "%s", otherwise);
    }
    return out;
}

/* ---- terminals ---------------------------------------------------------------------------- */

/* The character at `text` and its bytes; -1 = not UTF-8 (RFC 3629), of one byte. */
static int32_t character(const char *text, int *bytes) {
    const unsigned char *at = (const unsigned char *)text;
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = at[0] < 0x80             ? 1
                  : (at[0] & 0xE0) == 0xC0 ? 2
                  : (at[0] & 0xF0) == 0xE0 ? 3
                  : (at[0] & 0xF8) == 0xF0 ? 4
                                           : 0;
    int32_t c = n == 1 ? at[0] : at[0] & (0x7F >> n);
    int valid = n > 0;
    for (int i = 1; valid && i < n; i++) {
        valid = (at[i] & 0xC0) == 0x80;
        c = c << 6 | (at[i] & 0x3F);
    }
    valid = valid && c >= least[n] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    *bytes = valid ? n : 1;
    return valid ? c : -1;
}

static int is_control(int32_t c) {
    return (c >= 0 && c < 32 && c != '\n' && c != '\t') || (c >= 127 && c < 160) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); /* lines, directions */
}

/* What is printed of the character at `at`, which has *n bytes: those, or '?'. */
static const char *printable(const char *at, int *n, size_t *length) {
    const int32_t c = character(at, n);
    const int plain = c >= 0 && !is_control(c);
    *length = plain ? (size_t)*n : 1;
    return plain ? at : "?";
}

char *nas_text_clean(char *text) {
    char *const start = text, *to = text;
    size_t length;
    for (int n; *text != '\0'; text += n) {
        const char *from = printable(text, &n, &length);
        memmove(to, from, length);
        to += length;
    }
    *to = '\0';
    return start;
}

int nas_text_has_control(const char *text) {
    for (int n; *text != '\0'; text += n) {
        if (is_control(character(text, &n))) {
            return 1;
        }
    }
    return 0;
}

int nas_text_is_utf8(const char *text) {
    for (int n; *text != '\0'; text += n) {
        if (character(text, &n) < 0) {
            return 0;
        }
    }
    return 1;
}

int nas_text_width(const char *text) {
    static _Atomic(locale_t) made;
    const locale_t utf8 = made_locale(&made, LC_CTYPE_MASK, "C.UTF-8");
    int width = 0;
    const locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    for (int n; *text != '\0'; text += n) {
        const int32_t c = character(text, &n);
        const int columns = c < 0 || is_control(c) ? 1 : wcwidth((wchar_t)c);
        width += columns >= 0 ? columns : 1;
    }
    if (before != (locale_t)0) {
        uselocale(before);
    }
    return width;
}

void nas_text_put(FILE *out, const char *text, int width) {
    const int used = nas_text_width(text);
    size_t length;
    for (int n; *text != '\0'; text += n) {
        const char *from = printable(text, &n, &length);
        fwrite(from, 1, length, out);
    }
    fprintf(out, "%*s", width > used ? width - used : 0, "");
}

/* ---- words -------------------------------------------------------------------------------- */

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Edit distance with transpositions of neighbours (optimal string alignment). */
static size_t distance(const char *a, const char *b) {
    const size_t n = strlen(a), m = strlen(b);
    size_t row[3][LONGEST + 1];
    if (n > LONGEST || m > LONGEST) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= m; j++) {
        row[0][j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
    }
    return row[n % 3][m];
}

const char *nas_text_nearest(const char *word, const char *const *candidates, size_t n) {
    const char *best = NULL;
    size_t best_distance = strlen(word) / 4 + 2;
    for (size_t i = 0; i < n; i++) {
        const size_t d = distance(word, candidates[i]);
        if (d < best_distance && d < strlen(word)) {
            best_distance = d;
            best = candidates[i];
        }
    }
    const size_t length = strlen(word);
    const int near = best != NULL || length < 3;
    for (size_t i = 0; !near && i < n; i++) { /* the shortest that begins with the word */
        if (strncmp(word, candidates[i], length) == 0 &&
            (best == NULL || strlen(candidates[i]) < strlen(best))) {
            best = candidates[i];
        }
    }
    return best;
}

/* ---- for people --------------------------------------------------------------------------- */

const char *nas_text_article(const char *word) {
    return word[0] != '\0' && strchr("aeiou", word[0]) != NULL ? "an" : "a";
}

const char *nas_text_skip_bom(const char *text) {
    static const char mark[] = "\xEF\xBB\xBF";
    return strncmp(text, mark, sizeof mark - 1) == 0 ? text + sizeof mark - 1 : text;
}

const char *nas_text_hint(const char *near, const char *otherwise, char *out, size_t size) {
    if (near != NULL) {
        snprintf(out, size, "; did you mean '%s'?", near);
    } else {
        snprintf(out, size, "%s", otherwise);
    }
    return out;
}

const char *nas_text_s(int64_t n) {
    return n == 1 ? "" : "s";
}

const char *nas_text_count(int64_t n, char *out, size_t size) {
    char digits[32];
    const int length =
        snprintf(digits, sizeof digits, "%" PRIu64, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
    size_t used = 0;
    if (n < 0 && size > 1) {
        out[used++] = '-';
    }
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

const char *nas_text_bytes(uint64_t bytes, char *out, size_t size) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(out, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *nas_text_interval(double half, int digits, const char *unit, char *out, size_t size) {
    snprintf(out, size, "%s", "");
    if (isfinite(half)) {
        snprintf(out, size, " +- %.*f%s", digits, half, unit);
    }
    return out;
}

const char *nas_text_duration(double seconds, char *out, size_t size) {
    const int64_t whole = seconds > 0 && seconds < 1e15 ? (int64_t)(seconds + 0.5) : 0;
    if (!(seconds < 1e15)) {
        snprintf(out, size, "unknown");
    } else if (seconds < 10) {
        snprintf(out, size, "%.1f s", seconds > 0 ? seconds : 0);
    } else if (whole < 60) {
        snprintf(out, size, "%d s", (int)whole);
    } else if (whole < 3600) {
        snprintf(out, size, "%d min %02d s", (int)(whole / 60), (int)(whole % 60));
    } else {
        snprintf(out, size, "%" PRId64 " h %02d min", whole / 3600, (int)(whole % 3600 / 60));
    }
    return out;
}
