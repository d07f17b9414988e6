#!/bin/sh
# SPDX-License-Identifier: MIT
# includes.sh SOURCE: who may include whom. A room of the core sees include/, itself and the rooms
# before it in core/rooms, the kernels only base and themselves, a plugin only <metanas/...>, system
# libraries and files among the plugins, the public headers only themselves and the C library. One
# file knows libltdl, one folder BLAS.
set -eu
cd "$1"
here=$(pwd -P)
rooms=$(cat core/rooms)
bad=0
count=0

refuse() {
    echo "$file:$line: includes $target: $1"
    bad=1
}

# The folder of a quoted target, beside the file that names it; empty if there is no such file.
folder_of() {
    [ -f "$(dirname "$file")/$target" ] || return 0
    (cd "$(dirname "$file")/$(dirname "$target")" && pwd -P)
}

check_public() {
    case $form in
    '"') case $file:$(folder_of) in
        *:"$here/include/metanas" | */extra/*:"$here/include/metanas/extra") ;;
        *) refuse "not a public header" ;;
        esac ;;
    *) case $target in
        math.h | stdarg.h | stdbool.h | stddef.h | stdint.h | string.h) ;;
        *) refuse "public headers use the C library alone" ;;
        esac ;;
    esac
}

# The place of a room in core/rooms, 0 for no room.
place_of() {
    place=0
    for room in $rooms; do
        place=$((place + 1))
        [ "$room" != "$1" ] || return 0
    done
    place=0
}

check_rooms() {
    [ "$form" = '"' ] || return 0
    case $target in
    */*) ;;
    *) return 0 ;;
    esac
    own=${file#core/}
    place_of "${own%%/*}"
    mine=$place
    place_of "${target%%/*}"
    if [ "$mine" -eq 0 ]; then
        refuse "its folder is no room of core/rooms"
    elif [ "$place" -gt "$mine" ]; then
        refuse "a later room (core/rooms)"
    fi
    case $file:$target in
    core/backend/cpu/kernels/*:backend/cpu/kernels/* | core/backend/cpu/kernels/*:base/* | \
        core/backend/cpu/kernels/*:metanas/*) ;;
    core/backend/cpu/kernels/*) refuse "kernels see base and themselves" ;;
    esac
}

check_core() {
    check_rooms
    case $form$target in
    '"../'*) refuse "the core names its headers from core/ on" ;;
    '"base/paths.h') ;; # written by meson
    '"metanas/'* | '<metanas/'*) [ -f "include/$target" ] || refuse "no such public header" ;;
    '"'*) [ -f "core/$target" ] || [ -n "$(folder_of)" ] || refuse "neither in core/ nor beside it" ;;
    esac
}

check_plugin() {
    case $form$target in
    '<metanas/'*) [ -f "include/$target" ] || refuse "no such public header" ;;
    '"'*) case $(folder_of) in
        "$here"/plugins/*) ;;
        *) refuse "plugins include <metanas/...> and files among the plugins" ;;
        esac ;;
    *) [ ! -f "core/$target" ] || refuse "plugins do not see the core" ;;
    esac
}

check_libraries() {
    case $target in
    ltdl.h | dlfcn.h) case $file in
        core/plugin/load.c | core/backend/cpu/kernels/openblas.c) ;;
        *) refuse "only core/plugin/load.c and core/backend/cpu/kernels/openblas.c load" ;;
        esac ;;
    *cblas*.h | openblas_config.h) case $file in
        core/backend/cpu/kernels/*) ;;
        *) refuse "BLAS is called in core/backend/cpu/kernels alone" ;;
        esac ;;
    esac
}

list=$(grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.[ch]' include core plugins tools |
    sed -E 's/^([^:]+):([0-9]+):[^"<]*(["<])([^">]+).*/\1 \2 \3 \4/')
while read -r file line form target; do
    count=$((count + 1))
    case $file in
    include/*) check_public ;;
    core/*) check_core ;;
    plugins/*) check_plugin ;;
    esac
    check_libraries
done <<END
$list
END
grep -q '<ltdl.h>' core/plugin/load.c || { echo "core/plugin/load.c does not use libltdl"; bad=1; }
echo "$count includes"
[ "$count" -gt 100 ] || { echo "too few: is $here the source folder?"; bad=1; }
exit $bad
