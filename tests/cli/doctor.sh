# SPDX-License-Identifier: MIT
# metanas doctor: what it reports about the program and the machine.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0"

# ill WHAT PATTERN ARGUMENTS...: exit code 1, and a line of the output that fits
ill() {
    what=$1 pattern=$2
    shift 2
    check
    "$METANAS" doctor "$@" >out 2>err
    code=$?
    [ $code -eq 1 ] || fail "$what: exit code $code"
    holds "$what: is told" grep -Eq "$pattern" out
    holds "$what: ends so" grep -Eq '^NOT healthy: [1-9]' out
    holds "$what: and so" grep -Eq '^metanas: doctor: [1-9][0-9]* checks? failed$' err
}

mkdir runs
works 'a healthy machine' doctor smoke.yaml --out runs
holds 'is called so' grep -Eq '^healthy: 0 failures, [0-9]+ warnings?$' out
for line in 'kernels +chosen +(avx512|avx2|openblas)' ' +threads +1 within' 'blas +build +OpenBLAS .*, (no threads|pthreads|OpenMP)' \
    'memory +available +[0-9.]+ [kMGT]B' 'limits +open files ' 'disk +folder +runs$' ' +free +[0-9.]+ [kMGT]B' \
    ' +found +[0-9]+, ' 'data +found +dataset glyphs: images 1x14x14, 100 training, 20 validation, 40 test classes$' \
    ' +generic: a convolution differs' ' +gradient ' ' +two runs +with 1 and with 2 workers end with the same bits$'; do
    holds "tells of: $line" grep -Eq "$line" out
done
holds 'nothing is left behind' [ -z "$(ls -A runs)" ]
works 'as JSON' doctor --json
holds 'with the result' grep -q '"healthy": true' out
holds 'and findings' [ "$(grep -c '"level": "ok"' out)" -gt 15 ]

ill 'no folder' 'disk +folder +nowhere: No such file' --out nowhere
ill 'no data' 'data +configuration .*nowhere.* <- FAILURE$' smoke.yaml \
    --set 'dataset={use: omniglot, path: nowhere}'
check
FAIL_PATH=/.metanas-doctor FAIL_AFTER=0 LD_PRELOAD=$SHIM "$METANAS" doctor >out 2>err
holds 'a full disk ends with 1' [ $? -eq 1 ]
holds 'a full disk is told' grep -Eq 'a file .*No space left on device.* <- FAILURE$' out
check
FAIL_PATH=/.metanas-doctor FAIL_AFTER=20000 LD_PRELOAD=$SHIM "$METANAS" doctor >out 2>err
holds 'a disk that fills up ends with 1' [ $? -eq 1 ]
holds 'a disk that fills up is told' grep -Eq 'two runs .*No space left on device' out
mkdir plugins empty
echo no plugin >plugins/bad.so
works 'a file that is no plugin' doctor --plugin-dir "$work/plugins"
holds 'is a warning' grep -Eq 'rejected .*bad.so.* <- warning$' out
holds 'nothing is left in the end' [ -z "$(find . -name '.metanas-doctor*')" ]
finish
