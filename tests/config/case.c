/* SPDX-License-Identifier: MIT */
#include "case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void told_begin(struct told *told) {
    memset(told, 0, sizeof *told);
    told->faults.arena = &told->arena;
}

void told_end(struct told *told) {
    nas_arena_fini(&told->arena);
}

const char *told_text(struct told *told) {
    char *buffer = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&buffer, &size);
    assert_non_null(out);
    nas_faults_print(&told->faults, out);
    fclose(out);
    const char *text = nas_arena_text(&told->arena, buffer);
    free(buffer);
    return text;
}

struct nas_yaml *told_parse(struct told *told, const char *text) {
    return nas_yaml_parse(&told->arena, "t.yaml", text, strlen(text), &told->faults);
}

void check_told(const char *text, size_t length, const char *expected) {
    struct told told;
    told_begin(&told);
    nas_yaml_parse(&told.arena, "t.yaml", text, length, &told.faults);
    assert_string_equal(told_text(&told), expected);
    assert_int_equal(told.faults.count > 0, expected[0] != '\0');
    told_end(&told);
}

char *repeated(const char *text, size_t n) {
    const size_t length = strlen(text);
    char *out = malloc(n * length + 1);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        memcpy(out + i * length, text, length);
    }
    out[n * length] = '\0';
    return out;
}

void folder_new(char *path, size_t size) {
    const char *base = getenv("TMPDIR");
    snprintf(path, size, "%s/metanas-config.XXXXXX", base != NULL ? base : P_tmpdir);
    assert_non_null(mkdtemp(path));
}

void folder_remove(const char *path, const char *const *names) {
    for (; *names != NULL; names++) {
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, *names);
        remove(file);
    }
    assert_int_equal(rmdir(path), 0);
}

void file_write(const char *folder, const char *name, const char *text, char *path, size_t size) {
    snprintf(path, size, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}
