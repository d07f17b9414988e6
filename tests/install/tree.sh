# SPDX-License-Identifier: MIT
# What is installed, and that the tree can be moved.
. "$SOURCE/tests/install/lib.sh"
prefix=${METANAS%/bin/metanas}

holds 'of the double build the kit alone' sh -c "! find '$prefix' | grep f64 | grep -v '/bin/metanas-check-f64$'"
holds 'no part of the core' sh -c "! find '$prefix' | grep -E '\.a\$|/core/'"
for header in "$SOURCE"/include/metanas/*.h; do
    same 'header' "$header" "$prefix/include/metanas/${header##*/}"
done
works 'version' --version
plugins=$(pkg-config --variable=plugindir metanas)
holds 'the program and metanas.pc name one folder' [ "$(sed -n 's/^plugins  *//p' out)" = "$(cd "$plugins" && pwd)" ]
holds 'metanas.pc names the program' [ "$(pkg-config --variable=program metanas)" -ef "$METANAS" ]
holds 'metanas.pc has the version' [ "metanas $(pkg-config --modversion metanas)" = "$("$METANAS" --version | sed -n '1s/ (.*//p')" ]
holds 'and nothing to link' [ -z "$(pkg-config --libs metanas)" ]
works 'list' list
for plugin in "$plugins"/*.so; do
    name=${plugin##*/}
    holds "lists $name" grep -q "^${name%.so} [0-9]" out
done
cp "$SOURCE/configs/smoke.yaml" .
works 'training' train smoke.yaml --out run --set run.meta_epochs=2

mv "$prefix" moved
METANAS=$work/moved/bin/metanas
works 'training in a moved tree' train smoke.yaml --out again --set run.meta_epochs=2
same 'gives the same' run/metrics.jsonl again/metrics.jsonl
works 'a new plugin from a moved tree' new-plugin op_mixer mine
finish
