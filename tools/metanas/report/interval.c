/* SPDX-License-Identifier: MIT */
#include "interval.h"

static int column_with(const struct nas_csv *table, const char *name, const char *ending) {
    char whole[256];
    return snprintf(whole, sizeof whole, "%s%s", name, ending) < (int)sizeof whole
               ? nas_csv_column(table, whole)
               : -1;
}

int interval_of(const struct nas_csv *table, const char *name, struct interval *out) {
    const int plain = nas_csv_column(table, name);
    *out = (struct interval){plain >= 0 ? plain : column_with(table, name, "_mean"),
                             column_with(table, name, "_ci95"), column_with(table, name, "_low"),
                             column_with(table, name, "_high")};
    return out->mean >= 0 && (out->half >= 0 || (out->low >= 0 && out->high >= 0));
}

void interval_ends(const struct nas_csv *table, int64_t row, const struct interval *at,
                   double ends[2]) {
    const double mean = nas_csv_number(table, row, at->mean);
    const double half = nas_csv_number(table, row, at->half);
    ends[0] = at->half >= 0 ? mean - half : nas_csv_number(table, row, at->low);
    ends[1] = at->half >= 0 ? mean + half : nas_csv_number(table, row, at->high);
}
