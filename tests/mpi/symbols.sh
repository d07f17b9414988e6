#!/bin/sh
# SPDX-License-Identifier: MIT
# Of the files given, only plugins named mpi need an MPI library.
set -u
bad=0 seen=0
for file in "$@"; do
    needs=$(readelf -d "$file" | grep -E 'NEEDED.*\[lib(mpi|mpich|open-rte|pmi)')
    uses=$(nm -D --undefined-only "$file" | grep -E ' P?MPI_')
    case $(basename "$file") in
    mpi.so | mpi_f64.so)
        seen=$((seen + 1))
        [ -n "$needs" ] && [ -n "$uses" ] || { echo "$file uses no MPI: is this test right?"; bad=1; }
        ;;
    *)
        [ -z "$needs$uses" ] || { echo "$file: $needs $uses"; bad=1; }
        ;;
    esac
done
[ $seen -gt 0 ] || echo "built without MPI: nothing to tell apart"
exit $bad
