# SPDX-License-Identifier: MIT
# How a test takes its tasks and what it says of them: sampling, the cells of others, other data.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

works 'train' train smoke.yaml --out run --set run.workers=1
works 'test with replacement' test run --tasks 6
holds 'says so' [ "$(field run/test.json sampling)" = with_replacement ]
holds 'on the console' grep -q '^  sampling     with replacement' out
holds 'names the data set' [ "$(field run/test.json dataset)" = glyphs ]
holds 'which is that of meta-training' [ -z "$(field run/test.json trained_on)" ]

# ---- without replacement
without='evaluation.sampling=without_replacement'
works 'test without replacement' test run --tasks 100 --set $without --out without.json
holds 'says so' [ "$(field without.json sampling)" = without_replacement ]
holds 'as many tasks as there are images for' grep -q 'the split has images for 48 tasks of the 100' err
works 'a list without replacement' episodes run --tasks 100 --set $without --out list
works 'test on the list' test run --episodes list --out listed.json
same 'the same tasks' without-tasks.csv listed-tasks.csv
holds 'a list is looked at' [ "$(field listed.json sampling)" = without_replacement ]
works 'two workers' test run --tasks 100 --set $without --set run.workers=2 --out two.json
same 'the same result' without-tasks.csv two-tasks.csv
refused 'too few images' 2 test run --set $without --set task.train_queries=1 --set task.queries=19 --set task.shots=2 --out no.json <<'END'
metanas: argument 10 (--set task.shots=2): task: 2 support and 19 query images a class, but the smallest validation class of dataset glyphs has only 20
END

# ---- cells of others
works 'swap' test run --tasks 6 --swap
holds 'an accuracy of each' grep -q '"own_minus"' run/test.json
holds 'a line a task' [ "$(wc -l <run/test-swap.csv)" -eq 7 ]
holds 'on the console' grep -q '^  swap ' out
works 'report' report run --out page.html
holds 'shows the swap' grep -q 'own cell against another task' page.html
holds 'and what was optimised' grep -q 'Meta-gradient' page.html
works 'swap with two workers' test run --tasks 6 --swap --set run.workers=2 --out swap2.json
same 'the same table' run/test-swap.csv swap2-swap.csv
works 'test without it' test run --tasks 6
holds 'takes its table away' [ ! -e run/test-swap.csv ]
works 'train a fixed network' train smoke.yaml --out fixed --set 'search_space={use: conv4, channels: 4, blocks: 2}'
holds 'nothing to swap' sh -c '! "$METANAS" test fixed --swap 2>err'
holds 'which is said' grep -q 'searches no architecture, so there is none to swap' err

# ---- other ways and shots than trained
works 'other shots' test run --tasks 4 --set task.shots=3 --out shots.json
refused 'other ways' 2 test run --set task.ways=3 <<'END'
metanas: run/checkpoint.safetensors: tensor head.weight has shape [5, 12], this configuration needs [3, 12]; a linear head has a weight vector for each way that it was trained with, so task.ways cannot change
END

# ---- other data
holds 'other data are refused' sh -c '! "$METANAS" test run --set dataset.shift=0.2 2>err'
works 'and accepted' test run --set dataset.shift=0.2 --accept-changes --out cross.json
holds 'a cross-data-set test is named' grep -q '"trained_on": "' cross.json
holds 'on the console' grep -q '^  cross-data   meta-trained on other data: ' out
finish
