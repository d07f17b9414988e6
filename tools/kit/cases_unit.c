/* SPDX-License-Identifier: MIT */
/* Cases that hold for units of every kind. */

#include "fixture.h"

#include "base/text.h"
#include "plugin/kinds.h"
#include "plugin/registry.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MOST_REFUSALS = 200, PATIENCE = 3 /* seconds */ };
enum { SEED = 12345, LIVES = 1000, WARM_UP = 20, THREADS = 4, THREAD_ROUNDS = 25 };

/* ---- docs --------------------------------------------------------------------------------- */

static void check_doc(const char *of, const char *doc) {
    if (strchr(doc, '\n') != NULL) {
        kit_fail("docs", "the doc of %s has more than one line", of);
    }
    if (doc[strlen(doc) - 1] == '.') {
        kit_fail("docs", "the doc of %s ends with a full stop", of);
    }
}

static void docs(const struct kit *kit) {
    check_doc("the unit", kit->unit->doc);
    for (uint32_t i = 0; i < kit->options.n; i++) {
        const struct mn_opt *o = &kit->options.at[i];
        check_doc(o->key, o->doc);
    }
}

/* ---- plain calls -------------------------------------------------------------------------- */

static void defaults(const struct kit *kit) {
    struct kit_fixture fixture;
    const int status = kit_fixture_open(&fixture, kit, NULL, 0, KIT_NO_START, -1);
    kit_need(&fixture, status);
    if (status != MN_OK) {
        kit_fail("refused_defaults", "check returned %s: %s%s%s", kit_status_name(status),
                 fixture.mock.key, fixture.mock.key[0] != '\0' ? ": " : "", fixture.mock.message);
    }
    kit_fixture_close(&fixture);
}

/* A fixture with default options, and all functions once. */
static uint64_t live(const struct kit *kit, unsigned watch) {
    struct kit_fixture fixture;
    uint64_t digest;
    kit_fixture_begin(&fixture, kit, watch);
    kit_ok(&fixture, kit_exercise(&fixture, SEED, 0, &digest));
    kit_fixture_close(&fixture);
    return digest;
}

static void calls(const struct kit *kit) {
    live(kit, 0);
}

static void bounds(const struct kit *kit) {
    live(kit, KIT_WATCH_BOUNDS);
}

static void constant(const struct kit *kit) {
    live(kit, KIT_WATCH_SELF);
}

static void inputs(const struct kit *kit) {
    live(kit, KIT_WATCH_INPUTS);
}

static void process(const struct kit *kit) {
    live(kit, KIT_WATCH_GLOBALS);
}

static void repeat(const struct kit *kit) {
    const uint64_t first = live(kit, 0);
    for (int i = 0; i < 2; i++) {
        if (live(kit, 0) != first) {
            kit_fail("not_repeatable",
                     "a second instance with the same inputs gives other outputs");
        }
    }
}

/* ---- memory ------------------------------------------------------------------------------- */

/* The n-th call for memory fails. Returns 1 while there are so many. */
static int live_without(const struct kit *kit, int64_t n) {
    struct kit_fixture fixture;
    uint64_t digest;
    kit_at("call %" PRId64 " for memory finds none", n + 1);
    int status = kit_fixture_open(&fixture, kit, NULL, 0, 0, n);
    if (status == MN_OK) {
        status = kit_exercise(&fixture, SEED, 0, &digest);
    }
    const int refused = fixture.mock.n_refused > 0;
    if (!refused) {
        kit_need(&fixture, status);
        kit_ok(&fixture, status);
    }
    kit_fixture_close(&fixture);
    return refused;
}

static void no_memory(const struct kit *kit) {
    const double begin = kit_seconds();
    int64_t n = 0;
    while (n < MOST_REFUSALS && kit_seconds() - begin < PATIENCE && live_without(kit, n)) {
        n++;
    }
    if (n == MOST_REFUSALS || kit_seconds() - begin >= PATIENCE) {
        kit_note("only the first %" PRId64 " calls for memory were refused", n);
    }
}

