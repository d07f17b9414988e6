# SPDX-License-Identifier: MIT
# Stopping and resuming.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
sets='--set run.meta_epochs=60 --set run.eval_every=20 --set run.checkpoint_every=7'

# shellcheck disable=SC2086
works 'a run without interruption' train smoke.yaml --out whole $sets
refused 'nothing but the length may change' 2 resume whole --set run.seed=3 <<'T'
metanas: argument 4: run.seed cannot change when a run is resumed; only run.meta_epochs, run.transport, run.workers, run.checkpoint_every, run.keep_checkpoints, run.on_nan, run.max_loss, run.rollbacks, dataset.path can
T
works 'resume of a finished run' resume whole
holds 'says that it is finished' grep -q '^all 60 meta-epochs are done' out
refused 'a run directory in use' 2 train smoke.yaml --out whole <<'T'
metanas: whole holds a run already; 'metanas resume whole' goes on with it, another --out starts anew
T

lines() {
    if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi
}

# stop_at DIR SIGNAL LINES: start a run, send the signal once metrics.jsonl has that many lines
stop_at() {
    # shellcheck disable=SC2086
    "$METANAS" train smoke.yaml --out "$1" $sets >out 2>err &
    pid=$!
    tries=0
    while [ "$tries" -lt 500 ] && [ "$(lines "$1/metrics.jsonl")" -lt "$3" ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    kill -s "$2" $pid
    wait $pid
}

for signal in TERM INT USR1; do
    check
    stop_at "$signal" "$signal" 9
    code=$?
    # shells start background jobs with SIGINT ignored; the program handles it all the same
    [ $code -eq 75 ] || fail "SIG$signal: exit code $code"
    holds "SIG$signal: says how to go on" grep -Eq "^metanas: stopped after [0-9]+ of 60 meta-epochs; go on with: metanas resume $signal\$" err
    works "resume after SIG$signal" resume "$signal"
    same_run "SIG$signal" whole "$signal"
done

check
stop_at killed KILL 12
holds 'a killed run left a checkpoint' [ -e killed/checkpoint.safetensors ]
works 'resume after SIGKILL' resume killed --set run.workers=1
same_run SIGKILL whole killed

works 'half a run' train smoke.yaml --out half --set run.meta_epochs=3
works 'more of it' resume half --set run.meta_epochs=6
works 'test after resume' test half --tasks 3
holds 'goes to the new end' grep -q '"meta_epoch": 6' half/test.json

# ---- kept checkpoints ----

names() {
    (cd "$1" && echo checkpoint*)
}
holds 'the last three checkpoints' [ "$(names whole)" = 'checkpoint-49.safetensors checkpoint-56.safetensors checkpoint.safetensors' ]
same 'equal runs have equal checkpoints' whole/checkpoint.safetensors TERM/checkpoint.safetensors
same 'an earlier one, too' whole/checkpoint-56.safetensors TERM/checkpoint-56.safetensors
# shellcheck disable=SC2086
works 'one checkpoint' train smoke.yaml --out one $sets --set run.keep_checkpoints=1
holds 'is alone' [ "$(names one)" = checkpoint.safetensors ]

head -c 1000 whole/checkpoint.safetensors >cut
head -c 900 whole/checkpoint-56.safetensors >cut56
cp -r whole damaged
cp cut damaged/checkpoint.safetensors
works 'resume from the checkpoint before a damaged one' resume damaged
holds 'says which is damaged' grep -q '^metanas: damaged/checkpoint.safetensors: damaged at byte ' err
holds 'and what it took' grep -q '^  taken in its place: damaged/checkpoint-56.safetensors, of meta-epoch 56$' err
same_run 'a damaged checkpoint' whole damaged
same 'the damaged file stays' cut damaged/damaged.safetensors
rm -r damaged
cp -r whole damaged
cp cut56 damaged/checkpoint-56.safetensors
rm damaged/checkpoint.safetensors
works 'resume without the newest and with one damaged' resume damaged
holds 'takes the third' grep -q '^  taken in its place: damaged/checkpoint-49.safetensors, of meta-epoch 49$' err
same_run 'two checkpoints lost' whole damaged

cp -r one alone
cp cut alone/checkpoint.safetensors
check
"$METANAS" resume alone >out 2>err
holds 'no whole checkpoint ends with 3' [ $? -eq 3 ]
holds 'and is named with the place' grep -q '^metanas: alone/checkpoint.safetensors: damaged at byte ' err
same 'and stays as it was' cut alone/checkpoint.safetensors

# ---- metrics files that lost lines ----

works 'a run to damage' train smoke.yaml --out lines --set run.meta_epochs=5 --set run.log_every=2 --set run.checkpoint_every=2
holds 'the last metrics line is always written' grep -q '^{"kind":"train","meta_epoch":5,' lines/metrics.jsonl
for file in metrics.jsonl architecture.csv timing.jsonl; do
    rm -rf short
    cp -r lines short
    truncate -s -1 "short/$file"
    works "$file one byte short" resume short --set run.meta_epochs=8
    holds "$file one byte short: the run came to its end" grep -q '"kind":"train","meta_epoch":8,' short/metrics.jsonl
    case $file in timing.jsonl) ;; *)
        holds "$file one byte short is told" grep -q "^metanas: short/$file: the checkpoint was written after .* what is lost stays lost, and the run goes on" err
        ;;
    esac
    rm -rf short
    cp -r lines short
    rm "short/$file"
    works "a lost $file does not block resume" resume short --set run.meta_epochs=8
    works "a lost $file: and again" resume short --set run.meta_epochs=10
    holds "a lost $file: whole lines only" sh -c '! grep -qv "^{.*}$" short/metrics.jsonl'
