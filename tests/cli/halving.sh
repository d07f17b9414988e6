# SPDX-License-Identifier: MIT
# metanas sweep with successive halving: rungs, decisions, going on.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
cat >halving.yaml <<'Y'
base: smoke.yaml
set: {run.eval_every: 1, run.checkpoint_every: 0, evaluation.tasks: 4}
seeds: [1]
search:
  method: halving
  eta: 3
  rungs: {min: 1, max: 9}
  metric: validation accuracy
  arms: 9
  space:
    task_learner.lr_a: {log_uniform: [0.01, 0.5]}
    task_learner.lr_w: {log_uniform: [0.001, 0.1]}
Y
# rung N [yes|no]: arms of rungs.csv
rung() {
    awk -F, -v n="$1" -v kept="${2:-}" '$1 == n && (kept == "" || $8 == kept) { print $3 }' "${3:-sweeps/halving}/rungs.csv"
}

works 'successive halving' sweep halving.yaml --jobs 1
holds 'nine arms, of which three go on' [ "$(rung 1 | wc -l) $(rung 1 yes | wc -l)" = '9 3' ]
holds 'to the second rung' [ "$(rung 2 | sort)" = "$(rung 1 yes | sort)" ]
holds 'one of them to the last' [ "$(rung 3)" = "$(rung 2 yes)" ]
holds 'said on the way' grep -qx 'rung 1 of 3, 1 meta-epochs: 3 of 9 arms go on:' err
holds 'and at the end' grep -qx 'the best of 1 arm by validation:' err
awk -F, 'NR > 1 { if ($8 == "yes" && (low[$1] == "" || $5 < low[$1])) low[$1] = $5
        if ($8 == "no" && $5 > high[$1]) high[$1] = $5; if ($4 > 1 && $5 > last + 1e-9) bad++; last = $5 }
    END { for (r in high) if (high[r] > low[r] + 1e-9) bad++; exit bad > 0 || NR != 14 }' sweeps/halving/rungs.csv
holds 'the best go on' [ $? -eq 0 ]
tail -n +2 sweeps/halving/rungs.csv | while IFS=, read -r _ meta_epochs arm _ accuracy ci95 over _; do
    grep -q "\"validation\",\"meta_epoch\":$meta_epochs,\"accuracy_mean\":$accuracy,\"accuracy_ci95\":$ci95," \
        "sweeps/halving/$arm/seed-1/metrics.jsonl" && [ "$over" = tasks ] || echo "$arm"
done >strange
holds 'by the validations of their runs' [ ! -s strange ]
for arm in $(rung 1 no); do
    holds "$arm is left after the first rung" \
        [ "$(grep -c '"validation"' "sweeps/halving/$arm/seed-1/metrics.jsonl")" -eq 1 ]
done
works 'its list' sweep halving.yaml --list
holds 'says what was left when' [ "$(grep -c 'left after 1 of 9 meta-epochs$' out) $(grep -c 'left after 3 of 9 meta-epochs$' out) $(grep -c 'done$' out)" = '6 2 1' ]
holds 'and so does the table' [ "$(grep -c '(left after [13] meta-epochs)$' sweeps/halving/results.txt)" -eq 8 ]

# The schedules of a run go by its length: the best one is a run of nine meta-epochs that was never stopped.
best=sweeps/halving/$(rung 3)/seed-1
works 'the best by itself' train $best/config.resolved.yaml --out plain
same 'is the same run' plain/metrics.jsonl $best/metrics.jsonl
same 'to the last bit' plain/checkpoint.safetensors $best/checkpoint.safetensors
works 'its test' test plain
same 'is the same' plain/test.json $best/test.json

cp sweeps/halving/rungs.csv rungs.csv
works 'again' sweep halving.yaml
holds 'repeats no run' [ "$(grep -c '^run ' err)" -eq 0 ]
same 'and decides the same' rungs.csv sweeps/halving/rungs.csv
works 'two at a time' sweep halving.yaml --out two --jobs 2 -q
same 'decide the same' rungs.csv two/rungs.csv
same 'to the same end' $best/checkpoint.safetensors "two/$(rung 3)/seed-1/checkpoint.safetensors"

