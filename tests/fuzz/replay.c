/* SPDX-License-Identifier: MIT */
/* replay TARGET FOLDER: the kept inputs of a target, each file of the folder, without libFuzzer.
 * Some must be taken and some refused, or they test too little. */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef int fuzz_target(const uint8_t *data, size_t size);

/* TARGET(name) for each, from meson.build. */
#define TARGET(name) fuzz_target fuzz_##name;
FUZZ_TARGETS
#undef TARGET

static const struct {
    const char *name;
    fuzz_target *run;
} targets[] = {
#define TARGET(name) {#name, fuzz_##name},
    FUZZ_TARGETS
#undef TARGET
};

/* A block of its very size, so that a sanitizer sees a read beyond. */
static void replay(fuzz_target *run, const char *path) {
    static char room[1 << 20];
    FILE *file = fopen(path, "rb");
    fuzz_must(file != NULL);
    const size_t size = fread(room, 1, sizeof room, file);
    fuzz_must(!ferror(file) && size < sizeof room);
    fclose(file);
    uint8_t *data = malloc(size > 0 ? size : 1);
    fuzz_must(data != NULL);
    memcpy(data, room, size);
    fprintf(stderr, "%s\n", path); /* the last line names the culprit */
    run(data, size);
    free(data);
}

static int replay_folder(fuzz_target *run, const char *path) {
    DIR *folder = opendir(path);
    int n = 0;
    if (folder == NULL) {
        perror(path);
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char file[PATH_MAX];
        if (entry->d_name[0] == '.') {
            continue;
        }
        fuzz_must(snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file);
        replay(run, file);
        n++;
    }
    closedir(folder);
    return n;
}

int main(int argc, char **argv) {
    fuzz_must(argc == 3);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(targets[i].name, argv[1]) == 0) {
            const int n = replay_folder(targets[i].run, argv[2]);
            printf("%d inputs, %ld accepted\n", n, fuzz_accepted);
            return fuzz_accepted > 0 && fuzz_accepted < n ? 0 : 1;
        }
    }
    fprintf(stderr, "there is no target %s\n", argv[1]);
    return 2;
}
