/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATASET_H
#define KIT_DATASET_H

/* Calls of a data set. */

#include "fixture.h"

int dataset_describe(struct kit_fixture *fixture, struct mn_dataset_info *out);

/* A task and how much of it there is. */
struct dataset_task {
    struct mn_episode_spec spec;
    struct mn_episode at;
    int64_t image; /* reals */
};

/* Up to 5 ways of up to 3 + 3 images, what the split has. 0 = it has none. */
int dataset_task_new(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                     struct mn_rng *rng, struct dataset_task *out);
/* Draw task number `task`. */
int dataset_sample(struct kit_fixture *fixture, struct dataset_task *e, int64_t task);
/* Calls `check` for some tasks of every split. */
typedef void (*dataset_check)(struct kit_fixture *fixture, const struct dataset_task *e,
                              const struct mn_dataset_info *d);
void dataset_over_tasks(const struct kit *kit, dataset_check check);

/* cases_images.c: single images, names of classes and images of a user's own. Returns a status. */
int dataset_exercise_images(struct kit_fixture *fixture, const struct mn_dataset_info *d,
                            uint64_t seed, uint64_t *digest);
/* A class of two splits, by its name and first image. */
void dataset_shared_classes(struct kit_fixture *fixture, const struct mn_dataset_info *d);
void dataset_case_names(const struct kit *kit);
void dataset_case_samples(const struct kit *kit);
void dataset_case_picture(const struct kit *kit);

#endif
