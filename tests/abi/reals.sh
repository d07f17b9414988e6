#!/bin/sh
# SPDX-License-Identifier: MIT
# reals.sh FILE...: these are compiled once for both precisions, so they do not know the size of
# mn_real. One that begins to use it moves to the lists that are compiled twice: a room out of
# rooms_without_reals in core/meson.build, a file into metanas_real_sources in tools/meson.build.
set -eu
[ $# -gt 50 ] || { echo "too few files: $#"; exit 1; }
# core/base/ctx.c only hands a pointer on.
! grep -nE '\<(mn_real|MN_REAL_DOUBLE|mn_vec_[a-z_]+)\>' "$@" |
    grep -v 'core/base/ctx.c:.*static mn_real \*service_state'
