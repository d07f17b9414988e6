/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_EXPERIMENT_H
#define NAS_LEARN_EXPERIMENT_H

/* A configuration made ready to run: options bound, plugins loaded, dataset open, model built. */

#include "backend/backend.h"
#include "config/override.h"
#include "network/fixed.h"
#include "network/latency.h"
#include "plugin/instance.h"
#include "store/provenance.h"

struct nas_cluster;

enum { NAS_UNITS = NAS_SECTIONS + 1 };

/* What becomes of a task of meta-training whose numbers are not finite, or whose loss is above
 * run.max_loss. */
enum nas_on_nan { NAS_ON_NAN_STOP, NAS_ON_NAN_SKIP_TASK, NAS_ON_NAN_ROLLBACK };

enum { NAS_MOST_ROLLBACKS = 1000 };

/* Numbers that products of convolutions take. */
enum nas_precision { NAS_FLOAT, NAS_BF16 };

/* Images that batch norm of the query images takes its moments from. */
enum nas_batch_norm { NAS_TRANSDUCTIVE, NAS_SUPPORT };

/* Whether an image may be in several test tasks. */
enum nas_sampling { NAS_WITH_REPLACEMENT, NAS_WITHOUT_REPLACEMENT };

/* Sections run, task and evaluation: options.def says what each option is. */
#define NAS_OPTION_INT int64_t
#define NAS_OPTION_INT_FLAGS int64_t
#define NAS_OPTION_REAL double
#define NAS_OPTION_BOOL bool
#define NAS_OPTION_TEXT const char *
#define NAS_OPTION_PATH const char *
#define NAS_OPTION_CHOICE int32_t /* an enum of its name, where there is one */
#define NAS_OPTION_CHOICE_FLAGS int32_t
#define NAS_OPTION_INTS struct mn_ints
#define RUN(type, key, ...) NAS_OPTION_##type key;
struct nas_run_options {
#include "learn/options.def"
};
#define TASK(type, key, ...) NAS_OPTION_##type key;
struct nas_task_options {
#include "learn/options.def"
};
#define EVALUATION(type, key, ...) NAS_OPTION_##type key;
struct nas_evaluation_options {
#include "learn/options.def"
};

/* A meta learner and the parts of the meta point that it updates. */
struct nas_meta_part {
    const struct nas_instance *unit;
    uint32_t owns;       /* enum mn_adapts */
    const char *section; /* "meta_learner", "meta_learner.weights" */
    const char *prefix;  /* of the names of its state: "meta", "meta.weights" */
    struct mn_dims dims; /* of the model; what it does not own is 0 */
    int64_t own0, n_own; /* its reals in nas_direction.own */
    int32_t batch;       /* its max_batch */
};

struct nas_experiment {
    struct nas_arena arena;
    struct nas_cluster *cluster; /* whose ranks work on its tasks, or NULL */
    const char *config_file;
    struct nas_yaml *root;
    struct nas_run_options run;
    struct nas_task_options task;
    struct nas_evaluation_options evaluation;
    struct nas_registry *registry;
    /* One for each kind with a section; meta_learner is that of both, or of the weights. */
#define SECTION(id, name, vtable, use) struct nas_instance name;
#include "plugin/kinds.def"
    struct nas_instance meta_architecture; /* of the logits, where n_meta is 2 */
    struct nas_operations operations;      /* section operations, and those named without it */
    struct nas_fixed fixed;                /* section genotype */
    struct nas_latencies latencies;        /* of run.latency */
    struct nas_meta_part meta[2];
    int n_meta;
    int traces;      /* a meta learner looks at the steps of a task */
    int rates;       /* a meta learner has factors for the updates of the steps */
    uint32_t shapes; /* enum mn_adapts: the halves whose updates a meta learner shapes */
    int teacher;     /* enum mn_teacher of the loss */
    int64_t n_own;   /* reals of a direction beyond w and a */
    struct mn_dataset_info data;
    const struct nas_backend *backend;
    const struct nas_kernels *kernels;
    struct mn_model *model;
    struct nas_fit fit;               /* how search_space.parameters chose the channel count */
    int64_t n_state;                  /* task learner state */
    int moments;                      /* enum mn_moments */
    int32_t batch;                    /* max_batch of the task learner */
    struct nas_batches batches;       /* images of the largest passes */
    struct nas_provenance provenance; /* its plugin files as they were when it was opened: they may
                                         be replaced while the program runs; its data, once
                                         started */
};

