/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* The line "KEY: NUMBER kB" of a file. */
static int64_t kilobytes(const char *path, const char *key) {
    char line[256];
    long long value = -1;
    const size_t length = strlen(key);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return -1;
    }
    while (value < 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == ':' &&
            sscanf(line + length + 1, "%lld kB", &value) != 1) {
            value = -1;
        }
    }
    fclose(file);
    return value < 0 ? -1 : (int64_t)value * 1024;
}

int64_t nas_memory_now(void) {
    return kilobytes("/proc/self/status", "VmRSS");
}

int64_t nas_memory_peak(void) {
    return kilobytes("/proc/self/status", "VmHWM");
}

int nas_memory_reset_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file == NULL) {
        return 0;
    }
    const int written = fputs("5\n", file) >= 0;
    return fclose(file) == 0 && written;
}

int64_t nas_memory_available(void) {
    return kilobytes("/proc/meminfo", "MemAvailable");
}
