/* SPDX-License-Identifier: MIT */
/* Rank 0: the configuration of an experiment opened by all ranks. */
#include "run/difference.h"
#include "run/origin.h"
#include "run/ranks_wire.h"

#include <stdlib.h>
#include <string.h>

/* The first line in which two texts differ, cut out of both. */
static void first_difference(char *a, char *b, char **a_line, char **b_line) {
    do {
        *a_line = strsep(&a, "\n");
        *b_line = strsep(&b, "\n");
    } while (*a_line != NULL && *b_line != NULL && strcmp(*a_line, *b_line) == 0);
}

static int compare_origin(struct mn__ranks *ranks, struct mn_cx *cx, int rank, const char *here,
                          char *there) {
    char *copy = strdup(here), *a, *b;
    if (copy == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory to compare ranks");
    }
    first_difference(copy, there, &a, &b);
    int status = MN_OK;
    if (a != NULL || b != NULL) {
        status = mn_fail(cx, MN_CONFIG,
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

/* What a rank says to MN__OPEN. */
static int take_ready(struct mn__ranks *ranks, struct mn_cx *cx, int from,
                      const struct mn__head *head, const char *origin) {
    struct mn__rank *x = &ranks->at[from];
    char *body = NULL;
    int status = mn__rank_text(ranks, cx, from, head->bytes, &body);
    if (status == MN_OK && head->status != MN_OK) {
        status = mn_fail(cx, head->status, "rank %d (%s): %s", from, x->host, body);
    } else if (status == MN_OK &&
               (head->bytes < (int64_t)sizeof x->share || head->word != MN__READY ||
                head->index < 1 || head->index > MOST_THREADS)) {
        status = mn_fail(cx, MN_INTERNAL, "rank %d (%s) sends no answer to a configuration", from,
                         x->host);
    }
    if (status == MN_OK) {
        x->threads = (int)head->index;
        memcpy(&x->share, body, sizeof x->share);
        x->share.n = x->share.n >= 0 && x->share.n <= MN__MOST_SHARED ? x->share.n : 0;
        status = compare_origin(ranks, cx, from, origin, body + sizeof x->share);
    }
    free(body);
    return status;
}

/* `n` ranks answer, all of them, so that none is left in the middle of it; the first failure
 * counts. */
static int wait_until_open(struct mn__ranks *ranks, struct mn_cx *cx, const char *origin, int n) {
    char message[MN__MESSAGE] = "";
    int first = MN_OK, idle = 0;
    for (int open = 0; open < n && !ranks->lost;) {
        struct mn__head head;
        int from;
        int status = mn__rank_poll(ranks, cx, &from, &head);
        if (status == MN_OK && from < 0) {
            mn__rank_nap(&idle);
            continue;
        }
        idle = 0;
        if (status == MN_OK && head.word == MN__CANCEL) {
            status = mn__rank_signal(cx, from, &head);
        } else if (status == MN_OK) {
            open++;
            status = take_ready(ranks, cx, from, &head, origin);
        }
        if (status != MN_OK && first == MN_OK) {
            first = status;
            snprintf(message, sizeof message, "%s", mn__cx_message(cx));
        }
        mn__cx_clear(cx);
    }
    return first != MN_OK ? mn_fail(cx, first, "%s", message) : MN_OK;
}

/* Of each node the first rank reads the data; the others can then have it from there. */
static int opens_first(const struct mn__ranks *ranks, int rank) {
    return ranks->at[rank].first == rank || ranks->at[rank].first == 0;
}

static int send_open(struct mn__ranks *ranks, struct mn_cx *cx, int to, const char *text,
                     int64_t max_batch) {
    const struct mn__rank *x = &ranks->at[to];
    struct mn__opening opening = {.max_batch = max_batch};
    const size_t length = strlen(text);
    char *body = malloc(sizeof opening + length);
    if (body == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for a message");
    }
    if (x->first != to) {
        opening.share = ranks->at[x->first].share;
    }
    memcpy(body, &opening, sizeof opening);
    memcpy(body + sizeof opening, text, length);
    const struct mn__head head = {.word = MN__OPEN,
                                  .index = x->processors,
                                  .status = x->first == to && !x->alone,
                                  .bytes = (int64_t)(sizeof opening + length)};
    const int status = mn__rank_send(ranks, cx, to, &head, body);
    free(body);
    return status;
}

static int open_others(struct mn__ranks *ranks, struct mn_cx *cx, const char *text,
                       int64_t max_batch, const char *origin) {
    int status = MN_OK;
    for (int first = 1; status == MN_OK && first >= 0; first--) {
        int n = 0;
        for (int i = 1; status == MN_OK && i < ranks->n; i++) {
            if (opens_first(ranks, i) == first) {
                status = send_open(ranks, cx, i, text, max_batch);
                n++;
            }
        }
        if (status == MN_OK) {
            status = wait_until_open(ranks, cx, origin, n);
        }
    }
    return status;
}

int mn__rank_open(struct mn__ranks *ranks, struct mn_cx *cx, const struct mn__experiment *e) {
    char *text = NULL, *origin = NULL;
    size_t length;
    int status = mn__origin_text(e, cx, &origin);
    if (status == MN_OK) {
        status = mn__resolved_text(e, cx, &text, &length);
    }
    if (status == MN_OK && (ranks->opened == NULL || ranks->opened_batch != e->max_batch ||
                            strcmp(ranks->opened, text) != 0)) {
        free(ranks->opened);
        ranks->opened = NULL;
        ranks->at[0].share = e->dataset.share;
        status = open_others(ranks, cx, text, e->max_batch, origin);
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
