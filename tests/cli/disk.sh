# SPDX-License-Identifier: MIT
# A disk that is full from the n-th byte on, for many n: nothing that was saved is lost.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
# The shim comes before the sanitizer's library, where the program is built with one.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0"
sets='--set run.meta_epochs=4 --set run.checkpoint_every=1 --set run.eval_every=2'

# shellcheck disable=SC2086
works 'a run with room' train smoke.yaml --out whole $sets
size=$(wc -c <whole/checkpoint.safetensors)
failed=0
for after in 0 100 4000 $((size / 2)) $((size + 3000)) $((size * 3 / 2)) $((size * 5 / 2)) $((size * 7 / 2)); do
    rm -rf run
    check
    # shellcheck disable=SC2086
    FAIL_PATH=/run/ FAIL_AFTER=$after LD_PRELOAD=$SHIM "$METANAS" train smoke.yaml --out run $sets \
        >out 2>err
    code=$?
    [ $code -eq 3 ] || fail "full after $after bytes: exit code $code"
    holds "full after $after bytes: says so" grep -q '^metanas: run/.*No space left on device' err
    holds "full after $after bytes: no half file" \
        sh -c '! ls -A run | grep -Ev "^(best.safetensors|checkpoint(-[0-9]+)?.safetensors|architecture.csv|config.resolved.yaml|metrics.jsonl|timing.jsonl)$"'
    failed=$((failed + 1))
    if [ -e run/checkpoint.safetensors ]; then
        works "resume after $after bytes, with room again" resume run
        same_run "full after $after bytes: the same end" whole run
        saved=yes
    fi
done
holds 'some runs had saved before' [ "${saved:-no}" = yes ]

works 'a test with room' test whole --tasks 3
cp whole/test.json before.json
rm -rf run
cp -r whole run
check
FAIL_PATH=/run/ FAIL_AFTER=10 LD_PRELOAD=$SHIM "$METANAS" test run --tasks 5 >out 2>err
holds 'test.json without room ends with 3' [ $? -eq 3 ]
same 'the old test.json stays' before.json run/test.json
finish
