/* SPDX-License-Identifier: MIT */
#include "sections.h"

#include "../command.h"
#include "../rundir.h"

#include "base/file.h"

#include <stdlib.h>
#include <unistd.h>

typedef int (*section)(struct page *page, const struct record *record);

static const section of_run[] = {section_test,
                                 section_training,
                                 section_mixtures,
                                 section_architectures,
                                 section_steps,
                                 section_repeat_run,
                                 NULL};
static const section of_sweep[] = {section_ablation, section_repeat_sweep, NULL};

/* A sweep has results.csv or sweep.yaml, a run its configuration. */
static int is_sweep(const struct record *record) {
    return record->results != NULL ||
           (record->root != NULL && nas_yaml_get(record->root, "run") == NULL &&
            nas_yaml_get(record->root, "axes") != NULL);
}

int report_page(struct mn_ctx *ctx, struct record *record, FILE *out) {
    struct page page = {.ctx = ctx, .arena = &record->arena, .out = out};
    const int sweep = is_sweep(record);
    const char *name = record_option(record, "run", "name");
    const char *title = nas_arena_format(&record->arena, "%s%s", sweep ? "Ablation " : "",
                                         sweep || name == NULL ? record->dir : name);
    const char *subtitle = nas_arena_format(&record->arena, "Report of metanas %s on the %s %s",
                                            NAS_VERSION, sweep ? "sweep" : "run", record->dir);
    if (title == NULL || subtitle == NULL) {
        return no_memory(ctx);
    }
    page_begin(&page, title, subtitle);
    int status = MN_OK;
    for (const section *s = sweep ? of_sweep : of_run; status == MN_OK && *s != NULL; s++) {
        status = (*s)(&page, record);
    }
    page_end(&page);
    return status;
}

static int write_report(struct mn_ctx *ctx, struct record *record, const char *path) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return no_memory(ctx);
    }
    int status = report_page(ctx, record, out);
    const int failed = ferror(out);
    if ((fclose(out) != 0 || failed) && status == MN_OK) {
        status = no_memory(ctx);
    }
    if (status == MN_OK) {
        status = nas_file_replace(ctx, path, text, length);
    }
    free(text);
    return status;
}

static int run_report(struct mn_ctx *ctx, const struct arguments *arguments) {
    struct record record = {0};
    const char *dir = arguments->operand, *path = arguments->out;
    int status = rundir_check_folder(ctx, dir);
    if (status == MN_OK) {
        status = record_read(ctx, dir, &record);
    }
    if (status == MN_OK && record.config == NULL && record.results == NULL) {
        status = mn_fail(ctx, MN_IO,
                         "%s: neither a run (config.resolved.yaml) nor a sweep (sweep.yaml, "
                         "results.csv) is in it",
                         dir);
    }
    if (status == MN_OK && path == NULL) {
        status = rundir_file(ctx, &record.arena, dir, "report.html", &path);
    }
    if (status == MN_OK) {
        status = write_report(ctx, &record, path);
    }
    if (status == MN_OK) {
        printf("written to %s\n", path);
    }
    record_fini(&record);
    return status;
}

static const struct flag flags[] = {
    {"out", "FILE", "the page (default: report.html in the directory)",
     offsetof(struct arguments, out), FLAG_TEXT, 'o'},
};

const struct command command_report = {
    .name = "report",
    .operand = "RUN",
    .doc = "write a run or a sweep up as one HTML page",
    .more = "The page needs no other file and no network. It draws what is there: metrics.jsonl,\n"
            "architecture.csv, test.json, test-steps.csv, of a sweep results.csv.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_report,
};
