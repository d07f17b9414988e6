# SPDX-License-Identifier: MIT
# Promise: checkpoints survive what a plugin does: after a crash, a hang or a write out of bounds the run resumes from the
# last one and ends the same, and NaN never reaches the meta state.
. "$SOURCE/tests/promises/lib.sh"
tiny
export METANAS_PLUGIN_PATH="$ROGUE_DIR:$METANAS_PLUGIN_PATH"
set='task_learner={use: rogue}'

works 'a run in which nothing goes wrong' train tiny.yaml --out whole --set "$set"

# wrong HOW CODES: the run ends with one of the exit codes; the checkpoint of meta-epoch 6 is left.
wrong() {
    check
    (ROGUE=$1 exec "$METANAS" train tiny.yaml --out "$1" --set "$set") >out 2>err
    code=$?
    case " $2 " in
    *" $code "*) ;;
    *)
        fail "$1: exit code $code"
        cat err
        ;;
    esac
}
goes_on() {
    holds "$1: checkpoints" sh -c "ls $1 | grep -q '^checkpoint-3.safetensors'"
    works "$1: resume" resume "$1"
    same_run "$1" whole "$1"
}

# Sanitizers end with 1 where the signal would have.
wrong crash '139 1' && goes_on crash
wrong abort '134 1' && goes_on abort
wrong exit 0 && goes_on exit
wrong positive 1
holds 'an unknown status names the plugin' grep -q '^metanas: meta-epoch 7, task 1 (seed 5): task_learner rogue: 3 was returned, which is no status; this is an error of the plugin$' err
goes_on positive
for how in nan nan_loss; do
    wrong $how 4
    holds "$how: names the place" grep -q '^metanas: meta-epoch 7, task 1 (seed 5): task_learner rogue: ' err
    goes_on $how
done

# A write out of bounds ends the process or goes unnoticed, but checkpoints saved before it are intact.
check
(ROGUE=beyond exec "$METANAS" train tiny.yaml --out beyond --set "$set") >out 2>err
[ -e beyond/checkpoint-6.safetensors ] || [ -e beyond/checkpoint.safetensors ] || fail 'beyond: no checkpoint'
rm -f beyond/checkpoint-9.safetensors beyond/checkpoint.safetensors
works 'beyond: resume from before it' resume beyond
same_run beyond whole beyond

# A hang: the first signal requests a stop, the second one exits.
(ROGUE=hang exec "$METANAS" train tiny.yaml --out hang --set "$set") >out 2>err &
pid=$!
tries=0
while [ "$tries" -lt 500 ] && ! grep -q '"meta_epoch":6' hang/metrics.jsonl 2>/dev/null; do
    sleep 0.02
    tries=$((tries + 1))
done
sleep 0.3
kill -s INT $pid
sleep 0.3
check
kill -0 $pid 2>/dev/null || fail 'a hang ends at the first interrupt'
kill -s INT $pid
wait $pid
holds 'a hang ends at the second interrupt' [ $? -eq 130 ]
goes_on hang
finish
