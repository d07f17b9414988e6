/* SPDX-License-Identifier: MIT */
#ifndef METANAS_COMMAND_H
#define METANAS_COMMAND_H

/* The commands of the program, their arguments as data, and what they share. */

#include "learn/experiment.h"

#include <stdio.h>

/* Texts given by a flag that may repeat. */
struct texts {
    const char **at; /* NULL-terminated */
    int *argument;   /* position of each on the command line */
    int n;
};

/* Everything a command line can say. Which flags a command takes is in its table. */
struct arguments {
    struct nas_cluster *cluster; /* the processes of the job that this one leads, or NULL */
    const char *operand;         /* CONFIG, RUN or topic; NULL = not given */
    struct texts operands;       /* that one, and more where the command takes several */
    struct texts sets, plugin_dirs, query, only;
    const char *out, *state, *init, *shape, *svg, *support;
    const char *steps, *episodes, *batch_norm;
    int32_t split; /* enum mn_split */
    int64_t tasks; /* 0 = as configured */
    int64_t meta_epoch;
    int64_t task;                          /* -1 = not given */
    int64_t seed, rounds, timeout, report; /* check; report -1 = not given */
    double progress;
    int json, tensors, untimed, learn, meta, training, in_process, quiet, verbose, help;
    int dot, most_frequent, list, markdown, man, accept_changes;
};

enum flag_type {
    FLAG_SWITCH,
    FLAG_TEXT,
    FLAG_TEXTS,
    FLAG_COUNT,
    FLAG_POSITIVE,
    FLAG_FRACTION,
    FLAG_SPLIT
};

struct flag {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for the value in the usage; NULL for a switch */
    const char *doc;
    size_t offset; /* of the field in struct arguments */
    enum flag_type type;
    char letter; /* of the short form; 0 = none */
};

/* A command. `run` returns a status with a message recorded in ctx. */
struct command {
    const char *name;
    const char *operand;              /* NULL = takes none */
    const char *const *more_operands; /* names of those after it, NULL-terminated; or NULL */
    const char *doc;                  /* one line */
    const char *more;                 /* paragraphs for `metanas NAME --help`, or NULL */
    const struct flag *flags;
    size_t n_flags;
    int operand_optional; /* the last operand may be left out */
    int (*run)(struct mn_ctx *ctx, const struct arguments *arguments);
    /* The configuration whose run.transport decides who works on the tasks, in `arena`. NULL where
     * the command has no tasks for other processes. */
    int (*config)(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                  const char **out);
    int holds; /* the operand is a run that it writes into: no other command may at the same time */
};

extern const struct command command_train, command_test, command_resume, command_validate,
    command_genotype, command_report, command_adapt, command_episodes, command_sweep, command_probe,
    command_list, command_check, command_new_plugin, command_help, command_replay, command_doctor;

/* The name of operand i, NULL past the last; and whether it may be left out. */
const char *operand_name(const struct command *command, int i);
int operand_is_optional(const struct command *command, int i);

/* All commands in the order of the help; and the flags that each of them takes. */
const struct command *const *commands(size_t *n);
const struct flag *common_flags(size_t *n);
const struct command *command_find(const char *name);
/* The command whose name is like `word`, or NULL. */
const char *command_nearest(const char *word);

/* Parse argv[2..] for a command. Lists live in `arena`. MN_CONFIG with a message that offers the
 * nearest known flag. */
int arguments_parse(struct mn_ctx *ctx, struct nas_arena *arena, const struct command *command,
                    int argc, char **argv, struct arguments *out);

/* help.c */
void help_overview(FILE *out);
void help_command(const struct command *command, FILE *out);
void help_version(struct mn_ctx *ctx, FILE *out);
/* "new-plugin KIND NAME [DIR]" and "-q, --quiet" into out. */
const char *help_usage(const struct command *command, char *out, size_t size);
const char *help_flag(const struct flag *flag, char *out, size_t size);

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
/* --batch-norm is short for an assignment, for which there is room behind those of --set. */
int set_batch_norm(struct mn_ctx *ctx, const char *command, struct arguments *arguments);
int no_memory(struct mn_ctx *ctx);

#endif