/* Up to `most` instances, fewer where they are expensive. Returns how many. */
static int live_on(const struct kit *kit, int most, double limit) {
    const double begin = kit_seconds();
    int n = 0;
    while (n < most && (n < 3 || kit_seconds() - begin < limit)) {
        live(kit, 0);
        n++;
    }
    return n;
}

/* A leak grows with the instances; the allocator's own caches do not. */
static void cleanup(const struct kit *kit) {
    live_on(kit, WARM_UP, 1);
    const int descriptors = kit_count_descriptors(), threads = kit_count_threads();
    const int64_t first = kit_count_heap();
    const int n = live_on(kit, LIVES / 2, 1);
    const int64_t second = kit_count_heap();
    live_on(kit, n, 5);
    const int64_t third = kit_count_heap();
    if (kit_count_descriptors() > descriptors) {
        kit_fail("descriptors", "%d more after %d instances", kit_count_descriptors() - descriptors,
                 2 * n);
    }
    if (kit_count_threads() > threads) {
        kit_fail("threads_left", "%d more after %d instances", kit_count_threads() - threads,
                 2 * n);
    }
    if (first < 0) {
        kit_skip("this build's memory allocator does not tell what is taken");
    }
    if (n < LIVES / 2) {
        kit_note("only %d instances: they are expensive", 2 * n);
    }
    if (second - first > 4 * n + 4096 && third - second > 4 * n + 4096) {
        kit_fail("leak", "%" PRId64 " bytes after %d instances, %" PRId64 " after %d",
                 second - first, n, third - first, 2 * n);
    }
}

/* ---- threads ------------------------------------------------------------------------------ */

struct crew {
    const struct kit_fixture *shared;
    pthread_barrier_t barrier;
    uint64_t expected[THREADS];
};

struct member {
    struct crew *crew;
    int number;
    pthread_t thread;
};

static void *work(void *data) {
    const struct member *member = data;
    struct crew *crew = member->crew;
    pthread_barrier_wait(&crew->barrier);
    for (int round = 0; round < THREAD_ROUNDS; round++) {
        const int i = (member->number + round) % THREADS;
        struct kit_fixture fixture;
        uint64_t digest;
        kit_fixture_share(&fixture, crew->shared);
        kit_ok(&fixture, kit_exercise(&fixture, (uint64_t)i, 1, &digest));
        if (digest != crew->expected[i]) {
            kit_fail("thread_race", "thread %d, round %d: other outputs than alone",
                     member->number + 1, round + 1);
        }
        kit_fixture_close(&fixture);
    }
    return NULL;
}

static void threads(const struct kit *kit) {
    struct kit_fixture fixture;
    struct crew crew = {.shared = &fixture};
    struct member members[THREADS];
    int n = 0;
    kit_fixture_begin(&fixture, kit, 0);
    for (int i = 0; i < THREADS; i++) {
        uint64_t again;
        kit_ok(&fixture, kit_exercise(&fixture, (uint64_t)i, 1, &crew.expected[i]));
        kit_ok(&fixture, kit_exercise(&fixture, (uint64_t)i, 1, &again));
        if (crew.expected[i] != again) {
            kit_skip("one thread alone does not repeat itself");
        }
    }
    pthread_barrier_init(&crew.barrier, NULL, THREADS);
    for (; n < THREADS; n++) {
        members[n] = (struct member){.crew = &crew, .number = n};
        if (pthread_create(&members[n].thread, NULL, work, &members[n]) != 0) {
            kit_fail("kit", "no thread could be started");
        }
    }
    while (n-- > 0) {
        pthread_join(members[n].thread, NULL);
    }
    pthread_barrier_destroy(&crew.barrier);
    kit_fixture_close(&fixture);
}

/* ---- options ------------------------------------------------------------------------------ */

enum { ASSIGNMENT = 256 };

