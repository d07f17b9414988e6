# SPDX-License-Identifier: MIT
# A search space names operations of its own file and of other plugins; train and check find both.
. "$SOURCE/tests/install/lib.sh"

works 'a search space' new-plugin search_space mine
works 'an operation' new-plugin operation other
awk '/^static const struct mn_opt options/ {
    print "static int maps(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {"
    print "    out->flags = MN_OP_RELU_BEFORE;"
    print "    out->n_stages = 1;"
    print "    out->stages[0].n_maps = 1;"
    print "    out->stages[0].maps[0] = (struct mn_op_map){MN_OP_MAP_CONV, 1, 1, 1, stride, stride};"
    print "    return MN_OK;"
    print "}\n"
    print "static const struct mn_operation own = {.size = sizeof own, .maps = maps};\n"
} {
    sub(/"conv_3x3, dil_conv_3x3, max_pool_3x3, skip_connect"/, "\"skip_connect, own, other\"")
    sub(/&table\)\)$/, "\\&table),\n          MN_UNIT_PLAIN(MN_OPERATION, \"own\", \"a 1x1 convolution\", \\&own))")
    print
}' mine/mine.c >edited.c && mv edited.c mine/mine.c
build_and_test other
METANAS_PLUGIN_PATH=$work/other/build
export METANAS_PLUGIN_PATH
check
{ "$MESON" setup --werror mine/build mine && ninja -C mine/build; } >log 2>&1 || {
    fail 'the search space does not build'
    cat log
}
works 'check finds the other plugin in the environment' check "$PWD/mine/build/mine.so"
holds 'and builds the network' grep -q '^ok .*search_space/mine\.model' out
METANAS_PLUGIN_PATH=
works 'or in --plugin-dir' check "$PWD/mine/build/mine.so" --plugin-dir "$work/other/build" --only '*.model'
check
"$METANAS" check "$PWD/mine/build/mine.so" --only '*.model' >out 2>err && fail 'without it check fails'
holds 'and names it' grep -q "cannot load plugin 'other' for operation" out
holds 'not its own' sh -c '! grep -q "plugin .own." out'

METANAS_PLUGIN_PATH=$work/mine/build:$work/other/build
works 'training' train mine/mine.yaml --out run
holds 'has weights of both' sh -c 'grep -qa "edges\.0\.own\.conv\.weight" run/checkpoint.safetensors &&
    grep -qa "edges\.0\.other\.square\.weight" run/checkpoint.safetensors'
holds 'the resolved configuration names both' sh -c 'grep -A1 "^  own:" run/config.resolved.yaml | grep -q "use: mine/own " &&
    grep -A1 "^  other:" run/config.resolved.yaml | grep -q "use: other "'
works 'and repeats the run' train run/config.resolved.yaml --out again
same 'with the same numbers' run/metrics.jsonl again/metrics.jsonl
works 'a test' test run
finish
