# SPDX-License-Identifier: MIT
# Read by the command-line tests. They run in an empty folder of their own, with METANAS, METANAS_F64 (where
# it is built), TENSORS, PICTURES, SHIM and SOURCE (the top of the tree) in the environment.

set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
checks=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
}

check() {
    checks=$((checks + 1))
}

# refused WHAT CODE COMMAND...: the program ends with CODE, and standard error is what stands on
# standard input, byte for byte.
refused() {
    what=$1 code=$2
    shift 2
    check
    cat >expected
    "$METANAS" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$code" ] || fail "$what: exit code $got, expected $code"
    diff expected err >difference || {
        fail "$what: standard error"
        cat difference
    }
}

# works WHAT COMMAND...: the program ends with 0; its output is in out and err.
works() {
    what=$1
    shift
    check
    "$METANAS" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq 0 ] || {
        fail "$what: exit code $got"
        cat err
    }
}

# field FILE NAME: a number or text of the object of a JSON file
field() {
    sed -n "s/^  \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$1"
}

# same WHAT FILE FILE
same() {
    check
    cmp "$2" "$3" || fail "$1: $2 and $3 differ"
}

# same_run WHAT RUN RUN: the same metrics and, to the last bit, the same state. Checkpoints also hold
# the configuration with the number of workers, so the files themselves may differ.
same_run() {
    same "$1" "$2/metrics.jsonl" "$3/metrics.jsonl"
    [ ! -e "$2/architecture.csv" ] || same "$1" "$2/architecture.csv" "$3/architecture.csv"
    check
    [ "$("$TENSORS" differ "$2/checkpoint.safetensors" "$3/checkpoint.safetensors")" = 0.000e+00 ] ||
        fail "$1: the state of $2 and $3 differs"
}

# holds WHAT CONDITION...: a shell condition
holds() {
    what=$1
    shift
    check
    "$@" || fail "$what: $*"
}

# Whether the program is built with the address sanitizer, which takes memory and time of its own.
sanitized() {
    ldd "$METANAS" | grep -q libasan
}

# near WHAT A B TOLERANCE: |A - B| <= TOLERANCE * max(1, |B|)
near() {
    check
    awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN {
        d = a - b; if (d < 0) d = -d; m = b < 0 ? -b : b; if (m < 1) m = 1
        exit !(d <= t * m) }' || fail "$1: $2 is not $3 within $4"
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
    exit
}
