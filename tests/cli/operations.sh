# SPDX-License-Identifier: MIT
# Candidate operations of plugins: names, lookup, execution, and what a checkpoint records of them.
. "$SOURCE/tests/cli/lib.sh"
METANAS_PLUGIN_PATH=$METANAS_PLUGIN_PATH:$OPERATIONS

cat >base.yaml <<'Y'
run: {name: ops, seed: 1, meta_epochs: 4, tasks_per_batch: 2, eval_every: 2, log_every: 1}
task: {ways: 3, shots: 1, queries: 2, train_shots: 3}
evaluation: {tasks: 4, validation_tasks: 2}
dataset: {use: glyphs, size: 10, train_classes: 20, val_classes: 6, test_classes: 6}
search_space: {use: darts, cells: 2, nodes: 2, channels: 4, ops: [skip_connect, conv_3x3, se, squeeze_excitation]}
op_mixer: {use: softmax}
task_learner: {use: darts, steps: 2, batch: 4, lr_a: 0.1, warm_up: 0, test_steps: 2, test_batch: 4}
operations:
  se: {use: squeeze_excitation, ratio: 2}
Y
works 'training' train base.yaml --out run --set run.workers=1
works 'with two workers' train base.yaml --out two --set run.workers=2
same_run 'gives the same' run two
works 'the resolved configuration' train run/config.resolved.yaml --out again
same_run 'repeats the run' run again
holds 'both are in it' [ "$(grep -c 'use: squeeze_excitation # squeeze_excitation 0.1.0' run/config.resolved.yaml)" = 2 ]
holds 'with their options' sh -c 'grep -A2 "^  se:" run/config.resolved.yaml | grep -q "ratio: 2" &&
    grep -A2 "^  squeeze_excitation:" run/config.resolved.yaml | grep -q "ratio: 4"'
holds 'weights carry the name' grep -qa 'edges\.0\.se\.1\.fc1\.weight' run/checkpoint.safetensors
works 'half of it' train base.yaml --out half --set run.meta_epochs=2
works 'and the rest' resume half --set run.meta_epochs=4
same_run 'give the same' run half
check
"$METANAS" resume half --set run.meta_epochs=6 --set operations.se.ratio=1 >out 2>err </dev/null && fail 'another option on resume'
holds 'is refused by its key' grep -q 'operations\.se\.ratio cannot change when a run is resumed' err
works 'testing' test run
works 'another option' train base.yaml --out other --set operations.se.ratio=1
check
cmp -s run/metrics.jsonl other/metrics.jsonl && fail 'another option changes nothing'
works 'a fixed network of them' validate base.yaml --set \
    'search_space={use: darts, cells: 1, nodes: 1, channels: 4}' --set 'genotype={normal: ["se 0, conv_3x3 1"]}'

# The built-in candidate and the plugin that computes the same.
works 'built in' train base.yaml --out inside --set 'search_space.ops=[conv_3x3]'
works 'the same by a plugin' train base.yaml --out outside --set 'search_space.ops=[plain_conv]'
loss() {
    sed -n '$s/.*"loss":\([0-9.]*\).*/\1/p' "$1/metrics.jsonl"
}
near 'the loss' "$(loss inside)" "$(loss outside)" 1e-3

# faults PATTERN...
bad() {
    what=$1 text=$2
    shift 2
    check
    "$METANAS" validate base.yaml "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq 2 ] || fail "$what: exit code $got"
    grep -qF "$text" err || {
        fail "$what: $text"
        cat err
    }
}
bad 'a name that is nearly right' "unknown operation 'conv_3x33'; did you mean 'conv_3x3'?" \
    --set 'search_space.ops=[conv_3x33]'
bad 'a name of nothing' "cannot load plugin 'fourier' for operation" --set 'search_space.ops=[fourier]'
bad 'a path' "unknown operation '../x'" --set 'search_space.ops=["../x"]'
bad 'a built-in name' "operations: 'conv_3x3' is built in; choose another name for this one" \
    --set 'operations.conv_3x3={use: plain_conv}'
bad 'no name' "operations: 'Se' is no name" --set 'operations.Se={use: plain_conv}'
bad 'no section' 'to choose a plugin write se: {use: NAME}' --set 'operations.se=squeeze_excitation'
bad 'no map' 'operations: expected names of operations with their plugins' --set 'operations=[se]'
bad 'no use' "operations.se: the key 'use' is required" --set 'operations.se={ratio: 2}'
bad 'another kind' "softmax.so: offers no operation 'softmax'" --set 'operations.se={use: softmax}'
bad 'its own options' 'operations.se squeeze_excitation: ratio: 0 is out of range: expected int, 1 to 64' \
    --set operations.se.ratio=0
bad 'an unknown key' "unknown key 'ration'; did you mean 'ratio'?" --set operations.se.ration=3
bad 'the kind as a section' "unknown section 'operation'; did you mean 'operations'?" \
    --set 'operation={use: plain_conv}'

# One that fails is reported by name, with the place in the run.
check
"$METANAS" train base.yaml --out fails --set 'operations.se={use: plain_conv, image: 1}' >out 2>err
got=$?
[ "$got" -eq 4 ] || fail "a failing operation: exit code $got"
holds 'is named' grep -q 'meta-epoch 0, task 0 .*operations\.se plain_conv: image 1 is not to my liking' err
finish
