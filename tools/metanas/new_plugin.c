/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/file.h"
#include "base/install_paths.h"
#include "base/ownership.h"
#include "base/text.h"
#include "network/op.h"
#include "plugin/kinds.h"
#include "plugin/load.h"
#include "plugin/registry.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TEMPLATE = 1 << 16 };

/* A project that is being written. */
struct project {
    struct mn_ctx *ctx;
    const char *kind, *name, *folder;
    char templates[PATH_MAX];
};

static int check_kind(struct mn_ctx *ctx, const char *kind) {
    const char *names[NAS_KINDS];
    char all[256];
    size_t n = 0, used = 0;
    for (int i = 1; i <= NAS_KINDS; i++) {
        if (nas_kind(i)->has_template) {
            names[n++] = nas_kind_name(i);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(kind, names[i]) == 0) {
            return MN_OK;
        }
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s",
                                 i == 0      ? ""
                                 : i + 1 < n ? ", "
                                             : " and ",
                                 names[i]);
    }
    const char *near = nas_text_nearest(kind, names, n);
    return mn_fail(ctx, MN_CONFIG, "new-plugin: unknown kind '%s'; %s%s%sthe kinds are %s", kind,
                   near != NULL ? "did you mean '" : "", near != NULL ? near : "",
                   near != NULL ? "'? " : "", all);
}

static int is_one_of(const char *word, const char *const *words) {
    while (*words != NULL && strcmp(word, *words) != 0) {
        words++;
    }
    return *words != NULL;
}

static int check_name(struct mn_ctx *ctx, const char *name) {
    static const char *const of_meson[] = {"all",  "benchmark", "clean", "coverage",
                                           "dist", "install",   "phony", "reconfigure",
                                           "test", "uninstall", NULL};
    const size_t length = strlen(name), tail = strlen("_f64");
    const char *rule = NULL;
    if (!nas_plugin_name_ok(name)) {
        rule = "a name is a lower case letter, then lower case letters, digits and _, 60 at most";
    } else if (length > tail && strcmp(name + length - tail, "_f64") == 0) {
        rule = "files that end in _f64 are for the double-precision host";
    } else if (is_one_of(name, of_meson)) {
        rule = "meson keeps this name for a target of its own";
    }
    return rule == NULL ? MN_OK
                        : mn_fail(ctx, MN_CONFIG, "new-plugin: the name '%s' cannot be used: %s",
                                  name, rule);
}

/* Two plugins of one name would hide each other. */
static int check_free(struct mn_ctx *ctx, const struct arguments *arguments, int kind,
                      const char *name) {
    struct nas_registry *registry = NULL;
    char file[PATH_MAX];
    if (kind == MN_OPERATION && nas_op_find(name) != NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "new-plugin: an operation '%s' is built in; take another name", name);
    }
    int status = nas_registry_new(ctx, plugin_folders(arguments), &registry);
    if (status == MN_OK && nas_registry_file(registry, name, file, sizeof file)) {
        status =
            mn_fail(ctx, MN_CONFIG,
                    "new-plugin: a plugin '%s' exists already: %s; take another name", name, file);
    }
    nas_registry_free(registry);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* The text at `at`, up to the next @NAME@ or @KIND@; that word's text and length, if there is one.
 */
static size_t until_word(const struct project *p, const char *at, const char **text,
                         size_t *length) {
    const char *next = at;
    *text = NULL;
    while ((next = strchr(next, '@')) != NULL) {
        if (strncmp(next, "@NAME@", 6) == 0 || strncmp(next, "@KIND@", 6) == 0) {
            *text = next[1] == 'N' ? p->name : p->kind;
            *length = 6;
            return (size_t)(next - at);
        }
        next++;
    }
    return strlen(at);
}

static void write_line(const struct project *p, struct nas_file *out, const char *line) {
    const char *text;
    size_t skip = 0;
    do {
        const size_t n = until_word(p, line, &text, &skip);
        nas_file_put(out, line, n);
        if (text != NULL) {
            nas_file_put(out, text, strlen(text));
        }
        line += n + skip;
    } while (text != NULL);
    nas_file_put(out, "\n", 1);
}

/* The line of a configuration that names the project's plugin, in place of `line`, which names
 * shipped ones. */
static const char *own_line(const struct project *p, const char *line) {
    const size_t n = strlen(p->kind);
    if (nas_kind_from(p->kind) == MN_OPERATION && strncmp(line, "search_space:", 13) == 0) {
        return "operations: {@NAME@: {use: @NAME@}}\n"
               "search_space: {use: darts, cells: 2, nodes: 3, channels: 4, ops: [skip_connect, "
               "conv_3x3, @NAME@]}";
    }
    return strncmp(line, p->kind, n) == 0 && line[n] == ':' ? "@KIND@: {use: @NAME@}" : line;
}

