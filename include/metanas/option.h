/* SPDX-License-Identifier: MIT */
#ifndef METANAS_OPTION_H
#define METANAS_OPTION_H

/* Options are data: a unit lists them in a table, the host reads the configuration, checks types
 * and ranges and fills the fields of the instance before any function of the unit runs. `metanas
 * help KIND/UNIT` and the reference pages are generated from the same table. */

#include "abi.h"

#include <stdbool.h>

enum mn_opt_type {
    MN_OPT_INT = 1,    /* int64_t */
    MN_OPT_REAL = 2,   /* double */
    MN_OPT_BOOL = 3,   /* bool */
    MN_OPT_TEXT = 4,   /* const char *, host-owned, never NULL */
    MN_OPT_PATH = 5,   /* const char *, host-owned; relative to the configuration file; "" = none */
    MN_OPT_CHOICE = 6, /* int32_t, index into choices */
    MN_OPT_INTS = 7,   /* struct mn_ints, host-owned */
    MN_OPT_REALS = 8,  /* struct mn_reals, host-owned */
    MN_OPT_TEXTS = 9,  /* struct mn_texts, host-owned */
    MN_OPT_UNIT = 10   /* struct mn_nested, the first field: a unit that this one is around */
};

enum mn_opt_flag {
    MN_OPT_REQUIRED = 1,   /* the configuration must give it */
    MN_OPT_ADVANCED = 2,   /* listed last */
    MN_OPT_DEPRECATED = 4, /* accepted with a warning */
    MN_OPT_OPEN_MIN = 8,   /* min itself is not allowed */
    MN_OPT_OPEN_MAX = 16,  /* max itself is not allowed */
    MN_OPT_MERGE = 32, /* path of a YAML mapping whose keys become keys of this section, unless the
                          section gives them itself */
    MN_OPT_EVALUATION = 64 /* meta-training ends with the same state whatever the value: only tasks
                              of evaluation (where.split is not MN_TRAIN) look at it. Arms of a
                              sweep that differ in such options alone are meta-trained once */
};

struct mn_ints {
    const int64_t *at;
    int64_t n;
};
struct mn_reals {
    const double *at;
    int64_t n;
};
struct mn_texts {
    const char *const *at;
    int64_t n;
};

/* The unit of the same kind that a unit is around, from a section `around: {use: NAME, ...}` within
 * its own. The host makes it, and hands it every call of a function other than `check` that the
 * table of the unit around it leaves NULL: that unit has only the functions in which it differs.
 * They call the nested one by MN_NESTED of host.h. */
struct mn_nested {
    const void *table; /* struct mn_KIND; a function that the unit does without is NULL */
    void *self;        /* its instance */
    const void *host;  /* the host's own */
    int32_t depth;     /* how many units are around it, from 1: tells units of one name apart */
    int32_t reserved;
};

struct mn_opt {
    const char *key;
    const char *doc;  /* one line, no full stop */
    const char *unit; /* unit of measure for people ("steps"), or NULL */
    int32_t type;
    uint32_t flags;
    uint32_t offset; /* of the field in the instance */
    /* Bytes of the struct that the field is of, as the macros write; 0 = not told. More than the
     * instance has: the table of another unit, which is refused. */
    uint32_t reserved;
    double def, min, max; /* int, real, bool (0 or 1), choice (index); lists: range of elements */
    const char *def_text; /* text, path; lists: comma-separated */
    const char *const *choices; /* choice: NULL-terminated */
};

/* Offset of field f of struct s, refused by the compiler unless f has type T. */
#ifdef __cplusplus
template <class A, class B> struct mn_same; /* no such type: the field has another */
template <class A> struct mn_same<A, A> {
    enum : uint32_t { none = 0 };
};
#define MN_FIELD(s, f, T) ((uint32_t)offsetof(s, f) + mn_same<decltype(s::f), T>::none)
#else
#define MN_FIELD(s, f, T)                                                                          \
    ((uint32_t)(offsetof(s, f) + 0 * sizeof(char[_Generic(((s *)0)->f, T : 1)])))
