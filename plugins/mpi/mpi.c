/* SPDX-License-Identifier: MIT */
/* Ranks of an MPI job. */
#include <metanas/plugin.h>

#include <mpi.h>
#include <sched.h>
#include <time.h>

#if MPI_VERSION < 3
#error "MPI 3 is needed, for MPI_Ibcast"
#endif

struct mpi {
    MPI_Comm ranks;
    int patience;
};

/* MPI counts bytes in an int. */
static const int64_t MOST = 1 << 30;

static int failed(struct mn_ctx *ctx, int code, const char *doing) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return mn_fail(ctx, MN_IO, "cannot %s: %.*s", doing, length, text);
}

/* ---- connecting --------------------------------------------------------------------------- */

static const char *level_name(int level) {
    return level == MPI_THREAD_SINGLE ? "MPI_THREAD_SINGLE" : "less than MPI_THREAD_FUNNELED";
}

static int start(void *self, struct mn_ctx *ctx, struct mn_ranks *ranks) {
    struct mpi *m = self;
    int level = MPI_THREAD_SINGLE, started = 0, rank = 0, n = 0;
    m->patience = ranks->patience;
    MPI_Initialized(&started);
    if (started) {
        return mn_fail(ctx, MN_UNSUPPORTED, "MPI was started before in this process");
    }
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (code != MPI_SUCCESS) {
        return failed(ctx, code, "start MPI");
    }
    if (level < MPI_THREAD_FUNNELED) {
        MPI_Finalize();
        return mn_fail(ctx, MN_UNSUPPORTED,
                       "this MPI library gives %s; tasks run in threads, so MPI_THREAD_FUNNELED is "
                       "needed: use one built with thread support",
                       level_name(level));
    }
    code = MPI_Comm_dup(MPI_COMM_WORLD, &m->ranks);
    if (code != MPI_SUCCESS) {
        return failed(ctx, code, "connect the ranks");
    }
    MPI_Comm_set_errhandler(m->ranks, MPI_ERRORS_RETURN);
    MPI_Comm_rank(m->ranks, &rank);
    MPI_Comm_size(m->ranks, &n);
    ranks->rank = rank;
    ranks->ranks = n;
    return MN_OK;
}

static void stop(void *self) {
    struct mpi *m = self;
    MPI_Comm_free(&m->ranks);
    MPI_Finalize();
}

static void end_all(void *self, int code) {
    MPI_Abort(((const struct mpi *)self)->ranks, code);
}

/* ---- messages ----------------------------------------------------------------------------- */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* MPI libraries spin while they wait, which takes a processor from the tasks. So we look and sleep:
 * at first only giving way, since most messages are there at once. */
static int wait_for(const struct mpi *m, struct mn_ctx *ctx, MPI_Request *request,
                    const char *doing) {
    const double begin = seconds();
    for (;;) {
        int done = 0;
        const int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) {
            return failed(ctx, code, doing);
        }
        const double passed = seconds() - begin;
        if (done) {
            return MN_OK;
        }
        if (passed > m->patience) {
            return mn_fail(ctx, MN_IO, "cannot %s: another rank did not answer for %d seconds",
                           doing, m->patience);
        }
        if (passed < 2e-3) {
            sched_yield();
        } else {
            nanosleep(&(struct timespec){0, 50000}, NULL);
        }
    }
}

static int next_part(int64_t bytes) {
    return (int)(bytes < MOST ? bytes : MOST);
}

static int broadcast(void *self, struct mn_ctx *ctx, int64_t bytes, void *data) {
    struct mpi *m = self;
    static const char doing[] = "broadcast";
    int status = MN_OK;
    for (int64_t at = 0; status == MN_OK && at < bytes; at += MOST) {
        MPI_Request request;
        const int code =
            MPI_Ibcast((char *)data + at, next_part(bytes - at), MPI_BYTE, 0, m->ranks, &request);
        status = code != MPI_SUCCESS ? failed(ctx, code, doing) : wait_for(m, ctx, &request, doing);
    }
    return status;
}

static int send(void *self, struct mn_ctx *ctx, int32_t to, int32_t tag, int64_t bytes,
                const void *data) {
    const struct mpi *m = self;
    static const char doing[] = "send a message";
    int64_t at = 0;
    int status = MN_OK;
    do {
        MPI_Request request;
        const int code = MPI_Isend((const char *)data + at, next_part(bytes - at), MPI_BYTE, to,
                                   tag, m->ranks, &request);
        status = code != MPI_SUCCESS ? failed(ctx, code, doing) : wait_for(m, ctx, &request, doing);
        at += MOST;
    } while (status == MN_OK && at < bytes);
    return status;
}

static int probe(void *self, struct mn_ctx *ctx, int32_t tag, struct mn_arrival *out) {
    const struct mpi *m = self;
    MPI_Status about;
    int some = 0, n = 0;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, tag, m->ranks, &some, &about);
    out->from = -1;
    if (code == MPI_SUCCESS && some) {
        code = MPI_Get_count(&about, MPI_BYTE, &n);
        out->from = about.MPI_SOURCE;
        out->bytes = n;
    }
    return code != MPI_SUCCESS ? failed(ctx, code, "look for messages") : MN_OK;
}

static int receive(void *self, struct mn_ctx *ctx, int32_t from, int32_t tag, int64_t bytes,
                   void *data) {
    const struct mpi *m = self;
    static const char doing[] = "receive a message";
    int64_t at = 0;
    int status = MN_OK;
    do {
        MPI_Request request;
        const int code = MPI_Irecv((char *)data + at, next_part(bytes - at), MPI_BYTE, from, tag,
                                   m->ranks, &request);
        status = code != MPI_SUCCESS ? failed(ctx, code, doing) : wait_for(m, ctx, &request, doing);
        at += MOST;
    } while (status == MN_OK && at < bytes);
    return status;
}

static const struct mn_transport table = {.size = sizeof table,
                                          .start = start,
                                          .stop = stop,
                                          .abort = end_all,
                                          .broadcast = broadcast,
                                          .send = send,
                                          .probe = probe,
                                          .receive = receive};

MN_PLUGIN("mpi", "0.1.0",
          {.kind = MN_TRANSPORT,
           .instance_size = sizeof(struct mpi),
           .name = "mpi",
           .doc = "the processes that mpirun or srun has started",
           .vtable = &table})
