# SPDX-License-Identifier: MIT
# Tasks the data cannot give, and numbers that stop being finite.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

cat >ways.yaml <<'Y'
task: {ways: 2000}
dataset: {use: glyphs, size: 14}
Y
refused 'more ways than classes' 2 train ways.yaml <<'T'
metanas: ways.yaml:1:14: task: ways: 2000 classes a task, but dataset glyphs has only 1000 training classes
T
refused 'more ways than classes of a split' 2 train smoke.yaml --set task.ways=21 <<'T'
metanas: argument 4 (--set task.ways=21): task: ways: 21 classes a task, but dataset glyphs has only 20 validation classes
T
cat >shots.yaml <<'Y'
task:
  shots: 19
  queries: 2
dataset: {use: glyphs, size: 14}
Y
refused 'class with too few images' 2 train shots.yaml <<'T'
metanas: shots.yaml:2:10: task: 19 support and 2 query images a class, but the smallest training class of dataset glyphs has only 20
T
holds 'no run was begun' [ ! -e runs ]

works 'a run to continue' train smoke.yaml --out run
cp run/checkpoint.safetensors before
cp run/config.resolved.yaml run/old.yaml
check
"$METANAS" train smoke.yaml --out nan \
    --set 'task_learner={use: sgd, lr: 1e9, weight_decay: 1e6}' >out 2>err
code=$?
holds 'a loss that is not finite ends with 4' [ $code -eq 4 ]
holds 'and tells where' grep -Eq '^metanas: meta-epoch 0, task [0-9]+ \(seed 1\): task_learner sgd: step [0-9]+: the loss is (nan|inf|[0-9.e+]+, above run.max_loss \(10000\))$' err
holds 'and that nothing was saved' grep -q 'no checkpoint was written yet' err
holds 'nor is there a checkpoint' [ ! -e nan/checkpoint.safetensors ]
finish