static int write_text(const struct project *p, const char *path, char *text) {
    struct nas_file out;
    const int status = nas_file_begin(&out, p->ctx, path);
    if (status != MN_OK) {
        return status;
    }
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        write_line(p, &out, own_line(p, line));
    }
    return nas_file_commit(&out, p->ctx);
}

static int write_file(const struct project *p, const char *template, const char *file) {
    char from[PATH_MAX + 64], to[PATH_MAX];
    uint8_t *data;
    size_t length;
    snprintf(from, sizeof from, "%s/%s", p->templates, template);
    if (snprintf(to, sizeof to, "%s/%s", p->folder, file) >= (int)sizeof to) {
        return nas_file_too_long(p->ctx, p->folder);
    }
    int status = nas_ownership_check(p->ctx, p->templates, NAS_OWNERSHIP_FOUND, NULL);
    if (status == MN_OK) {
        status = nas_ownership_check(p->ctx, from, NAS_OWNERSHIP_FOUND, NULL);
    }
    if (status == MN_OK) {
        status = nas_file_read(p->ctx, from, MOST_TEMPLATE, &data, &length);
    }
    if (status != MN_OK) {
        return status;
    }
    char *text = strndup((const char *)data, length);
    status = text != NULL ? write_text(p, to, text) : no_memory(p->ctx);
    free(text);
    free(data);
    return status;
}

static int write_all(const struct project *p) {
    char from[80], source[80], config[80];
    snprintf(from, sizeof from, "%s.c", p->kind);
    snprintf(source, sizeof source, "%s.c", p->name);
    snprintf(config, sizeof config, "%s.yaml", p->name);
    const char *const files[][2] = {{from, source},
                                    {"config.yaml", config},
                                    {"project.build", "meson.build"},
                                    {"test.sh", "test.sh"},
                                    {"README.md", "README.md"}};
    const size_t n = sizeof files / sizeof files[0];
    int status = MN_OK;
    for (size_t i = 0; status == MN_OK && i < n; i++) {
        status = write_file(p, files[i][0], files[i][1]);
    }
    for (size_t i = 0; status != MN_OK && i < n; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", p->folder, files[i][1]) < (int)sizeof path) {
            unlink(path); /* the folder was new, so nothing in it is the user's */
        }
    }
    return status;
}

static int make_folder(const struct project *p) {
    if (mkdir(p->folder, 0777) == 0) {
        return MN_OK;
    }
    if (errno == EEXIST) {
        return mn_fail(p->ctx, MN_CONFIG,
                       "new-plugin: %s exists already and is left alone; give another DIR",
                       p->folder);
    }
    return mn_fail(p->ctx, MN_IO, "new-plugin: cannot make folder %s: %s%s", p->folder,
                   strerror(errno), nas_file_advice(errno));
}

static int write_project(struct project *p) {
    if (nas_install_path(NAS_INSTALL_TEMPLATE, p->templates, sizeof p->templates) == NULL) {
        return mn_fail(p->ctx, MN_IO, "new-plugin: the path of the templates is too long");
    }
    int status = make_folder(p);
    if (status != MN_OK) {
        return status;
    }
    status = write_all(p);
    if (status != MN_OK) {
        rmdir(p->folder);
    }
    return status;
}

static int run_new_plugin(struct mn_ctx *ctx, const struct arguments *arguments) {
    const char *const *words = arguments->operands.at;
    struct project p = {.ctx = ctx,
                        .kind = words[0],
                        .name = words[1],
                        .folder = words[2] != NULL ? words[2] : words[1]};
    int status = check_kind(ctx, p.kind);
    if (status == MN_OK) {
        status = check_name(ctx, p.name);
    }
    if (status == MN_OK) {
        status = check_free(ctx, arguments, nas_kind_from(p.kind), p.name);
    }
    if (status == MN_OK) {
        status = write_project(&p);
    }
    if (status == MN_OK) {
        printf("%s: a working %s in %s.c; build and test it with\n"
               "  cd %s && meson setup build && meson test -C build\n",
               p.folder, p.kind, p.name, p.folder);
    }
    return status;
}

static const char *const more_operands[] = {"NAME", "DIR", NULL};

const struct command command_new_plugin = {
    .name = "new-plugin",
    .operand = "KIND",
    .more_operands = more_operands,
    .operand_optional = 1,
    .doc = "write a plugin that builds, is tested and can be used at once",
    .more =
        "KIND is one of"
#define KIND(id, name, vtable, template) KIND_##template(name)
#define KIND_0(name)
#define KIND_1(name) " " #name
#include "plugin/kinds.def"
        ";\nNAME becomes the file NAME.so and is what 'use' names. DIR, by default NAME, must not "
        "exist.\n",
    .run = run_new_plugin,
};
