/* SPDX-License-Identifier: MIT */
#include "mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- failures ----------------------------------------------------------------------------- */

static mock_handler on_failure;

void mock_on_failure(mock_handler handler) {
    on_failure = handler;
}

void mock_fail(const char *rule, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (on_failure != NULL) {
        on_failure(rule, text);
    }
    fprintf(stderr, "%s: %s\n", rule, text);
    exit(EXIT_FAILURE);
}

/* ---- guarded memory ----------------------------------------------------------------------- */

enum { GUARD = 256 };

/* In front of the data, which is aligned to 64 bytes: [block][guard][data][guard]. */
struct mock_block {
    struct mock_block *next;
    size_t bytes;
    uint8_t *sealed; /* a copy, or NULL */
    int is_scratch;
};

enum { HEAD = (sizeof(struct mock_block) + 63) / 64 * 64 };

/* Numbers near 1 in both precisions, so that adding to them shows as well as overwriting them. */
static uint8_t guard_byte(size_t i) {
    static const uint8_t pattern[] = {0xA5, 0x5A, 0xA5, 0x3F, 0xA5, 0x5A, 0xF5, 0x3F};
    return pattern[i % sizeof pattern];
}

static uint8_t *data_of(const struct mock_block *block) {
    return (uint8_t *)(uintptr_t)block + HEAD + GUARD;
}

static void fill_guards(struct mock_block *block) {
    uint8_t *before = data_of(block) - GUARD, *after = data_of(block) + block->bytes;
    for (size_t i = 0; i < GUARD; i++) {
        before[i] = guard_byte(i);
        after[i] = guard_byte(i);
    }
}

static struct mock_block *block_new(struct mock *mock, size_t bytes, int fill) {
    const size_t most = (size_t)1 << 40;
    const size_t room = bytes < most ? (HEAD + 2 * GUARD + bytes + 63) / 64 * 64 : 0;
    struct mock_block *block = room > 0 ? aligned_alloc(64, room) : NULL;
    if (block == NULL) {
        mock_fail("memory", "no memory for %zu bytes", bytes);
    }
    *block = (struct mock_block){.next = mock->blocks, .bytes = bytes};
    memset(data_of(block), fill, bytes);
    fill_guards(block);
    mock->blocks = block;
    mock->n_blocks++;
    return block;
}

static void block_free(struct mock_block *block) {
    free(block->sealed);
    free(block);
}

void *mock_buffer(struct mock *mock, size_t bytes, int fill) {
    return data_of(block_new(mock, bytes, fill));
}

static struct mock_block *block_of(struct mock *mock, const void *buffer) {
    for (struct mock_block *b = mock->blocks; b != NULL; b = b->next) {
        if (data_of(b) == buffer) {
            return b;
        }
    }
    mock_fail("kit", "a buffer that is none of the host's");
}

void mock_seal(struct mock *mock, void *buffer) {
    struct mock_block *block = block_of(mock, buffer);
    if (block->sealed == NULL) {
        block->sealed = malloc(block->bytes + 1);
    }
    if (block->sealed == NULL) {
        mock_fail("memory", "no memory for %zu bytes", block->bytes);
    }
    memcpy(block->sealed, buffer, block->bytes);
}

void mock_unseal(struct mock *mock, void *buffer) {
    struct mock_block *block = block_of(mock, buffer);
    free(block->sealed);
    block->sealed = NULL;
}

static void check_guards(const struct mock_block *block) {
    const uint8_t *before = data_of(block) - GUARD, *after = data_of(block) + block->bytes;
    const char *what = block->is_scratch ? "scratch" : "a buffer";
    for (size_t i = 0; i < GUARD; i++) {
        if (before[GUARD - 1 - i] != guard_byte(GUARD - 1 - i)) {
            mock_fail("out_of_bounds", "%s of %zu bytes was overrun: byte -%zu is changed", what,
                      block->bytes, i + 1);
        }
        if (after[i] != guard_byte(i)) {
            mock_fail("out_of_bounds", "%s of %zu bytes was overrun: byte %zu is changed", what,
                      block->bytes, block->bytes + i);
        }
    }
}

void mock_check_guards(const struct mock *mock) {
    for (const struct mock_block *b = mock->blocks; b != NULL; b = b->next) {
        check_guards(b);
    }
}

void mock_check_seals(const struct mock *mock) {
    for (const struct mock_block *b = mock->blocks; b != NULL; b = b->next) {
        if (b->sealed != NULL && memcmp(b->sealed, data_of(b), b->bytes) != 0) {
            size_t i = 0;
            while (b->sealed[i] == data_of(b)[i]) {
                i++;
            }
            mock_fail("writes_input", "an input of %zu bytes was changed at byte %zu", b->bytes, i);
        }
    }
}

