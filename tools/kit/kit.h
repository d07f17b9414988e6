/* SPDX-License-Identifier: MIT */
#ifndef KIT_H
#define KIT_H

/* What is checked, and the cases. */

#include "config/option.h"
#include "report.h"

struct kit {
    const char *file; /* absolute */
    const struct mn_plugin *plugin;
    const struct mn_unit *unit; /* NULL for cases of the whole file */
    struct nas_options options; /* of the unit */
    const char *const *folders; /* of --plugin-dir, NULL-terminated or NULL */
    const char *const *sets;    /* KIND.KEY=VALUE texts of the command line */
    int n_sets;
    uint64_t seed;
    int64_t rounds; /* of fuzzing */
};

enum kit_case_flag {
    KIT_GATE = 1,     /* where it fails, the cases after it make no sense */
    KIT_EXERCISES = 2 /* of no use for a kind without `exercise` */
};

struct kit_case {
    const char *name;
    const char *doc; /* what must hold */
    int flags;       /* enum kit_case_flag */
    void (*run)(const struct kit *kit);
};

struct kit_fixture;

/* A kind: how to make an instance of a unit and call all its functions once, and its own cases. */
struct kit_kind {
    /* Optional. The host's side: services and data. */
    void (*prepare)(struct kit_fixture *fixture);
    /* Optional. What follows `check`. Returns a status. */
    int (*start)(struct kit_fixture *fixture);
    void (*stop)(struct kit_fixture *fixture);
    /* NULL: there are no cases that need it. Call the unit's functions on inputs made from `seed`,
     * and mix every output into digest. Outputs are checked to be written and finite. workers = 1:
     * only functions marked [worker] and those that ask. Returns the first status that is not
     * MN_OK. */
    int (*exercise)(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest);
    /* NULL: {use: the default of the kind}. The section that a unit is around where nothing else is
     * given. */
    const char *around;
    int ends;    /* 1: exercise must also work at the ends of every range */
    int options; /* 1: instances are cheap, so that fuzzing varies the options */
    const struct kit_case *cases;
    size_t n_cases;
};

const struct kit_kind *kit_kind(int kind);
#define VTABLE(name) extern const struct kit_kind kit_##name;
#include "plugin/kinds.def"

/* The cases: those of the file, then for every unit the general ones and those of its kind. */
const struct kit_case *kit_case_of_file(size_t i);           /* NULL past the end */
const struct kit_case *kit_case_of_unit(int kind, size_t i); /* NULL past the end */
extern const struct kit_case kit_load_cases[], kit_unit_cases[];
extern const size_t kit_n_load_cases, kit_n_unit_cases;

/* Load kit->file and set kit->plugin; fails where it cannot be. */
void kit_load(struct kit *kit);
/* Choose the unit of that kind and name; 0 = there is none. */
int kit_choose(struct kit *kit, int kind, const char *name);

#endif
