/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "pages.h"

#include "backend/cpu/kernels/kernel.h"
#include "base/install_paths.h"
#include "base/paths.h"
#include "base/text.h"
#include "learn/configuration.h"
#include "network/operations.h"
#include "plugin/describe.h"
#include "plugin/kinds.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100 };

struct help_flags {
    bool markdown, man;
};

static const char *const sections[] = {"run", "task", "evaluation"};

static const struct exit_code exit_codes[] = {
    {0, "done"},
    {1, "an error of metanas or of a plugin"},
    {2, "a wrong command line or configuration"},
    {3, "a file could not be read or written, or is damaged"},
    {4, "a loss, weight or gradient is not finite"},
    {5, "no memory"},
    {6, "the combination asked for is not supported"},
    {75, "stopped by a signal, what was done is saved; 'metanas resume' goes on"},
    {128, "and the number of the signal that stopped it: nothing was saved, or a second one came"},
};

const struct exit_code *help_exit_codes(size_t *n) {
    *n = sizeof exit_codes / sizeof exit_codes[0];
    return exit_codes;
}

void help_overview(FILE *out) {
    size_t n;
    const struct command *const *all = commands(&n);
    fputs("usage: metanas COMMAND [ARGUMENTS]\n\ncommands:\n", out);
    for (size_t i = 0; i < n; i++) {
        char usage[64];
        fprintf(out, "  %-*s %s\n", USAGE_COLUMN, help_usage(all[i], usage, sizeof usage),
                all[i]->doc);
    }
    fputs("\n'metanas COMMAND --help' explains a command, 'metanas help KIND/UNIT' a plugin's "
          "options,\n'metanas help run', 'task' and 'evaluation' those of the fixed sections; "
          "'metanas --version'\nprints what was built.\n\n",
          out);
    fputs("exit codes:\n", out);
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++) {
        fprintf(out, "  %-3d %s\n", exit_codes[i].code, exit_codes[i].doc);
    }
}

void help_version(struct mn_ctx *ctx, FILE *out) {
    const struct nas_kernels *kernels = nas_kernels_find("auto");
    fprintf(out, "metanas %s (%s precision)\n", NAS_VERSION,
            sizeof(mn_real) == 8 ? "double" : "single");
    fprintf(out, "plugin ABI  %d.%d, %s\n", MN_ABI_MAJOR, MN_ABI_MINOR, MN_ABI_STAGE);
    fprintf(out, "kernels     %s\n", kernels != NULL ? kernels->name : "none");
    fprintf(out, "BLAS        %s\n", nas_gemm_version());
    char path[PATH_MAX];
    const char *from = nas_install_path(NAS_INSTALL_PLUGINS, path, sizeof path);
    fprintf(out, "plugins     %s\n", from != NULL ? path : NAS_PLUGIN_DIR);
}

/* ---- help TOPIC ---------------------------------------------------------------------------- */

static int help_unit(struct mn_ctx *ctx, struct nas_registry *registry, int kind, const char *use,
                     int markdown) {
    struct nas_unit unit;
    const int status = nas_registry_find(registry, ctx, kind, use, NULL, &unit);
    if (status == MN_OK) {
        if (markdown) {
            nas_describe_markdown(&unit, stdout);
        } else {
            nas_describe_unit(&unit, WIDTH, stdout);
        }
    }
    return status;
}

struct wanted {
    int kind;
    int markdown;
    int found;
};

/* A unit of the kind that is listed. */
static void print_found(struct wanted *wanted, const char *file, const struct mn_plugin *plugin,
                        const struct mn_unit *unit) {
    wanted->found++;
    if (wanted->markdown) {
        const struct nas_unit described = {plugin, unit, file, {unit->opts, unit->n_opts}};
        nas_describe_markdown(&described, stdout);
        return;
    }
    const int own = strcmp(plugin->name, unit->name) == 0;
    char name[160];
    snprintf(name, sizeof name, "%s%s%s", plugin->name, own ? "" : "/", own ? "" : unit->name);
    printf("  %-*s %s\n", USAGE_COLUMN, name, unit->doc);
}

static void print_unit_line(void *data, const char *file, const struct mn_plugin *plugin,
                            const char *reason, const char *first) {
    struct wanted *wanted = data;
    for (uint32_t i = 0; plugin != NULL && i < plugin->n_units; i++) {
        const struct mn_unit *unit = &plugin->units[i];
        if (unit->kind == wanted->kind) {
            print_found(wanted, file, plugin, unit);
        }
    }
}

static void print_built_in(int markdown) {
    const char *name;
    puts(markdown ? "Built in, named in `search_space.ops` without a section of their own:\n"
                  : "built in, named in search_space.ops without a section of their own:");
    for (size_t i = 0; (name = nas_operations_built_in(i)) != NULL; i++) {
        printf(markdown ? "- `%s`\n" : "  %s\n", name);
    }
    puts(markdown ? "" : "of plugins:");
}

