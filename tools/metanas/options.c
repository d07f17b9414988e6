/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What all commands take. */
struct common {
    struct mn_texts plugin_dirs;
    bool quiet, verbose, help;
};

static const struct mn_opt common[] = {
    FLAG_TEXTS(struct common, plugin_dirs, "--plugin-dir", "DIR",
               "look for plugins in DIR first (may repeat)"),
    FLAG_SWITCH(struct common, quiet, "-q, --quiet", "print warnings and errors only"),
    FLAG_SWITCH(struct common, verbose, "-v, --verbose", "print more"),
    FLAG_SWITCH(struct common, help, "-h, --help", "explain the command"),
};

const struct mn_opt *common_flags(size_t *n) {
    *n = sizeof common / sizeof common[0];
    return common;
}

static const char set_key[] = "--set";

size_t command_flags(const struct command *command, struct mn_opt out[MOST_FLAGS]) {
    size_t n = 0;
    for (; n < command->n_flags; n++) {
        out[n] = command->flags[n];
    }
    if (command->set_doc != NULL) {
        out[n++] = (struct mn_opt){.key = set_key,
                                   .doc = command->set_doc,
                                   .unit = command->set_value,
                                   .type = MN_OPT_TEXTS};
    }
    return n;
}

/* A command line as it is read: rows of flags and, as sections of a configuration, what is given.
 */
struct line {
    struct mn_ctx *ctx;
    struct nas_arena *arena;
    const struct command *command;
    struct mn_opt flags[MOST_FLAGS]; /* the command's own, then the common ones */
    size_t n, n_own;
    struct nas_yaml own, all;
    struct arguments *out;
};

static const char *long_name(const struct mn_opt *flag) {
    return strstr(flag->key, "--") + 2;
}

/* The flag of a word: "--out", "--out=DIR" or "-o"; *value is what follows =, or NULL. */
static const struct mn_opt *flag_of(const struct line *l, const char *word, const char **value) {
    const size_t n = strcspn(word, "=");
    *value = word[1] == '-' && word[n] == '=' ? word + n + 1 : NULL;
    for (size_t i = 0; i < l->n; i++) {
        const char *key = l->flags[i].key, *name = long_name(&l->flags[i]) - 2;
        const int is_short = key != name && word[1] == key[1] && word[2] == '\0';
        if (word[1] == '-' ? strlen(name) == n && strncmp(name, word, n) == 0 : is_short) {
            return &l->flags[i];
        }
    }
    return NULL;
}

static int unknown_flag(const struct line *l, const char *word) {
    const char *names[MOST_FLAGS], *command = l->command->name;
    char name[64];
    for (size_t i = 0; i < l->n; i++) {
        names[i] = long_name(&l->flags[i]);
    }
    snprintf(name, sizeof name, "%s", word + strspn(word, "-"));
    name[strcspn(name, "=")] = '\0';
    const char *near = nas_text_nearest(name, names, l->n);
    if (near != NULL) {
        return mn_fail(l->ctx, MN_CONFIG, "%s: unknown flag '%s'; did you mean '--%s'?", command,
                       word, near);
    }
    return mn_fail(l->ctx, MN_CONFIG, "%s: unknown flag '%s'; see 'metanas %s --help'", command,
                   word, command);
}

static struct nas_yaml *scalar(const struct line *l, const char *text) {
    struct nas_yaml *node = nas_arena_zeroed(l->arena, sizeof *node);
    if (node != NULL) {
        node->text = text;
    }
    return node;
}

