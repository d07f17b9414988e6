# SPDX-License-Identifier: MIT
# train, test and the swapping of parts by --set alone.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

works 'train' train smoke.yaml
holds 'default run directory' [ -d runs/smoke-1 ]
holds 'names the test' grep -q 'metanas test runs/smoke-1$' out
works 'train again' train smoke.yaml
holds 'next run directory' [ -d runs/smoke-2 ]
same_run 'the same seed' runs/smoke-1 runs/smoke-2
same 'the same configuration' runs/smoke-1/config.resolved.yaml runs/smoke-2/config.resolved.yaml
works 'train from the resolved configuration' train runs/smoke-1/config.resolved.yaml --out again
same_run 'the resolved configuration repeats the run' runs/smoke-1 again
same 'and itself' runs/smoke-1/config.resolved.yaml again/config.resolved.yaml
for workers in 1 2; do
    works "train with $workers workers" train smoke.yaml --out w$workers --set run.workers=$workers
    works "test with $workers workers" test w$workers
done
same_run 'a run does not depend on workers' w1 w2
same 'nor does its test' w1/test.json w2/test.json
works 'another seed' train smoke.yaml --out seed2 --set run.seed=2
holds 'another run' sh -c '! cmp -s w1/metrics.jsonl seed2/metrics.jsonl'

works 'test' test runs/smoke-1 --tasks 7
json=runs/smoke-1/test.json
holds 'tasks' [ "$(field $json tasks)" = 7 ]
holds 'seed' [ "$(field $json seed)" = 1 ]
holds 'ways' [ "$(field $json ways)" = 5 ]
holds 'shots' [ "$(field $json shots)" = 1 ]
holds 'queries' [ "$(field $json queries)" = 2 ]
holds 'split' [ "$(field $json split)" = test ]
holds 'batch_norm' [ "$(field $json batch_norm)" = transductive ]
holds 'meta_epoch' [ "$(field $json meta_epoch)" = 6 ]
near 'the prune gap is the difference' "$(field $json prune_gap)" \
    "$(awk -v b="$(field $json accuracy_before_prune)" -v a="$(field $json accuracy_mean)" \
        'BEGIN { print b - a }')" 1e-6
holds 'parameters in order' awk -v a="$(field $json parameters_min)" \
    -v b="$(field $json parameters_mean)" -v c="$(field $json parameters_max)" \
    'BEGIN { exit !(0 < a && a <= b && b <= c) }'
holds 'genotypes are counted' [ "$(sed -n 's/^ *"count": //p' $json | awk '{ n += $1 } END { print n }')" = 7 ]
holds 'most frequent first' sh -c "sed -n 's/^ *\"count\": //p' $json | sort -c -n -r"
holds 'accuracy in the summary' grep -q '^test accuracy .*95% interval of 7 tasks' out
# Both modes of batch norm are in one test; evaluation.batch_norm says which comes first
holds 'both in the table' [ "$(sed -n '/^  batch norm /,/^  parameters/s/^    \([a-z]*\) .*/\1/p' out | tr '\n' ' ')" = 'transductive support ' ]
holds 'both in test.json' [ "$(sed -n '/"batch_norms"/,/^  }/s/^    "\([a-z]*\)": {/\1/p' $json | tr '\n' ' ')" = 'transductive support ' ]
cp $json transductive.json
works 'the other one first' test runs/smoke-1 --tasks 7 --batch-norm support
sed -n '/"batch_norms"/,/^  }/p' transductive.json >expected
sed -n '/"batch_norms"/,/^  }/p' $json >got
same 'the same numbers' expected got
works 'test again' test runs/smoke-1 --tasks 7
works 'test as JSON' test runs/smoke-1 --tasks 7 --json --quiet
same 'prints what it writes' out $json
cp $json whole.json
cp runs/smoke-1/test-tasks.csv whole.csv
works 'a test into a file of its own' test runs/smoke-1 --tasks 3 --steps 0,2 --out mine.json
holds 'has its tables beside it' [ "$(wc -l <mine-tasks.csv) $(wc -l <mine-steps.csv)" = '4 3' ]
holds 'and the result' [ "$(field mine.json tasks)" = 3 ]
same 'the run keeps its own' whole.json $json
same 'and its table' whole.csv runs/smoke-1/test-tasks.csv
check
"$METANAS" test runs/smoke-1 --tasks 3 --out nowhere/mine.json >out 2>err
[ $? -eq 3 ] || fail 'a result that cannot be written is an error'
holds 'but is printed' grep -q '^test accuracy .*of 3 tasks' out
holds 'and not said to be written' sh -c '! grep -q "^written" out'
check
"$METANAS" test runs/smoke-1 --tasks 3 --json --out nowhere/mine.json >out 2>err
[ $? -eq 3 ] || fail 'a result as JSON that cannot be written is an error'
holds 'but is printed as JSON' [ "$(field out tasks)" = 3 ]
works 'other images, other batch norm' test runs/smoke-1 --split val --set evaluation.batch_norm=support
holds 'split val' [ "$(field $json split)" = val ]
holds 'batch_norm support' [ "$(field $json batch_norm)" = support ]

