/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process leaves, in memory that it shares with this one. */
struct outcome {
    int over; /* the rest is there */
    int status;
    char message[NAS_MESSAGE];
};

struct sweep_worker {
    int64_t run;
    pid_t pid; /* 0 = this place is free */
    int out;   /* reading end of what it prints; -1 = nobody writes any more */
    struct outcome *outcome;
    char line[4096]; /* the beginning of one that has no end yet */
    size_t used;
};

int sweep_workers_new(struct mn_ctx *ctx, struct sweep_job *job, int64_t most,
                      struct sweep_workers *out) {
    *out = (struct sweep_workers){.job = job, .most = most};
    out->at = nas_arena_zeroed(&job->arena, (size_t)most * sizeof *out->at);
    out->events = nas_arena_zeroed(&job->arena, (size_t)most * sizeof *out->events);
    return out->at != NULL && out->events != NULL ? MN_OK : no_memory(ctx);
}

/* ---- the process -------------------------------------------------------------------------- */

/* Processors for one of `most` runs that take as many as there are. */
static void take_share(int64_t worker, int64_t most) {
    cpu_set_t allowed, mine;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    const int64_t n = CPU_COUNT(&allowed);
    int64_t from = worker * n / most, to = (worker + 1) * n / most;
    if (from == to) { /* more runs than processors */
        from = worker % n;
        to = from + 1;
    }
    CPU_ZERO(&mine);
    for (int64_t cpu = 0, i = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &allowed)) {
            if (i >= from && i < to) {
                CPU_SET((size_t)cpu, &mine);
            }
            i++;
        }
    }
    sched_setaffinity(0, sizeof mine, &mine);
}

/* In the new process. A terminal and timeout(1) may send a signal to both and this one's parent
 * pass it on: to be asked twice means nothing here. */
static _Noreturn void work(struct mn_ctx *ctx, const struct sweep_workers *w, int64_t worker,
                           pid_t parent, int out) {
    struct outcome *outcome = w->at[worker].outcome;
    struct sigaction stop = {.sa_handler = nas_cancel};
    const int nothing = open("/dev/null", O_RDONLY);
    sigfillset(&stop.sa_mask);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) {
        _exit(1);
    }
    if (w->job->all_processors) {
        take_share(worker, w->most);
    }
    outcome->status = sweep_finish(ctx, w->job, &w->job->runs[w->at[worker].run]);
    snprintf(outcome->message, sizeof outcome->message, "%s", nas_ctx_message(ctx));
    outcome->over = 1;
    fflush(stdout);
    _exit(0);
}

static int no_process(struct mn_ctx *ctx, const struct sweep_workers *w, int error) {
    return mn_fail(ctx, MN_IO,
                   "cannot start a process for a run: %s; --jobs %" PRId64
                   " asks for fewer at a time",
                   strerror(error), w->n > 0 ? w->n : 1);
}

/* 0, or errno. */
static int begin_process(struct mn_ctx *ctx, const struct sweep_workers *w, int64_t worker) {
    struct sweep_worker *x = &w->at[worker];
    const pid_t parent = getpid();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return errno;
    }
    fflush(stdout); /* what is not written yet would be written twice */
    const pid_t pid = fork();
    const int error = errno;
    if (pid == 0) {
        work(ctx, w, worker, parent, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error;
    }
    x->pid = pid;
    x->out = ends[0];
    fcntl(x->out, F_SETFL, O_NONBLOCK);
    return 0;
}

