/* SPDX-License-Identifier: MIT */
#ifndef METANAS_COMMAND_H
#define METANAS_COMMAND_H

/* The commands of the program, their arguments as data, and what they share. */

#include "learn/configuration.h"

#include <math.h>
#include <stdio.h>

/* Texts given by a flag that may repeat. */
struct texts {
    const char **at; /* NULL-terminated */
    int *argument;   /* position of each on the command line */
    int n;
};

/* A command line. */
struct arguments {
    struct nas_cluster *cluster; /* the processes of the job that this one leads, or NULL */
    const char *operand;         /* CONFIG, RUN or topic; NULL = not given */
    struct texts operands;       /* that one, and more where the command takes several */
    struct texts sets, plugin_dirs;
    bool quiet, verbose, help;
    const void *flags; /* the command's own struct, filled by its rows */
    char **words;      /* argv */
};

/* Rows of flags, bound into field f of struct s. The key is the flag as it is written, after its
 * short form if it has one: "-o, --out"; `value` stands for the value in the usage. A text that is
 * not given is NULL, a choice -1. */
#define FLAG_SWITCH(s, f, key_, doc_)                                                              \
    { key_, doc_, NULL, MN_OPT_BOOL, 0, MN_AT(s, f, bool), 0, 0, 1, NULL, NULL }
#define FLAG_TEXT(s, f, key_, value_, doc_)                                                        \
    { key_, doc_, value_, MN_OPT_TEXT, 0, MN_AT(s, f, const char *), 0, 0, 0, NULL, NULL }
#define FLAG_TEXTS(s, f, key_, value_, doc_)                                                       \
    { key_, doc_, value_, MN_OPT_TEXTS, 0, MN_AT(s, f, struct mn_texts), 0, 0, 0, NULL, NULL }
#define FLAG_INT(s, f, key_, value_, def_, min_, doc_)                                             \
    { key_, doc_, value_, MN_OPT_INT, 0, MN_AT(s, f, int64_t), def_, min_, INFINITY, NULL, NULL }
#define FLAG_REAL(s, f, key_, value_, def_, min_, max_, doc_)                                      \
    { key_, doc_, value_, MN_OPT_REAL, 0, MN_AT(s, f, double), def_, min_, max_, NULL, NULL }
#define FLAG_CHOICE(s, f, key_, value_, choices_, doc_)                                            \
    { key_, doc_, value_, MN_OPT_CHOICE, 0, MN_AT(s, f, int32_t), -1, 0, 0, NULL, choices_ }

enum { MOST_FLAGS = 32 };

/* A command. `run` returns a status with a message recorded in ctx. */
struct command {
    const char *name;
    const char *operand;              /* NULL = takes none */
    const char *const *more_operands; /* names of those after it, NULL-terminated; or NULL */
    const char *doc;                  /* one line */
    const char *more;                 /* paragraphs for `metanas NAME --help`, or NULL */
    const struct mn_opt *flags;
    size_t n_flags, flags_size;      /* bytes of the struct that they are bound into */
    const char *set_value, *set_doc; /* of --set; NULL = the command has none */
    int operand_optional;            /* the last operand may be left out */
    int operand_repeats;             /* and may be given several times: its name ends with ".." */
    int (*run)(struct mn_ctx *ctx, const struct arguments *arguments);
    /* The configuration whose run.transport decides who works on the tasks, in `arena`. NULL where
     * the command has no tasks for other processes. */
    int (*config)(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                  const char **out);
    /* Whether the operand is a run that it writes into, so that no other command may at the same
     * time; NULL = never. */
    int (*holds)(const struct arguments *arguments);
};

extern const struct command command_train, command_test, command_resume, command_validate,
    command_genotype, command_report, command_adapt, command_episodes, command_sweep, command_probe,
    command_list, command_check, command_new_plugin, command_help, command_replay, command_doctor,
    command_compare, command_bench_ops;

/* The name of operand i, NULL past the last; and whether it may be left out. */
const char *operand_name(const struct command *command, int i);
int operand_is_optional(const struct command *command, int i);

/* All commands in the order of the help. */
const struct command *const *commands(size_t *n);
/* The flags of a command, without those that all of them take, and those. */
size_t command_flags(const struct command *command, struct mn_opt out[MOST_FLAGS]);
const struct mn_opt *common_flags(size_t *n);
const struct command *command_find(const char *name);
/* The command whose name is like `word`, or NULL. */
const char *command_nearest(const char *word);

/* Parse argv[2..] for a command. Lists live in `arena`. MN_CONFIG with a message that offers the
 * nearest known flag. */
int arguments_parse(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                    int argc, char **argv, struct arguments *out);

/* help.c */
void help_overview(FILE *out);
void help_version(struct mn_ctx *ctx, FILE *out);

/* usage.c */
enum { USAGE_COLUMN = 26 };
void help_command(const struct command *command, FILE *out);
/* "new-plugin KIND NAME [DIR]" and "-o, --out DIR" into out. */
const char *help_usage(const struct command *command, char *out, size_t size);
const char *help_flag(const struct mn_opt *flag, char *out, size_t size);

struct exit_code {
    int code;
    const char *doc;
};
const struct exit_code *help_exit_codes(size_t *n);

/* common.c: open a configuration as the command line says. `more` may preset flags and shape. */
int open_experiment(struct mn_ctx *ctx, const struct arguments *arguments, const char *config,
                    const struct nas_open *more, struct nas_experiment *out);
/* The value of --shape, "C,H,W". */
int parse_shape(struct mn_ctx *ctx, const char *command, const char *text, int shape[3]);
/* The folders of --plugin-dir, NULL-terminated; NULL = none were given. */
const char *const *plugin_folders(const struct arguments *arguments);
/* --batch-norm is short for an assignment, for which there is room behind those of --set; -1 = it
 * was not given. */
void set_batch_norm(int32_t mode, struct arguments *arguments);
int no_memory(struct mn_ctx *ctx);

#endif
