/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FLAGS = 32 };

static const struct flag common[] = {
    {"plugin-dir", "DIR", "look for plugins in DIR first (may repeat)",
     offsetof(struct arguments, plugin_dirs), FLAG_TEXTS, 0},
    {"quiet", NULL, "print warnings and errors only", offsetof(struct arguments, quiet),
     FLAG_SWITCH, 'q'},
    {"verbose", NULL, "print more", offsetof(struct arguments, verbose), FLAG_SWITCH, 'v'},
    {"help", NULL, "explain the command", offsetof(struct arguments, help), FLAG_SWITCH, 'h'},
};

const struct flag *common_flags(size_t *n) {
    *n = sizeof common / sizeof common[0];
    return common;
}

/* The i-th flag a command takes: its own, then the common ones; NULL past the end. */
static const struct flag *flag_at(const struct command *command, size_t i) {
    const size_t n_common = sizeof common / sizeof common[0];
    if (i < command->n_flags) {
        return &command->flags[i];
    }
    return i < command->n_flags + n_common ? &common[i - command->n_flags] : NULL;
}

static const struct flag *flag_long(const struct command *command, const char *name, size_t n) {
    for (size_t i = 0; flag_at(command, i) != NULL; i++) {
        const struct flag *f = flag_at(command, i);
        if (strlen(f->name) == n && strncmp(f->name, name, n) == 0) {
            return f;
        }
    }
    return NULL;
}

static const struct flag *flag_short(const struct command *command, char letter) {
    for (size_t i = 0; flag_at(command, i) != NULL; i++) {
        if (letter != '\0' && flag_at(command, i)->letter == letter) {
            return flag_at(command, i);
        }
    }
    return NULL;
}

static int unknown_flag(struct mn_ctx *ctx, const struct command *command, const char *word) {
    const char *names[MOST_FLAGS];
    char name[64];
    size_t n = 0;
    for (; n < MOST_FLAGS && flag_at(command, n) != NULL; n++) {
        names[n] = flag_at(command, n)->name;
    }
    snprintf(name, sizeof name, "%s", word + strspn(word, "-"));
    name[strcspn(name, "=")] = '\0';
    const char *near = nas_text_nearest(name, names, n);
    if (near != NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: unknown flag '%s'; did you mean '--%s'?", command->name,
                       word, near);
    }
    return mn_fail(ctx, MN_CONFIG, "%s: unknown flag '%s'; see 'metanas %s --help'", command->name,
                   word, command->name);
}

static int split_from(const char *text, int32_t *out) {
    static const char *const names[] = {"train", "val", "test"};
    for (int32_t i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return 1;
        }
    }
    return 0;
}

static int bad_value(struct mn_ctx *ctx, const struct command *command, const struct flag *flag,
                     const char *text, const char *wanted) {
    return mn_fail(ctx, MN_CONFIG, "%s: --%s is '%s'; expected %s", command->name, flag->name, text,
                   wanted);
}

static int flag_store(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                      const struct flag *flag, const char *given, int argument,
                      struct arguments *out) {
    const char *text = given != NULL ? nas_arena_path(arena, given) : "";
    if (text == NULL) {
        return no_memory(ctx);
    }
    void *field = (char *)out + flag->offset;
    switch (flag->type) {
    case FLAG_SWITCH:
        *(int *)field = 1;
        return MN_OK;
    case FLAG_TEXT:
        if (text[0] == '\0') {
            return bad_value(ctx, command, flag, text, flag->value);
        }
        *(const char **)field = text;
        return MN_OK;
    case FLAG_TEXTS: {
        struct texts *list = field;
        list->at[list->n] = text;
        list->argument[list->n++] = argument;
        return MN_OK;
    }
    case FLAG_COUNT:
    case FLAG_POSITIVE: {
        const int least = flag->type == FLAG_POSITIVE;
        int64_t n;
        if (!nas_text_int(text, &n) || n < least) {
            return bad_value(ctx, command, flag, text,
                             least ? "a whole number, 1 or more" : "a whole number, 0 or more");
        }
        *(int64_t *)field = n;
        return MN_OK;
    }
    case FLAG_FRACTION: {
        double x;
        if (!nas_text_real(text, &x) || !(x >= 0 && x <= 1)) {
            return bad_value(ctx, command, flag, text, "a number from 0 to 1");
        }
        *(double *)field = x;
        return MN_OK;
    }
    case FLAG_SPLIT:
        if (!split_from(text, field)) {
            return bad_value(ctx, command, flag, text, "train, val or test");
        }
        return MN_OK;
    }
    return mn_fail(ctx, MN_INTERNAL, "flag --%s has no type", flag->name);
}