# swap NAME SET...: a run and a test with other parts
swap() {
    name=$1
    shift
    works "train $name" train smoke.yaml --out "$name" --set run.meta_epochs=2 "$@"
    works "test $name" test "$name" --tasks 2
    holds "$name reaches its end" grep -q '"meta_epoch":2' "$name/metrics.jsonl"
}
swap fomaml --set meta_learner.use=fomaml
swap plain_darts --set op_mixer.use=softmax --set input_mixer.use=sum
swap gumbel --set op_mixer.use=gumbel
swap relu_softmax --set op_mixer.use=relu_softmax
# least_skipped NAME SHARE: of the candidates, in every line of the training
least_skipped() {
    check
    sed -n 's/.*"skip_share":\([0-9.]*\).*/\1/p' "$1/metrics.jsonl" | awk -v least="$2" '
        $1 < least { bad = 1 } END { exit bad || NR == 0 }' || fail "$1 skips less than $2"
}
swap gdas --set op_mixer.use=gdas
least_skipped gdas 0.857 # one of seven candidates is computed
swap proxyless --set op_mixer.use=proxyless --set run.log_every=1
least_skipped proxyless 0.714 # two of seven
swap proxyless_alternating --set op_mixer.use=proxyless --set task_learner.order=alternating
least_skipped proxyless_alternating 0.857 # the last pass of a step learns weights
swap entmax --set op_mixer.use=entmax --set input_mixer.use=entmax
swap darts_minus --set op_mixer.use=darts_minus
swap fair_darts --set op_mixer.use=fair_darts
swap darts_pt --set op_mixer.use=softmax --set input_mixer.use=sum \
    --set 'task_learner={use: darts_pt, around: {use: darts, steps: 2, test_steps: 2, warm_up: 0}}'
cp darts_pt/test-tasks.csv one.csv
works 'pruning by the loss with other workers' test darts_pt --tasks 2 --set run.workers=2
same 'gives the same' one.csv darts_pt/test-tasks.csv
swap pc_darts --set 'search_space={use: pc_darts, cells: 2, channels: 4}' --set input_mixer.use=pc_darts
swap budget --set 'search_space={use: darts, cells: 2, parameters: 5k}'
holds 'the run keeps the channels that were found' grep -q '^  channels: [1-9]' budget/config.resolved.yaml
swap sgd --set task_learner.use=sgd
swap conv4 --set search_space.use=conv4 --set search_space.channels=4 --set dataset.size=28
holds 'a fixed network has no genotypes' grep -q '"genotypes": \[\]' conv4/test.json
holds 'nor a prune gap' [ "$(field conv4/test.json prune_gap)" = 0.0 ]
swap alternating --set task_learner.order=alternating
swap support --set evaluation.batch_norm=support

refused 'another network than the checkpoint has' 2 test runs/smoke-1 --set search_space.channels=6 <<'T'
metanas: runs/smoke-1/checkpoint.safetensors: tensor stem.conv.weight has shape [12, 1, 3, 3], this configuration needs [18, 1, 3, 3]
T
finish
