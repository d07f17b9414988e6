/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_SHARE_H
#define MN__PLUGIN_SHARE_H

/* Memory that processes of one node have in common: files without a name, which the others open
 * through the process that made them. They are gone with the last process that uses them, however
 * it ends. */

#include <stddef.h>
#include <stdint.h>

enum { MN__MOST_SHARED = 4 };

/* The shared memory of an instance, as other processes are told of it. */
struct mn__share {
    int64_t process;
    uint64_t
        token; /* stands behind each piece: process numbers may be those of another container */
    int64_t n;
    int64_t bytes[MN__MOST_SHARED];
    int32_t files[MN__MOST_SHARED];
};

/* Add a piece of zeroed memory to those of this process, or map the one numbered `piece` of another
 * process, for reading. NULL = it cannot be had. */
void *mn__share_make(struct mn__share *share, size_t bytes);
const void *mn__share_map(const struct mn__share *share, int64_t piece, size_t bytes);
void mn__share_unmap(const void *at, size_t bytes);
/* Close the files of mn__share_make; memory that is mapped stays. */
void mn__share_close(struct mn__share *share);

#endif
