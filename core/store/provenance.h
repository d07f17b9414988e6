/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_PROVENANCE_H
#define NAS_STORE_PROVENANCE_H

/* Which program, plugins and kernels made a checkpoint: its last bits hang on them. */

#include "learn/experiment.h"
#include "store/safetensors.h"

enum { NAS_PROVENANCE_ENTRIES = NAS_UNITS + 5 };

/* Note the plugin files as they are now, in experiment->plugins: they may be replaced while the
 * program runs. */
int nas_provenance_note(struct nas_experiment *experiment, struct mn_ctx *ctx);

/* Checksum of a file, as they are noted. MN_IO, MN_NOMEM. */
int nas_provenance_checksum(struct mn_ctx *ctx, const char *file, uint32_t *out);

/* Metadata of a checkpoint: out[NAS_PROVENANCE_ENTRIES], valid as long as the experiment. Returns
 * how many there are. */
int nas_provenance_describe(const struct nas_experiment *experiment, struct nas_metadata *out);

/* The same as text, "KEY: VALUE" in a line. For free. MN_NOMEM. */
int nas_provenance_text(const struct nas_experiment *experiment, struct mn_ctx *ctx, char **out);

/* Before going on from a checkpoint. MN_CONFIG: it was made with another seed, configuration
 * (but for nas_config_may_change), plugin or other data; with accept = 1 only another seed is
 * refused and the rest warned of. Another program, BLAS or other kernels are always warned of only.
 */
int nas_provenance_check(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                         const char *path, const struct nas_safetensors *file, int accept);

#endif
