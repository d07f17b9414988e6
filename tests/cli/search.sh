# SPDX-License-Identifier: MIT
# metanas sweep with a section `search`: arms that are drawn.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

# ---- random arms ----

cat >random.yaml <<'Y'
base: smoke.yaml
set: {run.meta_epochs: 2, run.eval_every: 2, evaluation.tasks: 4}
seeds: [1]
search:
  method: random
  arms: 3
  seed: 3
  space:
    task_learner.lr_a: {log_uniform: [0.01, 0.2]}
    search_space.channels: {choice: [4, 6]}
    task_learner.steps: {int_uniform: [2, 4]}
    op_mixer.t_min: {uniform: [0.02, 0.08]}
    mixers: {choice: {sum: {input_mixer.use: sum}, pairs: {}}}
Y
# arms FILE: their names, in order
arms() {
    "$METANAS" sweep "$1" --list 2>/dev/null | sed 's|/seed-.*||'
}
arms random.yaml >few
sed 's/arms: 3/arms: 300/' random.yaml >more.yaml
arms more.yaml >more
holds 'three arms' [ "$(wc -l <few)" -eq 3 ]
holds 'three hundred, all different' [ "$(sort -u more | wc -l)" -eq 300 ]
head -n 3 more >first
same 'the first arms stay where more are asked for' few first
awk -F'[+=]' '
    { if ($2 < 0.01 || $2 > 0.2 || ($4 != 4 && $4 != 6) || $6 !~ /^[234]$/ || $8 < 0.02 || $8 > 0.08) bad++
      low += $2 < 0.0447; channels[$4]++; steps[$6]++; mean += $8; mixers[$9]++
      split($2, digits, "."); sub(/^0*/, "", digits[2]); if (length(digits[2]) > 4) bad++ }
    END { exit bad > 0 || low < 120 || low > 180 || channels[4] < 120 || channels[6] < 120 ||
        steps[2] < 75 || steps[3] < 75 || steps[4] < 75 || mean / NR < 0.047 || mean / NR > 0.053 ||
        mixers["sum"] < 120 || mixers["pairs"] < 120 }' more
holds 'as the space says, in four digits' [ $? -eq 0 ]
sed 's/seed: 3/seed: 4/' random.yaml >other.yaml
arms other.yaml >other
holds 'another seed has other arms' [ "$(sort few other | uniq -d | wc -l)" -eq 0 ]
# A key draws the same whatever else is in the space.
sed -e '/channels:/d' -e 's/arms: 3/arms: 20/' random.yaml >fewer.yaml
holds 'a key less leaves the others' [ "$(arms fewer.yaml | cut -d+ -f1)" = "$(cut -d+ -f1 more | head -n 20)" ]

works 'a random search' sweep random.yaml
holds 'a line an arm' [ "$(cut -d, -f1 sweeps/random/results.csv | tail -n +2)" = "$(cat few)" ]
for arm in $(cat few); do
    lr=$(expr "$arm" : 'lr_a=\([0-9.e-]*\)+')
    holds "$arm: what was drawn is what is configured" \
        grep -qx "  lr_a: $lr" "sweeps/random/$arm/seed-1/config.resolved.yaml"
    holds "$arm: and stands in results.csv" grep -q "^$arm,lr_a=$lr,channels=" sweeps/random/results.csv
done
cp -r sweeps/random before
works 'more arms later' sweep random.yaml --set run.workers=1
sed 's/arms: 3/arms: 4/' random.yaml >four.yaml
works 'one arm more' sweep four.yaml --out sweeps/random
holds 'is one run' [ "$(grep -c '^run [0-9]* of 4' err)" -eq 1 ]
holds 'the others are as they were' [ "$(sed -n 2,4p sweeps/random/results.csv)" = "$(sed -n 2,4p before/results.csv)" ]
printf '{base: smoke.yaml, seeds: [1], search: {method: random, arms: 3, space: {task_learner.steps: {int_uniform: [1, 3]}}}}' >all.yaml
holds 'all of a small space' [ "$(arms all.yaml | sort | tr '\n' ' ')" = 'steps=1 steps=2 steps=3 ' ]

# ---- what is refused ----

cat >wrong.yaml <<'Y'
base: smoke.yaml
seeds: [1]
axes: {task_learner.order: [joint]}
search:
  method: randon
  arm: 5
  arms: 0
  seed: -1
  space: 3