/* Note the value of a flag in its section. */
static int give(struct line *l, const struct mn_opt *flag, const char *text, int argument) {
    struct nas_yaml *section = (size_t)(flag - l->flags) < l->n_own ? &l->own : &l->all;
    struct nas_yaml *there = nas_yaml_get(section, flag->key), *value = scalar(l, text);
    if (flag->key == set_key) {
        l->out->sets.at[l->out->sets.n] = text;
        l->out->sets.argument[l->out->sets.n++] = argument;
        return MN_OK;
    }
    if (flag->type == MN_OPT_TEXT && text[0] == '\0') {
        return mn_fail(l->ctx, MN_CONFIG, "%s: --%s is ''; expected %s", l->command->name,
                       long_name(flag), flag->unit);
    }
    /* The last of two values would win without a word. */
    if (there != NULL && flag->type != MN_OPT_TEXTS && flag->type != MN_OPT_BOOL) {
        return mn_fail(l->ctx, MN_CONFIG, "%s: --%s is given twice", l->command->name,
                       long_name(flag));
    }
    if (flag->type == MN_OPT_TEXTS && there == NULL) {
        there = scalar(l, NULL);
        if (there == NULL || !nas_yaml_put(l->arena, section, flag->key, there)) {
            return no_memory(l->ctx);
        }
        there->kind = NAS_YAML_LIST;
    }
    if (value == NULL) {
        return no_memory(l->ctx);
    }
    if (flag->type == MN_OPT_TEXTS) {
        struct nas_yaml **link = &there->first;
        while (*link != NULL) {
            link = &(*link)->next;
        }
        *link = value;
        return MN_OK;
    }
    return nas_yaml_put(l->arena, section, flag->key, value) ? MN_OK : no_memory(l->ctx);
}

/* One flag at argv[*i]; *i moves on over a value that is a word of its own. */
static int flag_parse(struct line *l, int argc, char **argv, int *i) {
    const char *given, *text;
    const struct mn_opt *flag = flag_of(l, argv[*i], &given);
    if (flag == NULL) {
        return unknown_flag(l, argv[*i]);
    }
    if (flag->type == MN_OPT_BOOL && given != NULL) {
        return mn_fail(l->ctx, MN_CONFIG, "%s: --%s takes no value", l->command->name,
                       long_name(flag));
    }
    if (flag->type != MN_OPT_BOOL && given == NULL) {
        if (*i + 1 >= argc) {
            return mn_fail(l->ctx, MN_CONFIG, "%s: --%s needs %s", l->command->name,
                           long_name(flag), flag->unit);
        }
        given = argv[++*i];
    }
    text = given != NULL ? nas_arena_path(l->arena, given) : "true";
    return text != NULL ? give(l, flag, text, *i) : no_memory(l->ctx);
}

/* Fill a struct by its rows. */
static int bind(const struct line *l, const struct mn_opt *flags, size_t n, struct nas_yaml *given,
                void *out) {
    struct nas_faults faults = {.arena = l->arena};
    const struct nas_options options = {flags, (uint32_t)n};
    given->kind = NAS_YAML_MAP;
    nas_schema_bind(l->arena, &options, given, NULL, l->command->name, out, &faults);
    for (size_t i = 0; i < n; i++) {
        if (flags[i].type == MN_OPT_TEXT && nas_yaml_get(given, flags[i].key) == NULL) {
            *(const char **)(void *)((char *)out + flags[i].offset) = NULL;
        }
    }
    return faults.count == 0 ? MN_OK
                             : mn_fail(l->ctx, MN_CONFIG, "%s",
                                       faults.first != NULL ? faults.first->text : "no memory");
}

static int texts_room(struct mn_ctx *ctx, struct nas_arena *arena, int n, struct texts *list) {
    list->at = nas_arena_zeroed(arena, ((size_t)n + 1) * sizeof *list->at);
    list->argument = nas_arena_zeroed(arena, ((size_t)n + 1) * sizeof *list->argument);
    return list->at != NULL && list->argument != NULL ? MN_OK : no_memory(ctx);
}

const char *operand_name(const struct command *command, int i) {
    if (i == 0 || command->operand == NULL) {
        return command->operand;
    }
    for (int more = 1; command->more_operands != NULL; more++) {
        const char *name = command->more_operands[more - 1];
        if (name == NULL || more == i) {
            return name;
        }
    }
    return NULL;
}

int operand_is_optional(const struct command *command, int i) {
    return command->operand_optional && operand_name(command, i + 1) == NULL;
}

