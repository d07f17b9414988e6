/* SPDX-License-Identifier: MIT */
#include "job.h"

#include "base/source.h"
#include "base/text.h"

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
    return mn__text_nearest(word, names, sizeof all / sizeof all[0]);
}

/* Asked twice, the program leaves at once. Not where both come as one: timeout(1) sends its signal
 * to the program and then to its whole group, and launchers pass on what the terminal sends, too.
 */
static void on_signal(int number) {
    static struct timespec first;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (mn__cancel_signal() == 0) {
        first = now;
        mn__cancel(number);
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

static int unknown_command(struct mn_cx *cx, const char *word) {
    char hint[256];
    return mn_fail(cx, MN_CONFIG, "unknown command '%s'%s", word,
                   mn__text_hint(command_nearest(word), "; see 'metanas help'", hint, sizeof hint));
}

static int is_one_of(const char *word, const char *a, const char *b) {
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int run(struct mn_cx *cx, struct mn__arena *arena, int argc, char **argv, struct job *job) {
    if (argc < 2) {
        help_overview(stderr);
        return mn_fail(cx, MN_CONFIG, "a command is missing");
    }
    if (is_one_of(argv[1], "--help", "-h")) {
        help_overview(stdout);
        return MN_OK;
    }
    if (is_one_of(argv[1], "--version", "-V")) {
        help_version(cx, stdout);
        return MN_OK;
    }
    const struct command *command = command_find(argv[1]);
    if (command == NULL) {
        return unknown_command(cx, argv[1]);
    }
    struct arguments arguments;
    int status = arguments_parse(cx, arena, command, argc, argv, &arguments);
    if (status != MN_OK) {
        job->serves = command->config != NULL && !job_speaks(job);
        return status;
    }
    if (arguments.help) {
        help_command(command, stdout);
        return MN_OK;
    }
    if (arguments.quiet || arguments.verbose) {
        mn__cx_of(cx)->quiet = arguments.verbose ? MN_LOG_DEBUG : MN_LOG_WARN;
    }
    status = job_join(cx, command, &arguments, job);
    return status != MN_OK || job->serves ? status : command->run(cx, &arguments);
}

/* A reader that went away is no failure; a full disk behind the standard output is one. */
static int flush_output(struct mn_cx *cx) {
    errno = 0;
    const int failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed && errno != EPIPE) {
        return mn_fail(cx, MN_IO, "cannot write to standard output: %s", strerror(errno));
    }
    return MN_OK;
}

int main(int argc, char **argv) {
    struct mn__cx cx;
    struct mn__arena arena = {0};
    open_standard_streams();
    handle_signals();
    mn__source_keep();
    mn__core_install();
    mn__cx_init(&cx);
    struct job job = {0};
    int status = run(&cx.pub, &arena, argc, argv, &job);
    if (status == MN_OK) {
        status = flush_output(&cx.pub);
    }
    const int stopped = status == MN_CANCELLED && mn__cancel_signal() != 0;
    if (stopped && !cx.goes_on) {
        mn__cx_more(&cx.pub, status, "\n  nothing was saved; the same command begins anew");
    }
    if (status != MN_OK && !job.serves) {
        fprintf(stderr, "metanas: %s\n", mn__cx_message(&cx.pub));
    }
    if (status != MN_OK && job.serves) {
        sleep(
            1); /* launchers end a job with the first process that fails: let rank 0 speak first */
    }
    const int failure = stopped && !cx.goes_on ? 128 + mn__cancel_signal() : mn__exit_code(status);
    const int code = status == MN_OK && job.serves ? job.code : failure;
    job_leave(&job, &cx.pub, code);
    mn__cx_fini(&cx);
    mn__arena_fini(&arena);
    return code;
}