#endif

#define MN_AT(s, f, T) MN_FIELD(s, f, T), (uint32_t)sizeof(s) /* offset, reserved */

/* The key is the name of the field; that of a member of a struct in it, cost.budget, is the key
 * `budget` of a section `cost` within the section. No two options share a field. */
#define MN_INT(s, f, def_, min_, max_, doc_)                                                       \
    { #f, doc_, NULL, MN_OPT_INT, 0, MN_AT(s, f, int64_t), def_, min_, max_, NULL, NULL }
#define MN_INT_FLAGS(s, f, def_, min_, max_, flags_, doc_)                                         \
    { #f, doc_, NULL, MN_OPT_INT, flags_, MN_AT(s, f, int64_t), def_, min_, max_, NULL, NULL }
#define MN_REAL(s, f, def_, min_, max_, doc_)                                                      \
    { #f, doc_, NULL, MN_OPT_REAL, 0, MN_AT(s, f, double), def_, min_, max_, NULL, NULL }
#define MN_REAL_FLAGS(s, f, def_, min_, max_, flags_, doc_)                                        \
    { #f, doc_, NULL, MN_OPT_REAL, flags_, MN_AT(s, f, double), def_, min_, max_, NULL, NULL }
#define MN_REAL_OPEN MN_REAL_FLAGS /* with MN_OPT_OPEN_MIN, MN_OPT_OPEN_MAX */
#define MN_BOOL(s, f, def_, doc_)                                                                  \
    { #f, doc_, NULL, MN_OPT_BOOL, 0, MN_AT(s, f, bool), def_, 0, 1, NULL, NULL }
#define MN_BOOL_FLAGS(s, f, def_, flags_, doc_)                                                    \
    { #f, doc_, NULL, MN_OPT_BOOL, flags_, MN_AT(s, f, bool), def_, 0, 1, NULL, NULL }
#define MN_TEXT(s, f, def_, doc_)                                                                  \
    { #f, doc_, NULL, MN_OPT_TEXT, 0, MN_AT(s, f, const char *), 0, 0, 0, def_, NULL }
#define MN_PATH(s, f, def_, flags_, doc_)                                                          \
    { #f, doc_, NULL, MN_OPT_PATH, flags_, MN_AT(s, f, const char *), 0, 0, 0, def_, NULL }
#define MN_CHOICE(s, f, def_, choices_, doc_)                                                      \
    { #f, doc_, NULL, MN_OPT_CHOICE, 0, MN_AT(s, f, int32_t), def_, 0, 0, NULL, choices_ }
#define MN_CHOICE_FLAGS(s, f, def_, choices_, flags_, doc_)                                        \
    { #f, doc_, NULL, MN_OPT_CHOICE, flags_, MN_AT(s, f, int32_t), def_, 0, 0, NULL, choices_ }
#define MN_INTS(s, f, def_, min_, max_, doc_)                                                      \
    { #f, doc_, NULL, MN_OPT_INTS, 0, MN_AT(s, f, struct mn_ints), 0, min_, max_, def_, NULL }
#define MN_REALS(s, f, def_, min_, max_, doc_)                                                     \
    { #f, doc_, NULL, MN_OPT_REALS, 0, MN_AT(s, f, struct mn_reals), 0, min_, max_, def_, NULL }
#define MN_TEXTS(s, f, def_, doc_)                                                                 \
    { #f, doc_, NULL, MN_OPT_TEXTS, 0, MN_AT(s, f, struct mn_texts), 0, 0, 0, def_, NULL }
#define MN_AROUND(s, f, doc_)                                                                      \
    {                                                                                              \
#f, doc_, NULL, MN_OPT_UNIT, MN_OPT_REQUIRED, MN_AT(s, f, struct mn_nested), 0, 0, 0,      \
            NULL, NULL                                                                             \
    }

#endif
