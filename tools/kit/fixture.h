/* SPDX-License-Identifier: MIT */
#ifndef KIT_FIXTURE_H
#define KIT_FIXTURE_H

/* An instance of the unit under check with a host of its own, and the brackets round every call of
 * one of its functions. */

#include "globals.h"
#include "kit.h"

#include "plugin/instance.h"

enum kit_watch {
    KIT_WATCH_SELF = 1,    /* [worker] functions leave the instance alone */
    KIT_WATCH_BOUNDS = 2,  /* nothing outside a buffer is written */
    KIT_WATCH_INPUTS = 4,  /* sealed inputs stay the same */
    KIT_WATCH_GLOBALS = 8, /* the state of the process stays the same */
    KIT_WATCH_ALL = 15,
    KIT_NO_START = 16 /* `check` alone */
};

struct kit_fixture {
    const struct kit *kit;
    struct mock mock;
    void *self;
    int owns_self;
    int started;
    unsigned watch;
    uint64_t self_hash; /* before a [worker] call */
    int in_worker;
    int refused;          /* calls for memory before this call */
    const char *function; /* that is being called */
    struct kit_globals globals;
    struct nas_arena arena; /* texts of options */
    union nas_vtable table;
    /* The unit and those in it, as far as the host's own services know them. */
    struct nas_instance units[1 + NAS_MOST_NESTED];
    union nas_vtable nested[1 + NAS_MOST_NESTED]; /* what those around them call (nested.h) */
    void *data;                                   /* of the kind */
};

/* Make the instance with the options of the command line and `more` (n assignments KIND.KEY=VALUE),
 * call `check` and the kind's start. Returns the status of those. The fixture is to be closed in
 * any case. Skips the case where a required option is not given. memory = calls for memory that
 * succeed, -1 = all. */
int kit_fixture_open(struct kit_fixture *fixture, const struct kit *kit, const char *const *more,
                     int n, unsigned watch, int64_t memory);
/* With default options, but other services than the kind's own. */
int kit_fixture_open_with(struct kit_fixture *fixture, const struct kit *kit, unsigned watch,
                          void (*prepare)(struct kit_fixture *fixture));
/* A second host for the same instance, for another thread. */
void kit_fixture_share(struct kit_fixture *fixture, const struct kit_fixture *of);
void kit_fixture_close(struct kit_fixture *fixture);

/* Skips the case where `check` refused an option whose default stands for none, and that the
 * command line does not give. */
void kit_need(const struct kit_fixture *fixture, int status);

/* With defaults, everything working; fails otherwise. */
void kit_fixture_begin(struct kit_fixture *fixture, const struct kit *kit, unsigned watch);

/* The kind's exercise; what it took is given back. */
int kit_exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest);

/* Brackets round a call: kit_call(fixture, "forward", 1); status = kit_end(fixture, forward(...));
 * kit_end fails when the status is unknown, or a failure has no message. */
enum { KIT_SETUP = 0, KIT_WORKER = 1 };
void kit_call(struct kit_fixture *fixture, const char *function, int worker);
int kit_end(struct kit_fixture *fixture, int status);
void kit_end_plain(struct kit_fixture *fixture); /* of a function without a status */

/* Fails unless status is MN_OK; the message of the plugin is told. */
void kit_ok(const struct kit_fixture *fixture, int status);
const char *kit_status_name(int status);

/* Mix bytes into a digest. */
void kit_digest(uint64_t *digest, const void *data, size_t bytes);

/* A buffer of n reals: poisoned outputs, sealed inputs (fill, then kit_seal), zeroed ones. */
mn_real *kit_output(struct kit_fixture *fixture, int64_t n);
mn_real *kit_input(struct kit_fixture *fixture, int64_t n);
/* One that holds from[n]. */
mn_real *kit_copy(struct kit_fixture *fixture, int64_t n, const mn_real *from);
void kit_seal(struct kit_fixture *fixture, void *buffer);
/* Fails unless all n reals were written and are finite. */
void kit_written(const char *what, int64_t n, const mn_real *at);

/* Arrays of weights that a unit declares: each is sound by itself, of `most` reals or fewer, and
 * has a name of its own; kit_fail with `rule` where one is not. */
struct kit_weights {
    const char *rule;
    int64_t most;  /* reals of an array */
    int64_t reals; /* of all that were added */
    int n;
    const char *names[MN_OP_WEIGHTS];
};
void kit_weights_add(struct kit_weights *weights, const struct mn_op_weight *weight);

/* n normal numbers. */
void kit_normal(struct mn_rng *rng, int64_t n, double scale, mn_real *out);

#endif
