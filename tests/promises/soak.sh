# SPDX-License-Identifier: MIT
# Promise: memory does not grow over 10,000 meta-epochs.
. "$SOURCE/tests/promises/lib.sh"
tiny
epochs=$(count 1500 10000)
# The address sanitizer keeps released memory for a while; this test measures what the program keeps.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1:thread_local_quarantine_size_kb=64"

resident() {
    awk '/^VmRSS:/ {print $2}' "/proc/$1/status" 2>/dev/null
}

check
"$METANAS" train tiny.yaml --out run --set run.meta_epochs="$epochs" --set run.log_every=10 \
    --set run.checkpoint_every=20 --set run.eval_every=20 >out 2>err &
pid=$!
: >line
while kill -0 $pid 2>/dev/null; do
    epoch=$(sed -n '$s/.*"meta_epoch":\([0-9]*\).*/\1/p' run/metrics.jsonl 2>/dev/null)
    kb=$(resident $pid)
    [ -z "$kb" ] || echo "${epoch:-0} $kb" >>line
    sleep 0.05
done
wait $pid
code=$?
[ $code -eq 0 ] || fail "exit code $code: $(cat err)"
# The last meta-epoch is left out: the report at the end takes memory of its own.
awk -v n="$epochs" '$1 >= n / 4 && $1 < n {
        half = $1 < n * 0.6; k[half]++
        if (!lo[half] || $2 < lo[half]) lo[half] = $2
        if ($2 > hi[half]) hi[half] = $2
    }
    END {
        printf "%d to %d kB resident, then %d to %d (%d samples)\n", lo[1], hi[1], lo[0], hi[0], k[0] + k[1]
        exit !(k[0] >= 3 && k[1] >= 3 && lo[0] - lo[1] <= 256 && hi[0] - hi[1] <= 256)
    }' line || {
    fail 'resident memory is not flat'
    cat line
}
finish
