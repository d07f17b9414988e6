/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_PROVENANCE_H
#define NAS_STORE_PROVENANCE_H

/* Which plugins, data, program and kernels made a checkpoint: its last bits hang on them. */

#include "plugin/instance.h"
#include "plugin/registry.h"
#include "store/safetensors.h"

/* What follows where one is another than it was: a refusal, unless that is accepted, or a warning.
 */
enum nas_provenance_kind {
    NAS_MADE_BY_PLUGIN = 1, /* refused */
    NAS_MADE_FROM_DATA = 2, /* refused; unknown in checkpoints of before it was noted */
    NAS_MADE_BY_PROGRAM = 4 /* a warning */
};

enum { NAS_PROVENANCE_MOST = (NAS_SECTIONS + 1) * (1 + NAS_MOST_NESTED) + 5 };

/* As it is now; also the metadata of a checkpoint that is written. */
struct nas_provenance {
    int n;
    enum nas_provenance_kind kinds[NAS_PROVENANCE_MOST];
    struct nas_metadata at[NAS_PROVENANCE_MOST];
};

/* Add an entry; neither text is copied. `value` NULL = no memory: MN_NOMEM. */
int nas_provenance_add(struct nas_provenance *provenance, struct mn_ctx *ctx,
                       enum nas_provenance_kind kind, const char *key, const char *value);

/* "soft_prune of soft_prune 0.1.0, file crc32 0123abcd" in arena. MN_IO, MN_NOMEM. */
int nas_provenance_unit(struct mn_ctx *ctx, struct nas_arena *arena, const struct nas_unit *unit,
                        const char **out);
/* Checksum of a file, as it stands there. MN_IO, MN_NOMEM. */
int nas_provenance_checksum(struct mn_ctx *ctx, const char *file, uint32_t *out);

/* All as text, "KEY: VALUE" in a line. For free. MN_NOMEM. */
int nas_provenance_text(const struct nas_provenance *provenance, struct mn_ctx *ctx, char **out);

/* Whether the file at `path` with metadata then[n] was made by the same things of the `kinds`.
 * MN_CONFIG; with accept = 1 a warning. */
int nas_provenance_check(const struct nas_provenance *now, struct mn_ctx *ctx, unsigned kinds,
                         const char *path, int n, const struct nas_metadata *then, int accept);

#endif
