# SPDX-License-Identifier: MIT
# Command lines, help and listing.
. "$SOURCE/tests/cli/lib.sh"

refused 'unknown command' 2 trian x.yaml <<'T'
metanas: unknown command 'trian'; did you mean 'train'?
T
refused 'unlike any command' 2 frobnicate <<'T'
metanas: unknown command 'frobnicate'; see 'metanas help'
T
refused 'unknown flag' 2 train x.yaml --sett run.seed=1 <<'T'
metanas: train: unknown flag '--sett'; did you mean '--set'?
T
refused 'unknown short flag' 2 train x.yaml -x <<'T'
metanas: train: unknown flag '-x'; see 'metanas train --help'
T
refused 'flag of another command' 2 train x.yaml --json <<'T'
metanas: train: unknown flag '--json'; see 'metanas train --help'
T
refused 'flag without its value' 2 train x.yaml --out <<'T'
metanas: train: --out needs DIR
T
refused 'switch with a value' 2 test run --json=yes <<'T'
metanas: test: --json takes no value
T
refused 'no operand' 2 train <<'T'
metanas: train: CONFIG is missing; see 'metanas train --help'
T
refused 'two operands' 2 train a b <<'T'
metanas: train: takes one CONFIG, but got 'a' and 'b'
T
refused 'operand where none is taken' 2 list all <<'T'
metanas: list: takes no argument, but got 'all'
T
refused 'not a number' 2 test run --tasks ten <<'T'
metanas: test: --tasks: 'ten' is not a whole number: expected int, at least 1
T
refused 'two values' 2 test run --tasks 4 --tasks=5 <<'T'
metanas: test: --tasks is given twice
T
refused 'no tasks' 2 test run --tasks 0 <<'T'
metanas: test: --tasks: 0 is out of range: expected int, at least 1
T
refused 'not a split' 2 test run --split tset <<'T'
metanas: test: --split: unknown value 'tset': expected one of: train, val, test; did you mean 'test'?
T
refused 'not a fraction' 2 probe a.yaml --state a --out b --progress 1.5 <<'T'
metanas: probe: --progress: 1.5 is out of range: expected real, 0 to 1
T
refused 'unknown topic' 2 help op_mixr <<'T'
metanas: help: unknown topic 'op_mixr'; did you mean 'op_mixer'?
T
refused 'no such run' 3 test nowhere <<'T'
metanas: nowhere: No such file or directory; expected a run directory, as 'metanas train' makes
T

works 'version' --version
minor=$(sed -n 's/^#define MN_ABI_MINOR //p' "$SOURCE/include/metanas/abi.h")
holds 'version names the ABI' grep -q "^plugin ABI  0\\.$minor, 1\\.0-rc" out
works 'help' help
cp out overview
for command in train test resume sweep compare validate genotype report adapt episodes probe list check new-plugin \
    help; do
    holds "help lists $command" grep -q "^  $command " overview
    "$METANAS" $command --help >own
    holds "$command --help" grep -q "^usage: metanas $command" own
    works "help $command" help $command
    same "help $command is $command --help" out own
done
works 'help for a section' help task
holds 'shows an option' grep -q '^  ways ' out
works 'help for a unit' help op_mixer/soft_prune
holds 'shows its option' grep -q '^  t_min ' out
works 'help for a kind' help op_mixer
holds 'names a unit' grep -q '^  soft_prune ' out

works 'list' list
for plugin in darts softmax soft_prune gumbel relu_softmax sum reptile fomaml sgd glyphs; do
    holds "lists $plugin" grep -q "^$plugin [0-9]" out
