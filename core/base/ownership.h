/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_OWNERSHIP_H
#define NAS_BASE_OWNERSHIP_H

/* Whose the files are whose code runs with the caller's rights. */

#include "base/ctx.h"

#include <sys/types.h>

enum nas_trust {
    NAS_TRUST_FOUND, /* found by the program itself */
    NAS_TRUST_NAMED  /* named by the caller, who may trust another user */
};

/* Whose a thing is that belongs to neither the caller, nor root, nor the owner of the program. */
struct nas_stranger {
    uid_t user;
    int there; /* 0 = all of it is trusted */
};

/* Open a file for reading, or a folder as a place (O_PATH), link by link, and look at each folder
 * on the way and at what is opened. Refused with MN_IO and what to do: what anyone may write, a
 * folder above that anyone may write (a sticky one may have what is trusted), and, where it was
 * found, what belongs to a stranger or may be written by a group of strangers; where it was named a
 * stranger is told. `stranger` may be NULL. The descriptor is the caller's to close. */
int nas_trust_open(struct mn_ctx *ctx, const char *path, enum nas_trust trust, int *fd,
                   struct nas_stranger *stranger);

/* The same check, for what is opened by its name afterwards: nobody who is not trusted can put
 * another in its place. */
int nas_trust_check(struct mn_ctx *ctx, const char *path, enum nas_trust trust,
                    struct nas_stranger *stranger);

#endif
