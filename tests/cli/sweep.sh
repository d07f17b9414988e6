# SPDX-License-Identifier: MIT
# metanas sweep: arms, resuming, paired differences, results.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
cat >sweep.yaml <<'Y'
base: smoke.yaml
set: {run.checkpoint_every: 1, run.meta_epochs: 4, run.eval_every: 2}
seeds: [1, 7]
axes:
  pruning:
    hard: {op_mixer: {use: softmax}, input_mixer: {use: sum}}
    soft: {op_mixer.t_min: 0.05}
  task_learner.order: [joint, alternating]
Y
runs='hard+order=joint hard+order=alternating soft+order=joint soft+order=alternating'

works 'list' sweep sweep.yaml --list
holds 'a line a run' [ "$(grep -c 'not begun, 4 meta-epochs$' out)" -eq 8 ]
holds 'nothing is made' [ ! -e sweeps ]
works 'a sweep' sweep sweep.yaml
holds 'progress over all' grep -q '^run 8 of 8: soft+order=alternating/seed-7, about ' err
for arm in $runs; do
    holds "$arm has run" [ -e "sweeps/sweep/$arm/seed-7/test.json" ]
done
same 'the table is kept' out sweeps/sweep/results.txt
same 'and the sweep file' sweep.yaml sweeps/sweep/sweep.yaml

# column FILE NAME KEY: the value in the column of that name, in the line that begins with KEY
column() {
    awk -F, -v name="$2" -v key="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        NR > 1 && $1 == key { print $c }' "$1"
}

# ---- an arm is a plain run of the same configuration ----

works 'the same by hand' train smoke.yaml --out plain --set run.checkpoint_every=1 \
    --set run.meta_epochs=4 --set run.eval_every=2 --set run.seed=7 --set op_mixer.t_min=0.05 \
    --set task_learner.order=alternating
same_run 'an arm is a run' plain sweeps/sweep/soft+order=alternating/seed-7
works 'its test' test plain
same 'and its test' plain/test.json sweeps/sweep/soft+order=alternating/seed-7/test.json

# ---- results ----

results=sweeps/sweep/results.csv
for arm in $runs; do
    set --
    for seed in 1 7; do
        mean=$(awk -F, 'NR > 1 { s += $3; n++ } END { printf "%.15g", s / n }' \
            "sweeps/sweep/$arm/seed-$seed/test-tasks.csv")
        first=$(awk -F, 'NR > 1 { s += $3; n++ } END { printf "%.15g", s / n }' \
            "sweeps/sweep/hard+order=joint/seed-$seed/test-tasks.csv")
        near "$arm seed $seed: runs.csv" \
            "$(column sweeps/sweep/runs.csv accuracy "$arm/seed-$seed")" "$mean" 1e-9
        set -- "$@" "$mean" "$first"
    done
    # with two seeds the half width is |a - b| / 2 * 12.7062: Student t with one degree of freedom
    near "$arm: mean" "$(column $results accuracy "$arm")" \
        "$(awk -v a="$1" -v b="$3" 'BEGIN { print (a + b) / 2 }')" 1e-5
    near "$arm: interval" "$(column $results accuracy_ci95 "$arm")" \
        "$(awk -v a="$1" -v b="$3" 'BEGIN { d = a - b; print (d < 0 ? -d : d) / 2 * 12.7062047 }')" 1e-5
    [ "$arm" = hard+order=joint ] && continue
    near "$arm: difference" "$(column $results difference "$arm")" \
        "$(awk -v a="$1" -v b="$2" -v c="$3" -v d="$4" 'BEGIN { print (a - b + c - d) / 2 }')" 1e-5
    near "$arm: its interval" "$(column $results difference_ci95 "$arm")" \
        "$(awk -v a="$1" -v b="$2" -v c="$3" -v d="$4" 'BEGIN { e = a - b - c + d
            print (e < 0 ? -e : e) / 2 * 12.7062047 }')" 1e-5
    holds "$arm: paired by seed" [ "$(column $results pairs_over "$arm")" = seeds ]
done
holds 'the first arm has no difference' [ -z "$(column $results difference hard+order=joint)" ]
# one seed has the same episodes in all arms, two seeds have not
holds 'arms share their test tasks' [ "$(cut -d, -f2 sweeps/sweep/*/seed-1/test-tasks.csv | sort -u | wc -l)" -eq 11 ]
holds 'seeds do not' [ "$(cut -d, -f2 sweeps/sweep/*/seed-*/test-tasks.csv | sort -u | wc -l)" -eq 21 ]

