/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

void process_begin(void) {
    open_standard_streams();
    handle_signals();
}

void process_log_level(struct nas_ctx *ctx, const struct arguments *arguments) {
    if (arguments->quiet || arguments->verbose) {
        ctx->log_level = arguments->verbose ? MN_LOG_DEBUG : MN_LOG_WARN;
    }
}

/* A reader that went away is no failure; a full disk behind the standard output is one. */
int process_flush(struct mn_ctx *ctx) {
    errno = 0;
    const int failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed && errno != EPIPE) {
        return mn_fail(ctx, MN_IO, "cannot write to standard output: %s", strerror(errno));
    }
    return MN_OK;
}

int process_end(struct mn_ctx *ctx, int status) {
    if (status == MN_OK) {
        status = process_flush(ctx);
    }
    if (status != MN_OK) {
        fprintf(stderr, "metanas: %s\n", nas_ctx_message(ctx));
    }
    return status;
}
