/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "plugin/registry.h"

struct listing {
    int verbose;
    int n_rejected, n_found;
};

static void print_units(const struct mn_plugin *plugin) {
    for (uint32_t i = 0; i < plugin->n_units; i++) {
        const struct mn_unit *unit =
            (const void *)((const char *)plugin->units + (size_t)i * plugin->unit_stride);
        printf("    %-14s %-14s %s\n", mn__kind_name(unit->kind), unit->name, unit->doc);
    }
}

static void print_plugin(void *data, const char *file, const struct mn_plugin *plugin,
                         const char *reason, int shadowed) {
    struct listing *listing = data;
    if (plugin == NULL) {
        listing->n_rejected++;
        printf("rejected: %s\n", reason); /* which begins with the file */
        return;
    }
    listing->n_found++;
    if (shadowed) {
        printf("shadowed: %s: an earlier directory has a plugin of this name\n", file);
        return;
    }
    printf("%s %s\n", plugin->name, plugin->version);
    if (listing->verbose) {
        printf("    file %s, license %s, ABI %d.%d%s%s\n", file, plugin->license, plugin->abi_major,
               plugin->abi_minor, plugin->author[0] != '\0' ? ", by " : "", plugin->author);
    }
    print_units(plugin);
}

static int run_list(struct mn_cx *cx, const struct arguments *arguments) {
    struct mn__registry *registry = NULL;
    struct listing listing = {.verbose = arguments->verbose};
    int status = mn__registry_new(cx, plugin_folders(arguments), &registry);
    if (status == MN_OK) {
        status = mn__registry_scan(registry, cx, print_plugin, &listing);
    }
    if (status == MN_OK && listing.n_found == 0) {
        printf("no plugins found; they are looked for in --plugin-dir, METANAS_PLUGIN_PATH and "
               "%s\n",
               MN__PLUGIN_DIR);
    }
    mn__registry_free(registry);
    return status;
}

const struct command command_list = {
    .name = "list",
    .doc = "list the plugins found and their units; tell which files were rejected and why",
    .run = run_list,
};