int sweep_workers_start(struct mn_ctx *ctx, struct sweep_workers *w, int64_t run) {
    int64_t i = 0;
    while (w->at[i].pid != 0) {
        i++;
    }
    struct sweep_worker *x = &w->at[i];
    *x = (struct sweep_worker){.run = run, .out = -1};
    if (w->most == 1) {
        x->pid = getpid();
        w->n++;
        return MN_OK;
    }
    x->outcome =
        mmap(NULL, sizeof *x->outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (x->outcome == MAP_FAILED) {
        return no_process(ctx, w, errno);
    }
    const int error = begin_process(ctx, w, i);
    if (error != 0) {
        munmap(x->outcome, sizeof *x->outcome);
        return no_process(ctx, w, error);
    }
    w->n++;
    return MN_OK;
}

/* ---- its end ------------------------------------------------------------------------------ */

/* Print the lines that are whole, at the end of the process the rest as well. */
static void print_lines(const struct sweep_workers *w, struct sweep_worker *x, int all) {
    char *from = x->line, *const end = x->line + x->used;
    while (from < end) {
        char *line_end = memchr(from, '\n', (size_t)(end - from));
        const int full = from == x->line && x->used == sizeof x->line;
        if (line_end == NULL && !full && !all) {
            break;
        }
        line_end = line_end != NULL ? line_end : end;
        fprintf(stderr, "%s: %.*s\n", w->job->runs[x->run].name, (int)(line_end - from), from);
        from = line_end + (line_end < end);
    }
    x->used = (size_t)(end - from);
    memmove(x->line, from, x->used);
}

static void drain(const struct sweep_workers *w, struct sweep_worker *x) {
    ssize_t n;
    while (x->out >= 0 && (n = read(x->out, x->line + x->used, sizeof x->line - x->used)) != -1) {
        x->used += (size_t)n;
        print_lines(w, x, n == 0);
        if (n == 0) {
            close(x->out);
            x->out = -1;
        }
    }
}

/* The status of a run whose process has ended. */
static int take_outcome(struct mn_ctx *ctx, struct sweep_worker *x, int ended) {
    struct outcome *outcome = x->outcome;
    int status = outcome->status;
    if (!outcome->over) {
        status =
            WIFSIGNALED(ended)
                ? mn_fail(ctx, MN_INTERNAL,
                          "its process was ended by signal %d (%s); where memory has run out, "
                          "--jobs asks for fewer at a time",
                          WTERMSIG(ended), strsignal(WTERMSIG(ended)))
                : mn_fail(ctx, MN_INTERNAL, "its process ended with code %d", WEXITSTATUS(ended));
    } else if (status != MN_OK) {
        outcome->message[sizeof outcome->message - 1] = '\0';
        mn_fail(ctx, status, "%s", outcome->message);
    }
    munmap(outcome, sizeof *outcome);
    return status;
}

void sweep_workers_stop(struct sweep_workers *w) {
    for (int64_t i = 0; w->most > 1 && !w->stopped && i < w->most; i++) {
        if (w->at[i].pid != 0) {
            kill(w->at[i].pid, SIGTERM);
        }
    }
    w->stopped = 1;
}

int sweep_workers_wait(struct mn_ctx *ctx, struct sweep_workers *w, int64_t *run) {
    struct sweep_worker *x = w->at;
    int ended = 0;
    *run = x->run;
    if (w->most == 1) {
        const int status = sweep_finish(ctx, w->job, &w->job->runs[*run]);
        x->pid = 0;
        w->n = 0;
        return status;
    }
    for (x = NULL; x == NULL;) {
        int closed = 0; /* nobody writes any more, the end is near */
        for (int64_t i = 0; i < w->most; i++) {
            w->events[i] =
                (struct pollfd){.fd = w->at[i].pid != 0 ? w->at[i].out : -1, .events = POLLIN};
            closed |= w->at[i].pid != 0 && w->at[i].out < 0;
        }
        poll(w->events, (nfds_t)w->most, closed ? 1 : 100);
        if (nas_cancel_signal() != 0) {
            sweep_workers_stop(w);
        }
        for (int64_t i = 0; i < w->most; i++) {
            if (w->at[i].pid != 0) {
                drain(w, &w->at[i]);
            }
            if (x == NULL && w->at[i].pid != 0 && waitpid(w->at[i].pid, &ended, WNOHANG) != 0) {
                x = &w->at[i];
            }
        }
    }
    drain(w, x);
    print_lines(w, x, 1); /* of a process that it has started, and that goes on writing */
    if (x->out >= 0) {
        close(x->out);
    }
    x->pid = 0;
    w->n--;
    *run = x->run;
    return take_outcome(ctx, x, ended);
}
