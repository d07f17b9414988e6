/* SPDX-License-Identifier: MIT */
#ifndef MN__BASE_PLACE_H
#define MN__BASE_PLACE_H

/* Where the files that belong to the program are: in the tree that it was installed with, wherever
 * that was moved to; in its build folder where it was not installed; else in the prefix that it was
 * configured for. */

#include <stddef.h>

enum mn__place { MN__PLACE_PLUGINS, MN__PLACE_TEMPLATE };

/* Write the absolute path of the folder to out; it need not exist. Returns "build folder" or
 * "install folder", for messages; NULL when the path does not fit. In a setuid program only the
 * configured prefix counts. */
const char *mn__place_find(enum mn__place which, char *out, size_t size);

#endif
