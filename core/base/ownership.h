/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_OWNERSHIP_H
#define NAS_BASE_OWNERSHIP_H

/* Whose the files are whose code runs with the caller's rights. */

#include "base/ctx.h"

#include <sys/types.h>

enum nas_ownership {
    NAS_OWNERSHIP_FOUND, /* found by the program itself */
    NAS_OWNERSHIP_NAMED  /* named by the caller, who may trust another user */
};

/* Whose a thing is that belongs to neither the caller, nor root, nor the owner of the program. */
struct nas_other_owner {
    uid_t user;
    int there; /* 0 = all of it is trusted */
};

/* Open a file for reading, or a folder as a place (O_PATH), link by link, and look at each folder
 * on the way and at what is opened. Refused with MN_IO and what to do: what anyone may write, a
 * folder above that anyone may write (a sticky one may have what is trusted), and, where it was
 * found, what belongs to another user or may be written by a group of others; where it was named,
 * the other user is told. `other` may be NULL. The descriptor is the caller's to close. */
int nas_ownership_open(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership, int *fd,
                       struct nas_other_owner *other);

/* The same check, for what is opened by its name afterwards: nobody who is not trusted can put
 * another in its place. */
int nas_ownership_check(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership,
                        struct nas_other_owner *other);

#endif
