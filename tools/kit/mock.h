/* SPDX-License-Identifier: MIT */
#ifndef KIT_MOCK_H
#define KIT_MOCK_H

/* A host made for checking plugins: it keeps what a plugin tells it, guards every buffer it hands
 * out and can run out of memory on request. Model, task and builder services are put into its table
 * by toy.h and record.h. One for each thread. */

#include <metanas/plugin.h>

enum { MOCK_STATES = 16, MOCK_NESTED = 8 };

struct mock_block;

struct mock {
    struct mn_ctx ctx;
    struct mn_host host;
    char message[1024], key[64]; /* of mn_fail and mn_bad_option; a nested unit's: "around.KEY" */
    int status;
    int cancelled;
    int claiming;        /* mn_state may be called; mock_init allows it */
    int64_t memory_left; /* calls of scratch, keep and state that still succeed */
    int n_refused;       /* calls that failed for want of memory_left */
    int n_blocks;        /* taken so far */
    int n_logged;        /* log lines so far */
    struct mock_block *blocks;
    struct {
        char name[64 + 8 * MOCK_NESTED];
        mn_real *at;
        int64_t n;
    } states[MOCK_STATES];
    int n_states;
    const struct mn_nested *nested[MOCK_NESTED]; /* units that were entered and not left */
    int n_nested;
    void *data; /* of toy.h or record.h */
};

/* What happens when a plugin breaks a rule, or memory for checking runs out. `rule` is a name of
 * tools/kit/rules.c. The handler does not return. Set once, before the first mock_init. */
typedef void (*mock_handler)(const char *rule, const char *text);
void mock_on_failure(mock_handler handler);
MN_PRINTF(2, 3) _Noreturn void mock_fail(const char *rule, const char *format, ...);

void mock_init(struct mock *mock);
void mock_fini(struct mock *mock);
static inline struct mock *mock_of(struct mn_ctx *ctx) {
    return (struct mock *)ctx->host_data;
}

/* `bytes` of guarded memory that lives until mock_fini, filled with the byte `fill`. */
enum { MOCK_POISON = 0xFF };
void *mock_buffer(struct mock *mock, size_t bytes, int fill);
/* From now on the buffer's content must not change; or it may again. */
void mock_seal(struct mock *mock, void *buffer);
void mock_unseal(struct mock *mock, void *buffer);

/* Faults unless everything around the buffers is as it was. */
void mock_check_guards(const struct mock *mock);
/* Faults unless the sealed buffers are as they were. */
void mock_check_seals(const struct mock *mock);
/* End of a callback: scratch is given back. */
void mock_release(struct mock *mock);
/* Give back all buffers taken after a mark. */
struct mock_block *mock_mark(const struct mock *mock);
void mock_rewind(struct mock *mock, struct mock_block *mark);

/* Forget the recorded failure. */
void mock_clear(struct mock *mock);

/* The state of that name, which must have been claimed with n reals. */
mn_real *mock_state(struct mock *mock, const char *name, int64_t n);

/* Faults unless the recorded failure has this status, this option (NULL = none) and this text in
 * its message; then forgets it. */
void mock_expect(struct mock *mock, int status, const char *key, const char *text);

#endif