static int texts_room(struct mn_ctx *ctx, struct nas_arena *arena, int n, struct texts *list) {
    list->at = nas_arena_zeroed(arena, ((size_t)n + 1) * sizeof *list->at);
    list->argument = nas_arena_zeroed(arena, ((size_t)n + 1) * sizeof *list->argument);
    return list->at != NULL && list->argument != NULL ? MN_OK : no_memory(ctx);
}

/* Flags of one value that were given. */
struct given {
    const struct flag **at;
    int n;
};

/* The last of two values would win without a word. */
static int once(struct mn_ctx *ctx, const struct command *command, const struct flag *flag,
                struct given *given) {
    if (flag->type == FLAG_TEXTS || flag->type == FLAG_SWITCH) {
        return MN_OK;
    }
    for (int i = 0; i < given->n; i++) {
        if (given->at[i] == flag) {
            return mn_fail(ctx, MN_CONFIG, "%s: --%s is given twice", command->name, flag->name);
        }
    }
    given->at[given->n++] = flag;
    return MN_OK;
}

/* One flag at argv[*i]; *i moves on over a value that is a word of its own. */
static int flag_parse(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                      int argc, char **argv, int *i, struct given *given, struct arguments *out) {
    const char *word = argv[*i], *text = NULL;
    const struct flag *flag;
    if (word[1] == '-') {
        const size_t n = strcspn(word + 2, "=");
        flag = flag_long(command, word + 2, n);
        text = word[2 + n] == '=' ? word + 3 + n : NULL;
    } else {
        flag = word[2] == '\0' ? flag_short(command, word[1]) : NULL;
    }
    if (flag == NULL) {
        return unknown_flag(ctx, command, word);
    }
    if (flag->value == NULL && text != NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: --%s takes no value", command->name, flag->name);
    }
    if (flag->value != NULL && text == NULL) {
        if (*i + 1 >= argc) {
            return mn_fail(ctx, MN_CONFIG, "%s: --%s needs %s", command->name, flag->name,
                           flag->value);
        }
        text = argv[++*i];
    }
    const int status = once(ctx, command, flag, given);
    return status != MN_OK ? status : flag_store(ctx, arena, command, flag, text, *i, out);
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
    if (operand_name(command, list->n) == NULL) {
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
static int find_plugin_dirs(struct mn_ctx *ctx, struct nas_arena *arena, struct texts *dirs) {
    char here[PATH_MAX];
    for (int i = 0; i < dirs->n; i++) {
        struct stat about;
        if (stat(dirs->at[i], &about) != 0 || !S_ISDIR(about.st_mode)) {
            return mn_fail(ctx, MN_IO, "--plugin-dir %s: %s", dirs->at[i],
                           access(dirs->at[i], F_OK) == 0 ? "not a folder" : strerror(errno));
        }
        if (dirs->at[i][0] != '/') {
            dirs->at[i] = getcwd(here, sizeof here) == NULL
                              ? NULL
                              : nas_arena_format(arena, "%s/%s", here, dirs->at[i]);
        }
        if (dirs->at[i] == NULL) {
            return no_memory(ctx);
        }
    }
    return MN_OK;
}

int arguments_parse(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                    int argc, char **argv, struct arguments *out) {
    *out = (struct arguments){.progress = 1,
                              .split = -1,
                              .meta_epoch = -1,
                              .task = -1,
                              .seed = 1,
                              .rounds = 100,
                              .timeout = 20,
                              .report = -1};
    struct texts *const lists[] = {&out->operands, &out->sets, &out->plugin_dirs, &out->query,
                                   &out->only};
    int status = MN_OK;
    for (size_t i = 0; status == MN_OK && i < sizeof lists / sizeof lists[0]; i++) {
        status = texts_room(ctx, arena, argc, lists[i]);
    }
    struct given given = {.at = nas_arena_array(arena, (size_t)argc, sizeof *given.at)};
    if (status == MN_OK && given.at == NULL) {
        status = no_memory(ctx);
    }
    int words_only = 0;
    for (int i = 2; status == MN_OK && i < argc; i++) {
        status = check_word(ctx, command, argv[i], i);
    }
    for (int i = 2; status == MN_OK && i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = 1;
        } else if (!words_only && argv[i][0] == '-' && argv[i][1] != '\0') {
            status = flag_parse(ctx, arena, command, argc, argv, &i, &given, out);
        } else {
            status = operand_store(ctx, arena, command, argv[i], i, out);
        }
    }
    if (status != MN_OK || out->help) {
        return status;
    }
    status = find_plugin_dirs(ctx, arena, &out->plugin_dirs);
    if (status != MN_OK) {
        return status;
    }
    const char *next = operand_name(command, out->operands.n);
    if (next != NULL && !operand_is_optional(command, out->operands.n)) {
        return mn_fail(ctx, MN_CONFIG, "%s: %s is missing; see 'metanas %s --help'", command->name,
                       next, command->name);
    }
    return MN_OK;
}
