#!/bin/sh
# SPDX-License-Identifier: MIT
# Every plugin given exports mn_plugin_entry and nothing else.
set -eu
[ $# -gt 0 ] || { echo "no plugins given" >&2; exit 1; }
bad=0
for file in "$@"; do
    names=$(nm -D --defined-only "$file" | awk '{print $NF}')
    if [ "$names" != mn_plugin_entry ]; then
        echo "$file exports: $names" >&2
        bad=1
    fi
done
exit $bad
