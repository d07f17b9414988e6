# SPDX-License-Identifier: MIT
# The same bits for any number of ranks and threads: training, tests, sweeps. Restarts with
# another number of ranks: stops.sh.
. "$SOURCE/tests/mpi/lib.sh"
sets='--set run.tasks_per_batch=7 --set run.meta_epochs=4 --set run.eval_every=2 --set run.log_every=2'

# shellcheck disable=SC2086
works 'threads alone' train smoke.yaml --out threads $sets --set run.workers=2
works 'test of it' test threads --tasks 9 --steps 0,2
holds 'nothing of ranks in its times' [ "$(grep -c ranks threads/timing.jsonl)" -eq 0 ]

for n in 1 2 3 4; do
    for threads in 1 2; do
        # shellcheck disable=SC2086
        works_on $n "$n ranks of $threads" train smoke.yaml --out "r$n$threads" $sets \
            --set run.workers=$threads --set run.transport=mpi
        same_run "$n ranks of $threads" threads "r$n$threads"
    done
done
holds 'one process speaks' [ "$(grep -c '^run directory' out)" -eq 1 ]
holds 'and makes one folder' [ ! -e runs ]
holds 'all ranks are counted' grep -q '"ranks":4,"threads":8,' r42/timing.jsonl
holds 'results have come' grep -Eq '"bytes_received":[0-9]{5,}' r42/timing.jsonl

works_on 3 'mpirun is enough' train smoke.yaml --out auto $sets
same_run 'without run.transport' threads auto
holds 'ranks were at work' grep -q '"ranks":3,' auto/timing.jsonl

works_on 3 'a test' test r31 --tasks 9 --steps 0,2
same 'tasks of a test' threads/test-tasks.csv r31/test-tasks.csv
same 'curve of a test' threads/test-steps.csv r31/test-steps.csv
same 'result of a test' threads/test.json r31/test.json

works 'a list of episodes' episodes threads --out list.txt --tasks 5
works 'a test on it' test threads --episodes list.txt
works_on 2 'a test on it with ranks' test r31 --episodes list.txt
same 'tasks of a list' threads/test-tasks.csv r31/test-tasks.csv

# meta_sgd learns factors, which the tasks of other ranks need, too
cat >sgd.yaml <<'T'
run: {meta_epochs: 3, tasks_per_batch: 3, eval_every: 3, log_every: 1, seed: 2}
task: {ways: 3, shots: 1, train_shots: 3, queries: 2}
evaluation: {validation_tasks: 4}
dataset: {use: glyphs, size: 16, train_classes: 30, val_classes: 10, test_classes: 10}
search_space: {use: conv4, channels: 4}
task_learner: {use: sgd, steps: 2, batch: 4, test_steps: 2}
meta_learner: {use: meta_sgd}
T
works 'learned factors with threads' train sgd.yaml --out factors
works_on 3 'learned factors with ranks' train sgd.yaml --out factors-ranks
same_run 'learned factors' factors factors-ranks

cat >sweep.yaml <<'T'
base: smoke.yaml
seeds: [1]
set: {run.meta_epochs: 2, evaluation.tasks: 4}
axes: {meta_learner.lr_a: [0.2, 0.6]}
T
works 'a sweep with threads' sweep sweep.yaml --out sweep-threads -q
works_on 2 'a sweep with ranks' sweep sweep.yaml --out sweep-ranks -q
for run in lr_a=0.2/seed-1 lr_a=0.6/seed-1; do
    same_run "$run of a sweep" "sweep-threads/$run" "sweep-ranks/$run"
    same "$run of a sweep" "sweep-threads/$run/test-tasks.csv" "sweep-ranks/$run/test-tasks.csv"
done
finish
