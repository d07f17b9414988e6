#!/bin/sh
# SPDX-License-Identifier: MIT
# broken.sh METANAS FOLDER TABLE SOURCE PART PARTS: the plugins that SOURCE makes, each against its
# line of the table; every PARTS-th of them, beginning with number PART.
set -u
metanas=$1 folder=$2 table=$3 source=$4 part=$5 parts=$6
failures=0
count=0
number=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    cat "$out"
}

temp=$(mktemp -d)
out=$temp/out
trap 'rm -rf "$temp"' EXIT
while read -r from wrong cases fault; do
    [ "$from" = "$source" ] || continue
    number=$((number + 1))
    [ $((number % parts)) -eq $((part % parts)) ] || continue
    count=$((count + 1))
    mkdir -p "$temp/wrong.$wrong"
    plugin=$temp/wrong.$wrong/broken_$source.so
    built=$folder/broken_$source
    [ ! -e "$built.$wrong.so" ] || built=$built.$wrong
    cp "$built.so" "$plugin"
    "$metanas" check "$plugin" --timeout 3 --rounds 40 >"$out" 2>/dev/null
    code=$?
    failed=$(sed -nE 's/^not ok [0-9]+ - ([a-z_]+\/[a-z_]+\.)?([a-z_]+):.*/\2/p' "$out" | paste -sd, -)
    faults=$(sed -nE 's/^  fault: (.*)/\1/p' "$out" | sort -u)
    if [ "$cases" = - ]; then
        [ $code -eq 0 ] && [ -z "$failed" ] || fail "$source $wrong: $failed failed (exit code $code)"
        continue
    fi
    if [ "$fault" = leak ] && grep '# SKIP this build.s memory allocator' "$out"; then
        continue
    fi
    [ $code -eq 1 ] || fail "$source $wrong: exit code $code"
    [ "$cases" = "*" ] || [ "$failed" = "$cases" ] || fail "$source $wrong: $failed failed, expected $cases"
    case "$fault" in
    "*") [ -n "$faults" ] || fail "$source $wrong: no fault" ;;
    *) echo "$faults" | grep -qx "$fault" || fail "$source $wrong: faults $faults, expected $fault" ;;
    esac
    for key in saw rule do repeat; do
        grep -q "^  $key: \".*\"$" "$out" || fail "$source $wrong: no $key"
    done
done <"$table"
echo "$count plugins, $failures failures"
[ "$failures" -eq 0 ] && [ "$count" -gt 0 ]
