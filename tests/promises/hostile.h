/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PROMISES_HOSTILE_H
#define TESTS_PROMISES_HOSTILE_H

/* How often a test with random damage repeats. */

#include <stdio.h>
#include <stdlib.h>

/* `all` where METANAS_LONG is set and not empty. */
static inline int hostile_count(int usual, int all) {
    const char *text = getenv("METANAS_LONG");
    const int n = text != NULL && text[0] != '\0' ? all : usual;
    printf("%d of %d repetitions%s\n", n, all, n < all ? "; METANAS_LONG=1 makes all" : "");
    return n;
}

#endif
