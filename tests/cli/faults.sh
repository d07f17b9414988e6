# SPDX-License-Identifier: MIT
# Faults of configurations: exit code, place and text.
. "$SOURCE/tests/cli/lib.sh"
where="METANAS_PLUGIN_PATH=$METANAS_PLUGIN_PATH; build folder=$METANAS_PLUGIN_PATH"

cat >key.yaml <<'Y'
run:
  seeed: 3
Y
refused 'unknown key' 2 validate key.yaml <<'T'
key.yaml:2:3: run: unknown key 'seeed'; did you mean 'seed'?
metanas: key.yaml: 1 fault; nothing was run
T

cat >type.yaml <<'Y'
task:
  ways: many
Y
refused 'wrong type' 2 train type.yaml <<'T'
type.yaml:2:9: task: ways: 'many' is not a whole number: expected int, 2 to 10000
metanas: type.yaml: 1 fault; nothing was run
T
holds 'and nothing is left behind' [ ! -e runs ]

cat >range.yaml <<'Y'
input_mixer: {use: soft_prune, k: 0}
Y
refused 'out of range' 2 validate range.yaml <<'T'
range.yaml:1:35: input_mixer soft_prune: k: 0 is out of range: expected int, 1 to 64
metanas: range.yaml: 1 fault; nothing was run
T

cat >size.yaml <<'Y'
search_space:
  use: darts
  channels: 28
  parameters: 30k
Y
refused 'two sizes' 2 validate size.yaml <<'T'
size.yaml:4:15: search_space darts: parameters: channels is given, too (28); leave one of the two out, or set channels to 0
metanas: size.yaml: 1 fault; nothing was run
T
sed -i '/channels/d; /parameters/d' size.yaml
refused 'no size' 2 validate size.yaml <<'T'
size.yaml:2:8: search_space darts: channels: neither channels nor parameters is given; write the channel count, or the number of weights that the pruned network should have, such as parameters: 30k
metanas: size.yaml: 1 fault; nothing was run
T
works 'a size by parameters' validate size.yaml --set search_space.parameters=30k --shape 1,28,28
holds 'shows the budget' grep -Eq '^#   asked for by parameters +30,000$' out
holds 'shows the channels' grep -Eq '^#     with [0-9]+ channels it comes nearest$' out
holds 'shows the mean' grep -Eq '^#   pruned, on average +[23][0-9],[0-9]{3}$' out

cat >many.yaml <<'Y'
run:
  seed: -1
  sed: 2
optimiser: {use: adam}
op_mixer:
  use: soft_prune
  t_mx: 1
task_learner: {use: darts, lr_w: fast, order: jont}
Y
refused 'several faults' 2 validate many.yaml <<'T'
many.yaml:4:1: unknown section 'optimiser'; did you mean 'op_mixer'?
many.yaml:2:9: run: seed: -1 is out of range: expected int, 0 to 9007199254740992
many.yaml:3:3: run: unknown key 'sed'; did you mean 'seed'?
many.yaml:7:3: op_mixer soft_prune: unknown key 't_mx'; did you mean 't_max'?
many.yaml:8:34: task_learner darts: lr_w: 'fast' is not a number: expected real, 0 to 1e+12
many.yaml:8:47: task_learner darts: order: unknown value 'jont': expected one of: joint, alternating, unrolled; did you mean 'joint'?
metanas: many.yaml: 6 faults; nothing was run
T

cat >twice.yaml <<'Y'
run:
  seed: 1
  seed: 2
Y
refused 'duplicate key' 2 validate twice.yaml <<'T'
twice.yaml:3:3: duplicate key 'seed'; it was given in line 2 already
metanas: twice.yaml: 1 fault; nothing was run
T

cat >plugin.yaml <<'Y'
op_mixer: {use: soft_prun}
Y
refused 'missing plugin' 2 validate plugin.yaml <<T
metanas: cannot load plugin 'soft_prun' for op_mixer (plugin.yaml:1:17)
  there is no soft_prun.so; did you mean 'soft_prune'?
  searched: $where
metanas: plugin.yaml: 1 fault; nothing was run
T

cat >syntax.yaml <<'Y'
run: {seed: 1
task: 3
Y
refused 'not YAML' 2 validate syntax.yaml <<'T'
syntax.yaml:2:5: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping
metanas: syntax.yaml: 1 fault; nothing was run
T
for command in validate train; do
    refused "missing file, $command" 3 $command none.yaml <<'T'
none.yaml: cannot read: No such file or directory
metanas: none.yaml: 1 fault; nothing was run
T
done

cp "$SOURCE/configs/smoke.yaml" .
refused 'faults of --set' 2 validate smoke.yaml --set run.seed=x --set run.sed=1 --set foo <<'T'
argument 8 (--set foo): expected section.key=value, such as run.seed=2
argument 4 (--set run.seed=x): run: seed: 'x' is not a whole number: expected int, 0 to 9007199254740992
argument 6 (--set run.sed=1): run: unknown key 'sed'; did you mean 'seed'?
metanas: smoke.yaml: 3 faults; nothing was run
T

for config in "$SOURCE"/configs/*.yaml; do
    grep -q '^base:' "$config" && continue # a sweep: sweep.sh
    check
    "$METANAS" validate "$config" --untimed >out 2>err
    code=$?
    # without the data dataset.path is the one thing wrong, and the message points at it
    case $code in
    0)
        mv out resolved.yaml
        works "$config, resolved" validate resolved.yaml --untimed
        ;;
    2)
        holds "$config without data" sh -c "! grep -q 'fault' err"
        holds "$config without data, place" grep -q 'yaml:[0-9]*:[0-9]*: dataset .*: path: .*No such file' err
        ;;
    *)
        fail "$config: exit code $code"
        cat err
        ;;
    esac
done
# The output but for what is resident now.
steady() {
    sed '/^#   program/d; /^#   peak/d' out
}
works 'validate without data' validate smoke.yaml --tensors --untimed --shape 1,14,14
steady >without
works 'validate' validate smoke.yaml --tensors --untimed
cp out resolved.yaml
steady >with
same 'and with data' without with
works 'what validate prints is a configuration' validate resolved.yaml --tensors --untimed
steady >again
same 'of the same meaning' with again
finish
