/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_ELF_H
#define MN__PLUGIN_ELF_H

/* What the dynamic linker does not look at before it maps a file. */

#include "base/cx.h"

/* Refuse a shared object that was cut short: the linker maps what its headers promise, and the
 * first access past the end of the file kills the program. Files that are no shared object of this
 * system pass: the linker itself says so. */
int mn__elf_check(struct mn_cx *cx, const char *path, int fd);

#endif