void mock_release(struct mock *mock) {
    struct mock_block **at = &mock->blocks;
    while (*at != NULL) {
        struct mock_block *block = *at;
        if (block->is_scratch) {
            *at = block->next;
            block_free(block);
        } else {
            at = &block->next;
        }
    }
}

struct mock_block *mock_mark(const struct mock *mock) {
    return mock->blocks;
}

void mock_rewind(struct mock *mock, struct mock_block *mark) {
    while (mock->blocks != mark && mock->blocks != NULL) {
        struct mock_block *block = mock->blocks;
        mock->blocks = block->next;
        block_free(block);
    }
}

/* ---- services ----------------------------------------------------------------------------- */

static int service_fail(struct mn_ctx *ctx, int status, const char *format, va_list args) {
    struct mock *mock = mock_of(ctx);
    if (mock->status == MN_OK) {
        mock->status = status < MN_OK ? status : MN_INTERNAL;
        vsnprintf(mock->message, sizeof mock->message, format, args);
    }
    return mock->status;
}

/* What a name is called in the unit that runs: "lr_w", "around.lr_w". */
static void nested_name(const struct mock *mock, const char *name, char *out, size_t size) {
    size_t used = 0;
    for (int i = 0; i < mock->n_nested && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "around.");
    }
    snprintf(out + used, used < size ? size - used : 0, "%s", name);
}

static void service_enter(struct mn_ctx *ctx, const struct mn_nested *nested) {
    struct mock *mock = mock_of(ctx);
    if (mock->n_nested == MOCK_NESTED) {
        mock_fail("nested", "%d units were entered by mn_enter and not left", MOCK_NESTED);
    }
    mock->nested[mock->n_nested++] = nested;
}

static int service_leave(struct mn_ctx *ctx, const struct mn_nested *nested, int status) {
    struct mock *mock = mock_of(ctx);
    if (mock->n_nested == 0 || mock->nested[mock->n_nested - 1] != nested) {
        mock_fail("nested", "mn_leave of a unit that is not the last one that mn_enter entered");
    }
    mock->n_nested--;
    return status;
}

static int service_bad_option(struct mn_ctx *ctx, const char *key, const char *format,
                              va_list args) {
    struct mock *mock = mock_of(ctx);
    if (mock->status == MN_OK) {
        nested_name(mock, key, mock->key, sizeof mock->key);
    }
    return service_fail(ctx, MN_CONFIG, format, args);
}

static void service_log(struct mn_ctx *ctx, int level, const char *format, va_list args) {
    char line[1024];
    mock_of(ctx)->n_logged++;
    vsnprintf(line, sizeof line, format, args); /* so that wrong arguments show */
}

static int service_cancelled(struct mn_ctx *ctx) {
    return mock_of(ctx)->cancelled;
}

/* 1 where this call for memory is to fail. */
static int no_memory(struct mn_ctx *ctx, const char *what, size_t bytes) {
    struct mock *mock = mock_of(ctx);
    if (mock->memory_left == 0) {
        mock->n_refused++;
        mn_fail(ctx, MN_NOMEM, "no memory for %zu bytes of %s", bytes, what);
        return 1;
    }
    mock->memory_left--;
    return 0;
}

/* Filled with bytes that make wild pointers and not-a-numbers. */
static void *service_scratch(struct mn_ctx *ctx, size_t bytes) {
    if (no_memory(ctx, "scratch", bytes)) {
        return NULL;
    }
    struct mock_block *block = block_new(mock_of(ctx), bytes, MOCK_POISON);
    block->is_scratch = 1;
    return data_of(block);
}

static void *service_keep(struct mn_ctx *ctx, size_t bytes) {
    return no_memory(ctx, "kept memory", bytes) ? NULL : mock_buffer(mock_of(ctx), bytes, 0);
}

/* `full`: "around.NAME" of a nested unit. */
static void check_claim(const struct mock *mock, const char *full, const char *name, int64_t n) {
    if (!mock->claiming) {
        mock_fail("state_claim", "mn_state(\"%s\") was called outside start", name);
    }
    if (name[0] == '\0' || strlen(name) >= 64 || n <= 0) {
        mock_fail("state_claim",
                  "mn_state(\"%.80s\", %lld): a name of 1 to 63 letters and a "
                  "positive length are needed",
                  name, (long long)n);
    }
    for (int i = 0; i < mock->n_states; i++) {
        if (strcmp(mock->states[i].name, full) == 0) {
            mock_fail("state_claim", "the state '%s' was claimed twice", full);
        }
    }
    if (mock->n_states == MOCK_STATES) {
        mock_fail("state_claim", "more than %d states were claimed", MOCK_STATES);
    }
}

