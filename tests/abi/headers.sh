#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh INCLUDE LANGUAGE STANDARD COMPILER...: every public header compiles alone, and twice,
# in both precisions, without a warning.
set -eu
include=$1
language=$2
standard=$3
shift 3
if [ $# -eq 0 ]; then
    echo "no compiler for $language: skipped"
    exit 77
fi
bad=0
count=0
extra=
[ "$language" != c ] || extra=$include/metanas/extra/*.h # those are C11 alone
# shellcheck disable=SC2086
for header in "$include"/metanas/*.h $extra; do
    name=${header#"$include/"}
    for precision in -UMN_REAL_DOUBLE -DMN_REAL_DOUBLE; do
        printf '#include <%s>\n#include <%s>\ntypedef int not_empty;\n' "$name" "$name" |
            "$@" -x "$language" "-std=$standard" -Wall -Wextra -Wconversion -Wshadow -Werror \
                -pedantic $precision -I"$include" -fsyntax-only - || {
            echo "$name does not compile alone as $standard with $precision"
            bad=1
        }
    done
    count=$((count + 1))
done
echo "$count headers as $standard"
[ "$count" -gt 0 ] && exit $bad
