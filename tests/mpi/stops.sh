# SPDX-License-Identifier: MIT
# Signals and dead ranks.
. "$SOURCE/tests/mpi/lib.sh"
sets='--set run.meta_epochs=60 --set run.eval_every=0 --set run.checkpoint_every=3 --set run.workers=1'

# shellcheck disable=SC2086
works 'a run without interruption' train smoke.yaml --out whole $sets

# start N DIR: a run in the background, under way
start() {
    # shellcheck disable=SC2086
    ranks "$1" "$METANAS" train smoke.yaml --out "$2" $sets >out 2>err </dev/null &
    job=$!
    wait_for "$2/metrics.jsonl" 10
}

seconds() {
    date +%s
}

# A signal to one rank, the first or another one, as batch systems send them to all.
for signal in TERM USR1; do
    [ $signal = TERM ] && victim=1 || victim=3
        dir=$signal$victim
        start 3 "$dir"
        # shellcheck disable=SC2046
        set -- $(processes "$dir")
        eval "kill -s $signal \${$victim}"
        begin=$(seconds)
        wait $job
        code=$?
        check
        [ $code -eq 75 ] || fail "SIG$signal to process $victim: exit code $code"
        holds 'within seconds' [ $(($(seconds) - begin)) -le 10 ]
        holds 'it says how to go on' grep -q "^metanas: stopped after [0-9]* of 60 meta-epochs; go on with: metanas resume $dir\$" err
        holds 'once' [ "$(grep -c '^metanas: ' err)" -eq 1 ]
done
works_on 2 'a resume' resume TERM1
same_run 'after SIGTERM' whole TERM1
works 'a resume with threads' resume USR13 --set run.transport=none
same_run 'after SIGUSR1' whole USR13

# A rank is killed: the job ends, and the last checkpoint is whole.
for victim in 1 2; do
    dir=killed$victim
    start 3 "$dir"
    # shellcheck disable=SC2046
    set -- $(processes "$dir")
    all=$*
    eval "kill -s KILL \${$victim}"
    begin=$(seconds)
    wait $job
    code=$?
    holds "process $victim was killed" [ $code -ne 0 ]
    holds 'the job ends within a minute' [ $(($(seconds) - begin)) -le 30 ]
    sleep 0.2
    for process in $all; do
        holds 'no process is left' is_gone "$process"
    done
    works_on 2 'a resume' resume "$dir"
    same_run 'after SIGKILL' whole "$dir"
done
finish
