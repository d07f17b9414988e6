# SPDX-License-Identifier: MIT
# metanas genotype: cells of a run, retrained as a larger fixed network; architecture.csv.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

# first_genotype FILE: the line of the most frequent genotype in a test.json
first_genotype() {
    sed -n 's/^ *"genotype": "\(.*\)",$/\1/p' "$1" | head -n 1
}

# as_yaml: a genotype line as the file that search space genotype reads
as_yaml() {
    sed 's/ | /\n/g' | awk '{
        print $1
        for (node = 2; node <= NF; node++) {
            sub(/^[0-9]+:/, "", $node)
            inputs = split($node, input, "+")
            line = ""
            for (i = 1; i <= inputs; i++) {
                split(input[i], part, "@")
                ops = split(part[1], op, "&")
                for (o = 1; o <= ops; o++) line = line (line == "" ? "" : ", ") op[o] " " part[2]
            }
            print "  - " line
        }
    }'
}

works 'train' train smoke.yaml --out run
refused 'nothing tested yet' 3 genotype run <<'T'
metanas: run/test.json: No such file or directory; 'metanas test' writes it
T
works 'test' test run --tasks 1
holds 'one task has no interval' grep -q '^test accuracy  [0-9.]*% (one task: no interval)$' out
holds 'nor in test.json' grep -q '"accuracy_ci95": null' run/test.json
first_genotype run/test.json >line
works 'the most frequent genotype' genotype run
grep -v '^#' out >cells
as_yaml <line >expected
same 'is that of test.json, as YAML' expected cells
holds 'and tells where it comes from' grep -q '^# The most frequent cells: those of 1 of 1 test task, after [0-9]* meta-epochs*\.$' out
works 'of a task' genotype run --task 0
grep -v '^#' out >cells
same 'is that of the test of this task' expected cells
works 'of another task' genotype run --task 1
works 'of the best state' genotype run --task 0 --state best
cp run/best.safetensors elsewhere.safetensors
cp out best
works 'a state by its file' genotype run --task 0 --state elsewhere.safetensors
same 'the same' best out
refused 'a state without a task' 2 genotype run --state best <<'T'
metanas: genotype: --state goes with --task or --meta; the most frequent cells are those that the last test has written down
T
works 'of the meta-architecture' genotype run --meta
grep -v '^#' out >cells
tail -n 1 run/architecture.csv | sed 's/.*,//' | as_yaml >expected
same 'is that of the last line of architecture.csv' expected cells

# ---- as a fixed network, larger ----

works 'to a file' genotype run --most-frequent
cp out cells.yaml
works 'larger, with weight decay and drop path' train smoke.yaml --out fixed --set genotype=cells.yaml \
    --set search_space.channels=8 --set search_space.cells=3 --set search_space.drop_path=0.2 \
    --set task_learner.weight_decay_w=1e-4 --set run.meta_epochs=2
works 'tested' test fixed --tasks 2
holds 'has the channels' grep -q '^  channels: 8$' fixed/config.resolved.yaml
holds 'and the cells' [ "$("$TENSORS" names fixed/checkpoint.safetensors | grep -c '^cells\.2\.preproc0\.conv1\.weight')" = 1 ]
holds 'nothing is searched' sh -c '! "$TENSORS" names fixed/checkpoint.safetensors | grep -q "^alpha"'
holds 'so there is no architecture.csv' [ ! -e fixed/architecture.csv ]
refused 'genotype of a fixed network' 6 genotype fixed --meta <<'T'
metanas: fixed: nothing is searched in this run; its network is the one that fixed/config.resolved.yaml describes
T
for op in $(sed -n 's/^  - //p' cells.yaml | head -n 1 | tr ',' '\n' | awk '{ print $1 }' | sort -u); do
    case $op in
    *conv*) holds "node 0 has $op" sh -c "\"\$TENSORS\" names fixed/checkpoint.safetensors | grep -q '^cells\.0\.nodes\.0\..*\.$op\.'" ;;
    esac
done

# ---- drawings ----

works 'a Graphviz graph' genotype run --dot
inputs=$(tr -cd '@' <line | wc -c)
holds 'an edge an input, and one from every node to the output' \
    [ "$(grep -c -e '->' out)" -eq $((inputs + 6)) ]
if command -v dot >/dev/null; then
    works 'a drawing' genotype run --svg cells.svg
    holds 'is an SVG element' [ "$(head -c 4 cells.svg)" = '<svg' ]
    holds 'with a box for every state' [ "$(grep -c 'class="node' cells.svg)" -eq 12 ]
    mkdir none
    check
    PATH=$work/none "$METANAS" genotype run --svg no.svg >out 2>err
    holds 'without Graphviz it ends with 6' [ $? -eq 6 ]
    holds 'and says what is missing' grep -q "the program 'dot' is needed to draw" err
else
    echo 'skipped: drawing, Graphviz is not installed'
fi

# ---- architecture.csv ----

holds 'all lines are as wide' [ "$(awk -F, '{ print NF }' run/architecture.csv | sort -u | wc -l)" = 1 ]
holds 'a line at every line of metrics' [ "$(sed 1d run/architecture.csv | wc -l)" -eq "$(wc -l <run/metrics.jsonl)" ]
holds 'weights of an edge sum to 1' awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) name[i] = $i; next }
    {
        split("", sum)
        for (i = 2; i < NF; i++) {
            edge = name[i]
            if (sub(/\.op\.[0-9]+\..*/, substr(edge, index(edge, ".op."), 5), edge)) sum[edge] += $i
        }
        for (edge in sum) { n++; if (sum[edge] < 0.9999 || sum[edge] > 1.0001) bad = 1 }
    }
    END { exit bad || n == 0 }' run/architecture.csv
holds 'two inputs of a node of two both count whole' awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /\.0\.in\.[01]$/) at[i] = 1; next }
    { for (i in at) { n++; if ($i != 1) bad = 1 } } END { exit bad || n == 0 }' run/architecture.csv

refused 'two at once' 2 genotype run --meta --task 1 <<'T'
metanas: genotype: --task, --meta and --most-frequent exclude each other
T
sed 's/"genotype": "normal: 0:/"genotype": "normal: 0;/' run/test.json >damaged
mv damaged run/test.json
check
"$METANAS" genotype run >out 2>err
holds 'a damaged genotype ends with 3' [ $? -eq 3 ]
holds 'and says where' grep -q '^metanas: run: not a genotype, at character 10: expected' err
finish