# stopped in the first rung, then in the second
for signal in TERM KILL; do
    rm -rf stopped
    for lines in 4 11; do
        "$METANAS" sweep halving.yaml --out stopped --jobs 2 >out 2>err &
        pid=$!
        tries=0
        while [ $tries -lt 2000 ] && [ "$(cat stopped/*/seed-1/metrics.jsonl 2>/dev/null | grep -c '"validation"')" -lt $lines ]; do
            sleep 0.01
            tries=$((tries + 1))
        done
        kill -s $signal $pid
        wait $pid
    done
    works "on after SIG$signal" sweep halving.yaml --out stopped --jobs 2 -q
    same "after SIG$signal: the same decisions" rungs.csv stopped/rungs.csv
    for arm in $(rung 1); do
        same_run "after SIG$signal: $arm" "sweeps/halving/$arm/seed-1" "stopped/$arm/seed-1"
    done
done

# ---- axes, seeds, an arm that fails ----

cat >axes.yaml <<'Y'
base: smoke.yaml
set: {run.eval_every: 2, evaluation.tasks: 4}
seeds: [1, 2]
search: {method: halving, eta: 2, rungs: {min: 2, max: 4}}
axes:
  task_learner:
    wild: {use: sgd, lr: 1e9, weight_decay: 1e6, test_steps: 4}
    tame: {use: sgd, lr: 0.01, test_steps: 4}
    mild: {use: sgd, lr: 0.02, test_steps: 4}
    fast: {use: sgd, lr: 0.1, test_steps: 4}
Y
check
"$METANAS" sweep axes.yaml >out 2>err
[ $? -eq 4 ] || fail "an arm that diverges: exit code 4: $(cat err)"
holds 'it is the last of its rung, without a result' grep -qx '1,2,wild,4,,,,no' sweeps/axes/rungs.csv
holds 'two others go on' [ "$(rung 1 yes sweeps/axes | wc -l)" -eq 2 ]
holds 'as means over seeds' [ "$(grep -c ',seeds,' sweeps/axes/rungs.csv)" -eq 5 ]
holds 'the last rung names the best' [ "$(rung 2 yes sweeps/axes | wc -l)" -eq 1 ]
holds 'runs.csv tells them apart' [ "$(grep -c ',failed,' sweeps/axes/runs.csv) $(grep -c ',left,' sweeps/axes/runs.csv) $(grep -c ',done,' sweeps/axes/runs.csv)" = '2 2 4' ]

# ---- what is refused ----

cat >wrong.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 9}
seeds: [1]
search:
  method: halving
  eta: 1
  rungs: {min: 1, mix: 9}
  metric: test accuracy
  arms: 9
Y
refused 'faults of a halving' 2 sweep wrong.yaml <<'T'
wrong.yaml:2:7: run.meta_epochs cannot be set here: rungs.max of the search is its value
wrong.yaml:9:3: search: arms goes with a space
wrong.yaml:5:3: search: space: expected what arms are drawn from, or axes beside the search
wrong.yaml:8:11: search: metric: expected validation accuracy
wrong.yaml:6:8: search: eta: expected a whole number from 2 to 1000
wrong.yaml:7:19: unknown key 'mix'; did you mean 'min'?
wrong.yaml:7:10: search: max: expected a whole number from 1 to 1000000000
metanas: wrong.yaml: 7 faults; nothing was run
T
sed -e 's/max: 9/max: 2/' halving.yaml >wrong.yaml
refused 'rungs too near' 2 sweep wrong.yaml <<'T'
wrong.yaml:7:10: search: rungs: expected a max of at least eta times min, 3
metanas: wrong.yaml: 1 fault; nothing was run
T
sed -e 's/method: halving/method: random/' halving.yaml >wrong.yaml
refused 'keys of a halving elsewhere' 2 sweep wrong.yaml <<'T'
wrong.yaml:6:3: search: eta goes with method: halving
wrong.yaml:7:3: search: rungs goes with method: halving
wrong.yaml:8:3: search: metric goes with method: halving
metanas: wrong.yaml: 3 faults; nothing was run
T
sed -e 's/run.eval_every: 1/run.eval_every: 2/' halving.yaml >wrong.yaml
refused 'a rung without a validation' 2 sweep wrong.yaml <<'T'
wrong.yaml:7:10: run.eval_every is 2, so there is no validation after 1 meta-epochs, where a rung ends; min has to be a multiple of it
metanas: wrong.yaml: 9 of 9 arms cannot be run; nothing was run
T
check
"$METANAS" sweep halving.yaml --set run.meta_epochs=5 >out 2>err
[ $? -eq 2 ] || fail 'another length: exit code'
holds 'a length of the command line' grep -q '^arm lr_a=.*: run.meta_epochs cannot be set by --set: rungs.max of halving.yaml is its value$' err
finish
