# SPDX-License-Identifier: MIT
# metanas report: content of the page, escaping, and rendering in a browser.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

works 'train' train smoke.yaml --out run --set 'run.name="<script>alert(1)<script> & co"'
works 'a report before the test' report run --out early.html
holds 'says what is missing' grep -q "Not tested yet: &#39;metanas test run&#39;" early.html
works 'test' test run --tasks 6
works 'report' report run
holds 'its place' grep -q '^written to run/report\.html$' out
page=run/report.html

holds 'text from files is escaped' grep -q '&lt;script&gt;alert(1)&lt;script&gt; &amp; co' $page
holds 'and nowhere as it is' sh -c "! grep -q '<script>alert' $page"
holds 'no address but the names of XML' sh -c "! grep -o '[a-z]*://[^\"<]*' $page | grep -v '^http://www.w3.org/'"
holds 'no file besides' sh -c "! grep -Eo '(src|href)=\"[^\"]*\"' $page | grep -v 'href=\"data:,\"'"
for id in result training mixtures architectures repeat; do
    holds "section $id" grep -q "<section id=\"$id\">" $page
done

# field NAME: of test.json
field() {
    sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" run/test.json
}
percent() {
    awk -v x="$1" -v sign="${2:-}" 'BEGIN { printf "%" sign ".2f%%", 100 * x }'
}
holds 'accuracy with its interval' grep -q \
    ">accuracy</th><td>$(percent "$(field accuracy_mean)") ± $(percent "$(field accuracy_ci95)")<" $page
holds 'prune gap' grep -q \
    ">prune gap</th><td>$(percent "$(field prune_gap)" +) ± $(percent "$(field prune_gap_ci95)")<" $page
holds 'batch norm' grep -q ">batch norm on query images</th><td>transductive<" $page
holds 'the commands' grep -q '^metanas test run --tasks 6$' $page
holds 'the configuration' grep -q '^  tasks_per_batch: 2$' $page

# How often each operation stayed in normal cells, counted here from test.json.
sed -n 's/^ *"genotype": "\(.*\)",$/\1/p; s/^ *"count": \([0-9]*\)$/\1/p' run/test.json |
    awk 'NR % 2 == 1 { sub(/ \| .*/, ""); sub(/^normal: /, ""); line = $0; next }
        {
            gsub(/[0-9]+:/, "", line); gsub(/@[0-9]+/, "", line); gsub(/[+&]/, " ", line)
            n = split(line, op, " ")
            for (i = 1; i <= n; i++) count[op[i]] += $1
        }
        END { for (o in count) printf "%s %.2f\n", o, count[o] / 6 }' >counts
holds 'operations are counted' [ -s counts ]
while read -r op mean; do
    holds "frequency of $op" grep -q "<th scope=\"row\">$op</th><td class=\"n\">$mean</td>" $page
done <counts

# The last weights are those of architecture.csv.
weight=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "normal.1.op.2.conv_3x3") c = i }
    END { printf "%.3f", $c }' run/architecture.csv)
