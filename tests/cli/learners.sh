# SPDX-License-Identifier: MIT
# The learners that go beyond REPTILE and first-order MAML, on the smoke configuration.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

# run NAME SET...: a run and a test; another with two workers; a third stopped and resumed.
run() {
    name=$1
    shift
    works "train $name" train smoke.yaml --out "$name" --set run.workers=1 "$@"
    works "test $name" test "$name" --tasks 2
    works "train $name on two workers" train smoke.yaml --out "$name-2" --set run.workers=2 "$@"
    same_run "$name: workers" "$name" "$name-2"
    works "a part of $name" train smoke.yaml --out "$name-3" "$@" --set run.meta_epochs=3 \
        --set task_learner.warm_up=0
    works "the rest of $name" resume "$name-3" --set run.meta_epochs=6
    works "$name at once" train smoke.yaml --out "$name-4" "$@" --set task_learner.warm_up=0
    same_run "$name: resume" "$name-4" "$name-3"
}

run unrolled --set task_learner.order=unrolled
run maml --set meta_learner.use=maml
run anil --set meta_learner.use=anil
run meta_sgd --set meta_learner.use=meta_sgd
run alfa --set 'meta_learner={use: alfa, optimizer: adam, lr_w: 0.01, rate_steps: 3, hidden: 8}'
run maml_plus_plus --set 'meta_learner={use: maml, step_rates: layer, rate_steps: 3}'
run apart --set 'meta_learner={weights: {use: reptile, lr_w: 1.0}, architecture: {use: fomaml, lr_a: 0.1}}'

works 'a resolved configuration with two meta learners' validate apart/config.resolved.yaml
cp out resolved.yaml
holds 'weights' grep -A 2 '^meta_learner:' resolved.yaml
holds 'and architecture' grep -q '^    use: fomaml # fomaml ' resolved.yaml
works 'it repeats the run' train apart/config.resolved.yaml --out again
same_run 'repeated' apart again
works 'a key of one of two meta learners' validate smoke.yaml \
    --set 'meta_learner={weights: {use: reptile}, architecture: {use: fomaml}}' \
    --set meta_learner.architecture.lr_a=0.25
holds 'is set' grep -q '^    lr_a: 0.25$' out
refused 'one meta learner of two' 2 validate smoke.yaml --set 'meta_learner={weights: {use: reptile}}' <<'T'
argument 4 (--set meta_learner={weights: {use: reptile}}): meta_learner: 'weights' has a meta learner of its own, 'architecture' has none; add architecture: {use: NAME}
metanas: smoke.yaml: 1 fault; nothing was run
T
refused 'a meta learner beside two' 2 validate smoke.yaml --set meta_learner.weights.use=reptile \
    --set meta_learner.architecture.use=fomaml <<'T'
smoke.yaml:66:3: meta_learner: 'use' cannot stand beside 'weights' and 'architecture'; it belongs into one of them
smoke.yaml:67:3: meta_learner: 'lr_w' cannot stand beside 'weights' and 'architecture'; it belongs into one of them
smoke.yaml:68:3: meta_learner: 'lr_a' cannot stand beside 'weights' and 'architecture'; it belongs into one of them
metanas: smoke.yaml: 3 faults; nothing was run
T
refused 'second order through second order' 2 validate smoke.yaml --set meta_learner.use=maml \
    --set task_learner.order=unrolled <<'T'
argument 4 (--set meta_learner.use=maml): warning: meta_learner: maml starts from its own defaults; dropped with reptile: lr_w: 1.0, lr_a: 0.6
metanas: argument 6 (--set task_learner.order=unrolled): task_learner darts: order: the meta learner differentiates through the steps of a task, and unrolled steps already hold second derivatives; use joint or alternating, or a first-order meta learner
T
works 'help of the kind' help meta_learner
holds 'tells of two' grep -q 'weights: {use: NAME' out
for learner in maml anil meta_sgd alfa; do
    works "help of $learner" help meta_learner/$learner
    holds "$learner: options" grep -q '^  first_order ' out
done
finish
