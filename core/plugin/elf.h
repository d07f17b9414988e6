/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_ELF_H
#define NAS_PLUGIN_ELF_H

/* What the dynamic linker does not look at before it maps a file. */

#include "base/ctx.h"

/* Refuse a shared object that was cut short: the linker maps what its headers promise, and the
 * first access past the end of the file kills the program. Files that are no shared object of this
 * system pass, *is_elf = 0: the linker itself refuses them. */
int nas_elf_check(struct mn_ctx *ctx, const char *path, int fd, int *is_elf);

#endif
