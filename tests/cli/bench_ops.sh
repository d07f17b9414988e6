# SPDX-License-Identifier: MIT
# Times of candidate operations: measured, written, read, and part of what a run descends.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

works 'measuring' bench-ops smoke.yaml --rounds 3 --images 4 --out table.csv
holds 'tells them' grep -q '^sep_conv_3x3 * 1 ' out
holds 'a head line' [ "$(head -n 1 table.csv)" = operation,stride,channels,height,width,ns ]
holds 'every candidate once' [ -z "$(cut -d, -f1-5 table.csv | sort | uniq -d)" ]
holds 'only numbers from 0 on' sh -c '! tail -n +2 table.csv | grep -vE "^[a-z_0-9]+(,[0-9]+){4},[0-9.e+]+$"'
holds 'a separable convolution takes some time' awk -F, '$1 == "sep_conv_3x3" && !($6 > 0) {exit 1}' table.csv
cut -d, -f1-5 table.csv >places
works 'the same places without the data' bench-ops smoke.yaml --rounds 1 --images 2 --shape 1,14,14 --out other.csv \
    --set run.latency=not-there.csv
cut -d, -f1-5 other.csv >others
same 'are measured' places others

# ---- a run that descends it: made-up times, of which one stands out ----

awk -F, -v OFS=, 'NR > 1 {$6 = $1 == "conv_1x5_5x1" ? 1000 : 10} {print}' table.csv >made.csv
train() {
    name=$1
    shift
    works "$name" train smoke.yaml --out "$name" --set run.log_every=1 --set run.latency=made.csv \
        --set 'task_learner.cost={of: latency, weight: 5}' --set task_learner.warm_up=0 "$@"
}
train fast --set task_learner.lr_a=0.1
train idle --set task_learner.lr_a=0
cost() {
    sed -n 's/.*"task_learner.cost":\([0-9.e+]*\).*/\1/p' "$1/metrics.jsonl" | tail -n 1
}
holds 'the cost falls' awk "BEGIN {exit !($(cost fast) < 0.9 * $(cost idle))}"

# ---- faults ----

wrong() {
    refused "$1" "$2" train smoke.yaml --out wrong --set run.latency=bad.csv
}
sed 2d made.csv >bad.csv
set -- $(sed -n '2s/,/ /gp' made.csv)
wrong 'a candidate that is missing' 2 <<T
metanas: search_space darts: $work/bad.csv has no $1 of stride $2 with $3 channels of $4x$5: 'metanas bench-ops' with this configuration measures all that it needs
T
sed 's/^operation/what/' made.csv >bad.csv
wrong 'another table' 2 <<T
metanas: $work/bad.csv: there is no column operation: is it a table of 'metanas bench-ops'?
T
sed '3s/[^,]*$/soon/' made.csv >bad.csv
wrong 'no number' 2 <<T
metanas: $work/bad.csv: row 2: ns is 'soon', which is no time in nanoseconds from 0 on
T
sed '2p' made.csv >bad.csv
wrong 'one twice' 2 <<T
metanas: $work/bad.csv: row 2 is about the same operation as row 1
T
head -n 1 made.csv >bad.csv
wrong 'an empty one' 2 <<T
metanas: argument 6 (--set run.latency=bad.csv): run: latency: $work/bad.csv has no rows
T
refused 'more rounds than there is room for' 2 bench-ops smoke.yaml --rounds 102 <<T
metanas: bench-ops: --rounds 102: 1 to 101 are possible
T
refused 'nothing to measure' 2 bench-ops smoke.yaml --set 'search_space={use: conv4, channels: 4, blocks: 2}' <<T
metanas: smoke.yaml: its search space has no candidate operations
T
works 'without a table' validate smoke.yaml
finish
