# SPDX-License-Identifier: MIT
# Read by the tests of an installed tree, with MESON, BUILD (the build folder) and SOURCE (the top of
# the tree) in the environment. Afterwards METANAS is the installed program, pkg-config finds its
# metanas.pc, and the rest is as for the command-line tests.
. "$SOURCE/tests/cli/lib.sh"
unset METANAS_PLUGIN_PATH
command -v pkg-config >/dev/null || {
    echo 'pkg-config is not installed, so no plugin can be built outside the tree'
    exit 77
}
"$MESON" install -C "$BUILD" --no-rebuild --quiet --destdir "$work/tree" >install.log 2>&1 || {
    cat install.log
    exit 1
}
METANAS=$(find "$work/tree" -path '*/bin/metanas')
PKG_CONFIG_PATH=$(dirname "$(find "$work/tree" -name metanas.pc)")
export METANAS PKG_CONFIG_PATH

# build_and_test FOLDER: what the README of a generated project says, warnings being errors
build_and_test() {
    check
    "$MESON" setup --werror "$1/build" "$1" >log 2>&1 || {
        fail "$1: meson setup"
        cat log
        return
    }
    "$MESON" test -C "$1/build" --verbose >log 2>&1 || {
        fail "$1: meson test"
        cat log
    }
}
