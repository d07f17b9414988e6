/* SPDX-License-Identifier: MIT */
#include "touched.h"

#include "network/graph.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void touched_alone(struct nas_workspace *ws) {
    ws->poison = 0;
}

int64_t touched_bytes(const struct nas_workspace *ws) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (ws->mapped + page - 1) / page;
    unsigned char *in = malloc(n);
    int64_t bytes = -1;
    if (in != NULL && mincore(ws->reals, ws->mapped, in) == 0) {
        bytes = 0;
        for (size_t i = 0; i < n; i++) {
            bytes += in[i] & 1 ? (int64_t)page : 0;
        }
    }
    free(in);
    return bytes;
}