# Two or three seeds are shown themselves.
set -- $(for seed in 1 7; do
    awk -F, 'NR > 1 { s += $3; n++ } END { printf "%.2f\n", 100 * s / n }' \
        "sweeps/sweep/soft+order=joint/seed-$seed/test-tasks.csv"
done)
holds 'the values of two seeds, not an interval' \
    grep -Eq "^soft\+order=joint +2/2  [0-9.]+ \($1, $2\) " sweeps/sweep/results.txt
holds 'said in the notes' grep -q 'in brackets the values of two or three seeds' sweeps/sweep/results.txt
works 'a report of them' report sweeps/sweep
holds 'shows them too' grep -Eq ">[0-9.]+% \($1%, $2%\)<" sweeps/sweep/report.html

# ---- one seed: pairs of tasks ----

sed 's/seeds: .*/seeds: [7]/; s/alternating\]/joint]/; s/\[joint, joint\]/[joint]/' sweep.yaml >one.yaml
works 'one seed' sweep one.yaml --out one
# mean and interval of the differences, Student t with 9 degrees of freedom
paste -d, one/hard+order=joint/seed-7/test-tasks.csv one/soft+order=joint/seed-7/test-tasks.csv |
    awk -F, 'NR > 1 { d = $10 - $3; n++; s += d; q += d * d }
        END { m = s / n; printf "%.9f %.9f\n", m, 2.262157163 * sqrt((q - n * m * m) / (n - 1) / n) }' >pairs
near 'one seed: difference' "$(column one/results.csv difference soft+order=joint)" "$(cut -d' ' -f1 pairs)" 1e-7
near 'one seed: its interval' "$(column one/results.csv difference_ci95 soft+order=joint)" "$(cut -d' ' -f2 pairs)" 1e-7
holds 'one seed: paired by task' [ "$(column one/results.csv pairs_over soft+order=joint)" = tasks ]
holds 'one seed: said in the table' grep -q 'paired over tasks\.$' one/results.txt

# ---- resuming ----

cut -d, -f1-17 $results >before
works 'the same command again' sweep sweep.yaml
holds 'repeats nothing' [ ! -s err ]
cut -d, -f1-17 $results >after
same 'and finds the same' before after

rm -r sweeps/sweep/soft+order=alternating/seed-1 sweeps/sweep/soft+order=joint/seed-7/test.json
works 'list of a sweep that is not finished' sweep sweep.yaml --list
holds 'what is done' [ "$(grep -c 'done$' out)" -eq 6 ]
holds 'what is trained' grep -q '^soft+order=joint/seed-7 *trained, not tested$' out
holds 'what is not begun' grep -q '^soft+order=alternating/seed-1 *not begun' out
works 'the rest of it' sweep sweep.yaml
holds 'runs two of them' [ "$(grep -c '^run [0-9]* of 8' err)" -eq 2 ]
cut -d, -f1-17 $results >after
same 'the results are the same' before after

test_of=sweeps/sweep/soft+order=joint/seed-7
works 'a test by hand, of another kind' test $test_of --set task_learner.test_steps=1
works 'list after it' sweep sweep.yaml --list
holds 'is not that of the sweep' grep -q '^soft+order=joint/seed-7 *trained, not tested$' out
works 'so it is tested again' sweep sweep.yaml
cut -d, -f1-17 $results >after
same 'with the same results' before after
rm $test_of/test-tasks.csv
works 'a test without its tasks' sweep sweep.yaml
cut -d, -f1-17 $results >after
same 'is done again' before after

# Damage to a file that nothing depends on is a warning; the results stay.
printf '{"kind":' >>$test_of/timing.jsonl
echo broken >>$test_of/timing.jsonl
works 'a damaged timing.jsonl' sweep sweep.yaml
holds 'is told of once' [ "$(grep -c "^metanas: $test_of/timing.jsonl:[0-9]*:[0-9]*: not valid JSON: .*; what follows is left out$" err)" -eq 1 ]
cut -d, -f1-17 $results >after
same 'and changes no result' before after

# ---- stopped at any time ----

