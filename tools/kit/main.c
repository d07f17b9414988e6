/* SPDX-License-Identifier: MIT */
/* metanas-check: the program that `metanas check` starts. */
#include "check.h"
#include "process.h"
#include "rules.h"
#include "run.h"

#include "base/ownership.h"
#include "base/text.h"
#include "learn/host.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What is told of the cases while they run. */
struct telling {
    const struct kit_plan *plan;
    int counts[KIT_SKIPPED + 1]; /* by enum kit_verdict */
    int n;
    json_t *cases; /* --json */
    struct tally {
        char unit[128]; /* "KIND/UNIT", "" = the file */
        int passed, skipped;
        char cases[1024]; /* that were skipped for one reason, one after the other */
        char reason[2048];
    } tally;              /* of the unit whose cases run */
    int n_unchecked;      /* units of which hardly a case ran */
    char unchecked[1024]; /* the first ones, and why */
};

/* Say what was not looked at for the present reason. */
static void tell_skipped(struct telling *t) {
    struct tally *y = &t->tally;
    if (y->cases[0] != '\0' && t->cases == NULL) {
        printf("# not looked at%s%s: %s (%s)\n", y->unit[0] != '\0' ? " of " : "", y->unit,
               y->cases, y->reason);
    }
    y->cases[0] = '\0';
}

/* The unit is done. */
static void close_unit(struct telling *t) {
    struct tally *y = &t->tally;
    tell_skipped(t);
    if (y->skipped > y->passed) {
        const size_t used = strlen(t->unchecked);
        t->n_unchecked++;
        snprintf(t->unchecked + used, sizeof t->unchecked - used, "%s%s", used > 0 ? ", " : "",
                 y->unit[0] != '\0' ? y->unit : "the file");
    }
}

static void count(struct telling *t, const struct kit_result *r, int is_last) {
    struct tally *y = &t->tally;
    const char *slash = strchr(r->name, '/'), *dot = strrchr(r->name, '.');
    const int length = slash != NULL && dot != NULL ? (int)(dot - r->name) : 0;
    if (strncmp(y->unit, r->name, (size_t)length) != 0 || y->unit[length] != '\0') {
        close_unit(t);
        memset(y, 0, sizeof *y);
        snprintf(y->unit, sizeof y->unit, "%.*s", length, r->name);
    }
    if (r->report.verdict == KIT_SKIPPED) {
        if (strcmp(y->reason, r->report.text) != 0) {
            tell_skipped(t);
            snprintf(y->reason, sizeof y->reason, "%s", r->report.text);
        }
        const size_t used = strlen(y->cases);
        snprintf(y->cases + used, sizeof y->cases - used, "%s%s", used > 0 ? ", " : "",
                 length > 0 ? dot + 1 : r->name);
        y->skipped++;
    }
    y->passed += r->report.verdict != KIT_SKIPPED;
    t->counts[r->report.verdict]++;
    if (is_last) {
        close_unit(t);
    }
}

/* ---- TAP ------------------------------------------------------------------------------------ */

/* As a quoted text of YAML. */
static void print_field(const char *key, const char *text) {
    json_t *value = json_string(text);
    char *quoted = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    printf("  %s: %s\n", key, quoted != NULL ? quoted : "(not in UTF-8)");
    free(quoted);
    json_decref(value);
}

static void print_failure(const struct kit_plan *plan, const struct kit_result *r) {
    const struct kit_rule *rule = kit_rule_find(r->report.rule);
    char repeat[PATH_MAX + 1024];
    kit_repeat(plan, r, repeat, sizeof repeat);
    printf("  ---\n  fault: %s\n", r->report.rule);
    print_field("saw", r->report.text);
    if (r->report.doing[0] != '\0') {
        print_field("in", r->report.doing);
    }
    if (r->report.at[0] != '\0') {
        print_field("at", r->report.at);
    }
    print_field("rule", rule->text);
    print_field("do", rule->advice);
    print_field("repeat", repeat);
    printf("  ...\n");
}

