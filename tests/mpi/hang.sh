# SPDX-License-Identifier: MIT
# A rank that stops responding, like that of a node that is down.
. "$SOURCE/tests/mpi/lib.sh"
sets='--set run.meta_epochs=100000 --set run.eval_every=0 --set run.checkpoint_every=3'

# shellcheck disable=SC2086
ranks 2 "$METANAS" train smoke.yaml --out run $sets >out 2>err </dev/null &
job=$!
wait_for run/metrics.jsonl 20
# shellcheck disable=SC2046
set -- $(processes run)
begin=$(date +%s)
# repeatedly: another process may send SIGCONT
while kill -s STOP "$2" 2>/dev/null; do sleep 1; done &
wait $job
code=$?
holds 'the job ends' [ $code -ne 0 ]
holds 'within a minute' [ $(($(date +%s) - begin)) -le 60 ]
holds 'it says why' grep -Eq 'rank 1 \(.*\) has shown no sign of life|another rank did not answer for 30 seconds' err
holds 'and how to go on' grep -q 'metanas resume run goes on from it' err
[ "$failures" -eq 0 ] || tail -n 20 err
works_on 2 'a resume' resume run --set run.meta_epochs=100
finish