holds 'weights of edges' sh -c "grep 'node 0 to node 1</th>' $page | head -n 1 | grep -q '>$weight<'"
if command -v dot >/dev/null; then
    holds 'cells are drawn' [ "$(grep -c '<title>normal 0</title>' $page)" -ge 2 ]
    holds 'every id is used once' [ -z "$(grep -o ' id="[^"]*"' $page | sort | uniq -d)" ]
else
    echo 'skipped: drawn cells, Graphviz is not installed'
fi
sed 's/"genotype": "normal: /"genotype": "nor<mal: /' run/test.json >other
cp run/test.json saved
mv other run/test.json
works 'architectures of another form' report run --out other.html
holds 'are shown as lines' grep -q '<pre>nor&lt;mal: ' other.html
holds 'and not counted' grep -q 'Operations are not counted' other.html
mv saved run/test.json
mkdir none
check
PATH=$work/none "$METANAS" report run --out bare.html >out 2>err
holds 'a report without Graphviz' [ $? -eq 0 ]
holds 'says that it does not draw' grep -q 'Not drawn: the program dot of Graphviz is not installed' bare.html
holds 'and has the cells in words' grep -q 'The normal cell in words' bare.html

cp -r run moved
works 'an episode list' episodes moved --tasks 3 --out frozen.episodes
works 'a test by it' test moved --episodes frozen.episodes
works 'its report' report moved --out frozen.html
holds 'names the list' grep -q '<td>frozen.episodes</td>' frozen.html
works 'go on training' resume moved --set run.meta_epochs=9
works 'a report after it' report moved --out old.html
holds 'says that the test is old' grep -q 'The test is older than the run, which has 9 meta-epochs now: &#39;metanas test moved&#39;' old.html

works 'train a fixed network' train smoke.yaml --out fixed --set run.meta_epochs=1 --set search_space.nodes=3 \
    --set "genotype=$SOURCE/configs/genotypes/metanas-omniglot.yaml"
works 'its report' report fixed
holds 'has its cells' grep -q '<tr><th scope="row">node 2</th><td>dil_conv_3x3 from input 0<br>conv_1x5_5x1 from node 0</td>' fixed/report.html
works 'train cells of one input' train "$SOURCE/configs/nasbench201-quickstart.yaml" --out one \
    --set run.meta_epochs=2 --set run.eval_every=0 --set evaluation.validation_tasks=1
works 'their report' report one
holds 'has an input and nodes' sh -c 'grep -q ">input 0 to node 2<" one/report.html && grep -q ">node 1 to node 2<" one/report.html'
works 'train blocks' train "$SOURCE/configs/mb-chain-quickstart.yaml" --out blocks \
    --set run.meta_epochs=2 --set run.eval_every=0 --set evaluation.validation_tasks=1
works 'their report' report blocks
holds 'has all blocks' [ "$(grep -c 'Mixture weights of the block[0-5] cell' blocks/report.html)" -eq 6 ]
works 'its report' report fixed
holds 'has its cells' grep -q '<tr><th scope="row">node 2</th><td>dil_conv_3x3 from input 0<br>conv_1x5_5x1 from node 0</td>' fixed/report.html

# ---- accuracy by step, ablation ----

cat >run/test-steps.csv <<'C'
step,accuracy_mean,accuracy_ci95,accuracy_before_prune,parameters_mean
0,0.2,0.1,0.25,1000
4,0.85,0.05,0.875,900
C
works 'with test-steps.csv' report run
holds 'a section for it' grep -q '<section id="steps">' $page
holds 'with what was tested' grep -q 'interval over 6 tasks; batch norm transductive, seed 1\.' $page
holds 'in words' grep -q 'pruned: 20% at task step 0, 85% at 4; lowest 20% at 0, highest 85% at 4' $page

holds 'and as numbers' grep -q '<td class="n">4</td><td class="n">85.00%</td><td class="n">87.50%</td><td class="n">80.00 to 90.00%</td>' $page
sed 's/step,/stop,/' run/test-steps.csv >wrong
mv wrong run/test-steps.csv
refused 'without its columns' 3 report run <<'T'
metanas: run/test-steps.csv: lacks the column step, or accuracy with its interval
T
works 'a test with steps' test run --tasks 4 --steps 0,2,4 --state best --batch-norm support \
    --set 'op_mixer={use: soft_prune, t_min: 0.1}'
works 'its report' report run
holds 'its command' grep -q '^metanas test run --tasks 4 --state best --steps 0,2,4 --batch-norm support --set &#39;op_mixer={use: soft_prune, t_min: 0.1}&#39;$' $page
holds 'its steps' [ "$(sed -n '/id="steps"/,/<\/section>/p' $page | grep -c '^<tr><td class="n">[024]<')" = 3 ]
last=$(tail -n 1 run/test-steps.csv | cut -d, -f2)
holds 'the last one' grep -q "<td class=\"n\">4</td><td class=\"n\">$(percent "$last")</td>" $page

mkdir sweep
printf 'base: smoke.yaml\naxes: {op_mixer.use: [softmax, soft_prune]}\nseeds: [1, 2]\n' >sweep/sweep.yaml
works 'a sweep without results' report sweep
holds 'says so' grep -q "results.csv is not there yet" sweep/report.html
cat >sweep/results.csv <<'C'
op_mixer.use,accuracy,accuracy_ci95,parameters
"soft, ""<b>""",0.75,0.05,1200
softmax,0.5,,3400
C
works 'a sweep' report sweep
holds 'an arm of the table' grep -q '<td data-v="soft, &quot;&lt;b&gt;&quot;">soft, &quot;&lt;b&gt;&quot;</td>' sweep/report.html
holds 'its interval' grep -q '>75.00% (70.0 to 80.0)<' sweep/report.html
holds 'one without an interval' grep -q '>50.00%</text>' sweep/report.html
cp sweep/report.html ablation.html
printf 'a,b\n1,2,3\n' >sweep/results.csv
refused 'a line with too many fields' 3 report sweep <<'T'
metanas: sweep/results.csv:2: 3 fields; the head has 2
T
printf 'a,b\n1,"2\n' >sweep/results.csv
refused 'an open quote' 3 report sweep <<'T'
metanas: sweep/results.csv:2: a quote is not closed
T
refused 'no run' 3 report none <<'T'
metanas: none: neither a run (config.resolved.yaml) nor a sweep (sweep.yaml, results.csv) is in it
T

cat >real.yaml <<'Y'
base: smoke.yaml
seeds: [1, 2]
axes:
  pruning:
    darts: {op_mixer: {use: softmax}, input_mixer: {use: sum, k: 2}}
    soft: {input_mixer.k: 2}
Y
works 'a sweep' sweep real.yaml --out real --set run.meta_epochs=2 --set evaluation.tasks=3
works 'its report' report real
holds 'three figures' [ "$(grep -c '<figcaption>' real/report.html)" = 3 ]
mean=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "accuracy") c = i } NR == 3 { print $c }' real/results.csv)
few=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "accuracy_seeds") c = i }
    NR == 3 { split($c, x, " "); printf "%.2f%%, %.2f%%", 100 * x[1], 100 * x[2] }' real/results.csv)
