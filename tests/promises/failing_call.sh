# SPDX-License-Identifier: MIT
# Promise: a write, fsync, rename, allocation, mapping or thread that fails ends a command with a message, never a
# crash; a checkpoint under its final name is whole, and the run goes on from it to the same end.
# Arguments: the commands to try. METANAS_EVERY=N: in full, only every N-th allocation.
. "$SOURCE/tests/promises/lib.sh"
tiny
sets='--set run.meta_epochs=4 --set run.checkpoint_every=1 --set run.eval_every=2 --set run.workers=1'
most=$(count 40 1000000)
every=${METANAS_EVERY:-1}

# shellcheck disable=SC2086
works 'a run with room' train tiny.yaml --out whole $sets
check
# shellcheck disable=SC2086
FAIL_CALL=rename FAIL_NTH=3 FAIL_PATH=half/checkpoint LD_PRELOAD=$CALLS_SHIM \
    "$METANAS" train tiny.yaml --out half $sets >out 2>err
holds 'half a run: its third checkpoint could not be renamed' grep -q '^metanas: half/checkpoint.safetensors: cannot rename' err
works 'tested' test whole --tasks 2
works 'a list of two tasks' episodes whole --tasks 2 --out two.episodes
works 'tensors to probe' probe tiny.yaml --init init.st --shape 1,10,10
"$TENSORS" edit init.st in.st images images 6x1x10x10 labels labels 6 3
echo "{base: tiny.yaml, seeds: [1, 2], axes: {task_learner.order: [joint]}}" >sweep.yaml
p=0
for class in bar stick fall; do
    mkdir -p mine/$class ask/$class
    "$PICTURES" write mine/$class/1.png 40 $p 0
    "$PICTURES" write ask/$class/1.jpg 10 $p 1
    p=$((p + 1))
done

# The files of run/ before each command, and the command.
prepare() {
    rm -rf run page.html
    case $1 in
    train | sweep) ;;
    new-plugin) mkdir run ;;
    resume) cp -r half run ;;
    *) cp -r whole run ;;
    esac
}
command_of() {
    case $1 in
    train) echo "train tiny.yaml --out run $sets" ;;
    resume) echo 'resume run' ;;
    test) echo 'test run --tasks 2' ;;
    validate) echo 'validate tiny.yaml --untimed' ;;
    genotype) echo 'genotype run' ;;
    replay) echo 'replay run --meta-epoch 3 --task 1' ;;
    report) echo 'report run --out run/page.html' ;;
    compare) echo 'compare run whole --episodes two.episodes --csv run/compare.csv --figure run/compare.svg' ;;
    list) echo 'list' ;;
    sweep) echo "sweep sweep.yaml --out run $sets" ;;
    adapt) echo 'adapt run --support mine --query ask --out run/found' ;;
    episodes) echo 'episodes run --tasks 2 --out run/list.txt' ;;
    probe) echo 'probe tiny.yaml --state in.st --out run/out.st' ;;
    doctor) echo 'doctor tiny.yaml --out run' ;;
    check) echo "check $METANAS_PLUGIN_PATH/sum.so --only input_mixer/sum.docs" ;;
    new-plugin) echo 'new-plugin op_mixer mine run/mine' ;;
    esac
}

# What a train or resume that failed has left is whole, and goes on to the same end.
check_rest() {
    [ -e run/checkpoint.safetensors ] || return 0
    works "$1: resume" resume run
    same_run "$1: the same end" whole run
}

# fails COMMAND CALL N: the N-th call fails. 1 = it was not reached.
fails() {
    what="$1, $2 $3"
    prepare "$1"
    rm -f mark
    check
    threads=
    [ "$2" != thread ] || case $1 in train | resume | test | sweep) threads='--set run.workers=4' ;; esac
    # shellcheck disable=SC2046,SC2086
    FAIL_CALL=$2 FAIL_NTH=$3 FAIL_PATH=run/ FAIL_MARK=$work/mark \
        timeout 60 env LD_PRELOAD="$CALLS_SHIM" "$METANAS" $(command_of "$1") $threads >out 2>err
    code=$?
    if [ ! -e mark ]; then
        [ $code -eq 0 ] || fail "$what: not reached, yet exit code $code: $(cat err)"
        return 1
    fi
    case $code in
    0) ;;
    [1-6]) [ -s err ] || fail "$what: ends with $code and says nothing" ;;
    # The C library aborts when it gets no memory for a library's thread-local data.
    127) grep -q '^cannot allocate memory for thread-local data' err || fail "$what: $(cat err)" ;;
    # So does the Fortran library of OpenBLAS while it is loaded.
    139) grep -q '^Memory allocation failed' err || fail "$what: $(cat err)" ;;
    *)
        fail "$what: exit code $code"
        cat err
        ;;
    esac
    # A run with one worker less is not a failure.
    [ "$2" = alloc ] || [ $code -ne 0 ] || grep -q 'workers could be started' err || case $1 in train | resume)
        fail "$what: the failure was not told" ;;
    esac
    case $1 in train | resume) check_rest "$what" ;; esac
    return 0
}

# Every call, or in short runs calls at growing distances.
total=0
for command; do
    for call in write fsync rename alloc mmap thread; do
        n=0 step=1 runs=0
        while [ $runs -lt "$most" ] && fails "$command" "$call" $n; do
            runs=$((runs + 1))
            if [ -z "${METANAS_LONG:-}" ] && [ "$call" = alloc ]; then
                step=$((step + step * 2 / 3 + 1))
            elif [ -z "${METANAS_LONG:-}" ]; then
                step=$((step + 2))
            elif [ "$call" = alloc ]; then
                step=$every
                # These repeat what train and test do.
                [ $n -lt 2000 ] || case $command in sweep | doctor) step=$((every * 17)) ;; esac
            fi
            n=$((n + step))
        done
        echo "$command: $runs failures of $call, the last at call $((n - step))"
        total=$((total + runs))
    done
done
holds 'there were failures' [ $total -gt $(($# * 4)) ]
echo "$total failures"
finish
