/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/text.h"

#include "plugin/kinds.h"
#include "plugin/registry.h"

#include <unistd.h>

struct listing {
    int verbose;
    int n_found;
};

static void print_units(const struct mn_plugin *plugin) {
    for (uint32_t i = 0; i < plugin->n_units; i++) {
        const struct mn_unit *unit = &plugin->units[i];
        printf("    %-14s %-14s %s\n", nas_kind_name(unit->kind), unit->name, unit->doc);
    }
}

static void print_plugin(void *data, const char *file, const struct mn_plugin *plugin,
                         const char *reason, const char *first) {
    struct listing *listing = data;
    if (first != NULL) {
        fputs("shadowed: ", stdout);
        nas_text_put(stdout, file, 0);
        fputs(": ", stdout);
        nas_text_put(stdout, first, 0);
        puts(" comes first");
        return;
    }
    if (plugin == NULL) {
        printf("rejected: %s\n", reason); /* which begins with the file */
        return;
    }
    listing->n_found++;
    printf("%s %s\n", plugin->name, plugin->version);
    if (listing->verbose) {
        fputs("    file ", stdout);
        nas_text_put(stdout, file, 0);
        printf(", license %s, ABI %d.%d%s%s\n", plugin->license, plugin->abi_major,
               plugin->abi_minor, plugin->author[0] != '\0' ? ", by " : "", plugin->author);
    }
    print_units(plugin);
}

static void print_folders(const struct nas_registry *registry) {
    const char *path, *from;
    printf("searched, the first file of a name wins:\n");
    for (int i = 0; (path = nas_registry_folder(registry, i, &from)) != NULL; i++) {
        printf("%5d. %-20s %s%s\n", i + 1, from, path,
               access(path, F_OK) == 0 ? "" : " (no such folder)");
    }
}

static int run_list(struct mn_ctx *ctx, const struct arguments *arguments) {
    struct nas_registry *registry = NULL;
    struct listing listing = {.verbose = arguments->verbose};
    int status = nas_registry_new(ctx, plugin_folders(arguments), &registry);
    if (status == MN_OK && listing.verbose) {
        print_folders(registry);
    }
    if (status == MN_OK) {
        status = nas_registry_scan(registry, ctx, print_plugin, &listing);
    }
    if (status == MN_OK && listing.n_found == 0) {
        printf("no plugins found; 'metanas list -v' tells where they are looked for\n");
    }
    nas_registry_free(registry);
    return status;
}

const struct command command_list = {
    .name = "list",
    .doc = "list the plugins found and their units; tell which files were rejected and why",
    .more =
        "Folders are searched in this order: --plugin-dir, METANAS_PLUGIN_PATH (colon-separated), "
        "the install\nfolder. All are absolute; -v lists them. A file behind one of the same "
        "name is 'shadowed' and never\nopened. Files and folders that another user could have "
        "written are rejected.\n",
    .run = run_list,
};
