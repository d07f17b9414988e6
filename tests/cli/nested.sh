# SPDX-License-Identifier: MIT
# Units around other units: what a user writes, what is told of mistakes, and that runs repeat.
. "$SOURCE/tests/cli/lib.sh"

cat >base.yaml <<'Y'
run: {name: nested, seed: 1, meta_epochs: 4, tasks_per_batch: 2, eval_every: 2, log_every: 1, checkpoint_every: 1}
task: {ways: 3, shots: 1, queries: 2, train_shots: 3}
evaluation: {tasks: 4, validation_tasks: 2}
dataset:
  use: augment
  shift: 2
  flip: 0.5
  around: {use: glyphs, size: 10, train_classes: 20, val_classes: 6, test_classes: 6}
search_space: {use: conv4, channels: 4, blocks: 2}
task_learner: {use: sgd, steps: 2, batch: 4, test_steps: 2, test_batch: 4}
meta_learner: {use: fomaml, optimizer: adam}
Y
works 'training' train base.yaml --out run --set run.workers=1
works 'with two workers' train base.yaml --out two --set run.workers=2
same_run 'gives the same' run two
works 'the resolved configuration' train run/config.resolved.yaml --out again
same_run 'repeats the run' run again
works 'half of it' train base.yaml --out half --set run.meta_epochs=2
works 'and the rest' resume half --set run.meta_epochs=4
same_run 'give the same' run half
works 'testing' test run
holds 'the data set is what the images come from' [ "$(field run/test.json dataset)" = glyphs ]
sed 's/  use: augment/  use: glyphs/; /shift:/d; /flip:/d; /around:/d' base.yaml >plain.yaml
plain='dataset.size=10 dataset.train_classes=20 dataset.val_classes=6 dataset.test_classes=6'
# shellcheck disable=SC2086
works 'without the filter' train plain.yaml --out plain $(printf ' --set %s' $plain)
check
cmp -s run/metrics.jsonl plain/metrics.jsonl && fail 'the filter changes nothing'
works 'a test of its own' test plain
works 'is compared on the same tasks' compare run plain
works 'a list of tasks of the data set' episodes plain.yaml --split test --out list.csv $(printf ' --set %s' $plain)
works 'is one of the filter around it' test run --episodes list.csv
works 'which lists them itself' episodes base.yaml --split test --out list2.csv
same 'and finds the same' list.csv list2.csv
works 'no filter that does anything' train base.yaml --out idle --set dataset.shift=0 --set dataset.flip=0
check
cmp -s idle/metrics.jsonl plain/metrics.jsonl || fail 'a filter without options changes the run'
works 'one around another' train base.yaml --out deep --set 'dataset={use: augment, shift: 2, around: {use: augment, shift: 2, around: {use: glyphs, size: 10, train_classes: 20, val_classes: 6, test_classes: 6}}}'
works 'which goes on' resume deep --set run.meta_epochs=5
holds 'all units are in the checkpoint' sh -c '[ "$(grep -ao "dataset.around.around\":\"glyphs of glyphs" deep/checkpoint.safetensors | wc -l)" = 1 ]'

# Learners around learners.
cat >learners.yaml <<'Y'
run: {name: learners, seed: 1, meta_epochs: 6, tasks_per_batch: 2, eval_every: 3, log_every: 1, checkpoint_every: 1}
task: {ways: 3, shots: 1, queries: 2, train_shots: 3}
evaluation: {tasks: 4, validation_tasks: 2}
dataset: {use: glyphs, size: 10, train_classes: 20, val_classes: 6, test_classes: 6}
search_space: {use: darts, cells: 2, nodes: 2, channels: 4, ops: [skip_connect, conv_3x3]}
task_learner: {use: clipped, max_norm: 1, max_norm_a: 0.1, around: {use: darts, steps: 2, batch: 4, warm_up: 0, test_steps: 2, test_batch: 4}}
meta_learner:
  use: scheduled
  warm_up: 0.5
  schedule: constant
  around: {use: clipped, max_norm: 0.1, of: task, around: {use: fomaml, optimizer: adam}}
