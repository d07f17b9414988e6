#!/bin/sh
# SPDX-License-Identifier: MIT
# npy_images.sh FOLDER: files for npy_images.c to try, as numpy.save would write them. 216 images of
# 14 x 14 of 36 classes, a class being a direction and a period of bars.
set -eu

# header TYPE SHAPE: padded to 118 bytes, so that the array begins at byte 128.
header() {
    printf '\223NUMPY\001\000v\000'
    printf "%-117s\\n" "{'descr': '$1', 'fortran_order': False, 'shape': ($2), }"
}

{
    header '|u1' '216, 14, 14'
    LC_ALL=C awk 'BEGIN {
        for (i = 0; i < 216; i++) {
            class = i % 36
            for (p = 0; p < 196; p++) {
                along = cos(class / 12) * (p % 14) + sin(class / 12) * int(p / 14)
                printf "%c", int(64 + 63 * sin((0.6 + class % 3 / 4) * along + i))
            }
        }
    }' | tr '\000' '\001'
} >"$1/images.npy"
{
    header '<i2' '216,'
    for i in $(seq 0 215); do
        printf "\\$(printf %03o $((i % 36)))\\000"
    done
} >"$1/labels.npy"