done
holds 'every plugin loads' sh -c '! grep -q rejected out'
mkdir bad
echo 'not a plugin' >bad/broken.so
cp "$METANAS_PLUGIN_PATH/softmax.so" bad/
works 'list with a broken file' list --plugin-dir "$work/bad"
holds 'tells that it is rejected' grep -q '^rejected: .*/bad/broken\.so: ' out
holds 'tells what is shadowed' grep -qx "shadowed: $METANAS_PLUGIN_PATH/softmax.so: $work/bad/softmax.so comes first" out
cp "$METANAS_PLUGIN_PATH/sum.so" bad/open.so
chmod o+w bad/open.so
mkdir open
cp "$METANAS_PLUGIN_PATH/sum.so" open/other.so
chmod o+w open
works 'list, verbose' list -v --plugin-dir "$work/bad" --plugin-dir "$work/open"
cat >expected <<T
searched, the first file of a name wins:
    1. --plugin-dir         $work/bad
    2. --plugin-dir         $work/open
    3. METANAS_PLUGIN_PATH  $METANAS_PLUGIN_PATH
    4. build folder         $METANAS_PLUGIN_PATH
T
head -n 5 out >searched
same 'tells where it looked, in order' expected searched
holds 'rejects a file that anyone may write' grep -qx "rejected: $work/bad/open.so: anyone may write this file, so it is not loaded: chmod o-w it" out
holds 'rejects a folder that anyone may write' grep -qx "rejected: $work/open: anyone may write in this folder, so nothing is loaded from it: chmod o-w it" out

# The working directory is never searched.
cp "$METANAS_PLUGIN_PATH/sum.so" here.so
check
METANAS_PLUGIN_PATH='' "$METANAS" help input_mixer/sum >out 2>err
holds 'an empty part of the search path is passed over' [ $? -eq 0 ]
check
"$METANAS" help input_mixer/here >out 2>err
holds 'a plugin in the working directory is not found' grep -q 'there is no here.so' err
for use in ./here /etc/here ../here here.so here/../../x; do
    echo "input_mixer: {use: $use}" >use.yaml
    check
    "$METANAS" validate use.yaml >out 2>err
    holds "use: $use is refused" [ $? -eq 2 ]
    holds 'for being a path' grep -q 'a configuration never holds a path to code' err
done

# ---- words and names ----

refused 'help suggests a unit by its beginning' 2 help op_mixer/sof <<T
metanas: cannot load plugin 'sof' for op_mixer
  there is no sof.so; did you mean 'softmax'?
  searched: METANAS_PLUGIN_PATH=$METANAS_PLUGIN_PATH; build folder=$METANAS_PLUGIN_PATH
T
refused 'help suggests a kind' 2 help op_mixr/softmax <<'T'
metanas: help: unknown topic 'op_mixr/softmax'; did you mean 'op_mixer/softmax'?
T
cp "$SOURCE/configs/smoke.yaml" .
printf 'base: smoke.yaml\nseeds: [1]\n' >sweep.yaml
refused 'validate of a sweep says that it is the other kind' 2 validate sweep.yaml <<'T'
sweep.yaml:1:1: a sweep, which 'metanas sweep' takes; a configuration has sections
metanas: sweep.yaml: 1 fault; nothing was run
T
sed -n '/^run:/,$p' smoke.yaml >config.yaml
refused 'sweep of a configuration says that it is the other kind' 2 sweep config.yaml <<'T'
config.yaml:1:1: a configuration, which 'metanas train' takes; a sweep has base, set, seeds, axes and search
metanas: config.yaml: 1 fault; nothing was run
T
latin=$(printf 'caf\351')
refused 'a name that is not UTF-8, before the work' 2 train smoke.yaml --out "$latin" <<'T'
metanas: train: argument 4 is not UTF-8, as the files of a run are: 'caf?'; rename what it names
T
holds 'nothing is made' [ ! -e "$latin" ]
refused 'a control character never reaches a terminal' 2 train "$(printf 'x\033[2J.yaml')" <<'T'
metanas: train: argument 2 holds a control character: 'x?[2J.yaml'
T

check
"$METANAS" help | head -n 1 >out 2>err
holds 'a closed pipe is no error' [ ! -s err ]
if [ -w /dev/full ]; then
    check
    "$METANAS" help >/dev/full 2>err
    holds 'a full standard output ends with 3' [ $? -eq 3 ]
    echo 'metanas: cannot write to standard output: No space left on device' >expected
    same 'and says so' expected err
fi
finish