Y
works 'learners around learners' train learners.yaml --out l1 --set run.workers=1
works 'with two workers' train learners.yaml --out l2 --set run.workers=2
same_run 'give the same' l1 l2
works 'without a course' train learners.yaml --out l3 --set meta_learner.warm_up=0
works 'as far as the third meta-epoch' train learners.yaml --out l4 --set run.meta_epochs=3 --set meta_learner.warm_up=0
works 'and on from there' resume l4 --set run.meta_epochs=6
same_run 'give the same' l3 l4
"$METANAS" train learners.yaml --out l5 --set run.meta_epochs=2 >out 2>err
"$METANAS" resume l5 --set run.meta_epochs=6 >out 2>err
holds 'that a warm-up lasts longer is told' grep -q 'meta_learner scheduled: warm_up 0.5 ended at meta-epoch 1, now it ends at 3' err
for name in m_w v_w t_w m_a v_a t_a; do
    holds "the state $name of the innermost" grep -qa "\"meta.around.around.$name\"" l1/checkpoint.safetensors
done
for name in meta_learner.factor meta_learner.around.clip_w meta_learner.around.around.lr_w; do
    holds "the metric $name" grep -q "\"$name\":" l1/metrics.jsonl
done
holds 'a warm-up of three meta-epochs' sh -c "grep -o '\"meta_learner.factor\":[0-9.]*' l1/metrics.jsonl | head -n 1 | grep -q ':0.33'"

# What is never reached, or always 1, changes no bit; a schedule outside is one inside.
learner='use: darts, steps: 2, batch: 4, warm_up: 0'
# learned OUT TASK_LEARNER META_LEARNER
learned() {
    works "$1" train learners.yaml --out "$1" --set "task_learner={$2}" --set "meta_learner={$3}"
}
learned bare "$learner" 'use: reptile, lr_w: 0.5'
learned wide "use: clipped, max_norm: 1.0e+9, around: {$learner}" 'use: reptile, lr_w: 0.5'
same_run 'a bound out of reach is none' bare wide
learned narrow "use: clipped, max_norm: 0.1, around: {$learner}" 'use: reptile, lr_w: 0.5'
check
cmp -s bare/metrics.jsonl narrow/metrics.jsonl && fail 'clipping changes nothing'
learned constant "$learner" 'use: scheduled, schedule: constant, around: {use: reptile, lr_w: 0.5}'
holds 'a constant schedule is none' [ "$("$TENSORS" differ bare/checkpoint.safetensors constant/checkpoint.safetensors)" = 0.000e+00 ]
learned inside "$learner" 'use: reptile, lr_w: 0.5, schedule: cosine'
learned outside "$learner" 'use: scheduled, schedule: cosine, around: {use: reptile, lr_w: 0.5}'
near 'a schedule inside and outside' "$("$TENSORS" differ inside/checkpoint.safetensors outside/checkpoint.safetensors)" 0 1e-4
check
[ "$("$TENSORS" differ bare/checkpoint.safetensors outside/checkpoint.safetensors)" != 0.000e+00 ] || fail 'the schedule changes nothing'
learned parts "$learner" 'weights: {use: clipped, around: {use: fomaml, optimizer: adam}}, architecture: {use: scheduled, around: {use: reptile}}'
holds 'names of a part' grep -qa '"meta.weights.around.m_w"' parts/checkpoint.safetensors