static int operand_store(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                         const char *word, int argument, struct arguments *out) {
    struct texts *list = &out->operands;
    if (command->operand == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: takes no argument, but got '%s'", command->name, word);
    }
    if (operand_name(command, list->n) == NULL && !command->operand_repeats) {
        return mn_fail(ctx, MN_CONFIG, "%s: takes one %s, but got '%s' and '%s'", command->name,
                       operand_name(command, list->n - 1), list->at[list->n - 1], word);
    }
    list->at[list->n] = nas_arena_path(arena, word);
    if (list->at[list->n] == NULL) {
        return no_memory(ctx);
    }
    list->argument[list->n++] = argument;
    out->operand = list->at[0];
    return MN_OK;
}

/* Names go into files of a run, which are UTF-8, and to terminals: better refused now than after
 * the work. */
static int check_word(struct mn_ctx *ctx, const struct command *command, const char *word,
                      int argument) {
    if (!nas_text_is_utf8(word)) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: argument %d is not UTF-8, as the files of a run are: '%s'; rename what "
                       "it names",
                       command->name, argument, word);
    }
    return nas_text_has_control(word)
               ? mn_fail(ctx, MN_CONFIG, "%s: argument %d holds a control character: '%s'",
                         command->name, argument, word)
               : MN_OK;
}

/* Made absolute: plugins are opened in absolute folders only. */
static int find_plugin_dirs(const struct line *l, const struct mn_texts *given, struct texts *out) {
    char here[PATH_MAX];
    TRY(texts_room(l->ctx, l->arena, (int)given->n, out));
    for (; out->n < given->n; out->n++) {
        const char *dir = given->at[out->n];
        struct stat about;
        if (stat(dir, &about) != 0 || !S_ISDIR(about.st_mode)) {
            return mn_fail(l->ctx, MN_IO, "--plugin-dir %s: %s", dir,
                           access(dir, F_OK) == 0 ? "not a folder" : strerror(errno));
        }
        if (dir[0] != '/') {
            dir = getcwd(here, sizeof here) == NULL
                      ? NULL
                      : nas_arena_format(l->arena, "%s/%s", here, dir);
        }
        if (dir == NULL) {
            return no_memory(l->ctx);
        }
        out->at[out->n] = dir;
    }
    return MN_OK;
}

int arguments_parse(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                    int argc, char **argv, struct arguments *out) {
    struct line line = {.ctx = ctx,
                        .arena = arena,
                        .command = command,
                        .own = {.kind = NAS_YAML_MAP},
                        .all = {.kind = NAS_YAML_MAP},
                        .out = out};
    line.n_own = command_flags(command, line.flags);
    line.n = line.n_own + sizeof common / sizeof common[0];
    memcpy(line.flags + line.n_own, common, sizeof common);
    *out = (struct arguments){.words = argv};
    TRY(texts_room(ctx, arena, argc, &out->operands));
    TRY(texts_room(ctx, arena, argc, &out->sets));
    void *flags = nas_arena_zeroed(arena, command->flags_size);
    if (flags == NULL) {
        return no_memory(ctx);
    }
    for (int i = 2; i < argc; i++) {
        TRY(check_word(ctx, command, argv[i], i));
    }
    int words_only = 0;
    for (int i = 2; i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = 1;
        } else if (!words_only && argv[i][0] == '-' && argv[i][1] != '\0') {
            TRY(flag_parse(&line, argc, argv, &i));
        } else {
            TRY(operand_store(ctx, arena, command, argv[i], i, out));
        }
    }
    struct common all = {0};
    TRY(bind(&line, command->flags, command->n_flags, &line.own, flags));
    TRY(bind(&line, common, sizeof common / sizeof common[0], &line.all, &all));
    out->flags = flags;
    out->quiet = all.quiet;
    out->verbose = all.verbose;
    out->help = all.help;
    if (out->help) {
        return MN_OK;
    }
    TRY(find_plugin_dirs(&line, &all.plugin_dirs, &out->plugin_dirs));
    const char *next = operand_name(command, out->operands.n);
    if (next != NULL && !operand_is_optional(command, out->operands.n)) {
        return mn_fail(ctx, MN_CONFIG, "%s: %s is missing; see 'metanas %s --help'", command->name,
                       next, command->name);
    }
    return MN_OK;
}
