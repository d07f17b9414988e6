/* SPDX-License-Identifier: MIT */
#include "job.h"

#include "base/named_file.h"
#include "base/text.h"
#include "learn/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct command *const all[] = {
    &command_train, &command_test,     &command_resume,     &command_replay,
    &command_sweep, &command_validate, &command_genotype,   &command_report,
    &command_adapt, &command_episodes, &command_probe,      &command_doctor,
    &command_list,  &command_check,    &command_new_plugin, &command_help,
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

/* Asked twice, the program leaves at once. Not where both come as one: timeout(1) sends its signal
 * to the program and then to its whole group, and launchers pass on what the terminal sends, too.
 */
static void on_signal(int number) {
    static struct timespec first;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (nas_cancel_signal() == 0) {
        first = now;
        nas_cancel(number);
        return;
    }
    const double passed =
        (double)(now.tv_sec - first.tv_sec) + 1e-9 * (double)(now.tv_nsec - first.tv_nsec);
    if ((number == SIGINT || number == SIGTERM) && passed > 0.25) {
        _exit(128 + number);
    }
}

/* What asks to stop: a terminal, kill, a lost connection, batch systems before the end of their
 * time. No SA_RESTART: a call that waits for a pipe or for a lock has to come back. */
static void handle_signals(void) {
    static const int stopping[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGUSR2, SIGXCPU};
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN}, before;
    sigfillset(&stop.sa_mask);
    sigemptyset(&ignore.sa_mask);
    for (size_t i = 0; i < sizeof stopping / sizeof stopping[0]; i++) {
        const int number = stopping[i];
        /* nohup has its way. Shells ignore SIGINT for what they start in the background, unasked.
         */
        if (sigaction(number, NULL, &before) != 0 || before.sa_handler != SIG_IGN ||
            number == SIGINT) {
            sigaction(number, &stop, NULL);
        }
    }
    sigaction(SIGPIPE, &ignore, NULL); /* both then are an error of the call, with a message */
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* A file that is opened in the place of a closed standard stream would get what is printed. */
static void open_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) {
            open("/", O_RDONLY | O_DIRECTORY); /* its writes fail, and that is told */
        }
    }
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
    if (arguments.quiet || arguments.verbose) {
        nas_ctx_of(ctx)->quiet = arguments.verbose ? MN_LOG_DEBUG : MN_LOG_WARN;
    }
    status = job_join(ctx, command, &arguments, job);
    return status != MN_OK || job->serves ? status : command->run(ctx, &arguments);
}

/* A reader that went away is no failure; a full disk behind the standard output is one. */
static int flush_output(struct mn_ctx *ctx) {
    errno = 0;
    const int failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed && errno != EPIPE) {
        return mn_fail(ctx, MN_IO, "cannot write to standard output: %s", strerror(errno));
    }
    return MN_OK;
}

int main(int argc, char **argv) {
    struct nas_ctx ctx;
    struct nas_arena arena = {0};
    open_standard_streams();
    handle_signals();
    nas_source_keep();
    nas_ctx_init(&ctx, &nas_host);
    struct job job = {0};
    int status = run(&ctx.pub, &arena, argc, argv, &job);
    if (status == MN_OK) {
        status = flush_output(&ctx.pub);
    }
    const int stopped = status == MN_CANCELLED && nas_cancel_signal() != 0;
    if (stopped && !ctx.goes_on) {
        nas_ctx_more(&ctx.pub, status, "\n  nothing was saved; the same command begins anew");
    }
    if (status != MN_OK && !job.serves) {
        fprintf(stderr, "metanas: %s\n", nas_ctx_message(&ctx.pub));
    }
    if (status != MN_OK && job.serves) {
        sleep(
            1); /* launchers end a job with the first process that fails: let rank 0 speak first */
    }
    const int failure = stopped && !ctx.goes_on ? 128 + nas_cancel_signal() : nas_exit_code(status);
    const int code = status == MN_OK && job.serves ? job.code : failure;
    job_leave(&job, &ctx.pub, code);
    nas_ctx_fini(&ctx);
    nas_arena_fini(&arena);
    return code;
}
