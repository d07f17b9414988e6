#!/bin/sh
# test.sh CONFIG PLUGIN: check the plugin, then train and test with it for a few seconds. Run by
# `meson test`, which sets METANAS to the program.
set -eu
config=$1
# What the check needs besides the defaults, such as sets='--set dataset.path=/data'
sets=
METANAS_PLUGIN_PATH=$(cd "$(dirname "$2")" && pwd)
export METANAS_PLUGIN_PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$METANAS" help @KIND@/@NAME@
if "$METANAS" help check >"$work/help" 2>&1; then
    # shellcheck disable=SC2086
    "$METANAS" check "$METANAS_PLUGIN_PATH/@NAME@.so" $sets
    case @KIND@ in
    dataset | search_space) ;; # without gradients
    *)
        # shellcheck disable=SC2086
        if [ -x "$METANAS-check-f64" ]; then
            "$METANAS" check "$METANAS_PLUGIN_PATH/@NAME@_f64.so" $sets
        else
            echo 'metanas-check-f64 is not installed; nothing is checked in double precision'
        fi
        ;;
    esac
else
    echo 'this metanas has no command check; only a run is tried'
fi
"$METANAS" train "$config" --out "$work/run"
"$METANAS" test "$work/run"
grep -q '"accuracy_mean"' "$work/run/test.json"
grep -q '^ *use: @NAME@ ' "$work/run/config.resolved.yaml"
