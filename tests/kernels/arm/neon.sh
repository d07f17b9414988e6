#!/bin/sh
# SPDX-License-Identifier: MIT
# neon.sh SOURCE BUILD VERSION: the tests of the kernels, compiled for 64-bit ARM and run by
# qemu-user: the tables `neon` and `generic` against the plain loops.
set -eu
source=$1
out=$2/tests/kernels/arm
cc=aarch64-linux-gnu-gcc
command -v $cc >/dev/null && command -v qemu-aarch64 >/dev/null || {
    echo "no $cc or no qemu-aarch64 (packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user): skipped"
    exit 77
}
mkdir -p "$out"
cd "$out"
kernels=$source/core/backend/cpu/kernels
flags="-std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -fno-math-errno -D_GNU_SOURCE
    -I$source/tests/kernels/arm -I$source/tests -I$source/core -I$source/include"
for isa in neon generic; do
    for file in conv winograd conv_dw depthwise window pool pointwise phases norm table; do
        $cc $flags -O3 -ffp-contract=fast -DNAS_ISA=$isa -c "$kernels/$file.c" -o "$isa-$file.o"
    done
done
$cc $flags '-DNAS_BUILT=ISA(neon) ISA(generic)' -c "$kernels/dispatch.c" -o dispatch.o
$cc $flags -c "$kernels/grid.c" -o grid.o
for file in support/naive support/tensor kernels/arm/stand_in; do
    $cc $flags -c "$source/tests/$file.c" -o "$(basename $file).o"
done
bad=0
for name in grid conv depthwise pool pointwise norm; do
    $cc $flags "$source/tests/kernels/test_$name.c" ./*.o -static -lm -o "test_$name"
    echo "== $name"
    qemu-aarch64 "./test_$name" || bad=1
done
exit $bad
