#!/bin/sh
# SPDX-License-Identifier: MIT
# layout.sh PROGRAM TABLE INCLUDE: the layout that PROGRAM prints is the one of the committed table,
# and no public struct is missing in it.
set -eu
program=$1
table=$2
include=$3
bits=$(getconf LONG_BIT)
if [ "$(head -n 1 "$table")" != "# $bits-bit" ]; then
    echo "the table is for another word size than $bits bits: skipped"
    exit 77
fi
built=$(mktemp)
trap 'rm -f "$built"' EXIT
{ head -n 1 "$table"; "$program" | fold -s -w 100 | sed 's, $,,'; } >"$built"

for name in $(sed -nE 's/^(struct|enum) (mn_[a-z_0-9]+) \{.*/\2/p' "$include"/metanas/*.h); do
    if ! grep -qE "^(struct|enum) $name " "$built"; then
        echo "$name is missing: is its header in tests/abi/meson.build?"
        exit 1
    fi
done
if ! diff -u --label committed --label built "$table" "$built"; then
    echo "The binary interface has changed, so plugins built before do not fit. See"
    echo "include/metanas/abi.h, and change MN_ABI_MINOR or MN_ABI_MAJOR. If this is what was"
    echo "meant, write the new table:"
    echo "    { echo '# $bits-bit'; $program | fold -s -w 100 | sed 's, $,,'; } >$table"
    exit 1
fi
