# SPDX-License-Identifier: MIT
# An installed program takes the plugins of its own tree, and none that another user could have put there.
. "$SOURCE/tests/install/lib.sh"
prefix=${METANAS%/bin/metanas}
plugins=$(cd "$(pkg-config --variable=plugindir metanas)" && pwd)
tail=${plugins#"$prefix"/} # lib/metanas/plugins, or with the name of the machine
templates=$(dirname "$(find "$prefix" -name project.build)")
cp "$SOURCE/configs/smoke.yaml" .

# uses WHAT FOLDER: the program takes its plugins from there, and says so wherever it says it
uses() {
    works "$1: --version" --version
    holds "$1: --version names the folder" grep -qxF "plugins     $2" out
    works "$1: list -v" list -v
    holds "$1: list -v names it" grep -qF ". install folder       $2" out
    holds "$1: nothing is rejected" sh -c '! grep "^rejected" out'
    "$METANAS" doctor >out 2>err
    holds "$1: doctor names it" grep -Eq "install folder +$2\$" out
}
uses 'the installed tree' "$plugins"

# A build folder above the prefix, as for build/install.
for depth in a a/b; do
    mkdir -p "above/$depth" above/meson-info above/plugins
    echo 'another one' >above/plugins/softmax.so
    cp -R "$prefix" "above/$depth/copy"
    METANAS=$work/above/$depth/copy/bin/metanas
    uses "below a build folder, $depth" "$work/above/$depth/copy/$tail"
    mv "above/$depth/copy/bin" "above/$depth/copy/tools" # as where a build folder has its program
    METANAS=$work/above/$depth/copy/tools/metanas
    works "in a folder tools, $depth" --version
    holds 'which is not below meson-info' sh -c '! grep above out'
    rm -r "above/$depth"
done
mkdir -p above/prefix
cp -R "$prefix"/* above/
METANAS=$work/above/bin/metanas
uses 'in a build folder itself' "$work/above/$tail"

mkdir 'neu é'
cp -R "$prefix" 'neu é/copy'
ln -s "$work/neu é/copy/bin/metanas" linked
METANAS=$work/linked
uses 'through a link, moved' "$work/neu é/copy/$tail"

# Files that other users could have written.
METANAS=${prefix}/bin/metanas
train() {
    "$METANAS" train smoke.yaml --out run --set run.meta_epochs=1 >out 2>err </dev/null
}
chmod o+w "$plugins"
check
train && fail 'a plugin folder that anyone may write'
holds 'it is named' grep -qF "$plugins: anyone may write in this folder, so nothing is loaded from it: chmod o-w it" err
chmod o-w "$plugins"
chmod o+w "$prefix"
check
train && fail 'a prefix that anyone may write'
holds 'it is named' grep -qF "anyone may write in $prefix, a folder above it" err
works 'list goes on' list
holds 'with the reason, once' [ "$(grep -c "^rejected: $plugins: anyone may write in $prefix, a folder above it" out)" -eq 1 ]
check
"$METANAS" new-plugin op_mixer mine >out 2>err && fail 'templates below a folder that anyone may write'
holds 'and no template is read' grep -qF "$templates: anyone may write in $prefix, a folder above it" err
holds 'no project is left' [ ! -e mine ]
chmod o-w "$prefix"
chmod o+w "$templates/op_mixer.c"
check
"$METANAS" new-plugin op_mixer mine >out 2>err && fail 'a template that anyone may write'
holds 'it is named' grep -qF "$templates/op_mixer.c: anyone may write this file" err
chmod o-w "$templates/op_mixer.c"
if [ "$(id -u)" -eq 0 ]; then
    for theirs in "$plugins" "$plugins/reptile.so"; do
        chown 65533 "$theirs"
        check
        train && fail "$theirs of another user"
        holds 'it is named' grep -qF "$theirs: it belongs to user 65533, neither to root nor to you" err
        chown 0 "$theirs"
    done
    cp -R "$plugins" given
    chown -R 65533 given
    METANAS_PLUGIN_PATH=$work/given train
    check
    [ $? -eq 0 ] || fail 'a folder of another user that was named'
    holds 'a warning tells it, once' [ "$(grep -cF "METANAS_PLUGIN_PATH=$work/given belongs to user 65533, whose plugins run with your rights" err)" -eq 1 ]
    check
    "$METANAS" check "$work/given/softmax.so" --only 'exports' >out 2>err || fail 'a check of a file of another user'
    holds 'a warning tells it' grep -qF "$work/given/softmax.so belongs to user 65533 and runs with your rights" err
fi
rm -rf run
check
train || fail 'training in the end'
finish
