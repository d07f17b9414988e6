/* SPDX-License-Identifier: MIT */
#include "base/install_paths.h"

#include "base/paths.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* By enum nas_install_folder. */
static const struct {
    const char *built;     /* in the build folder */
    const char *installed; /* absolute */
} places[] = {{"plugins", NAS_PLUGIN_DIR}, {"tools/template", NAS_TEMPLATE_DIR}};

static int exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* Cut off the last name of a path. */
static int go_up(char *path) {
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return 0;
    }
    *slash = '\0';
    return 1;
}

/* The folder of the running program. */
static int own_folder(char *out, size_t size) {
    if (getauxval(AT_SECURE) != 0) {
        return 0; /* anyone can put a link to a setuid program into a folder of theirs */
    }
    const ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0) {
        return 0;
    }
    out[n] = '\0';
    return go_up(out);
}

/* A program that was built and not installed stands in tools, tools/X or tests/X of its build
 * folder. An installed one may lie in a build folder too, where that is its prefix. */
static int find_built(const char *name, char *out, size_t size) {
    char path[PATH_MAX], probe[PATH_MAX + 16];
    if (!own_folder(path, sizeof path)) {
        return 0;
    }
    for (int up = 0; up < 2; up++) {
        const char *last = strrchr(path, '/');
        const int built = last != NULL &&
                          (strcmp(last, "/tools") == 0 || (up == 1 && strcmp(last, "/tests") == 0));
        if (!go_up(path)) {
            return 0;
        }
        snprintf(probe, sizeof probe, "%s/meson-info", path);
        if (built && exists(probe)) {
            return snprintf(out, size, "%s/%s", path, name) < (int)size;
        }
    }
    return 0;
}

/* What follows `prefix` and a slash, or NULL. */
static const char *below(const char *path, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(path, prefix, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* The program's folder without the part of NAS_BIN_DIR under the prefix is the prefix of today. */
static int find_moved(const char *installed, char *out, size_t size) {
    char path[PATH_MAX];
    const char *bin = below(NAS_BIN_DIR, NAS_PREFIX), *rest = below(installed, NAS_PREFIX);
    if (bin == NULL || rest == NULL || !own_folder(path, sizeof path)) {
        return 0;
    }
    const size_t whole = strlen(path), tail = strlen(bin);
    if (whole <= tail || path[whole - tail - 1] != '/' || strcmp(path + whole - tail, bin) != 0) {
        return 0;
    }
    path[whole - tail - 1] = '\0';
    return snprintf(out, size, "%s/%s", path, rest) < (int)size && exists(out);
}

const char *nas_install_path(enum nas_install_folder which, char *out, size_t size) {
    if (find_moved(places[which].installed, out, size)) {
        return "install folder";
    }
    if (find_built(places[which].built, out, size)) {
        return "build folder";
    }
    const int n = snprintf(out, size, "%s", places[which].installed);
    return n < (int)size ? "install folder" : NULL;
}

int nas_install_program(const char *name, char *out, size_t size) {
    char folder[PATH_MAX];
    const int known = own_folder(folder, sizeof folder);
    return snprintf(out, size, "%s/%s", known ? folder : NAS_BIN_DIR, name) < (int)size;
}
