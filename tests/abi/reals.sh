#!/bin/sh
# SPDX-License-Identifier: MIT
# reals.sh SOURCE BUILD FILE...: these are compiled once for both precisions, so the compiler makes the same of them
# whatever the size of mn_real.
set -eu
source=$1 build=$2
shift 2
[ $# -gt 50 ] || { echo "too few files: $#"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bad=0
for file in "$@"; do
    for real in FLOAT DOUBLE; do
        $CC -std=c11 -w -O0 -S -o "$folder/$real" "-DMN_REAL_$real" -D_GNU_SOURCE '-DNAS_VERSION=""' \
            -I"$source/include" -I"$source/core" -I"$source/plugins" -I"$source/tools/kit" -I"$build/core" "$file"
    done
    cmp -s "$folder/FLOAT" "$folder/DOUBLE" || {
        echo "$file depends on mn_real: in its meson.build, move it to what is compiled for each precision"
        bad=1
    }
done
exit $bad
