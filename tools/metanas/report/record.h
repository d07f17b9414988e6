/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_RECORD_H
#define METANAS_REPORT_RECORD_H

/* The files of a run or sweep directory that a report is made from. */

#include "table.h"

#include "config/yaml.h"

struct record {
    const char *dir;
    const char *config;             /* text of config.resolved.yaml or sweep.yaml; NULL = none */
    struct mn__yaml *root;          /* the same as a tree, NULL = none */
    struct mn__tensors *checkpoint; /* NULL = none */
    struct lines metrics, timing;
    json_t *test;               /* NULL = none */
    struct table *architecture; /* NULL = none */
    struct table *steps;        /* NULL = none */
    json_t *command;            /* sweep.json of a sweep; NULL = none */
    const char *summary;        /* results.txt of a sweep; NULL = none */
    struct table *results;      /* of a sweep; NULL = none */
    struct mn__arena arena;
};

/* Read what is there. A file that is missing is no error; one that cannot be read or has another
 * form is. */
int record_read(struct mn_cx *cx, const char *dir, struct record *out);
void record_fini(struct record *record);

/* An option of the configuration, or NULL. */
const char *record_option(const struct record *record, const char *section, const char *key);
/* The same as a number; NAN where it is none. */
double record_number(const struct record *record, const char *section, const char *key);
/* Metadata of the checkpoint, or NULL. */
const char *record_meta(const struct record *record, const char *key);

#endif
