# SPDX-License-Identifier: MIT
# Tasks that the data set is too small for, and numbers that are not finite.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .

cat >ways.yaml <<'Y'
task: {ways: 2000}
dataset: {use: glyphs, size: 14}
Y
refused 'more ways than classes' 2 train ways.yaml <<'T'
metanas: ways.yaml:1:14: task: ways: 2000 classes a task, but dataset glyphs has only 1000 training classes
T
refused 'more ways than classes of a split' 2 train smoke.yaml --set task.ways=21 <<'T'
metanas: argument 4 (--set task.ways=21): task: ways: 21 classes a task, but dataset glyphs has only 20 validation classes
T
cat >shots.yaml <<'Y'
task:
  shots: 19
  queries: 2
dataset: {use: glyphs, size: 14}
Y
refused 'class with too few images' 2 train shots.yaml <<'T'
metanas: shots.yaml:2:10: task: 19 support and 2 query images a class, but the smallest training class of dataset glyphs has only 20
T
holds 'no run was begun' [ ! -e runs ]

# ---- what a data set of folders holds ----

# make_set DIR: 2 classes a split, 3 pictures each.
make_set() {
    p=0
    for split in train val test; do
        for class in a b; do
            mkdir -p "$1/$split/$split-$class"
            for i in 1 2 3; do
                "$PICTURES" write "$1/$split/$split-$class/$i.png" 14 $p $((i - 2))
            done
            p=$(((p + 1) % 5))
        done
    done
}
# train_on DIR: into `trained`
train_on() {
    rm -rf trained
    works "train on $1" train smoke.yaml --out trained --set run.meta_epochs=1 --set run.eval_every=0 \
        --set "dataset={use: image_folder, path: $1, size: 14, channels: 1}" \
        --set 'task={ways: 2, shots: 1, queries: 1}' --set 'search_space.ops=[conv_3x3]'
}
# said WHAT TEXT: a line of standard error
said() {
    holds "$1" grep -Fxq "metanas: $2" err
}
make_set set
train_on set
holds 'classes and images of each split are printed' grep -qx \
    'data: training: 2 classes, 6 images; validation: 2 classes, 6 images; test: 2 classes, 6 images' out
holds 'nothing is left out' sh -c '! grep "left out" err'

cp -r set more
mkdir more/train/empty more/train/other
echo x >more/train/other/1.gif
echo x >more/train/train-a/0.png
cp -r more/train/train-b more/test/train-b
train_on more
said 'files of other endings' "dataset image_folder: $work/more: 1 file is left out, its name does not end in .png, .jpg, .jpeg, .webp: train/other/1.gif"
holds 'folders without an image' grep -q "more: 2 folders without an image are left out: train/\(empty, train/other\|other, train/empty\)\$" err
said 'unreadable files' "dataset image_folder: $work/more: 1 file is left out, it cannot be read: train/train-a/0.png (neither a PNG, nor a JPEG, nor a WebP file)"
said 'classes of two splits' 'dataset image_folder: 1 class is in the training split as well as in the test split: train-b'
holds 'what is left is used' grep -q '^data: training: 2 classes, 6 images; .*; test: 3 classes, 9 images$' out

works 'a run to continue' train smoke.yaml --out run
cp run/checkpoint.safetensors before
cp run/config.resolved.yaml run/old.yaml
check
"$METANAS" train smoke.yaml --out nan \
    --set 'task_learner={use: sgd, lr: 1e9, weight_decay: 1e6}' >out 2>err
code=$?
holds 'a loss that is not finite ends with 4' [ $code -eq 4 ]
holds 'and tells where' grep -Eq '^metanas: meta-epoch 0, task [0-9]+ \(seed 1\): task_learner sgd: step [0-9]+: the loss is (nan|inf|[0-9.e+]+, above run.max_loss \(10000\))$' err
holds 'and what was saved' grep -q 'the checkpoint of meta-epoch 0 is whole, but going on would end the same' err
holds 'which is there' [ -e nan/checkpoint.safetensors ]
finish