static void tell_tap(void *data, const struct kit_result *r, int number, int n) {
    struct telling *t = data;
    const int failed = r->report.verdict == KIT_FAILED;
    if (number == 1) {
        printf("TAP version 13\n1..%d\n", n);
    }
    printf("%s %d - %s: %s", failed ? "not ok" : "ok", number, r->name, r->doc);
    if (r->report.verdict == KIT_SKIPPED) {
        printf(" # SKIP %s", r->report.text);
    }
    printf("\n");
    if (failed) {
        print_failure(t->plan, r);
    } else if (r->report.verdict == KIT_PASSED && r->report.text[0] != '\0') {
        printf("# %s: %s\n", r->name, r->report.text);
    }
    count(t, r, number == n);
    fflush(stdout);
    t->n = n;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void tell_json(void *data, const struct kit_result *r, int number, int n) {
    static const char *const verdicts[] = {"none", "passed", "failed", "skipped"};
    struct telling *t = data;
    json_t *entry = json_pack("{s:s, s:s, s:s, s:f}", "name", r->name, "doc", r->doc, "verdict",
                              verdicts[r->report.verdict], "seconds", r->seconds);
    if (r->report.verdict == KIT_FAILED) {
        const struct kit_rule *rule = kit_rule_find(r->report.rule);
        char repeat[PATH_MAX + 1024];
        kit_repeat(t->plan, r, repeat, sizeof repeat);
        json_object_set_new(entry, "fault", json_string(r->report.rule));
        json_object_set_new(entry, "saw", json_string(r->report.text));
        json_object_set_new(entry, "in", json_string(r->report.doing));
        json_object_set_new(entry, "at", json_string(r->report.at));
        json_object_set_new(entry, "rule", json_string(rule->text));
        json_object_set_new(entry, "do", json_string(rule->advice));
        json_object_set_new(entry, "repeat", json_string(repeat));
    } else if (r->report.text[0] != '\0') {
        json_object_set_new(entry, r->report.verdict == KIT_SKIPPED ? "reason" : "note",
                            json_string(r->report.text));
    }
    json_array_append_new(t->cases, entry);
    count(t, r, number == n);
    t->n = n;
}

static int print_json(struct mn_ctx *ctx, const struct telling *t) {
    json_t *all = json_pack("{s:s, s:I, s:i, s:i, s:i, s:s, s:O}", "plugin", t->plan->file, "seed",
                            (json_int_t)t->plan->seed, "passed", t->counts[KIT_PASSED], "failed",
                            t->counts[KIT_FAILED], "skipped", t->counts[KIT_SKIPPED], "unchecked",
                            t->unchecked, "cases", t->cases);
    const int failed = all == NULL || json_dumpf(all, stdout, JSON_INDENT(2)) != 0;
    printf("\n");
    json_decref(all);
    return failed ? mn_fail(ctx, MN_IO, "the results cannot be written as JSON") : MN_OK;
}

/* ---- the command ---------------------------------------------------------------------------- */

static void tell_name(void *data, const struct kit_result *r, int number, int n) {
    if (r->report.verdict == KIT_FAILED) {
        tell_tap(data, r, number, n);
        return;
    }
    printf("%-44s %s\n", r->name, r->doc);
}

static int tell_all(struct mn_ctx *ctx, struct telling *t, const struct check_flags *flags) {
    int status;
    if (flags->list) {
        return kit_list(ctx, t->plan, tell_name, t);
    }
    if (!flags->json) {
        status = kit_run(ctx, t->plan, tell_tap, t);
        if (status == MN_OK) {
            printf("# %d passed, %d failed, %d skipped; seed %llu\n", t->counts[KIT_PASSED],
                   t->counts[KIT_FAILED], t->counts[KIT_SKIPPED],
                   (unsigned long long)t->plan->seed);
        }
        return status;
    }
    t->cases = json_array();
    status = t->cases == NULL ? no_memory(ctx) : kit_run(ctx, t->plan, tell_json, t);
    if (status == MN_OK) {
        status = print_json(ctx, t);
    }
    json_decref(t->cases);
    return status;
}

int run_check(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct check_flags *flags = arguments->flags;
    char path[PATH_MAX];
    if (realpath(arguments->operand, path) == NULL) {
        return mn_fail(ctx, MN_IO, "%s: %s", arguments->operand, strerror(errno));
    }
    const struct kit_plan plan = {.file = path,
                                  .only = flags->only.at,
                                  .folders = plugin_folders(arguments),
                                  .sets = arguments->sets.at,
                                  .n_sets = arguments->sets.n,
                                  .seed = (uint64_t)flags->seed,
                                  .rounds = flags->rounds,
                                  .timeout = (double)flags->timeout,
                                  .in_process = flags->in_process};
    if (flags->report >= 0) {
        return flags->only.n == 1
                   ? kit_run_one(ctx, &plan, flags->only.at[0], (int)flags->report)
                   : mn_fail(ctx, MN_CONFIG, "check: --report is for metanas-check itself");
    }
    struct nas_other_owner other = {0};
    if (nas_ownership_check(ctx, path, NAS_OWNERSHIP_NAMED, &other) == MN_OK && other.there) {
        mn_log(ctx, MN_LOG_WARN, "%s belongs to user %u and runs with your rights", path,
               (unsigned)other.user);
    }
    nas_ctx_clear(ctx); /* the case `load` tells what is wrong */
    struct telling telling = {.plan = &plan};
    const int status = tell_all(ctx, &telling, flags);
    if (status == MN_OK && telling.counts[KIT_FAILED] > 0) {
        return mn_fail(ctx, MN_INTERNAL, "%s: %d of %d case%s failed", arguments->operand,
                       telling.counts[KIT_FAILED], telling.n > 0 ? telling.n : 1,
                       nas_text_s(telling.n > 0 ? telling.n : 1));
    }
    if (status == MN_OK && telling.n_unchecked > 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: no pass, for more cases of %s were skipped than run: the lines 'not "
                       "looked at' tell why; options that are missing are given by --set",
                       arguments->operand, telling.unchecked);
    }
    return status;
}

int main(int argc, char **argv) {
    struct nas_ctx ctx;
    struct nas_arena arena = {0};
    struct arguments arguments;
    char **words = calloc((size_t)argc + 2, sizeof *words);
    process_begin();
    nas_ctx_init(&ctx, &nas_host);
    int status = words != NULL ? MN_OK : no_memory(&ctx.pub);
    if (status == MN_OK) { /* the words of `metanas check` */
        words[0] = argv[0];
        words[1] = (char *)(uintptr_t)command_check.name;
        for (int i = 1; i < argc; i++) {
            words[i + 1] = argv[i];
        }
        status = arguments_parse(&ctx.pub, &arena, &command_check, argc > 0 ? argc + 1 : 2, words,
                                 &arguments);
    }
    if (status == MN_OK && arguments.help) {
        help_command(&command_check, stdout);
    } else if (status == MN_OK) {
        process_log_level(&ctx, &arguments);
        status = run_check(&ctx.pub, &arguments);
    }
    status = process_end(&ctx.pub, status);
    nas_ctx_fini(&ctx);
    nas_arena_fini(&arena);
    free(words);
    return nas_exit_code(status);
}
