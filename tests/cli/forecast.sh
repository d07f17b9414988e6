# SPDX-License-Identifier: MIT
# What validate says of a run before it: memory to a fifth; time only that it is there.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
sets='--set run.meta_epochs=1 --set run.workers=2 --set dataset.size=28 --set search_space.channels=12
      --set search_space.cells=4 --set task_learner.batch=20 --set task_learner.steps=1
      --set task_learner.test_steps=1 --set task.train_shots=8 --set evaluation.validation_tasks=2'

# field WHAT: the value and unit on its line, in megabytes
field() {
    sed -n "s/^#   $1  *\\([0-9.]*\\) \\([kMG]B\\)\$/\\1 \\2/p" out |
        awk '{ print $1 * ($2 == "GB" ? 1024 : $2 == "MB" ? 1 : 1 / 1024) }'
}

# shellcheck disable=SC2086
works 'validate' validate smoke.yaml $sets
predicted=$(field peak)
for line in 'a task step' 'a meta-epoch' 'a validation' 'the whole run'; do
    holds "time of $line" grep -q "^#   $line  *[0-9.]* m\{0,1\}s\$" out
done
# shellcheck disable=SC2086
works 'validate --untimed' validate smoke.yaml --untimed $sets
holds 'no time' sh -c '! grep -q "time on this machine" out'
holds 'but memory' [ -n "$(field peak)" ]

# More than any machine has: say so, and do not try.
works 'validate a giant' validate smoke.yaml --shape 3,256,256 --set search_space.channels=32 \
    --set task_learner.batch=8192
holds 'warns' grep -q '^metanas: this machine has .* left, less than meta-training takes' err
holds 'does not try' sh -c '! grep -q "time on this machine" out'

# validate and probe --init of large images take memory in proportion to what they write
unset MALLOC_PERTURB_ # of meson test: it fills all that is taken
for command in "validate smoke.yaml --untimed" "probe smoke.yaml --init init.st"; do
    check
    # shellcheck disable=SC2086
    "$PEAK" "$METANAS" $command --shape 1,10000,10000 >out 2>err || fail "$command of large images"
    sanitized || holds "$command: a peak of a few megabytes, not gigabytes" [ "$(tail -n 1 out)" -lt 400000 ]
done

# validate of 12 nodes and k = 5: 1,287 combinations for the last node alone
works 'twelve nodes' validate smoke.yaml --untimed --shape 1,28,28 --set search_space.cells=2 \
    --set search_space.nodes=12 --set input_mixer.k=5
holds 'sizes of what pruning can leave' grep -q '^#   pruned, the largest  *[1-9]' out
check
"$METANAS" validate smoke.yaml --untimed --shape 1,28,28 --set search_space.cells=2 \
    --set search_space.nodes=18 --set input_mixer.k=6 >out 2>err &
program=$!
while ! grep -Eq '^SigCgt:.*[4-7c-f][0-9a-f]{3}$' /proc/$program/status; do sleep 0.1; done # its handler
kill -TERM $program
wait $program && fail 'SIGTERM while sizes are looked for'
holds 'hears SIGTERM' grep -q 'stopped by the user' err

check
# shellcheck disable=SC2086
"$PEAK" "$METANAS" train smoke.yaml --quiet --out run $sets >out 2>err || {
    fail 'the run'
    cat err
}
peak=$(tail -n 1 out | awk '{ print $1 / 1024 }')
echo "peak: predicted $predicted MB, $peak MB"
holds 'the peak is within a fifth' awk -v p="$predicted" -v t="$peak" \
    'BEGIN { exit !(p > 100 && p < 1.2 * t && t < 1.2 * p) }'
finish
