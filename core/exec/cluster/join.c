/* SPDX-License-Identifier: MIT */
/* Rank 0: the configuration of an experiment opened by all ranks. */
#include "exec/cluster/wire.h"
#include "learn/config_diff.h"
#include "store/provenance.h"

#include <stdlib.h>
#include <string.h>

/* The first line in which two texts differ, cut out of both. */
static void first_difference(char *a, char *b, char **a_line, char **b_line) {
    do {
        *a_line = strsep(&a, "\n");
        *b_line = strsep(&b, "\n");
    } while (*a_line != NULL && *b_line != NULL && strcmp(*a_line, *b_line) == 0);
}

static int compare_origin(struct nas_ranks *ranks, struct mn_ctx *ctx, int rank, const char *here,
                          char *there) {
    char *copy = strdup(here), *a, *b;
    if (copy == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory to compare ranks");
    }
    first_difference(copy, there, &a, &b);
    int status = MN_OK;
    if (a != NULL || b != NULL) {
        status = mn_fail(ctx, MN_CONFIG,
                         "rank %d (%s) would compute other bits than rank 0 (%s): '%s' there, '%s' "
                         "here; install the same files on every node, and choose kernels that all "
                         "have (run.kernels, OPENBLAS_CORETYPE)",
                         rank, ranks->at[rank].host, ranks->at[0].host, b != NULL ? b : "nothing",
                         a != NULL ? a : "nothing");
    }
    free(copy);
    return status;
}

enum { MOST_THREADS = 1 << 16 };

/* What a rank says to NAS_OPEN. */
static int take_ready(struct nas_ranks *ranks, struct mn_ctx *ctx, int from,
                      const struct nas_head *head, const char *origin) {
    struct nas_rank *x = &ranks->at[from];
    char *body = NULL;
    int status = nas_rank_text(ranks, ctx, from, head->bytes, &body);
    if (status == MN_OK && head->status != MN_OK) {
        status = mn_fail(ctx, head->status, "rank %d (%s): %s", from, x->host, body);
    } else if (status == MN_OK &&
               (head->bytes < (int64_t)sizeof x->share || head->word != NAS_READY ||
                head->index < 1 || head->index > MOST_THREADS)) {
        status = mn_fail(ctx, MN_INTERNAL, "rank %d (%s) sends no answer to a configuration", from,
                         x->host);
    }
    if (status == MN_OK) {
        x->threads = (int)head->index;
        memcpy(&x->share, body, sizeof x->share);
        x->share.n = x->share.n >= 0 && x->share.n <= NAS_MOST_SHARED ? x->share.n : 0;
        status = compare_origin(ranks, ctx, from, origin, body + sizeof x->share);
    }
    free(body);
    return status;
}

/* `n` ranks answer, all of them, so that none is left in the middle of it; the first failure
 * counts. */
static int wait_until_open(struct nas_ranks *ranks, struct mn_ctx *ctx, const char *origin, int n) {
    char message[NAS_MESSAGE] = "";
    int first = MN_OK, idle = 0;
    for (int open = 0; open < n && !ranks->lost;) {
        struct nas_head head;
        int from;
        int status = nas_rank_poll(ranks, ctx, &from, &head);
        if (status == MN_OK && from < 0) {
            nas_rank_nap(&idle);
            continue;
        }
        idle = 0;
        if (status == MN_OK && head.word == NAS_CANCEL) {
            status = nas_rank_signal(ctx, from, &head);
        } else if (status == MN_OK) {
            open++;
            status = take_ready(ranks, ctx, from, &head, origin);
        }
        if (status != MN_OK && first == MN_OK) {
            first = status;
            snprintf(message, sizeof message, "%s", nas_ctx_message(ctx));
        }
        nas_ctx_clear(ctx);
    }
    return first != MN_OK ? mn_fail(ctx, first, "%s", message) : MN_OK;
}

/* Of each node the first rank reads the data; the others can then have it from there. */
static int opens_first(const struct nas_ranks *ranks, int rank) {
    return ranks->at[rank].first == rank || ranks->at[rank].first == 0;
}

static int send_open(struct nas_ranks *ranks, struct mn_ctx *ctx, int to, const char *text,
                     int64_t max_batch) {
    const struct nas_rank *x = &ranks->at[to];
    struct nas_opening opening = {.max_batch = max_batch};
    const size_t length = strlen(text);
    char *body = malloc(sizeof opening + length);
    if (body == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a message");
    }
    if (x->first != to) {
        opening.share = ranks->at[x->first].share;
    }
    memcpy(body, &opening, sizeof opening);
    memcpy(body + sizeof opening, text, length);
    const struct nas_head head = {.word = NAS_OPEN,
                                  .index = x->processors,
                                  .status = x->first == to && !x->alone,
                                  .bytes = (int64_t)(sizeof opening + length)};
    const int status = nas_rank_send(ranks, ctx, to, &head, body);
    free(body);
    return status;
}

static int open_others(struct nas_ranks *ranks, struct mn_ctx *ctx, const char *text,
                       int64_t max_batch, const char *origin) {
    int status = MN_OK;
    for (int first = 1; status == MN_OK && first >= 0; first--) {
        int n = 0;
        for (int i = 1; status == MN_OK && i < ranks->n; i++) {
            if (opens_first(ranks, i) == first) {
                status = send_open(ranks, ctx, i, text, max_batch);
                n++;
            }
        }
        if (status == MN_OK) {
            status = wait_until_open(ranks, ctx, origin, n);
        }
    }
    return status;
}

int nas_rank_open(struct nas_ranks *ranks, struct mn_ctx *ctx, const struct nas_experiment *e) {
    char *text = NULL, *origin = NULL;
    size_t length;
    int status = nas_provenance_text(e, ctx, &origin);
    if (status == MN_OK) {
        status = nas_config_text(e, ctx, &text, &length);
    }
    if (status == MN_OK && (ranks->opened == NULL || ranks->opened_batch != e->max_batch ||
                            strcmp(ranks->opened, text) != 0)) {
        free(ranks->opened);
        ranks->opened = NULL;
        ranks->at[0].share = e->dataset.share;
        status = open_others(ranks, ctx, text, e->max_batch, origin);
        if (status == MN_OK) {
            ranks->opened = text;
            ranks->opened_batch = e->max_batch;
            text = NULL;
        }
    }
    free(text);
    free(origin);
    return status;
}
