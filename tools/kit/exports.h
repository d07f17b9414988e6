/* SPDX-License-Identifier: MIT */
#ifndef KIT_EXPORTS_H
#define KIT_EXPORTS_H

#include <stddef.h>

/* Symbols that a shared object offers to others, apart from mn_plugin_entry and those that the
 * linker and sanitizers add: their number, and the names of the first of them into out. -1 = the
 * file has no table of sections. */
int kit_exports(const char *path, char *out, size_t size);

#endif
