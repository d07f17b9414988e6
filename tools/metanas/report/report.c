/* SPDX-License-Identifier: MIT */
#include "sections.h"

#include "../command.h"
#include "../rundir.h"

#include "base/buffer.h"
#include "base/file.h"

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

struct report_flags {
    const char *out;
};

static int run_report(struct mn_ctx *ctx, const struct arguments *arguments) {
    CLEANUP(record_fini) struct record record = {0};
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    const struct report_flags *flags = arguments->flags;
    const char *dir = arguments->operand, *path = flags->out;
    TRY(rundir_check_folder(ctx, dir));
    TRY(record_read(ctx, dir, &record));
    if (record.config == NULL && record.results == NULL) {
        return mn_fail(ctx, MN_IO,
                       "%s: neither a run (config.resolved.yaml) nor a sweep (sweep.yaml, "
                       "results.csv) is in it",
                       dir);
    }
    if (path == NULL) {
        TRY(rundir_file(ctx, &record.arena, dir, "report.html", &path));
    }
    TRY(nas_buffer_open(&text, ctx));
    TRY(report_page(ctx, &record, text.out));
    TRY(nas_buffer_close(&text, ctx));
    TRY(nas_file_replace(ctx, path, text.text, text.length));
    printf("written to %s\n", path);
    return MN_OK;
}

#define F struct report_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, out, "-o, --out", "FILE", "the page (default: report.html in the directory)"),
};

const struct command command_report = {
    .name = "report",
    .operand = "RUN",
    .doc = "write a run or a sweep up as one HTML page",
    .more = "The page needs no other file and no network. It draws what is there: metrics.jsonl,\n"
            "architecture.csv, test.json, test-steps.csv, of a sweep results.csv.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct report_flags),
    .run = run_report,
};
