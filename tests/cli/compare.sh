# SPDX-License-Identifier: MIT
# metanas compare: pairs of tasks, arms of seeds, what is refused, files.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
sed -i 's/meta_epochs: 6 /meta_epochs: 2 /; s/eval_every: 3 /eval_every: 0 /' smoke.yaml

for seed in 1 2 3 4; do
    works "a run of hard pruning, seed $seed" train smoke.yaml --out hard/$seed --set run.seed=$seed \
        --set 'op_mixer={use: softmax}' --set 'input_mixer={use: sum}'
    works "a run of soft pruning, seed $seed" train smoke.yaml --out soft/$seed --set run.seed=$seed
done

# ---- what is not tested ----

refused 'no test' 3 compare hard/1 soft/1 <<'T'
metanas: hard/1/test.json is not there: the run has not been tested; its test:
  metanas test hard/1
T
works 'the test it names' test hard/1
refused 'the other one' 3 compare hard/1 soft/1 <<'T'
metanas: soft/1/test.json is not there: the run has not been tested; its test on the tasks of hard/1:
  metanas test soft/1 --tasks 10
T
works 'and that of this' test soft/1 --tasks 10
refused 'one of another seed' 3 compare hard/1 soft/2 <<'T'
metanas: soft/2/test.json is not there: the run has not been tested; hard/1 was tested on tasks of seed 1 and has seed 2, so both need one list of tasks:
  metanas episodes hard/1 --tasks 10 --out common.episodes
  metanas compare hard/1 soft/2 --episodes common.episodes
T

# ---- two runs on the same tasks ----

# of FILE JQ: a value of its JSON
of() {
    jq -r "$2" "$1"
}
# tail T DF: the two-sided p of Student's t, by Simpson's rule on its density from 0 to |t|
tail_of() {
    awk -v t="$1" -v df="$2" 'function lgamma(x,  s, i, c) { # Stirling, from x + 20 on
            for (s = 0; x < 20; x++) s -= log(x)
            return s + (x - 0.5) * log(x) - x + 0.918938533204673 + 1 / (12 * x) - 1 / (360 * x ^ 3) }
        function f(x) { return exp(c - (df + 1) / 2 * log(1 + x * x / df)) }
        BEGIN { t = t < 0 ? -t : t; n = 2000; h = t / n
            c = lgamma((df + 1) / 2) - lgamma(df / 2) - 0.5 * log(df * 3.14159265358979)
            for (i = 0; i <= n; i++) s += f(i * h) * (i == 0 || i == n ? 1 : i % 2 ? 4 : 2)
            printf "%.9f", 1 - 2 * s * h / 3 }'
}
# sign WON LOST: two-sided, by adding up the binomial distribution
sign_of() {
    awk -v a="$1" -v b="$2" 'BEGIN { n = a + b; k = a < b ? a : b; term = 0.5 ^ n
        for (i = 0; i <= k; i++) { s += term; term *= (n - i) / (i + 1) }
        p = 2 * s; if (p > 1) p = 1; printf "%.9f", p }'
}
# pairs A B T: mean of A - B, half width with that t, t, won, tied, lost, difference of parameters
pairs() {
    paste -d, "$2/test-tasks.csv" "$1/test-tasks.csv" | awk -F, -v q="$3" 'NR > 1 {
        d = $10 - $3; n++; s += d; r += d * d; w += d > 0; e += d == 0; l += d < 0; p += $13 - $6 }
        END { m = s / n; v = sqrt((r - n * m * m) / (n - 1) / n)
            printf "%.9f %.9f %.9f %d %d %d %.6f\n", m, q * v, m / v, w, e, l, p / n }'
}

works 'two runs' compare hard/1 soft/1 --json
cp out two.json
# shellcheck disable=SC2046
set -- $(pairs soft/1 hard/1 2.262157163)
near 'difference' "$(of two.json '.comparisons[0].difference')" "$1" 1e-8
near 'interval' "$(of two.json '.comparisons[0].difference_ci95')" "$2" 1e-8
near 'p' "$(of two.json '.comparisons[0].p')" "$(tail_of "$3" 9)" 1e-6
holds 'won, tied, lost' [ "$(of two.json '.comparisons[0] | "\(.won) \(.tied) \(.lost)"')" = "$4 $5 $6" ]
near 'sign test' "$(of two.json '.comparisons[0].sign_p')" "$(sign_of "$4" "$6")" 1e-8
near 'parameters' "$(of two.json '.comparisons[0].parameters_difference')" "$7" 1e-5
holds 'over tasks' [ "$(of two.json '.comparisons[0].over')" = tasks ]
near 'one comparison: no correction' "$(of two.json '.comparisons[0].p_holm')" \
    "$(of two.json '.comparisons[0].p')" 1e-12
