# SPDX-License-Identifier: MIT
# What new-plugin refuses, and what it leaves behind.
. "$SOURCE/tests/install/lib.sh"

refused 'no kind' 2 new-plugin <<'T'
metanas: new-plugin: KIND is missing; see 'metanas new-plugin --help'
T
refused 'no name' 2 new-plugin op_mixer <<'T'
metanas: new-plugin: NAME is missing; see 'metanas new-plugin --help'
T
refused 'too much' 2 new-plugin op_mixer a b c <<'T'
metanas: new-plugin: takes one DIR, but got 'b' and 'c'
T
kinds='the kinds are dataset, search_space, op_mixer, input_mixer, head, loss, task_learner, meta_learner and operation'
refused 'a slip' 2 new-plugin op_mixr mine <<T
metanas: new-plugin: unknown kind 'op_mixr'; did you mean 'op_mixer'? $kinds
T
refused 'no such kind' 2 new-plugin logger mine <<T
metanas: new-plugin: unknown kind 'logger'; $kinds
T
rule='a name is a lower case letter, then lower case letters, digits and _, 60 at most'
for name in Mine my-mixer 2mine ../mine mine.so '' "$(printf 'a%.0s' $(seq 61))"; do
    refused "the name '$name'" 2 new-plugin op_mixer "$name" <<T
metanas: new-plugin: the name '$name' cannot be used: $rule
T
done
refused 'a name of the double build' 2 new-plugin op_mixer mine_f64 <<'T'
metanas: new-plugin: the name 'mine_f64' cannot be used: files that end in _f64 are for the double-precision host
T
refused 'a target of meson' 2 new-plugin op_mixer test <<'T'
metanas: new-plugin: the name 'test' cannot be used: meson keeps this name for a target of its own
T
plugins=$(cd "$(pkg-config --variable=plugindir metanas)" && pwd)
refused 'a shipped plugin' 2 new-plugin meta_learner reptile <<T
metanas: new-plugin: a plugin 'reptile' exists already: $plugins/reptile.so; take another name
T
for name in skip_connect conv_3x3 none; do
    refused "the built-in operation $name" 2 new-plugin operation $name <<T
metanas: new-plugin: an operation '$name' is built in; take another name
T
done
works 'which another kind may be called' new-plugin op_mixer conv_3x3 mixer
rm -r mixer
mkdir full empty
echo text >full/file
for folder in full empty; do
    refused "the folder $folder" 2 new-plugin op_mixer mine $folder <<T
metanas: new-plugin: $folder exists already and is left alone; give another DIR
T
done
holds 'the file is untouched' [ "$(cat full/file)" = text ]
refused 'a folder in none' 3 new-plugin op_mixer mine none/mine <<'T'
metanas: new-plugin: cannot make folder none/mine: No such file or directory; is the path right?
T
holds 'nothing was written' [ ! -e mine ]
holds 'the empty folder is empty still' [ -z "$(ls empty)" ]

# A failure half way leaves nothing.
template=$(find "$work/tree" -name test.sh)
mv "$template" away
refused 'a template that is missing' 3 new-plugin op_mixer mine <<T
metanas: $template: No such file or directory
T
holds 'no folder is left' [ ! -e mine ]
mv away "$template"
works 'another folder' new-plugin op_mixer mine elsewhere
holds 'takes the name from NAME' [ -f elsewhere/mine.c ]
finish
