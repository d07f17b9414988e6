/* SPDX-License-Identifier: MIT */
/* The kept inputs of a target, each file of the folders in the arguments, without libFuzzer. Some
 * must be taken and some refused, or they test too little. */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A block of its very size, so that a sanitizer sees a read beyond. */
static void replay(const char *path) {
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
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int replay_folder(const char *path) {
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
        replay(file);
        n++;
    }
    closedir(folder);
    return n;
}

int main(int argc, char **argv) {
    int n = 0;
    for (int i = 1; i < argc; i++) {
        n += replay_folder(argv[i]);
    }
    printf("%d inputs, %ld accepted\n", n, fuzz_accepted);
    return fuzz_accepted > 0 && fuzz_accepted < n ? 0 : 1;
}