cut -d, -f1-17 one/results.csv >before
for signal in KILL TERM; do
    rm -rf stopped
    for arms in 1 2; do
        "$METANAS" sweep one.yaml --out stopped >out 2>err &
        pid=$!
        tries=0
        # in the middle of a run: its first meta-epochs are there
        while [ $tries -lt 1000 ] && [ "$(ls -d stopped/*/seed-*/metrics.jsonl 2>/dev/null | wc -l)" -lt $arms ]; do
            sleep 0.01
            tries=$((tries + 1))
        done
        kill -s $signal $pid
        wait $pid
        code=$?
    done
    check
    [ $signal = KILL ] || [ $code -eq 75 ] || [ $code -eq 0 ] || fail "SIGTERM: exit code $code"
    holds "SIG$signal: the table is of this sweep" grep -q '^hard+order=joint,' stopped/results.csv
    works "on after SIG$signal" sweep one.yaml --out stopped
    cut -d, -f1-17 stopped/results.csv >after
    same "after SIG$signal: the same results" before after
    for arm in hard+order=joint soft+order=joint; do
        same_run "after SIG$signal: $arm" "one/$arm/seed-7" "stopped/$arm/seed-7"
        same "after SIG$signal: $arm, best" "one/$arm/seed-7/best.safetensors" \
            "stopped/$arm/seed-7/best.safetensors"
    done
done

# ---- a budget in place of channels: the resolved configuration depends on the data ----

cat >budget.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 1}
seeds: [1]
axes: {search_space: [{use: darts, cells: 2, parameters: 2000}]}
Y
works 'a budget' sweep budget.yaml
works 'again' sweep budget.yaml --list
holds 'is the same run' grep -q 'done$' out

# ---- what is refused ----

refused 'another configuration' 2 sweep sweep.yaml --set task_learner.lr_w=0.1 <<'T'
metanas: sweeps/sweep/hard+order=joint/seed-1/config.resolved.yaml: the run was made with another configuration: task_learner.lr_w was 0.005, now it is 0.1; choose another --out or remove the run
T
refused 'a seed for all' 2 sweep one.yaml --out seeds --set 'run={seed: 3, meta_epochs: 2}' <<'T'
arm hard+order=joint: run.seed cannot be set by --set: 'seeds' of one.yaml lists its values
arm soft+order=joint: run.seed cannot be set by --set: 'seeds' of one.yaml lists its values
metanas: one.yaml: 2 of 2 arms cannot be run; nothing was run
T
refused 'a key of an axis' 2 sweep sweep.yaml --out axis --set task_learner.order=joint <<'T'
arm hard+order=alternating: the same configuration as that of arm hard+order=joint; is a key of an axis given by --set?
arm soft+order=alternating: the same configuration as that of arm soft+order=joint; is a key of an axis given by --set?
metanas: sweep.yaml: 2 of 4 arms cannot be run; nothing was run
T
refused 'the folder of a run' 2 sweep one.yaml --out plain <<'T'
metanas: plain is the directory of a run; give another --out
T
refused 'a sweep in place of a run' 3 test sweeps/sweep <<'T'
metanas: sweeps/sweep: the folder of a sweep; expected one of its runs, sweeps/sweep/ARM/seed-N
T
printf 'base: none.yaml\nseeds: [1]\n' >baseless.yaml
refused 'a base that is not there' 3 sweep baseless.yaml <<'T'
metanas: baseless.yaml: base: cannot read none.yaml: No such file or directory
T
mv $test_of/config.resolved.yaml kept.yaml
refused 'a run without its configuration' 3 sweep sweep.yaml <<T
metanas: $test_of/config.resolved.yaml is not there, so nobody knows how the run was made; remove $test_of, and it is made again
T
mv kept.yaml $test_of/config.resolved.yaml
mkdir -p locked
flock locked "$METANAS" sweep one.yaml --out locked >out 2>err
holds 'two at once: the second ends with 3' [ $? -eq 3 ]
holds 'and says why' grep -q '^metanas: locked: another metanas is at work on this sweep$' err
cat >bad.yaml <<'Y'
base: smoke.yaml
seeds: [1]
axes:
  pruning:
    hard: {op_mixer: {use: softmax, t_min: 3}}
    odd: {search_space.channels: 5}
    wide: {task.ways: 41}
    fine: {task.ways: 3}
  task_learner.order: [joint, alternatng]