static int help_kind(struct mn_ctx *ctx, struct nas_registry *registry, int kind, int markdown) {
    struct wanted wanted = {kind, markdown, 0};
    printf(markdown ? "# %s\n\nWhat `use` can name in this section.\n\n"
                    : "%s: what 'use' can name\n",
           nas_kind_name(kind));
    if (kind == MN_OPERATION) {
        print_built_in(markdown);
    }
    const int status = nas_registry_scan(registry, ctx, print_unit_line, &wanted);
    if (kind == MN_META_LEARNER) {
        puts("one for weights and architecture, or one for each:\n"
             "  meta_learner: {weights: {use: NAME, ..}, architecture: {use: NAME, ..}}");
    }
    if (status == MN_OK && wanted.found == 0 && !(markdown && kind == MN_OPERATION)) {
        printf("  (none found; 'metanas list -v' tells where plugins are looked for)\n");
    }
    return status;
}

/* Topic i: a command, a kind or a section; NULL past the last. */
static const char *topic_at(size_t i) {
    const size_t n_sections = sizeof sections / sizeof sections[0];
    size_t n_commands;
    const struct command *const *all = commands(&n_commands);
    if (i < n_commands) {
        return all[i]->name;
    }
    i -= n_commands;
    if (i < NAS_KINDS) {
        return nas_kind_name((int)i + 1);
    }
    i -= NAS_KINDS;
    return i < n_sections ? sections[i] : NULL;
}

/* "KND/UNIT": what may be meant, in `out`; NULL = nobody knows. */
static const char *with_unit(const char *kind, const char *unit, char *out, size_t size) {
    snprintf(out, size, "%s%s", kind != NULL ? kind : "", unit);
    return kind != NULL ? out : NULL;
}

static int unknown_topic(struct mn_ctx *ctx, const char *topic) {
    const char *words[64], *slash = strchr(topic, '/');
    size_t n = 0;
    while (n < sizeof words / sizeof words[0] && (words[n] = topic_at(n)) != NULL) {
        n++;
    }
    char hint[256], first[32], whole[128];
    const int length = slash != NULL ? (int)(slash - topic) : (int)strlen(topic);
    snprintf(first, sizeof first, "%.*s", length < 31 ? length : 31, topic);
    return mn_fail(ctx, MN_CONFIG, "help: unknown topic '%s'%s", topic,
                   nas_text_hint(with_unit(nas_text_nearest(first, words, n),
                                           slash != NULL ? slash : "", whole, sizeof whole),
                                 "; it can be a command, a section (run, task, evaluation), a kind "
                                 "or KIND/UNIT ('metanas list' shows them)",
                                 hint, sizeof hint));
}

static int help_plugin(struct mn_ctx *ctx, const struct arguments *arguments, int kind,
                       const char *use) {
    const struct help_flags *flags = arguments->flags;
    struct nas_registry *registry = NULL;
    int status = nas_registry_new(ctx, plugin_folders(arguments), &registry);
    if (status == MN_OK) {
        status = use != NULL ? help_unit(ctx, registry, kind, use, flags->markdown)
                             : help_kind(ctx, registry, kind, flags->markdown);
    }
    nas_registry_free(registry);
    return status;
}

static void print_overview(const struct help_flags *flags) {
    if (flags->man) {
        manual_overview(stdout);
    } else if (flags->markdown) {
        markdown_overview(stdout);
    } else {
        help_overview(stdout);
    }
}

static void print_command(const struct help_flags *flags, const struct command *command) {
    if (flags->man) {
        manual_command(command, stdout);
    } else if (flags->markdown) {
        markdown_command(command, stdout);
    } else {
        help_command(command, stdout);
    }
}

static void print_section(const struct help_flags *flags, const char *name,
                          const struct nas_options *section) {
    if (flags->markdown) {
        printf("# %s\n\nThe options of this section, which is not a plugin's.\n\n", name);
        nas_describe_table(section, stdout);
        return;
    }
    printf("section %s\n", name);
    nas_describe_options(section, WIDTH, stdout);
}

static int run_help(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct help_flags *flags = arguments->flags;
    const char *topic = arguments->operand;
    if (topic == NULL) {
        print_overview(flags);
        return MN_OK;
    }
    if (command_find(topic) != NULL) {
        print_command(flags, command_find(topic));
        return MN_OK;
    }
    if (flags->man) {
        return mn_fail(ctx, MN_CONFIG, "help: '%s' is no command, and only commands have pages",
                       topic);
    }
    const struct nas_options *section = nas_configuration_section(topic);
    if (section != NULL) {
        print_section(flags, topic, section);
        return MN_OK;
    }
    char kind_name[32];
    const size_t length = strcspn(topic, "/");
    snprintf(kind_name, sizeof kind_name, "%.*s", (int)length, topic);
    const int kind = nas_kind_from(kind_name);
    if (kind == 0) {
        return unknown_topic(ctx, topic);
    }
    return help_plugin(ctx, arguments, kind, topic[length] == '/' ? topic + length + 1 : NULL);
}

#define F struct help_flags
static const struct mn_opt flags[] = {
    FLAG_SWITCH(F, markdown, "--markdown", "write Markdown, as docs/reference is made"),
    FLAG_SWITCH(F, man, "--man", "write a manual page (a command, or none for metanas itself)"),
};

const struct command command_help = {
    .name = "help",
    .operand = "TOPIC",
    .operand_optional = 1,
    .doc = "explain a command, a section, a kind of plugin or KIND/UNIT",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct help_flags),
    .run = run_help,
};