Y
refused 'faults of the section' 2 sweep wrong.yaml <<'T'
wrong.yaml:6:3: unknown key 'arm'; did you mean 'arms'?
wrong.yaml:5:11: search: method: expected random or halving
wrong.yaml:9:3: search: arms are drawn from a space or made of axes, not both
wrong.yaml:7:9: search: arms: expected a whole number from 1 to 10000
wrong.yaml:8:9: search: seed: expected a whole number from 0 to 9007199254740992
metanas: wrong.yaml: 5 faults; nothing was run
T
cat >wrong.yaml <<'Y'
base: smoke.yaml
seeds: [1]
search:
  method: random
  arms: 5
  space:
    task_learner.steps: {uniform: [4, 2]}
    task_learner.lr_a: {loguniform: [0.1, 0.2]}
    task_learner.lr_w: {log_uniform: [0, 0.2]}
    task_learner: {int_uniform: [1, 2]}
    task_learner.batch: {int_uniform: [1, 2.5]}
    task_learner.warm_up: {uniform: [0.1]}
    op_mixer.t_min: 0.5
    run.seed: {int_uniform: [1, 9]}
    odd: {choice: [1, 2]}
    search_space: {choice: [{use: darts, cells: 2}, {use: darts}]}
Y
refused 'faults of the space' 2 sweep wrong.yaml <<'T'
wrong.yaml:7:35: uniform: expected [LOW, HIGH], two numbers from -1e+30 to 1e+30, the second one larger
wrong.yaml:8:25: space: task_learner.lr_a: expected one of uniform, log_uniform, int_uniform, int_log_uniform, as {uniform: [LOW, HIGH]}, or {choice: [VALUE, ..]}; did you mean 'log_uniform'?
wrong.yaml:9:39: log_uniform: expected numbers above 0
wrong.yaml:10:5: 'task_learner': int_uniform draws the value of an option: its name is section.key
wrong.yaml:11:39: int_uniform: expected [LOW, HIGH], two whole numbers from -1e+15 to 1e+15, the second one larger
wrong.yaml:12:37: uniform: expected [LOW, HIGH]
wrong.yaml:13:21: space: op_mixer.t_min: expected one of uniform, log_uniform, int_uniform, int_log_uniform, as {uniform: [LOW, HIGH]}, or {choice: [VALUE, ..]}
wrong.yaml:14:5: run.seed cannot be set here: 'seeds' lists the values of run.seed
wrong.yaml:15:5: axis 'odd' is neither section.key nor a section, so its values need labels and say what they set: odd: {LABEL: {section.key: value}}
wrong.yaml:16:53: axis 'search_space' has two values 'darts'; give them labels: a map of label: value
metanas: wrong.yaml: 10 faults; nothing was run
T
cat >wrong.yaml <<'Y'
base: smoke.yaml
seeds: [1]
search:
  method: random
  arms: 5
  space:
    task_learner.steps: {uniform: [2, 4]}
    task_learner.lr_a: {uniform: [-0.2, -0.1]}
Y
check
"$METANAS" sweep wrong.yaml >out 2>err
[ $? -eq 2 ] || fail 'values that the options do not take'
sed -e "s/'[0-9.]*'/'X'/" -e 's/-0.[0-9]*/X/' err >lines
cat >expected <<'T'
wrong.yaml:7:35: task_learner darts: steps: 'X' is not a whole number: expected int, 0 to 1000000
wrong.yaml:8:34: task_learner darts: lr_a: X is out of range: expected real, 0 to 1e+12
metanas: wrong.yaml: 5 of 5 arms cannot be run; nothing was run
T
same 'are told once a place, not once an arm' lines expected
printf '{base: smoke.yaml, seeds: [1], search: {method: random, arms: 4, space: {task_learner.steps: {int_uniform: [1, 3]}}}}' >wrong.yaml
refused 'more arms than there are' 2 sweep wrong.yaml <<'T'
wrong.yaml:1:73: search: arms: the space gives only 3 different arms, 4 are asked for
metanas: wrong.yaml: 1 fault; nothing was run
T
awk 'BEGIN { printf "base: smoke.yaml\nseeds: [1]\nsearch: {method: random, arms: 10000, space: {"
    for (i = 0; i < 11; i++) printf "a.k%d: {uniform: [0, 1]}, ", i
    print "}}" }' >wrong.yaml
refused 'too many values' 2 sweep wrong.yaml <<'T'
wrong.yaml:3:46: space: 10000 arms of 11 keys are more than 100000 values
metanas: wrong.yaml: 1 fault; nothing was run
T
finish