Y
refused 'faulty arms, each fault once, nothing run' 2 sweep bad.yaml <<'T'
bad.yaml:5:37: op_mixer softmax: unknown key 't_min'; known here: use, temperature
bad.yaml:9:31: task_learner darts: order: unknown value 'alternatng': expected one of: joint, alternating, unrolled; did you mean 'alternating'?
bad.yaml:6:34: search_space darts: channels: 5 is odd; a factorized reduce needs two halves
bad.yaml:7:23: task: ways: 41 classes a task, but dataset glyphs has only 20 validation classes
metanas: bad.yaml: 7 of 8 arms cannot be run; nothing was run
T
holds 'nothing of it is there' [ ! -e sweeps/bad ]
cat >wrong.yaml <<'Y'
bas: smoke.yaml
base: [smoke.yaml]
seeds: [1, x, 1]
set: {run.seed: 2}
axes:
  search_space.ops: [[none], [skip_connect]]
  nothing: [1, 2]
  op_mixer.t_min: [0.1, 0.10, 0.1]
  op_mixer: [{use: softmax}]
  order: {a/b: {task_learner.order: joint}}
Y
refused 'faults of the sweep itself' 2 sweep wrong.yaml <<'T'
wrong.yaml:1:1: unknown key 'bas'; did you mean 'base'?
wrong.yaml:2:7: base: expected the configuration to start from, relative to this file
wrong.yaml:3:12: seeds: expected whole numbers, 0 or more
wrong.yaml:3:15: seeds: 1 was given before
wrong.yaml:4:7: run.seed cannot be set here: 'seeds' lists the values of run.seed
wrong.yaml:6:22: a value of this kind needs a label: write the values of 'search_space.ops' as a map of label: value
wrong.yaml:6:30: a value of this kind needs a label: write the values of 'search_space.ops' as a map of label: value
wrong.yaml:7:3: axis 'nothing' is neither section.key nor a section, so its values need labels and say what they set: nothing: {LABEL: {section.key: value}}
wrong.yaml:8:31: axis 'op_mixer.t_min' has two values 't_min=0.1'; give them labels: a map of label: value
wrong.yaml:10:11: 'a/b' cannot be a label: 1 to 48 letters, digits and . _ = - are one, with none of . = - in front
wrong.yaml:9:3: op_mixer would undo what axis 'op_mixer.t_min' sets (op_mixer.t_min); a key belongs to one axis, a whole section goes before its keys
metanas: wrong.yaml: 11 faults; nothing was run
T
refused 'no sweep file' 3 sweep none.yaml <<'T'
none.yaml: cannot read: No such file or directory
metanas: none.yaml: 1 fault; nothing was run
T

# ---- files in proportion ----

awk 'BEGIN { printf "base: smoke.yaml\nseeds: [1]\naxes:\n"
    for (a = 0; a < 300; a++) { printf " a.k%d: [0", a; for (v = 1; v < 300; v++) printf ",%d", v; print "]" } }' >axes.yaml
refused 'three hundred axes of three hundred values' 2 sweep axes.yaml --list <<'T'
axes.yaml:4:2: the axes make more than 10000 arms
axes.yaml:4:2: an arm is called by its labels and would have a name of 2589 characters; a folder can have 255: give shorter labels, as a map of label: value
metanas: axes.yaml: 2 faults; nothing was run
T
awk 'BEGIN { printf "base: smoke.yaml\nseeds: [1]\naxes:\n run.meta_epochs: [1"
    for (v = 2; v < 90000; v++) printf ",%d", v; print "]" }' >values.yaml
refused 'an axis of ninety thousand values' 2 sweep values.yaml --list <<'T'
values.yaml:4:19: axis 'run.meta_epochs' has 89999 values; a sweep can have 10000 arms
metanas: values.yaml: 1 fault; nothing was run
T
awk 'BEGIN { printf "base: smoke.yaml\naxes: {run.meta_epochs: [1, 2]}\nseeds: [1"
    for (v = 2; v < 90000; v++) printf ",%d", v; print "]" }' >seeds.yaml