static void assign(const struct kit *kit, const struct mn_opt *o, const char *value,
                   char out[ASSIGNMENT]) {
    snprintf(out, ASSIGNMENT, "%s.%s=%s", nas_kind_name(kit->unit->kind), o->key, value);
}

static void assign_number(const struct kit *kit, const struct mn_opt *o, double value,
                          char out[ASSIGNMENT]) {
    char text[64];
    if (o->type == MN_OPT_INT) {
        snprintf(text, sizeof text, "%" PRId64, (int64_t)value);
    } else {
        nas_text_from_real(value, text, sizeof text);
    }
    assign(kit, o, text, out);
}

/* A unit may refuse what does not go together, if it says which option it is. */
static void check_refusal(const struct kit *kit, const struct kit_fixture *fixture, int status) {
    for (uint32_t i = 0; i < kit->options.n; i++) {
        if (status == MN_CONFIG && strcmp(kit->options.at[i].key, fixture->mock.key) == 0) {
            return;
        }
    }
    kit_fail("refused_option", "%s returned %s: %s", fixture->function, kit_status_name(status),
             fixture->mock.message);
}

static void try_option(const struct kit *kit, const char *assignment) {
    const struct kit_kind *kind = kit_kind(kit->unit->kind);
    struct kit_fixture fixture;
    uint64_t digest;
    kit_at("%s", assignment);
    const int status =
        kit_fixture_open(&fixture, kit, &assignment, 1, kind->options ? 0 : KIT_NO_START, -1);
    if (status != MN_OK) {
        check_refusal(kit, &fixture, status);
    } else if (kind->ends) {
        kit_ok(&fixture, kit_exercise(&fixture, SEED, 0, &digest));
    }
    kit_fixture_close(&fixture);
}

static void try_ends(const struct kit *kit, const struct mn_opt *o) {
    char text[ASSIGNMENT];
    if ((o->flags & MN_OPT_OPEN_MIN) == 0) {
        assign_number(kit, o, o->min, text);
        try_option(kit, text);
    }
    if ((o->flags & MN_OPT_OPEN_MAX) == 0) {
        assign_number(kit, o, o->max, text);
        try_option(kit, text);
    }
}

static void option_ends(const struct kit *kit) {
    for (uint32_t i = 0; i < kit->options.n; i++) {
        const struct mn_opt *o = &kit->options.at[i];
        char text[ASSIGNMENT];
        if (o->type == MN_OPT_INT || o->type == MN_OPT_REAL) {
            try_ends(kit, o);
        } else if (o->type == MN_OPT_BOOL) {
            assign(kit, o, "true", text);
            try_option(kit, text);
            assign(kit, o, "false", text);
            try_option(kit, text);
        }
        for (int c = 0; o->type == MN_OPT_CHOICE && o->choices[c] != NULL; c++) {
            assign(kit, o, o->choices[c], text);
            try_option(kit, text);
        }
    }
}

/* ---- fuzzing ------------------------------------------------------------------------------ */

/* In the range and of the order of the default: sizes and rates at the far ends of their ranges are
 * a matter of patience, not of correctness. */
static double random_number(struct mn_rng *rng, const struct mn_opt *o) {
    const double u = mn_rng_uniform(rng);
    if (o->type == MN_OPT_INT) {
        const double low = fmax(o->min, o->def - 8), high = fmin(o->max, o->def + 8);
        return floor(low + u * (high - low));
    }
    double value = o->def * pow(10, 2 * u - 1);
    if (o->def <= 0) {
        value = o->min + u * fmin(o->max - o->min, 1);
    }
    const int outside = value < o->min || value > o->max || (value <= o->min && o->flags != 0) ||
                        (value >= o->max && o->flags != 0);
    return outside ? o->def : value;
}

