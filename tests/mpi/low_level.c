/* SPDX-License-Identifier: MIT */
/* Preloaded: an MPI library without support of threads. */
#include <mpi.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
    const int code = PMPI_Init_thread(argc, argv, MPI_THREAD_SINGLE, provided);
    *provided = MPI_THREAD_SINGLE;
    return code;
}
