/* SPDX-License-Identifier: MIT */
#ifndef BROKEN_WRONG_H
#define BROKEN_WRONG_H

/* Each file here is a correct plugin of one kind that can be wrong in each of its WAYS, one at a
 * time. The folder of the loaded file chooses: in wrong.crashes/ it has the fault CRASHES, in a
 * folder that is not called wrong.* it has none. */

#include <metanas/plugin.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WAYS };

static int wrong;

#define WRONG_TEXT(...) #__VA_ARGS__
#define WRONG_NAMES(...) WRONG_TEXT(__VA_ARGS__)

/* For the constructor of the plugin. */
static void choose_way(void) {
    char ways[] = WRONG_NAMES(WAYS), path[4096], *rest = NULL;
    Dl_info info;
    if (dladdr(&wrong, &info) == 0) {
        abort();
    }
    snprintf(path, sizeof path, "%s", info.dli_fname);
    *strrchr(path, '/') = '\0';
    char *way = strrchr(path, '/') + 1;
    if (strncmp(way, "wrong.", 6) != 0) {
        return;
    }
    const char *name = strtok_r(ways, ", ", &rest);
    for (; name != NULL && strcasecmp(name, way + 6) != 0; wrong++) {
        name = strtok_r(NULL, ", ", &rest);
    }
    if (name == NULL) {
        fprintf(stderr, "%s: no such fault\n", info.dli_fname);
        abort();
    }
}

#endif
