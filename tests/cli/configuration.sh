# SPDX-License-Identifier: MIT
# What a configuration means, whichever way it is given.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

# option SECTION KEY: its value in the resolved configuration in `out`
option() {
    awk -v section="$1:" -v key="$2:" '/^[a-z]/ { here = $1 == section } here && $1 == key { print $2; exit }' out
}

# An empty configuration is refused
: >empty.yaml
echo '# only a comment' >comment.yaml
for file in empty comment; do
    refused "an empty configuration ($file)" 2 train $file.yaml --set search_space.channels=4 <<T
$file.yaml:1:1: the configuration is empty; its sections are listed by 'metanas help', and configs/quickstart.yaml is one to begin with
metanas: $file.yaml: 1 fault; nothing was run
T
done
holds 'and begins no run' [ ! -e runs ]

# task.ways of 1 is refused
refused 'one way' 2 validate smoke.yaml --set task.ways=1 <<'T'
argument 4 (--set task.ways=1): task: ways: 1 is out of range: expected int, 2 to 10000
metanas: smoke.yaml: 1 fault; nothing was run
T

# run.name is a name, not a path
long=$(printf '%0201d' 0)
for name in ../up a/b . .. "$long" '"a\tb"' '""'; do
    check
    "$METANAS" train smoke.yaml --set "run.name=$name" >out 2>err
    [ $? -eq 2 ] || fail "run.name $name is not refused"
    holds "run.name $name" grep -q 'run: name: expected a name of 1 to 200 bytes' err
done
holds 'nothing was made' sh -c '! [ -e runs ] && ! [ -e ../up-1 ]'
works 'a name with blanks and dots' validate smoke.yaml --untimed --set 'run.name=..my run.1'

# Seeds beyond 2^53 are compared as integers
works 'the largest seed' validate smoke.yaml --untimed --set run.seed=9007199254740992
holds 'is kept' [ "$(option run seed)" = 9007199254740992 ]
for seed in 9007199254740993 9007199254740994 9223372036854775807 -1 9007199254740993e0; do
    check
    "$METANAS" validate smoke.yaml --untimed --set run.seed=$seed >out 2>err
    [ $? -eq 2 ] || fail "seed $seed is not refused"
done

# Swapping by use starts from the options of the new unit
works 'maml in place of reptile' validate smoke.yaml --untimed --set meta_learner.use=maml
holds 'its own rate' [ "$(option meta_learner lr_w)" = 0.1 ]
cat >expected <<'T'
argument 5 (--set meta_learner.use=maml): warning: meta_learner: maml starts from its own defaults; dropped with reptile: lr_w: 1.0, lr_a: 0.6
T
same 'what was dropped, in one line' expected err
for order in "--set meta_learner.use=maml --set meta_learner.lr_w=0.01" \
    "--set meta_learner.lr_w=0.01 --set meta_learner.use=maml"; do
    # shellcheck disable=SC2086
    works "in any order: $order" validate smoke.yaml --untimed $order
    holds 'the rate given' [ "$(option meta_learner lr_w)" = 0.01 ]
    holds 'the other dropped' [ "$(option meta_learner lr_a)" = 0.1 ]
done
works 'the unit of the file' validate smoke.yaml --untimed --set op_mixer.use=soft_prune
holds 'keeps its options' [ "$(option op_mixer t_min)" = 0.05 ]
holds 'without a word' [ ! -s err ]
works 'gdas in place of soft_prune' validate smoke.yaml --untimed --set op_mixer.use=gdas
holds 'its own temperatures' [ "$(option op_mixer t_max) $(option op_mixer t_min)" = '10 0.1' ]
works 'sgd in place of darts' validate smoke.yaml --untimed --set task_learner.use=sgd
holds 'names the rate that was dropped' grep -q 'dropped with darts: .*lr_w: 0.005' err
cat >sweep.yaml <<'T'
base: smoke.yaml
set: {run.meta_epochs: 1, run.eval_every: 0, evaluation.validation_tasks: 1, evaluation.tasks: 2}
seeds: [1]
axes: {meta_learner.use: [reptile, fomaml]}
T
# Both rates of an arm's meta learner.
learner() {
    cp "sweeps/sweep/use=$1/seed-1/config.resolved.yaml" out
    echo "$(option meta_learner lr_w) $(option meta_learner lr_a)"
}
works 'an axis of units' sweep sweep.yaml
holds 'the unit of the base keeps its options' [ "$(learner reptile)" = '1 0.6' ]
holds 'another starts from its own' [ "$(learner fomaml)" = '0.1 0.1' ]

