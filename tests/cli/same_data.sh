# SPDX-License-Identifier: MIT
# resume, replay and test detect data other than those that a checkpoint was made with.
. "$SOURCE/tests/cli/lib.sh"

for split in train val test; do
    for class in a b c; do
        mkdir -p data/$split/$class
        for picture in 1 2 3 4; do
            "$PICTURES" write data/$split/$class/$picture.png 12 $((picture % 5)) 0
        done
    done
done
cat >c.yaml <<'Y'
run: {meta_epochs: 2, tasks_per_batch: 2, eval_every: 0, checkpoint_every: 1, workers: 1}
task: {ways: 2, shots: 1, queries: 1}
evaluation: {tasks: 2, validation_tasks: 1}
dataset: {use: image_folder, path: data, size: 12, channels: 1}
search_space: {use: conv4, channels: 2, blocks: 2}
task_learner: {use: sgd, steps: 1, test_steps: 1}
Y
cp -r data original
works 'train' train c.yaml --out run
holds 'the checkpoint tells its data' grep -qa '"data":"1 x 12 x 12; train 3 classes of 12 images; val 3 classes of 12 images; test 3 classes of 12 images; fingerprint [0-9a-f]\{16\}"' run/checkpoint.safetensors
works 'the same data elsewhere' test run --set dataset.path=original
works 'as they are' resume run --set run.meta_epochs=3

# differs WHAT: each command refuses the changed data, and accepts them with --accept-changes
differs() {
    for command in "resume run --set run.meta_epochs=9" "replay run --meta-epoch 2 --task 0" "test run"; do
        check
        # shellcheck disable=SC2086
        "$METANAS" $command >out 2>err
        [ $? -eq 2 ] || fail "$1: $command is not refused"
        holds "$1: $command: says so" grep -q 'was made with other data$' err
        holds "$1: $command: what was there" grep -q '^  then: 1 x 12 x 12; train 3 classes of 12 images; ' err
        holds "$1: $command: and what is" grep -q "^  now:  $2" err
        holds "$1: $command: and the way out" grep -q -- '--accept-changes goes on all the same' err
    done
}
back() {
    rm -r data
    cp -r original data
}
cp -r data/train/a data/train/d
differs 'a class more' '1 x 12 x 12; train 4 classes of 16 images; val 3 '
back
rm data/test/c/4.png
differs 'an image less' '1 x 12 x 12; train 3 classes of 12 images; val 3 classes of 12 images; test 3 classes of 11 images; '
back
mv data/val/a data/val/z
differs 'another order' '1 x 12 x 12; train 3 '
works 'a test that is told to' test run --accept-changes
holds 'warns' grep -q 'was made with other data$' err
works 'and a replay' replay run --meta-epoch 2 --task 0 --accept-changes
works 'and a resume' resume run --set run.meta_epochs=4 --accept-changes
works 'whose checkpoint has the new data' test run
back
for class in a b c; do
    for picture in 1 2 3 4; do
        "$PICTURES" write data/train/$class/$picture.png 12 $(((picture + 1) % 5)) 0
    done
done
rm -r run
mv data changed
cp -r original data
works 'train anew' train c.yaml --out run --set run.meta_epochs=3
rm -r data
mv changed data
differs 'other pixels' '1 x 12 x 12; train 3 '
finish
