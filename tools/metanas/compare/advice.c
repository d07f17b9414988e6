/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "base/buffer.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_NAMED = 12 };

/* Commands are copied into a shell, and names may hold what it takes for something else. */
static void put_name(FILE *out, const char *name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./+=-:,@%";
    const int quote = name[strspn(name, plain)] != '\0';
    fputs(quote ? "'" : "", out);
    for (; *name != '\0'; name++) {
        if (*name == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*name, out);
        }
    }
    fputs(quote ? "'" : "", out);
}

/* A test of all runs on one list, which is drawn as `like` was tested. */
static void put_list(FILE *out, const struct compared *all, const struct tested_run *like) {
    fputs("\n  metanas episodes ", out);
    put_name(out, like->name);
    fprintf(
        out, " --tasks %" PRId64 "%s%s --out common.episodes\n  metanas compare", like->test.tasks,
        like->test.split != NULL && strcmp(like->test.split, "test") != 0 ? " --split " : "",
        like->test.split != NULL && strcmp(like->test.split, "test") != 0 ? like->test.split : "");
    for (int i = 0; i < all->operands->n && i < MOST_NAMED; i++) {
        fputc(' ', out);
        put_name(out, all->operands->at[i]);
    }
    fprintf(out, "%s --episodes common.episodes", all->operands->n > MOST_NAMED ? " RUN.." : "");
}

/* A test of `run` on the tasks of `like`. */
static void put_test(FILE *out, const struct tested_run *run, const struct tested_run *like) {
    const struct nas_record *a = &run->test, *b = &like->test;
    fputs("\n  metanas test ", out);
    put_name(out, run->folder);
    if (b->episodes_file != NULL) {
        fputs(" --episodes ", out);
        put_name(out, b->episodes_file);
    }
    fprintf(out, " --tasks %" PRId64, b->tasks);
    if (b->episodes_file == NULL && b->split != NULL && strcmp(b->split, "test") != 0) {
        fprintf(out, " --split %s", b->split);
    }
    if (a->tasks > 0 && a->shots != b->shots) {
        fprintf(out, " --set task.shots=%" PRId64, b->shots);
    }
    if (a->tasks > 0 && a->queries != b->queries) {
        fprintf(out, " --set task.queries=%" PRId64, b->queries);
    }
}

static int fail(struct mn_ctx *ctx, int status, struct nas_buffer *text) {
    TRY(nas_buffer_close(text, ctx));
    return mn_fail(ctx, status, "%s", text->text);
}

int compare_missing(struct mn_ctx *ctx, const struct compared *all, const struct tested_run *run,
                    const char *path) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    const struct tested_run *like = all->n_runs > 0 ? &all->runs[0] : NULL;
    TRY(nas_buffer_open(&text, ctx));
    fprintf(text.out, "%s is not there: the run has not been tested", path);
    if (like == NULL) {
        fputs("; its test:\n  metanas test ", text.out);
        put_name(text.out, run->folder);
    } else if (like->test.episodes_file != NULL || like->test.seed == run->seed) {
        fprintf(text.out, "; its test on the tasks of %s:", like->name);
        put_test(text.out, run, like);
    } else {
        fprintf(text.out,
                "; %s was tested on tasks of seed %" PRId64 " and has seed %" PRId64
                ", so both need one list of tasks:",
                like->name, like->test.seed, run->seed);
        put_list(text.out, all, like);
    }
    return fail(ctx, MN_IO, &text);
}

static void put_difference(FILE *out, const char *what, int64_t a, int64_t b) {
    if (a != b) {
        fprintf(out, "; %s %" PRId64 " and %" PRId64, what, a, b);
    }
}

int compare_mismatch(struct mn_ctx *ctx, const struct compared *all, const struct tested_run *a,
                     const struct tested_run *b) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    const struct nas_record *x = &a->test, *y = &b->test;
    const char *splits[2] = {x->split != NULL ? x->split : "", y->split != NULL ? y->split : ""};
    const int same_split = strcmp(splits[0], splits[1]) == 0;
    const int drawn = x->episodes_file == NULL && y->episodes_file == NULL;
    const int alike = x->ways == y->ways && x->shots == y->shots && x->queries == y->queries;
    TRY(nas_buffer_open(&text, ctx));
    fprintf(text.out, "%s and %s have no test task in common", a->name, b->name);
    if (!same_split) {
        fprintf(text.out, "; split %s and %s", splits[0], splits[1]);
    }
    put_difference(text.out, "ways", x->ways, y->ways);
    put_difference(text.out, "shots", x->shots, y->shots);
    put_difference(text.out, "queries", x->queries, y->queries);
    if (drawn) {
        put_difference(text.out, "seed", x->seed, y->seed);
    }
    if (x->ways != y->ways) {
        fputs(". The ways belong to the network: only runs of as many ways can be compared",
              text.out);
    } else if (drawn && x->seed != y->seed) {
        fputs(". Test them on one list of tasks:", text.out);
        put_list(text.out, all, a);
        if (!alike) {
            fprintf(text.out, " --set task.shots=%" PRId64 " --set task.queries=%" PRId64, x->shots,
                    x->queries);
        }
    } else if (!drawn || !alike || !same_split) {
        const int as_second = x->episodes_file == NULL && y->episodes_file != NULL;
        fputs(". The same tasks for both:", text.out);
        put_test(text.out, as_second ? a : b, as_second ? b : a);
    } else {
        fputs("; seed, ways, shots and queries are the same, so their data differ (section "
              "'dataset')",
              text.out);
    }
    return fail(ctx, MN_CONFIG, &text);
}
