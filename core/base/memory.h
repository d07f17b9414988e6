/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_MEMORY_H
#define NAS_BASE_MEMORY_H

/* Memory of this process and of the machine, in bytes, as the kernel counts it (/proc). -1 where
 * the system does not tell. */

#include <stdint.h>

/* Resident now, and the most that was resident since the start or the last `forget`. */
int64_t nas_memory_now(void);
int64_t nas_memory_peak(void);
/* Let the peak start anew from what is resident now; 1 = done, 0 = this system cannot. */
int nas_memory_reset_peak(void);
/* What the machine can still give without swapping. */
int64_t nas_memory_available(void);

#endif