# What a user sees.
sed 's/train_classes/train_clases/' base.yaml >typo.yaml
refused 'a typo inside' 2 validate typo.yaml <<'E'
typo.yaml:8:35: dataset.around glyphs: unknown key 'train_clases'; did you mean 'train_classes'?
metanas: typo.yaml: 1 fault; nothing was run
E
sed 's/around:/aruond:/' base.yaml >typo.yaml
refused 'a typo of the key' 2 validate typo.yaml <<'E'
typo.yaml:8:3: dataset augment: unknown key 'aruond'; did you mean 'around'?
typo.yaml:4:1: dataset augment: the key 'around' is required: the data set whose images are changed
metanas: typo.yaml: 2 faults; nothing was run
E
refused 'a range by --set' 2 validate base.yaml --set dataset.around.size=1000 <<'E'
argument 4 (--set dataset.around.size=1000): dataset.around glyphs: size: 1000 is out of range: expected int, 8 to 512
metanas: base.yaml: 1 fault; nothing was run
E
refused 'options that do not go together' 2 validate base.yaml --set dataset.around.strokes_min=6 <<'E'
argument 4 (--set dataset.around.strokes_min=6): dataset.around glyphs: strokes_min: 6 is more than strokes_max (4): lower it or raise strokes_max
metanas: base.yaml: 1 fault; nothing was run
E
refused 'a name in place of a section' 2 validate base.yaml --set dataset.around=glyphs <<'E'
argument 4 (--set dataset.around=glyphs): dataset augment: around: expected a section; to choose a plugin write around: {use: NAME}
metanas: base.yaml: 1 fault; nothing was run
E
refused 'no name' 2 validate base.yaml --set 'dataset.around={size: 20}' <<'E'
argument 4 (--set dataset.around={size: 20}): dataset.around: the key 'use' is required: which dataset
metanas: base.yaml: 1 fault; nothing was run
E
around='around: {use: augment, around: {use: augment, around: {use: augment, around: {use: augment, around: {use: glyphs}}}}}'
refused 'too many' 2 validate base.yaml --set "dataset={use: augment, $around}" <<E
argument 4 (--set dataset={use: augment, $around}): dataset.around.around.around.around augment: around: units are nested in one another up to 4 deep
metanas: base.yaml: 1 fault; nothing was run
E
# bad WHAT PATTERN ARGUMENT...
bad() {
    what=$1 text=$2
    shift 2
    check
    "$METANAS" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq 2 ] || fail "$what: exit code $got"
    grep -qF "$text" err || {
        fail "$what: $text"
        cat err
    }
}
bad 'an unknown unit' "there is no glyhps.so; did you mean 'glyphs'?" validate base.yaml --set dataset.around.use=glyhps
bad 'a unit of another kind' "softmax.so: offers no dataset 'softmax'" validate base.yaml --set dataset.around.use=softmax
bad 'steps that cannot be differentiated' 'task_learner clipped: around: the meta learner differentiates through the steps of a task' \
    validate learners.yaml --set meta_learner.use=maml
bad 'a schedule without its steps' 'meta_learner scheduled: steps: schedule: step never falls without it' \
    validate learners.yaml --set meta_learner.schedule=step
bad 'another option on resume' 'dataset.around.size cannot change when a run is resumed' resume half --set dataset.around.size=12
bad 'the path of data may change' "dataset.around glyphs: unknown key 'path'" resume half --set dataset.around.path=elsewhere

works 'help tells the option' help dataset/augment
holds 'as a unit' sh -c 'tr -s "\n " "  " <out | grep -q "Type: a unit of the same kind"'
works 'list shows the filter' list
holds 'among data sets' grep -q 'augment' out

# Axes of a sweep over keys inside.
cat >sweep.yaml <<'Y'
base: base.yaml
axes:
  classes: {few: {dataset.around.train_classes: 10}, all: {dataset.around.train_classes: 20}}
  dataset.evaluation: [false, true]
seeds: [1]
Y
works 'a sweep over nested keys' sweep sweep.yaml --out arms
holds 'meta-trains what evaluation alone tells apart once' [ "$(ls arms/*/seed-1/metrics.jsonl | wc -l)" = 2 ]
finish