holds 'what differs first' [ "$(of two.json '.comparisons[0].first_difference | "\(.key) \(.run) \(.against)"')" = \
    'op_mixer.use soft_prune softmax' ]
works 'in a table' compare hard/1 soft/1
percent() {
    awk -v x="$1" 'BEGIN { printf "%+.2f", 100 * x }'
}
low=$(awk -v m="$1" -v h="$2" 'BEGIN { print m - h }')
high=$(awk -v m="$1" -v h="$2" 'BEGIN { print m + h }')
holds 'its row' grep -qF "2 - 1  soft/1  $(percent "$1") ($(percent "$low") to $(percent "$high"))" out
works 'the other way round' compare hard/1 soft/1 --baseline soft/1/ --json
near 'has the other sign' "$(of out '.comparisons[0].difference')" "$(awk -v m="$1" 'BEGIN { print -m }')" 1e-5
holds 'and swaps tasks' [ "$(of out '.comparisons[0].won')" = "$6" ]

# ---- the same results under other names; some tasks in common ----

works 'a result elsewhere' test soft/1 --tasks 6 --out some.json
works 'against it' compare hard/1 some.json --json
holds 'pairs what both have' [ "$(of out '.comparisons[0] | "\(.tasks) \(.tasks_left_out)"')" = '6 4' ]
works 'in words' compare hard/1 some.json
holds 'says what is left out' grep -q '^- some.json and hard/1: 4 tasks left out, which only one of them was tested on$' out
works 'a run without its differences' compare soft/1 some.json --json
holds 'is not better' [ "$(of out '.comparisons[0] | "\(.difference) \(.p) \(.sign_p) \(.result)"' | sed 's/\.0//g')" = \
    '0 1 1 undecided' ]

# ---- seeds ----

works 'a test of seed 2' test soft/2
refused 'tasks of two seeds' 2 compare hard/1 soft/2 <<'T'
metanas: hard/1 and soft/2 have no test task in common; seed 1 and 2. Test them on one list of tasks:
  metanas episodes hard/1 --tasks 10 --out common.episodes
  metanas compare hard/1 soft/2 --episodes common.episodes
T
cp hard/1/test.json before.json
works 'the list it names' episodes hard/1 --tasks 10 --out common.episodes
works 'the comparison it names' compare hard/1 soft/2 --episodes common.episodes
same 'leaves the test of the run alone' before.json hard/1/test.json
holds 'says that seeds differ' grep -q '^- soft/2 and hard/1: seeds 2 and 1, so the difference is that of the seeds as well$' out
cut -d, -f2 hard/1/test-tasks.csv >expected
cut -d, -f2 soft/2/compare-tasks.csv >got
same 'both are tested on the list' expected got
works 'the kept tests again' compare hard/1/compare.json soft/2/compare.json --json
holds 'are pairs' [ "$(of out '.comparisons[0] | "\(.tasks) \(.tasks_left_out)"')" = '10 0' ]

works 'a test of hard, seed 2' test hard/2
works 'two seeds each' compare hard/1 hard/2 soft/1 soft/2 --csv two.csv
value() {
    # shellcheck disable=SC2046
    set -- $(pairs "soft/$1" "hard/$1" 2.26)
    echo "$1"
}
first=$(value 1) second=$(value 2)
mean=$(awk -v a="$first" -v b="$second" 'BEGIN { print (a + b) / 2 }')
holds 'are shown as values' grep -qF \
    "2 - 1  soft  $(percent "$mean") ($(percent "$first"), $(percent "$second"))" out
holds 'without an interval or p' awk -F, 'NR == 2 && $4 == "" && $8 == "" && $9 == "" && $18 == "few seeds" { found = 1 }
    END { exit !found }' two.csv
holds 'arms are named by their folders' grep -q '^arm 1: hard, mean of 2 seeds: ' out
works 'run by run' compare hard/1 soft/1 --runs --episodes common.episodes hard/2
holds 'two comparisons' [ "$(grep -c '^[23] - 1 ' out)" -eq 2 ]
works 'seeds of one configuration' compare soft/1/compare.json soft/2/compare.json
holds 'are compared one by one' grep -q '^- all runs are seeds of one configuration, so they are compared one by one$' out
works 'two seeds against one' compare hard/1 hard/2 soft/1
holds 'one is left out' grep -q '^- soft/1 and hard: 1 run left out, for the other has fewer seeds$' out

