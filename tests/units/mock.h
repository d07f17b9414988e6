/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNITS_MOCK_H
#define TESTS_UNITS_MOCK_H

/* A host made for tests: it keeps what a plugin tells it. Model, task and builder services are put
 * into its table by toy.h and record.h. */

#include <metanas/plugin.h>

enum { MOCK_BLOCKS = 1024, MOCK_STATES = 16 };

struct mock {
    struct mn_cx cx;
    struct mn_host host;
    char message[1024], key[64]; /* of mn_fail and mn_bad_option */
    int status;
    int cancelled;
    int64_t scratch_left; /* calls that still succeed */
    void *blocks[MOCK_BLOCKS];
    int n_blocks;
    int n_kept; /* of the blocks: up to the last that mn_keep or mn_state gave */
    struct {
        const char *name;
        mn_real *at;
        int64_t n;
    } states[MOCK_STATES];
    int n_states;
    void *data; /* of toy.h or record.h */
};

void mock_init(struct mock *mock);
void mock_fini(struct mock *mock);
/* Free what mn_scratch gave after the last mn_keep or mn_state. */
void mock_free_scratch(struct mock *mock);
static inline struct mock *mock_of(struct mn_cx *cx) {
    return (struct mock *)cx->host_data;
}

/* The state of that name, which must have been claimed with n reals. */
mn_real *mock_state(struct mock *mock, const char *name, int64_t n);

/* Fails the test unless the recorded failure has this status, this option (NULL = none) and this
 * text in its message; then forgets it. */
void mock_expect(struct mock *mock, int status, const char *key, const char *text);

#endif
