/* SPDX-License-Identifier: MIT */
/* How long a task step takes, where the time goes, and how far it is from what the machine can do.
 * docs/performance.md says how to read what it prints. */
#include "report.h"

#include "base/text.h"
#include "learn/host.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    int list, json, help;
    const char *only, *kernels;
    int n_workers, workers[MOST_WORKERS];
    struct effort effort;
};

static const struct option long_options[] = {{"list", no_argument, NULL, 'l'},
                                             {"only", required_argument, NULL, 'o'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"seconds", required_argument, NULL, 's'},
                                             {"repeats", required_argument, NULL, 'r'},
                                             {"workers", required_argument, NULL, 'w'},
                                             {"kernels", required_argument, NULL, 'k'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static void print_help(void) {
    printf("usage: metanas-bench [--list] [--only GLOB] [--json] [--seconds S] [--repeats N]\n"
           "                     [--workers N[,N]...] [--kernels NAME]\n\n"
           "  --list       list the cases and stop\n"
           "  --only GLOB  cases whose name matches, such as 'step-*'\n"
           "  --json       one JSON object a line: the bounds, then one for each case and number "
           "of workers\n"
           "  --seconds S  time to spend on a case with one number of workers, about (default 3)\n"
           "  --repeats N  measurements in that time, of which the median is taken (default 7)\n"
           "  --workers L  numbers of workers, 1 to %d each (default 1,2)\n"
           "  --kernels K  auto (default), openblas, avx512, avx2, neon or generic, as "
           "run.kernels; bf16, as\n"
           "               run.precision\n",
           MOST_WORKERS);
}

static int parse_workers(struct mn_ctx *ctx, const char *text, struct options *out) {
    const char *at = text;
    for (out->n_workers = 0; out->n_workers < MOST_WORKERS; at++) {
        char number[16];
        int64_t value;
        const size_t n = strcspn(at, ",");
        snprintf(number, sizeof number, "%.*s", (int)n, at);
        if (n >= sizeof number || !nas_text_int(number, &value) || value < 1 ||
            value > MOST_WORKERS) {
            break;
        }
        out->workers[out->n_workers++] = (int)value;
        at += n;
        if (*at == '\0') {
            return MN_OK;
        }
    }
    return mn_fail(ctx, MN_CONFIG, "--workers is '%s'; expected numbers from 1 to %d, like 1,2",
                   text, MOST_WORKERS);
}

static int parse_option(struct mn_ctx *ctx, int letter, const char *value, struct options *out) {
    switch (letter) {
    case 'l':
        out->list = 1;
        return MN_OK;
    case 'j':
        out->json = 1;
        return MN_OK;
    case 'h':
        out->help = 1;
        return MN_OK;
    case 'o':
        out->only = value;
        return MN_OK;
    case 'k':
        out->kernels = value;
        return MN_OK;
    case 'w':
        return parse_workers(ctx, value, out);
    case 's':
        if (!nas_text_real(value, &out->effort.seconds) ||
            !(out->effort.seconds >= 0 && out->effort.seconds <= 1e5)) {
            return mn_fail(ctx, MN_CONFIG, "--seconds is '%s'; expected a number from 0 to 100000",
                           value);
        }
        return MN_OK;
    case 'r':
        if (!nas_text_int(value, &out->effort.repeats) || out->effort.repeats < 1 ||
            out->effort.repeats > 100000) {
            return mn_fail(ctx, MN_CONFIG, "--repeats is '%s'; expected 1 to 100000", value);
        }
        return MN_OK;
    default:
        return mn_fail(ctx, MN_CONFIG, "see metanas-bench --help");
    }
}

static int parse(struct mn_ctx *ctx, int argc, char **argv, struct options *out) {
    int letter, status = MN_OK;
    *out = (struct options){.only = "*",
                            .kernels = "auto",
                            .n_workers = 2,
                            .workers = {1, 2},
                            .effort = {.seconds = 3, .repeats = 7}};
    while (status == MN_OK && (letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        status = parse_option(ctx, letter, optarg, out);
    }
    if (status == MN_OK && optind < argc) {
        status =
            mn_fail(ctx, MN_CONFIG, "takes no argument, but got '%s'; see --help", argv[optind]);
    }
    return status;
}

static int most_workers(const struct options *options) {
    int most = 0;
    for (int i = 0; i < options->n_workers; i++) {
        most = options->workers[i] > most ? options->workers[i] : most;
    }
    return most;
}

/* A case takes seconds: say on a terminal which one is under way. */
static void show_progress(const char *name) {
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K%s%s", name, name[0] != '\0' ? ": measuring" : "");
    }
}

static int written(struct mn_ctx *ctx, int good) {
    return good ? MN_OK : mn_fail(ctx, MN_IO, "cannot write to standard output");
}

static int run_subject(struct mn_ctx *ctx, const struct options *options,
                       const struct report *report, struct subject *subject) {
    struct profile profile;
    struct result result = {.subject = subject, .profile = &profile, .n = options->n_workers};
    int status = subject_profile(subject, ctx, &profile, &result.profile_seconds);
    for (int i = 0; status == MN_OK && i < options->n_workers; i++) {
        status = measure(ctx, subject, options->workers[i], &options->effort, &result.at[i]);
    }
    if (status != MN_OK) {
        return status;
    }
    show_progress("");
    result.work = work_of(subject, &profile);
    return written(ctx, report_case(report, &result));
}

static int run_case(struct mn_ctx *ctx, const struct options *options, const struct report *report,
                    const struct bench_case *what) {
    struct subject subject;
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    show_progress(what->name);
    int status = subject_open(ctx, what, options->kernels, most_workers(options), &subject);
    if (status == MN_OK) {
        status = run_subject(ctx, options, report, &subject);
        subject_close(&subject);
    }
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return status;
}

/* The first case from i on whose name matches; n_bench_cases = there is none. */
static int next_case(const struct options *options, int i) {
    while (i < n_bench_cases && fnmatch(options->only, bench_cases[i].name, 0) != 0) {
        i++;
    }
    return i;
}

static int run_all(struct mn_ctx *ctx, const struct options *options, const struct report *report) {
    int status = MN_OK;
    for (int i = next_case(options, 0); status == MN_OK && i < n_bench_cases;
         i = next_case(options, i + 1)) {
        status = run_case(ctx, options, report, &bench_cases[i]);
    }
    return status;
}

static int run(struct mn_ctx *ctx, const struct options *options) {
    struct bounds bounds;
    const struct nas_kernels *kernels = nas_kernels_find(options->kernels);
    if (kernels == NULL) {
        return mn_fail(ctx, MN_UNSUPPORTED,
                       "--kernels is '%s'; this processor and build have no such kernels: use "
                       "auto, openblas, avx512, avx2, neon, generic or bf16",
                       options->kernels);
    }
    if (next_case(options, 0) == n_bench_cases) {
        return mn_fail(ctx, MN_CONFIG, "no case matches '%s'; --list names them", options->only);
    }
    const int status = nas_gemm_init(ctx);
    if (status != MN_OK) {
        return status;
    }
    if (!bounds_measure(options->n_workers, options->workers, options->effort.repeats, &bounds)) {
        return mn_fail(ctx, MN_NOMEM, "no memory or no thread to measure the machine's bounds");
    }
    const struct report report = {options->json, kernels->name, &bounds};
    const int printed = written(ctx, report_bounds(&report));
    return printed == MN_OK ? run_all(ctx, options, &report) : printed;
}

int main(int argc, char **argv) {
    struct nas_ctx ctx;
    struct options options;
    nas_ctx_init(&ctx, &nas_host);
    int status = parse(&ctx.pub, argc, argv, &options);
    if (status == MN_OK && options.help) {
        print_help();
    } else if (status == MN_OK && options.list) {
        report_list();
    } else if (status == MN_OK) {
        status = run(&ctx.pub, &options);
    }
    if (status != MN_OK) {
        fprintf(stderr, "metanas-bench: %s\n", nas_ctx_message(&ctx.pub));
    }
    nas_ctx_fini(&ctx);
    return nas_exit_code(status);
}
