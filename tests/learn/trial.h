/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RUN_TRIAL_H
#define TESTS_RUN_TRIAL_H

/* An experiment on a configuration text, in a folder of its own. */

#include "../support/folder.h"

#include "learn/train.h"

struct trial {
    struct nas_ctx context;
    struct mn_ctx *ctx;
    struct folder folder;
    struct nas_experiment e;
    char *faults; /* what the last open printed */
};

/* Plugins of the tests; from the first argument of the program. */
void trial_plugins(const char *directory);

void trial_begin(struct trial *trial);
void trial_end(struct trial *trial);

/* Open `text` with assignments as --set gives them, NULL-terminated; replaces what was open. */
int trial_open(struct trial *trial, const char *text, const char *const *sets);
/* The same, and it must work. */
#define trial_must_open(trial, text, ...)                                                          \
    assert_ok((trial)->ctx, trial_open((trial), (text), (const char *const[]){__VA_ARGS__, NULL}))

/* Weights of the network that `keep` leaves. */
int64_t trial_parameters(struct trial *trial, const uint8_t *keep);

/* File `name` of the run directory `dir`; see folder_path. */
const char *trial_in(struct trial *trial, const char *dir, const char *name);
/* Meta-train into `dir` from this state, from a new one, from that of its checkpoint. */
int trial_train(struct trial *trial, const char *dir, struct nas_state *state);
int trial_train_new(struct trial *trial, const char *dir);
int trial_resume(struct trial *trial, const char *dir);
/* Two runs left the same metrics and, to the last bit, the same state. */
void trial_check_same(struct trial *trial, const char *a, const char *b);

/* A network of few weights and logits on the toy plugin (toy.c). */
extern const char trial_toy[];
/* A small METANAS on glyphs. */
extern const char trial_glyphs[];

#endif
