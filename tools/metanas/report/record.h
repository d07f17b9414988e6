/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_RECORD_H
#define METANAS_REPORT_RECORD_H

/* The files of a run or sweep directory that a report is made from. */

#include "config/yaml.h"
#include "store/csv.h"
#include "store/jsonl.h"
#include "store/records.h"
#include "store/safetensors.h"

/* The objects of a file of JSON lines. */
struct lines {
    size_t n, room;
    json_t **at;
};

struct record {
    const char *dir;
    const char *config;    /* text of config.resolved.yaml or sweep.yaml; NULL = none */
    struct nas_yaml *root; /* the same as a tree, NULL = none */
    struct nas_safetensors *checkpoint; /* NULL = none */
    struct lines metrics, timing;
    json_t *test;                 /* test.json, NULL = none */
    struct nas_record *result;    /* its columns, NULL = none */
    struct nas_csv *architecture; /* NULL = none */
    struct nas_csv *steps;        /* NULL = none */
    json_t *command;              /* sweep.json of a sweep; NULL = none */
    const char *summary;          /* results.txt of a sweep; NULL = none */
    struct nas_csv *results;      /* of a sweep; NULL = none */
    struct nas_arena arena;
};

/* Read what is there. A file that is missing is no error; one that cannot be read or has another
 * form is. */
int record_read(struct mn_ctx *ctx, const char *dir, struct record *out);
void record_fini(struct record *record);

/* Take test.json, which was read, with its columns. MN_NOMEM. */
int record_take_test(struct mn_ctx *ctx, json_t *test, struct record *record);
/* nas_jsonl_fn: add a line to the struct lines `data`; and forget them all. */
int record_add_line(void *data, struct mn_ctx *ctx, json_t *object);
void record_forget_lines(struct lines *lines);

/* An option of the configuration, or NULL. */
const char *record_option(const struct record *record, const char *section, const char *key);
/* The same as a number; NAN where it is none. */
double record_number(const struct record *record, const char *section, const char *key);
/* Metadata of the checkpoint, or NULL. */
const char *record_meta(const struct record *record, const char *key);

#endif