holds 'the mean and the values of two seeds, not an interval, in one cell' \
    grep -q ">$(percent "$mean") ($few)</td>" real/report.html
holds 'the values of two seeds are drawn' [ "$(grep -o '<circle class="l0" cx="[0-9.]*" cy="' real/report.html | wc -l)" -eq 10 ]
holds 'the command to repeat it' grep -q '<pre>metanas sweep real.yaml --set run.meta_epochs=2 --set evaluation.tasks=3 --out real$' real/report.html
holds 'the base configuration' grep -q "^  name: $(sed -n 's/^  name: //p' smoke.yaml)" real/report.html
printf '{"sweep": 1' >real/sweep.json
refused 'a damaged sweep.json' 3 report real <<'T'
metanas: real/sweep.json:1:11: not valid JSON: '}' expected near end of file
T
holds 'what was tested' grep -q 'Test: 3 tasks a seed, 5-way 1-shot' real/report.html

# ---- files that metanas did not write ----

# made WHAT BYTES: the report of crafted, in time, and shorter than that
made() {
    check
    timeout 60 "$METANAS" report crafted --out crafted.html >out 2>err
    [ $? -eq 0 ] || fail "$1: $(cat err)"
    holds "$1: the page is whole" grep -q '^</html>' crafted.html
    holds "$1: and small" [ "$(wc -c <crafted.html)" -lt "$2" ]
}
mkdir crafted
cp run/config.resolved.yaml crafted
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "\"\"x" }' >crafted/architecture.csv
refused 'text behind the quote that ends a field' 3 report crafted <<'T'
metanas: crafted/architecture.csv:1: text follows the quote that ends a field
T
rm crafted/architecture.csv
cat >crafted/metrics.jsonl <<'J'
{"kind":"train","meta_epoch":1,"loss":2.3025850929940455,"accuracy":0.2}
{"kind":"train","meta_epoch":2,"loss":2.302585092994046,"accuracy":0.2}
{"kind":"validation","meta_epoch":2,"loss":1e308,"accuracy_mean":-1e308,"accuracy_ci95":1e308}
{"kind":"train","meta_ep
J
truncate -s -1 crafted/metrics.jsonl
made 'losses of 1e308, and a line that was not written whole' 100000
sed -i 3d crafted/metrics.jsonl
made 'two losses that are one step of double apart' 100000
rm crafted/*
printf 'base: smoke.yaml\nseeds: [1]\n' >crafted/sweep.yaml
awk 'BEGIN { n = 20000
    printf "arm"; for (i = 0; i < n; i++) printf ",x%d", i
    for (r = 0; r < 4; r++) { printf "\narm%d", r; for (i = 0; i < n; i++) printf ",%d", i }
    printf "\n" }' >crafted/results.csv
made 'twenty thousand columns' 8000000
holds 'all of them' grep -q '>19999</td></tr>$' crafted.html

# ---- in a browser ----

browser=
for name in chromium chromium-browser google-chrome; do
    [ -n "$browser" ] || browser=$(command -v $name)
done
if [ -z "$browser" ]; then
    echo 'skipped: the page in a browser, no chromium or google-chrome is installed'
    finish
fi

# browse PAGE ARGUMENT...: without a network; what the page logs ends up in log
browse() {
    page=$1
    shift
    HOME=$work "$browser" --headless --no-sandbox --disable-gpu --disable-background-networking \
        --disable-extensions --no-first-run --user-data-dir="$work/profile" \
        --host-resolver-rules='MAP * ~NOTFOUND' --enable-logging=stderr --hide-scrollbars \
        --window-size=900,1200 "$@" "file://$work/$page" >dom 2>log </dev/null
}
check
browse run/report.html --dump-dom || fail 'the page in a browser'
holds 'the page is whole' grep -q '</html>' dom
holds 'the script ran: heads of columns are buttons' grep -q '<th scope="col"><button type="button">operation</button></th>' dom
# The policy of the page forbids every request, and a refused one is logged.
holds 'nothing is logged: no error, no request' sh -c '! grep CONSOLE log'
sed 's|</body>|<img src="http://example.org/x.png"></body>|' run/report.html >asks.html
browse asks.html --dump-dom
holds 'a request would be' grep -q 'CONSOLE.*example.org' log

# The first column of the table after a click on the head, and after another one.
cat >click.html <<'H'
<script>
const heads = document.querySelectorAll('table.sort thead button');
const order = () => [...document.querySelectorAll('table.sort tbody tr')].map(r => r.cells[2].textContent);
heads[2].click(); const up = order(); heads[2].click();
document.title = up.join(' ') + '/' + order().join(' ');
</script></body>
H
awk '/<\/body>/ { while ((getline line < "click.html") > 0) print line; next } { print }' ablation.html >clicked.html
browse clicked.html --dump-dom
holds 'tables sort both ways' grep -q '<title>1200 3400/3400 1200</title>' dom

browse run/report.html --screenshot="$work/light.png" --blink-settings=preferredColorScheme=1
browse run/report.html --screenshot="$work/dark.png" --blink-settings=preferredColorScheme=0
browse run/report.html --print-to-pdf="$work/page.pdf"
holds 'a light picture' [ -s light.png ]
holds 'a dark one, which differs' sh -c '[ -s dark.png ] && ! cmp -s light.png dark.png'
holds 'prints' [ "$(head -c 5 page.pdf)" = '%PDF-' ]
finish
