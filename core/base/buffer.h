/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_BUFFER_H
#define NAS_BASE_BUFFER_H

/* Text that is printed into memory. */

#include "base/ctx.h"

struct nas_buffer {
    FILE *out; /* to print to, until it is closed */
    char *text;
    size_t length;
};

/* Start an empty one. MN_NOMEM. */
int nas_buffer_open(struct nas_buffer *buffer, struct mn_ctx *ctx);
/* From here on `text`, ended by a zero, and `length` are there. MN_NOMEM where some of it found no
 * room. */
int nas_buffer_close(struct nas_buffer *buffer, struct mn_ctx *ctx);
/* Takes one that is zeroed, open or closed; for CLEANUP. */
void nas_buffer_free(struct nas_buffer *buffer);

#endif
