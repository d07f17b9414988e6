# SPDX-License-Identifier: MIT
# metanas sweep --jobs: several runs at a time, each in a process of its own.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
cat >sweep.yaml <<'Y'
base: smoke.yaml
set: {run.checkpoint_every: 1, run.meta_epochs: 4, run.eval_every: 2, evaluation.tasks: 4, evaluation.validation_tasks: 2}
seeds: [1, 7]
axes:
  task_learner.order: [joint, alternating]
Y
runs='order=joint/seed-1 order=joint/seed-7 order=alternating/seed-1 order=alternating/seed-7'

# same_sweep WHAT DIR DIR: the same results and, to the last bit, the same runs.
same_sweep() {
    for dir in "$2" "$3"; do
        for file in results runs; do
            awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "train_seconds") c = i }
                { $c = ""; print }' "$dir/$file.csv" >"$dir.$file"
        done
    done
    same "$1: results.csv" "$2.results" "$3.results"
    same "$1: runs.csv" "$2.runs" "$3.runs"
    for run in $runs; do
        for file in checkpoint.safetensors best.safetensors config.resolved.yaml metrics.jsonl \
            architecture.csv test.json test-tasks.csv; do
            same "$1: $run" "$2/$run/$file" "$3/$run/$file"
        done
    done
}

works 'one at a time' sweep sweep.yaml --out one --jobs 1
holds 'is the number of processors that a run takes by itself' grep -q '^run 1 of 4: order=joint/seed-1$' err
works 'two at a time' sweep sweep.yaml --out two --jobs 2
holds 'says so' grep -qx '2 runs at a time' err
holds 'whole lines, each with the name of its run' [ -z "$(grep -Ev \
    '^(2 runs at a time$|run [1-4] of 4: order=|order=(joint|alternating)/seed-[17]: (meta-epoch|task) )' err)" ]
holds 'of every run' [ "$(grep -c ': meta-epoch 4: validation' err)" -eq 4 ]
same_sweep 'two at a time' one two
same 'the table is printed' out two/results.txt
works 'as many as there are processors for' sweep sweep.yaml --out auto --set run.workers=1
holds 'is as many as there are, or runs' [ "$(sed -n 's/ runs at a time$//p' err)" = \
    "$(awk -v n="$(nproc)" 'BEGIN { if (n > 1) print n < 4 ? n : 4 }')" ]
for run in $runs; do
    same_run "$run with one thread" "one/$run" "auto/$run"
done

# ---- stopped at any time ----

# children PID: of a process
children() {
    sed -n "s/^\([0-9]*\) (.*) [A-Z] $1 .*/\1/p" /proc/[0-9]*/stat 2>/dev/null
}
sed 's/meta_epochs: 4/meta_epochs: 8/; s/every: 2/every: 4/' sweep.yaml >long.yaml
works 'never stopped' sweep long.yaml --out whole --jobs 1
for signal in TERM KILL; do
    rm -rf stopped
    for begun in 1 3; do
        "$METANAS" sweep long.yaml --out stopped --jobs 2 >out 2>err &
        pid=$!
        tries=0
        while [ $tries -lt 2000 ] && [ "$(ls -d stopped/*/seed-*/metrics.jsonl 2>/dev/null | wc -l)" -lt $begun ]; do
            sleep 0.01
            tries=$((tries + 1))
        done
        mine=$(children $pid)
        kill -s $signal $pid
        wait $pid
        code=$?
        check
        [ $signal = KILL ] || [ $code -eq 75 ] || fail "SIG$signal: exit code $code: $(cat err)"
        tries=0
        for child in $mine; do # a killed parent does not wait for them
            while [ -e "/proc/$child" ] && [ $signal = KILL ] && [ $tries -lt 1000 ]; do
                sleep 0.01
                tries=$((tries + 1))
            done
            holds "SIG$signal: no process stays" [ ! -e "/proc/$child" ]
        done
        [ $signal = KILL ] || holds "SIG$signal: says how to go on, not: $(cat err)" \
            grep -q '^metanas: stopped with [0-4] of 4 runs to go, what was done is saved; the same command goes on$' err
    done
    works "on after SIG$signal" sweep long.yaml --out stopped --jobs 2
    same_sweep "after SIG$signal" whole stopped
done

# ---- a run that fails leaves the others alone ----

cat >diverge.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 2, evaluation.tasks: 4}
seeds: [1]
axes:
  task_learner: {wild: {use: sgd, lr: 1e9, weight_decay: 1e6}, tame: {use: sgd, lr: 0.01, test_steps: 4}}
Y
check
"$METANAS" sweep diverge.yaml --jobs 2 >out 2>err
[ $? -eq 4 ] || fail 'a diverging arm ends with 4'
holds 'and is named' grep -q '^run wild/seed-1 failed: meta-epoch 0, ' err
holds 'the other is run' [ "$(grep -c ',done,' sweeps/diverge/runs.csv)" -eq 1 ]
for jobs in 1 2; do
    rm -rf blocked
    mkdir -p blocked/order=joint
    echo 'no folder' >blocked/order=joint/seed-7
    check
    "$METANAS" sweep sweep.yaml --out blocked --jobs $jobs --set run.meta_epochs=1 -q >out 2>err
    [ $? -eq 3 ] || fail "--jobs $jobs: a folder that cannot be made: exit code $?"
    holds "--jobs $jobs: says which, and nothing else" [ "$(grep -v -c '^run order=joint/seed-7 failed: .*blocked/order=joint/seed-7' err)" -eq 1 ]
    holds "--jobs $jobs: and how many" grep -qx 'metanas: 1 of 4 runs failed, as told above; the results are without them, the same command tries them again' err
    holds "--jobs $jobs: the others are run all the same" [ "$(grep -c ',done,' blocked/runs.csv)" -eq 3 ]
done
"$METANAS" sweep long.yaml --out killed --jobs 2 >out 2>err &
pid=$!
tries=0
while [ $tries -lt 2000 ] && [ -z "$(children $pid)" ]; do
    sleep 0.01
    tries=$((tries + 1))
done
kill -KILL "$(children $pid | head -n 1)"
wait $pid
holds 'a process that was killed: exit code 1' [ $? -eq 1 ]
holds 'is told of' grep -q '^run order=[a-z]*/seed-[17] failed: its process was ended by signal 9 (Killed); where memory has run out, --jobs asks for fewer at a time$' err
holds 'the others end' [ "$(grep -c ',done,' killed/runs.csv)" -eq 3 ]
works 'and it the next time' sweep long.yaml --out killed
same_sweep 'after a process was killed' whole killed

refused 'a number of jobs that is none' 2 sweep sweep.yaml --jobs -1 <<'T'
metanas: sweep: --jobs: -1 is out of range: expected int, at least 0
T
finish
