/* SPDX-License-Identifier: MIT */
#include "job.h"
#include "process.h"

#include "base/input_file.h"
#include "base/text.h"
#include "learn/host.h"

#include <string.h>
#include <unistd.h>

static const struct command *const all[] = {
    &command_train,    &command_test,       &command_resume,    &command_replay, &command_sweep,
    &command_compare,  &command_validate,   &command_genotype,  &command_report, &command_adapt,
    &command_episodes, &command_probe,      &command_bench_ops, &command_doctor, &command_list,
    &command_check,    &command_new_plugin, &command_help,
};

const struct command *const *commands(size_t *n) {
    *n = sizeof all / sizeof all[0];
    return all;
}

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

const char *command_nearest(const char *word) {
    const char *names[sizeof all / sizeof all[0]];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        names[i] = all[i]->name;
    }
    return nas_text_nearest(word, names, sizeof all / sizeof all[0]);
}

static int unknown_command(struct mn_ctx *ctx, const char *word) {
    char hint[256];
    return mn_fail(ctx, MN_CONFIG, "unknown command '%s'%s", word,
                   nas_text_hint(command_nearest(word), "; see 'metanas help'", hint, sizeof hint));
}

static int is_one_of(const char *word, const char *a, const char *b) {
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int run(struct mn_ctx *ctx, struct nas_arena *arena, int argc, char **argv,
               struct job *job) {
    if (argc < 2) {
        help_overview(stderr);
        return mn_fail(ctx, MN_CONFIG, "a command is missing");
    }
    if (is_one_of(argv[1], "--help", "-h")) {
        help_overview(stdout);
        return MN_OK;
    }
    if (is_one_of(argv[1], "--version", "-V")) {
        help_version(ctx, stdout);
        return MN_OK;
    }
    const struct command *command = command_find(argv[1]);
    if (command == NULL) {
        return unknown_command(ctx, argv[1]);
    }
    struct arguments arguments;
    int status = arguments_parse(ctx, arena, command, argc, argv, &arguments);
    if (status != MN_OK) {
        job->serves = command->config != NULL && !job_speaks(job);
        return status;
    }
    if (arguments.help) {
        help_command(command, stdout);
        return MN_OK;
    }
    process_log_level(nas_ctx_of(ctx), &arguments);
    status = job_join(ctx, command, &arguments, job);
    return status != MN_OK || job->serves ? status : command->run(ctx, &arguments);
}

int main(int argc, char **argv) {
    struct nas_ctx ctx;
    struct nas_arena arena = {0};
    process_begin();
    nas_input_file_cache();
    nas_ctx_init(&ctx, &nas_host);
    struct job job = {0};
    int status = run(&ctx.pub, &arena, argc, argv, &job);
    if (status == MN_OK) {
        status = process_flush(&ctx.pub);
    }
    const int stopped = status == MN_CANCELLED && nas_cancel_signal() != 0;
    if (stopped && !ctx.resumable) {
        nas_ctx_more(&ctx.pub, status, "\n  nothing was saved; the same command begins anew");
    }
    if (status != MN_OK && !job.serves) {
        fprintf(stderr, "metanas: %s\n", nas_ctx_message(&ctx.pub));
    }
    if (status != MN_OK && job.serves) {
        sleep(
            1); /* launchers end a job with the first process that fails: let rank 0 speak first */
    }
    const int failure =
        stopped && !ctx.resumable ? 128 + nas_cancel_signal() : nas_exit_code(status);
    const int code = status == MN_OK && job.serves ? job.code : failure;
    job_leave(&job, &ctx.pub, code);
    nas_ctx_fini(&ctx);
    nas_arena_fini(&arena);
    return code;
}
