# SPDX-License-Identifier: MIT
# The batch template under a mock scheduler: stopped in time it requeues itself and then runs to the end.
. "$SOURCE/tests/mpi/lib.sh"
sets='--set run.meta_epochs=400 --set run.eval_every=0 --set run.checkpoint_every=50'

mkdir bin
cat >bin/srun <<'T'
#!/bin/sh
while [ "${1#--}" != "$1" ]; do
    echo "$1" >>srun.flags
    shift
done
exec "$MPIRUN" -n 2 "$@"
T
cat >bin/scontrol <<'T'
#!/bin/sh
echo "$@" >>scontrol.calls
T
chmod +x bin/srun bin/scontrol
PATH=$PWD/bin:$PATH
export SLURM_JOB_ID=17

# shellcheck disable=SC2086
works 'a run without a scheduler' train smoke.yaml --out whole $sets

# shellcheck disable=SC2086
bash "$SOURCE/tools/slurm/metanas.sbatch" smoke.yaml run $sets >out 2>err </dev/null &
job=$!
wait_for run/metrics.jsonl 10
for process in $(processes run); do
    kill -s USR1 "$process" 2>/dev/null
done
wait $job
holds 'a job that was stopped in time ends well' [ $? -eq 0 ]
holds 'and is queued again' [ "$(cat scontrol.calls)" = 'requeue 17' ]
holds 'a dead rank ends a step' grep -qx -e '--kill-on-bad-exit=1' srun.flags
bash "$SOURCE/tools/slurm/metanas.sbatch" smoke.yaml run >out 2>err </dev/null
holds 'the next one ends well' [ $? -eq 0 ]
holds 'and is not queued again' [ "$(lines scontrol.calls)" -eq 1 ]
same_run 'over two jobs' whole run
bash "$SOURCE/tools/slurm/metanas.sbatch" nothing.yaml other >out 2>err </dev/null
holds 'a failure stays one' [ $? -eq 3 ]
holds 'and is not queued again' [ "$(lines scontrol.calls)" -eq 1 ]
finish
