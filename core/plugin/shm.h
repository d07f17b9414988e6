/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_SHM_H
#define NAS_PLUGIN_SHM_H

/* Memory that processes of one node have in common: files without a name, which the others open
 * through the process that made them. They are gone with the last process that uses them, however
 * it ends. */

#include <stddef.h>
#include <stdint.h>

enum { NAS_SHM_MOST = 4 };

/* The shared memory of an instance, as other processes are told of it. */
struct nas_shm {
    int64_t process;
    uint64_t
        token; /* stands behind each piece: process numbers may be those of another container */
    int64_t n;
    int64_t bytes[NAS_SHM_MOST];
    int32_t files[NAS_SHM_MOST];
};

/* Add a piece of zeroed memory to those of this process, or map the one numbered `piece` of another
 * process, for reading. NULL = it cannot be had. */
void *nas_shm_create(struct nas_shm *share, size_t bytes);
const void *nas_shm_map(const struct nas_shm *share, int64_t piece, size_t bytes);
void nas_shm_unmap(const void *at, size_t bytes);
/* Close the files of nas_shm_create; memory that is mapped stays. */
void nas_shm_close(struct nas_shm *share);

#endif
