# SPDX-License-Identifier: MIT
# Promise: signals of schedulers, limits, closed descriptors and pipes never end a command without a message, and a
# command ends within seconds of being asked to.
. "$SOURCE/tests/promises/lib.sh"
tiny

# until FILE: wait until it has something in it
until_there() {
    tries=0
    while [ $tries -lt 500 ] && [ ! -s "$1" ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
}

# ends CODE: the process $pid ends within some seconds, with that code
ends() {
    tries=0
    while [ $tries -lt 500 ] && kill -0 $pid 2>/dev/null && [ "$(cut -d' ' -f3 /proc/$pid/stat)" != Z ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    kill -9 $pid 2>/dev/null
    wait $pid
    got=$?
    check
    [ $got -eq "$1" ] || {
        fail "$what: exit code $got, not $1"
        cat err
    }
}

# ---- signals ----

for signal in HUP USR2 XCPU; do
    what="SIG$signal saves like SIGTERM"
    # This test may itself have been started by nohup.
    default="env --default-signal=$signal"
    $default true 2>/dev/null || default=
    $default "$METANAS" train tiny.yaml --out "sig$signal" --set run.meta_epochs=100000 --set run.checkpoint_every=0 >out 2>err &
    pid=$!
    until_there "sig$signal/metrics.jsonl"
    kill -s $signal $pid
    ends 75
    holds "$what" [ -e "sig$signal/checkpoint.safetensors" ]
    holds "$what: says how to go on" grep -q "go on with: metanas resume sig$signal\$" err
done

what='an inherited ignore of SIGHUP stays, as of nohup'
(trap '' HUP && exec "$METANAS" train tiny.yaml --out nohup --set run.meta_epochs=100000) >out 2>err &
pid=$!
until_there nohup/metrics.jsonl
kill -s HUP $pid
sleep 0.3
holds "$what" kill -0 $pid
kill -s TERM $pid
ends 75

what='a second SIGTERM leaves at once'
METANAS_PLUGIN_PATH="$ROGUE_DIR:$METANAS_PLUGIN_PATH" ROGUE=hang \
    "$METANAS" train tiny.yaml --out hang --set 'task_learner={use: rogue}' >out 2>err &
pid=$!
tries=0
while [ $tries -lt 500 ] && ! grep -q '"meta_epoch":6' hang/metrics.jsonl 2>/dev/null; do
    sleep 0.02
    tries=$((tries + 1))
done
sleep 0.3
kill -s TERM $pid
sleep 0.5
kill -s TERM $pid
ends 143

# ---- descriptors ----

works 'with descriptors' train tiny.yaml --out open
check
"$METANAS" train tiny.yaml --out closed <&- >&- 2>&-
for file in config.resolved.yaml metrics.jsonl architecture.csv checkpoint.safetensors; do
    same 'closed descriptors 0 to 2 put no message into a file' open/$file closed/$file
done
holds 'closed descriptors 0 to 2: timing.jsonl' sh -c '! grep -qv "^{" closed/timing.jsonl'

# ---- pipes ----

check
cat tiny.yaml | "$METANAS" train /dev/stdin --out piped >out 2>err || fail "a configuration from a pipe: $(cat err)"
same 'a configuration from a pipe is read once and used' open/metrics.jsonl piped/metrics.jsonl
same 'a configuration from a pipe is what is stored' open/config.resolved.yaml piped/config.resolved.yaml
mkfifo pipe
(cat tiny.yaml >pipe) &
check
"$METANAS" validate pipe --untimed >out 2>err || fail "validate of a pipe: $(cat err)"
holds 'validate of a pipe shows what came' grep -q '^  meta_epochs: 12' out
echo '{base: pipe, seeds: [1, 2], axes: {task_learner.order: [joint]}}' >sweep.yaml
(cat tiny.yaml >pipe) &
works 'a sweep whose base is a pipe' sweep sweep.yaml --out piped-sweep --set run.meta_epochs=2
holds 'a sweep whose base is a pipe runs it' grep -q '^  meta_epochs: 2' piped-sweep/order=joint/seed-2/config.resolved.yaml
holds 'a sweep whose base is a pipe keeps it' grep -q 'tasks_per_batch: 4' piped-sweep/sweep.json

for command in 'train pipe' 'sweep pipe' 'validate pipe' \
    "validate tiny.yaml --set genotype=$work/pipe"; do
    what="SIGTERM while a pipe is waited for: $command"
    # shellcheck disable=SC2086
    "$METANAS" $command >out 2>err &
    pid=$!
    sleep 0.3
    kill -s TERM $pid
    ends 143
done
works 'tested' test open --tasks 2
for file in metrics.jsonl test.json; do
    for command in report resume test replay; do
        rm -rf taken
        cp -r open taken
        rm -f taken/$file
        mkfifo taken/$file
        what="a pipe as $file: $command"
        case $command in
        resume) set -- resume taken --set run.meta_epochs=20 ;;
        test) set -- test taken --tasks 2 ;;
        replay) set -- replay taken --meta-epoch 3 --task 1 ;;
        *) set -- report taken ;;
        esac
        check
        timeout -s KILL 60 "$METANAS" "$@" >out 2>err </dev/null
        code=$?
        case $code in
        0) ;;
        3) grep -q 'metrics.jsonl\|test.json' err || fail "$what: says $(cat err)" ;;
        *) fail "$what: exit code $code: $(cat err)" ;;
        esac
    done
