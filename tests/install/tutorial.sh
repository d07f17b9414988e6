# SPDX-License-Identifier: MIT
# Every command of docs/writing-a-plugin.md, in its order, in one shell, and what it should lead to.
. "$SOURCE/tests/install/lib.sh"

# The blocks marked sh. A command that fails ends the shell and is named.
{
    echo 'set -eu'
    awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$SOURCE/docs/writing-a-plugin.md"
} >commands.sh
holds 'there are commands' [ "$(grep -c metanas commands.sh)" -gt 10 ]
ln -s "$METANAS" metanas
mkdir tutorial
check
(cd tutorial && PATH=$work:$PATH CC=$CC sh ../commands.sh) >out 2>err || {
    fail "a command failed, after this output"
    cat out err
}
holds 'one symbol' grep -q ' T mn_plugin_entry$' out
holds 'both versions' grep -q "^metanas $(pkg-config --modversion metanas) " out
holds 'the power is refused' grep -q '^exit code 2$' out
holds 'with its place' grep -q 'op_mixer sharp: power: 9 is out of range: expected real, 1 to 8$' err
holds 'the help is of the new mixer' grep -q '^  power  1 is the softmax; more is more decided\.' out
holds 'three results' [ "$(grep -c '^test accuracy' out)" -ge 4 ]

# The two ways to write the same mixture, to single precision.
losses() {
    sed -n 's/.*"kind":"train".*"loss":\([-0-9.e+]*\).*/\1/p' "tutorial/sharp/runs/$1/metrics.jsonl" | sed -n "$2p"
}
for line in 1 2 3; do
    near "loss $line of both" "$(losses power $line)" "$(losses softmax $line)" 1e-4
done
holds 'a run that is another' sh -c '! cmp -s tutorial/sharp/runs/p1/metrics.jsonl tutorial/sharp/runs/p4/metrics.jsonl'
holds 'it is installed where metanas looks' sh -c 'find tutorial/sharp/staging -path "*/metanas/plugins/sharp.so" | grep -q .'
finish
