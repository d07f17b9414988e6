/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_ORIGIN_H
#define MN__RUN_ORIGIN_H

/* Which program, plugins and kernels made a checkpoint: its last bits hang on them. */

#include "run/checkpoint.h"
#include "run/experiment.h"

enum { MN__ORIGIN_ENTRIES = MN__UNITS + 5 };

/* Note the plugin files as they are now, in experiment->plugins: they may be replaced while the
 * program runs. */
int mn__origin_note(struct mn__experiment *experiment, struct mn_cx *cx);

/* Checksum of a file, as they are noted. MN_IO, MN_NOMEM. */
int mn__origin_checksum(struct mn_cx *cx, const char *file, uint32_t *out);

/* Metadata of a checkpoint: out[MN__ORIGIN_ENTRIES], valid as long as the experiment. Returns how
 * many there are. */
int mn__origin_describe(const struct mn__experiment *experiment, struct mn__meta *out);

/* The same as text, "KEY: VALUE" in a line. For free. MN_NOMEM. */
int mn__origin_text(const struct mn__experiment *experiment, struct mn_cx *cx, char **out);

/* Before going on from a checkpoint. MN_CONFIG: it was made with another seed, configuration
 * (but for mn__resume_may_change), plugin or other data; with accept = 1 only another seed is
 * refused and the rest warned of. Another program, BLAS or other kernels are always warned of only.
 */
int mn__origin_check(const struct mn__experiment *experiment, struct mn_cx *cx, const char *path,
                     const struct mn__tensors *file, int accept);

#endif