done

# ---- limits ----

if [ "$(awk '/^VmPeak/ {print $2}' /proc/self/status)" -lt 100000000 ] && ! grep -q __asan_init "$METANAS"; then
    for mb in 160 200 300 420 600; do
        check
        (
            ulimit -v $((mb * 1000))
            exec timeout -s KILL 60 "$METANAS" train tiny.yaml -q --out "limit$mb"
        ) >out 2>err
        code=$?
        case $code in
        0) ;;
        5 | 6 | 127) holds "ulimit -v of $mb MB: says why" [ -s err ] ;;
        *) fail "ulimit -v of $mb MB: exit code $code: $(cat err)" ;;
        esac
    done
    works 'ulimit -v of nothing' --version
fi
for errno in 95 38 9 22; do # ENOTSUP, ENOSYS, EBADF, EINVAL
    check
    FAIL_CALL=fsync-folder FAIL_NTH=0 FAIL_REST=1 FAIL_ERRNO=$errno FAIL_PATH=/unsynced$errno LD_PRELOAD=$CALLS_SHIM \
        "$METANAS" train tiny.yaml --out unsynced$errno >out 2>err ||
        fail "a folder whose fsync is not supported, errno $errno: $(cat err)"
done
check
(
    ulimit -f 8
    exec "$METANAS" train tiny.yaml --out small
) >out 2>err
holds 'RLIMIT_FSIZE ends with 3' [ $? -eq 3 ]
holds 'RLIMIT_FSIZE: says why' grep -q '^metanas: small/.*: File too large; .*ulimit -f' err

# RLIMIT_NPROC: counts processes of a user, so a user without other processes is needed.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && command -v prlimit >/dev/null; then
    chmod 777 "$work"
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" # which takes a thread
    for n in 1 2; do
        check
        setpriv --reuid $((61000 + $$ % 4000)) --regid 61000 --clear-groups prlimit --nproc=$n:$n \
            "$METANAS" train tiny.yaml --out "threads$n" --set run.workers=3 >out 2>err ||
            fail "RLIMIT_NPROC of $n: exit code $?: $(cat err)"
        holds "RLIMIT_NPROC of $n: says so" grep -q "only $n of 3 workers could be started" err
        same "RLIMIT_NPROC of $n: the same run" open/metrics.jsonl threads$n/metrics.jsonl
        check
        setpriv --reuid $((61000 + $$ % 4000)) --regid 61000 --clear-groups prlimit --nproc=$n:$n \
            "$METANAS" --version >out 2>err || fail "--version with RLIMIT_NPROC of $n: exit code $?"
    done
fi
finish
