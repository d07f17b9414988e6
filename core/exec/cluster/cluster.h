/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_CLUSTER_CLUSTER_H
#define NAS_EXEC_CLUSTER_CLUSTER_H

/* The processes of a job, connected by a plugin of kind transport. Rank 0 carries out the command:
 * it alone reads command lines, writes files and prints. The others serve: they open the
 * configuration that they are sent, work on the tasks that they are given, and send the results
 * back. What is opened, and what the tasks are, the caller says. */

#include "exec/executor.h"
#include "network/model.h"
#include "plugin/instance.h"

struct nas_cluster;

/* What a process works with. All ranks have the same open; data that is large lies once on a node.
 */
struct nas_cluster_basis {
    const struct nas_experiment *e;
    const struct nas_state *state; /* ranks other than the first: room for what rank 0 sends */
    const struct mn_model *model;
    int threads;                /* that work on tasks here */
    struct nas_shm share;       /* what other ranks of the node can map */
    char *config;               /* rank 0: the text that the others open; for free() */
    struct nas_batches batches; /* and the images of its largest passes */
    char *provenance;           /* what results hang on, in lines: equal on all ranks; for free() */
};

/* How a rank other than the first is to open what rank 0 has open. */
struct nas_cluster_opening {
    const char *config;
    struct nas_batches batches;
    int processors;               /* that it may use */
    const struct nas_shm *shared; /* data that is to be mapped, or NULL */
    int shares;                   /* others of the node will want its data */
    const char *const *plugin_dirs;
};

/* The caller's side of it. */
struct nas_cluster_work {
    const struct nas_job_kind *const *kinds; /* NULL-terminated; messages name them by number */
    /* On failure there is nothing to close. */
    int (*open)(struct mn_ctx *ctx, const struct nas_cluster_opening *how,
                struct nas_cluster_basis *out);
    void (*close)(struct nas_cluster_basis *basis);
};

#endif
