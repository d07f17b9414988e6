# SPDX-License-Identifier: MIT
# Promise: SIGINT, SIGTERM, SIGUSR1 save and end with 75 within 5 s; the resumed run ends with the
# same bits. A closed standard output does not end a run.
. "$SOURCE/tests/promises/lib.sh"
tiny
signals=$(count 12 200)

undisturbed

stopped=0 slowest=0 i=0
for r in $(random $((signals * 4))); do
    [ $stopped -lt "$signals" ] || break
    i=$((i + 1))
    case $((i % 3)) in 0) signal=INT ;; 1) signal=TERM ;; *) signal=USR1 ;; esac
    go_on >out 2>err &
    pid=$!
    # The handlers are installed once the program prints where it writes; before that the default action applies.
    sleep "$(awk -v r="$r" -v s="$seconds" 'BEGIN {print 0.05 + r * s * 0.5}')"
    begin=$(now)
    kill -s "$signal" $pid 2>/dev/null
    wait $pid
    code=$?
    slowest=$(awk -v a="$begin" -v b="$(now)" -v m="$slowest" 'BEGIN {x = b - a; print (x > m ? x : m)}')
    if [ $code -eq 75 ]; then
        stopped=$((stopped + 1))
        holds "SIG$signal: a checkpoint" [ -e run/checkpoint.safetensors ]
    elif [ $code -gt 128 ] && grep -q 'nothing was saved; the same command begins anew' err; then
        holds "SIG$signal: nothing yet" [ ! -e run/config.resolved.yaml ]
    elif [ $code -eq 0 ]; then
        same_run "a run with SIG$signal" whole run
        rm -rf run
    else
        fail "SIG$signal: exit code $code"
        cat err
    fi
done
(go_on) >out 2>err || fail "the last run: $(cat err)"
same_run 'the last run' whole run
holds 'enough of them hit' [ $stopped -eq "$signals" ]
holds "at most 5 s to stop ($slowest)" awk -v s="$slowest" 'BEGIN {exit !(s > 0 && s < 5)}'

# Before the run starts: reading the data takes seconds.
"$METANAS" train tiny.yaml --out early --set dataset.train_classes=20000 >out 2>err &
pid=$!
sleep 1
kill -s USR1 $pid
wait $pid
holds 'an early signal: 128 and its number' [ $? -eq 138 ]
holds 'it is said' grep -q 'nothing was saved; the same command begins anew' err
holds 'no run is left' [ ! -e early ]

# The shipped configurations, on glyphs instead of their data: a step of some takes longer than 5 s.
for config in "$SOURCE"/configs/*.yaml; do
    case $config in
    */miniimagenet-5way-1shot.yaml) size=84 ;;
    */reptile-omniglot.yaml) size=28 ;;
    *) [ -n "${METANAS_LONG:-}" ] && size=84 || continue ;;
    esac
    ! grep -q '^base:' "$config" || continue
    "$METANAS" train "$config" --out shipped --set run.meta_epochs=1000000 --set run.checkpoint_every=0 \
        --set "dataset={use: glyphs, size: $size, train_classes: 30, val_classes: 25, test_classes: 25, samples: 40}" >out 2>err &
    pid=$!
    tries=0
    while [ $tries -lt 500 ] && [ ! -e shipped/checkpoint.safetensors ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    sleep 2
    begin=$(now)
    kill -s TERM $pid
    wait $pid
    holds "${config##*/}: SIGTERM ends with 75" [ $? -eq 75 ]
    took=$(awk -v a="$begin" -v b="$(now)" 'BEGIN {print b - a}')
    sanitized || holds "${config##*/}: within 5 s ($took)" awk -v s="$took" 'BEGIN {exit !(s < 5)}'
    rm -rf shipped
done

check
{ "$METANAS" train tiny.yaml --out closed --set run.meta_epochs=60 2>err; echo $? >code; } | true
[ "$(cat code)" -eq 0 ] || fail "a closed standard output: exit code $(cat code)"
same_run 'a closed standard output' whole closed
echo "$stopped signals stopped a run; the slowest took $slowest s"
finish