works 'four seeds each' compare hard/[1-4] soft/[1-4] --episodes common.episodes --json
cp out four.json
holds 'are two arms' [ "$(of four.json '[.arms[] | "\(.name) \(.runs)"] | join(",")')" = 'hard 4,soft 4' ]
# mean of four differences, t of 3 degrees of freedom
# shellcheck disable=SC2046
set -- $(of four.json '.comparisons[0].pairs[].difference' | awk '{ n++; s += $1; q += $1 * $1 }
    END { m = s / n; v = sqrt((q - n * m * m) / (n - 1) / n); printf "%.9f %.9f %.9f\n", m, 3.182446305 * v, m / v }')
near 'four seeds: difference' "$(of four.json '.comparisons[0].difference')" "$1" 1e-8
near 'four seeds: interval' "$(of four.json '.comparisons[0].difference_ci95')" "$2" 1e-8
near 'four seeds: p' "$(of four.json '.comparisons[0].p')" "$(tail_of "$3" 3)" 1e-6
holds 'four seeds: over them' [ "$(of four.json '.comparisons[0] | "\(.over) \(.sign_p)"')" = 'seeds null' ]
holds 'four seeds: pairs by seed' [ "$(of four.json '[.comparisons[0].pairs[] | "\(.run) \(.against)"] | join(",")')" = \
    'soft/1 hard/1,soft/2 hard/2,soft/3 hard/3,soft/4 hard/4' ]

# ---- many comparisons ----

works 'all pairs' compare hard/1 soft/1 hard/2 soft/2 --runs --all-pairs --episodes common.episodes --json
holds 'six of them' [ "$(of out '.comparisons | length')" -eq 6 ]
# Holm: the smallest p times 6, the next times 5, ..; none less than the one before, none above 1
of out '.comparisons[] | "\(.p) \(.p_holm)"' | sort -g | awk '
    { x = $1 * (7 - NR); x = x > 1 ? 1 : x; last = x > last ? x : last; d = $2 - last
      bad += (d < 0 ? -d : d) > 1e-9 } END { exit NR != 6 || bad }'
holds 'corrected by Holm' [ $? -eq 0 ]
works 'in words' compare hard/1 soft/1 hard/2 soft/2 --runs --all-pairs --episodes common.episodes
holds 'which is said' grep -q '^Both are corrected by Holm for 6 comparisons, the intervals are not\.' out

# ---- figure ----

mkdir 'a<b&c'
cp -r soft/1 'a<b&c/1'
works 'a figure' compare hard/1 'a<b&c/1' --figure figure.svg
holds 'names are escaped' grep -q '2 - 1: a&lt;b&amp;c/1</text>' figure.svg
holds 'and stand nowhere as they are' sh -c '! grep -q "a<b" figure.svg'
holds 'no variables of a style sheet' sh -c '! grep -q "var(" figure.svg'
holds 'a point a run' [ "$(grep -c '<path class="l0" d="M[0-9. ]*V' figure.svg)" -eq 2 ]
holds 'every element is closed' [ "$(grep -o '<svg' figure.svg | wc -l)" -eq "$(grep -o '</svg>' figure.svg | wc -l)" ]
if command -v xmllint >/dev/null; then
    holds 'it is XML' xmllint --noout figure.svg
else
    echo 'skipped: the figure as XML, xmllint is not installed'
fi
works 'a figure of few seeds' compare hard/1 hard/2 soft/1 soft/2 --figure few.svg
holds 'has their values' [ "$(grep -o '<circle' few.svg | wc -l)" -eq 2 ]
refused 'a figure that cannot be written' 3 compare hard/1 soft/1 --figure none/f.svg --json <<'T'
metanas: none/f.svg: cannot create a temporary file beside it: No such file or directory; is the path right?
T

# ---- what is refused ----

refused 'one run' 2 compare hard/1 <<'T'
metanas: compare: RUN.. is missing; see 'metanas compare --help'
T
refused 'the same twice' 2 compare hard/1 soft/1 ./hard/1/ <<'T'
metanas: compare: hard/1 and ./hard/1/ are the same
T
refused 'a flag of the tests without one' 2 compare hard/1 soft/1 --state best <<'T'
metanas: compare: --state is for the tests that --episodes FILE makes; without it the results that are there are compared
T
refused 'an option without a test' 2 compare hard/1 soft/1 --set task.shots=2 <<'T'
metanas: compare: --set is for the tests that --episodes FILE makes; without it the results that are there are compared
T
refused 'another baseline' 2 compare hard/1 soft/1 --baseline hard/2 <<'T'
metanas: compare: --baseline hard/2: expected one of the runs, like hard/1
T
refused 'a baseline of all pairs' 2 compare hard/1 soft/1 --baseline hard/1 --all-pairs <<'T'
metanas: compare: --all-pairs has no --baseline; give one of them
T
refused 'no folder' 3 compare hard/1 nowhere <<'T'
metanas: nowhere: No such file or directory; expected a run directory, as 'metanas train' makes
T
refused 'a list that is not there' 3 compare hard/1 soft/1 --episodes none <<'T'
metanas: none: cannot read: No such file or directory; is the path right?
T
works 'a test of more shots' test soft/2 --set task.shots=2 --set run.seed=1 --out shots.json
refused 'other shots' 2 compare hard/1 shots.json <<'T'
metanas: hard/1 and shots.json have no test task in common; shots 1 and 2. The same tasks for both:
  metanas test . --tasks 10 --set task.shots=1
T
works 'a test of other classes' test soft/2 --split val --set run.seed=1 --tasks 10
refused 'another split' 2 compare hard/1 soft/2 <<'T'
metanas: hard/1 and soft/2 have no test task in common; split test and val. The same tasks for both:
  metanas test soft/2 --tasks 10
T
works 'a network of three ways' train smoke.yaml --out three --set task.ways=3
works 'its test' test three
refused 'other ways' 2 compare hard/1 three <<'T'
metanas: hard/1 and three have no test task in common; ways 5 and 3. The ways belong to the network: only runs of as many ways can be compared
T
works 'other pictures' train smoke.yaml --out pictures --set dataset.size=12
works 'their test' test pictures
refused 'other data' 2 compare hard/1 pictures <<'T'
metanas: hard/1 and pictures have no test task in common; seed, ways, shots and queries are the same, so their data differ (section 'dataset')
T

# ---- files that are wrong ----

# broken SED MESSAGE: test-tasks.csv, changed
broken() {
    sed "$1" soft/1/test-tasks.csv >'a<b&c/1/test-tasks.csv'
    refused "tasks: $1" 3 compare hard/1 'a<b&c/1' <<T
metanas: a<b&c/1/test-tasks.csv:$2
T
}
broken '1s/episode/episod/' "1: no column 'episode'; expected a table of 'metanas test'"
broken '3s/^1,[0-9a-f]*/1,12/' "3: episode is '12'; expected 16 hexadecimal digits"
broken '4s/^\(2,[0-9a-f]*\),[^,]*/\1,1.5/' "4: accuracy is '1.5'; expected a number from 0 to 1"
broken '5s/^3,/4,/' "5: task is '4'; expected its place, from 0 on"
broken '6s/$/,more/' '6: 8 fields; the head has 7'
sed '$d' soft/1/test-tasks.csv >'a<b&c/1/test-tasks.csv'
check
"$METANAS" compare hard/1 'a<b&c/1' >out 2>err
holds 'a task less: exit code' [ $? -eq 3 ]
holds 'and it is said' grep -q '^metanas: a<b&c/1/test-tasks.csv: does not fit the JSON file of the test beside it: 9 tasks against 10, accuracy .*; a new test writes both$' err
echo '{"tasks": 10' >'a<b&c/1/test.json'
check
"$METANAS" compare hard/1 'a<b&c/1' >out 2>err
holds 'no JSON: exit code' [ $? -eq 3 ]
holds 'no JSON: the place' grep -q '^metanas: a<b&c/1/test.json:2:[0-9]*: not valid JSON: ' err
echo '{"set": [3], "tasks": "x"}' >'a<b&c/1/test.json'
refused 'another JSON' 3 compare hard/1 'a<b&c/1' <<'T'
metanas: a<b&c/1/test.json: no result of a test: 'tasks' or 'batch_norm' is missing; 'metanas test' writes one
T
rm 'a<b&c/1/test.json'
refused 'a name for a shell' 3 compare hard/1 'a<b&c/1' <<'T'
metanas: a<b&c/1/test.json is not there: the run has not been tested; its test on the tasks of hard/1:
  metanas test 'a<b&c/1' --tasks 10
T
finish
