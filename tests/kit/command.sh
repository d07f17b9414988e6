# SPDX-License-Identifier: MIT
# The command line of metanas check: listing, choosing, JSON, seeds, and files that are no plugins.
. "$SOURCE/tests/cli/lib.sh"
plugins=$METANAS_PLUGIN_PATH

# broken SOURCE WRONG: a plugin of tests/plugin/broken that is wrong in this way.
broken() {
    mkdir -p "wrong.$2"
    cp "$BROKEN/broken_$1.so" "wrong.$2"
    echo "wrong.$2/broken_$1.so"
}

works 'list' check "$plugins/softmax.so" --list
holds 'lists the cases of the file' grep -q '^exports ' out
holds 'lists those of the unit' grep -q '^op_mixer/softmax.gradient ' out
n=$(wc -l <out)
works 'run' check "$plugins/softmax.so"
holds 'is TAP' [ "$(head -n 1 out)" = 'TAP version 13' ]
holds 'plans what it lists' [ "$(sed -n 2p out)" = "1..$n" ]
holds 'tells every case' [ "$(grep -c '^ok ' out)" -eq "$n" ]
holds 'says nothing else' [ ! -s err ]

works 'only' check "$plugins/softmax.so" --only 'op_mixer/softmax.s*' --only load
holds 'runs what fits' [ "$(grep -c '^ok ' out)" -eq 3 ]
refused 'only what is not there' 2 check "$plugins/softmax.so" --only op_mixer/softmax.gradiant <<'T'
metanas: check: no case is named 'op_mixer/softmax.gradiant'; did you mean 'op_mixer/softmax.gradient'?; --list shows all
T
refused 'no such file' 3 check nowhere.so <<'T'
metanas: nowhere.so: No such file or directory
T

works 'json' check "$plugins/softmax.so" --json --seed 7
holds 'is JSON' python3 -c '
import json
d = json.load(open("out"))
skipped = [c["name"] for c in d["cases"] if c["verdict"] == "skipped"]
assert d["failed"] == 0 and d["passed"] + len(skipped) == len(d["cases"]) > 10 and d["seed"] == 7
assert all(n.endswith("cleanup") for n in skipped)  # where the allocator does not tell'

works 'in this process' check "$plugins/soft_prune.so" --in-process
"$METANAS" check "$plugins/soft_prune.so" --list >list
holds 'runs all cases' [ "$(grep -c '^ok ' out)" -eq "$(wc -l <list)" ]
check
"$METANAS" check "$(broken mixer wrong_gradient)" --in-process >out 2>err
holds 'goes on after a failure' [ "$(grep -c '^not ok ' out) $(grep -c 'threshold' out)" = '1 1' ]

echo 'not a plugin' >text.so
check
"$METANAS" check text.so >out 2>err
holds 'no shared object: exit code' [ $? -eq 1 ]
holds 'no shared object: one case' grep -q '^not ok 1 - load' out
holds 'no shared object: fault' grep -q '^  fault: load_open' out
echo "metanas: text.so: 1 of 1 case failed" >expected
same 'no shared object: message' expected err

# A failure of fuzzing names the seed of its round, which alone repeats it.
check
"$METANAS" check "$(broken mixer rarely_wrong)" --only '*.fuzz' --rounds 200 >out 2>err
holds 'fuzzing finds it' grep -q '^  fault: out_of_bounds' out
seed=$(sed -nE 's/^  repeat: .* --seed ([0-9]+) --rounds 1"$/\1/p' out)
holds 'and prints a seed' [ -n "$seed" ]
for run in 1 2; do
    check
    "$METANAS" check "$(broken mixer rarely_wrong)" --only '*.fuzz' --seed "$seed" --rounds 1 >out 2>err
    holds "which repeats it, $run" grep -q "^  at: \"round 1, seed $seed\"" out
done


# A unit of which more is skipped than run does not pass.
refused 'a required option is asked for' 2 check "$plugins/omniglot.so" <<T
metanas: $plugins/omniglot.so: no pass, for more cases of dataset/omniglot were skipped than run: the lines 'not looked at' tell why; options that are missing are given by --set
T
holds 'by its name' grep -q '# SKIP the option path is required: give it with --set dataset.path=VALUE' out
holds 'what was not looked at is listed' grep -q '^# not looked at of dataset/omniglot: defaults, calls, .*, tasks (the option path is required' out
"$METANAS" check "$plugins/sum.so" >out 2>err
holds 'some skips are a pass' [ $? -eq 0 ]
holds 'and told' grep -q '^# not looked at of input_mixer/sum: gradient (the mixer has no logits)$' out
check
"$METANAS" check "$plugins/darts.so" >out 2>err && fail 'one unit of two is not checked'
holds 'it is the one that is named' grep -q 'more cases of search_space/darts were skipped' err
works 'one of its cases that runs' check "$plugins/darts.so" --only '*/darts.docs'

# The function that is wrong is named, not the one that was called last.
while read -r source wrong function; do
    "$METANAS" check "$(broken "$source" "$wrong")" >out 2>err
    holds "in $source $wrong" grep -q "^  in: \"$function\"\$" out
done <<'T'
mixer wrong_gradient backward
mixer overwrites backward
operation wrong_dx backward
operation overwrites_dw backward
adjoint wrong_sign adjoint
dataset shares_images sample
images same_names class_name
T
finish