# ~ and relative paths work alike in --set, files and flags
mkdir -p home/data home/plugins other
HOME=$work/home
export HOME
cp "$METANAS_PLUGIN_PATH/softmax.so" home/plugins/own.so
sed 's/use: glyphs.*/use: image_folder\n  path: ~\/data/; /_classes:/d' smoke.yaml >other/tilde.yaml
for command in "validate other/tilde.yaml" \
    "validate smoke.yaml --set dataset.use=image_folder --set dataset.path=~/data" \
    "validate smoke.yaml --set dataset.use=image_folder --set dataset.path=home/data" \
    "validate ~/tilde.yaml"; do
    cp other/tilde.yaml home
    # shellcheck disable=SC2086
    "$METANAS" $command --untimed --shape 1,14,14 >out 2>err
    holds "$command" [ "$(option dataset path)" = "$work/home/data" ]
done
for folder in '~/plugins' home/plugins ./home/plugins; do
    works "--plugin-dir $folder" list -v "--plugin-dir=$folder"
    holds "finds what is in $folder" grep -q '^    1\. --plugin-dir .*/home/plugins$' out
done
works 'flags' train smoke.yaml '--out=~/run' --set run.meta_epochs=1 --set run.eval_every=0
holds '~ in --out' [ -e home/run/checkpoint.safetensors ]

# --plugin-dir of a folder that is not there is an error
refused 'no such plugin folder' 3 list --plugin-dir none <<'T'
metanas: --plugin-dir none: No such file or directory
T
refused 'a plugin folder that is a file' 3 validate smoke.yaml --plugin-dir smoke.yaml <<'T'
metanas: --plugin-dir smoke.yaml: not a folder
T

# validate prints the resolved configuration even where the data are missing
for missing in "dataset.use=image_folder --set dataset.path=none" "dataset.use=omniglot --set dataset.path=none" \
    "task.ways=101"; do
    check
    # shellcheck disable=SC2086
    "$METANAS" validate smoke.yaml --untimed --set $missing >out 2>err
    code=$?
    [ $code -eq 2 ] || [ $code -eq 3 ] || fail "$missing: code $code"
    holds "$missing: the configuration" [ "$(option search_space nodes) $(option meta_learner lr_w)" = '3 1' ]
    holds "$missing: the reason, once" [ "$(grep -c '^metanas: ' err)" = 1 ]
done
check
"$METANAS" validate smoke.yaml --set op_mixer.t_min=cold >out 2>err
holds 'not where it is wrong' [ ! -s out ]

# A configuration whose parts make no sense together gets a warning from validate and train
# senseless TEXT SET: a warning of both, once, and nothing else against it
senseless() {
    text=$1
    shift
    for command in "validate smoke.yaml --untimed" "train smoke.yaml -q --out odd --set run.meta_epochs=2 --set run.eval_every=0"; do
        rm -rf odd
        # shellcheck disable=SC2086
        works "$text: ${command%% *}" $command "$@"
        holds "$text: ${command%% *} says so once" [ "$(grep -cF "$text" err)" = 1 ]
    done
}
senseless 'task_learner sgd never adapts the 146 architecture logits of search_space darts: nothing is searched' --set 'task_learner={use: sgd, steps: 1, test_steps: 1, batch: 5, test_batch: 5}'
senseless 'task_learner darts never adapts the 146 architecture logits' --set task_learner.lr_a=0
senseless 'does not adapt the logits at any time of meta-training, only in tests' --set task_learner.warm_up=1
senseless 'task_learner darts: lr_w is 0: the weights do not adapt to a task' --set task_learner.lr_w=0
senseless 'task_learner darts: test_lr_w is 0: the weights do not adapt to a task of validation and test' --set task_learner.test_lr_w=0
senseless 'meta_learner reptile: lr_w is 0: the meta-weights stay as they are at the start' --set meta_learner.lr_w=0
senseless 'meta_learner reptile: lr_a is 0: the meta-architecture stays as it is at the start' --set meta_learner.lr_a=0
senseless 'task_learner darts: a task of meta-training has no steps: nothing adapts to it' --set task_learner.steps=0
works 'a sensible one' validate smoke.yaml --untimed
holds 'has none' [ ! -s err ]
for command in "validate smoke.yaml --untimed" "train smoke.yaml --out headless"; do
    check
    # shellcheck disable=SC2086
    "$METANAS" $command --set 'meta_learner={use: anil, layers: [tail]}' >out 2>err
    [ $? -eq 2 ] || fail "anil without a head: $command"
    holds 'says what is missing' grep -q 'meta_learner anil: layers: no tensor of the network belongs to one of them' err
done
holds 'before a run is begun' [ ! -e headless ]

# train -q is quiet
works 'a quiet run' train smoke.yaml -q --out quiet
holds 'without a word' sh -c '! [ -s out ] && ! [ -s err ]'
works 'a quiet resume' resume quiet -q --set run.meta_epochs=7
holds 'says nothing' [ ! -s out ]
finish
