# SPDX-License-Identifier: MIT
# Lists of episodes, looks at adaptation steps, saved states.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

works 'a run' train smoke.yaml --out run
works 'a list of a run' episodes run --tasks 4 --out run.txt
works 'the same list' episodes smoke.yaml --tasks 4 --out smoke.txt
same 'a list is repeatable, and that of the configuration' run.txt smoke.txt
if [ -n "${METANAS_F64-}" ]; then
    "$METANAS_F64" episodes smoke.yaml --tasks 4 --out double.txt >out 2>err
    same 'a list means the same in double precision' run.txt double.txt
fi
works 'another seed' episodes run --tasks 4 --out other.txt --set run.seed=2
holds 'gives other episodes' sh -c '! cmp -s run.txt other.txt'
works 'another split' episodes run --tasks 2 --split val --out val.txt

# ---- tests on lists ----

works 'a test' test run --tasks 4
cp run/test-tasks.csv drawn.csv
works 'a test on the list' test run --episodes run.txt --json
holds 'names the list' grep -q '"episodes_file": "run.txt"' run/test.json
same 'drawn and listed episodes of a seed are the same' drawn.csv run/test-tasks.csv
works 'with other workers' test run --episodes run.txt --set run.workers=3
same 'listed episodes do not depend on workers' drawn.csv run/test-tasks.csv
works 'a test on part of a list' test run --episodes run.txt --tasks 2
head -n 3 drawn.csv >expected
same 'takes the first ones' expected run/test-tasks.csv
works 'a run of another seed' train smoke.yaml --out two --set run.seed=2
works 'on the list of the first' test two --episodes run.txt
cut -d, -f1,2 drawn.csv >expected
cut -d, -f1,2 two/test-tasks.csv >got
same 'has the same episodes' expected got
works 'validation episodes' test run --episodes val.txt
holds 'the list decides the split' grep -q '"split": "val"' run/test.json

refused 'a split that is not that of the list' 2 test run --episodes val.txt --split test <<'T'
metanas: test: --split names another split than that of val.txt
T
refused 'more tasks than the list has' 2 test run --episodes run.txt --tasks 5 <<'T'
metanas: test: --tasks 5, but run.txt has only 4
T
refused 'tasks of another shape' 2 test run --episodes run.txt --set task.shots=2 <<'T'
metanas: run.txt: its tasks have 5 ways, 1 support and 2 query images a class; this run's have 5, 2 and 2: --set task.shots=1 and --set task.queries=2 change them, the ways belong to the network
T
refused 'a list without its folder' 2 episodes run --tasks 1 <<'T'
metanas: episodes: --out FILE is missing: where to write
T
check
"$METANAS" test run --episodes run.txt --set dataset.samples=19 --accept-changes >out 2>err
holds 'other data end with 2' [ $? -eq 2 ]
holds 'and are told by their fingerprint' grep -q '^metanas: run.txt: was drawn from other data' err
check
"$METANAS" test run --episodes run.txt --set dataset.seed=2 --accept-changes -q >out 2>err
holds 'other pictures end with 3' [ $? -eq 3 ]
holds 'and are told task by task' grep -q '^metanas: test task 0 (seed 1): run.txt: an image of task 0 is not what it was when the list was made$' err

# ---- lists that are wrong ----

# broken SED PLACE: the list, changed, is refused at line:column
broken() {
    check
    sed "$1" run.txt >wrong.txt
    "$METANAS" test run --episodes wrong.txt >out 2>err
    code=$?
    [ $code -eq 3 ] || fail "$1: exit code $code"
    holds "$1: the place" grep -q "^metanas: wrong.txt:$2: " err
}
broken '1s/1/2/' 1:1
broken 's/^data .*/data 12/' 5:6
broken 's/^split .*/split tset/' 6:7
broken 's/^ways .*/ways 0/' 8:1
broken 's/^ways .*/ways five/' 8:6
broken 's/^tasks .*/tasks 4 5/' 11:9
broken 's/^tasks .*/tasks 9000000/' 11:1
broken 's/^task 1 /task 2 /' 20:1
broken '14s/support [0-9]*/support x/' '14:[0-9]*'
broken '14s/query/qeury/' '14:[0-9]*'
broken '14s/ name.*//' '14:[0-9]*'
broken '35d' '39:1'
broken '$a more' '40:1'
sed '14s/class [0-9]*/class 40/' run.txt >wrong.txt
refused 'a class the split lacks' 2 test run --episodes wrong.txt <<'T'
metanas: wrong.txt: task 0: class 40, but the split has only 40
T

# ---- adaptation steps ----

works 'looks at steps' test run --tasks 4 --steps 0,1,4
same 'they leave the result alone' drawn.csv run/test-tasks.csv
cut -d, -f1 run/test-steps.csv | tr '\n' ' ' >got
echo 'step 0 1 4 ' | tr -d '\n' >expected
same 'a line a step' expected got
mean=$(awk -F, 'NR > 1 { s += $3 / 4 } END { print s }' drawn.csv)
before=$(awk -F, 'NR > 1 { s += $4 / 4 } END { print s }' drawn.csv)
near 'the last step is the result' "$(awk -F, '$1 == 4 { print $2 }' run/test-steps.csv)" "$mean" 1e-6
near 'and before the prune' "$(awk -F, '$1 == 4 { print $4 }' run/test-steps.csv)" "$before" 1e-6
# a test that ends after one step, without annealing
works 'a test of one step' test run --tasks 4 --steps 1 --set task_learner.lr_a=0
cp run/test-steps.csv one.csv
works 'the same, ended there' test run --tasks 4 --set task_learner.test_steps=1 --set task_learner.lr_a=0
mean=$(awk -F, 'NR > 1 { s += $3 / 4 } END { print s }' run/test-tasks.csv)
near 'a look is what a test that ends there gives' "$(awk -F, '$1 == 1 { print $2 }' one.csv)" "$mean" 1e-6
holds 'no curve of another test stays' [ ! -e run/test-steps.csv ]
refused 'a step that is not reached' 2 test run --steps 0,5 <<'T'
metanas: --steps: step 5 is to be looked at, but a task ends after 4 steps; --set task_learner.test_steps=5 goes on
T
refused 'steps out of order' 2 test run --steps 1,0 <<'T'
metanas: test: --steps is '1,0'; expected ascending numbers of steps, like 0,1,5,10
T

# ---- states ----

works 'a test of the best state' test run --state best --tasks 4 --json
best=$(awk -F'[:,]' '/"kind":"validation"/ { for (i = 1; i <= NF; i++) {
        if ($i == "\"meta_epoch\"") e = $(i + 1)
        if ($i == "\"accuracy_mean\"") a = $(i + 1) }
    if (a > top) { top = a; at = e } } END { print at }' run/metrics.jsonl)
holds 'is of the meta-epoch with the best validation' grep -q "\"meta_epoch\": $best,\$" run/test.json
works 'the same by its file' test run --state run/best.safetensors --tasks 4
works 'a test of the last state' test run --state last --tasks 4
same 'is the default' drawn.csv run/test-tasks.csv
rm two/best.safetensors
refused 'no best state' 3 test two --state best <<'T'
metanas: two/best.safetensors: there is none; a run has one when it has been validated. --state last takes its last checkpoint
T
works 'batch norm by a flag' test run --tasks 4 --batch-norm support
holds 'is used and told' grep -q '"batch_norm": "support"' run/test.json
refused 'an unknown mode' 2 test run --batch-norm suport <<'T'
metanas: test: --batch-norm: unknown value 'suport': expected one of: transductive, support; did you mean 'support'?
T
finish
