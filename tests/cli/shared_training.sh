# SPDX-License-Identifier: MIT
# Arms of a sweep that differ in what evaluation alone looks at: one training, tests as if each had been trained.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
cat >sweep.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 3, evaluation.tasks: 4}
seeds: [1]
axes:
  task_learner.lr_w: [0.005, 0.05]
  task_learner.test_steps: [2, 4]
  tests:
    plain: {}
    shots: {task.shots: 2, evaluation.batch_norm: support, evaluation.validation_tasks: 5}
    other: {op_mixer.test_threshold: 0.2, task_learner.test_lr_a: 0.3, task_learner.test_batch: 3, evaluation.tasks: 5}
Y
# trainings DIR: runs that were trained
trainings() {
    ls "$1"/*/seed-*/metrics.jsonl | wc -l
}

works 'a list' sweep sweep.yaml --list
holds 'tells whose training it is' [ "$(grep -c ', those of lr_w=0.05+test_steps=2+plain/seed-1$' out)" -eq 5 ]
works 'twelve arms' sweep sweep.yaml --jobs 1
holds 'two trainings' [ "$(trainings sweeps/sweep)" -eq 2 ]
holds 'said on the way' [ "$(grep -c ', to test' err) $(grep -c 'meta-epoch 3/3' err)" = '10 2' ]
holds 'twelve tests' [ "$(ls sweeps/sweep/*/seed-1/test.json | wc -l) $(grep -c ',done,3,' sweeps/sweep/runs.csv)" = '12 12' ]
for arm in lr_w=0.05+test_steps=2+shots lr_w=0.005+test_steps=4+other; do
    run=sweeps/sweep/$arm/seed-1
    rm -rf apart
    works "$arm by itself" train $run/config.resolved.yaml --out apart
    works "$arm: its test" test apart
    same "$arm: the same configuration" apart/config.resolved.yaml $run/config.resolved.yaml
    same "$arm: the same test" apart/test.json $run/test.json
    same "$arm: task by task" apart/test-tasks.csv $run/test-tasks.csv
    check
    [ "$("$TENSORS" differ apart/checkpoint.safetensors $run/checkpoint.safetensors)" = 0.000e+00 ] || fail "$arm: the same state"
    works "$arm: tested by hand" test $run
done
holds 'the tests are not all alike' [ "$(cat sweeps/sweep/*/seed-1/test.json | grep accuracy_mean | sort -u | wc -l)" -gt 4 ]
works 'two at a time' sweep sweep.yaml --out two --jobs 2 -q
holds 'are two trainings' [ "$(trainings two)" -eq 2 ]
for run in two/*/seed-1; do
    same "$run: the same test" "$run/test.json" "sweeps/sweep/${run#two/}/test.json"
done

# ---- tests without replacement are of the sweep, too ----

cat >disjoint.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 1, evaluation.tasks: 9000}
seeds: [1]
axes: {evaluation.sampling: [without_replacement]}
Y
works 'tests without replacement' sweep disjoint.yaml
holds 'have as many tasks as there are images for' [ "$(grep -c ',done,1,[1-8][0-9]*,' sweeps/disjoint/runs.csv)" -eq 1 ]
works 'again' sweep disjoint.yaml
holds 'are not repeated' [ "$(grep -c '^run ' err)" -eq 0 ]

# ---- going on ----

last=sweeps/sweep/lr_w=0.005+test_steps=4+other/seed-1
cp $last/test.json test.json
for lost in $last $last/test.json $last/checkpoint.safetensors; do
    rm -r $lost
    works "without $lost" sweep sweep.yaml
    holds 'one run is worked on' [ "$(grep -c '^run ' err)" -eq 1 ]
    holds 'and not trained' [ "$(trainings sweeps/sweep)" -eq 2 ]
    same 'to the same end' test.json $last/test.json
done

# ---- what is trained apart ----

cat >apart.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 1, evaluation.tasks: 4, task.train_shots: 0, task.train_queries: 4}
seeds: [1]
axes: {task.shots: [1, 2], task.queries: [2, 3]}
Y
works 'shots of training that are those of evaluation' sweep apart.yaml
holds 'are trained apart, queries not' [ "$(trainings sweeps/apart)" -eq 2 ]
sed 's/^axes: .*/axes: {run.log_every: [1, 2]}/' apart.yaml >unknown.yaml
works 'an option that is none of evaluation' sweep unknown.yaml
holds 'is trained apart' [ "$(trainings sweeps/unknown)" -eq 2 ]
cat >halving.yaml <<'Y'
base: smoke.yaml
set: {run.eval_every: 1}
seeds: [1]
search: {method: halving, eta: 2, rungs: {min: 1, max: 2}}
axes: {task_learner.test_steps: [2, 4]}
Y
works 'what is judged by validations' sweep halving.yaml
holds 'is trained apart, too' [ "$(trainings sweeps/halving)" -eq 2 ]

# ---- a training that fails ----

cat >diverge.yaml <<'Y'
base: smoke.yaml
seeds: [1]
set: {task_learner: {use: sgd, lr: 1e9, weight_decay: 1e6}}
axes: {task_learner.test_steps: [2, 4]}
Y
check
"$METANAS" sweep diverge.yaml >out 2>err
[ $? -eq 4 ] || fail 'a training that diverges: exit code 4'
holds 'fails once' grep -q '^run test_steps=2/seed-1 failed: meta-epoch 0, ' err
holds 'and takes those with it that have it in common' grep -qx 'run test_steps=4/seed-1 failed: so did its meta-training, which is that of run test_steps=2/seed-1' err
holds 'both are marked' [ "$(grep -c ',failed,' sweeps/diverge/runs.csv)" -eq 2 ]
finish
