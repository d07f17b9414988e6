/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_CONFIGURATION_H
#define NAS_LEARN_CONFIGURATION_H

/* The configuration of an experiment: from a file to bound options and units, and back. */

#include "learn/experiment.h"

/* Read, apply assignments, bind sections and units. Every fault is printed to open->faults and
 * counted in the message. What it made is closed with the experiment. */
int nas_configuration_read(struct nas_experiment *experiment, struct mn_ctx *ctx,
                           const struct nas_open *open);

/* The resolved configuration: every option of every section, plugin files and versions as comments;
 * running it again repeats the run. */
int nas_configuration_write(const struct nas_experiment *experiment, FILE *out);

/* The options that the state hangs on which meta-training ends with: not those of evaluation, and
 * of the shots and queries those of training. Not a configuration. */
int nas_configuration_write_training(const struct nas_experiment *experiment, FILE *out);

/* Whether a configuration has a section of that name. */
int nas_configuration_has_section(const char *name);
/* Options of the fixed sections, for help and docs: "run", "task", "evaluation"; NULL = no such. */
const struct nas_options *nas_configuration_section(const char *name);

/* Unit i of NAS_UNITS, in the order dataset to meta_learner, then meta_architecture; the last one
 * is zeroed where one meta learner updates both. */
struct nas_instance *nas_configuration_unit(const struct nas_experiment *experiment, int i);
/* How many there are. */
int nas_configuration_units(const struct nas_experiment *experiment);
/* Where unit i is configured: "op_mixer", "meta_learner.architecture". */
const char *nas_configuration_unit_section(const struct nas_experiment *experiment, int i);

/* By enum mn_split and by enum nas_batch_norm, NULL-terminated. */
extern const char *const nas_split_names[], *const nas_batch_norm_names[];
/* evaluation.batch_norm as text, and that of a value of evaluation.sampling. */
const char *nas_batch_norm_name(const struct nas_experiment *experiment);
const char *nas_sampling_name(enum nas_sampling sampling);

/* Service of struct mn_host. */
const char *nas_service_configured(struct mn_ctx *ctx, const char *key);

#endif
