/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_EXPERIMENT_H
#define MN__RUN_EXPERIMENT_H

/* A configuration made ready to run: options bound, plugins loaded, dataset open, model built. */

#include "config/override.h"
#include "model/model.h"

enum { MN__UNITS = MN__SECTIONS + 1 };

/* What becomes of a task of meta-training whose numbers are not finite, or whose loss is above
 * run.max_loss. */
enum mn__on_nan { MN__ON_NAN_STOP, MN__ON_NAN_SKIP_TASK, MN__ON_NAN_ROLLBACK };

enum { MN__MOST_ROLLBACKS = 1000 };

/* Numbers that products of convolutions take. */
enum mn__precision { MN__FLOAT, MN__BF16 };

/* Section run. */
struct mn__run_options {
    const char *name;
    int64_t seed;
    const char *executor;
    int64_t workers;
    int64_t meta_epochs;
    int64_t tasks_per_batch;
    int64_t eval_every;       /* 0 = only at the end */
    int64_t log_every;        /* 0 = never */
    int64_t checkpoint_every; /* 0 = only at the end */
    int64_t keep_checkpoints; /* the newest and those before it */
    int32_t on_nan;           /* enum mn__on_nan */
    double max_loss;          /* of a task step of meta-training; 0 = any that is finite */
    int64_t rollbacks;        /* most of a run */
    bool log_steps;           /* every task's steps to steps.csv */
    int32_t kernels;          /* choice */
    int32_t precision;        /* enum mn__precision */
    double alpha_std;
    bool prune_meta; /* cut meta-alphas at every evaluation (method: under meta_threshold at the
                        final temperature) */
    double meta_threshold;
};

/* Section task. */
struct mn__task_options {
    int64_t ways, shots, queries;
    int64_t train_shots;   /* support images a class in meta-training; 0 = shots */
    int64_t train_queries; /* 0 = queries */
};

/* Images that batch norm of the query images takes its moments from. */
enum mn__batch_norm { MN__TRANSDUCTIVE, MN__SUPPORT };

/* Section evaluation. */
struct mn__evaluation_options {
    int64_t tasks;            /* metanas test */
    int64_t validation_tasks; /* every eval_every */
    int32_t batch_norm;       /* enum mn__batch_norm */
};

/* A meta learner and the parts of the meta point that it updates. */
struct mn__meta_part {
    const struct mn__instance *unit;
    uint32_t owns;       /* enum mn_adapts */
    const char *section; /* "meta_learner", "meta_learner.weights" */
    const char *prefix;  /* of the names of its state: "meta", "meta.weights" */
    struct mn_dims dims; /* of the model; what it does not own is 0 */
    int64_t own0, n_own; /* its reals in mn__direction.own */
};

struct mn__experiment {
    struct mn__arena arena;
    const char *config_file;
    struct mn__yaml *root;
    struct mn__run_options run;
    struct mn__task_options task;
    struct mn__evaluation_options evaluation;
    struct mn__registry *registry;
    struct mn__instance dataset, search_space, op_mixer, input_mixer, task_learner;
    struct mn__instance meta_learner;      /* of both, or of the weights */
    struct mn__instance meta_architecture; /* of the logits, where n_meta is 2 */
    struct mn__operations operations;      /* section operations, and those named without it */
    struct mn__meta_part meta[2];
    int n_meta;
    int traces;    /* a meta learner looks at the steps of a task */
    int rates;     /* a meta learner has factors for the updates of the steps */
    int64_t n_own; /* reals of a direction beyond w and a */
    struct mn_dataset_info data;
    const struct mn__kernels *kernels;
    struct mn_model *model;
    struct mn__fit fit;             /* how search_space.parameters chose the channel count */
    int64_t n_state;                /* task learner state */
    int moments;                    /* enum mn_moments */
    int64_t max_batch;              /* images of the largest pass */
    const char *plugins[MN__UNITS]; /* what each unit comes from (run/origin.h) */
    const char *fingerprint;        /* of the data (run/fingerprint.h); NULL = not started */
    const char *operation_plugins;  /* and all operations of plugins; NULL = there are none */
};

enum mn__open_flag {
    MN__OPEN_NO_DATA = 1 /* do not start the dataset (probe, validate without the files): the image
                            shape is `shape`; without it no model is built */
};

struct mn__open {
    const char *config;                       /* file */
    const char *text;                         /* in place of what is in the file, or NULL */
    const struct mn__assignment *assignments; /* made before those of `sets` */
    int n_assignments;
    const char *const *sets;        /* --set assignments, NULL-terminated */
    const int *set_arguments;       /* their positions on the command line */
    const char *const *plugin_dirs; /* NULL-terminated or NULL */
    uint32_t flags;
    const int *shape; /* [channels, height, width] for MN__OPEN_NO_DATA, or NULL */
    const struct mn_dataset_info *data; /* in place of `shape`: what this data set was found to hold
                                           before; the tasks are checked against it */
    int64_t max_batch; /* largest batch besides the learner's own; 0 = from the task section */
    int *n_faults;     /* receives the number of faults of the configuration; NULL = not wanted */
    FILE *faults;      /* where faults of the configuration are printed; NULL = standard error */
};

/* Open; every fault of the configuration is printed to open->faults and counted in the message. */
int mn__experiment_open(struct mn__experiment *experiment, struct mn_cx *cx,
                        const struct mn__open *open);
void mn__experiment_close(struct mn__experiment *experiment);

/* Make the model again where its passes take fewer than n images. A failure leaves it without one.
 */
int mn__experiment_widen(struct mn__experiment *experiment, struct mn_cx *cx, int64_t n);

/* evaluation.batch_norm as text. */
const char *mn__batch_norm_name(const struct mn__experiment *experiment);

/* Unit i of MN__UNITS, in the order dataset to meta_learner, then meta_architecture; the last one
 * is zeroed where one meta learner updates both. */
struct mn__instance *mn__experiment_unit(const struct mn__experiment *experiment, int i);
/* How many there are. */
int mn__experiment_units(const struct mn__experiment *experiment);
/* Where unit i is configured: "op_mixer", "meta_learner.architecture". */
const char *mn__experiment_unit_section(const struct mn__experiment *experiment, int i);

/* Threads that run.workers asks for: 0 = one a processor, of those that this process may use or of
 * `processors`; never more than there are tasks. */
int mn__experiment_workers(const struct mn__experiment *experiment);
int mn__experiment_threads(const struct mn__experiment *experiment, int processors);

/* Put every service of the core (model, builder, episodes, instances, state) into the host table.
 * Once, at start, before any thread. */
void mn__core_install(void);
void mn__state_install(struct mn_host *host);

/* The resolved configuration: every option of every section, plugin files and versions as comments;
 * running it again repeats the run. */
int mn__experiment_write_config(const struct mn__experiment *experiment, FILE *out);
/* Whether a configuration has a section of that name. */
int mn__experiment_has_section(const char *name);

/* Options of the fixed sections, for help and docs: "run", "task", "evaluation"; NULL = no such. */
const struct mn__options *mn__experiment_section(const char *name);

#endif