done

# ---- before the first checkpoint, and beside another process ----

works 'a checkpoint of meta-epoch 0' train smoke.yaml --out first --set run.meta_epochs=0
holds 'is there' [ -e first/checkpoint.safetensors ]
works 'a short run' train smoke.yaml --out begun --set run.meta_epochs=4
cp -r begun anew
rm anew/*.safetensors
: >anew/metrics.jsonl
refused 'train --out on a run without a checkpoint' 2 train smoke.yaml --out anew <<'T'
metanas: anew holds a run already; 'metanas resume anew' goes on with it, another --out starts anew
T
works 'resume of a run that died before its first checkpoint' resume anew
holds 'says that it begins anew' grep -q '^metanas: anew has no checkpoint: the run begins anew$' err
same_run 'it is the same run' begun anew
rm anew/*.safetensors anew/*.jsonl anew/*.csv
works 'only its configuration is left' resume anew
same_run 'it is the same run again' begun anew
: >anew/checkpoint.safetensors.tmp-Ab3dE6
works 'resume removes what a killed process left' resume anew --set run.meta_epochs=5
holds 'it is gone' [ ! -e anew/checkpoint.safetensors.tmp-Ab3dE6 ]

"$METANAS" train smoke.yaml --out busy --set run.meta_epochs=1000000 >busy.out 2>&1 &
pid=$!
tries=0
while [ "$tries" -lt 500 ] && [ ! -s busy/metrics.jsonl ]; do
    sleep 0.02
    tries=$((tries + 1))
done
for command in resume test; do
    refused "$command of a run at which another process works" 3 $command busy <<'T'
metanas: busy: another metanas is at work in this folder
T
done
works 'report of it' report busy
kill -s TERM $pid
wait $pid
holds 'the other process is not disturbed' [ $? -eq 75 ]

"$METANAS" train smoke.yaml --out gone --set run.meta_epochs=1000000 --set run.checkpoint_every=1 >out 2>err &
pid=$!
tries=0
while [ "$tries" -lt 500 ] && [ ! -s gone/metrics.jsonl ]; do
    sleep 0.02
    tries=$((tries + 1))
done
check
mv gone elsewhere && mkdir gone
sleep 0.3
kill -s TERM $pid
wait $pid
holds 'a folder made anew gets no file of the old run' [ -z "$(ls -A gone)" ]
holds "that it was moved is said: $(tail -n 2 err)" grep -q '; go on with: metanas resume the folder that was gone$' err
works 'the old run is whole where it was moved' resume elsewhere --set run.checkpoint_every=0 --set run.meta_epochs=1

# ---- what is refused ----

cp -r half other
sed 's/  lr_w: 0.005/  lr_w: 0.006/' half/config.resolved.yaml >other/config.resolved.yaml
refused 'another configuration' 2 resume other --set run.meta_epochs=8 <<'T'
metanas: other/checkpoint.safetensors: was made with another configuration: task_learner.lr_w was 0.005, now it is 0.006; --accept-changes goes on all the same
T
works 'that is accepted' resume other --set run.meta_epochs=8 --accept-changes
holds 'with a warning' grep -q 'the configuration no longer tells how this run came about' err
mkdir plugins
cp "$METANAS_PLUGIN_PATH"/*.so plugins
echo >>plugins/reptile.so
check
"$METANAS" resume half --plugin-dir "$work/plugins" --set run.meta_epochs=8 >out 2>err
holds 'another plugin ends with 2' [ $? -eq 2 ]
holds 'and is named' grep -q "^metanas: half/checkpoint.safetensors: was made with another plugin: meta_learner was 'reptile of reptile " err
works 'a plugin that is accepted' resume half --plugin-dir "$work/plugins" --set run.meta_epochs=8 --accept-changes

# A run with more meta-epochs: schedules that depend on the length change, with a warning
works 'a run with schedules' train smoke.yaml --out course --set run.meta_epochs=4 --set run.eval_every=0 \
    --set meta_learner.schedule=linear --set task_learner.warm_up=0.5
works 'longer' resume course --set run.meta_epochs=8
holds 'the rate, before and now' grep -q 'schedule linear: the rates had come to 0 of their height at meta-epoch 4, now they are at 0.5$' err
holds 'not the warm-up, which is over' sh -c '! grep -q "warm_up" err'
works 'a run in its warm-up' train smoke.yaml --out warm --set run.meta_epochs=2 --set run.eval_every=0 --set task_learner.warm_up=0.9
works 'longer, too' resume warm --set run.meta_epochs=6
holds 'the warm-up is told' grep -q 'task_learner darts: warm_up 0.9 ended at meta-epoch 1.8, now it ends at 5.4$' err
works 'a run without schedules' train smoke.yaml --out plain --set run.meta_epochs=2 --set run.eval_every=0 --set task_learner.warm_up=0
works 'longer without a word' resume plain --set run.meta_epochs=3
holds 'says nothing' sh -c '! grep -q "run.meta_epochs was" err'
finish