static void *service_keep_shared(struct mn_ctx *ctx, size_t bytes, int *filled) {
    return ctx->host->keep(ctx, bytes); /* the only process: nobody has filled it */
}

static mn_real *service_state(struct mn_ctx *ctx, const char *name, int64_t n) {
    struct mock *mock = mock_of(ctx);
    char full[64 + 8 * MOCK_NESTED];
    nested_name(mock, name, full, sizeof full);
    check_claim(mock, full, name, n);
    if (no_memory(ctx, "state", (size_t)n * sizeof(mn_real))) {
        return NULL;
    }
    mn_real *at = mock_buffer(mock, (size_t)n * sizeof *at, 0);
    snprintf(mock->states[mock->n_states].name, sizeof mock->states[0].name, "%s", full);
    mock->states[mock->n_states].at = at;
    mock->states[mock->n_states++].n = n;
    return at;
}

static void service_gemm(int trans_a, int trans_b, int m, int n, int k, mn_real alpha,
                         const mn_real *a, int lda, const mn_real *b, int ldb, mn_real beta,
                         mn_real *c, int ldc) {
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            double sum = 0;
            for (ptrdiff_t l = 0; l < k; l++) {
                sum += (double)a[trans_a ? l * lda + i : i * lda + l] *
                       (double)b[trans_b ? j * ldb + l : l * ldb + j];
            }
            mn_real *at = &c[i * ldc + j];
            *at = (mn_real)((double)alpha * sum + (beta == 0 ? 0 : (double)beta * (double)*at));
        }
    }
}

static int service_metric(struct mn_ctx *ctx, const char *name, double value) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (name == NULL || name[0] < 'a' || name[0] > 'z' || name[strspn(name, letters)] != '\0') {
        mock_fail("metric", "mn_metric(\"%.80s\"): a name has lower-case letters, digits and '_'",
                  name != NULL ? name : "NULL");
    }
    return MN_OK;
}

/* The unit stands alone. */
static const char *service_configured(struct mn_ctx *ctx, const char *key) {
    return NULL;
}

/* ---- the whole ---------------------------------------------------------------------------- */

void mock_init(struct mock *mock) {
    memset(mock, 0, sizeof *mock);
    mock->memory_left = INT64_MAX;
    mock->claiming = 1;
    mock->host.size = sizeof mock->host;
    mock->host.abi_major = MN_ABI_MAJOR;
    mock->host.abi_minor = MN_ABI_MINOR;
    mock->host.fail = service_fail;
    mock->host.bad_option = service_bad_option;
    mock->host.log = service_log;
    mock->host.cancelled = service_cancelled;
    mock->host.enter = service_enter;
    mock->host.leave = service_leave;
    mock->host.configured = service_configured;
    mock->host.scratch = service_scratch;
    mock->host.keep = service_keep;
    mock->host.keep_shared = service_keep_shared;
    mock->host.state = service_state;
    mock->host.metric = service_metric;
    mock->host.gemm = service_gemm;
    mock->ctx.size = sizeof mock->ctx;
    mock->ctx.host = &mock->host;
    mock->ctx.host_data = mock;
    mock->ctx.where.size = sizeof mock->ctx.where;
}

void mock_fini(struct mock *mock) {
    mock_rewind(mock, NULL);
    mock->n_blocks = 0;
}

void mock_clear(struct mock *mock) {
    mock->status = MN_OK;
    mock->message[0] = mock->key[0] = '\0';
}

mn_real *mock_state(struct mock *mock, const char *name, int64_t n) {
    for (int i = 0; i < mock->n_states; i++) {
        if (strcmp(mock->states[i].name, name) == 0) {
            if (mock->states[i].n != n) {
                mock_fail("state_claim", "the state %s has %lld reals, expected %lld", name,
                          (long long)mock->states[i].n, (long long)n);
            }
            return mock->states[i].at;
        }
    }
    mock_fail("state_claim", "no state %s was claimed", name);
}

void mock_expect(struct mock *mock, int status, const char *key, const char *text) {
    if (mock->status != status || strcmp(mock->key, key != NULL ? key : "") != 0 ||
        strstr(mock->message, text) == NULL) {
        mock_fail("fails", "status %d, option '%s', message '%s'; expected %d, '%s' and '%s'",
                  mock->status, mock->key, mock->message, status, key != NULL ? key : "", text);
    }
    mock_clear(mock);
}
