/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_INSTALL_PATHS_H
#define NAS_BASE_INSTALL_PATHS_H

/* Where the files that belong to the program are: in the tree that it was installed with, wherever
 * that was moved to; in its build folder where it was not installed; else in the prefix that it was
 * configured for. */

#include <stddef.h>

enum nas_install_folder { NAS_INSTALL_PLUGINS, NAS_INSTALL_TEMPLATE };

/* Write the absolute path of the folder to out; it need not exist. Returns "build folder" or
 * "install folder", for messages; NULL when the path does not fit. In a setuid program only the
 * configured prefix counts. */
const char *nas_install_path(enum nas_install_folder which, char *out, size_t size);

/* Write the absolute path of a program that is installed beside this one; it need not exist. 0 = it
 * does not fit. In a setuid program only the configured prefix counts. */
int nas_install_program(const char *name, char *out, size_t size);

#endif
