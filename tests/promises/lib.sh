# SPDX-License-Identifier: MIT
# Read by the tests of promises (docs/reliability.md). METANAS_LONG=1 takes the full counts,
# METANAS_SEED=N other random times.
. "$SOURCE/tests/cli/lib.sh"

# The shims come before the sanitizer's library, where the program is built with one.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0:allocator_may_return_null=1"

# count CI LONG: how many
count() {
    if [ -n "${METANAS_LONG:-}" ]; then echo "$2"; else echo "$1"; fi
}

# random N: N random numbers from 0 to 1, one a line
random() {
    awk -v n="$1" -v seed="${METANAS_SEED:-1}" 'BEGIN {srand(seed); while (n-- > 0) print rand()}'
}

now() {
    date +%s.%N
}

# The smallest run that has everything: weights, logits, validation, pruning, checkpoints.
tiny() {
    cat >tiny.yaml <<'Y'
run: {seed: 5, workers: 2, meta_epochs: 12, tasks_per_batch: 4, eval_every: 4, log_every: 2, checkpoint_every: 3}
task: {ways: 3, shots: 1, queries: 2}
evaluation: {tasks: 4, validation_tasks: 4}
dataset: {use: glyphs, size: 10, train_classes: 20, val_classes: 10, test_classes: 10}
search_space: {use: darts, cells: 2, nodes: 2, channels: 4, ops: [max_pool_3x3, skip_connect, conv_3x3]}
task_learner: {use: darts, steps: 3, batch: 3, test_steps: 3, test_batch: 3}
Y
}

# The run to compare with, in `whole`; how long it takes, in `seconds`.
undisturbed() {
    begin=$(now)
    works 'a run without interruption' train tiny.yaml --out whole --set run.meta_epochs=60
    seconds=$(awk -v a="$begin" -v b="$(now)" 'BEGIN {print b - a}')
}

# In a process of its own: the same run in `run`, begun or resumed.
go_on() {
    if [ -e run/checkpoint.safetensors ]; then
        exec "$METANAS" resume run
    fi
    rm -rf run
    exec "$METANAS" train tiny.yaml --out run --set run.meta_epochs=60
}