refused 'seeds times arms' 2 sweep seeds.yaml --list <<'T'
seeds.yaml:2:7: 2 arms with 89999 seeds make more than 100000 runs; a sweep can be parted into several files
metanas: seeds.yaml: 1 fault; nothing was run
T
awk 'BEGIN { printf "base: smoke.yaml\nseeds: [1]\naxes:\n"
    for (a = 0; a < 5; a++) {
        printf " axis%d: {", a
        for (i = 0; i < 48; i++) printf "x"
        printf ": {evaluation.tasks: 2}}\n"
    }
    printf " last: {123456789012: {run.meta_epochs: 1}}\n" }' >long.yaml
sed -i 's/axis\([1-4]\): {\(x*\): .*/axis\1: {\2: {}}/' long.yaml
refused 'long arm names, before the first arm' 2 sweep long.yaml <<'T'
long.yaml:4:2: an arm is called by its labels and would have a name of 257 characters; a folder can have 255: give shorter labels, as a map of label: value
metanas: long.yaml: 1 fault; nothing was run
T
printf 'base: smoke.yaml\nseeds: [1]\naxes: {run.log_every: {"=1": 1, -x: 2}}\n' >formula.yaml
refused 'labels that begin a formula' 2 sweep formula.yaml <<'T'
formula.yaml:3:24: '=1' cannot be a label: 1 to 48 letters, digits and . _ = - are one, with none of . = - in front
formula.yaml:3:33: '-x' cannot be a label: 1 to 48 letters, digits and . _ = - are one, with none of . = - in front
metanas: formula.yaml: 2 faults; nothing was run
T
deep=$(printf '%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d/%0250d' \
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
check
"$METANAS" sweep one.yaml --out "$deep" >out 2>err
[ $? -eq 3 ] || fail 'a folder too deep for the files of a run'
holds 'is refused before anything is made' grep -q '^metanas: a path of [0-9]* bytes is too long' err

# SIGTERM while ten thousand arms are checked
awk 'BEGIN { printf "base: smoke.yaml\nseeds: [1]\naxes: {run.meta_epochs: [1"
    for (v = 2; v <= 10000; v++) printf ",%d", v; print "]}" }' >many.yaml
"$METANAS" sweep many.yaml --list >out 2>err &
pid=$!
tries=0
# the program has installed its handler: the bit of SIGTERM in SigCgt
while [ $tries -lt 1000 ] && ! sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$pid/status 2>/dev/null | grep -q '[4567cdefCDEF]...$'; do
    sleep 0.01
    tries=$((tries + 1))
done
sleep 0.3
kill -TERM $pid
wait $pid
holds 'SIGTERM is heard while arms are checked' [ $? -eq 143 ]
holds 'and nothing was run' grep -q 'nothing was saved; the same command begins anew' err

# ---- an arm that diverges ----

cat >diverge.yaml <<'Y'
base: smoke.yaml
seeds: [1]
axes:
  task_learner: {wild: {use: sgd, lr: 1e9, weight_decay: 1e6}, tame: {use: sgd, lr: 0.01}}
Y
check
"$METANAS" sweep diverge.yaml >out 2>err
holds 'a diverging arm ends with 4' [ $? -eq 4 ]
holds 'and is named' grep -q '^run wild/seed-1 failed: meta-epoch 0, ' err
holds 'the others are run' [ -n "$(column sweeps/diverge/results.csv accuracy tame)" ]
works 'a list after it' sweep diverge.yaml --list
holds 'says that it failed' grep -q '^wild/seed-1  failed: its numbers were not finite; the sweep tries it again$' out
holds 'it has no result' [ -z "$(column sweeps/diverge/results.csv accuracy wild)" ]
holds 'but a mark' [ "$(column sweeps/diverge/results.csv seeds_failed wild)" = 1 ]

# ---- runs of arms that were tested with other options ----

cat >ways.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 1, evaluation.tasks: 4}
seeds: [1]
axes: {evaluation.batch_norm: [transductive, support], task.shots: [1, 2]}
Y
works 'tests of different kinds' sweep ways.yaml
holds 'the note says what differs' grep -q '^Test: 4 tasks a seed, 5-way shots by arm, [0-9]* query images a class, transductive or support batch norm by arm; seeds 1\.$' out

# ---- shipped sweeps ----

for config in "$SOURCE"/configs/*.yaml; do
    grep -q '^base:' "$config" || continue
    works "$config" sweep "$config" --list \
        --set 'dataset={use: glyphs, size: 28, train_classes: 40, val_classes: 40, test_classes: 40}'
    holds "$config has arms" grep -q 'not begun' out
done
finish
