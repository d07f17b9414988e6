/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_CONFIG_DIFF_H
#define NAS_LEARN_CONFIG_DIFF_H

/* Whether a run was made with another configuration. */

#include "learn/experiment.h"

struct nas_config_diff {
    char key[128];              /* "task_learner.lr_w"; "" = there is none */
    char there[256], here[256]; /* its values as text */
};

/* The first difference between a resolved configuration, `then`, and that of the experiment, but
 * for the dotted keys in `free` (NULL-terminated). Options that `then` does not know are no
 * difference: the program that wrote it had none of that name. `path` names it in messages. */
int nas_config_diff_find(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                         const char *path, const char *then, const char *const *free,
                         struct nas_config_diff *out);

/* The same of two resolved configurations; `name` stands for the second one in messages. */
int nas_config_diff_texts(struct mn_ctx *ctx, const char *path, const char *then, const char *name,
                          const char *now, const char *const *free, struct nas_config_diff *out);

/* Whether a dotted key of that length is one of a list, or is that key of a unit nested in the
 * section: dataset.around.path where dataset.path is listed. */
int nas_config_is_one_of(const char *key, size_t length, const char *const *list);

/* A whole number in a resolved configuration, by section and key; 0 = it has none. */
int nas_config_int(const char *resolved, const char *section, const char *key, int64_t *out);

/* The resolved configuration as text, for free(). */
int nas_config_text(const struct nas_experiment *experiment, struct mn_ctx *ctx, char **out);

/* What may change when a run is resumed: nothing that it computed hangs on these. The length of
 * the run comes first. NULL-terminated. */
extern const char *const nas_config_may_change[];

#endif
