/* SPDX-License-Identifier: MIT */
#include "store/provenance.h"

#include "base/buffer.h"
#include "base/file.h"

#include <inttypes.h>
#include <zlib.h>

enum { MOST_FILE = 1 << 30 };

int nas_provenance_add(struct nas_provenance *p, struct mn_ctx *ctx, enum nas_provenance_kind kind,
                       const char *key, const char *value) {
    if (value == NULL || p->n == NAS_PROVENANCE_MOST) {
        return mn_fail(ctx, MN_NOMEM, "no memory to note %s", key);
    }
    p->kinds[p->n] = kind;
    p->at[p->n++] = (struct nas_metadata){key, value};
    return MN_OK;
}

int nas_provenance_checksum(struct mn_ctx *ctx, const char *file, uint32_t *out) {
    CLEANUP(nas_free) uint8_t *data = NULL;
    size_t length;
    TRY(nas_file_read(ctx, file, MOST_FILE, &data, &length));
    *out = (uint32_t)crc32_z(crc32(0, NULL, 0), data, length);
    return MN_OK;
}

int nas_provenance_unit(struct mn_ctx *ctx, struct nas_arena *arena, const struct nas_unit *u,
                        const char **out) {
    uint32_t crc = 0;
    if (u->file[0] == '/') { /* others were registered without a file */
        TRY(nas_provenance_checksum(ctx, u->file, &crc));
    }
    *out = nas_arena_format(arena, "%s of %s %s, file crc32 %08" PRIx32, u->unit->name,
                            u->plugin->name, u->plugin->version, crc);
    return *out != NULL ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory for plugin names");
}

int nas_provenance_text(const struct nas_provenance *p, struct mn_ctx *ctx, char **out) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    TRY(nas_buffer_open(&text, ctx));
    for (int i = 0; i < p->n; i++) {
        fprintf(text.out, "%s: %s\n", p->at[i].key, p->at[i].value);
    }
    TRY(nas_buffer_close(&text, ctx));
    *out = text.text;
    text.text = NULL;
    return MN_OK;
}

int nas_provenance_check(const struct nas_provenance *now, struct mn_ctx *ctx, unsigned kinds,
                         const char *path, int n, const struct nas_metadata *all, int accept) {
    for (int i = 0; i < now->n; i++) {
        const char *key = now->at[i].key, *value = now->at[i].value;
        const char *then = nas_metadata_find(n, all, key);
        if ((now->kinds[i] & kinds) == 0 || (then != NULL && strcmp(then, value) == 0)) {
            continue;
        }
        if (now->kinds[i] == NAS_MADE_FROM_DATA && then == NULL) {
            mn_log(ctx, MN_LOG_INFO,
                   "%s: does not say which data it was made with, so that they cannot be compared",
                   path);
            continue;
        }
        if (now->kinds[i] == NAS_MADE_FROM_DATA && !accept) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: was made with other data\n  then: %s\n  now:  %s\n  "
                           "--accept-changes goes on all the same",
                           path, then, value);
        }
        if (now->kinds[i] == NAS_MADE_FROM_DATA) {
            mn_log(ctx, MN_LOG_WARN, "%s: was made with other data\n  then: %s\n  now:  %s", path,
                   then, value);
            continue;
        }
        then = then != NULL ? then : "unknown";
        if (now->kinds[i] == NAS_MADE_BY_PLUGIN && !accept) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: was made with another plugin: %s was '%s', now it is '%s'; "
                           "--accept-changes goes on all the same",
                           path, key, then, value);
        }
        mn_log(ctx, MN_LOG_WARN,
               "%s: %s was '%s', now it is '%s': the run may not end with the same bits", path, key,
               then, value);
    }
    return MN_OK;
}
