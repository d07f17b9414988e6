# SPDX-License-Identifier: MIT
# metanas replay: one task of a run repeated.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
sets='--set run.meta_epochs=20 --set run.eval_every=4 --set run.checkpoint_every=3 --set run.log_steps=true'

# The losses that steps.csv tells of a task, one a line; and those that a replay printed.
recorded() {
    awk -F, -v e="$2" -v t="$3" '$1 == e && $2 == t {print $4}' "$1/steps.csv"
}
printed() {
    awk 'NR > 2 {print $2}' out
}

# shellcheck disable=SC2086
works 'a run' train smoke.yaml --out run $sets
holds 'two tasks of three steps in 20 meta-epochs' [ "$(wc -l <run/steps.csv)" -eq $((20 * 2 * 3 + 1)) ]
find run -type f -exec cksum {} + | sort >before
for task in '0 0' '7 1' '11 0' '12 1' '16 1' '19 0'; do
    # shellcheck disable=SC2086
    set -- $task
    works "replay of $task" replay run --meta-epoch "$1" --task "$2"
    holds "$task: three steps" [ "$(printed | wc -l)" -eq 3 ]
    holds "$task: the same losses" [ "$(printed)" = "$(recorded run "$1" "$2")" ]
done
holds 'from the nearest checkpoint' grep -q 'from run/checkpoint-18.safetensors, 1 meta-epoch before it$' out
works 'with another number of workers' replay run --meta-epoch 13 --task 1
find run -type f -exec cksum {} + | sort >after
same 'the run is left alone' before after

sed 's/^13,1,2,./13,1,2,9/' run/steps.csv >changed && cp changed run/steps.csv
refused 'another loss' 1 replay run --meta-epoch 13 --task 1 <<'T'
metanas: step 2 has another loss than was recorded
T
refused 'no such task' 2 replay run --meta-epoch 13 --task 2 <<'T'
metanas: run: task 2; there are tasks 0 to 1
T
refused 'no such meta-epoch' 2 replay run --meta-epoch 20 --task 1 <<'T'
metanas: run: meta-epoch 20; there are 0 to 19
T
refused 'which task' 2 replay run --task 1 <<'T'
metanas: replay: --meta-epoch E and --task I say which task
T

# What run.shrink cuts on the way is cut again.
works 'a run that shrinks' train smoke.yaml --out shrunk --set run.shrink=[3] --set task_learner.warm_up=0 \
    --set run.checkpoint_every=0 --set run.log_steps=true
works 'replay behind the cut' replay shrunk --meta-epoch 4 --task 1
holds 'behind the cut: the same losses' [ "$(printed)" = "$(recorded shrunk 4 1)" ]

# A run that ended with numbers that are not finite prints the command that replays the task.
check
"$METANAS" train smoke.yaml --out bad --set task_learner.lr_w=1e9 >out 2>err
holds 'ends with 4' [ $? -eq 4 ]
holds 'meta-epoch, task, seed and step' grep -Eq '^metanas: meta-epoch 0, task [01] \(seed 1\): task_learner darts: step [12]: the loss is ' err
command=$(sed -n 's/^  metanas \(replay .*\) does this task again$/\1/p' err)
head -n 1 err >first
check
# shellcheck disable=SC2086
"$METANAS" $command >out 2>err
holds 'the replay ends the same' [ $? -eq 4 ]
same 'with the same words' first err
holds 'after the same losses' [ "$(printed)" = "$(awk -F, 'NR > 1 {print $4}' bad/steps.csv)" ]
finish
