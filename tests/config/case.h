/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONFIG_CASE_H
#define TESTS_CONFIG_CASE_H

/* A configuration text with what is said about it. */

#include "config/yaml.h"

struct told {
    struct nas_arena arena;
    struct nas_faults faults;
};

void told_begin(struct told *told);
void told_end(struct told *told);

/* Everything said since told_begin as nas_faults_print writes it; lives in the arena. */
const char *told_text(struct told *told);

struct nas_yaml *told_parse(struct told *told, const char *text);

/* Parse `text` as the file "t.yaml" and compare what is said with `expected`, to the column. */
void check_told(const char *text, size_t length, const char *expected);

/* `text` `n` times; the caller frees it. */
char *repeated(const char *text, size_t n);

/* A new empty folder, and its removal with the files `names` (NULL-terminated) in it. */
void folder_new(char *path, size_t size);
void folder_remove(const char *path, const char *const *names);
void file_write(const char *folder, const char *name, const char *text, char *path, size_t size);

#endif
