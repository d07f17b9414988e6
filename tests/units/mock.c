/* SPDX-License-Identifier: MIT */
#include "mock.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static int service_fail(struct mn_cx *cx, int status, const char *format, va_list args) {
    struct mock *mock = mock_of(cx);
    if (mock->status == MN_OK) {
        mock->status = status;
        vsnprintf(mock->message, sizeof mock->message, format, args);
    }
    return mock->status;
}

static int service_bad_option(struct mn_cx *cx, const char *key, const char *format, va_list args) {
    struct mock *mock = mock_of(cx);
    if (mock->status == MN_OK) {
        snprintf(mock->key, sizeof mock->key, "%s", key);
    }
    return service_fail(cx, MN_CONFIG, format, args);
}

static void service_log(struct mn_cx *cx, int level, const char *format, va_list args) {
    fail_msg("unexpected log line: %s", format);
}

static int service_cancelled(struct mn_cx *cx) {
    return mock_of(cx)->cancelled;
}

static void *block(struct mock *mock, size_t bytes, int fill) {
    void *at = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(at);
    assert_true(mock->n_blocks < MOCK_BLOCKS);
    mock->blocks[mock->n_blocks++] = at;
    memset(at, fill, bytes);
    return at;
}

/* Filled with bytes that make wild pointers and not-a-numbers. */
static void *service_scratch(struct mn_cx *cx, size_t bytes) {
    struct mock *mock = mock_of(cx);
    if (mock->scratch_left == 0) {
        mn_fail(cx, MN_NOMEM, "no scratch");
        return NULL;
    }
    mock->scratch_left--;
    return block(mock, bytes, 0xFF);
}

static void *service_keep(struct mn_cx *cx, size_t bytes) {
    struct mock *mock = mock_of(cx);
    void *at = block(mock, bytes, 0);
    mock->n_kept = mock->n_blocks;
    return at;
}

static mn_real *service_state(struct mn_cx *cx, const char *name, int64_t n) {
    struct mock *mock = mock_of(cx);
    assert_true(n > 0 && mock->n_states < MOCK_STATES);
    for (int i = 0; i < mock->n_states; i++) {
        assert_string_not_equal(mock->states[i].name, name);
    }
    mn_real *at = block(mock, (size_t)n * sizeof *at, 0);
    mock->n_kept = mock->n_blocks;
    mock->states[mock->n_states].name = name;
    mock->states[mock->n_states].at = at;
    mock->states[mock->n_states++].n = n;
    return at;
}

void mock_init(struct mock *mock) {
    memset(mock, 0, sizeof *mock);
    mock->scratch_left = INT64_MAX;
    mock->host.size = sizeof mock->host;
    mock->host.abi_major = MN_ABI_MAJOR;
    mock->host.abi_minor = MN_ABI_MINOR;
    mock->host.fail = service_fail;
    mock->host.bad_option = service_bad_option;
    mock->host.log = service_log;
    mock->host.cancelled = service_cancelled;
    mock->host.scratch = service_scratch;
    mock->host.keep = service_keep;
    mock->host.state = service_state;
    mock->cx.size = sizeof mock->cx;
    mock->cx.host = &mock->host;
    mock->cx.host_data = mock;
    mock->cx.where.size = sizeof mock->cx.where;
}

void mock_fini(struct mock *mock) {
    for (int i = 0; i < mock->n_blocks; i++) {
        free(mock->blocks[i]);
    }
    mock->n_blocks = 0;
}

void mock_free_scratch(struct mock *mock) {
    while (mock->n_blocks > mock->n_kept) {
        free(mock->blocks[--mock->n_blocks]);
    }
}

mn_real *mock_state(struct mock *mock, const char *name, int64_t n) {
    for (int i = 0; i < mock->n_states; i++) {
        if (strcmp(mock->states[i].name, name) == 0) {
            assert_int_equal(mock->states[i].n, n);
            return mock->states[i].at;
        }
    }
    fail_msg("no state %s was claimed", name);
    return NULL;
}

void mock_expect(struct mock *mock, int status, const char *key, const char *text) {
    assert_int_equal(mock->status, status);
    assert_string_equal(mock->key, key != NULL ? key : "");
    if (strstr(mock->message, text) == NULL) {
        fail_msg("the message '%s' lacks '%s'", mock->message, text);
    }
    mock->status = MN_OK;
    mock->message[0] = mock->key[0] = '\0';
}
