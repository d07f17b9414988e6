# SPDX-License-Identifier: MIT
# Promise: the same bits for 1, 2, 4 and 8 workers.
. "$SOURCE/tests/promises/lib.sh"
tiny
sets="--set run.tasks_per_batch=8 --set run.meta_epochs=$(count 8 100)"
for workers in 1 2 4 8; do
    # shellcheck disable=SC2086
    works "$workers workers" train tiny.yaml --out "run$workers" $sets --set run.workers=$workers
    works "$workers workers, tested" test "run$workers" --tasks 9
    same_run "$workers workers" run1 "run$workers"
    same "$workers workers: tests" run1/test-tasks.csv "run$workers/test-tasks.csv"
done
finish
