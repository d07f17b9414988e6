/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

int nas_buffer_open(struct nas_buffer *b, struct mn_ctx *ctx) {
    *b = (struct nas_buffer){0};
    b->out = open_memstream(&b->text, &b->length);
    return b->out != NULL ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory for a text");
}

int nas_buffer_close(struct nas_buffer *b, struct mn_ctx *ctx) {
    const int failed = ferror(b->out) != 0;
    const int closed = fclose(b->out) == 0;
    b->out = NULL;
    return closed && !failed ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory for a text");
}

void nas_buffer_free(struct nas_buffer *b) {
    if (b->out != NULL) {
        fclose(b->out);
    }
    free(b->text);
    *b = (struct nas_buffer){0};
}
