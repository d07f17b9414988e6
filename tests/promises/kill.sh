# SPDX-License-Identifier: MIT
# Promise: kill -9 at any moment loses at most the work since the last checkpoint, and the resumed
# run ends with the same bits as one that was never interrupted.
. "$SOURCE/tests/promises/lib.sh"
tiny
kills=$(count 25 1000)

undisturbed

# One run is killed repeatedly until it completes; then the next begins.
done_kills=0 whole_runs=0
for r in $(random $((kills * 4))); do
    [ $done_kills -lt "$kills" ] || break
    go_on >out 2>err &
    pid=$!
    sleep "$(awk -v r="$r" -v s="$seconds" 'BEGIN {print r * s * 0.8}')"
    kill -s KILL $pid 2>/dev/null
    wait $pid
    code=$?
    if [ $code -eq 137 ]; then
        done_kills=$((done_kills + 1))
    elif [ $code -eq 0 ]; then
        same_run 'a run that was killed' whole run
        whole_runs=$((whole_runs + 1))
        rm -rf run
    else
        fail "after $done_kills kills: exit code $code"
        cat err
        rm -rf run
    fi
done
(go_on) >out 2>err || fail "the last run: $(cat err)"
same_run 'the last run' whole run
holds 'enough of them hit' [ $done_kills -eq "$kills" ]
echo "$done_kills kills, $((whole_runs + 1)) runs compared, each of $seconds s"
finish
