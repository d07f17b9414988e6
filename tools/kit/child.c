/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT = 4096, ARGUMENTS = 16 };

/* A process that runs one case. */
struct child {
    pid_t pid;
    int out;    /* reading end of what it prints */
    int shared; /* memory with the report */
    struct kit_report *report;
    char output[OUTPUT]; /* the beginning of what it printed */
    size_t used;
    int status; /* of waitpid */
    int timed_out;
};

struct kit_report *kit_child_report(int descriptor) {
    void *at =
        mmap(NULL, sizeof(struct kit_report), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* ---- starting ----------------------------------------------------------------------------- */

static int share(struct child *child) {
    child->shared = memfd_create("report", 0);
    if (child->shared < 0 || ftruncate(child->shared, (off_t)sizeof(struct kit_report)) != 0) {
        return 0;
    }
    child->report = kit_child_report(child->shared);
    return child->report != NULL;
}

/* The command line of a case. Numbers are written into `texts`. */
static const char **arguments(const struct kit_plan *plan, const char *name, int descriptor,
                              char texts[3][32]) {
    size_t n_folders = 0;
    while (plan->folders != NULL && plan->folders[n_folders] != NULL) {
        n_folders++;
    }
    const size_t room = ARGUMENTS + 2 * ((size_t)plan->n_sets + n_folders);
    const char **at = calloc(room, sizeof *at);
    const char *fixed[] = {"metanas-check", plan->file, "--only", name,       "--report",
                           texts[0],        "--seed",   texts[1], "--rounds", texts[2]};
    size_t n = sizeof fixed / sizeof fixed[0];
    snprintf(texts[0], 32, "%d", descriptor);
    snprintf(texts[1], 32, "%" PRIu64, plan->seed);
    snprintf(texts[2], 32, "%" PRId64, plan->rounds);
    if (at != NULL) {
        memcpy(at, fixed, sizeof fixed);
        for (size_t i = 0; i < n_folders; i++) {
            at[n++] = "--plugin-dir";
            at[n++] = plan->folders[i];
        }
        for (int i = 0; i < plan->n_sets; i++) {
            at[n++] = "--set";
            at[n++] = plan->sets[i];
        }
    }
    return at;
}

/* In the new process. */
static void become(const char **command, int out) {
    const struct rlimit no_core = {0, 0};
    const int nothing = open("/dev/null", O_RDONLY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0) {
        execv("/proc/self/exe", (char **)(uintptr_t)command);
    }
    _exit(127);
}

static int start(struct child *child, const struct kit_plan *plan, const char *name) {
    char texts[3][32];
    int ends[2];
    const char **command = arguments(plan, name, child->shared, texts);
    if (command == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(command);
        return 0;
    }
    child->out = ends[0];
    child->pid = fork();
    if (child->pid == 0) {
        become(command, ends[1]);
    }
    close(ends[1]);
    free(command);
    fcntl(child->out, F_SETFL, O_NONBLOCK);
    return child->pid > 0;
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Returns 0 once nobody writes any more. */
static int drain(struct child *child) {
    char more[1024];
    ssize_t n;
    while ((n = read(child->out, more, sizeof more)) > 0) {
        const size_t room = sizeof child->output - 1 - child->used;
        const size_t take = (size_t)n < room ? (size_t)n : room;
        memcpy(child->output + child->used, more, take);
        child->used += take;
    }
    return n != 0;
}

/* The end of the process, or of its time. What it started itself may go on writing. */
static int wait_for(struct child *child, double timeout) {
    const double until = kit_seconds() + timeout;
    int open = 1;
    while (waitpid(child->pid, &child->status, WNOHANG) == 0) {
        struct pollfd events = {.fd = open ? child->out : -1, .events = POLLIN};
        child->timed_out = kit_seconds() > until;
        if (child->timed_out || nas_cancel_signal() != 0) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, &child->status, 0);
            break;
        }
        poll(&events, 1, open ? 20 : 1);
        open = open && drain(child);
    }
    drain(child);
    return nas_cancel_signal() != 0 ? MN_CANCELLED : MN_OK;
}

/* ---- judging ------------------------------------------------------------------------------ */

MN_PRINTF(3, 4)
static void judge(struct kit_report *report, const char *rule, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(report->text, sizeof report->text, format, args);
    va_end(args);
    snprintf(report->rule, sizeof report->rule, "%s", rule);
    report->verdict = KIT_FAILED;
}

static int by_sanitizer(const struct child *child) {
    return strstr(child->output, "Sanitizer") != NULL ||
           strstr(child->output, "runtime error") != NULL;
}

/* The report may have been written over by a plugin that runs wild. */
static void terminate(struct kit_report *report) {
    report->rule[sizeof report->rule - 1] = '\0';
    report->doing[sizeof report->doing - 1] = '\0';
    report->at[sizeof report->at - 1] = '\0';
    report->text[sizeof report->text - 1] = '\0';
    report->units[sizeof report->units - 1] = '\0';
}

static void conclude(struct child *child, double timeout, struct kit_report *report) {
    const char *in = report->doing[0] != '\0' ? report->doing : "the program";
    if (child->timed_out) {
        judge(report, "hang", "no end after %g seconds in %s", timeout, in);
    } else if (WIFSIGNALED(child->status)) {
        judge(report, "crash", "signal %d (%s) in %s", WTERMSIG(child->status),
              strsignal(WTERMSIG(child->status)), in);
    } else if (by_sanitizer(child)) {
        judge(report, "crash", "a sanitizer reports in %s: %.1500s", in, child->output);
    } else if (report->verdict < KIT_PASSED || report->verdict > KIT_SKIPPED) {
        judge(report, "exits", "%s ended the program with code %d%s%.1500s", in,
              WEXITSTATUS(child->status), child->used > 0 ? ": " : "", child->output);
    } else if (report->verdict == KIT_PASSED && child->used > 0) {
        judge(report, "prints", "%.1500s", child->output);
    }
}

int kit_child(struct mn_ctx *ctx, const struct kit_plan *plan, const char *name,
              struct kit_report *report) {
    struct child child = {.pid = -1, .out = -1, .shared = -1};
    int status = MN_OK;
    if (!share(&child) || !start(&child, plan, name)) {
        status = mn_fail(ctx, MN_IO, "cannot start a process for %s: %s", name, strerror(errno));
    } else {
        status = wait_for(&child, plan->timeout);
        *report = *child.report;
        terminate(report);
        conclude(&child, plan->timeout, report);
    }
    if (child.report != NULL) {
        munmap(child.report, sizeof *child.report);
    }
    if (child.out >= 0) {
        close(child.out);
    }
    if (child.shared >= 0) {
        close(child.shared);
    }
    return status == MN_CANCELLED ? mn_fail(ctx, status, "stopped by the user") : status;
}