/* 1 where the option takes part. */
static int random_option(const struct kit *kit, struct mn_rng *rng, const struct mn_opt *o,
                         char out[ASSIGNMENT]) {
    int n = 0;
    if (mn_rng_below(rng, 2) == 0 || (o->flags & MN_OPT_REQUIRED) != 0) {
        return 0;
    }
    switch (o->type) {
    case MN_OPT_INT:
    case MN_OPT_REAL:
        assign_number(kit, o, random_number(rng, o), out);
        return 1;
    case MN_OPT_BOOL:
        assign(kit, o, mn_rng_below(rng, 2) ? "true" : "false", out);
        return 1;
    case MN_OPT_CHOICE:
        while (o->choices[n] != NULL) {
            n++;
        }
        assign(kit, o, o->choices[mn_rng_below(rng, (uint32_t)n)], out);
        return 1;
    default:
        return 0;
    }
}

enum { MOST_OPTIONS = 64 };

/* Any status with a message will do, but rules about memory, outputs and state hold all the same.
 */
static void fuzz_options(const struct kit *kit, uint64_t seed) {
    static char texts[MOST_OPTIONS][ASSIGNMENT];
    const char *more[MOST_OPTIONS];
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 0, 0, 0, 0);
    struct kit_fixture fixture;
    uint64_t digest;
    int n = 0;
    for (uint32_t i = 0; i < kit->options.n && n < MOST_OPTIONS; i++) {
        more[n] = texts[n];
        n += random_option(kit, &rng, &kit->options.at[i], texts[n]);
    }
    const int status = kit_fixture_open(&fixture, kit, more, n, KIT_WATCH_ALL, -1);
    if (status != MN_OK) {
        check_refusal(kit, &fixture, status);
    } else {
        kit_exercise(&fixture, seed, 0, &digest);
    }
    kit_fixture_close(&fixture);
}

static void fuzz(const struct kit *kit) {
    const struct kit_kind *kind = kit_kind(kit->unit->kind);
    struct kit_fixture fixture;
    uint64_t digest;
    if (!kind->options) {
        kit_fixture_begin(&fixture, kit, KIT_WATCH_ALL);
    }
    for (int64_t round = 0; round < kit->rounds; round++) {
        const uint64_t seed = kit->seed + (uint64_t)round;
        kit_at("round %" PRId64 ", seed %" PRIu64, round + 1, seed);
        kit_report_current()->seed = seed;
        kit_report_current()->seeded = 1;
        if (kind->options) {
            fuzz_options(kit, seed);
        } else {
            kit_exercise(&fixture, seed, 0, &digest);
        }
    }
    kit_report_current()->seeded = 0;
    if (!kind->options) {
        kit_fixture_close(&fixture);
    }
}

const struct kit_case kit_unit_cases[] = {
    {"docs", "one line explains the unit and each of its options", 0, docs},
    {"defaults", "the unit accepts its own defaults", KIT_GATE, defaults},
    {"calls", "every function works once, and writes its outputs", KIT_GATE | KIT_EXERCISES, calls},
    {"repeat", "the same inputs give the same outputs, to the bit", KIT_EXERCISES, repeat},
    {"bounds", "nothing is written outside of a buffer", KIT_EXERCISES, bounds},
    {"constant", "functions marked [worker] leave the instance alone", KIT_EXERCISES, constant},
    {"inputs", "what is lent as const stays the same", KIT_EXERCISES, inputs},
    {"process", "locale, floating-point mode, signals, folder and environment stay the same",
     KIT_EXERCISES, process},
    {"no_memory", "every refused call for memory ends in MN_NOMEM", KIT_EXERCISES, no_memory},
    {"cleanup", "1000 instances leave no memory, files or threads behind", KIT_EXERCISES, cleanup},
    {"threads", "four threads at once get what one gets alone", KIT_EXERCISES, threads},
    {"options", "the ends of every range and all choices are accepted, or refused by name", 0,
     option_ends},
    {"fuzz", "random options and inputs break no rule", KIT_EXERCISES, fuzz},
};
const size_t kit_n_unit_cases = sizeof kit_unit_cases / sizeof kit_unit_cases[0];
