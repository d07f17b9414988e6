# SPDX-License-Identifier: MIT
# kind.sh KIND: a new plugin of the kind, built, tested and used as its README says.
. "$SOURCE/tests/install/lib.sh"
kind=$1

works "a new $kind" new-plugin "$kind" mine
holds 'names its source' grep -q "^mine: a working $kind in mine\.c;" out
holds 'four files and a source' [ "$(ls mine | tr '\n' ' ')" = 'README.md meson.build mine.c mine.yaml test.sh ' ]
holds 'a source under 80 lines' [ "$(wc -l <mine/mine.c)" -lt 80 ]
holds 'no word of the template is left' sh -c '! grep -r @ mine'
build_and_test mine
holds 'one exported symbol' [ "$(nm -D --defined-only mine/build/mine.so | sed 's/.* //')" = mn_plugin_entry ]
holds 'and only libc is needed' sh -c "! objdump -p mine/build/mine.so | grep NEEDED | grep -v 'lib[cm]\.so\.'"

METANAS_PLUGIN_PATH=$work/mine/build
export METANAS_PLUGIN_PATH
works 'the configuration is right' validate mine/mine.yaml
works 'training with it' train mine/mine.yaml --out run
works 'a second time' train mine/mine.yaml --out again --set run.workers=2
same 'gives the same numbers' run/metrics.jsonl again/metrics.jsonl
works 'half of it' train mine/mine.yaml --out half --set run.meta_epochs=3
works 'and the rest' resume half --set run.meta_epochs=6
same 'give them too' run/metrics.jsonl half/metrics.jsonl
holds 'the loss is finite' sh -c '! grep -qi nan run/metrics.jsonl'
case $kind in
operation) section=operations name='mine: ' ;;
*) section=$kind name= ;;
esac
holds 'the plugin is part of the checkpoint' grep -qa "\"$section\":\"${name}mine of mine 0.1.0, file crc32 [0-9a-f]\{8\}\"" run/checkpoint.safetensors

# A plugin that has changed since is named on resume.
sed -i 's/"0\.1\.0"/"0.2.0"/' mine/mine.c
ninja -C mine/build >log 2>&1 || fail 'the changed plugin does not build'
check
"$METANAS" resume run --set run.meta_epochs=7 >out 2>err </dev/null && fail 'a resume with a changed plugin'
holds 'is refused' grep -q "made with another plugin: $section was '${name}mine of mine 0\.1\.0" err
works 'but not where it is accepted' resume run --set run.meta_epochs=7 --accept-changes
holds 'which warns' grep -q "$section was '${name}mine of mine 0\.1\.0, file crc32 [0-9a-f]*', now it is '${name}mine of mine 0\.2\.0, file crc32 [0-9a-f]*'" err
finish
