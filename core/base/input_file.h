/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_INPUT_FILE_H
#define NAS_BASE_INPUT_FILE_H

/* Files that people name: regular ones, and pipes, which can be read once only. */

#include <stddef.h>
#include <stdio.h>

/* The bytes of a file, at most `most`, a zero byte after them; for free(). Returns 0, or an errno:
 * EINTR = asked to stop (nas_cancel) while a pipe was waited for. */
int nas_input_file_read(const char *path, size_t most, char **text, size_t *length);

/* From now on each path is read once, and what it held then is what it holds. [main] */
void nas_input_file_cache(void);

/* Open a regular file of the folder `at` (openat) for reading, never waiting; -1 with errno:
 * EISDIR for a folder, ESPIPE for what else is no regular file. */
int nas_input_file_open(int at, const char *path);
/* The same of a path, for stdio; NULL with errno. */
FILE *nas_input_file_stream(const char *path);

#endif