enum nas_open_flag {
    NAS_OPEN_NO_DATA = 1, /* do not start the dataset (probe, validate without the files): the image
                            shape is `shape`; without it no model is built */
    NAS_OPEN_NO_LATENCIES = 2 /* leave run.latency out: it may not be written yet */
};

struct nas_open {
    const char *config;                       /* file */
    const char *text;                         /* in place of what is in the file, or NULL */
    const struct nas_assignment *assignments; /* made before those of `sets` */
    int n_assignments;
    const char *const *sets;        /* --set assignments, NULL-terminated */
    const int *set_arguments;       /* their positions on the command line */
    const char *const *plugin_dirs; /* NULL-terminated or NULL */
    struct nas_cluster *cluster;    /* that this process leads, or NULL */
    const struct nas_shm *shared;   /* data that another process of the node has open, or NULL */
    int shares;                     /* other processes of the node will want the data */
    uint32_t flags;
    const int *shape; /* [channels, height, width] for NAS_OPEN_NO_DATA, or NULL */
    const struct mn_dataset_info *data; /* in place of `shape`: what this data set was found to hold
                                           before; the tasks are checked against it */
    struct nas_batches batches; /* at least; 0 = what the task section and the learners need */
    int *n_faults; /* receives the number of faults of the configuration; NULL = not wanted */
    FILE *faults;  /* where faults of the configuration are printed; NULL = standard error */
};

/* Where an option was set; zeroed where it is not. */
struct nas_mark nas_option_mark(const struct nas_experiment *experiment, const char *section,
                                const char *key);
/* Fail because of what stands at a place of the configuration, which comes first. Returns the
 * status. */
MN_PRINTF(4, 5)
int nas_refuse(struct mn_ctx *ctx, int status, struct nas_mark mark, const char *format, ...);

/* Open; every fault of the configuration is printed to open->faults and counted in the message. */
int nas_experiment_open(struct nas_experiment *experiment, struct mn_ctx *ctx,
                        const struct nas_open *open);
void nas_experiment_close(struct nas_experiment *experiment);

/* Make the model again where its passes without gradients take fewer than n images. A failure
 * leaves it without one. */
int nas_experiment_widen(struct nas_experiment *experiment, struct mn_ctx *ctx, int64_t n);

/* The data set that the images come from: the innermost where one is around another. */
const char *nas_experiment_dataset(const struct nas_experiment *experiment);

/* What its network is made of. */
struct nas_network_units nas_experiment_network(struct nas_experiment *experiment);

/* A place of the run: tasks of a split in a meta-epoch. */
struct mn_where nas_experiment_where(const struct nas_experiment *experiment, int split,
                                     int64_t meta_epoch);
/* What the task learner says of a place: the steps of a task, -1 = it does not tell; what they
 * change (enum mn_adapts), which is never logits that there are not. */
int64_t nas_experiment_steps(const struct nas_experiment *experiment, const struct mn_where *where);
uint32_t nas_experiment_adapts(const struct nas_experiment *experiment,
                               const struct mn_where *where);

/* Threads that run.workers asks for: 0 = one a processor, of those that this process may use or of
 * `processors`; never more than there are tasks. */
int nas_experiment_workers(const struct nas_experiment *experiment);
int nas_experiment_threads(const struct nas_experiment *experiment, int processors);

#endif
